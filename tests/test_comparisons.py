"""The declared family and K* on predictions whose verdict is known beforehand."""

import json

import numpy as np
import pandas as pd
import paper_facts
import pytest

from jointprune.paper.comparisons import (
    COMPARISONS,
    above_chance,
    compare_declared,
    detectable_loss,
    k_star,
    noninferior,
)
from jointprune.statistics import cluster_bootstrap, holm, mcnemar, pair, sign_flip

GROUPS, CLIPS = 8, 50


def method(name, k, lost, seeds=2):
    """Two labels in turn; every clip right, except the first `lost(group, seed)` of each group."""
    rows = [
        (name, k, seed, f"{group}/{clip}", str(group), "AB"[clip % 2],
         "C" if clip < lost(group, seed) else "AB"[clip % 2])
        for group in range(GROUPS)
        for seed in range(seeds)
        for clip in range(CLIPS)
    ]  # fmt: skip
    columns = ["method", "k", "seed", "clip", "group", "label", "predicted"]
    return pd.DataFrame(rows, columns=columns).assign(regime="retrained", fold=0)


def graded(losses):
    """All 42 joints always right; "learned" at each K loses clips, a number or by group, seed."""
    parts = [method("full", 42, lambda group, seed: 0)]
    for k, lost in losses.items():
        parts.append(method("learned", k, lost if callable(lost) else lambda *_, n=lost: n))
    return pd.concat(parts, ignore_index=True)


def found(losses, margin):
    return k_star(graded(losses), tuple(losses), margin)


def family_predictions():
    others = ("stratified-random", "hand-matched-random", "anatomical", "greedy")
    accuracy = {("learned", 12): 0.65} | {(name, 12): 0.6 for name in others}
    return paper_facts.predictions({(*key, "retrained"): share for key, share in accuracy.items()})


def test_the_family_is_the_declared_one_with_mcnemar_beside_each_test():
    table = family_predictions()
    records = compare_declared(table)
    assert [record["name"] for record in records] == [c.name for c in COMPARISONS]
    adjusted = holm([record["p"] for record in records])
    assert [record["p_holm"] for record in records] == pytest.approx(adjusted)
    assert all(record["runs"] == 20 for record in records)
    for record, terms in zip(records, COMPARISONS, strict=True):
        assert record["mcnemar"] == mcnemar(pair(table, terms.a, terms.b))


def test_k_star_is_the_last_budget_before_the_first_failure():
    # 1 clip of 50 is 2 points. K = 4 loses nothing, but comes after the failure at 8.
    star = found({30: 0, 21: 0, 12: 1, 8: 5, 4: 0}, margin=0.03)
    assert (star["k"], star["joints"], star["pruned"]) == (12, 42, pytest.approx(30 / 42))
    assert [step["k"] for step in star["steps"]] == [30, 21, 12, 8, 4]
    assert [step["passes"] for step in star["steps"]] == [True, True, True, False, False]
    assert star["steps"][3]["difference"] == pytest.approx(-0.1)
    assert star["by_seed"] == star["leave_one_seed_out"] == [12, 12]
    assert (star["leave_one_group_out"], star["moved_by_one_group"]) == ([12] * GROUPS, 0)
    assert json.loads(json.dumps(star)) == star
    # Groups are all alike, so that resampling them changes nothing.
    assert star["bootstrap"] == {"low": 12, "median": 12, "high": 12}


def test_all_joints_are_kept_when_the_first_budget_fails():
    star = found({30: lambda group, seed: 5 * seed, 12: 0}, margin=0.02)
    assert (star["k"], star["pruned"], star["by_seed"]) == (42, 0.0, [12, 42])  # seeds alone
    assert star["bootstrap"] == {"low": 42, "median": 42, "high": 42}
    assert not any(step["passes"] for step in star["steps"])


