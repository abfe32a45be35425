"""How well selections agree, beyond chance and beyond which hand they keep."""

from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass

import numpy as np
from numpy.typing import ArrayLike
from scipy.stats import norm

from jointprune.checks import indices, integer
from jointprune.selection import METHODS
from jointprune.skeleton import hand_index

MATCHED = 10_000  # draws matched by hand: their 95 % range is then exact to about 0.001
MATCHED_KEYS = ("matched", "matched_low", "matched_high")


@dataclass(frozen=True)
class Stability:
    """The index (1: always the same joints, 0: as by chance) and its 95 % interval."""

    index: float
    low: float
    high: float


def stability(
    selections: ArrayLike | Sequence[Iterable[int]], num_joints: int | None = None
) -> Stability:
    """Agreement of selections by the index of Nogueira, Sechidis and Brown.

    The index is 1 - V / V0. V is the variance over selections of "this joint is kept" (0 or 1),
    averaged over joints; V0 is its expected value for random selections of the same sizes. The
    index is 1 for identical selections, 0 on average by chance, and never below -1 / (M - 1).

    Parameters
    ----------
    selections : bool array, shape (M, joints), or M sets of joint indices
        At least two; they may differ in size.
    num_joints : int, optional
        The number of joints, with sets of indices.

    Returns
    -------
    Stability
        The index and its 95 % interval: the asymptotic interval of the paper, clipped to the range
        of the index. It assumes independent selections, so it is too narrow if training sets
        overlap, as those of folds do.

    Raises
    ------
    ValueError
        For fewer than two selections, for an index that is no joint, or if all selections keep
        every joint or all keep none.

    References
    ----------
    Nogueira, Sechidis and Brown, JMLR 18(174), 2018, Definition 4.

    Examples
    --------
    >>> stability([{0, 1}, {0, 2}, {0, 1}], num_joints=4).index
    0.333...
    """
    kept = np.asarray(selections) if num_joints is None else _indicators(selections, num_joints)
    if kept.ndim != 2 or kept.dtype != bool or len(kept) < 2:
        raise ValueError(
            f"expected at least two selections as bool (selections, joints), got {kept.dtype} "
            f"{kept.shape}: for sets of joint indices pass num_joints as well"
        )
    rows = len(kept)
    share, size = kept.mean(axis=0), kept.mean(axis=1)  # per joint; per selection
    mean = share.mean()
    chance = mean * (1 - mean)
    if chance == 0:
        raise ValueError(
            f"expected selections that leave out some joints and keep some, got {rows} that "
            f"keep {'all' if mean else 'none'}: the index is not defined for these"
        )
    index = _index(share, rows)
    # Influence of each selection on the index; mean sizes here are fractions of all joints.
    pull = (kept * share).mean(axis=1) - size * mean
    pull = (pull + index / 2 * (2 * mean * size - size - mean + 1)) / chance
    half = norm.ppf(0.975) * 2 / rows * np.sqrt(((pull - pull.mean()) ** 2).sum())
    low, high = max(index - half, -1 / (rows - 1)), min(index + half, 1.0)
    return Stability(float(index), float(low), float(high))


def stability_table(
    selections: dict[tuple[str, int], dict[tuple[int, int], tuple[int, ...]]],
    joints: Sequence[str],
) -> list[dict]:
    """One row for each K of each method whose selections depend on the seed.

    `selections` holds joint indices by (method, K) and (fold, seed), as `select_all` returns
    them. Rows: method, k, index, low, high, those of `_matched_by_hand` and `above_matched`
    (whether the index lies above their range; all None for a single selection), `selections` (how
    many), `floor` (mean index inside a fold, where runs differ by seed alone; None for one seed)
    and `apart` (mean index of runs that share neither fold nor seed).
    """
    rows, hand = [], hand_index(joints)
    for (method, k), chosen in selections.items():
        if not METHODS[method].seeded:
            continue
        kept = _indicators(list(chosen.values()), len(joints))
        folds, seeds = np.array(list(chosen)).T
        inside = [kept[folds == fold] for fold in np.unique(folds)]
        several = len(kept) > len(inside)
        found = dict.fromkeys(("index", "low", "high", *MATCHED_KEYS, "above_matched"))
        if len(kept) > 1:
            found = asdict(stability(kept)) | _matched_by_hand(kept, hand)
            found["above_matched"] = found["index"] > found["matched_high"]
        rows.append(
            {
                "method": method,
                "k": k,
                **found,
                "selections": len(kept),
                "floor": float(np.mean([stability(s).index for s in inside])) if several else None,
                "apart": _agreement_apart(kept, folds, seeds),
            }
        )
    return rows


def _matched_by_hand(kept: np.ndarray, hand: np.ndarray) -> dict[str, float]:
    """Mean and 95 % range of the index of random selections with as many joints on each hand.

    Each selection is replaced by a uniform draw of as many joints of each hand as it keeps.
    """
    generator, share = np.random.default_rng(0), np.empty((MATCHED, len(hand)))
    for mine in (np.flatnonzero(hand == h) for h in np.unique(hand)):
        drawn = np.broadcast_to(kept[:, mine], (MATCHED, len(kept), len(mine)))
        share[:, mine] = generator.permuted(drawn, axis=-1).mean(axis=1)
    index = _index(share, len(kept))
    values = (index.mean(), *np.percentile(index, [2.5, 97.5]))
    return dict(zip(MATCHED_KEYS, map(float, values), strict=True))


def _index(share: np.ndarray, rows: int) -> np.ndarray:
    """The index of `rows` selections from the share of them that keep each joint, (..., joints)."""
    mean = share.mean(axis=-1)
    return 1 - rows / (rows - 1) * (share * (1 - share)).mean(axis=-1) / (mean * (1 - mean))


def _agreement_apart(kept: np.ndarray, folds: np.ndarray, seeds: np.ndarray) -> float | None:
    """Mean index of pairs that share neither fold nor seed, all of one size; None without pairs.

    The index of a pair is (joints that both keep - expected by chance) / (most possible - expected
    by chance). Its mean over all pairs is the index of `stability`.
    """
    size, joints = kept[0].sum(), kept.shape[1]
    both = kept.astype(float) @ kept.T
    apart = (folds[:, None] != folds) & (seeds[:, None] != seeds)
    chance = size**2 / joints
    return float((both[apart].mean() - chance) / (size - chance)) if apart.any() else None


def _indicators(selections: Sequence[Iterable[int]], num_joints: int) -> np.ndarray:
    """Sets of joint indices as bool (selections, joints)."""
    num_joints = integer(num_joints, 1, 2**31 - 1, "as num_joints")
    kept = np.zeros((len(selections), num_joints), dtype=bool)
    for row, joints in zip(kept, selections, strict=True):
        row[indices(joints, num_joints, "joints", at_least=0)] = True
    return kept
