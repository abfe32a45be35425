"""Rankings: balanced draws, named sets, learned joints, and training clips only."""

from dataclasses import replace

import numpy as np
import pytest

from jointprune import selection
from jointprune.config import TrainingConfig
from jointprune.prediction import trained_model
from jointprune.runs import make_run
from jointprune.selection import (
    FOR_ONE_K,
    LEARNED,
    METHODS,
    drawn,
    one_per_fold,
    rank_joints,
    rank_many,
    retraining_trials,
    select_many,
    top_joints,
    typical,
    voted,
)
from jointprune.selection.baselines import ANATOMY
from jointprune.skeleton import FINGERS, JOINT_NAMES, JOINTS, hand_index
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


@pytest.mark.parametrize("at_once", [1, 5, 256])
def test_variance_is_that_of_all_frames_however_many_clips_are_read(
    toy_dataset, monkeypatch, at_once
):
    monkeypatch.setattr(drawn, "READ_AT_ONCE", at_once)
    one_handed = np.flatnonzero(toy_dataset.groups != "both")
    for clips in (np.arange(len(toy_dataset)), one_handed):
        scores = rank_joints("variance", toy_dataset, clips, seed=0)
        for mine in (HAND == 0, HAND == 1):
            seen = toy_dataset.present[clips][:, :, mine].all(-1)
            hand = toy_dataset.poses[clips][:, :, mine][seen].astype(float)
            about = hand - hand.mean(1, keepdims=True)
            expected = about.var(0).sum(-1) if seen.any() else np.zeros(21)
            np.testing.assert_allclose(scores[mine], expected, rtol=1e-9)


def test_the_top_joints_are_the_highest_scores_in_ascending_order():
    assert top_joints(np.array([0.1, 0.9, 0.3, 0.8]), 2) == (1, 3)
    assert top_joints(np.arange(42.0), 42) == tuple(range(42))


def test_equal_scores_go_to_the_lower_index():
    assert top_joints(np.array([1.0, 2.0, 1.0, 1.0]), 3) == (0, 1, 2)


def test_the_typical_selection_keeps_what_stands_in_for_each_other_and_a_vote_loses_it():
    """Each of four keeps one joint of 0-3, no two the same, and three of the joints 10-13."""
    sets = [(0, 10, 11, 12), (1, 10, 11, 13), (2, 10, 11, 12), (3, 10, 12, 13)]
    assert typical(sets) == (0, 10, 11, 12)  # shares 3 + 2 + 2 + 4; the third as many, later
    assert typical(reversed(sets)) == (2, 10, 11, 12)
    assert voted(sets, 4) == (10, 11, 12, 13)
    assert voted([(5, 7), (7, 9)], 2) == (5, 7)  # equal counts: the lower index


def test_one_set_serves_all_seeds_of_a_fold_and_no_other_fold():
    chosen = {(0, 0): (1, 2), (1, 0): (5, 6), (0, 1): (2, 3), (1, 1): (6, 7), (0, 2): (2, 4)}
    found = one_per_fold(chosen, lambda sets: voted(sets, 1))
    assert found == {(0, 0): (2,), (1, 0): (6,), (0, 1): (2,), (1, 1): (6,), (0, 2): (2,)}


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


def names_of(method, data, train_clips, k, *rest) -> set[str]:
    kept = top_joints(rank_joints(method, data, train_clips, 0, k, *rest), k)
    return {data.joints[j] for j in kept}


def test_anatomy_orders_every_joint_of_a_hand_once():
    assert sorted(ANATOMY) == sorted(JOINTS)


def test_anatomy_takes_both_hands_tips_then_the_wrists(toy_dataset, train_clips):
    tips = {f"{hand}.{f}_tip" for hand in ("left", "right") for f in FINGERS}
    assert names_of("anatomical", toy_dataset, train_clips, 10) == tips
    wrists = {"left.wrist", "right.wrist"}
    assert names_of("anatomical", toy_dataset, train_clips, 12) == tips | wrists
    assert names_of("anatomical", toy_dataset, train_clips, 1) == {"right.index_tip"}


