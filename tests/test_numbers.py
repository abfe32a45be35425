"""Numbers reach the paper once, by name, and only from a full run."""

import copy
import re

import paper_facts
import pytest

from jointprune import numbers
from jointprune.claims import claims_text, write_claims
from jointprune.workspace import ROOT, Workspace


@pytest.fixture(scope="module")
def facts():
    return paper_facts.results()


@pytest.fixture
def paper(tmp_path, facts):
    """A workspace with full results, the paper's files and published numbers."""
    workspace = Workspace(str(tmp_path))
    paper_facts.write(workspace)
    numbers.write_tex(facts, workspace.figures / "numbers.tex")
    write_claims(facts, workspace.figures / "claims.md")
    readme = workspace.path / "README.md"
    readme.write_text(f"# x\n{numbers.BEGIN}\nold\n{numbers.END}\nrest\n", encoding="utf-8")
    numbers.write_readme_block(facts, readme)
    numbers.publish(facts, workspace)
    return workspace


def test_macro_names_hold_letters_only_and_are_unique(facts):
    names = re.findall(r"\\newcommand\{\\(.*?)\}", numbers.tex(facts))
    assert names
    assert all(re.fullmatch("JP[A-Za-z]+", name) for name in names)
    assert len(names) == len(set(names)) == len(numbers.collect(facts))


def test_a_number_in_a_name_is_spelled():
    assert numbers.letters("learned-12 vs full") == "LearnedTwelveVsFull"
    assert [numbers.letters(k) for k in (0, 19, 20, 42)] == [
        "Zero", "Nineteen", "Twenty", "FortyTwo",
    ]  # fmt: skip


def test_a_macro_stands_beside_its_source(facts):
    line = r"\newcommand{\JPClips}{\ensuremath{410}}% data/results/dataset.json:clips"
    assert line in numbers.tex(facts).splitlines()


def test_every_source_points_at_its_value(facts):
    for number in numbers.collect(facts).values():
        name, place = re.fullmatch(r"data/results/(\w+)\.json:(.*)", number.source).groups()
        found = facts[name]
        for step in re.findall(r"\w+\[[^]]*\]|\w+", place):
            key, _, which = step.partition("[")
            found = found[key]
            if key == "accuracy" and which:
                method, k = which[:-1].rsplit(" k=", 1)
                found = next(r for r in found if (r["method"], r["k"]) == (method, int(k)))
            if key == "paired":
                found = next(record for record in found if record["name"] == which[:-1])
        assert number.value == (len(found) if isinstance(found, list) else found)


def test_smoke_results_are_refused_in_the_paper(tmp_path):
    smoke = paper_facts.results(smoke=True)
    for write, path in (
        (numbers.write_tex, ROOT / "figures" / "numbers.tex"),
        (write_claims, ROOT / "figures" / "claims.md"),
        (numbers.write_readme_block, ROOT / "README.md"),
        (numbers.publish, Workspace(str(tmp_path))),
    ):
        with pytest.raises(ValueError, match="got a smoke run"):
            write(smoke, path)
    assert numbers.write_tex(smoke, tmp_path / "numbers.tex").is_file()


def test_results_of_two_runs_are_not_mixed(paper):
    old = paper.read_json("baseline.json")
    facts = {key: old[key] for key in ("accuracy", "chance")}
    paper.write_json("baseline.json", facts, data_sha256="cd" * 32, config={}, smoke=False)
    with pytest.raises(ValueError, match="expected results of one run, got data_sha256"):
        numbers.load_results(paper)


def test_results_come_back_as_written(paper, facts):
    assert numbers.collect(numbers.load_results(paper)) == numbers.collect(facts)


def test_only_the_block_between_the_markers_changes(paper, facts):
    text = (paper.path / "README.md").read_text(encoding="utf-8")
    assert text.startswith(f"# x\n{numbers.BEGIN}\n")
    assert text.endswith(f"\n{numbers.END}\nrest\n")
    assert "old" not in text
    assert numbers.readme_block(facts, text) == text


def test_a_readme_without_markers_is_refused(facts):
    with pytest.raises(ValueError, match="once each"):
        numbers.readme_block(facts, "# no markers\n")


def test_published_numbers_agree_with_themselves(paper, facts):
    assert numbers.differences(facts, paper.read_json("published.json")) == []
    assert numbers.stale_files(facts, paper.path) == []


@pytest.mark.parametrize(("shift", "named"), [(0.02, False), (0.04, True)])
def test_a_score_may_move_within_its_tolerance(paper, facts, shift, named):
    moved = copy.deepcopy(facts)
    moved["baseline"]["accuracy"]["mean"] += shift
    found = numbers.differences(moved, paper.read_json("published.json"))
    assert any(line.startswith("JPBaselineAccuracy: ") for line in found) is named


def test_a_count_and_the_data_may_not_move(paper, facts):
    moved = copy.deepcopy(facts)
    moved["dataset"]["clips"] = 411
    moved["dataset"]["data_sha256"] = "other"
    found = numbers.differences(moved, paper.read_json("published.json"))
    assert [line.split(":")[0] for line in found] == ["data_sha256", "JPClips"]


def test_a_stale_file_is_named(paper, facts):
    (paper.figures / "claims.md").write_text("by hand", encoding="utf-8")
    (paper.figures / "numbers.tex").unlink()
    found = numbers.stale_files(facts, paper.path)
    assert [line.split(" ")[0] for line in found] == ["figures/numbers.tex", "figures/claims.md"]


def test_the_headline_shows_every_method_and_verdict(facts):
    text = numbers.headline(facts)
    assert all(row["method"] in text for row in facts["ablation"]["accuracy"])
    assert "Keeping 12 learned joints is more accurate" in text


def test_committed_files_say_what_the_committed_results_say():
    facts = numbers.load_results(Workspace("."))
    assert facts["dataset"]["smoke"] is False
    assert (ROOT / "figures/claims.md").read_text(encoding="utf-8") == claims_text(facts)
    assert numbers.stale_files(facts, ROOT) == []
