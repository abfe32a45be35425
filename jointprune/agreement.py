"""How well selections agree beyond what chance would do."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike
from scipy.stats import norm


@dataclass(frozen=True)
class Stability:
    """The index (1: always the same joints, 0: as by chance) and its 95 % interval."""

    index: float | None  # None where there is one selection alone
    low: float | None
    high: float | None


def stability(
    selections: ArrayLike | Sequence[Iterable[int]], num_joints: int | None = None
) -> Stability:
    """Agreement of M selections by the index of Nogueira, Sechidis and Brown.

    `selections` is bool (M, joints), or M sets of joint indices together with `num_joints`.
    The index is 1 - (mean variance of a joint's being kept) / (the same if every selection were
    a random set of as many joints): 1 for identical selections, 0 expected by chance, never
    under -1 / (M - 1). The interval is the paper's asymptotic one, cut to this range; it takes
    selections as independent, so where training sets overlap, as folds do, it is too narrow.
    ValueError for fewer than two selections, or when all keep every joint or none.
    Source: Nogueira, Sechidis, Brown, JMLR 18(174), 2018: Definition 4, and its interval.
    """
    kept = _matrix(selections, num_joints)
    rows = len(kept)
    share, size = kept.mean(axis=0), kept.mean(axis=1)  # of runs that keep a joint; of joints
    mean = share.mean()
    chance = mean * (1 - mean)
    if chance == 0:
        raise ValueError(
            f"expected selections that leave out some joints and keep some, got {rows} that "
            f"keep {'all' if mean else 'none'}: the index is not defined for these"
        )
    index = 1 - (rows / (rows - 1)) * (share * (1 - share)).mean() / chance
    # Influence of each selection on the index; mean sizes here are fractions of all joints.
    pull = (kept * share).mean(axis=1) - size * mean
    pull = (pull + index / 2 * (2 * mean * size - size - mean + 1)) / chance
    half = norm.ppf(0.975) * 2 / rows * np.sqrt(((pull - pull.mean()) ** 2).sum())
    low, high = max(index - half, -1 / (rows - 1)), min(index + half, 1.0)
    return Stability(float(index), float(low), float(high))


def agreement_over_seeds(selections: ArrayLike, folds: ArrayLike) -> float:
    """How well runs that differ only by their seed agree: the mean index inside a fold.

    `selections` is bool (M, joints), `folds` (M,) names the fold, thus the training clips, of
    each. Runs that share a seed start from the same weights, so that over folds they may agree
    more than this.
    """
    selections, folds = np.asarray(selections), np.asarray(folds)
    if folds.shape != selections.shape[:1]:
        raise ValueError(
            f"expected one fold a selection, got selections {selections.shape} and folds "
            f"{folds.shape}: pass both in the same order"
        )
    inside = [stability(selections[folds == fold]).index for fold in np.unique(folds)]
    return float(np.mean(inside))


def agreement_apart(selections: ArrayLike, folds: ArrayLike, seeds: ArrayLike) -> float | None:
    """How well runs agree that share neither fold nor seed, as the index; None without such pairs.

    `selections` is bool (M, joints), each of as many joints; `folds` and `seeds` (M,) are those
    of each. A pair's index is the share of the joints that both keep beyond what chance would
    give, of the most that could be: its mean over all pairs of M selections is `stability`'s.
    """
    selections, folds, seeds = map(np.asarray, (selections, folds, seeds))
    size, joints = selections[0].sum(), selections.shape[1]
    if (selections.sum(axis=1) != size).any():
        raise ValueError(
            f"expected selections of as many joints each, got {selections.sum(axis=1).tolist()}"
        )
    both = selections.astype(float) @ selections.T
    apart = (folds[:, None] != folds) & (seeds[:, None] != seeds)
    chance = size**2 / joints
    return float((both[apart].mean() - chance) / (size - chance)) if apart.any() else None


def table(selections: dict[tuple[str, int], dict[tuple[int, int], tuple[int, ...]]],
          num_joints: int) -> list[dict]:  # fmt: skip
    """One row a method and K: index, low, high, `selections` (how many), chance, `floor`, `apart`.

    `selections` holds joint indices by (method, K) and (fold, seed). `floor` is
    `agreement_over_seeds`, None where there is one seed alone; `apart` is `agreement_apart`; a
    selection alone has no index.
    """
    rows = []
    for (method, k), chosen in selections.items():
        kept = _indicators(list(chosen.values()), num_joints)
        folds, seeds = zip(*chosen, strict=True)
        repeated = len(folds) > len(set(folds))
        found = stability(kept) if len(kept) > 1 else Stability(None, None, None)
        rows.append(
            {
                "method": method, "k": k, "index": found.index, "low": found.low,
                "high": found.high, "selections": len(kept), "chance": 0.0,
                "floor": agreement_over_seeds(kept, folds) if repeated else None,
                "apart": agreement_apart(kept, folds, seeds),
            }
        )  # fmt: skip
    return rows


def _matrix(selections: ArrayLike | Sequence[Iterable[int]], num_joints: int | None) -> np.ndarray:
    """The selections as bool (M, joints), M at least 2."""
    kept = np.asarray(selections) if num_joints is None else _indicators(selections, num_joints)
    if kept.ndim != 2 or kept.dtype != bool or len(kept) < 2:
        raise ValueError(
            f"expected at least two selections as bool (selections, joints), got {kept.dtype} "
            f"{kept.shape}: for sets of joint indices pass num_joints as well"
        )
    return kept


def _indicators(selections: Sequence[Iterable[int]], num_joints: int) -> np.ndarray:
    kept = np.zeros((len(selections), num_joints), dtype=bool)
    for row, joints in zip(kept, selections, strict=True):
        joints = list(joints)
        if not set(joints) <= set(range(num_joints)):
            raise ValueError(
                f"expected joint indices from 0 to {num_joints - 1}, got {joints}: "
                "pass indices, or a bool array without num_joints"
            )
        row[joints] = True
    return kept
