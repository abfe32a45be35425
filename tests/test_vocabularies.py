"""Several data sets side by side: the table of their results, and joints carried over."""

import copy

import numpy as np
import pandas as pd
import paper_facts
import pytest

from jointprune.config import TrainingConfig
from jointprune.paper import report, transfer, vocabularies
from jointprune.paper.claims import differs, one_row, points
from jointprune.paper.comparisons import ALPHA
from jointprune.paper.results import read_facts
from jointprune.prediction import predictions
from jointprune.runs import trials_of
from jointprune.selection.baselines import PUBLISHED
from jointprune.skeleton import JOINT_NAMES
from jointprune.store import save_dataset
from jointprune.training import run_many
from jointprune.workspace import Workspace


def test_each_data_set_with_results_has_a_row_the_default_one_first(tmp_path):
    for name in ("words", "fingerspelling"):
        paper_facts.write(Workspace(str(tmp_path), name))
    (tmp_path / "data" / "results" / "unfinished").mkdir()
    places = vocabularies.with_results(Workspace(str(tmp_path), "words"))
    assert [place.dataset for place in places] == ["fingerspelling", "words"]
    table = report.vocabularies_table(Workspace(str(tmp_path)))
    assert len(table.splitlines()) == 4


def test_a_row_holds_k_star_and_the_joints_only_if_the_claim_is_established(facts):
    star = facts["ablation"]["k_star"][0]
    assert vocabularies.rows([facts])[1][-5:-2] == ("not established", "", "")
    star["k"] = 21
    head, row = vocabularies.rows([facts])
    cells = dict(zip(head, row, strict=True))
    assert cells["K* (range over seeds)"].startswith("21 (")
    assert cells["dropped: joints (joint-frames)"].startswith("50.0 % (")
    right = sum(name.startswith("right") for name in vocabularies.most_typical(facts, 21))
    assert cells["typical joints"] == f"{right} right, {21 - right} left"
    learned, drawn = (one_row(facts["ablation"]["accuracy"], method=method, k=21,
                              regime="retrained")["mean"]
                      for method in ("learned", vocabularies.RANDOM[0]))  # fmt: skip
    assert row[-2].startswith(f"{points(learned - drawn)} with K* (not tested); ")
    assert "K*" not in row[-1]  # hand-matched random joints were not tried at it
    star["k"] = 6
    next(step for step in star["steps"] if step["k"] == 6)["strata"] = []
    names = vocabularies.rows([facts])[1][-3].split(", ")
    assert [n.replace(" ", ".", 1).replace(" ", "_") for n in names] == (
        vocabularies.most_typical(facts, 6)
    )
    star["reference"]["works"] = False  # at chance
    assert vocabularies.rows([facts])[1][-5:-2] == ("refused", "", "")


@pytest.mark.parametrize("column, method", [*enumerate(vocabularies.RANDOM, -2)])
def test_a_difference_from_random_joints_is_said_with_its_verdict(facts, column, method):
    (record,) = (record for record in facts["ablation"]["paired"]
                 if record["name"] == f"learned-12 vs {method}-12")  # fmt: skip
    record |= {"difference": 0.103, "low": 0.06, "high": 0.14, "p_holm": 0.0005}
    assert vocabularies.rows([facts])[1][column] == "+10.3 with 12, established"
    record["p_holm"] = 0.06
    assert vocabularies.rows([facts])[1][column] == "+10.3 with 12, not established"
    facts["dataset"]["folds"] = [["a", "b"], ["c", "d"]]  # p is at least 2 / 2 ** 4
    assert vocabularies.rows([facts])[1][column] == "+10.3 with 12, too few languages to test"


