"""Accuracy without a part: which joints are left, and what is compared."""

import pandas as pd
import paper_facts

from jointprune.config import TrainingConfig
from jointprune.paper.leave_out import kept_without, loss_without
from jointprune.runs import trials_of
from jointprune.skeleton import FINGERS, HANDS, JOINT_NAMES
from jointprune.statistics import difference_of, pair

TINY = TrainingConfig(hidden=16, frames=4, epochs=1, batch_size=8)


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
