"""Rankers that learn with the classifier: gates of several kinds, and the group lasso.

The kind of gate is `config.mask`, which a method's row in the table sets.
"""

from dataclasses import replace

import numpy as np

from jointprune.gates import JointPruningLayer
from jointprune.prediction import trained_model
from jointprune.runs import make_run
from jointprune.selection.baselines import stratified
from jointprune.selection.methods import top_joints
from jointprune.skeleton import hand_index
from jointprune.training import train


def down_to_k(data, train_clips, seed, k, config, workspace, joints=None) -> np.ndarray:
    """Logits of gates that are trained down to K joints, by default a quarter of all."""
    joints = range(len(data.joints)) if joints is None else joints
    settings = replace(config, budget=min(k or len(joints) // 4, len(joints)))
    return _scores(data, train_clips, seed, settings, workspace, joints)


def signing_hand(data, train_clips, seed, k, config, workspace) -> np.ndarray:
    """`down_to_k` for a network that reads only the right hand; the left hand's joints are last."""
    right = np.flatnonzero(hand_index(data.joints) == 1)
    return down_to_k(data, train_clips, seed, k, config, workspace, right)


def under_penalty(data, train_clips, seed, k, config, workspace) -> np.ndarray:
    """Logits of gates under a fixed penalty, without a budget."""
    every_joint = range(len(data.joints))
    return _scores(data, train_clips, seed, replace(config, budget=0), workspace, every_joint)


def hand_matched(data, train_clips, seed, k, config, workspace) -> np.ndarray:
    """A stratified draw with as many joints on each hand as the gates keep."""
    k = k or len(data.joints) // 4
    learned = down_to_k(data, train_clips, seed, k, config, workspace)
    scores = stratified(data, train_clips, seed, k, config, workspace)
    hand = hand_index(data.joints)
    counts = np.bincount(hand[list(top_joints(learned, k))], minlength=2)
    for h, count in enumerate(counts):
        mine = np.flatnonzero(hand == h)
        scores[mine[np.argsort(-scores[mine])[:count]]] += len(scores)
    return scores


def kept(data, train_clips, seed, config, workspace) -> list[int]:
    """The joints that gates keep under a fixed penalty, which also decides their number."""
    return _gates(data, train_clips, seed, config, workspace).kept_joints()


def _scores(data, train_clips, seed, config, workspace, joints) -> np.ndarray:
    """Logits (J,) of gates trained on `joints` alone; other joints get lower values.

    With a budget the joints that training kept come first: of groups of unequal size these need
    not have the highest logits.
    """
    layer = _gates(data, train_clips, seed, config, workspace, joints)
    logits = layer.joint_logits[layer.gate_of].detach().numpy()
    kept = layer.kept_joints()
    if config.budget and top_joints(logits, config.budget) != tuple(kept):
        logits[kept] += 1 + np.ptp(logits)
    scores = np.full(len(data.joints), logits.min() - 1, dtype=float)
    scores[list(joints)] = logits
    return scores


def _gates(data, train_clips, seed, config, workspace, joints=None) -> JointPruningLayer:
    """Gates trained on these clips; all other clips are the run's test clips."""
    run = make_run(data, train_clips, data.tested_without(train_clips), seed, config, joints)
    train(run, data, workspace)
    return trained_model(run, data, workspace).joint_pruning
