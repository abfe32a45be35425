"""The declared comparisons, and K*: the smallest budget shown to cost at most a margin."""

from dataclasses import asdict, dataclass

import numpy as np
import pandas as pd
from scipy.stats import norm

from jointprune.resampling import DRAWS, FLIPS, cluster_draws, sign_patterns
from jointprune.statistics import difference_of, flip_p, holm, mcnemar, pair, paired_difference

ALPHA = 0.05
RESAMPLES = 1000  # of the groups, for the spread of K*; each is tested with ...
INNER_DRAWS = 500  # ... this many draws: enough, as the spread is read in steps of K


@dataclass(frozen=True)
class Comparison:
    """A test declared before its numbers: method `a` against method `b`, each (name, K)."""

    name: str
    a: tuple[str, int]
    b: tuple[str, int]
    test: str  # "non-inferiority", "superiority" or "difference"
    margin: float = 0.0  # accuracy that may be lost, a fraction; only non-inferiority has one


FULL = ("full", 42)
FEW, HALF = ("learned", 12), ("learned", 21)
# The declared family: Holm's correction runs over exactly these.
COMPARISONS = (
    Comparison("learned-21 vs full", HALF, FULL, "non-inferiority", 0.02),
    Comparison("learned-12 vs full", FEW, FULL, "non-inferiority", 0.02),
    Comparison("learned-21 vs full at 1 point", HALF, FULL, "non-inferiority", 0.01),
    Comparison("learned-12 vs full at 1 point", FEW, FULL, "non-inferiority", 0.01),
    Comparison("learned-12 vs stratified-random-12", FEW, ("stratified-random", 12), "superiority"),
    Comparison(
        "learned-12 vs hand-matched-random-12", FEW, ("hand-matched-random", 12), "superiority"
    ),
    Comparison("learned-12 vs anatomical-12", FEW, ("anatomical", 12), "difference"),
    Comparison("learned-12 vs greedy-12", FEW, ("greedy", 12), "difference"),
)
# Which set to hand on when several trainings chose several; a family of its own, since it is
# about that and not about pruning.
ONE_SET = (
    Comparison("typical-12 vs learned-12", ("typical", 12), FEW, "difference"),
    Comparison("vote-12 vs learned-12", ("vote", 12), FEW, "difference"),
)


def compare_declared(
    predictions: pd.DataFrame, comparisons: tuple[Comparison, ...] = COMPARISONS
) -> list[dict]:
    """The whole declared family, in its order.

    One record a comparison: `paired_difference` with `name`, `mcnemar` and `p_holm`; of
    non-inferiority `p_worse_holm` too, by which its opposite may be shown.
    """
    found = []
    for comparison in comparisons:
        terms = asdict(comparison)
        name = terms.pop("name")
        beside = mcnemar(pair(predictions, comparison.a, comparison.b))
        found.append({"name": name, **paired_difference(predictions, **terms), "mcnemar": beside})
    for key in ("p", "p_worse"):
        adjusted = holm([record.get(key, record["p"]) for record in found])
        for record, p in zip(found, adjusted, strict=True):
            if key in record:
                record[f"{key}_holm"] = float(p)
    return found


def k_star(
    predictions: pd.DataFrame,
    ks: tuple[int, ...],
    margin: float,
    method: str = "learned",
    full: tuple[str, int] = FULL,
) -> dict:
    """The smallest budget of `method` that is shown to cost at most `margin` against `full`.

    Budgets are tested for non-inferiority from the largest of `ks` down, and the first that
    fails ends it: in this order, fixed before the numbers, each test at 5 % keeps the chance of
    any false step of this one sequence at 5 % without a correction. A step passes when the
    one-sided 95 % bootstrap bound is above -margin and the sign flips give p < 0.05. `full` has
    to share its clips, folds and seeds with every budget. With few groups of which some lose far
    more than the others gain, a step errs more often than it says: 16 exponential losses in 12 %
    of simulations, not 5 % (tests/test_verdicts.py). Source: Hsu, Berger 1999; Maurer, Hothorn,
    Lehmacher 1995.

    Returns margin, k (that of `full` when nothing passes), joints, pruned (1 - k / joints);
    `steps`, one a budget, largest first, `passes` being False from the first failure on, and
    `crossed_bound` the bound if seeds are resampled too, as of trainings that anyone might run:
    no part of the test, and wide for few seeds;
    `bootstrap` (low, median, high: 95 % of the K* of resampled groups, which says how far the
    verdict hangs on the groups recorded; no confidence interval, as resampling adds its
    noise to that of the data); `by_seed`, the K* of each seed alone.
    """
    ks = tuple(sorted(set(ks), reverse=True))
    if not ks or ks[0] >= full[1] or not 0 < margin < 1:
        raise ValueError(
            f"expected budgets below {full[1]} and a margin between 0 and 1, got {ks} and "
            f"{margin}: pass the K of the curve, and the margin as a fraction"
        )
    pairs = {k: pair(predictions, (method, k), full) for k in ks}
    sums, sizes = _totals(pairs)
    bounds = _crossed_bounds(sums, sizes)
    steps = [
        {**step, "crossed_bound": float(bound)}
        for step, bound in zip(_steps(pairs, margin), bounds, strict=True)
    ]
    k = int(_smallest(np.array([step["passes"] for step in steps]), ks, full[1]))
    spread = _resampled(sums.sum(axis=0), sizes.sum(axis=0), margin)
    ends = np.percentile(
        _smallest(spread, ks, full[1]), [2.5, 50, 97.5], method="inverted_cdf"
    )  # only budgets that were tested
    alone = _smallest(noninferior(sums, sizes, margin), ks, full[1])
    return {
        "method": method,
        "margin": margin,
        "k": k,
        "joints": full[1],
        "pruned": 1 - k / full[1],
        "steps": steps,
        "bootstrap": dict(zip(("low", "median", "high"), ends.tolist(), strict=True)),
        "by_seed": alone.tolist(),
    }


