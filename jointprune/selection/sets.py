"""Selections: the top joints of a ranking, and one selection merged from several."""

from collections.abc import Iterable

import numpy as np


def top_joints(scores: np.ndarray, k: int) -> tuple[int, ...]:
    """Indices of the `k` joints with the highest scores.

    Parameters
    ----------
    scores : array, shape (joints,)
        Higher = keep, as `rank_joints` returns them.
    k : int
        Number of joints to keep, from 1 to all.

    Returns
    -------
    tuple of int
        In ascending order; of equal scores the lower index is kept.
    """
    if not 1 <= k <= len(scores):
        raise ValueError(f"expected 1 to {len(scores)} joints to keep, got {k}: pass such a k")
    return tuple(sorted(np.argsort(-scores, kind="stable")[:k].tolist()))


def typical(selections: Iterable[Iterable[int]]) -> tuple[int, ...]:
    """The selection that shares most joints with all the others; of equals the first.

    One training chose these joints together, which is not true of a vote: see `voted`.
    """
    sets = [frozenset(joints) for joints in selections]
    shared = [sum(len(one & other) for other in sets) for one in sets]
    return tuple(sorted(sets[int(np.argmax(shared))]))


def voted(selections: Iterable[Iterable[int]], k: int) -> tuple[int, ...]:
    """The `k` joints that most of the selections hold; of equal counts the lower index.

    Joints that can replace each other split the vote: if each training keeps another joint of
    the left hand, the vote may keep none of them.
    """
    return top_joints(np.bincount([joint for joints in selections for joint in joints]), k)
