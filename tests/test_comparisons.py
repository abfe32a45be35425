"""The declared family and K* on predictions whose verdict is known beforehand."""

import json
from functools import partial

import numpy as np
import pandas as pd
import paper_facts
import pytest

from jointprune import statistics
from jointprune.paper import comparisons
from jointprune.paper.comparisons import (
    FULL,
    UNTESTED,
    _power,
    above_chance,
    compare_declared,
    declared,
    k_star,
    noninferior,
)
from jointprune.paper.results import read_table
from jointprune.paper.tables import accuracy_table
from jointprune.statistics import (
    cluster_bootstrap,
    cluster_draws,
    difference_of,
    holm,
    pair,
    sign_flip,
    whole_steps,
)
from jointprune.workspace import ROOT, Workspace

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


def test_the_family_is_the_declared_one():
    table = paper_facts.every_prediction()
    family = declared([12])
    records = compare_declared(table, family)
    assert [record["name"] for record in records] == [c.name for c in family]
    adjusted = holm([record["p"] for record in records])
    assert [record["p_holm"] for record in records] == pytest.approx(adjusted)
    assert all(record["runs"] == 12 for record in records)  # 4 folds, 3 seeds


def test_k_star_is_the_last_budget_before_the_first_failure():
    # 1 clip of 50 is 2 points. K = 4 loses nothing, but comes after the failure at 8.
    star = found({30: 0, 21: 0, 12: 1, 8: 5, 4: 0}, margin=0.03)
    assert (star["k"], star["joints"]) == (12, 42)
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
    assert (star["k"], star["by_seed"]) == (42, [12, 42])  # seeds alone
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


def test_a_step_holds_the_change_of_each_stratum_alone():
    """Groups 0 and 1 lose 2 and 4 of 50 clips, the others nothing."""
    table = graded({21: lambda group, seed: 2 * (group + 1) * (group < 2)})
    strata = {clip: "two" if clip[0] in "01" else "one" for clip in table["clip"]}
    (step,) = k_star(table, (21,), 0.02, strata=strata)["steps"]
    one, two = step["strata"]
    assert one == {"stratum": "one", "groups": 6, "difference": 0.0, "low": 0.0, "high": 0.0}
    assert (two["stratum"], two["groups"]) == ("two", 2)
    assert two["difference"] == pytest.approx(-0.06)
    assert (two["low"], two["high"]) == (pytest.approx(-0.08), pytest.approx(-0.04))
    assert step["difference"] == pytest.approx(2 / 8 * two["difference"])


def test_all_that_a_test_decides_on_is_retrained_with_most_seeds():
    plan = comparisons.deciding_plan([12, 30], [6, 12], 10)
    cells = [cell[:2] for cell in plan]
    assert {("learned", 30), ("concrete", 6), ("concrete", 12)} < set(cells) and len(
        set(cells)
    ) == len(cells)
    assert all({terms.a, terms.b} <= set(cells) for terms in declared([6, 12]))
    assert {seeds for *_, seeds in plan} == {10}


def test_k_star_without_a_group_or_seed_is_that_of_the_predictions_without_it():
    """The first group and the first seed alone lose: K* is smaller without either."""
    losses = {21: 0, 12: lambda group, seed: 20 * (group == 0) * (seed == 0)}
    table = graded(losses)
    star = found(losses, margin=0.02)
    assert (star["k"], star["leave_one_seed_out"]) == (21, [12, 21])
    assert (star["leave_one_group_out"], star["moved_by_one_group"]) == ([12] + [21] * 7, 1)
    for column, names in (("group", "01234567"), ("seed", (0, 1))):
        others = (table[table[column] != name] for name in names)
        without = [k_star(other, (21, 12), 0.02)["by_test"] for other in others]
        assert star[f"leave_one_{column}_out"] == without