def detectable_loss(
    predictions: pd.DataFrame,
    a: tuple[str, int] = FEW,
    b: tuple[str, int] = FULL,
    power: float = 0.8,
) -> dict:
    """The smallest true loss of `a` against `b` that a one-sided test at 5 % finds with `power`.

    (z_0.95 + z_power) standard errors of the paired difference, by its bootstrap over groups:
    the normal approximation of Cohen 1988, section 1.5. Returns loss (accuracy, a fraction),
    power, alpha, groups, clips, seeds and joints (those of `b`).
    """
    pairs = pair(predictions, a, b)
    sums = pairs.groupby("group")["difference"].agg(["sum", "size"])
    draws = cluster_draws(len(sums))
    error = float(((draws @ sums["sum"]) / (draws @ sums["size"])).std())
    return {
        "loss": (norm.ppf(1 - ALPHA) + norm.ppf(power)) * error,
        "power": power,
        "alpha": ALPHA,
        "groups": len(sums),
        "clips": int(pairs["clip"].nunique()),
        "seeds": int(pairs["seed"].nunique()),
        "joints": b[1],
    }


def noninferior(
    sums: np.ndarray, sizes: np.ndarray, margin: float, n: int = DRAWS, flips: int = FLIPS
) -> np.ndarray:
    """Whether each budget alone is shown to cost at most `margin`, bool (..., budgets).

    `sums` (..., groups, budgets) adds the differences of correctness in a group, `sizes`
    (..., groups) counts them. Same tests as `cluster_bootstrap` and `sign_flip`, many at once.
    """
    sizes = sizes[..., None]
    groups = sums.shape[-2]
    drawn, signs = cluster_draws(groups, n), sign_patterns(groups, flips)
    bound = np.percentile((drawn @ sums) / (drawn @ sizes), 5, axis=-2)
    shifted = sums + margin * sizes
    reached = signs @ shifted >= shifted.sum(axis=-2, keepdims=True) - 1e-9
    p = flip_p(reached.sum(axis=-2), groups, flips)
    return (bound > -margin) & (p < ALPHA)


def _smallest(passes: np.ndarray, ks: tuple[int, ...], joints: int) -> np.ndarray:
    """The last budget before the first failure; `passes` (..., budgets), largest budget first."""
    unbroken = np.logical_and.accumulate(passes, axis=-1)
    return np.array([joints, *ks])[unbroken.sum(axis=-1)]


def _steps(pairs: dict[int, pd.DataFrame], margin: float) -> list[dict]:
    """The test of each budget; one `passes` if those before it did."""
    steps, passes = [], True
    for k, table in pairs.items():
        found = difference_of(table, margin, test="non-inferiority")
        passes = passes and found["noninferior"] and found["p"] < ALPHA
        kept = ("difference", "low", "high", "lower_bound", "p")
        steps.append({"k": k, **{key: found[key] for key in kept}, "passes": passes})
    return steps


def _totals(pairs: dict[int, pd.DataFrame]) -> tuple[np.ndarray, np.ndarray]:
    """Sums of differences (seeds, groups, budgets), and how many they are (seeds, groups)."""
    table = pd.concat([part.assign(k=k) for k, part in pairs.items()])
    cells = table.groupby(["seed", "group", "k"])["difference"].agg(["sum", "size"])
    axes = (*cells.index.levels[:2], list(pairs))
    cells = cells.reindex(pd.MultiIndex.from_product(axes), fill_value=0.0)
    shape = tuple(map(len, axes))
    return (
        cells["sum"].to_numpy().reshape(shape),
        cells["size"].to_numpy(float).reshape(shape)[..., 0],
    )


def _resampled(sums: np.ndarray, sizes: np.ndarray, margin: float) -> np.ndarray:
    """`noninferior` for each of RESAMPLES draws of the groups, bool (RESAMPLES, budgets)."""
    groups = len(sizes)
    drawn = np.random.default_rng(1).integers(groups, size=(RESAMPLES, groups))
    return noninferior(sums[drawn], sizes[drawn], margin, INNER_DRAWS, INNER_DRAWS)


def _crossed_bounds(sums: np.ndarray, sizes: np.ndarray) -> np.ndarray:
    """One-sided 95 % lower bounds (budgets,) of the mean difference, groups and seeds redrawn.

    Arguments as `_totals` returns them. Source: Owen, "The pigeonhole bootstrap" (Annals of
    Applied Statistics 1, 2007): each side is resampled whole, so the bound is, if anything, low.
    """
    seeds, groups = sizes.shape
    of_seeds, of_groups = cluster_draws(seeds, seed=1), cluster_draws(groups)
    count = ((of_seeds @ sizes) * of_groups).sum(axis=1)
    means = [((of_seeds @ sums[..., k]) * of_groups).sum(axis=1) / count
             for k in range(sums.shape[-1])]  # fmt: skip
    return np.percentile(means, 5, axis=1)
