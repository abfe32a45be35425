"""Intervals and tests against closed forms and hand-made cases."""

from itertools import product

import numpy as np
import pandas as pd
import paper_facts
import pytest

from jointprune import statistics
from jointprune.statistics import (
    cluster_bootstrap,
    difference_of,
    holm,
    mcnemar,
    pair,
    paired_difference,
    shared,
    sign_flip,
    sign_patterns,
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


def test_one_cluster_a_value_is_the_plain_bootstrap_with_the_width_of_normal_theory():
    values = np.random.default_rng(0).normal(3.0, 2.0, 400)
    found = cluster_bootstrap(values, np.arange(400))
    error = values.std() / np.sqrt(400)
    assert found.mean == pytest.approx(values.mean())
    assert found.error == pytest.approx(error, rel=0.05)
    assert found.high - found.low == pytest.approx(2 * 1.96 * error, rel=0.05)
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
    assert (same.low, same.high) == pytest.approx((2 / 3, 2 / 3))
    alone = cluster_bootstrap([0.0, 1.0], ["x", "x"])
    assert (alone.mean, alone.low, alone.high, alone.lower_bound, alone.error) == (0.5,) * 4 + (0,)


def test_copies_of_a_clip_inside_its_cluster_do_not_narrow_the_interval():
    values = np.random.default_rng(3).random(20)
    once = cluster_bootstrap(values, np.arange(20))
    copied = cluster_bootstrap(np.repeat(values, 50), np.repeat(np.arange(20), 50))
    assert (copied.low, copied.high) == pytest.approx((once.low, once.high))


def test_the_interval_covers_the_truth_nearly_as_often_as_it_says():
    rng = np.random.default_rng(4)
    hits = 0
    for _ in range(300):
        means = np.repeat(rng.normal(0, 1, 30), 4)
        found = cluster_bootstrap(means + rng.normal(0, 1, 120), np.arange(120) // 4, n=500)
        hits += found.low <= 0 <= found.high
    assert 0.90 <= hits / 300 <= 0.98


def test_sign_flips_count_the_patterns_of_signs():
    # Four clusters that all gain: 2 of 16 patterns reach |sum|, 1 of 16 reaches the sum.
    gains = np.array([1.0, 2.0, 3.0, 4.0])
    assert sign_flip(gains, np.arange(4)) == 2 / 16
    assert sign_flip(gains, np.arange(4), one_sided=True) == 1 / 16
    assert sign_flip([1.0, -1.0], [0, 1]) == 1.0


def test_sign_flips_are_scipys_permutation_test():
    from scipy.stats import permutation_test

    values = np.random.default_rng(5).choice([-1.0, 0.0, 1.0], 11)
    for one_sided, alternative in ((True, "greater"), (False, "two-sided")):
        expected = permutation_test(
            (values,), np.sum, permutation_type="samples", alternative=alternative
        )
        assert sign_flip(values, np.arange(11), one_sided=one_sided) == expected.pvalue


def test_up_to_16_clusters_a_p_value_depends_on_no_draw():
    """For more clusters random patterns are drawn, and the observed one is added."""
    values = np.random.default_rng(8).normal(0.4, 1.0, 17)
    exact = [sign_flip(values[:16], np.arange(16), seed=seed) for seed in range(3)]
    assert len(set(exact)) == 1 and exact[0] * 2**16 == round(exact[0] * 2**16)
    drawn = [sign_flip(values, np.arange(17), seed=seed) for seed in range(3)]
    assert len(set(drawn)) > 1 and np.ptp(drawn) < 0.01
    assert sign_flip(np.full(40, 1.0), np.arange(40), one_sided=True) == 1 / (1 + 2**16)


def test_signs_are_all_patterns_once_or_fair_draws():
    signs = sign_patterns(3)
    assert len(signs) == 8 and set(map(tuple, signs)) == set(product((-1.0, 1.0), repeat=3))
    drawn = sign_patterns(16, 2000)
    assert drawn.shape == (2000, 16) and set(np.unique(drawn)) == {-1.0, 1.0}
    assert drawn.mean(axis=0) == pytest.approx(np.zeros(16), abs=0.1)
    with pytest.raises(ValueError, match="read-only"):
        drawn[0] = 0


def test_thousands_of_clusters_are_resampled_in_blocks_that_change_nothing(monkeypatch):
    rng = np.random.default_rng(5)
    right, clip = rng.random(300) < 0.6, rng.integers(60, size=300)
    whole = cluster_bootstrap(right, clip), sign_flip(right - 0.55, clip)
    monkeypatch.setattr(statistics, "CELLS", 60 * 999)
    assert (cluster_bootstrap(right, clip), sign_flip(right - 0.55, clip)) == whole
    assert max(len(block) for block in statistics._blocks_of_signs(60, 2000, 0)) == 999


def test_a_loss_beyond_the_margin_has_a_p_value_of_its_own():
    """Three groups lose 8, 8 and 12 of 100; no p value of 3 groups is under 1/8."""
    rows = [(group, -1.0 if clip < lost else 0.0)
            for group, lost in (("x", 8), ("y", 8), ("z", 12)) for clip in range(100)]  # fmt: skip
    pairs = pd.DataFrame(rows, columns=["group", "difference"])
    found = difference_of(pairs, 0.02, test="non-inferiority")
    assert (found["p"], found["p_worse"]) == (1.0, 1 / 8)
    assert "p_worse" not in difference_of(pairs)


def test_rows_without_their_cluster_are_refused():
    with pytest.raises(ValueError, match="expected one cluster a value"):
        cluster_bootstrap([1.0, 2.0], [0])
    with pytest.raises(ValueError, match="at least one"):
        cluster_bootstrap([], [])


def test_a_pair_says_who_is_right_whatever_the_order_of_rows():
    shuffled = few().sample(frac=1, random_state=0)
    pairs = pair(shuffled, ("a", 12), ("b", 12)).sort_values("clip")
    assert pairs["right_a"].tolist() == [True, True, False, True]
    assert pairs["right_b"].tolist() == [True, False, False, False]
    assert pairs["difference"].tolist() == [0, 1, 0, 1]
    assert set(pairs["label"]) == {"A"}


def test_a_difference_is_the_mean_over_paired_clips():
    found = paired_difference(few(), ("a", 12), ("b", 12))
    assert (found["difference"], found["runs"]) == (pytest.approx(0.5), 1)
    # Each group gains 1 clip of 2, so every draw of groups gives the same mean.
    assert (found["low"], found["high"]) == pytest.approx((0.5, 0.5))
    # Two of four clips gain: draws of clips differ.
    by_clip = difference_of(pair(few(), ("a", 12), ("b", 12)), clusters="clip")
    assert (by_clip["low"], by_clip["high"]) == (0.0, 1.0)


def test_regimes_of_one_method_are_told_apart():
    masked = few(a=(0, 0, 0, 0)).query("method == 'a'").assign(regime="masked")
    table = pd.concat([few(), masked])
    assert paired_difference(table, ("a", 12), ("a", 12, "masked"))["difference"] == 0.75
    assert paired_difference(table, ("a", 12), ("b", 12))["difference"] == 0.5


def test_predictions_that_do_not_pair_are_refused():
    with pytest.raises(ValueError, match=r"1 rows without a partner; first: clip '3'"):
        paired_difference(few().iloc[:-1], ("a", 12), ("b", 12))
    with pytest.raises(ValueError, match=r"'c' with k=12, got only \[\('a', 12\)"):
        paired_difference(few(), ("c", 12), ("b", 12))
    with pytest.raises(ValueError, match="one prediction a clip"):
        paired_difference(pd.concat([few(), few().iloc[:1]]), ("a", 12), ("b", 12))


@pytest.mark.parametrize(("loss", "established"), [(0.0, True), (0.10, False)])
def test_noninferiority_needs_the_bound_above_the_margin(loss, established):
    table = paper_facts.predictions(
        {(*LEARNED, "retrained"): 0.6 - loss, (*FULL, "retrained"): 0.6}
    )
    found = paired_difference(table, LEARNED, FULL, 0.02, test="non-inferiority")
    assert found["noninferior"] is established
    assert found["noninferior"] == (found["lower_bound"] > -0.02)
    assert (found["p"] < 0.05) is established


def test_holm_multiplies_by_the_number_of_tests_left():
    assert holm([0.01, 0.04, 0.03]) == pytest.approx([0.03, 0.06, 0.06])


def test_a_method_with_fewer_seeds_is_compared_on_those_it_shares():
    both = paper_facts.predictions({(*LEARNED, "retrained"): 0.6, (*FULL, "retrained"): 0.66})
    fewer = both[(both["method"] == "full") | both["seed"].isin([1, 3])]
    with pytest.raises(ValueError, match=r"or compare shared\(predictions, a, b\)"):
        paired_difference(fewer, LEARNED, FULL)
    other = fewer.assign(method="other")  # rows of other methods are left out
    table = shared(pd.concat([fewer, other]), LEARNED, FULL)
    by_hand = both[both["seed"].isin([1, 3])]
    assert len(table) == len(by_hand)
    expected = paired_difference(by_hand, LEARNED, FULL)
    assert paired_difference(table, LEARNED, FULL) == expected
    assert expected["runs"] == 8


def test_methods_that_share_no_run_are_refused():
    table = few()
    table["seed"] = (table["method"] == "b").astype(int)
    with pytest.raises(ValueError, match=r"share a fold and seed, got \[\(0, 0\)\] and"):
        shared(table, ("a", 12), ("b", 12))


def seeds_of_clips(right_a, right_b):
    """Pairs of clips (rows) over seeds (columns); 1 means right."""
    rows = [
        {"clip": clip, "seed": seed, "right_a": bool(a), "right_b": bool(b)}
        for clip, (hits_a, hits_b) in enumerate(zip(right_a, right_b, strict=True))
        for seed, (a, b) in enumerate(zip(hits_a, hits_b, strict=True))
    ]
    return pd.DataFrame(rows)


def test_mcnemar_counts_the_tails_of_a_fair_coin():
    # 6 clips only a, 1 only b, 3 both: P(at most 1 of 7 heads) = 8 / 128, two-sided 16 / 128.
    found = mcnemar(seeds_of_clips([[1]] * 9 + [[0]], [[0]] * 6 + [[1]] * 4))
    assert found == {"only_a": 6, "only_b": 1, "p": pytest.approx(16 / 128)}


def test_mcnemar_counts_a_clip_once_by_most_of_its_seeds():
    a, b = [[1, 1, 0], [1, 0, 0], [1, 1, 1]], [[0, 0, 1], [0, 0, 0], [1, 1, 1]]
    assert mcnemar(seeds_of_clips(a, b)) == {"only_a": 1, "only_b": 0, "p": 1.0}
    assert mcnemar(seeds_of_clips([[1, 0]], [[0, 0]]))["only_a"] == 0  # half is not most
    once = mcnemar(seeds_of_clips([[1]] * 5, [[0]] * 5))
    assert mcnemar(seeds_of_clips([[1] * 7] * 5, [[0] * 7] * 5)) == once
