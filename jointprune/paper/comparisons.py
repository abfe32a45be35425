"""The declared comparisons, and K*: the smallest budget that is non-inferior to all joints."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

import numpy as np
import pandas as pd
from scipy import fft
from scipy.stats import nct, norm, t

from jointprune.statistics import (
    CELLS,
    ROUNDING,
    cluster_bootstrap,
    cluster_draws,
    difference_of,
    holm,
    pair,
    sign_flip,
    whole_steps,
)

ALPHA = 0.05
SAMPLED = 2**28  # cells of the distributions of all samples, about 10 s
RESAMPLES = 20_000  # of the groups, for the spread of K*: its ends are exact to 0.2 % of them
FAR = 30.0  # standard errors; beyond them the power is 1, and its formula fails
CROSSED = 1_000_000  # draws of groups and seeds: a bound is then exact to about 0.02 points
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
# What learned gates are compared with, at each K that a profile declares.
RIVALS = {
    "stratified-random": "superiority",
    "hand-matched-random": "superiority",
    "anatomical": "difference",
    "greedy": "difference",
}
DECLARED = (
    "The comparisons with both kinds of random joints were declared on 22 November 2026 (commit "
    "8bc2621), an hour before the first results of the lexicon were committed (93e44e8). It cannot "
    "be shown that no results had been seen by then. Those with anatomical order and greedy "
    "elimination, and the test of K*, were declared on the same day (b0bf9c1) after those results, "
    "in place of a comparison with fingertips and wrists (p = 0.31). Tests of non-inferiority left "
    "Holm's correction after their results had been seen, because K* tests the same. Networks were "
    "trained anew since. The test of K* has used ten seeds since 29 November (7d21392); K* was 21 "
    "and 30 with five seeds and earlier networks (3c224b8, d28125a), then 21, and 30 since more "
    "than half of the seeds have to pass alone."
)
# Retrained with most seeds beside those that decide.
ALSO = "concrete"
# A separate family: the sets to publish, and the same choice made without a fold's test clips.
ONE_SET = tuple(
    Comparison(f"{method}-{k} vs full", (method, k), FULL, "difference")
    for method in ("one-set", "typical")
    for k in (12, 21)
)


def declared(ks: Iterable[int]) -> tuple[Comparison, ...]:
    """The declared family at each of `ks`: Holm's correction runs over exactly these."""
    return tuple(
        Comparison(f"learned-{k} vs {rival}-{k}", ("learned", k), (rival, k), test)
        for k in ks
        for rival, test in RIVALS.items()
    )


def deciding_plan(
    tested: Iterable[int], ks: Iterable[int], seeds: int
) -> list[tuple[str, int, int]]:
    """What is retrained with most seeds, (method, K, seeds), because a test decides on it.

    The learned joints at each K at which K* is `tested`, and the methods of the tests declared at
    `ks`.
    """
    sides = [side for terms in declared(ks) for side in (terms.a, terms.b)]
    cells = dict.fromkeys([*(("learned", k) for k in tested), *sides, *((ALSO, k) for k in ks)])
    return [(*cell, seeds) for cell in cells]


def compare_declared(predictions: pd.DataFrame, comparisons: tuple[Comparison, ...]) -> list[dict]:
    """The tests of a declared family, in its order.

    One record per comparison: name, a, b, test, those of `difference_of`, runs (pairs of fold and
    seed) and `p_holm`.
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
            }
        )
    return with_holm(found)


def with_holm(rows: list[dict]) -> list[dict]:
    """The rows, each with its p value after Holm's correction over all of them, `p_holm`."""
    adjusted = holm([row["p"] for row in rows]).tolist()
    return [row | {"p_holm": p} for row, p in zip(rows, adjusted, strict=True)]


