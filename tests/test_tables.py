"""Tables of accuracy against cases counted by hand."""

import numpy as np
import pandas as pd
import paper_facts
import pytest
import torch
from torchmetrics.functional.classification import multiclass_calibration_error

from jointprune.paper.tables import (
    COLUMNS,
    accuracy_table,
    by_class,
    by_group,
    calibration,
    changes,
    confusion,
    loss_without,
)
from jointprune.statistics import cluster_draws, holm, paired_difference

LEARNED, FULL = ("learned", 12), ("full", 42)
TWO = {LEARNED: 0.55, FULL: 0.66}


@pytest.fixture
def table():
    """Two groups, letters A and B, one run of one method: 3 of 4 right."""
    rows = [
        ("full", 42, 0, 0, "x/A", "x", "A", "A", 0.9, 0.9),
        ("full", 42, 0, 0, "x/B", "x", "B", "B", 0.8, 0.8),
        ("full", 42, 0, 0, "y/A", "y", "A", "C", 0.1, 0.7),
        ("full", 42, 0, 0, "y/B", "y", "B", "B", 0.6, 0.6),
    ]
    return pd.DataFrame(rows, columns=list(COLUMNS))


def test_accuracy_is_the_share_of_right_clips(table):
    row = accuracy_table(table).iloc[0]
    assert (row["method"], row["k"], row["mean"], row["runs"]) == ("full", 42, 0.75, 1)


def test_the_interval_resamples_groups_not_clips(table):
    # Groups score 1 and 1/2; both drawn alike has chance 1/4, so the ends are the groups' own.
    row = accuracy_table(table).iloc[0]
    assert (row["low"], row["high"]) == (0.5, 1.0)


def test_runs_count_folds_times_seeds():
    assert set(accuracy_table(paper_facts.predictions(TWO))["runs"]) == {20}


def test_groups_and_classes_are_counted_apart(table):
    assert by_group(table).set_index("group")["mean"].to_dict() == {"x": 1.0, "y": 0.5}
    assert by_class(table).set_index("label")["mean"].to_dict() == {"A": 0.5, "B": 1.0}


def test_the_mean_over_balanced_groups_is_the_accuracy():
    found = paper_facts.predictions(TWO)
    mean = by_group(found).groupby(["method", "k"])["mean"].mean()
    overall = accuracy_table(found).set_index(["method", "k"])["mean"]
    pd.testing.assert_series_equal(mean.sort_index(), overall.sort_index())


def test_rows_of_a_confusion_sum_to_one_and_name_wrong_classes(table):
    shares = confusion(table)
    assert list(shares.columns) == ["A", "B", "C"]
    assert shares.loc["A"].to_dict() == {"A": 0.5, "B": 0.0, "C": 0.5}
    assert shares.sum(axis=1).eq(1).all()


def test_a_confusion_of_two_methods_is_refused(table):
    both = pd.concat([table, table.assign(method="learned", k=12)])
    with pytest.raises(ValueError, match="expected predictions of one method"):
        confusion(both)


def test_a_lacking_column_is_named(table):
    with pytest.raises(ValueError, match=r"without \['seed'\]"):
        accuracy_table(table.drop(columns="seed"))


def test_repeated_rows_are_refused(table):
    with pytest.raises(ValueError, match="clip='x/A'"):
        by_group(pd.concat([table, table.iloc[:1]]))


def test_calibration_error_worked_by_hand(table):
    # Bins of 1/15. Clips of 0.91 and 0.92 share one, half of them right: gap 0.915 - 0.5.
    # Clips of 0.50 and 0.52 share another, both right: gap 1 - 0.51. Half of the clips in each.
    table = table.assign(p_predicted=[0.91, 0.50, 0.92, 0.52])
    row = calibration(table).iloc[0]
    assert (row["method"], row["k"]) == ("full", 42)
    assert row["ece"] == pytest.approx((0.415 + 0.49) / 2)


