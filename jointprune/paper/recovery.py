"""How well each method finds the informative joints of synthetic data and how many it keeps."""

import numpy as np

from jointprune.config import TrainingConfig
from jointprune.dataset import SignDataset
from jointprune.parallel import on_every_core
from jointprune.selection import (
    METHODS,
    choose_k,
    is_made,
    rank_joints,
    select_many,
    top_joints,
    typical,
)
from jointprune.workspace import Workspace

MEANS = ("precision", "recall", "stop_k", "stop_precision", "stop_recall")


def recovery_table(
    datasets: list[SignDataset], seeds: int, config: TrainingConfig, workspace: Workspace
) -> list[dict]:
    """Precision and recall of each method's top K joints, K being the true number.

    The training clips are those of each data set's first fold of four (signers apart). Methods
    train once, on seed 0; merged selections come from `seeds` trainings of the learned gates.

    Rows, best first: method, precision and recall (equal at the true K), low and high (the worst
    and best data set), seeds (the number of data sets), and stop_k, stop_precision, stop_recall,
    which describe the joints of a method that chooses K itself (None for others).
    """
    compared = [method for method in METHODS.values() if method.synthetic]
    cells = [(data, data.folds(4, 0)[0], int(data.informative.sum())) for data in datasets]
    jobs = [
        (method.name, data, train, 0, k, config, workspace)
        for method in compared
        if method.rank
        for data, (train, _), k in cells
    ]
    # Workers leave rankings on disk, where the loop after them finds them.
    missing = [job for job in jobs if not is_made(*job)]
    list(on_every_core(_ranked, missing, "synthetic data", done=len(jobs) - len(missing)))
    rows = [_ranked(*job) for job in jobs]
    merged = [method for method in compared if method.merged_over]
    for data, fold, k in cells if merged else ():
        chosen = select_many("learned", k, data, [fold], range(seeds), config, workspace).values()
        rows += [_row(method.name, typical(chosen), data) for method in merged]
    names = dict.fromkeys(row["method"] for row in rows)
    table = [_mean_row([row for row in rows if row["method"] == name]) for name in names]
    return sorted(table, key=lambda row: -row["precision"])


def overlap(chosen, informative: np.ndarray) -> tuple[float, float]:
    """Precision and recall of chosen joints (indices) against the ground truth, bool (joints,)."""
    right = informative[list(chosen)].sum()
    return float(right / max(len(chosen), 1)), float(right / informative.sum())


def facts(datasets: list[SignDataset], seeds: int, found: list[dict]) -> dict:
    """The content of `synthetic.json`, `found` being the rows of `recovery_table`."""
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


def _ranked(method: str, data: SignDataset, train, seed: int, k: int, *where) -> dict:
    """One method that ranks joints, on one data set; `where` is configuration and workspace."""
    scores = rank_joints(method, data, train, seed, k, *where)
    kept = choose_k(method, data, train, seed, *where)
    return _row(method, top_joints(scores, k), data, kept)


def _row(method: str, chosen, data: SignDataset, kept=None) -> dict:
    """Scores of the joints chosen at the true K, and of those `kept` by the method's own K."""
    stop = (None, None, None) if kept is None else (len(kept), *overlap(kept, data.informative))
    scores = (*overlap(chosen, data.informative), *stop)
    return {"method": method, **dict(zip(MEANS, scores, strict=True))}


def _mean_row(rows: list[dict]) -> dict:
    """One method's rows of all data sets as one: means, and the range of precision."""
    precision = [row["precision"] for row in rows]
    means = {
        key: None if rows[0][key] is None else float(np.mean([row[key] for row in rows]))
        for key in MEANS
    }
    ends = {"low": min(precision), "high": max(precision), "seeds": len(rows)}
    return {"method": rows[0]["method"], **means, **ends}
