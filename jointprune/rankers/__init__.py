"""Rankers: functions from training clips to one score a joint; `selection.METHODS` names them."""

import numpy as np


def top_joints(scores: np.ndarray, k: int) -> tuple[int, ...]:
    """Indices of the k highest scores, ascending; equal scores go to the lower index."""
    if not 1 <= k <= len(scores):
        raise ValueError(f"expected 1 to {len(scores)} joints to keep, got {k}")
    return tuple(sorted(np.argsort(-scores, kind="stable")[:k].tolist()))