@pytest.mark.parametrize(("losing", "k"), [(1, 12), (2, 42)])
def test_a_step_passes_only_with_more_than_half_of_the_seeds_alone(losing, k):
    """Some of three seeds lose 2 of 50 clips in each group, at most 2.7 % on average."""
    parts = [method("full", 42, lambda *_: 0, seeds=3),
             method("learned", 12, lambda group, seed: 2 * (seed < losing), seeds=3)]  # fmt: skip
    star = k_star(pd.concat(parts, ignore_index=True), (12,), 0.03)
    (step,) = star["steps"]
    assert step["lower_bound"] > -0.03 and step["p"] < 0.05
    assert (step["seeds_alone"], step["passes"]) == (3 - losing, k == 12)
    assert (star["k"], star["by_test"]) == (k, 12)


@pytest.fixture(scope="module")
def committed():
    """The retrained predictions of data/results."""
    names = ("baseline_predictions.csv.xz", "ablation_predictions.csv.xz")
    table = pd.concat([read_table(Workspace(ROOT), name) for name in names])
    return table[table["regime"] == "retrained"]


@pytest.fixture(scope="module")
def deciding():
    """Those of the tests of K*, with most seeds."""
    return read_table(Workspace(ROOT), "deciding_predictions.csv.xz")


def test_no_interval_or_p_value_of_the_committed_predictions_is_drawn_at_random(
    committed, monkeypatch
):
    """So all their digits are exact: that of each method, and of its difference from all joints."""
    monkeypatch.setattr(statistics, "cluster_draws", None)
    methods = accuracy_table(committed)[["method", "k"]].itertuples(index=False, name=None)
    for key in set(methods) - {FULL}:
        found = difference_of(pair(committed, key, FULL), 0.02)
        assert found["low"] <= found["lower_bound"] <= found["difference"] <= found["high"]
        assert 0 < found["p"] <= 1


