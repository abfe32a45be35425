"""Intervals and tests against closed forms and hand-made cases."""

import tracemalloc
from fractions import Fraction
from itertools import product

import numpy as np
import pandas as pd
import paper_facts
import pytest
from scipy.stats import binom, permutation_test

from jointprune import statistics
from jointprune.statistics import (
    cluster_bootstrap,
    difference_of,
    holm,
    pair,
    shared,
    sign_flip,
)

LEARNED, FULL = ("learned", 12), ("full", 42)


def few(a=(1, 1, 0, 1), b=(1, 0, 0, 0), groups=("x", "x", "y", "y")):
    """Two methods, four clips, one run; 1 means right."""
    rows = []
    for method, right in (("a", a), ("b", b)):
        for clip, (hit, group) in enumerate(zip(right, groups, strict=True)):
            predicted = "A" if hit else "B"
            rows.append((method, 12, "retrained", 0, 0, str(clip), group, "A", predicted))
    columns = "method k regime fold seed clip group label predicted"
    return pd.DataFrame(rows, columns=columns.split())


def test_one_cluster_a_value_gives_the_interval_of_the_plain_bootstrap_and_of_normal_theory():
    values = np.random.default_rng(0).normal(300, 200, 400).round()
    found = cluster_bootstrap(values, np.arange(400))
    error = values.std() / np.sqrt(400)
    assert (found.mean, found.error) == pytest.approx((values.mean(), error), rel=0.05)
    assert found.lower_bound == pytest.approx(values.mean() - 1.645 * error, abs=0.1 * error)
    plain = np.random.default_rng(2).choice(values, (10_000, 400)).mean(axis=1)
    assert (found.low, found.high) == pytest.approx(np.percentile(plain, [2.5, 97.5]), abs=2)


@pytest.mark.parametrize(("groups", "seed"), [(4, 0), (4, 1), (5, 2), (5, 3), (6, 4)])
def test_the_bootstrap_is_that_of_all_samples_of_clusters_of_unequal_size(groups, seed):
    """All G^G samples, each by its mean over the rows of the clusters in it."""
    draw = np.random.default_rng(seed)
    clusters = np.repeat(np.arange(groups), draw.integers(1, 5, groups) * draw.integers(1, 4))
    values = draw.integers(-1, 2, len(clusters))
    sums, sizes = np.bincount(clusters, values), np.bincount(clusters)
    every = np.array(list(product(range(groups), repeat=groups)))
    means = sums[every].sum(axis=1) / sizes[every].sum(axis=1)
    ends = np.quantile(means, [0.025, 0.05, 0.975], method="inverted_cdf")
    found = cluster_bootstrap(values, clusters)
    assert (found.low, found.lower_bound, found.high) == tuple(ends)
    assert (found.mean, found.error) == pytest.approx((values.mean(), means.std()))


def test_where_the_exact_distribution_is_too_large_random_samples_come_close(monkeypatch):
    draw = np.random.default_rng(1)
    values, clusters = draw.integers(-1, 2, 400), draw.integers(20, size=400)
    exact = cluster_bootstrap(values, clusters)
    monkeypatch.setattr(statistics, "GRID", 0)
    whole = cluster_bootstrap(values, clusters)
    for end in ("low", "lower_bound", "high", "error"):
        assert getattr(whole, end) == pytest.approx(getattr(exact, end), abs=0.02 * exact.error)
    monkeypatch.setattr(statistics, "CELLS", 20 * 999)
    assert max(len(rows) for (rows,) in statistics.cluster_draws(20)) == 999
    assert cluster_bootstrap(values, clusters).low == whole.low


def test_identical_clusters_and_a_single_one_leave_no_width():
    same = cluster_bootstrap(np.tile([0.0, 1.0, 1.0], 8), np.repeat(np.arange(8), 3))
    alone = cluster_bootstrap([0.0, 1.0], ["x", "x"])
    assert (same.low, same.high) == pytest.approx((2 / 3, 2 / 3))
    assert (alone.low, alone.high, alone.error) == (0.5, 0.5, 0)


