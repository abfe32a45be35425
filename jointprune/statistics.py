"""Intervals and tests that respect what is independent: the group (language or signer).

Clips of one group share a signer, and seeds share clips, so rows are never resampled
alone: groups are. The statistic is always the mean over clips and seeds. The groups of one
test fold also share their trained models, which this leaves out: intervals are, if anything,
somewhat too narrow.
"""

from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike
from statsmodels.stats import contingency_tables
from statsmodels.stats.multitest import multipletests

from jointprune.resampling import (
    DRAWS,
    FLIPS,
    all_patterns,
    cluster_draws,
    in_blocks,
    sign_patterns,
)

PAIRING = ["clip", "fold", "seed"]


@dataclass(frozen=True)
class Interval:
    """A mean, its two-sided 95 % interval, and its one-sided 95 % lower bound."""

    mean: float
    low: float
    high: float
    lower_bound: float


def cluster_bootstrap(
    values: ArrayLike, clusters: ArrayLike, n: int = DRAWS, seed: int = 0
) -> Interval:
    """Mean of `values` (rows,) with its percentile interval, resampling whole clusters.

    `clusters` (rows,) names the cluster of each row. Every draw takes as many clusters as
    there are, with replacement, and keeps all their rows, so large clusters weigh more, as
    they do in the mean. With few clusters (16 languages) the interval is somewhat narrow
    (Cameron, Gelbach, Miller 2008); `sign_flip` beside it does not share that weakness.
    Source: Davison, Hinkley 1997, section 3.8.
    """
    values = np.asarray(values, dtype=float)
    sums, sizes = _totals(values, clusters)
    blocks = in_blocks(cluster_draws, len(sums), n, seed)
    means = np.concatenate([(drawn @ sums) / (drawn @ sizes) for drawn in blocks])
    low, bound, high = np.percentile(means, [2.5, 5, 97.5])
    return Interval(float(values.mean()), float(low), float(high), float(bound))


def sign_flip(
    values: ArrayLike,
    clusters: ArrayLike,
    *,
    one_sided: bool = False,
    n: int = FLIPS,
    seed: int = 0,
) -> float:
    """P value of "the mean of `values` is 0" (one-sided: "is at most 0").

    Under the null a cluster's differences are as likely to have the other sign, so whole
    clusters are flipped, in every way for up to 16, else in `n` random ones; exact for
    independent, symmetric clusters, however few, and too ready to reject a loss where few
    clusters lose most of it. Source: Canay, Romano, Shaikh 2017.
    """
    sums, _ = _totals(np.asarray(values, dtype=float), clusters)
    blocks = in_blocks(sign_patterns, len(sums), n, seed)
    flipped, observed = np.concatenate([signs @ sums for signs in blocks]), sums.sum()
    if not one_sided:
        flipped, observed = np.abs(flipped), abs(observed)
    reached = flipped >= observed - 1e-9  # ties are ties in spite of rounding
    return float(flip_p(reached.sum(), len(sums), n))


def flip_p(reached: ArrayLike, clusters: int, n: int) -> np.ndarray:
    """P values of how many patterns of signs reach what was observed, `reached` (...).

    The observed pattern is one of all; random ones are joined by it (Phipson, Smyth 2010).
    """
    if all_patterns(clusters, n):
        return np.asarray(reached) / 2**clusters
    return (1 + np.asarray(reached)) / (1 + n)


def _totals(values: np.ndarray, clusters: ArrayLike) -> tuple[np.ndarray, np.ndarray]:
    """Sum of values and number of rows for each cluster, both (clusters,)."""
    clusters = np.asarray(clusters)
    if values.ndim != 1 or values.shape != clusters.shape or values.size == 0:
        raise ValueError(
            f"expected one cluster a value and at least one, got values {values.shape} "
            f"and clusters {clusters.shape}: pass two columns of the same table"
        )
    _, codes = np.unique(clusters, return_inverse=True)
    return np.bincount(codes, weights=values), np.bincount(codes).astype(float)


def pair(predictions: pd.DataFrame, a: tuple[str, int], b: tuple[str, int]) -> pd.DataFrame:
    """Rows (clip, fold, seed) of both methods side by side.

    Columns clip, fold, seed, group, label, `right_a` and `right_b` (bool), and `difference`:
    1 where only `a` is right, -1 where only `b` is, else 0. Refuses methods that were not run
    on the same clips, folds and seeds.
    """
    first, second = (_correctness(predictions, *which) for which in (a, b))
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