def test_the_caveats_below_the_readmes_table_are_true():
    """Sentences that are typed there and in figures/README.md: each has its result."""
    results = {place.dataset: report.load_results(place)
               for place in vocabularies.with_results(Workspace())}  # fmt: skip
    american, german, korean = (results[name] for name in ("asl13", "dgs30", "ksl13"))
    assert not american["ablation"]["control"]["within_groups"]
    committers = read_facts(Workspace(dataset="asl13"), "committers.json")
    full, few = (one_row(committers["rows"], method=method, k=k)["mean"]
                 for method, k in (("full", 42), ("learned", 12)))  # fmt: skip
    assert full - few > 0.02
    assert german["dataset"]["by_palm"] == german["dataset"]["clips"]
    assert korean["dataset"]["groups"] == 5
    assert 0.5**5 < ALPHA < 0.5**4  # one-sided p of sign flips
    letters, star = results["fingerspelling"], "k_star"
    assert letters["dataset"]["two_handed"] == ["cse", "csq", "tsm"]  # Czech, Croatian, Turkish
    assert letters["baseline"]["seeds"] == 5 and letters["dataset"]["missing"]["left"] > 0.5
    assert len(letters["ablation"][star][0]["by_seed"]) == 10
    assert letters["ablation"][star][0]["by_test"] == 21
    overlapping = []
    for name, facts in results.items():
        tested = [step["k"] for step in facts["ablation"][star][0]["steps"]]
        assert tested == [30, 21, 16, 12] if name == "fingerspelling" else [21, 12, 6, 4, 3, 2, 1]
        paired = facts["ablation"]["paired"]
        assert not any(differs(record) for record in paired if record["b"]["method"] == "greedy")
        sure = [record["b"]["method"] for record in paired if differs(record)]
        beaten = [r["a"]["k"] for r in paired if r["b"]["method"] == "anatomical" and differs(r)]
        assert beaten == ([6] if name == "dgs30" else [])
        assert (vocabularies.RANDOM[1] in sure) == (name in ("fingerspelling", "dgs30"))
        sets = {record["a"]["k"] for record in facts["ablation"]["one_set"]}
        assert {12, 21} <= sets
        if any(row["p_holm"] < ALPHA for row in facts["ablation"]["overlap"]):
            overlapping.append(name)
    assert overlapping == ["ksl13"]


def made(toy, folder, name, scale):
    """A data set whose results say what of them `transfer` reads; its tiny trainings."""
    toy = copy.deepcopy(toy)
    toy["poses"] *= np.float32(scale)
    data = save_dataset(folder / name, **toy)
    rows = [{"method": method, "k": k, "regime": "retrained", "mean": 0.5, "low": 0.4, "high": 0.6}
            for method, k in (("full", 42), ("learned", 6), ("learned", 12), ("learned", 21),
                              ("stratified-random", 6), ("stratified-random", 12))]  # fmt: skip
    first = {"fingerspelling": 0, "words": 20}[name]
    chosen = [{"k": k, "joints": list(JOINT_NAMES[first : first + k])} for k in (6, 12)]
    config = {"settings": {"hidden": 16, "frames": 4}, "epochs": 1, "seeds": 2}
    return data, {
        "dataset": {
            "config": {"folds": 3, "fold_seed": 0},
            "data_sha256": data.sha256,
            "description": f"{name} (toy)",
        },
        "ablation": {"accuracy": rows, "config": config},
        "pruning": {"selections": chosen},
    }


def test_joints_of_one_data_set_are_retrained_on_the_folds_of_the_other(toy, tmp_path):
    place = Workspace(str(tmp_path))
    names = ("fingerspelling", "words")
    sets = {name: made(toy, place.processed, name, 1 + n) for n, name in enumerate(names)}
    results = {name: facts for name, (_, facts) in sets.items()}
    rows = pd.DataFrame(transfer.transfer(place, results))
    for name, other in (names, names[::-1]):
        own = rows[rows["tested_on"] == name]
        assert [*own["origin"]] == [
            "full", "learned", "learned", "stratified-random", "stratified-random",
            other, other, *(f"published-{source}" for source in PUBLISHED),
        ]  # fmt: skip
        assert [*own["k"]] == [42, 6, 12, 6, 12, 6, 12] + [12] * len(PUBLISHED)
        assert [*own["joints"][5:]] == [6, 12, *map(len, PUBLISHED.values())]
    data, config = sets["words"][0], TrainingConfig(hidden=16, frames=4, epochs=1)
    trials = trials_of("x", data, data.folds(3, 0), range(2), config, range(6))
    run_many([trial.run for trial in trials], data, place)  # trained already
    table = predictions(trials, data, place)
    for part, name in (("dataset", "data_sha256"), ("ablation", "config")):
        spoilt = copy.deepcopy(results)
        spoilt["words"][part][name] = {"epochs": 1, "seeds": 2}
        with pytest.raises(ValueError, match="words: expected results of this data set and with"):
            transfer.transfer(place, spoilt)
    carried = rows[(rows["tested_on"] == "words") & (rows["origin"] == "fingerspelling")]
    right = (table["predicted"] == table["label"]).mean()
    assert carried["mean"].iloc[0] == pytest.approx(right)
    labels = transfer.labels_of(results)
    assert set(rows["origin"]) - {"full"} == set(labels) and labels["words"] == "words"
