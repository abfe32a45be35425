"""The declared comparisons, and K*: the smallest budget that is non-inferior to all joints."""

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
import pandas as pd
from scipy.stats import norm

from jointprune.statistics import (
    DRAWS,
    FLIPS,
    Key,
    cluster_bootstrap,
    difference_of,
    flip_p,
    holm,
    mcnemar,
    pair,
    sign_flip,
    sign_patterns,
)

ALPHA = 0.05
RESAMPLES = 1000  # resamples of the groups, for the spread of K*; each is tested with ...
INNER_DRAWS = 500  # ... this many bootstrap samples: enough, because K* moves in whole steps
# How firm K* is, where nothing is tested because the reference is not shown to work.
UNTESTED = {
    "bootstrap": dict.fromkeys(("low", "median", "high")),
    "by_seed": [],
    "leave_one_seed_out": [],
    "leave_one_group_out": [],
}


@dataclass(frozen=True)
class Comparison:
    """A declared test of method `a` against method `b`, each (name, K)."""

    name: str
    a: tuple[str, int]
    b: tuple[str, int]
    test: str  # "superiority" or "difference"; both are two-sided


FULL = ("full", 42)
FEW = ("learned", 12)
# The declared family: Holm's correction runs over exactly these.
COMPARISONS = (
    Comparison("learned-12 vs stratified-random-12", FEW, ("stratified-random", 12), "superiority"),
    Comparison(
        "learned-12 vs hand-matched-random-12", FEW, ("hand-matched-random", 12), "superiority"
    ),
    Comparison("learned-12 vs anatomical-12", FEW, ("anatomical", 12), "difference"),
    Comparison("learned-12 vs greedy-12", FEW, ("greedy", 12), "difference"),
)
DECLARED = (
    "The comparisons with both kinds of random joints were declared on 22 November 2026 (commit "
    "8bc2621), an hour before the first results of the lexicon were committed (93e44e8). It cannot "
    "be shown that no results had been seen by then. The comparisons with anatomical order and "
    "greedy elimination, and the test of K*, were declared on the same day (b0bf9c1) after those "
    "results, which held learned and both kinds of random joints. They replaced a comparison with "
    "fingertips and wrists (p = 0.31 in those results). The networks were changed and trained "
    "again since. The family held tests of non-inferiority too; they left it after their results "
    "had been seen, because K* tests the same."
)
# A separate family: which selection to publish when the trainings chose different ones.
ONE_SET = (
    Comparison("typical-12 vs learned-12", ("typical", 12), FEW, "difference"),
    Comparison("vote-12 vs learned-12", ("vote", 12), FEW, "difference"),
)


def compare_declared(
    predictions: pd.DataFrame, comparisons: tuple[Comparison, ...] = COMPARISONS
) -> list[dict]:
    """The tests of a declared family, in its order.

    One record per comparison: name, a, b, test, those of `difference_of`, runs (pairs of fold and
    seed), `mcnemar` and `p_holm`.
    """
    found = []
    for terms in comparisons:
        pairs = pair(predictions, terms.a, terms.b)
        found.append(
            {
                "name": terms.name,
                "a": {"method": terms.a[0], "k": terms.a[1]},
                "b": {"method": terms.b[0], "k": terms.b[1]},
                "test": terms.test,
                **difference_of(pairs),
                "runs": len(pairs[["fold", "seed"]].drop_duplicates()),
                "mcnemar": mcnemar(pairs),
            }
        )
    for record, p in zip(found, holm([record["p"] for record in found]), strict=True):
        record["p_holm"] = float(p)
    return found


