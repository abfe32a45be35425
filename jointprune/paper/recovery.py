"""How well each method finds the informative joints of synthetic data, and which choose K."""

import numpy as np

from jointprune.config import TrainingConfig
from jointprune.dataset import SignDataset
from jointprune.parallel import on_every_core
from jointprune.selection import METHODS, rank_joints, select_many, top_joints
from jointprune.workspace import Workspace


def recovery(
    datasets: list[SignDataset], seeds: int, config: TrainingConfig, workspace: Workspace
) -> list[dict]:
    """One row a method, best first: what share of its top K joints are informative.

    Methods train once, on seed 0; two more rows make one set out of the budgeted gates' `seeds`
    trainings (`rankers.typical`, `rankers.voted`).

    Each dataset's first fold of four (signers apart) gives the training clips, K is the true
    number, so that precision and recall are equal; low and high are the worst and best dataset.
    `stop_k`, `stop_precision` and `stop_recall` are of the set a method settles on by itself,
    None for those that have to be told K.
    """
    methods = [method.name for method in METHODS.values() if method.synthetic and method.rank]
    merged = [method.name for method in METHODS.values() if method.merge]
    jobs = [(data, name, config, workspace) for name in methods for data in datasets]
    rows = list(on_every_core(_one, jobs, "synthetic data"))
    size = len(datasets)
    table = [_row(name, rows[i * size : (i + 1) * size]) for i, name in enumerate(methods)]
    several = [_merged(data, merged, seeds, config, workspace) for data in datasets]
    table += [_row(name, [rows[name] for rows in several]) for name in merged]
    return sorted(table, key=lambda row: -row["precision"])


def overlap(chosen, informative: np.ndarray) -> tuple[float, float]:
    """Precision and recall of chosen joints (indices) against the truth, bool (joints,)."""
    right = informative[list(chosen)].sum()
    return float(right / max(len(chosen), 1)), float(right / informative.sum())


def facts(datasets: list[SignDataset], seeds: int, found: list[dict]) -> dict:
    """What `synthetic.json` holds."""
    first = datasets[0]
    return {
        "clips": len(first),
        "signs": len(first.classes),
        "signers": len(set(first.signers)),
        "k": int(first.informative.sum()),
        "trainings": seeds,
        "informative": [name for name, true in zip(first.joints, first.informative, strict=True)
                        if true],
        "recovery": found,
    }  # fmt: skip


def _one(data: SignDataset, method: str, config: TrainingConfig, workspace: Workspace) -> dict:
    """One method on one dataset."""
    clips, truth = data.folds(4, 0)[0][0], data.informative
    k = int(truth.sum())
    chosen = top_joints(rank_joints(method, data, clips, 0, k, config, workspace), k)
    row = _found(chosen, truth)
    kept = None
    if choose := METHODS[method].chooses_k:
        kept = choose(data, clips, 0, config, workspace)
    if kept is not None:
        precision, recall = overlap(kept, truth)
        row |= {"stop_k": len(kept), "stop_precision": precision, "stop_recall": recall}
    return row


def _merged(
    data: SignDataset, methods: list[str], seeds: int, config: TrainingConfig, workspace: Workspace
) -> dict[str, dict]:
    """The row of each merged set on one data set."""
    truth = data.informative
    k, fold = int(truth.sum()), data.folds(4, 0)[0]
    where = (data, [fold], range(seeds), config, workspace)
    selections = select_many("learned", k, *where).values()
    return {name: _found(METHODS[name].merge(selections, k), truth) for name in methods}


def _found(chosen, truth: np.ndarray) -> dict[str, float]:
    """The row of a set that was told K."""
    return dict(zip(("precision", "recall"), overlap(chosen, truth), strict=True))


def _row(method: str, rows: list[dict]) -> dict:
    """The datasets' rows of one method as one: means, and the range of precision."""
    precision = [row["precision"] for row in rows]
    ends = {"low": min(precision), "high": max(precision), "seeds": len(rows)}
    names = ("precision", "recall", "stop_k", "stop_precision", "stop_recall")
    means = {
        key: float(np.mean([row[key] for row in rows])) if key in rows[0] else None for key in names
    }
    return {"method": method, **means, **ends}
