"""Results are written whole, by one writer, and never a smoke run's among the paper's."""

import json

import pandas as pd
import pytest

from jointprune.paper.results import read_facts, read_table, write_facts, write_table
from jointprune.workspace import Workspace, atomic_path

HISTORY = {"data_sha256": "ab", "config": {}}


def test_smoke_results_are_refused_in_the_repository():
    with pytest.raises(ValueError, match="expected a workspace of its own for smoke results"):
        write_facts(Workspace("."), "baseline.json", {}, smoke=True, **HISTORY)


def test_a_result_comes_back_with_its_history(tmp_path):
    workspace = Workspace(str(tmp_path))
    write_facts(workspace, "baseline.json", {"runs": 3}, smoke=True, **HISTORY)
    facts = read_facts(workspace, "baseline.json")
    assert facts.pop("commit")
    assert facts == {"runs": 3, "smoke": True, **HISTORY}


def test_words_that_look_missing_stay_words(tmp_path):
    workspace = Workspace(str(tmp_path))
    write_table(workspace, "gate_paths.csv", pd.DataFrame({"joint": ["NA", "null", ""]}))
    assert read_table(workspace, "gate_paths.csv")["joint"].tolist() == ["NA", "null", ""]


def test_an_absent_result_names_the_notebook_that_makes_it(tmp_path):
    with pytest.raises(FileNotFoundError, match="run notebooks/02_baseline"):
        read_facts(Workspace(str(tmp_path)), "baseline.json")


def test_a_file_without_a_writer_is_refused(tmp_path):
    with pytest.raises(ValueError, match="expected a results file out of"):
        write_table(Workspace(str(tmp_path)), "mine.csv", pd.DataFrame())


def test_a_failed_write_leaves_the_old_content_and_nothing_beside_it(tmp_path):
    path = tmp_path / "facts.txt"
    path.write_text("old")
    with pytest.raises(KeyboardInterrupt), atomic_path(path) as temporary:
        temporary.write_text("half")
        raise KeyboardInterrupt
    assert path.read_text() == "old"
    assert list(tmp_path.iterdir()) == [path]


def test_results_of_another_dataset_lie_in_folders_of_its_name(tmp_path):
    own, other = Workspace(str(tmp_path)), Workspace(str(tmp_path), "mine")
    assert other.results == own.results / "mine" and other.figures == own.figures / "mine"
    assert (other.runs, other.processed) == (own.runs, own.processed)


def test_names_of_digits_stay_names(tmp_path):
    workspace = Workspace(str(tmp_path))
    table = pd.DataFrame({"group": ["6", "14"], "label": ["01", "NA"], "k": [12, 42]})
    write_table(workspace, "baseline_predictions.csv", table)
    assert read_table(workspace, "baseline_predictions.csv").equals(table)


def changed(path, old, new):
    text = path.read_text(encoding="utf-8")
    assert old in text
    path.write_text(text.replace(old, new), encoding="utf-8")


@pytest.fixture
def sealed(tmp_path):
    """A workspace with a table and the facts of the same notebook."""
    workspace = Workspace(str(tmp_path))
    write_table(workspace, "baseline_predictions.csv", pd.DataFrame({"clip": ["a"], "k": [42]}))
    write_facts(
        workspace, "baseline.json", {"runs": 3, "by": {2: 0.1, 12: 0.2}}, smoke=True, **HISTORY
    )
    return workspace


def test_facts_and_tables_that_nobody_touched_are_read(sealed):
    assert read_facts(sealed, "baseline.json")["by"] == {"2": 0.1, "12": 0.2}
    assert read_table(sealed, "baseline_predictions.csv")["k"].tolist() == [42]


def test_facts_that_were_edited_are_refused(sealed):
    changed(sealed.results / "baseline.json", '"runs": 3', '"runs": 4')
    with pytest.raises(
        ValueError, match=r"baseline\.json: expected .*02_baseline.* run that again"
    ):
        read_facts(sealed, "baseline.json")


def test_a_table_that_was_edited_is_refused_wherever_it_is_asked_for(sealed):
    changed(sealed.results / "baseline_predictions.csv", "a,42", "a,41")
    for read, name in ((sealed.read_json, "baseline.json"),
                       (sealed.read_csv, "baseline_predictions.csv")):  # fmt: skip
        with pytest.raises(ValueError, match=r"predictions\.csv: .*than baseline\.json notes"):
            read(name)


def test_facts_laid_out_otherwise_are_the_same_facts(sealed):
    path = sealed.results / "baseline.json"
    path.write_text(json.dumps(json.loads(path.read_text()), indent=4))
    assert read_facts(sealed, "baseline.json")["runs"] == 3


@pytest.mark.parametrize("content", ["", '{"runs": ', "[1]", b"\xff\xfe"])
def test_a_cut_file_of_facts_says_which_and_what_to_do(sealed, content):
    path = sealed.results / "baseline.json"
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    with pytest.raises(ValueError, match=r"baseline\.json: expected .*run that again"):
        read_facts(sealed, "baseline.json")


def test_facts_of_before_they_were_sealed_are_read(sealed):
    path = sealed.results / "baseline.json"
    facts = json.loads(path.read_text())
    del facts["sha256"], facts["tables"]
    path.write_text(json.dumps(facts))
    changed(sealed.results / "baseline_predictions.csv", "a,42", "a,41")
    assert read_facts(sealed, "baseline.json")["runs"] == 3
