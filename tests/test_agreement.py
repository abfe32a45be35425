"""The stability index against its definition, hand-worked cases and its known limits."""

from dataclasses import asdict

import numpy as np
import pytest

from jointprune.agreement import MATCHED_KEYS, stability, stability_table
from jointprune.skeleton import JOINT_NAMES


def draws(rows, size, joints, seed=0):
    """Independent random sets of the same size, bool (rows, joints)."""
    ranks = np.random.default_rng(seed).random((rows, joints)).argsort(axis=1).argsort(axis=1)
    return ranks < size


def by_definition(kept):
    """1 - mean of unbiased variances over joints / that of random sets, joint by joint."""
    rows, joints = kept.shape
    mean_size = sum(int(row.sum()) for row in kept) / rows
    spread = sum(np.var(kept[:, joint].astype(float), ddof=1) for joint in range(joints)) / joints
    return 1 - spread / (mean_size / joints * (1 - mean_size / joints))


def test_a_worked_example_of_three_selections():
    # Shares kept: 1, 2/3, 1/3, 0; variances (3/2) p (1 - p): 0, 1/3, 1/3, 0, mean 1/6.
    # Half of the joints are kept, so V0 is 1/2 * 1/2 = 1/4: index 1 - (1/6) / (1/4) = 1/3.
    # Influences: (5/12 - 1/4 + 1/12) / (1/4) = 1, (1/3 - 1/4 + 1/12) / (1/4) = 2/3, and 1: their
    # squared deviations add up to 6/81, so the variance is 4/9 * 6/81 = 24/729.
    found = stability([{0, 1}, {0, 2}, {0, 1}], num_joints=4)
    assert found.index == pytest.approx(1 / 3)
    half = 1.959964 * np.sqrt(24 / 729)
    assert (found.low, found.high) == pytest.approx((1 / 3 - half, 1 / 3 + half), abs=1e-6)


def test_complements_and_identical_selections_reach_the_limits_and_intervals_stay_inside():
    assert stability([[0, 1], [2, 3]], num_joints=4).index == pytest.approx(-1.0)  # -1 / (M - 1)
    each_alone = stability(np.eye(5, dtype=bool))  # 5 selections that share nothing
    assert each_alone.index == pytest.approx(-1 / 4) and each_alone.low >= -1 / 4
    same = np.tile(np.arange(42) < 12, (5, 1))
    assert stability(same).index == stability(same).low == pytest.approx(1.0)
    same[0, [0, 20]] = False, True
    assert stability(same).high <= 1.0


def test_selections_of_many_sizes_agree_with_the_definition_and_the_jackknife():
    kept = np.random.default_rng(2).random((200, 42)) < np.linspace(0.05, 0.8, 42)
    without = [by_definition(np.delete(kept, row, axis=0)) for row in range(200)]
    error = np.sqrt(199 / 200 * np.sum((without - np.mean(without)) ** 2))
    found = stability(kept)
    assert found.index == pytest.approx(by_definition(kept))
    assert found.high - found.low == pytest.approx(2 * 1.96 * error, rel=0.03)


def test_the_table_has_a_row_for_each_k_of_the_methods_that_depend_on_the_seed():
    """Seeds of one fold choose the same 12 joints, of which the other fold's share 3."""
    cells = [(0, 0), (0, 1), (1, 0), (1, 1)]
    first, second = tuple(range(12)), tuple(range(9, 21))
    sets = (first, first, second, second)
    chosen = {
        ("learned", 12): dict(zip(cells, sets, strict=True)),
        ("anatomical", 12): dict.fromkeys(cells, first),
        ("typical", 12): dict.fromkeys(cells, first),
        ("greedy", 12): {(0, 0): first},
    }
    learned, alone = stability_table(chosen, JOINT_NAMES)
    found = stability(sets, num_joints=42)
    assert (learned["method"], learned["k"], learned["selections"]) == ("learned", 12, 4)
    assert asdict(found).items() <= learned.items()
    # Kuncheva 2007: (shared - k^2 / J) / (k - k^2 / J), which the index extends to other sizes.
    chance = 12**2 / 42
    three = (3 - chance) / (12 - chance)
    assert found.index == pytest.approx((2 + 4 * three) / 6)
    assert (learned["floor"], learned["apart"]) == pytest.approx((1.0, three))
    assert alone["method"] == "greedy"
    unknown = ("index", "low", "high", "floor", "apart", *MATCHED_KEYS, "above_matched")
    assert {alone[key] for key in unknown} == {None}


def table_of(kept):
    """The row of selections bool (runs, 42), each of its own seed."""
    sets = {(0, seed): tuple(np.flatnonzero(row)) for seed, row in enumerate(kept)}
    (row,) = stability_table({("learned", 12): sets}, JOINT_NAMES)
    return row


def by_hand(left, right, rows=20, seed=0):
    """Random selections with `left` and `right` joints on the hands, bool (rows, 42)."""
    hands = (draws(rows, left, 21, seed), draws(rows, right, 21, seed + 1000))
    return np.concatenate(hands, axis=1)


@pytest.mark.parametrize(("left", "right"), [(0, 12), (2, 10), (6, 6), (9, 21)])
def test_draws_matched_by_hand_have_the_index_of_their_shares(left, right):
    """A joint of a hand is kept with share n / 21, which gives the variance p (1 - p)."""
    row = table_of(by_hand(left, right))
    shares = np.repeat([left, right], 21) / 21
    expected = 1 - (shares * (1 - shares)).mean() / (shares.mean() * (1 - shares.mean()))
    assert row["matched"] == pytest.approx(expected, abs=0.002)
    drawn = [stability(by_hand(left, right, seed=seed)).index for seed in range(1, 600)]
    assert np.percentile(drawn, [2.5, 97.5]) == pytest.approx(
        [row["matched_low"], row["matched_high"]], abs=0.008
    )


def test_selections_that_are_random_within_a_hand_agree_more_than_chance_but_not_than_matched():
    rows = [table_of(by_hand(2, 10, seed=seed)) for seed in range(20)]
    inside = [row["matched_low"] <= row["index"] <= row["matched_high"] for row in rows]
    assert all(row["low"] > 0 for row in rows)
    assert np.mean(inside) >= 0.85 and np.mean([row["above_matched"] for row in rows]) <= 0.1


def test_identical_selections_and_fixed_joints_of_both_hands_lie_above_matched_draws():
    same = np.tile(np.arange(42) >= 30, (20, 1))
    row = table_of(same)
    assert row["index"] == pytest.approx(1.0) and row["above_matched"]
    # Of hands kept whole or dropped nothing is left to agree on.
    whole = table_of(np.tile(np.arange(42) >= 21, (20, 1)))
    assert whole["matched_low"] == whole["matched_high"] == pytest.approx(1.0)
    assert not whole["above_matched"]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ((np.ones((3, 4), bool),), "keep all: the index is not defined"),
        ((np.zeros((3, 4), bool),), "keep none: the index is not defined"),
        ((np.ones((1, 4), bool),), "at least two selections"),
        (([(0, 1), (2, 3)],), "for sets of joint indices pass num_joints"),
        (([(0, 4), (1, 2)], 4), r"from 0 to 3, got \[4\]"),
        (([[True, False], [False, True]], 4), "a bool mask of length 4"),
        *(
            (([(0, 1), (2, 3)], number), f"as num_joints, got {number}")
            for number in (4.0, True, 0)
        ),
    ],
)
def test_anything_but_a_table_of_selections_is_refused(arguments, message):
    with pytest.raises(ValueError, match=message):
        stability(*arguments)