def k_star(
    predictions: pd.DataFrame,
    ks: tuple[int, ...],
    margin: float,
    method: str = "learned",
    full: tuple[str, int] = FULL,
    strata: Mapping[str, str] | None = None,
) -> dict:
    """The smallest budget of a method that is non-inferior to all joints, the method `full`.

    Budgets are tested from the largest down until the first one fails: in this order, fixed
    before the numbers, each test at 5 % keeps the chance of any false step at 5 % without a
    correction (Hsu and Berger 1999; Maurer, Hothorn and Lehmacher 1995). A step passes if the
    one-sided 95 % bootstrap bound is above -margin (a fraction), the sign flips give p < 0.05, and
    more than half of the seeds alone give this K or a smaller one: groups of a fold share trained
    networks, so that the test takes too little account of chance in training. With few groups, of
    which some lose far more than the others gain, a step errs more often: 12 % in a simulation with
    16 exponential losses (tests/test_comparisons.py).

    No step passes unless `full` works: its accuracy has to be shown to be above chance by more than
    the margin, for at chance every budget is non-inferior.

    Returns method, margin, k (that of `full` if nothing passes), `by_test` (the same without the
    rule about seeds), joints; `reference`, as `above_chance` returns it; `steps`, one per budget,
    largest first: `passes` is False from the first failure on, `seeds_alone` counts the seeds that
    pass, and `crossed_bound` is the bound if seeds are resampled too (not part of the test, and
    wide for few seeds); `equal_groups` is the difference if all groups weigh alike, while otherwise
    all clips do; the power of each step is that of `_power`, and its `strata` those of
    `changes_by_stratum`, if `strata` says which one a clip is in. How firm K* is, empty unless
    `full` works: `bootstrap` (low, median, high: 95 % of the K* of resampled groups; this is not a
    confidence interval, because resampling adds its own noise); the K* of each seed alone
    (`by_seed`), and without each seed and group (`leave_one_seed_out`, `leave_one_group_out`;
    `moved_by_one_group` counts the groups without which K* is another), all by the test alone.
    """
    ks = tuple(sorted(set(ks), reverse=True))
    pairs = {k: pair(predictions, (method, k), full) for k in ks}
    first = pairs[ks[0]]
    reference = above_chance(first["right_b"], first, margin)
    sums, sizes = _totals(pairs)
    firmness = UNTESTED
    if reference["works"]:
        firmness = _firmness(sums, sizes, margin, ks, full[1])
    steps, passes, tested, by_test = [], reference["works"], reference["works"], full[1]
    for (k, table), bound in zip(pairs.items(), _crossed_bounds(sums, sizes), strict=True):
        found = difference_of(table, margin)
        tested = tested and found["lower_bound"] > -margin and found["p"] < ALPHA
        by_test = k if tested else by_test
        alone = sum(seed <= k for seed in firmness["by_seed"])
        passes = passes and tested and 2 * alone > len(firmness["by_seed"])
        power = _power(found["error"], sizes.shape[1], margin)
        parts = [] if strata is None else changes_by_stratum(table, strata)
        equal = float(table.groupby("group")["difference"].mean().mean())
        steps.append({"k": k, **found, "passes": passes, "seeds_alone": alone,
                      "crossed_bound": float(bound), "equal_groups": equal, **power,
                      "strata": parts})  # fmt: skip
    return {
        "method": method,
        "margin": margin,
        "k": min([full[1], *(step["k"] for step in steps if step["passes"])]),
        "by_test": by_test,
        "joints": full[1],
        "reference": reference,
        "steps": steps,
        **firmness,
        "moved_by_one_group": sum(k != by_test for k in firmness["leave_one_group_out"]),
    }


def changes_by_stratum(pairs: pd.DataFrame, strata: Mapping[str, str]) -> list[dict]:
    """The difference in each stratum, `strata` by clip: stratum, groups, difference, low, high."""
    rows = []
    for name, part in pairs.groupby(pairs["clip"].map(strata)):
        found = cluster_bootstrap(part["difference"], part["group"])
        rows.append({
            "stratum": name, "groups": part["group"].nunique(),
            "difference": found.mean, "low": found.low, "high": found.high,
        })  # fmt: skip
    return rows


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
    p = sign_flip(right, rows["group"], -chance - margin)
    works = bound is not None and bound > chance + margin and p < ALPHA
    return {"accuracy": found.mean, "lower_bound": bound, "chance": chance, "p": p, "works": works}


def _firmness(
    sums: np.ndarray, sizes: np.ndarray, margin: float, ks: tuple[int, ...], joints: int
) -> dict:
    """K* of resampled groups, of each seed alone, and without each seed or group."""

    def tested(sums: np.ndarray, sizes: np.ndarray, counts: np.ndarray) -> list[int]:
        found = np.full(len(counts), joints)
        left = np.arange(len(counts))  # the samples in which no budget has failed
        for k, budget in zip(ks, sums.T, strict=True):
            left = left[noninferior(whole_steps(budget, sizes, margin), counts[left])]
            found[left] = k
        return found.tolist()

    seeds, groups = sizes.shape
    whole, once = (sums.sum(axis=0), sizes.sum(axis=0)), np.ones((1, groups))
    drawn = np.concatenate([drawn for (drawn,) in cluster_draws(groups, n=RESAMPLES)])
    # "inverted_cdf" returns only budgets that were tested.
    ends = np.percentile(tested(*whole, drawn), [2.5, 50, 97.5], method="inverted_cdf")
    without = zip(whole[0] - sums, whole[1] - sizes, strict=True) if seeds > 1 else ()
    return {
        "bootstrap": dict(zip(UNTESTED["bootstrap"], ends.tolist(), strict=True)),
        "by_seed": [k for seed in zip(sums, sizes, strict=True) for k in tested(*seed, once)],
        "leave_one_seed_out": [k for others in without for k in tested(*others, once)],
        "leave_one_group_out": tested(*whole, 1 - np.eye(groups)),
    }


