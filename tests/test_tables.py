"""Tables of accuracy and of selections against cases with known counts."""

from itertools import combinations
from types import SimpleNamespace

import numpy as np
import pandas as pd
import paper_facts
import pytest
import torch
from torchmetrics.functional.classification import multiclass_calibration_error

from jointprune.config import TrainingConfig
from jointprune.paper import tables
from jointprune.paper.results import read_table, write_table
from jointprune.paper.tables import (
    accuracy_table,
    by_class,
    by_group,
    calibration,
    changes_by,
    confusion,
    joint_frequency,
    joints_by_hand,
    joints_by_level,
    kept_without,
    loss_without,
    overlap_with_published,
    reduction_table,
    strata_table,
)
from jointprune.prediction import prediction_rows
from jointprune.runs import Run, Trial, trials_of
from jointprune.skeleton import FINGERS, HANDS, JOINT_NAMES
from jointprune.statistics import difference_of, holm, pair

COLUMNS = "method k regime fold seed clip group label predicted p_predicted".split()
LEARNED, FULL = ("learned", 12), ("full", 42)
TINY = TrainingConfig(hidden=16, frames=4, epochs=1, batch_size=8)
TWO = {(*LEARNED, "retrained"): 0.55, (*FULL, "retrained"): 0.66}
CHOSEN = {
    ("learned", 3): {(0, 0): (0, 21, 22), (0, 1): (21, 22, 23)},
    ("greedy", 3): {(0, 0): (0, 1, 2)},
}


@pytest.fixture
def table():
    """Two groups, letters A and B, one run of one method: 3 of 4 right."""
    rows = [
        ("full", 42, "retrained", 0, 0, "x/A", "x", "A", "A", 0.9),
        ("full", 42, "retrained", 0, 0, "x/B", "x", "B", "B", 0.8),
        ("full", 42, "retrained", 0, 0, "y/A", "y", "A", "C", 0.7),
        ("full", 42, "retrained", 0, 0, "y/B", "y", "B", "B", 0.6),
    ]
    return pd.DataFrame(rows, columns=COLUMNS)


def test_accuracy_is_the_share_of_right_clips_and_its_interval_resamples_groups(table):
    masked = table.assign(regime="masked", predicted="C")
    row, other = accuracy_table(pd.concat([table, masked])).to_dict("records")
    # Groups score 1 and 1/2; both drawn alike has chance 1/4, so the ends are the groups' own.
    assert row == {"method": "full", "k": 42, "regime": "retrained", "mean": 0.75, "low": 0.5,
                   "high": 1.0, "runs": 1}  # fmt: skip
    assert (other["regime"], other["mean"]) == ("masked", 0.0)
    assert set(accuracy_table(paper_facts.predictions(TWO))["runs"]) == {20}  # 4 folds, 5 seeds


def test_groups_and_classes_are_counted_apart(table):
    assert by_group(table).set_index("group")["mean"].to_dict() == {"x": 1.0, "y": 0.5}
    assert by_class(table).set_index("label")["mean"].to_dict() == {"A": 0.5, "B": 1.0}


def test_rows_of_a_confusion_sum_to_one_and_name_wrong_classes(table):
    shares = confusion(table)
    assert list(shares.columns) == ["A", "B", "C"]
    assert shares.loc["A"].to_dict() == {"A": 0.5, "B": 0.0, "C": 0.5}
    assert shares.sum(axis=1).eq(1).all()


def test_a_stratum_is_a_table_of_its_clips_alone():
    full, few = [("a/A", 0, 1), ("b/A", 0, 0), ("c/A", 1, 0)], [("a/A", 0), ("b/A", 1), ("c/A", 1)]
    rows = [("full", 42, "retrained", 0, seed, clip, clip[0], "A", "BA"[right[seed]], 1)
            for clip, *right in full for seed in (0, 1)]  # fmt: skip
    rows += [("learned", 12, regime, 0, 0, clip, clip[0], "A", "BA"[right], 1)
             for clip, right in few for regime in ("retrained", "gated")]  # fmt: skip
    predictions = pd.DataFrame(rows, columns=COLUMNS)
    hands = ["one-handed", "one-handed", "two-handed"]
    data = SimpleNamespace(clips=pd.DataFrame({"clip": ["a/A", "b/A", "c/A"]}), handedness=hands)
    found = {(row["stratum"], row["method"]): row for row in strata_table(predictions, data)}
    assert len(found) == 4 and {row["regime"] for row in found.values()} == {"retrained"}
    one, two = found["one-handed", "learned"], found["two-handed", "learned"]
    assert (one["mean"], one["low"], one["high"], one["clips"], one["groups"]) == (0.5, 0, 1, 2, 2)
    assert (two["mean"], two["clips"], two["groups"]) == (1.0, 1, 1)
    assert found["one-handed", "full"]["mean"] == 0.25


