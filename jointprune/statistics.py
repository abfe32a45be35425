"""Confidence intervals and tests that resample whole groups, because only groups are independent.

Clips of one group (a language or signer) share a signer, and seeds share clips. The statistic is
always the mean over clips and seeds. Groups of one test fold also share trained models. The
methods here ignore this, so intervals may be too narrow.
"""

from collections.abc import Iterator
from dataclasses import asdict, dataclass
from fractions import Fraction

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike
from scipy import fft
from statsmodels.stats.multitest import multipletests

PAIRING = ["clip", "fold", "seed"]
GRID = 2**22  # cells of the largest exact bootstrap distribution, 200 MB and 1 s
DRAWS = 200_000  # for larger ones; a 95 % bound is then exact to 0.006 standard errors
EXACT = 40  # clusters; the steps of more are rounded to 4e-6 of their total, p to about 1e-4
CELLS = 2_000_000  # numbers in memory at a time, 16 MB
ROUNDING = 1e-9  # far above the error of a sum of chances, and of no consequence for p values

# (method, K), retrained, or (method, K, regime).
Key = tuple[str, int] | tuple[str, int, str]


@dataclass(frozen=True)
class Interval:
    """A mean, its two-sided 95 % interval, one-sided 95 % lower bound, and standard error."""

    mean: float
    low: float
    high: float
    lower_bound: float
    error: float


def cluster_bootstrap(values: ArrayLike, clusters: ArrayLike) -> Interval:
    """Mean of `values` with its percentile bootstrap interval over whole clusters, both (rows,).

    Large clusters weigh more, as they do in the mean. The percentiles are those of all G^G samples
    of G clusters, without Monte Carlo error, if the values are whole numbers and G is not large.
    With few clusters (16 languages) the interval is somewhat narrow (Cameron, Gelbach, Miller
    2008); `sign_flip` is exact there. Source: Davison, Hinkley 1997, section 3.8.
    """
    sums, sizes = _totals(values, clusters)
    means, chances = _bootstrap_means(sums, sizes)
    ends = np.searchsorted(chances.cumsum(), np.array([0.025, 0.05, 0.975]) - ROUNDING)
    low, bound, high = means[ends].tolist()
    error = np.sqrt(chances @ (means - chances @ means) ** 2)
    return Interval(float(sums.sum() / sizes.sum()), low, high, bound, float(error))