def test_the_spread_of_k_star_and_the_crossed_bounds_hardly_change_with_the_seed(
    deciding, monkeypatch
):
    stars = []
    for seed in (0, 1):
        monkeypatch.setattr(comparisons, "cluster_draws", partial(cluster_draws, seed=seed))
        stars.append(k_star(deciding, (30, 21, 16, 12), 0.02))
    assert stars[0]["bootstrap"] == stars[1]["bootstrap"]
    for first, second in zip(*(star["steps"] for star in stars), strict=True):
        assert first["crossed_bound"] == pytest.approx(second["crossed_bound"], abs=3e-4)
        assert first["lower_bound"] == second["lower_bound"] and first["p"] == second["p"]


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
    return (
        not star["reference"]["works"]
        and not any(step["passes"] for step in star["steps"])
        and star["k"] == star["joints"]
        and {name: star[name] for name in UNTESTED} == UNTESTED
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
    """Samples that hold groups several times or not at all, tested group by group."""
    draw = np.random.default_rng(5)
    counts = draw.multinomial(16, np.full(16, 1 / 16), size=40)
    sizes, passed = draw.integers(50, 70, 16), []
    for _ in range(3):
        sums = draw.binomial(sizes, 0.06) - draw.binomial(sizes, 0.06)
        many = noninferior(whole_steps(sums, sizes, 0.02), counts)
        for sample, verdict in zip(counts, many, strict=True):
            groups = np.repeat(np.arange(16), sample)
            clusters = np.repeat(np.arange(16), sizes[groups])
            first = np.concatenate([[0], sizes[groups].cumsum()[:-1]])
            values = np.zeros(len(clusters))
            values[first] = sums[groups]
            bound = cluster_bootstrap(values, clusters).lower_bound
            p = sign_flip(values, clusters, 0.02)
            assert verdict == (bound > -0.02 and p < 0.05)
        passed.extend(many)
    assert 0.1 < np.mean(passed) < 0.9


def test_steps_rounded_in_a_large_table_change_few_verdicts(monkeypatch):
    draw = np.random.default_rng(5)
    counts = draw.multinomial(16, np.full(16, 1 / 16), size=400)
    sums, sizes = draw.integers(-90, 60, 16), draw.integers(700, 900, 16)
    steps = whole_steps(sums, sizes, 0.05)
    exact = noninferior(steps, counts)
    monkeypatch.setattr(comparisons, "SAMPLED", 400 * 3000)
    assert 0.1 < exact.mean() < 0.9 and np.mean(noninferior(steps, counts) != exact) < 0.01


def test_a_loss_of_the_margin_passes_in_1_of_20_or_more_often_if_few_groups_bear_it(monkeypatch):
    """16 groups of unlike sizes; 12 %, as `k_star` says, for losses of exponential size."""
    monkeypatch.setattr(comparisons, "SAMPLED", 2000)  # coarse steps: 3000 tests in seconds
    sizes = np.random.default_rng(6).integers(100, 140, 16)
    normal = np.random.default_rng(7).normal(0, 0.05, (1500, 16))
    exponential = 0.05 - np.random.default_rng(8).exponential(0.05, (1500, 16))
    once, rates = np.ones((1, 16)), []
    for effects in (normal, exponential):  # of mean 0
        sums = (sizes * (effects - 0.02)).round()
        rates.append(np.mean([noninferior(whole_steps(s, sizes, 0.02), once) for s in sums]))
    assert 0.02 <= rates[0] <= 0.05 + 3 * np.sqrt(0.05 * 0.95 / 1500)
    assert rates[1] == pytest.approx(0.12, abs=0.025)


def test_the_error_of_a_step_is_the_standard_error_over_groups():
    """Eight groups losing 0 to 7 of 50 clips: the standard error of their mean is known."""
    error = np.std(np.arange(8) / 50) / np.sqrt(8)
    (step,) = found({12: lambda group, seed: group}, margin=0.02)["steps"]
    assert step["error"] == pytest.approx(error, rel=0.03)


@pytest.mark.parametrize(
    ("error", "groups"), [(0.004, 16), (0.008, 16), (0.016, 16), (0.004, 5), (0.008, 5)]
)
def test_the_power_is_how_often_simulated_steps_of_this_error_pass(error, groups):
    """Groups of equal size; of the margin itself 5 % pass, whatever the error (of five, 1/32)."""
    noise = np.random.default_rng(9).normal(0, groups**0.5 * error, (1000, groups))
    sizes = np.full(groups, 1200.0)
    of_bootstrap = error * (1 - 1 / groups) ** 0.5  # on average
    for margin, loss in ((0.02, 0), (0.02, 1), (0.01, 0), (0.01, 1)):
        sums = np.round(1200 * (noise - loss / 100))
        once = np.ones((1, groups))
        passing = np.mean([noninferior(whole_steps(s, sizes, margin), once) for s in sums])
        power = _power(of_bootstrap, groups, margin)[f"power_at_{loss}"]
        assert power == pytest.approx(passing, abs=0.05)
    assert power == pytest.approx(0.05 if groups > 5 else 1 / 32)
    # 2^-4 is above 5 %: no step passes with four groups, whatever its bound.
    assert _power(error, 4, 0.02)["power_at_0"] == 0 < _power(error, 5, 0.02)["power_at_0"]


def test_groups_that_weigh_alike_are_compared_by_their_own_means():
    """Twelve clips lose 1 in 12, 48 clips none: 1 in 60 of all clips, 1 in 24 of both groups."""
    table = graded({12: lambda group, seed: group == 0})
    clips = table["group"].map({"0": 12, "1": 48})  # none of the other groups
    table = table[table["clip"].str.split("/").str[1].astype(int) < clips]
    (step,) = k_star(table, (12,), 0.02)["steps"]
    assert step["difference"] == pytest.approx(-1 / 60)
    assert step["equal_groups"] == pytest.approx(-1 / 24)


def test_groups_that_are_all_alike_leave_no_doubt():
    (step,) = found({12: 1}, margin=0.02)["steps"]
    assert (step["power_at_0"], step["power_at_1"]) == (1, 1)
    (at_margin,) = found({12: 1}, margin=0.01)["steps"]
    assert at_margin["power_at_1"] == pytest.approx(0.05)
