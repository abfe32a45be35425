"""Intervals and tests against closed forms and hand-made cases."""

import numpy as np
import pandas as pd
import paper_facts
import pytest
from scipy.stats import permutation_test

from jointprune import statistics
from jointprune.statistics import (
    cluster_bootstrap,
    difference_of,
    holm,
    mcnemar,
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
    values = np.random.default_rng(0).normal(3.0, 2.0, 400)
    found = cluster_bootstrap(values, np.arange(400))
    error = values.std() / np.sqrt(400)
    assert (found.mean, found.error) == pytest.approx((values.mean(), error), rel=0.05)
    assert found.lower_bound == pytest.approx(values.mean() - 1.645 * error, abs=0.1 * error)
    plain = np.random.default_rng(2).choice(values, (10_000, 400)).mean(axis=1)
    assert (found.low, found.high) == pytest.approx(np.percentile(plain, [2.5, 97.5]), abs=0.02)


def test_the_bootstrap_of_unequal_clusters_is_the_mean_over_the_rows_of_the_drawn_ones():
    values = np.array([1.0, 1.0, 1.0, 0.0])
    found = cluster_bootstrap(values, ["x", "x", "x", "y"], n=1000)
    assert (found.mean, found.low, found.high) == (0.75, 0.0, 1.0)
    drawn = np.random.default_rng(0).integers(2, size=(4000, 2))
    sums, sizes = np.array([3.0, 0.0])[drawn].sum(1), np.array([3.0, 1.0])[drawn].sum(1)
    assert found.error == pytest.approx((sums / sizes).std(), rel=0.05)


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
        means = np.repeat(rng.normal(0, 1, 30), 4)
        found = cluster_bootstrap(means + rng.normal(0, 1, 120), np.arange(120) // 4, n=500)
        hits += found.low <= 0 <= found.high
    assert 0.90 <= hits / 300 <= 0.98


@pytest.mark.parametrize("gain", [0.0, 1.0])
def test_sign_flips_are_scipys_permutation_test(gain):
    values = np.random.default_rng(5).choice([-1.0, 0.0, 1.0], 11) + gain
    for one_sided, alternative in ((True, "greater"), (False, "two-sided")):
        expected = permutation_test(
            (values,), np.sum, permutation_type="samples", alternative=alternative
        )
        assert sign_flip(values, np.arange(11), one_sided=one_sided) == expected.pvalue


def test_more_than_16_clusters_are_flipped_at_random_and_the_observed_pattern_is_added():
    values = np.random.default_rng(8).normal(0.4, 1.0, 17)
    every = 1.0 - 2.0 * (np.arange(2**17)[:, None] >> np.arange(17) & 1)
    exact = np.mean(np.abs(every @ values) >= abs(values.sum()) - 1e-9)
    assert sign_flip(values, np.arange(17)) == pytest.approx(exact, abs=0.01)
    assert sign_flip(np.full(40, 1.0), np.arange(40), one_sided=True) == 1 / (1 + 2**16)


def test_thousands_of_clusters_are_resampled_in_blocks_that_change_nothing(monkeypatch):
    rng = np.random.default_rng(5)
    right, clip = rng.random(300) < 0.6, rng.integers(20, size=300)
    whole = cluster_bootstrap(right, clip), sign_flip(right - 0.55, clip)
    monkeypatch.setattr(statistics, "CELLS", 20 * 999)
    assert (cluster_bootstrap(right, clip), sign_flip(right - 0.55, clip)) == whole
    assert max(len(block) for block in statistics._blocks_of_signs(20)) == 999


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


def test_mcnemar_counts_a_clip_once_by_most_of_its_seeds_and_the_tails_of_a_fair_coin():
    """6 clips only a, 1 only b: P(at most 1 of 7 heads) = 8 / 128, two-sided 16 / 128."""
    right = [([1, 1, 0], [0, 0, 1])] * 6 + [([0, 0, 0], [1, 1, 1])] + [([1, 0, 0], [0, 0, 0])] * 3
    rows = [
        {"clip": clip, "seed": seed, "right_a": bool(a), "right_b": bool(b)}
        for clip, sides in enumerate(right)
        for seed, (a, b) in enumerate(zip(*sides, strict=True))
    ]
    assert mcnemar(pd.DataFrame(rows)) == {"only_a": 6, "only_b": 1, "p": 16 / 128}
    half = pd.DataFrame(rows).query("clip == 9 and seed < 2")  # half of the seeds is not most
    assert mcnemar(half)["only_a"] == 0