def test_a_joint_that_is_never_observed_reduces_no_joint_frames():
    present = np.zeros((3, 2, 4), bool)
    present[:2, :, 0] = True  # 4 frames of the first two clips, the test clips of fold 0
    present[0, 0, 1] = True
    present[2, :, 2] = True
    data = SimpleNamespace(present=present, joints=("a", "b", "c", "d"))
    folds = [(np.array([2]), np.array([0, 1])), (np.array([0, 1]), np.array([2]))]
    chosen = {("learned", 2): {(0, 0): (0, 3), (0, 1): (0, 1), (1, 0): (2, 3), (1, 1): (0, 1)}}
    (row,) = reduction_table(chosen, data, folds)
    assert (row["method"], row["k"], row["joints"]) == ("learned", 2, 0.5)
    assert row["joint_frames"] == pytest.approx((1 / 5 + 0 + 0 + 1) / 4)


def test_a_table_with_repeated_rows_is_refused(table):
    with pytest.raises(ValueError, match="'clip': 'x/A'"):
        by_group(pd.concat([table, table.iloc[:1]]))


def test_calibration_error_is_that_of_the_top_label_of_all_classes_also_near_edges(
    toy_dataset, workspace
):
    """The networks' probabilities, through the table that is written and read again.

    One of three is within 1e-7 of an edge of the 15 bins, where rounding would change its bin.
    """
    draw, clips = np.random.default_rng(0), range(1, len(toy_dataset))
    top = draw.random((12, len(clips))) * 0.6 + 0.4
    near = draw.integers(6, 15, (4, len(clips))) / 15
    top[:4] = near + draw.choice([-1e-7, 0, 1e-7], near.shape)
    chances = np.repeat((1 - top[..., None]) / 3, 4, axis=-1)
    right = draw.random(top.shape) < top  # so that gaps are small and of both signs
    called = (toy_dataset.labels[1:] + np.where(right, 0, 1)) % 4
    np.put_along_axis(chances, called[..., None], top[..., None], axis=-1)
    chances = chances.astype(np.float32)

    runs = [Run(TrainingConfig(), (0,), tuple(clips), seed) for seed in range(12)]
    trials = [Trial("full", 42, 0, run) for run in runs]
    best = chances.argmax(-1), chances.max(-1)
    rows = map(prediction_rows, trials, *best, [toy_dataset] * 12)
    write_table(workspace, "baseline_predictions.csv.xz", pd.concat(rows))
    found = calibration(read_table(workspace, "baseline_predictions.csv.xz"))["ece"].iloc[0]

    def reference(chances):
        labels = torch.tensor(toy_dataset.labels[1:]).repeat(12)
        every = torch.tensor(chances.reshape(-1, 4)), labels
        return float(multiclass_calibration_error(*every, num_classes=4, n_bins=15))

    assert found == pytest.approx(reference(chances), abs=1e-6)
    assert found != pytest.approx(reference(chances.round(4)), abs=1e-4)


@pytest.mark.parametrize(("by", "count"), [("class", 26), ("group", 16)])
def test_changes_average_to_the_whole_difference_and_are_corrected_together(by, count):
    table = paper_facts.predictions(TWO)
    rows = changes_by(table, LEARNED, FULL, by)
    assert len(rows) == count  # of one size each, so their plain mean is the whole
    changes = [row["difference"] for row in rows]
    whole = difference_of(pair(table, LEARNED, FULL))["difference"]
    assert np.mean(changes) == pytest.approx(whole) and changes == sorted(changes)
    if by == "class":
        assert [row["p_holm"] for row in rows] == pytest.approx(holm([row["p"] for row in rows]))
    else:  # clips of one group share trained networks
        assert all({*row} == {"name", "difference", "low", "high"} for row in rows)
    assert all(row["low"] <= row["difference"] <= row["high"] for row in rows)