@pytest.mark.parametrize(("losing", "low", "median"), [(1, 12, 21), (4, 21, 21)])
def test_k_star_of_resampled_groups_depends_on_how_often_losing_groups_are_left_out(
    losing, low, median
):
    # Only a sample of 8 groups without the losing ones passes: (7/8)^8 = 34 %, (4/8)^8 = 0.4 %.
    star = found({21: 0, 12: lambda group, seed: 40 * (group < losing)}, margin=0.02)
    assert star["k"] == 21
    assert star["bootstrap"] == {"low": low, "median": median, "high": 21}


def test_k_star_without_a_group_or_seed_is_that_of_the_predictions_without_it():
    """The first group and the first seed alone lose: K* is smaller without either."""
    losses = {21: 0, 12: lambda group, seed: 20 * (group == 0) * (seed == 0)}
    table = graded(losses)
    star = found(losses, margin=0.02)
    assert (star["k"], star["leave_one_seed_out"]) == (21, [12, 21])
    assert (star["leave_one_group_out"], star["moved_by_one_group"]) == ([12] + [21] * 7, 1)
    for column, names in (("group", "01234567"), ("seed", (0, 1))):
        without = [k_star(table[table[column] != name], (21, 12), 0.02)["k"] for name in names]
        assert star[f"leave_one_{column}_out"] == without


def known(share, labels):
    """Every method knows the same `share` of clips and guesses the others among the labels."""
    rng = np.random.default_rng(3)
    clips = [(group, label) for group in range(GROUPS) for label in labels for _ in range(4)]
    parts = []
    for name, k in (("full", 42), ("learned", 21), ("learned", 12)):
        table = pd.DataFrame(clips, columns=["group", "label"]).astype(str)
        table["predicted"] = rng.choice(labels, len(table)).astype(str)
        right = np.arange(len(table)) % 100 < 100 * share
        table["predicted"] = table["predicted"].mask(right, table["label"])
        parts.append(table.assign(method=name, k=k, clip=table.index, regime="retrained"))
    return pd.concat(parts, ignore_index=True).assign(fold=0, seed=0)


def refused(star):
    """No step passes, and nothing is said of how firm K* is."""
    firm = ("by_seed", "leave_one_seed_out", "leave_one_group_out")
    return (
        not star["reference"]["works"]
        and not any(step["passes"] for step in star["steps"])
        and star["k"] == star["joints"]
        and set(star["bootstrap"].values()) == {None}
        and not any(star[name] for name in firm)
    )


def test_where_nothing_is_learned_no_budget_passes_and_with_a_working_reference_it_does():
    """100 signs, random answers: no budget is worse than all joints, which are at chance."""
    star = k_star(known(0, range(100)), (21, 12), 0.02)
    assert all(step["p"] < 0.05 and step["lower_bound"] > -0.02 for step in star["steps"])
    assert refused(star) and star["reference"]["chance"] == pytest.approx(0.01)
    star = k_star(known(0.9, range(100)), (21, 12), 0.02)
    assert star["reference"]["works"] and star["k"] == 12


def test_one_class_or_one_group_has_no_reference_to_lose_against():
    one = k_star(known(1, [7]), (21, 12), 0.02)
    assert refused(one) and one["reference"]["accuracy"] == one["reference"]["chance"] == 1
    table = known(0.9, range(100))
    alone = k_star(table[table["group"] == "0"], (21, 12), 0.02)
    assert refused(alone) and alone["reference"]["lower_bound"] is None


@pytest.mark.parametrize(("above", "works"), [(0.01, False), (0.05, True)])
def test_a_reference_works_if_its_lower_bound_exceeds_the_most_frequent_label_by_the_margin(
    above, works
):
    """Three of four clips have label A; every group is right equally often."""
    table = graded({12: 0})
    table["label"] = np.where(table["clip"].str.split("/").str[1].astype(int) < 37, "A", "B")
    right = table["clip"].str.split("/").str[1].astype(int) < (0.74 + above) * CLIPS
    table["predicted"] = table["label"].where(right, "C")
    reference = k_star(table, (12,), 0.02)["reference"]
    assert reference["chance"] == pytest.approx(0.74)
    assert (reference["lower_bound"] > 0.76, reference["works"]) == (works, works)


