"""Rankings: balanced draws, named sets, learned joints, and training clips only."""

from dataclasses import replace

import numpy as np
import pytest

from jointprune.classifier import TrainingConfig
from jointprune.experiments import trained_model
from jointprune.selection import (
    HAND_MADE,
    METHODS,
    gated_trials,
    hand_made_size,
    rank_joints,
    retraining_trials,
    top_joints,
)
from jointprune.skeleton import FINGERS, JOINT_NAMES, hand_index
from jointprune.workspace import Workspace

TINY = TrainingConfig(hidden=16, frames=4, epochs=2, batch_size=8, gate_learning_rate=0.5)
HAND = hand_index(JOINT_NAMES)
DRAWN = ("random", "stratified-random")


@pytest.fixture
def workspace(tmp_path, monkeypatch) -> Workspace:
    """A workspace of its own, on one core, so that gates are learned inside this process."""
    monkeypatch.setattr("os.cpu_count", lambda: 1)
    return Workspace(str(tmp_path / "work"))


@pytest.fixture
def train_clips(toy_dataset) -> np.ndarray:
    return toy_dataset.folds(3, seed=0)[0][0]


def finger_level(joint: int) -> int:
    """Place of a joint on its finger, 0 for the base; the wrist counts as a base."""
    places = {j: place for finger in FINGERS.values() for place, j in enumerate(finger)}
    return places.get(joint % 21, 0)


def test_the_top_joints_are_the_highest_scores_in_ascending_order():
    assert top_joints(np.array([0.1, 0.9, 0.3, 0.8]), 2) == (1, 3)
    assert top_joints(np.arange(42.0), 42) == tuple(range(42))


def test_equal_scores_go_to_the_lower_index():
    assert top_joints(np.array([1.0, 2.0, 1.0, 1.0]), 3) == (0, 1, 2)


@pytest.mark.parametrize("k", [8, 12, 16, 25])
@pytest.mark.parametrize("seed", range(5))
def test_stratified_draws_are_balanced_over_hands_and_finger_levels(
    toy_dataset, train_clips, k, seed
):
    kept = list(top_joints(rank_joints("stratified-random", toy_dataset, train_clips, seed), k))
    per_hand = np.bincount(HAND[kept], minlength=2)
    assert np.ptp(per_hand) == k % 2
    level = np.array([finger_level(j) for j in kept])
    for counts in (
        np.bincount(level, minlength=4),
        *(np.bincount(level[HAND[kept] == h], minlength=4) for h in (0, 1)),
    ):
        # A level has both hands, so in a draw of whole rounds it may lead by one on each.
        assert np.ptp(counts) <= (2 if counts.sum() == k else 1)


@pytest.mark.parametrize("method", DRAWN)
def test_draws_differ_over_seeds_and_folds_and_repeat_for_the_same(toy_dataset, method):
    folds = [train for train, _ in toy_dataset.folds(3, seed=0)]
    draws = {
        (fold, seed): top_joints(rank_joints(method, toy_dataset, folds[fold], seed), 12)
        for fold in range(3)
        for seed in range(5)
    }
    assert len(set(draws.values())) == len(draws)
    for (fold, seed), kept in draws.items():
        shuffled = np.random.default_rng(seed).permutation(folds[fold])
        assert top_joints(rank_joints(method, toy_dataset, shuffled, seed), 12) == kept


def test_uniform_draws_take_every_joint_alike(toy_dataset):
    draws = 2000
    counts = np.zeros(42)
    for seed in range(draws):
        counts[list(top_joints(rank_joints("random", toy_dataset, [0, 1], seed), 12))] += 1
    p = 12 / 42
    assert np.abs(counts / draws - p).max() < 4.5 * np.sqrt(p * (1 - p) / draws)


TIPS = ("thumb_tip", "index_tip", "middle_tip", "ring_tip", "pinky_tip")
MCPS = ("thumb_mcp", "index_mcp", "middle_mcp", "ring_mcp", "pinky_mcp")


@pytest.mark.parametrize(
    ("method", "names"),
    [
        ("fingertips+wrist", [f"{h}.{n}" for h in ("left", "right") for n in ("wrist", *TIPS)]),
        ("fingertips", [f"{h}.{n}" for h in ("left", "right") for n in TIPS]),
        ("knuckles", [f"{h}.{n}" for h in ("left", "right") for n in ("wrist", *MCPS)]),
        ("right hand", JOINT_NAMES[21:]),
    ],
)
def test_hand_made_sets_have_their_joints_by_name(toy_dataset, train_clips, method, names):
    k = hand_made_size(method)
    assert k == len(names)
    kept = top_joints(rank_joints(method, toy_dataset, train_clips, 0, k), k)
    assert [JOINT_NAMES[j] for j in kept] == list(names)


