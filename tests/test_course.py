"""`make course`: its summary, and the README's table of it."""

import course
import pytest

from jointprune.paper.report import with_block
from jointprune.paper.results import read_facts
from jointprune.workspace import ROOT, Workspace


def cell(closed: list[float], without: list[float], pruned: list[float]) -> dict:
    return {
        "dataset": "ksl13", "keep": 23, "closed": {"low": closed, "high": closed},
        "accuracy_without": without, "accuracy_with": pruned,
    }  # fmt: skip


def test_the_summary_compares_each_setting_with_the_same_one_without_a_layer():
    cells = [
        cell([0, 0.1, 0.2, 0.4], [0.9, 0.7], [0.9, 0.6]),
        cell([0, 0.1, 0.3, 0.4], [0.5, 0.5], [0.5, 0.6]),
    ]
    (row,) = course.summary(cells)
    assert (row["closed_low"][2], row["closed_high"][2]) == (0.2, 0.3)
    assert row["accuracy_without"] == pytest.approx(0.65)
    assert row["settings_without"] == pytest.approx([0.5, 0.8])
    assert row["change"] == pytest.approx(0)
    assert row["worst_setting"] == pytest.approx(-5)
    assert (row["settings_within_2_points"], row["settings"]) == (1, 2)


def test_the_readme_shows_the_committed_table():
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    table = read_facts(Workspace("."), "course.json")["table"]
    assert with_block(text, "course", course.in_words(table)) == text