def k_star(
    predictions: pd.DataFrame,
    ks: tuple[int, ...],
    margin: float,
    method: str = "learned",
    full: tuple[str, int] = FULL,
) -> dict:
    """The smallest budget of a method that is non-inferior to all joints, the method `full`.

    Budgets are tested from the largest down until the first one fails: in this order, fixed
    before the numbers, each test at 5 % keeps the chance of any false step at 5 % without a
    correction (Hsu and Berger 1999; Maurer, Hothorn and Lehmacher 1995). A step passes if the
    one-sided 95 % bootstrap bound is above -margin (a fraction) and the sign flips give p < 0.05.
    With few groups, of which some lose far more than the others gain, a step errs more often: 12 %
    in a simulation with 16 exponential losses (tests/test_comparisons.py).

    No step passes unless `full` works: its accuracy has to be shown to be above chance by more than
    the margin, for at chance every budget is non-inferior.

    Returns method, margin, k (that of `full` if nothing passes), joints, pruned (1 - k / joints);
    `reference`, as `above_chance` returns it; `steps`, one per budget, largest first: `passes` is
    False from the first failure on, and `crossed_bound` is the bound if seeds are resampled too
    (not part of the test, and wide for few seeds). How firm K* is, empty unless `full` works:
    `bootstrap` (low, median, high: 95 % of the K* of resampled groups; this is not a confidence
    interval, because resampling adds its own noise); the K* of each seed alone (`by_seed`), and
    without each seed and group (`leave_one_seed_out`, `leave_one_group_out`; `moved_by_one_group`
    counts the groups without which K* is another).
    """
    ks = tuple(sorted(set(ks), reverse=True))
    pairs = {k: pair(predictions, (method, k), full) for k in ks}
    first = pairs[ks[0]]
    reference = above_chance(first["right_b"], first, margin)
    sums, sizes = _totals(pairs)
    steps, passes = [], reference["works"]
    for (k, table), bound in zip(pairs.items(), _crossed_bounds(sums, sizes), strict=True):
        found = difference_of(table, margin)
        passes = passes and found["lower_bound"] > -margin and found["p"] < ALPHA
        steps.append({"k": k, **found, "passes": passes, "crossed_bound": float(bound)})
    k = int(_smallest(np.array([step["passes"] for step in steps]), ks, full[1]))

    firmness = UNTESTED
    if reference["works"]:
        firmness = _firmness(sums, sizes, margin, ks, full[1])
    return {
        "method": method,
        "margin": margin,
        "k": k,
        "joints": full[1],
        "pruned": 1 - k / full[1],
        "reference": reference,
        "steps": steps,
        **firmness,
        "moved_by_one_group": sum(other != k for other in firmness["leave_one_group_out"]),
    }


def above_chance(right: pd.Series, rows: pd.DataFrame, margin: float = 0.0) -> dict:
    """Whether predictions (`rows`, correct where `right`) are above chance by more than the margin.

    Chance is the share of the most frequent label among the tested clips: at least 1 / classes.
    Returns accuracy, lower_bound (one-sided 95 %; None for one group), chance, p (one-sided sign
    flips) and works: whether both the bound and p show it, so never with fewer than five groups.
    """
    found = cluster_bootstrap(right, rows["group"])
    labels = rows.drop_duplicates("clip")["label"]
    chance = float(labels.value_counts(normalize=True).max())
    bound = found.lower_bound if rows["group"].nunique() > 1 else None
    p = sign_flip(right - chance - margin, rows["group"], one_sided=True)
    works = bound is not None and bound > chance + margin and p < ALPHA
    return {
        "accuracy": found.mean,
        "lower_bound": bound,
        "chance": chance,
        "p": p,
        "works": works,
    }


def _firmness(
    sums: np.ndarray, sizes: np.ndarray, margin: float, ks: tuple[int, ...], joints: int
) -> dict:
    """K* of resampled groups, of each seed alone, and without each seed or group."""

    def tested(sums: np.ndarray, sizes: np.ndarray, **draws: int) -> list[int]:
        return _smallest(noninferior(sums, sizes, margin, **draws), ks, joints).tolist()

    seeds, groups = sizes.shape
    whole = sums.sum(axis=0), sizes.sum(axis=0)
    drawn = np.random.default_rng(1).integers(groups, size=(RESAMPLES, groups))
    spread = tested(*(total[drawn] for total in whole), n=INNER_DRAWS, flips=INNER_DRAWS)
    # "inverted_cdf" returns only budgets that were tested.
    ends = np.percentile(spread, [2.5, 50, 97.5], method="inverted_cdf")
    return {
        "bootstrap": dict(zip(UNTESTED["bootstrap"], ends.tolist(), strict=True)),
        "by_seed": tested(sums, sizes),
        "leave_one_seed_out": tested(whole[0] - sums, whole[1] - sizes) if seeds > 1 else [],
        "leave_one_group_out": [
            tested(*(np.delete(total, group, axis=0) for total in whole)) for group in range(groups)
        ],
    }