def test_right_hand_anatomy_takes_the_whole_right_hand_first(toy_dataset, train_clips):
    right = {f"right.{joint}" for joint in JOINTS}
    assert names_of("right-hand-anatomy", toy_dataset, train_clips, 21) == right
    five = names_of("right-hand-anatomy", toy_dataset, train_clips, 5)
    assert five == {f"right.{f}_tip" for f in FINGERS}


def test_knuckles_are_where_the_fingers_begin(toy_dataset, train_clips):
    begin = {
        f"{h}.{j}" for h in ("left", "right") for j in ("wrist", *(f"{f}_mcp" for f in FINGERS))
    }
    assert names_of("knuckles", toy_dataset, train_clips, 12) == begin


def test_the_signing_hands_gates_never_take_the_other_hand(toy_dataset, train_clips, workspace):
    names = names_of("signing-hand", toy_dataset, train_clips, 6, TINY, workspace)
    assert len(names) == 6 and all(name.startswith("right.") for name in names)


def test_tied_gates_keep_pairs(toy_dataset, train_clips, workspace):
    names = names_of("hard-concrete-tied", toy_dataset, train_clips, 12, TINY, workspace)
    short = {name.split(".")[1] for name in names}
    assert names == {f"{hand}.{joint}" for hand in ("left", "right") for joint in short}


def test_a_cascades_smaller_selections_lie_inside_its_larger_ones(
    toy_dataset, train_clips, workspace
):
    scores = rank_joints("hard-concrete-cascade", toy_dataset, train_clips, 0, 6, TINY, workspace)
    six, twelve, half = (set(top_joints(scores, k)) for k in (6, 12, 21))
    assert six < twelve < half
    first = rank_joints("hard-concrete-budget", toy_dataset, train_clips, 0, 21, TINY, workspace)
    assert half == set(top_joints(first, 21))


def test_a_reader_can_pass_a_function_of_their_own(toy_dataset, train_clips, workspace):
    def by_movement(data, clips, seed, k, config, workspace):
        return np.asarray(data.poses)[clips].std((0, 1, 3))

    scores = rank_joints(by_movement, toy_dataset, train_clips, 0, workspace=workspace)
    np.testing.assert_array_equal(scores, np.asarray(toy_dataset.poses)[train_clips].std((0, 1, 3)))


@pytest.mark.parametrize(
    "answer",
    [np.full(42, np.nan), np.ones(41), np.ones((42, 2)), None, {"left.wrist": 1}, list("abc")],
)
def test_what_is_no_score_for_each_joint_is_refused(answer, toy_dataset, train_clips):
    """Joints would be chosen by it all the same: by their index."""
    with pytest.raises(ValueError, match="expected 42 finite scores of the method, one a joint"):
        rank_joints(lambda *_: answer, toy_dataset, train_clips, 0)


def test_without_a_budget_a_quarter_of_the_joints_is_ranked_for(
    toy_dataset, train_clips, workspace
):
    for method in ("hard-concrete-budget", "hand-matched-random"):
        scores = rank_joints(method, toy_dataset, train_clips, 0, None, TINY, workspace)
        assert scores.shape == (42,)


def test_a_ranking_is_made_once_and_for_each_k_only_where_k_matters(
    toy_dataset, train_clips, workspace, monkeypatch
):
    made = []

    def counted(data, clips, seed, k, config, workspace):
        made.append(k)
        return np.arange(42.0)

    monkeypatch.setitem(LEARNED, "greedy", counted)
    monkeypatch.setitem(LEARNED, "concrete", counted)
    assert "concrete" in FOR_ONE_K and "greedy" not in FOR_ONE_K
    for method in ("greedy", "concrete"):
        for k in (4, 8, 4):
            rank_joints(method, toy_dataset, train_clips, 0, k, TINY, workspace)
    assert made == [None, 4, 8]


def test_ranking_many_is_ranking_each(toy_dataset, workspace):
    folds = toy_dataset.folds(3, seed=0)
    found = rank_many("stratified-random", 12, toy_dataset, folds, (0, 1), TINY, workspace)
    assert list(found) == [(fold, seed) for fold in range(3) for seed in (0, 1)]
    for (fold, seed), scores in found.items():
        alone = rank_joints("stratified-random", toy_dataset, folds[fold][0], seed)
        np.testing.assert_array_equal(scores, alone)


