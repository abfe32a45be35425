"""A control: with shuffled labels nothing can be learned, so accuracy has to be that of chance."""

from dataclasses import replace

import numpy as np
import pandas as pd

from jointprune.config import TrainingConfig
from jointprune.dataset import SignDataset
from jointprune.paper.comparisons import ALPHA, above_chance
from jointprune.paper.tables import accuracy_table
from jointprune.prediction import predictions
from jointprune.runs import trials_of
from jointprune.selection import retraining_trials, select_many
from jointprune.statistics import sign_flip
from jointprune.training import run_many
from jointprune.workspace import Workspace

K, MARGIN = 12, 0.02  # joints; above chance, as in the test of K*


def within_groups(data: SignDataset) -> bool:
    """Whether every group holds two classes or more, so that shuffling in it changes labels."""
    return bool(pd.Series(data.labels).groupby(data.groups).nunique().min() > 1)


def shuffled(data: SignDataset, seed: int) -> SignDataset:
    """`data` with its labels shuffled.

    They are shuffled among the clips of each group, or among all clips if a group holds one class,
    whose labels would stay true.
    """
    rng, order = np.random.default_rng(seed), np.arange(len(data))
    groups = np.asarray(data.groups) if within_groups(data) else np.full(len(data), "all")
    for group in sorted(set(groups)):
        clips = np.flatnonzero(groups == group)
        order[clips] = rng.permutation(clips)
    labels = data.labels[order]
    clips = data.clips.assign(label=data.clips["label"].to_numpy()[order])
    return replace(data, labels=labels, clips=clips)


def control(data: SignDataset, folds, seeds, config: TrainingConfig, workspace: Workspace) -> dict:
    """Train, select and test with shuffled labels, shuffled anew for each seed; see `reading`."""
    parts = []
    for seed in seeds:
        mixed = shuffled(data, seed)
        where = (mixed, folds, [seed], config)
        chosen = select_many("learned", K, *where, workspace)
        trials = trials_of("full", *where)
        trials += retraining_trials({("learned", K): chosen}, mixed, folds, config)
        run_many([trial.run for trial in trials], mixed, workspace, "labels shuffled")
        parts.append(predictions(trials, mixed, workspace))
    return reading(pd.concat(parts, ignore_index=True), MARGIN, within_groups(data))


def reading(table: pd.DataFrame, margin: float, within: bool = True) -> dict:
    """What predictions of shuffled labels read, with all joints ("full") and "learned" ones.

    Returns margin, within_groups (`within`: whether labels were shuffled in each group), chance
    (the share of the most frequent label), works (whether a K* would be reported) and rows: those
    of `accuracy_table` with `leaks`, whether more is right than if the most frequent label of every
    group were known, which is all that can be known without the test labels.
    """
    full = table[table["method"] == "full"]
    reference = above_chance(full["predicted"] == full["label"], full, margin)
    shares = table.groupby("group")["label"].value_counts(normalize=True)
    known = table["group"].map(shares.groupby("group").max())
    rows = accuracy_table(table).to_dict("records")
    for row in rows:
        own = table["method"] == row["method"]
        right = (table["predicted"] == table["label"])[own]
        more = (right - known[own]).groupby(table["group"][own]).sum().round()  # whole numbers
        p = sign_flip(more, more.index)
        row["leaks"] = bool(row["low"] > known[own].mean() and p < ALPHA)
    facts = {name: reference[name] for name in ("chance", "works")}
    return {"margin": margin, "within_groups": within, **facts, "rows": rows}