def _power(error: float, groups: int, margin: float) -> dict[str, float]:
    """Power of a step from the bootstrap standard error of its difference.

    `power_at_0` and `power_at_1`: the probability to pass if the true loss is 0 or 1 point and the
    groups' losses are normal, by the noncentral t distribution; 0 for so few groups that no sign
    flips give p < 0.05.
    """
    if too_few(groups):
        power = dict.fromkeys((0, 1), 0.0)
    else:
        unbiased = max(error, 1e-12) * (groups / (groups - 1)) ** 0.5  # 0 if all groups are alike
        away = {loss: min((margin - loss / 100) / unbiased, FAR) for loss in (0, 1)}
        critical = t.ppf(1 - ALPHA, groups - 1)
        power = {loss: nct.sf(critical, groups - 1, far) for loss, far in away.items()}
        if 2 * 0.5**groups >= ALPHA:  # every group has to lose less than the margin
            power = {loss: norm.cdf(far / groups**0.5) ** groups for loss, far in away.items()}
    return {f"power_at_{at}": float(p) for at, p in power.items()}


def too_few(groups: int) -> bool:
    """Whether no one-sided sign flips of so many groups give p < 0.05."""
    return 0.5**groups >= ALPHA


def noninferior(steps: np.ndarray, counts: np.ndarray) -> np.ndarray:
    """Whether a budget alone is non-inferior in samples of groups, bool (samples,).

    `steps` (groups,) are those of `whole_steps`, and `counts` (samples, groups) says how often a
    sample holds a group, each sample as many groups. These are the exact tests of
    `cluster_bootstrap` and `sign_flip`, thousands at once; if they would take minutes, steps are
    rounded.
    """
    # A bootstrap mean is -margin or less if the steps drawn add up to 0 or less; a pattern of signs
    # is as extreme as the observed one if the steps that it flips do. The distributions of such
    # sums are products of waves. Sums lie on a circle: negative ones are at its end.
    if not len(counts):
        return np.zeros(0, bool)
    groups = int(counts[0].sum())
    span = groups * (max(0, steps.max()) - min(0, steps.min()))
    steps = np.rint(steps / max(1, len(counts) * span / SAMPLED)).astype(int)
    least, most = groups * min(0, steps.min()), groups * max(0, steps.max())
    length = fft.next_fast_len(int(most - least) + 1, real=True)
    waves = fft.rfft(np.arange(length) == steps[:, None] % length)
    flipped = np.log((1 + waves) / 2 + 1e-300)  # 0 has no logarithm
    # The chance of a sum of 0 or less is linear in the wave: the inverse transform, added up.
    sums = np.arange(length)
    tail = fft.rfft((sums == 0) | (sums >= length + least)).conj() / length
    tail[1 : (length + 1) // 2] *= 2  # these stand for their mirror images too

    def added(counts: np.ndarray, waves: np.ndarray) -> np.ndarray:
        """Their product: as real numbers, which takes half the time."""
        return (counts @ waves.view(float)).view(complex)

    passes, level = [], ALPHA - ROUNDING
    for some in np.array_split(counts, -(-len(counts) * length // CELLS)):
        passed = (_power_of(added(some / groups, waves), groups) @ tail).real < level
        logs = added(some[passed], flipped)
        size, angle = np.exp(logs.real), logs.imag  # faster than NumPy's exp of complex numbers
        chances = (size * np.cos(angle)) @ tail.real - (size * np.sin(angle)) @ tail.imag
        passed[passed] = chances < level
        passes.append(passed)
    return np.concatenate(passes)


def _power_of(base: np.ndarray, exponent: int) -> np.ndarray:
    """`base ** exponent` by squaring, which takes a fifth of NumPy's time for complex numbers."""
    power = 1
    while exponent:
        if exponent % 2:
            power = power * base
        base, exponent = base * base, exponent // 2
    return power


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
    budgets = sums.reshape(seeds, -1)  # of every group
    means = []
    for of_seeds, of_groups in cluster_draws(seeds, groups, n=CROSSED):
        count = (of_seeds @ sizes * of_groups).sum(axis=1)
        total = (of_seeds @ budgets).reshape(-1, groups, sums.shape[-1])
        means.append(np.einsum("ngk,ng->nk", total, of_groups) / count[:, None])
    return np.percentile(np.concatenate(means), 5, axis=0)