def test_calibration_error_is_that_of_the_top_label_of_all_classes():
    rng = np.random.default_rng(0)
    chances = torch.tensor(rng.dirichlet(np.full(5, 0.5), 300))
    truth = torch.tensor(rng.integers(5, size=300))
    expected = multiclass_calibration_error(chances, truth, num_classes=5, n_bins=15)
    top, called = chances.max(dim=1)
    columns = {"clip": range(300), "label": truth, "predicted": called, "p_predicted": top}
    shared_columns = {"method": "full", "k": 42, "fold": 0, "seed": 0, "group": "x", "p_true": 0.0}
    found = calibration(pd.DataFrame(columns).assign(**shared_columns))
    assert found["ece"].iloc[0] == pytest.approx(float(expected), abs=1e-6)


def test_each_method_has_its_own_calibration_error(table):
    sure = table.assign(method="learned", k=12, p_predicted=1.0)  # 3 of 4 right: gap 1/4
    found = calibration(pd.concat([table, sure])).set_index(["method", "k"])["ece"]
    assert found[LEARNED] == pytest.approx(0.25)
    assert found[FULL] == pytest.approx(calibration(table)["ece"].iloc[0])


def without_sign(letter, predictions):
    """Wrong on every clip of `letter`."""
    return predictions["predicted"].mask(predictions["label"] == letter, "?")


def test_a_lost_sign_is_found_and_the_others_have_not_changed():
    full = paper_facts.predictions({FULL: 0.66})
    learned = full.assign(method="learned", k=12, predicted=without_sign("C", full))
    rows = changes(pd.concat([full, learned]), LEARNED, FULL, "sign")
    assert len(rows) == 26
    worst, rest = rows[0], rows[1:]
    share = (full["predicted"] == full["label"])[full["label"] == "C"].mean()
    assert (worst["name"], worst["difference"]) == ("C", pytest.approx(-share))
    assert worst["high"] < 0
    assert worst["p_holm"] < 0.05
    assert all(row["difference"] == 0 and row["p"] == row["p_holm"] == 1 for row in rest)


@pytest.mark.parametrize(("by", "count"), [("sign", 26), ("group", 16)])
def test_changes_average_to_the_whole_difference_and_are_corrected_together(by, count):
    table = paper_facts.predictions(TWO)
    rows = changes(table, LEARNED, FULL, by)
    assert len(rows) == count  # of one size each, so their plain mean is the whole
    whole = paired_difference(table, LEARNED, FULL)["difference"]
    assert np.mean([row["difference"] for row in rows]) == pytest.approx(whole)
    assert [row["p_holm"] for row in rows] == pytest.approx(holm([row["p"] for row in rows]))
    assert [row["difference"] for row in rows] == sorted(row["difference"] for row in rows)
    assert all(row["low"] <= row["difference"] <= row["high"] for row in rows)


def test_changes_by_anything_else_are_refused():
    with pytest.raises(ValueError, match=r"one of \['group', 'sign'\], got 'signer'"):
        changes(paper_facts.predictions(TWO), LEARNED, FULL, "signer")


def test_a_part_left_out_is_compared_on_the_seeds_it_was_retrained_with():
    full = paper_facts.predictions({FULL: 0.66}, seeds=3)
    without = full.assign(method="without right", k=21, predicted=without_sign("A", full))
    again = without[without["seed"] < 2].assign(predicted=full["predicted"])
    row = loss_without("right", 21, full, without, again)
    expected = paired_difference(pd.concat([full, without]), FULL, ("without right", 21))
    assert (row["kind"], row["name"], row["retrained_loss"]) == ("hand", "right", 0.0)
    assert [row[key] for key in ("loss", "low", "high")] == [
        expected[key] for key in ("difference", "low", "high")
    ]
    nothing = loss_without("right", 21, full, without, again.iloc[:0])
    assert nothing["retrained_loss"] is None


def test_a_hundred_tables_share_their_draws():
    # Drawing is nearly all of the time; 16 groups and 26 clips of a group are drawn once each.
    once = paper_facts.predictions(TWO, seeds=1)
    many = pd.concat([once.assign(method=f"method {i}") for i in range(50)], ignore_index=True)
    cluster_draws.cache_clear()
    assert len(accuracy_table(many)) == 100
    assert len(by_group(many)) == 100 * 16
    assert cluster_draws.cache_info().misses == 2
