"""Shuffled labels: what is shuffled, that everything is trained on them, and what is read."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from jointprune.config import TrainingConfig
from jointprune.paper import control
from jointprune.prediction import predictions
from jointprune.runs import trials_of
from jointprune.training import run_many

TINY = TrainingConfig(hidden=16, layers=1, heads=2, feed_forward=32, frames=8, epochs=4)


def test_labels_are_shuffled_within_groups_and_nothing_else_changes(toy_dataset):
    first, again, other = (control.shuffled(toy_dataset, seed) for seed in (0, 0, 1))
    assert first.labels.tolist() == again.labels.tolist() != other.labels.tolist()
    assert first.sha256 == again.sha256
    assert len({first.sha256, other.sha256, toy_dataset.sha256}) == 3
    for data in (first, other):
        assert data.labels.tolist() != toy_dataset.labels.tolist()
        assert data.clips["label"].tolist() == [data.classes[label] for label in data.labels]
        for group in set(data.groups):
            counts = np.bincount(data.labels[data.groups == group])
            assert counts.tolist() == [2, 2, 2, 2]
        assert data.poses is toy_dataset.poses and data.groups is toy_dataset.groups
        same = data.clips.drop(columns="label")
        pd.testing.assert_frame_equal(same, toy_dataset.clips.drop(columns="label"))
    assert toy_dataset.meta["sha256"] == toy_dataset.sha256  # the data set itself is as before


def test_labels_of_groups_of_one_class_are_shuffled_among_all_clips(toy_dataset):
    groups = np.asarray(toy_dataset.groups)
    lonely = groups == groups[0]
    one = replace(toy_dataset, labels=np.where(lonely, 0, toy_dataset.labels))
    assert control.within_groups(toy_dataset) and not control.within_groups(one)
    mixed = control.shuffled(one, 0)
    assert len(set(mixed.labels[lonely].tolist())) > 1
    assert sorted(mixed.labels) == sorted(one.labels)


def test_all_that_sees_labels_sees_the_shuffled_ones(toy_dataset, workspace, alone, monkeypatch):
    """The same networks recognise the true labels, so that whoever saw these would know them."""
    monkeypatch.setattr(control, "reading", lambda table, *_: table)
    folds, seeds = toy_dataset.folds(3, seed=0), (0, 1, 2)
    found = control.control(toy_dataset, folds, seeds, TINY, workspace)
    names = {path.name for path in workspace.runs.iterdir() if (path / "run.json").is_file()}
    assert len(names) == 3 * 3 * 3  # gates, all joints and 12, for every fold and seed
    assert found.groupby(["method", "k", "seed"]).size().to_dict() == {
        (*method, seed): 24 for method in (("full", 42), ("learned", 12)) for seed in seeds
    }
    for seed, part in found.groupby("seed"):
        mixed = control.shuffled(toy_dataset, seed)
        labels = dict(zip(mixed.clips["clip"], mixed.clips["label"], strict=True))
        assert part["label"].tolist() == part["clip"].map(labels).tolist()
    truth = trials_of("full", toy_dataset, folds, (0,), TINY)
    assert not any(trial.run.folder(toy_dataset, workspace).exists() for trial in truth)
    run_many([trial.run for trial in truth], toy_dataset, workspace)
    known = predictions(truth, toy_dataset, workspace)
    assert (known["predicted"] == known["label"]).mean() > 0.8
    for _, part in found.groupby("method"):
        assert (part["predicted"] == part["label"]).mean() < 0.45  # chance is 0.25, s.e. 0.05


def answers(answer, groups=8):
    """Both methods give `answer(group, label)` for groups of 20 clips with labels A to D."""
    rows = [(method, k, f"{group}/{clip}", str(group), "ABCD"[clip % 4])
            for method, k in (("full", 42), ("learned", 12))
            for group in range(groups) for clip in range(20)]  # fmt: skip
    table = pd.DataFrame(rows, columns=["method", "k", "clip", "group", "label"])
    table["predicted"] = [answer(*row) for row in zip(table["group"], table["label"], strict=True)]
    return table.assign(regime="retrained", fold=0, seed=0)


@pytest.mark.parametrize(
    ("answer", "mean", "leaks"),
    [(lambda group, label: "A", 0.25, False), (lambda group, label: label, 1.0, True)],
)
def test_a_constant_answer_reads_chance_and_right_answers_are_a_leak(answer, mean, leaks):
    found = control.reading(answers(answer), 0.02)
    assert (found["chance"], found["works"], found["margin"]) == (0.25, leaks, 0.02)
    assert [(row["method"], row["k"]) for row in found["rows"]] == [("full", 42), ("learned", 12)]
    for row in found["rows"]:
        assert (row["mean"], row["leaks"]) == (mean, leaks)


def test_to_know_the_groups_is_no_leak_and_too_few_groups_show_none():
    """Half of the groups have label A alone, the others B: answers by group are all right."""
    by_group = answers(lambda group, label: "AB"[int(group) % 2])
    by_group["label"] = by_group["predicted"]
    assert not any(row["leaks"] for row in control.reading(by_group, 0.02)["rows"])
    few = control.reading(answers(lambda group, label: label, groups=5), 0.02)
    assert not any(row["leaks"] for row in few["rows"])
