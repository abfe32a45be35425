"""Rankers: functions from training clips to one score a joint; `selection.METHODS` names them.

Here: from scores to joints, and from the selections of several trainings to one to hand on.
"""

from collections.abc import Iterable

import numpy as np


def top_joints(scores: np.ndarray, k: int) -> tuple[int, ...]:
    """Indices of the k highest scores, ascending; equal scores go to the lower index."""
    if not 1 <= k <= len(scores):
        raise ValueError(f"expected 1 to {len(scores)} joints to keep, got {k}")
    return tuple(sorted(np.argsort(-scores, kind="stable")[:k].tolist()))


def typical(selections: Iterable[Iterable[int]]) -> tuple[int, ...]:
    """The one of these selections that shares most joints with all; of equals the first.

    It is one that a training made. A set put together from several need not be as good as any:
    see `voted`.
    """
    sets = [frozenset(joints) for joints in selections]
    shared = [sum(len(one & other) for other in sets) for one in sets]
    return tuple(sorted(sets[int(np.argmax(shared))]))


def voted(selections: Iterable[Iterable[int]], k: int) -> tuple[int, ...]:
    """The k joints that most of these selections hold; equal counts go to the lower index.

    Joints that stand in for each other can split the votes for what they do: where each training
    keeps one joint of the left hand, no two the same, a vote keeps none.
    """
    return top_joints(np.bincount([joint for joints in selections for joint in joints]), k)
