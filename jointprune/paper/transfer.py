"""Do joints carry over? Selections of each data set, retrained and tested on the others.

`make transfer` reads the data sets that have results in `data/results`, imports as well, and
writes `transfer.json`, from which notebook 05 draws a figure. A selection is the most typical one
of all folds and seeds of its data set. Those that others published keep their own 9 or 10 joints.
Finished trainings are reused.
"""

import argparse
import sys
from itertools import product

import pandas as pd

from jointprune.config import TrainingConfig
from jointprune.dataset import SignDataset
from jointprune.paper.report import load_results
from jointprune.paper.results import write_facts
from jointprune.paper.tables import accuracy_table
from jointprune.paper.vocabularies import most_typical, with_results
from jointprune.prediction import predictions
from jointprune.selection import METHODS, retraining_trials
from jointprune.selection.baselines import PUBLISHED
from jointprune.store import open_dataset
from jointprune.training import run_many
from jointprune.workspace import Workspace, told

KS = (6, 12)


def transfer(workspace: Workspace, results: dict[str, dict[str, dict]]) -> list[dict]:
    """Accuracy on each data set with the joints of each origin.

    Rows tested_on, origin, k (one of KS), joints (how many), mean, low and high. The origins
    "learned" (chosen in each fold of the data set from its training clips), "stratified-random"
    and "full" are those of its own results.
    """
    rows = []
    sets = {(name, k): most_typical(facts, k) for name, facts in results.items() for k in KS}
    sets |= {(f"published-{name}", KS[-1]): joints for name, joints in PUBLISHED.items()}
    for name, facts in results.items():
        others = {key: joints for key, joints in sets.items() if key[0] != name}
        found = _known(facts) + _tested(Workspace(workspace.root, name), facts, others)
        rows += [{"tested_on": name, **row} for row in found]
    return rows


def _known(facts: dict[str, dict]) -> list[dict]:
    """Rows of the data set's own results: learned and stratified random joints, and all joints."""
    table = pd.DataFrame(facts["ablation"]["accuracy"]).query("regime == 'retrained'")
    table = table[table["method"].isin(["learned", "stratified-random", "full"])]
    table = table[table["k"].isin(KS) | (table["method"] == "full")].assign(joints=table["k"])
    columns = ["origin", "k", "joints", "mean", "low", "high"]
    return table.rename(columns={"method": "origin"})[columns].to_dict("records")


def as_trained(facts: dict[str, dict], data: SignDataset) -> tuple[list, TrainingConfig]:
    """Folds and hyperparameters of a data set's results; ValueError for those of another one."""
    split, trained = facts["dataset"]["config"], facts["ablation"]["config"]
    if data.sha256 != facts["dataset"]["data_sha256"] or "settings" not in trained:
        name = data.folder.name
        raise ValueError(
            f"{name}: expected results of this data set and with their settings, got "
            f"others or of older code: run make reproduce DATASET={name} again"
        )
    config = TrainingConfig(**trained["settings"], epochs=trained["epochs"])
    return data.folds(split["folds"], split["fold_seed"]), config


def _tested(
    place: Workspace, facts: dict[str, dict], sets: dict[tuple[str, int], list[str]]
) -> list[dict]:
    data = open_dataset(place.dataset, place)
    folds, config = as_trained(facts, data)
    cells = list(product(range(len(folds)), range(facts["ablation"]["config"]["seeds"])))
    chosen = {
        key: dict.fromkeys(cells, tuple(map(data.joints.index, joints)))
        for key, joints in sets.items()
    }
    trials = retraining_trials(chosen, data, folds, config)
    run_many([trial.run for trial in trials], data, place, f"carried over to {place.dataset}")
    table = accuracy_table(predictions(trials, data, place)).set_index(["method", "k"])
    return [
        {"origin": origin, "k": k, "joints": len(joints),
         **table.loc[(origin, len(joints)), ["mean", "low", "high"]].to_dict()}
        for (origin, k), joints in sets.items()
    ]  # fmt: skip


def labels_of(results: dict[str, dict[str, dict]]) -> dict[str, str]:
    """Every origin in words, in the order of the figure; that of a data set is also its title."""
    titles = {name: facts["dataset"]["description"] for name, facts in results.items()}
    return {
        "learned": "its own",
        **{name: title.split(" (")[0] for name, title in titles.items()},
        **{
            f"published-{name}": f"{METHODS[f'published-{name}'].label} ({len(joints)} joints)"
            for name, joints in PUBLISHED.items()
        },
        "stratified-random": METHODS["stratified-random"].label,
    }


def main() -> None:
    """Write `transfer.json`: rows, and labels (pairs, in order)."""
    argparse.ArgumentParser(
        prog="python -m jointprune.paper.transfer", description=__doc__
    ).parse_args()
    workspace = Workspace()
    try:
        results = {place.dataset: load_results(place) for place in with_results(workspace)}
        if len(results) < 2:
            raise ValueError(
                "expected results of two data sets or more in data/results, got fewer: run "
                "make reproduce DATASET=NAME for another one"
            )
        facts = {"rows": transfer(workspace, results), "labels": [*labels_of(results).items()]}
        history = {"data_sha256": "", "config": {"k": KS}, "smoke": False}
        write_facts(workspace, "transfer.json", facts, **history)
    except (ValueError, OSError) as error:
        sys.exit(told(error))


if __name__ == "__main__":
    main()
