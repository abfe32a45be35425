"""Confidence intervals and tests that resample whole groups, because only groups are independent.

Clips of one group (a language or signer) share a signer, and seeds share clips. The statistic is
always the mean over clips and seeds. Groups of one test fold also share trained models. The
methods here ignore this, so intervals may be too narrow.
"""

import math
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike
from scipy import stats
from statsmodels.stats import contingency_tables
from statsmodels.stats.multitest import multipletests

PAIRING = ["clip", "fold", "seed"]
DRAWS = 10_000  # Monte Carlo error of a 95 % bound is then under 0.03 of its standard error
FLIPS = 2**16  # all sign patterns of 16 clusters; fewer clusters have no Monte Carlo error either
CELLS = 2_000_000  # numbers in memory at a time, 16 MB

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


def cluster_bootstrap(values: ArrayLike, clusters: ArrayLike, n: int = DRAWS) -> Interval:
    """Mean of `values` with its percentile bootstrap interval over whole clusters, both (rows,).

    Large clusters weigh more, as they do in the mean. With few clusters (16 languages) the
    interval is somewhat narrow (Cameron, Gelbach, Miller 2008); `sign_flip` is exact there.
    Source: Davison, Hinkley 1997, section 3.8.
    """
    values = np.asarray(values, dtype=float)
    sums, sizes = _totals(values, clusters)
    mean = float(values.mean())
    if len(sums) == 1:  # one cluster cannot vary
        return Interval(mean, mean, mean, mean, 0.0)
    drawn = stats.bootstrap(
        (sums, sizes), lambda total, count, axis: total.sum(axis) / count.sum(axis),
        n_resamples=n, batch=max(1, CELLS // len(sums)), vectorized=True, paired=True,
        method="percentile", rng=np.random.default_rng(0),
    )  # fmt: skip
    low, bound, high = np.percentile(drawn.bootstrap_distribution, [2.5, 5, 97.5])
    return Interval(mean, float(low), float(high), float(bound), float(drawn.standard_error))


def sign_flip(values: ArrayLike, clusters: ArrayLike, *, one_sided: bool = False) -> float:
    """P value of "the mean of `values` is 0", or at most 0 if `one_sided`, by sign flips.

    The values of a cluster change sign together: in all patterns of signs for up to 16 clusters,
    else in FLIPS random patterns. The test is exact for independent, symmetric clusters, however
    few, and rejects a loss too often if few clusters bear most of it. Source: Canay, Romano,
    Shaikh 2017.
    """
    # Not scipy's permutation_test: with 16 clusters it takes 0.2 s a test, not 0.005, and some
    # 130 tests of notebook 04 take 27 s, not 1.
    sums, _ = _totals(np.asarray(values, dtype=float), clusters)
    observed = sums.sum() if one_sided else abs(sums.sum())
    reached = 0
    for signs in _blocks_of_signs(len(sums)):
        flipped = signs @ sums if one_sided else np.abs(signs @ sums)
        reached += (flipped >= observed - 1e-9).sum()  # equal up to rounding
    return float(flip_p(reached, len(sums)))


def flip_p(reached: ArrayLike, clusters: int, n: int = FLIPS) -> np.ndarray:
    """P values if `reached` (...) sign patterns give a mean at least as extreme as observed.

    The observed pattern is one of all patterns; it is added to random ones (Phipson, Smyth 2010).
    """
    if _all_patterns(clusters, n):
        return np.asarray(reached) / 2**clusters
    return (1 + np.asarray(reached)) / (1 + n)


@lru_cache(maxsize=4)  # most tables have the same clusters
def sign_patterns(count: int, n: int = FLIPS) -> np.ndarray:
    """Signs, -1 or 1, of `count` clusters, (patterns, count): all 2^count of them, or n random."""
    if _all_patterns(count, n):
        signs = 1.0 - 2.0 * (np.arange(2**count)[:, None] >> np.arange(count) & 1)
    else:
        signs = np.random.default_rng(0).choice([-1.0, 1.0], size=(n, count))
    signs.flags.writeable = False
    return signs


def _all_patterns(count: int, n: int) -> bool:
    return count <= math.log2(n)


def _blocks_of_signs(count: int) -> Iterator[np.ndarray]:
    """The rows of `sign_patterns` in blocks: with thousands of clusters they fill the memory."""
    rows = max(1, CELLS // count)
    if _all_patterns(count, FLIPS) or rows >= FLIPS:
        yield sign_patterns(count)
        return
    generator = np.random.default_rng(0)
    for start in range(0, FLIPS, rows):
        yield generator.choice([-1.0, 1.0], size=(min(rows, FLIPS - start), count))


def _totals(values: np.ndarray, clusters: ArrayLike) -> tuple[np.ndarray, np.ndarray]:
    """Sum of values and number of rows of each cluster, both (clusters,)."""
    clusters = np.asarray(clusters)
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
    sides = [_rows(predictions, key) for key in (a, b)]
    first, second = (
        rows[[*PAIRING, "group", "label"]].assign(right=rows["predicted"] == rows["label"])
        for rows in sides
    )
    both = first.merge(second, on=PAIRING, how="outer", suffixes=("_a", "_b"), indicator=True)
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
    right_a, right_b = both["right_a"].astype(bool), both["right_b"].astype(bool)
    return both[PAIRING].assign(
        group=both["group_a"],
        label=both["label_a"],
        right_a=right_a,
        right_b=right_b,
        difference=right_a.astype(float) - right_b,
    )


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
    found = cluster_bootstrap(difference, cluster)
    shifted = difference + (margin or 0.0)
    return {
        "difference": found.mean,
        "low": found.low,
        "high": found.high,
        "lower_bound": found.lower_bound,
        "error": found.error,
        "p": sign_flip(shifted, cluster, one_sided=margin is not None),
    }


def mcnemar(pairs: pd.DataFrame) -> dict:
    """Exact McNemar test on clips: only_a, only_b (clips that only one method recognises) and p.

    A clip counts once, as right if more than half of its seeds are right. The test ignores that
    clips of one group are not independent: read it beside `sign_flip`, not in its place.
    """
    right = pairs.groupby("clip")[["right_a", "right_b"]].mean() > 0.5
    only_a = int((right["right_a"] & ~right["right_b"]).sum())
    only_b = int((right["right_b"] & ~right["right_a"]).sum())
    test = contingency_tables.mcnemar([[0, only_a], [only_b, 0]], exact=True)
    return {"only_a": only_a, "only_b": only_b, "p": float(test.pvalue)}


def holm(p_values: ArrayLike) -> np.ndarray:
    """Holm's adjusted p values, in the order given (Holm 1979)."""
    return multipletests(np.asarray(p_values, dtype=float), method="holm")[1]
