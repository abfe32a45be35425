"""Intervals and tests that respect what is independent: the group (language or signer).

Clips of one group share a signer, and seeds share clips, so rows are never resampled
alone: groups are. The statistic is always the mean over clips and seeds. The groups of one
test fold also share their trained models, which this leaves out: intervals are, if anything,
somewhat too narrow.
"""

from dataclasses import asdict, dataclass

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike
from statsmodels.stats.multitest import multipletests

DRAWS = 10_000  # Monte Carlo error of a 95 % bound is then under 0.03 of its standard error
PAIRING = ["clip", "fold", "seed"]


@dataclass(frozen=True)
class Comparison:
    """A test declared before its numbers: method `a` against method `b`, each (name, K)."""

    name: str
    a: tuple[str, int]
    b: tuple[str, int]
    test: str  # "non-inferiority", "superiority" or "difference"
    margin: float = 0.0  # accuracy that may be lost, a fraction; only non-inferiority has one


# The declared family: Holm's correction runs over exactly these.
COMPARISONS = (
    Comparison("learned-12 vs full", ("learned", 12), ("full", 42), "non-inferiority", 0.02),
    Comparison("learned-25 vs full", ("learned", 25), ("full", 42), "non-inferiority", 0.02),
    Comparison(
        "learned-12 vs stratified-random-12",
        ("learned", 12),
        ("stratified-random", 12),
        "superiority",
    ),
    Comparison(
        "learned-12 vs hand-matched-random-12",
        ("learned", 12),
        ("hand-matched-random", 12),
        "superiority",
    ),
    Comparison(
        "learned-12 vs fingertips+wrist-12",
        ("learned", 12),
        ("fingertips+wrist", 12),
        "difference",
    ),
)


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
    count = len(sums)
    drawn = np.random.default_rng(seed).multinomial(count, np.full(count, 1 / count), size=n)
    means = (drawn @ sums) / (drawn @ sizes)
    low, bound, high = np.percentile(means, [2.5, 5, 97.5])
    return Interval(float(values.mean()), float(low), float(high), float(bound))


def sign_flip(
    values: ArrayLike,
    clusters: ArrayLike,
    *,
    one_sided: bool = False,
    n: int = DRAWS,
    seed: int = 0,
) -> float:
    """P value of "the mean of `values` is 0" (one-sided: "is at most 0").

    Under the null a cluster's differences are as likely to have the other sign, so whole
    clusters are flipped at random; exact for independent, symmetric clusters, however few.
    Source: Canay, Romano, Shaikh 2017; the added one is Phipson, Smyth 2010.
    """
    sums, _ = _totals(np.asarray(values, dtype=float), clusters)
    signs = np.random.default_rng(seed).choice([-1.0, 1.0], size=(n, len(sums)))
    flipped, observed = signs @ sums, sums.sum()
    if not one_sided:
        flipped, observed = np.abs(flipped), abs(observed)
    reached = flipped >= observed - 1e-9  # ties are ties in spite of rounding
    return float((1 + reached.sum()) / (1 + n))


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

    Columns clip, fold, seed, group and `difference`: correctness of `a` minus that of `b`,
    one of -1, 0, 1. Refuses methods that were not run on the same clips, folds and seeds.
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
            f"{lacking}: run both methods with the same folds and seeds"
        )
    difference = both["correct_a"].astype(float) - both["correct_b"].astype(float)
    pairs = both[[*PAIRING]].assign(group=both["group_a"], difference=difference)
    return pairs.reset_index(drop=True)


def _correctness(predictions: pd.DataFrame, method: str, k: int) -> pd.DataFrame:
    """Columns clip, fold, seed, group, correct of one method at one K."""
    chosen = predictions[(predictions["method"] == method) & (predictions["k"] == k)]
    if chosen.empty:
        known = sorted(set(zip(predictions["method"], predictions["k"].tolist(), strict=True)))
        raise ValueError(
            f"expected predictions of {method!r} with k={k}, got only {known}: "
            "add the method and budget to notebooks/04_joint_ablation.ipynb"
        )
    if chosen.duplicated(PAIRING).any():
        raise ValueError(
            f"expected one prediction a clip, fold and seed for {method!r} with k={k}, got "
            f"{int(chosen.duplicated(PAIRING).sum())} repeated: give every draw its own seed"
        )
    correct = chosen["predicted"] == chosen["label"]
    return chosen[[*PAIRING, "group"]].assign(correct=correct)


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
    no difference.
    """
    pairs = pair(predictions, a, b)
    found = cluster_bootstrap(pairs["difference"], pairs["group"], seed=seed)
    one_sided = test == "non-inferiority"
    tested = pairs["difference"] + (margin if one_sided else 0.0)
    return {
        "a": {"method": a[0], "k": a[1]},
        "b": {"method": b[0], "k": b[1]},
        "difference": found.mean,
        "low": found.low,
        "high": found.high,
        "lower_bound": found.lower_bound,
        "margin": margin,
        "noninferior": found.lower_bound > -margin,
        "test": test,
        "p": sign_flip(tested, pairs["group"], one_sided=one_sided, seed=seed),
        "runs": len(pairs[["fold", "seed"]].drop_duplicates()),
    }


def holm(p_values: ArrayLike) -> np.ndarray:
    """Holm's adjusted p values, in the order given (Holm 1979, by statsmodels)."""
    return multipletests(np.asarray(p_values, dtype=float), method="holm")[1]


def compare(
    predictions: pd.DataFrame, comparisons: tuple[Comparison, ...] = COMPARISONS
) -> list[dict]:
    """The whole declared family: `paired_difference` of each, with `name` and `p_holm`."""
    found = []
    for comparison in comparisons:
        terms = asdict(comparison)
        name = terms.pop("name")
        found.append({"name": name, **paired_difference(predictions, **terms)})
    adjusted = holm([record["p"] for record in found])
    return [{**record, "p_holm": float(p)} for record, p in zip(found, adjusted, strict=True)]
