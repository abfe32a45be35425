"""Rankings learned with the classifier: gates of several kinds, and the group lasso."""

from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np

from jointprune.gates import JointPruningLayer
from jointprune.prediction import trained_model
from jointprune.runs import make_run
from jointprune.selection import baselines
from jointprune.selection.sets import top_joints
from jointprune.skeleton import hand_index
from jointprune.training import train


def by_gates(changes: Mapping, *, budget: bool = False, hand: int | None = None):
    """The ranker by the logits of gates trained with the settings `changes`, down to k if `budget`.

    With `hand` (0 left, 1 right) the network reads that one alone, and the other's joints come last.
    """

    def rank(data, train_clips, seed, k, config, workspace) -> np.ndarray:
        every = range(len(data.joints)) if hand is None else np.flatnonzero(
            hand_index(data.joints) == hand)  # fmt: skip
        wanted = (k or len(every) // 4) if budget else 0
        settings = replace(config, **changes, budget=min(wanted, len(every)))
        return learned_scores(data, train_clips, seed, settings, list(every), workspace)

    return rank


def by_cascade(changes: Mapping, budgets: Sequence[int]):
    """The ranker that prunes in rounds: gates down to each budget, on what the last round left."""

    def rank(data, train_clips, seed, k, config, workspace) -> np.ndarray:
        scores, left = np.zeros(len(data.joints)), list(range(len(data.joints)))
        for survived, budget in enumerate(budgets, start=1):
            settings = replace(config, **changes, budget=budget)
            found = learned_scores(data, train_clips, seed, settings, left, workspace)
            left = list(top_joints(found, budget))
            scores[left] = survived + _within_one(found[left])
        return scores

    return rank


def hand_matched(changes: Mapping):
    """The ranker of a stratified draw with as many joints on each hand as budgeted gates keep."""
    learned = by_gates(changes, budget=True)

    def rank(data, train_clips, seed, k, config, workspace) -> np.ndarray:
        k = k or len(data.joints) // 4
        model = learned(data, train_clips, seed, k, config, workspace)
        scores = baselines.stratified(data, train_clips, seed, k, config, workspace)
        return baselines.spread_like(model, k, scores, data.joints)

    return rank


def kept_by_gates(changes: Mapping):
    """The function that trains gates under a fixed penalty and returns the joints they keep."""

    def kept(data, train_clips, seed, config, workspace) -> list[int]:
        settings = replace(config, **changes)
        return learned_gates(data, train_clips, seed, settings, workspace).kept_joints()

    return kept


def learned_scores(data, train_clips, seed, settings, joints: list[int], workspace) -> np.ndarray:
    """Logits (J,) of a gated training on `joints` alone; those of the others lie below them all."""
    layer = learned_gates(data, train_clips, seed, settings, workspace, joints)
    logits = layer.joint_logits[layer.gate_of].detach().numpy()
    scores = np.full(len(data.joints), logits.min() - 1, dtype=float)
    scores[joints] = logits
    return scores


def learned_gates(data, train_clips, seed, settings, workspace, joints=None) -> JointPruningLayer:
    """The gates of a training on these clips; its test clips are all that it may not see."""
    others = data.tested_without(train_clips)
    run = make_run(data, train_clips, others, seed, settings, joints)
    train(run, data, workspace)
    return trained_model(run, data, workspace).joint_pruning


def _within_one(values: np.ndarray) -> np.ndarray:
    """The values in their order, in [0, 1)."""
    return np.argsort(np.argsort(values, kind="stable"), kind="stable") / len(values)
