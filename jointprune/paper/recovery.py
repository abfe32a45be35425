"""How well each method finds the informative joints of synthetic data, and which choose K."""

import numpy as np

from jointprune.config import TrainingConfig
from jointprune.dataset import SignDataset
from jointprune.parallel import on_every_core
from jointprune.selection import METHODS, choose_k, rank_joints, select_many, top_joints
from jointprune.workspace import Workspace

MEANS = ("precision", "recall", "stop_k", "stop_precision", "stop_recall")


def recovery(
    datasets: list[SignDataset], seeds: int, config: TrainingConfig, workspace: Workspace
) -> list[dict]:
    """Precision and recall of each method's top K joints, K being the true number.

    The training clips are those of each data set's first fold of four (signers apart). Methods
    train once, on seed 0; merged selections come from `seeds` trainings of the learned gates.

    Rows, best first: method, precision and recall (equal at the true K), low and high (the worst
    and best data set), seeds (the number of data sets), and stop_k, stop_precision, stop_recall:
    of the joints of a method that chooses K itself, None for others.
    """
    compared = [method for method in METHODS.values() if method.synthetic]
    names = [method.name for method in compared if method.rank]
    merged = [method.name for method in compared if method.merge]
    jobs = [(data, name, config, workspace) for name in names for data in datasets]
    rows = list(on_every_core(_one, jobs, "synthetic data"))
    size = len(datasets)
    table = [_row(name, rows[i * size : (i + 1) * size]) for i, name in enumerate(names)]
    several = [_merged(data, merged, seeds, config, workspace) for data in datasets if merged]
    table += [_row(name, [rows[name] for rows in several]) for name in merged]
    return sorted(table, key=lambda row: -row["precision"])


def overlap(chosen, informative: np.ndarray) -> tuple[float, float]:
    """Precision and recall of chosen joints (indices) against the truth, bool (joints,)."""
    right = informative[list(chosen)].sum()
    return float(right / max(len(chosen), 1)), float(right / informative.sum())


def facts(datasets: list[SignDataset], seeds: int, found: list[dict]) -> dict:
    """The content of `synthetic.json`, `found` being the rows of `recovery`."""
    first = datasets[0]
    return {
        "clips": len(first),
        "signs": len(first.classes),
        "signers": len(set(first.signers)),
        "k": int(first.informative.sum()),
        "trainings": seeds,
        "informative": [first.joints[j] for j in np.flatnonzero(first.informative)],
        "recovery": found,
    }


def _one(data: SignDataset, method: str, config: TrainingConfig, workspace: Workspace) -> dict:
    """One method on one data set."""
    clips, truth = data.folds(4, 0)[0][0], data.informative
    k = int(truth.sum())
    row = _found(top_joints(rank_joints(method, data, clips, 0, k, config, workspace), k), truth)
    kept = choose_k(method, data, clips, 0, config, workspace)
    if kept is not None:
        precision, recall = overlap(kept, truth)
        row |= {"stop_k": len(kept), "stop_precision": precision, "stop_recall": recall}
    return row


def _merged(
    data: SignDataset, methods: list[str], seeds: int, config: TrainingConfig, workspace: Workspace
) -> dict[str, dict]:
    """The row of each merged selection on one data set."""
    truth, fold = data.informative, data.folds(4, 0)[0]
    k = int(truth.sum())
    selections = select_many("learned", k, data, [fold], range(seeds), config, workspace).values()
    return {name: _found(METHODS[name].merge(selections, k), truth) for name in methods}


def _found(chosen, truth: np.ndarray) -> dict[str, float]:
    return dict(zip(("precision", "recall"), overlap(chosen, truth), strict=True))


def _row(method: str, rows: list[dict]) -> dict:
    """One method's rows of all data sets as one: means, and the range of precision."""
    precision = [row["precision"] for row in rows]
    means = {
        key: float(np.mean([row[key] for row in rows])) if key in rows[0] else None for key in MEANS
    }
    ends = {"low": min(precision), "high": max(precision), "seeds": len(rows)}
    return {"method": method, **means, **ends}