def shared(predictions: pd.DataFrame, a: tuple[str, int], b: tuple[str, int]) -> pd.DataFrame:
    """The rows of methods `a` and `b` from those (fold, seed) that both were run with.

    For a method with fewer seeds than the one beside it; ValueError if they share none.
    """
    parts = [_rows(predictions, *which) for which in (a, b)]
    runs = [set(zip(part["fold"], part["seed"], strict=True)) for part in parts]
    common = runs[0] & runs[1]
    if not common:
        raise ValueError(
            f"expected {a} and {b} to share a fold and seed, got {sorted(runs[0])} and "
            f"{sorted(runs[1])}: run both methods with the same folds and seeds"
        )
    both = pd.concat(parts, ignore_index=True)
    return both[pd.MultiIndex.from_frame(both[["fold", "seed"]]).isin(common)]


def _rows(
    predictions: pd.DataFrame, method: str, k: int, regime: str = "retrained"
) -> pd.DataFrame:
    """Predictions of one method at one K in one regime; ValueError if there are none."""
    same = {"method": method, "k": k, "regime": regime}
    chosen = predictions[(predictions[list(same)] == list(same.values())).all(axis=1)]
    if chosen.empty:
        known = sorted(set(zip(predictions["method"], predictions["k"].tolist(), strict=True)))
        raise ValueError(
            f"expected {regime} predictions of {method!r} with k={k}, got only {known}: "
            "add the method and budget to notebooks/04_joint_ablation.ipynb"
        )
    return chosen


def _correctness(
    predictions: pd.DataFrame, method: str, k: int, regime: str = "retrained"
) -> pd.DataFrame:
    """Columns clip, fold, seed, group, label, right of one method at one K."""
    chosen = _rows(predictions, method, k, regime)
    if chosen.duplicated(PAIRING).any():
        raise ValueError(
            f"expected one prediction a clip, fold and seed for {method!r} with k={k}, got "
            f"{int(chosen.duplicated(PAIRING).sum())} repeated: give every draw its own seed"
        )
    right = chosen["predicted"] == chosen["label"]
    return chosen[[*PAIRING, "group", "label"]].assign(right=right)


def paired_difference(
    predictions: pd.DataFrame,
    a: tuple[str, int],
    b: tuple[str, int],
    margin: float = 0.0,
    *,
    test: str = "difference",
    seed: int = 0,
) -> dict:
    """Accuracy of `a` minus that of `b` on the same (clip, fold, seed), clustered by group.

    `predictions` holds both methods; a and b are (method, K); `margin` is a fraction.
    Returns difference, low, high (95 %), lower_bound (one-sided 95 %), margin, `noninferior`
    (lower_bound > -margin), runs (pairs of fold and seed) and p, by `sign_flip`: for the test
    "non-inferiority" one-sided against "a loses the margin or more", else two-sided against
    no difference; for that test also p_worse, one-sided against "a loses the margin or less".
    """
    pairs = pair(predictions, a, b)
    return {
        "a": {"method": a[0], "k": a[1]},
        "b": {"method": b[0], "k": b[1]},
        **difference_of(pairs, margin, test=test, seed=seed),
        "runs": len(pairs[["fold", "seed"]].drop_duplicates()),
    }


def difference_of(
    pairs: pd.DataFrame,
    margin: float = 0.0,
    *,
    test: str = "difference",
    clusters: str = "group",
    seed: int = 0,
) -> dict:
    """What `paired_difference` says of `pairs` as `pair` gives them: its numbers and its test.

    Rows with the same value in the column `clusters` are resampled and flipped together.
    """
    found = cluster_bootstrap(pairs["difference"], pairs[clusters], seed=seed)
    one_sided = test == "non-inferiority"
    shifted = pairs["difference"] + (margin if one_sided else 0.0)

    def flipped(values: pd.Series) -> float:
        return sign_flip(values, pairs[clusters], one_sided=one_sided, seed=seed)

    return {
        "difference": found.mean,
        "low": found.low,
        "high": found.high,
        "lower_bound": found.lower_bound,
        "margin": margin,
        "noninferior": found.lower_bound > -margin,
        "test": test,
        "p": flipped(shifted),
        **({"p_worse": flipped(-shifted)} if one_sided else {}),
    }


def mcnemar(pairs: pd.DataFrame) -> dict:
    """Exact McNemar test on clips: only_a, only_b (clips that one method alone gets) and p.

    A clip counts once, as right where more than half of its seeds are: the test is about
    independent pairs, which seeds of one clip are not. Nor are clips of one language, which it
    ignores: stands beside `sign_flip`, does not replace it. Source: McNemar 1947.
    """
    right = pairs.groupby("clip")[["right_a", "right_b"]].mean() > 0.5
    only_a = int((right["right_a"] & ~right["right_b"]).sum())
    only_b = int((right["right_b"] & ~right["right_a"]).sum())
    test = contingency_tables.mcnemar([[0, only_a], [only_b, 0]], exact=True)
    return {"only_a": only_a, "only_b": only_b, "p": float(test.pvalue)}


def holm(p_values: ArrayLike) -> np.ndarray:
    """Holm's adjusted p values, in the order given (Holm 1979, by statsmodels)."""
    return multipletests(np.asarray(p_values, dtype=float), method="holm")[1]