def test_every_hand_made_set_is_a_method():
    assert set(HAND_MADE) < set(METHODS)


@pytest.mark.parametrize("k", [5, 12])
def test_a_hand_matched_draw_has_the_learned_selections_count_on_each_hand(
    toy_dataset, train_clips, workspace, k
):
    """Two of three groups sign with the right hand alone; the learned sets need not balance."""

    def kept(method):
        arguments = (method, toy_dataset, train_clips, 0, k, TINY, workspace)
        return list(top_joints(rank_joints(*arguments), k))

    learned, drawn = kept("hard-concrete"), kept("hand-matched-random")
    assert (
        np.bincount(HAND[drawn], minlength=2).tolist()
        == np.bincount(HAND[learned], minlength=2).tolist()
    )
    assert drawn != learned


@pytest.mark.parametrize("method", METHODS)
def test_no_method_looks_at_a_test_clip(toy_dataset, train_clips, workspace, tmp_path, method):
    """Clips that are not for training are NaN in one dataset: the scores stay the same."""
    poses = np.array(toy_dataset.poses)
    labels = toy_dataset.labels.copy()
    others = np.setdiff1d(np.arange(len(toy_dataset)), train_clips)
    poses[others], labels[others] = np.nan, 0
    poisoned = replace(toy_dataset, poses=poses, labels=labels)
    elsewhere = Workspace(str(tmp_path / "poisoned"))
    k = hand_made_size(method) if method in HAND_MADE else 12
    arguments = (train_clips, 0, k, TINY)
    scores = rank_joints(method, toy_dataset, *arguments, workspace)
    assert scores.shape == (42,)
    np.testing.assert_array_equal(scores, rank_joints(method, poisoned, *arguments, elsewhere))
    assert np.isfinite(scores).all()


@pytest.mark.parametrize("seed", range(3))
def test_the_learned_selection_is_what_its_own_run_kept_open(
    toy_dataset, train_clips, workspace, seed
):
    folds = [(train_clips, np.setdiff1d(np.arange(len(toy_dataset)), train_clips))]
    (trial,) = gated_trials(toy_dataset, folds, (seed,), 12, TINY)
    scores = rank_joints("hard-concrete", toy_dataset, train_clips, seed, 12, TINY, workspace)
    kept = trained_model(trial.run, toy_dataset, workspace).joint_pruning.kept_joints()
    assert top_joints(scores, 12) == tuple(kept)


def test_a_set_made_by_hand_is_never_cut_or_padded(toy_dataset, train_clips):
    with pytest.raises(ValueError, match="expected k = 12, the size of the set, got 8"):
        rank_joints("fingertips+wrist", toy_dataset, train_clips, 0, 8)


@pytest.mark.parametrize("k", [0, -1, 43])
def test_more_joints_than_there_are_or_none_are_refused(k):
    with pytest.raises(ValueError, match=f"expected 1 to 42 joints to keep, got {k}"):
        top_joints(np.zeros(42), k)


def test_an_unknown_method_is_refused(toy_dataset):
    with pytest.raises(ValueError, match=r"expected a method out of \['fingertips'.*got 'oracle'"):
        rank_joints("oracle", toy_dataset, [0, 1], 0)


def test_retraining_reads_the_selected_joints_alone_in_every_fold_and_seed(toy_dataset, workspace):
    folds = toy_dataset.folds(3, seed=0)
    trials = retraining_trials(
        "fingertips", "fingertips", 10, toy_dataset, folds, (0, 1), TINY, workspace
    )
    assert [(t.fold, t.run.seed) for t in trials] == [(f, s) for f in range(3) for s in (0, 1)]
    for trial in trials:
        train, test = folds[trial.fold]
        assert trial.run.train == tuple(train) and trial.run.test == tuple(test)
        assert (trial.method, trial.k, trial.run.config.num_pose_points) == ("fingertips", 10, 10)
        assert all(name.endswith("_tip") for name in trial.run.config.joints)
        assert trial.run.config.mask == "open"


def test_gated_trials_are_the_runs_that_the_ranking_reads(toy_dataset, workspace):
    """Learning to rank and testing without retraining share one run, trained once."""
    folds = toy_dataset.folds(3, seed=0)
    trial = gated_trials(toy_dataset, folds[:1], (0,), 12, TINY)[0]
    assert (trial.run.config.mask, trial.run.config.budget) == ("hard-concrete", 12)
    rank_joints("hard-concrete", toy_dataset, folds[0][0], 0, 12, TINY, workspace)
    assert trial.run.folder(toy_dataset, workspace).is_dir()