def test_copies_of_a_clip_inside_its_cluster_do_not_narrow_the_interval():
    values = np.random.default_rng(3).random(20)
    once = cluster_bootstrap(values, np.arange(20))
    copied = cluster_bootstrap(np.repeat(values, 50), np.repeat(np.arange(20), 50))
    assert (copied.low, copied.high) == pytest.approx((once.low, once.high))


def test_the_interval_covers_the_truth_in_nearly_95_percent():
    rng = np.random.default_rng(4)
    hits = 0
    for _ in range(300):
        values = np.repeat(rng.normal(0, 1, 30), 4) + rng.normal(0, 1, 120)
        found = cluster_bootstrap((100 * values).round(), np.arange(120) // 4)
        hits += found.low <= 0 <= found.high
    assert 0.90 <= hits / 300 <= 0.98


@pytest.mark.parametrize("gain", [0.0, 1.0])
def test_sign_flips_are_scipys_permutation_test(gain):
    """One cluster a value; a margin is added to each value."""
    values = np.random.default_rng(5).choice([-1.0, 0.0, 1.0], 11) + gain
    for margin, alternative in ((None, "two-sided"), (0, "greater"), (0.25, "greater")):
        expected = permutation_test(
            (values + (margin or 0),), np.sum, permutation_type="samples", alternative=alternative
        )
        assert sign_flip(values, np.arange(11), margin) == expected.pvalue


@pytest.mark.parametrize("margin", [0.02, 0.015, 1 / 3])
def test_sign_flips_of_unequal_clusters_are_all_patterns_counted(margin):
    draw = np.random.default_rng(2)
    clusters = draw.integers(12, size=300)
    values = draw.choice([-1, 0, 1], 300, p=[0.1, 0.86, 0.04])
    totals = np.bincount(clusters, values + margin)
    every = 1.0 - 2.0 * (np.arange(2**12)[:, None] >> np.arange(12) & 1)
    exact = np.mean(every @ totals >= totals.sum() - 1e-9)
    assert 0 < exact < 1 and sign_flip(values, clusters, margin) == exact


def test_sign_flips_of_many_clusters_are_exact_and_fractions_are_refused():
    """Thousands of values of 1 or -1 that flip alone: the tails of a fair coin."""
    values = np.repeat([1, -1], [1050, 950])
    tail = binom(2000, 0.5).sf(1049)
    clusters = np.arange(2000)
    assert sign_flip(values, clusters) == pytest.approx(2 * tail, rel=1e-9)
    assert sign_flip(values, clusters, 0) == pytest.approx(tail, rel=1e-9)
    assert sign_flip(np.ones(40), np.arange(40), 0) == 2.0**-40
    with pytest.raises(ValueError, match="expected whole numbers, got fractions"):
        sign_flip([0.5, 0.3], [0, 1])


@pytest.mark.parametrize("clusters", [12, 60])
def test_sign_flips_of_large_clusters_take_little_memory(clusters):
    """AUTSL has thousands of test clips of six signers; margins hold the share of a class."""
    draw, of = np.random.default_rng(7), np.repeat(np.arange(clusters), 900_000 // clusters)
    chances = draw.uniform(0.03, 0.05, clusters)[of]
    values = -(draw.random(len(of)) < chances).astype(int)
    margin = -values.mean() + 0.0007
    totals = np.bincount(of, values + float(Fraction(margin).limit_denominator(10_000)))
    tracemalloc.start()
    p, peak = sign_flip(values, of, margin), tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    signs = draw.choice([-1.0, 1.0], (200_000, clusters))
    if clusters == 12:
        signs = 1.0 - 2.0 * (np.arange(2**12)[:, None] >> np.arange(12) & 1)
    expected = np.mean(signs @ totals >= totals.sum() - 1e-9)
    assert 0.02 < p < 0.98 and p == pytest.approx(expected, abs=0.004 if clusters == 60 else 0)
    assert peak < 2e8  # most of it for the values


def test_a_margin_makes_the_test_one_sided():
    """Three groups lose 8, 8 and 12 of 100; no p value of 3 groups is under 1/8."""
    rows = [(group, -1.0 if clip < lost else 0.0)
            for group, lost in (("x", 8), ("y", 8), ("z", 12)) for clip in range(100)]  # fmt: skip
    pairs = pd.DataFrame(rows, columns=["group", "difference"])
    found = [difference_of(pairs, margin)["p"] for margin in (0.02, 0.2, None)]
    assert found == [1.0, 1 / 8, 2 / 8]
    assert difference_of(pairs, 0.02)["lower_bound"] < -0.02


def test_a_pair_is_the_same_for_any_order_of_rows_and_keeps_regimes_apart():
    shuffled = few().sample(frac=1, random_state=0)
    masked = few(a=(0, 0, 0, 0)).query("method == 'a'").assign(regime="masked")
    both = pd.concat([shuffled, masked])
    pairs = pair(both, ("a", 12), ("b", 12)).sort_values("clip")
    assert pairs["right_a"].tolist() == [True, True, False, True]
    assert pairs["right_b"].tolist() == [True, False, False, False]
    assert pairs["difference"].tolist() == [0, 1, 0, 1]
    assert difference_of(pair(both, ("a", 12), ("a", 12, "masked")))["difference"] == 0.75


def test_a_difference_is_the_mean_over_paired_clips_and_resamples_its_clusters():
    pairs = pair(few(), ("a", 12), ("b", 12))
    found = difference_of(pairs)
    # Each group gains 1 clip of 2, so every draw of groups gives the same mean.
    assert [found[key] for key in ("difference", "low", "high")] == pytest.approx([0.5] * 3)
    by_clip = difference_of(pairs, clusters="clip")  # two of four clips gain
    assert (by_clip["low"], by_clip["high"]) == (0.0, 1.0)


def test_predictions_that_do_not_pair_are_refused():
    a, b = ("a", 12), ("b", 12)
    with pytest.raises(ValueError, match=r"1 rows without a partner; first: clip '3'"):
        pair(few().iloc[:-1], a, b)
    with pytest.raises(ValueError, match=r"'c' with k=12, got only \[\('a', 12\)"):
        pair(few(), ("c", 12), b)
    with pytest.raises(ValueError, match="one prediction per clip"):
        pair(pd.concat([few(), few().iloc[:1]]), a, b)
    apart = few().assign(seed=lambda table: (table["method"] == "b").astype(int))
    with pytest.raises(ValueError, match=r"share a fold and seed, got \[\(0, 0\)\] and"):
        shared(apart, a, b)
    with pytest.raises(ValueError, match="expected one cluster per value"):
        cluster_bootstrap([1.0, 2.0], [0])


def test_holm_multiplies_by_the_number_of_tests_left():
    assert holm([0.01, 0.04, 0.03]) == pytest.approx([0.03, 0.06, 0.06])


def test_a_method_with_fewer_seeds_is_compared_on_those_it_shares():
    both = paper_facts.predictions({(*LEARNED, "retrained"): 0.6, (*FULL, "retrained"): 0.66})
    fewer = both[(both["method"] == "full") | both["seed"].isin([1, 3])]
    with pytest.raises(ValueError, match=r"or compare shared\(predictions, a, b\)"):
        pair(fewer, LEARNED, FULL)
    other = fewer.assign(method="other")  # rows of other methods are left out
    table = shared(pd.concat([fewer, other]), LEARNED, FULL)
    by_hand = both[both["seed"].isin([1, 3])]
    assert len(table) == len(by_hand)
    expected = difference_of(pair(by_hand, LEARNED, FULL))
    assert difference_of(pair(table, LEARNED, FULL)) == expected