def _bootstrap_means(sums: np.ndarray, sizes: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Means of samples of clusters, ascending, and their chances.

    The total of G draws has the distribution of one draw, on a grid of (sum, size), convolved with
    itself G times.
    """
    totals, count = np.stack([sums, sizes]), len(sums)
    least = totals.min(axis=1)
    if np.array_equal(totals, totals.round()):
        steps = (totals - least[:, None]).astype(int)
        unit = np.gcd.reduce(steps, axis=1).clip(1)
        steps //= unit[:, None]
        shape = count * steps.max(axis=1) + 1
        if shape.prod(dtype=float) <= GRID:
            once = np.zeros(shape)
            np.add.at(once, tuple(steps), 1 / count)
            chances = fft.irfft2(fft.rfft2(once) ** count, shape)
            likely = np.nonzero(chances > 1e-16)  # the rest is rounding
            total = [count * low + u * at for low, u, at in zip(least, unit, likely, strict=True)]
            return _ascending(total[0] / total[1], chances[likely])
    means = [np.divide(*(drawn @ totals.T).T) for (drawn,) in cluster_draws(count)]
    return _ascending(np.concatenate(means), np.full(DRAWS, 1 / DRAWS))


def _ascending(means: np.ndarray, chances: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    order = means.argsort()
    return means[order], chances[order] / chances.sum()


def cluster_draws(*counts: int, n: int = DRAWS, seed: int = 0) -> Iterator[list[np.ndarray]]:
    """How often each of `count` clusters is in `n` random samples: blocks (rows, count).

    One array for each count, independent of each other.
    """
    generator, rows = np.random.default_rng(seed), max(1, CELLS // max(counts))
    for start in range(0, n, rows):
        size = min(rows, n - start)
        yield [generator.multinomial(c, np.full(c, 1 / c), size).astype(float) for c in counts]


def sign_flip(values: ArrayLike, clusters: ArrayLike, margin: float | None = None) -> float:
    """P value of "the mean of `values` is 0" by flipping signs; values are whole numbers.

    With `margin` it is one-sided, of "the mean is -margin or less". The values of a cluster change
    sign together, in all patterns of signs (for more than EXACT clusters, nearly). The test is
    exact for independent, symmetric clusters, however few, and rejects a loss too often if few
    clusters bear most of it. Source: Canay, Romano, Shaikh 2017.
    """
    steps = whole_steps(*_totals(values, clusters), margin or 0)
    total = int(steps.sum())
    if margin is None:
        if total == 0:
            return 1.0
        steps *= np.sign(total)
    if len(steps) > EXACT:
        steps = np.rint(steps / max(1, abs(steps).sum() / 2**18)).astype(int)
    # A pattern is as extreme as the observed one if the steps that it flips add up to 0 or less:
    # a sum of some of the first half, and one of the second that is no larger than its negative.
    half = len(steps) // 2
    (first, chances), (second, others) = map(_flipped, (steps[:half], steps[half:]))
    up_to = np.concatenate([[0], others.cumsum()])
    p = chances @ up_to[np.searchsorted(second, -first, side="right")]
    return min(1.0, float(p if margin is not None else 2 * p))


def _flipped(steps: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Sums of the steps that patterns of signs flip, ascending, and the chance of each."""
    sums, chances = np.zeros(1, int), np.ones(1)
    for step in steps:
        sums, place = np.unique(np.concatenate([sums, sums + step]), return_inverse=True)
        chances = np.bincount(place, np.tile(chances / 2, 2))
    return sums, chances


def whole_steps(sums: np.ndarray, sizes: np.ndarray, margin: float) -> np.ndarray:
    """`sums` + margin x `sizes` as whole numbers, up to a factor.

    The margin is rounded to a fraction with a denominator of at most 10,000.
    """
    if not np.array_equal(sums, np.round(sums)):
        raise ValueError("expected whole numbers, got fractions: pass differences of correctness")
    shift = Fraction(margin).limit_denominator(10_000)
    steps = (shift.denominator * sums + shift.numerator * sizes).astype(int)
    return steps // max(1, np.gcd.reduce(steps, axis=None))


def _totals(values: ArrayLike, clusters: ArrayLike) -> tuple[np.ndarray, np.ndarray]:
    """Sum of values and number of rows of each cluster, both (clusters,)."""
    values, clusters = np.asarray(values, dtype=float), np.asarray(clusters)
    if values.ndim != 1 or values.shape != clusters.shape or values.size == 0:
        raise ValueError(
            f"expected one cluster per value and at least one, got values {values.shape} "
            f"and clusters {clusters.shape}: pass two columns of the same table"
        )
    _, codes = np.unique(clusters, return_inverse=True)
    return np.bincount(codes, weights=values), np.bincount(codes).astype(float)


def pair(predictions: pd.DataFrame, a: Key, b: Key) -> pd.DataFrame:
    """Rows of two methods side by side, one per clip, fold and seed.

    Columns clip, fold, seed, group, label, `right_a` and `right_b` (bool), and `difference`: 1
    if only `a` is right, -1 if only `b` is, else 0. ValueError for methods that were not run on
    the same clips, folds and seeds.
    """
    first, second = (
        rows.assign(right=rows["predicted"] == rows["label"])
        for rows in (_rows(predictions, key) for key in (a, b))
    )
    both = first[[*PAIRING, "group", "label", "right"]].merge(
        second[[*PAIRING, "right"]], "outer", PAIRING, suffixes=("_a", "_b"), indicator=True
    )
    alone = both[both["_merge"] != "both"]
    if len(alone):
        clip, fold, seed = alone.iloc[0][PAIRING]
        lacking = b if alone.iloc[0]["_merge"] == "left_only" else a
        raise ValueError(
            f"expected {a} and {b} on the same clips, folds and seeds, got {len(alone)} rows "
            f"without a partner; first: clip {clip!r}, fold {fold}, seed {seed} is not in "
            f"{lacking}: run both methods with the same folds and seeds, or compare "
            "shared(predictions, a, b)"
        )
    difference = both["right_a"].astype(float) - both["right_b"]
    return both.drop(columns="_merge").assign(difference=difference)


def shared(predictions: pd.DataFrame, a: Key, b: Key) -> pd.DataFrame:
    """The rows of methods `a` and `b` from the (fold, seed) that both were run with.

    Use it for a method with fewer seeds than the other; ValueError if they share none.
    """
    parts = [_rows(predictions, key) for key in (a, b)]
    runs = [set(zip(part["fold"], part["seed"], strict=True)) for part in parts]
    common = runs[0] & runs[1]
    if not common:
        raise ValueError(
            f"expected {a} and {b} to share a fold and seed, got {sorted(runs[0])} and "
            f"{sorted(runs[1])}: run both methods with the same folds and seeds"
        )
    both = pd.concat(parts, ignore_index=True)
    return both[pd.MultiIndex.from_frame(both[["fold", "seed"]]).isin(common)]


def _rows(predictions: pd.DataFrame, key: Key) -> pd.DataFrame:
    """Predictions of one method, K and regime; ValueError for none or repeated ones."""
    method, k, regime = (*key, "retrained")[:3]
    same = (predictions["method"] == method) & (predictions["k"] == k)
    chosen = predictions[same & (predictions["regime"] == regime)]
    if chosen.empty:
        known = sorted(set(zip(predictions["method"], predictions["k"].tolist(), strict=True)))
        raise ValueError(
            f"expected {regime} predictions of {method!r} with k={k}, got only {known}: "
            "add the method and budget to notebooks/04_joint_ablation.ipynb"
        )
    if repeated := int(chosen.duplicated(PAIRING).sum()):
        raise ValueError(
            f"expected one prediction per clip, fold and seed for {key}, got {repeated} repeated: "
            "give every draw its own seed"
        )
    return chosen


def difference_of(
    pairs: pd.DataFrame, margin: float | None = None, *, clusters: str = "group"
) -> dict:
    """Accuracy of `a` minus that of `b` in `pairs`, as `pair` returns them, with its test.

    The test is two-sided with the null hypothesis of no difference. With `margin`, the accuracy
    that may be lost (a fraction), it is one-sided with the null hypothesis "a loses the margin or
    more". Rows with the same value in the column `clusters` are resampled and flipped together.

    Returns difference, low, high (95 % CI), lower_bound (one-sided 95 %), error (standard
    error), and p by `sign_flip`.
    """
    difference, cluster = pairs["difference"], pairs[clusters]
    found = asdict(cluster_bootstrap(difference, cluster))
    p = sign_flip(difference, cluster, margin)
    return {"difference": found.pop("mean"), **found, "p": p}


def holm(p_values: ArrayLike) -> np.ndarray:
    """Holm's adjusted p values, in the order given (Holm 1979)."""
    return multipletests(np.asarray(p_values, dtype=float), method="holm")[1]