def detectable_loss(
    predictions: pd.DataFrame, a: Key = FEW, b: Key = FULL, power: float = 0.8
) -> dict:
    """The smallest true loss of `a` against `b` that a one-sided test at 5 % finds with `power`.

    (z_0.95 + z_power) bootstrap standard errors of the paired difference (Cohen 1988, section
    1.5). Returns loss (a fraction), power, alpha, groups, clips, seeds and joints (of `b`).
    """
    pairs = pair(predictions, a, b)
    error = cluster_bootstrap(pairs["difference"], pairs["group"]).error
    counts = {f"{name}s": int(pairs[name].nunique()) for name in ("group", "clip", "seed")}
    loss = (norm.ppf(1 - ALPHA) + norm.ppf(power)) * error
    return {"loss": float(loss), "power": power, "alpha": ALPHA, **counts, "joints": b[1]}


def noninferior(
    sums: np.ndarray, sizes: np.ndarray, margin: float, n: int = DRAWS, flips: int = FLIPS
) -> np.ndarray:
    """Whether each budget alone is non-inferior, bool (..., budgets).

    `sums` (..., groups, budgets) adds the differences of correctness in a group, `sizes`
    (..., groups) counts them. These are the tests of `cluster_bootstrap` and `sign_flip`, thousands
    at once; scipy's functions would do them one by one.
    """
    sizes = sizes[..., None]
    groups = sums.shape[-2]
    drawn, signs = cluster_draws(groups, n), sign_patterns(groups, flips)
    bound = np.percentile((drawn @ sums) / (drawn @ sizes), 5, axis=-2)
    shifted = sums + margin * sizes
    reached = signs @ shifted >= shifted.sum(axis=-2, keepdims=True) - 1e-9
    p = flip_p(reached.sum(axis=-2), groups, flips)
    return (bound > -margin) & (p < ALPHA)


@lru_cache(maxsize=4)
def cluster_draws(count: int, n: int = DRAWS, seed: int = 0) -> np.ndarray:
    """How often each of `count` clusters is drawn, (n, count); a row sums to `count`."""
    drawn = np.random.default_rng(seed).multinomial(count, np.full(count, 1 / count), size=n)
    drawn = drawn.astype(float)
    drawn.flags.writeable = False
    return drawn


def _smallest(passes: np.ndarray, ks: tuple[int, ...], joints: int) -> np.ndarray:
    """The last budget before the first failure; `passes` (..., budgets), largest budget first."""
    unbroken = np.logical_and.accumulate(passes, axis=-1)
    return np.array([joints, *ks])[unbroken.sum(axis=-1)]


def _totals(pairs: dict[int, pd.DataFrame]) -> tuple[np.ndarray, np.ndarray]:
    """Sums of differences (seeds, groups, budgets), and how many they are (seeds, groups)."""
    table = pd.concat([part.assign(k=k) for k, part in pairs.items()])
    cells = table.groupby(["seed", "group", "k"])["difference"].agg(["sum", "size"])
    axes = (*cells.index.levels[:2], list(pairs))
    cells = cells.reindex(pd.MultiIndex.from_product(axes), fill_value=0.0)
    sums, sizes = (cells[name].to_numpy(float).reshape([*map(len, axes)]) for name in cells)
    return sums, sizes[..., 0]


def _crossed_bounds(sums: np.ndarray, sizes: np.ndarray) -> np.ndarray:
    """One-sided 95 % lower bounds (budgets,) of the mean difference, groups and seeds resampled.

    Groups and seeds are resampled independently, so the bound may be too low. Source: Owen, "The
    pigeonhole bootstrap" (Annals of Applied Statistics 1, 2007).
    """
    seeds, groups = sizes.shape
    of_seeds, of_groups = cluster_draws(seeds, seed=1), cluster_draws(groups)
    count = ((of_seeds @ sizes) * of_groups).sum(axis=1)
    means = [((of_seeds @ sums[..., k]) * of_groups).sum(axis=1) / count
             for k in range(sums.shape[-1])]  # fmt: skip
    return np.percentile(means, 5, axis=1)
