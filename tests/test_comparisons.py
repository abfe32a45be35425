"""The declared family and K* on predictions whose verdict is known beforehand."""

import json

import numpy as np
import pandas as pd
import paper_facts
import pytest

from jointprune.paper.comparisons import (
    COMPARISONS,
    compare_declared,
    detectable_loss,
    k_star,
    noninferior,
)
from jointprune.statistics import cluster_bootstrap, holm, mcnemar, pair, sign_flip

GROUPS, CLIPS = 8, 50


def method(name, k, lost, seeds=2):
    """Every clip right, except the first `lost(group, seed)` clips of each group."""
    rows = [
        (name, k, seed, f"{group}/{clip}", str(group), "B" if clip < lost(group, seed) else "A")
        for group in range(GROUPS)
        for seed in range(seeds)
        for clip in range(CLIPS)
    ]
    table = pd.DataFrame(rows, columns=["method", "k", "seed", "clip", "group", "predicted"])
    return table.assign(regime="retrained", fold=0, label="A")


def graded(losses):
    """All 42 joints always right; "learned" at each K loses clips, a number or by group, seed."""
    parts = [method("full", 42, lambda group, seed: 0)]
    for k, lost in losses.items():
        parts.append(method("learned", k, lost if callable(lost) else lambda *_, n=lost: n))
    return pd.concat(parts, ignore_index=True)


def found(losses, margin):
    return k_star(graded(losses), tuple(losses), margin)


def family_predictions():
    accuracy = {("full", 42): 0.66, ("learned", 12): 0.65, ("learned", 21): 0.66}
    others = ("stratified-random", "hand-matched-random", "anatomical", "greedy")
    accuracy |= {(name, 12): 0.6 for name in others}
    return paper_facts.predictions({(*key, "retrained"): share for key, share in accuracy.items()})


def test_the_family_is_the_declared_one_with_mcnemar_beside_each_test():
    table = family_predictions()
    records = compare_declared(table)
    assert [record["name"] for record in records] == [c.name for c in COMPARISONS]
    assert [record["margin"] for record in records] == [0.02, 0.02, 0.01, 0.01, 0, 0, 0, 0]
    for key in ("p", "p_worse"):  # where there is no opposite to test, p is used in its place
        adjusted = holm([record.get(key, record["p"]) for record in records])
        for record, p in zip(records, adjusted, strict=True):
            assert key not in record or record[f"{key}_holm"] == pytest.approx(p)
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
    assert star["by_seed"] == [12, 12]
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
