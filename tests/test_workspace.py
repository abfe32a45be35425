"""Results are written whole, by one writer, and never a smoke run's among the paper's."""

import pandas as pd
import pytest

from jointprune.workspace import Workspace, atomic_path

HISTORY = {"data_sha256": "ab", "config": {}}


def test_smoke_results_are_refused_in_the_repository():
    with pytest.raises(ValueError, match="expected a workspace of its own for smoke results"):
        Workspace(".").write_json("baseline.json", {}, smoke=True, **HISTORY)


def test_a_result_comes_back_with_its_history(tmp_path):
    workspace = Workspace(str(tmp_path))
    workspace.write_json("baseline.json", {"runs": 3}, smoke=True, **HISTORY)
    facts = workspace.read_json("baseline.json")
    assert facts.pop("commit")
    assert facts == {"runs": 3, "smoke": True, **HISTORY}


def test_words_that_look_missing_stay_words(tmp_path):
    workspace = Workspace(str(tmp_path))
    workspace.write_csv("gate_paths.csv", pd.DataFrame({"joint": ["NA", "null", ""]}))
    assert workspace.read_csv("gate_paths.csv")["joint"].tolist() == ["NA", "null", ""]


def test_an_absent_result_names_the_notebook_that_makes_it(tmp_path):
    with pytest.raises(FileNotFoundError, match="run notebooks/02_baseline"):
        Workspace(str(tmp_path)).read_json("baseline.json")


def test_a_file_without_a_writer_is_refused(tmp_path):
    with pytest.raises(ValueError, match="expected a results file out of"):
        Workspace(str(tmp_path)).write_csv("mine.csv", pd.DataFrame())


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
    workspace.write_csv("baseline_predictions.csv", table)
    assert workspace.read_csv("baseline_predictions.csv").equals(table)