@pytest.mark.parametrize(("groups", "p", "works"), [(4, 1 / 16, False), (5, 1 / 32, True)])
def test_fewer_than_five_groups_never_show_more_than_chance(groups, p, works):
    """All answers are right; of 2^groups sign patterns only the observed one reaches this."""
    table = method("full", 42, lambda group, seed: 0)
    table = table[table["group"].astype(int) < groups]
    found = above_chance(table["predicted"] == table["label"], table, 0.02)
    assert (found["lower_bound"], found["chance"]) == (1, 0.5)
    assert (found["p"], found["works"]) == (p, works)


def test_the_crossed_bound_equals_the_bootstrap_bound_if_seeds_agree_and_is_lower_if_not():
    same = found({12: 1}, margin=0.02)["steps"][0]
    assert same["crossed_bound"] == pytest.approx(same["lower_bound"]) == pytest.approx(-0.02)
    # Two seeds that lose 0 and 10 points in every group: half of the draws take one seed twice,
    # a quarter of them the worse one.
    apart = found({12: lambda group, seed: 5 * seed}, margin=0.02)["steps"][0]
    assert apart["lower_bound"] == pytest.approx(-0.05)
    assert apart["crossed_bound"] == pytest.approx(-0.10)


def test_many_tests_at_once_give_the_results_of_single_tests():
    """Except for a bound within the Monte Carlo error of the margin, as draws differ."""
    rng = np.random.default_rng(5)
    values = rng.choice([-1.0, 0.0, 1.0], p=[0.07, 0.87, 0.06], size=(40, 16, 3, 60))
    many = noninferior(values.sum(axis=-1).reshape(40, 16, 3), np.full((40, 16), 60.0), 0.02)
    clusters = np.repeat(np.arange(16), 60)
    clear = 0
    for which in np.ndindex(40, 3):
        flat = values[which[0], :, which[1]].ravel()
        bound = cluster_bootstrap(flat, clusters).lower_bound
        p = sign_flip(flat + 0.02, clusters, one_sided=True)
        if abs(bound + 0.02) > 0.001:
            clear += 1
            assert many[which] == (bound > -0.02 and p < 0.05)
    assert clear > 100 and 0 < many.mean() < 1


def test_a_loss_of_the_margin_passes_in_1_of_20_or_more_often_if_few_groups_bear_it():
    """16 groups of unlike sizes; 12 %, as `k_star` says, for losses of exponential size."""
    sizes = np.tile(np.random.default_rng(6).integers(100, 140, 16).astype(float), (1500, 1))
    normal = np.random.default_rng(7).normal(0, 0.05, (1500, 16))
    exponential = 0.05 - np.random.default_rng(8).exponential(0.05, (1500, 16))
    rates = [
        noninferior((sizes * (effects - 0.02))[..., None], sizes, 0.02, n=500, flips=500).mean()
        for effects in (normal, exponential)  # of mean 0
    ]
    assert 0.02 <= rates[0] <= 0.05 + 3 * np.sqrt(0.05 * 0.95 / 1500)
    assert rates[1] == pytest.approx(0.12, abs=0.025)


def test_the_detectable_loss_is_two_and_a_half_standard_errors():
    """Eight groups losing 0 to 7 of 50 clips: the standard error of their mean is known."""
    table = graded({12: lambda group, seed: group})
    error = np.std(np.arange(8) / 50) / np.sqrt(8)
    found = detectable_loss(table)
    assert found["loss"] == pytest.approx((1.6449 + 0.8416) * error, rel=0.03)
    assert (found["clips"], found["seeds"], found["joints"]) == (400, 2, 42)
    assert detectable_loss(table, power=0.9)["loss"] > found["loss"]
