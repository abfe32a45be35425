"""Parts that are left out, and tables of where chosen joints lie, against hand-made cases."""

from jointprune.config import TrainingConfig
from jointprune.paper.leave_out import joints_by_hand, kept_without, selection_rows, without_trials
from jointprune.skeleton import FINGERS, JOINT_NAMES

TINY = TrainingConfig(hidden=16, frames=4, epochs=1, batch_size=8)


def test_every_joint_finger_and_hand_is_left_out_once():
    kept = kept_without(JOINT_NAMES)
    assert len(kept) == 42 + 5 + 2
    for part, left in kept.items():
        gone = {JOINT_NAMES[j] for j in set(range(42)) - set(left)}
        if part in JOINT_NAMES:
            assert gone == {part}
        elif part in FINGERS:
            assert gone == {n for n in JOINT_NAMES if n.split(".")[1].startswith(part)}
            assert len(gone) == 8
        else:
            assert gone == {n for n in JOINT_NAMES if n.startswith(part)}
            assert len(gone) == 21


def test_retraining_without_a_part_reads_all_others(toy_dataset):
    kept = {part: left for part, left in kept_without(toy_dataset.joints).items() if part == "ring"}
    trials = without_trials(kept, toy_dataset, toy_dataset.folds(3, 0), (0, 1), TINY)
    assert [(t.fold, t.run.seed) for t in trials] == [(f, s) for f in range(3) for s in (0, 1)]
    for trial in trials:
        assert (trial.method, trial.k) == ("without ring", 34)
        assert not any("ring" in name for name in trial.run.config.joints)


CHOSEN = {
    ("learned", 3): {(0, 0): (0, 21, 22), (0, 1): (21, 22, 23)},
    ("greedy", 3): {(0, 0): (0, 1, 2)},
}


def test_joints_by_hand_are_means_over_runs_of_one_method():
    assert joints_by_hand(CHOSEN, "learned", JOINT_NAMES) == [{"k": 3, "left": 0.5, "right": 2.5}]


def test_selections_are_written_by_name():
    rows = selection_rows(CHOSEN, JOINT_NAMES)
    assert len(rows) == 3
    assert rows[0] == {
        "method": "learned", "k": 3, "fold": 0, "seed": 0,
        "joints": ["left.wrist", "right.wrist", "right.thumb_cmc"],
    }  # fmt: skip