def test_workers_are_asked_only_for_what_is_not_kept(toy_dataset, workspace, monkeypatch):
    folds, asked = toy_dataset.folds(3, seed=0), []

    def one_by_one(function, jobs, description, done=0):
        asked.append((len(jobs), done))
        return [function(*job) for job in jobs]

    def backwards(*_):
        return -np.arange(42.0)

    monkeypatch.setattr(selection, "on_every_core", one_by_one)
    monkeypatch.setitem(LEARNED, "greedy", backwards)
    for method in ("anatomical", "greedy", "greedy", backwards, backwards):
        rank_many(method, 4, toy_dataset, folds, (0,), TINY, workspace)
    next((workspace.runs / "rankings").iterdir()).unlink()
    found = rank_many("greedy", 8, toy_dataset, folds, (0,), TINY, workspace)
    assert asked == [(3, 0), (3, 0), (3, 0), (1, 2)]
    assert all(scores.tolist() == backwards().tolist() for scores in found.values())


@pytest.mark.parametrize("k", [5, 12])
def test_a_hand_matched_draw_has_the_learned_selections_count_on_each_hand(
    toy_dataset, train_clips, workspace, k
):
    """Two of three groups sign with the right hand alone; the learned sets need not balance."""

    def kept(method):
        arguments = (method, toy_dataset, train_clips, 0, k, TINY, workspace)
        return list(top_joints(rank_joints(*arguments), k))

    learned, drawn = kept("hard-concrete-budget"), kept("hand-matched-random")
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
    arguments = (train_clips, 0, 12, TINY)
    scores = rank_joints(method, toy_dataset, *arguments, workspace)
    assert scores.shape == (42,)
    np.testing.assert_array_equal(scores, rank_joints(method, poisoned, *arguments, elsewhere))
    assert np.isfinite(scores).all()


@pytest.mark.parametrize("seed", range(3))
def test_the_learned_selection_is_what_its_own_run_kept_open(
    toy_dataset, train_clips, workspace, seed
):
    """The run of the ranking is the one that is tested without retraining: trained once."""
    test = np.setdiff1d(np.arange(len(toy_dataset)), train_clips)
    settings = replace(TINY, mask="hard-concrete", budget=12)
    run = make_run(toy_dataset, train_clips, test, seed, settings)
    method = "hard-concrete-budget"
    scores = rank_joints(method, toy_dataset, train_clips, seed, 12, TINY, workspace)
    kept = trained_model(run, toy_dataset, workspace).joint_pruning.kept_joints()
    assert top_joints(scores, 12) == tuple(kept)


@pytest.mark.parametrize("k", [0, -1, 43])
def test_more_joints_than_there_are_or_none_are_refused(k):
    with pytest.raises(ValueError, match=f"expected 1 to 42 joints to keep, got {k}"):
        top_joints(np.zeros(42), k)


def test_an_unknown_method_is_refused(toy_dataset):
    with pytest.raises(ValueError, match=r"expected a method out of \['anatomy'.*got 'oracle'"):
        rank_joints("oracle", toy_dataset, [0, 1], 0)


def test_retraining_reads_the_selected_joints_alone_in_every_fold_and_seed(toy_dataset, workspace):
    folds = toy_dataset.folds(3, seed=0)
    chosen = select_many("anatomical", 10, toy_dataset, folds, (0, 1), TINY, workspace)
    trials = retraining_trials("fingertips", chosen, toy_dataset, folds, TINY)
    assert [(t.fold, t.run.seed) for t in trials] == [(f, s) for f in range(3) for s in (0, 1)]
    for trial in trials:
        train, test = folds[trial.fold]
        assert trial.run.train == tuple(train) and trial.run.test == tuple(test)
        assert (trial.method, trial.k, trial.run.config.num_pose_points) == ("fingertips", 10, 10)
        assert all(name.endswith("_tip") for name in trial.run.config.joints)
        assert trial.run.config.mask == "open"