def test_joints_are_counted_over_the_runs_of_one_method():
    found = joint_frequency(CHOSEN, "learned", JOINT_NAMES)
    shares = {"left.wrist": 0.5, "right.wrist": 1.0, "right.thumb_cmc": 1.0, "right.thumb_mcp": 0.5}
    assert found[3][found[3] > 0].to_dict() == shares
    assert joints_by_hand(CHOSEN, "learned", JOINT_NAMES) == [{"k": 3, "left": 0.5, "right": 2.5}]
    levels = joints_by_level(found)[3]
    assert levels[levels > 0].to_dict() == {
        ("left", "0 base"): 0.5, ("right", "0 base"): 2.0, ("right", "1 middle"): 0.5
    }  # fmt: skip


def test_overlap_with_a_published_selection_is_tested_by_counting_all_draws(monkeypatch):
    """A hand of 7 joints: of all draws of as many joints, those that share as many or more."""
    hand = JOINT_NAMES[21:28]
    joints = (*JOINT_NAMES[:7], *hand)
    published = {"few": [*hand[:3], "left.wrist"], "more": [*hand[3:], *joints[:5]]}
    monkeypatch.setattr(tables, "PUBLISHED", published)
    ours = (0, 1, 7, 8, 9, 10)  # two on the left hand, and the first four of this hand
    runs = {(0, 0): ours, (0, 1): ours, (1, 0): tuple(range(6))}
    rows = overlap_with_published({("learned", 12): runs, ("greedy", 10): runs}, joints)
    assert [(row["source"], row["k"], row["shared"]) for row in rows] == [
        ("few", 12, 3), ("more", 12, 1)
    ]  # fmt: skip
    for row in rows:
        theirs = set(published[row["source"]]) & set(hand)
        shared = np.array([len(theirs & set(draw)) for draw in combinations(hand, 4)])
        assert (row["ours"], row["theirs"]) == (4, len(theirs))
        assert row["p"] == pytest.approx((shared >= row["shared"]).mean())
        assert row["expected"] == pytest.approx(shared.mean())
    assert [row["p_holm"] for row in rows] == pytest.approx(holm([row["p"] for row in rows]))
    # In anatomical order: the tips of index, thumb, little and middle finger; the thumb's is here.
    assert [row["anatomical"] for row in rows] == [0, 1]


def test_every_joint_finger_and_hand_is_left_out_once():
    kept = kept_without(JOINT_NAMES)
    gone = {part: set(range(42)) - set(left) for part, left in kept.items()}
    assert len(gone) == 42 + 5 + 2
    assert all(gone[name] == {j} for j, name in enumerate(JOINT_NAMES))
    for finger, joints in FINGERS.items():
        assert gone[finger] == {*joints, *(21 + j for j in joints)}
    assert [gone[hand] for hand in HANDS] == [set(range(21)), set(range(21, 42))]


def test_retraining_without_a_part_reads_all_others(toy_dataset):
    kept = kept_without(toy_dataset.joints)["ring"]
    trials = trials_of("ring", toy_dataset, toy_dataset.folds(3, 0), (0, 1), TINY, kept)
    assert [(t.fold, t.run.seed) for t in trials] == [(f, s) for f in range(3) for s in (0, 1)]
    for trial in trials:
        assert (trial.method, trial.k, trial.regime) == ("ring", 34, "retrained")
        assert not any("ring" in name for name in trial.run.config.joints)


def test_a_part_is_compared_on_the_seeds_it_was_retrained_with():
    full = paper_facts.predictions({("full", 42, "retrained"): 0.66}, seeds=3)
    wrong = full["predicted"].mask(full["label"] == "A", "?")
    masked = full.assign(method="right", k=21, regime="masked", predicted=wrong)
    again = full[full["seed"] < 2].assign(method="right", k=21)
    row = loss_without("right", 21, full, masked, again)
    both = pd.concat([full, masked])
    expected = difference_of(pair(both, ("full", 42), ("right", 21, "masked")))
    assert (row["kind"], row["name"], row["retrained_loss"]) == ("hand", "right", 0.0)
    assert [row[key] for key in ("loss", "low", "high")] == [
        expected[key] for key in ("difference", "low", "high")
    ]
    assert loss_without("right", 21, full, masked, again.iloc[:0])["retrained_loss"] is None
