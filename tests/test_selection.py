"""The table of methods and their rankings: balanced draws, orders, training clips only."""

from collections import Counter
from dataclasses import replace
from itertools import product

import numpy as np
import pytest
import torch

from jointprune import training
from jointprune.agreement import stability_table
from jointprune.config import TrainingConfig
from jointprune.prediction import trained_model
from jointprune.runs import make_run
from jointprune.selection import (
    METHODS,
    Method,
    curve_methods,
    method_of,
    rank_joints,
    ranking,
    retraining_plan,
    retraining_trials,
    select_all,
    select_many,
    top_joints,
    typical,
)
from jointprune.selection.baselines import ANATOMY
from jointprune.skeleton import (
    FINGERS,
    GROUP_OF,
    JOINT_NAMES,
    JOINTS,
    LEVEL_OF,
    SHORT_NAME,
    hand_index,
)
from jointprune.workspace import Workspace

TINY = TrainingConfig(hidden=16, frames=4, epochs=2, batch_size=8, gate_learning_rate=0.5)
HAND = hand_index(JOINT_NAMES)
TIPS = {f"{hand}.{finger}_tip" for hand in ("left", "right") for finger in FINGERS}
# `top_selection_summary.json` of github hatch5o6/asl_classification at 635aba6: of its 543
# landmarks 501 to 521 are the left hand and 522 to 542 the right; GSL's 482 is an elbow.
PUBLISHED_INDICES = {
    "autsl": (501, 502, 503, 504, 505, 508, 509, 513, 517, 521),
    "asl-citizen": (505, 509, 522, 525, 526, 530, 534, 538, 540, 542),
    "gsl": (522, 525, 526, 529, 530, 534, 538, 540, 542),
    "multilingual": (509, 513, 522, 526, 529, 530, 534, 538, 540, 542),
}
RANKING = [name for name, method in METHODS.items() if method.rank]

pytestmark = pytest.mark.usefixtures("alone")


@pytest.fixture
def train_clips(toy_dataset) -> np.ndarray:
    return toy_dataset.folds(3, seed=0)[0][0]


def mapped(name: str) -> set[str]:
    """A published selection by name; AUTSL's lies on the left hand, which leads there."""
    moved = 21 if name == "autsl" else 0
    return {JOINT_NAMES[landmark - 501 + moved] for landmark in PUBLISHED_INDICES[name]}


def by_movement(data, train_clips, seed, *_):
    return np.asarray(data.poses)[train_clips].std((0, 1, 3)) + seed


def test_the_table_holds_each_method_once_and_its_settings_are_those_of_training():
    assert all(name == method.name for name, method in METHODS.items())
    labels = [method.label for method in METHODS.values()]
    assert len(set(labels)) == len(labels)
    for method in METHODS.values():
        replace(TINY, **method.settings)  # refuses unknown settings
        assert (method.rank is None) == (method.name == "full" or method.merged_over is not None)
        assert "12" in method.joints(12)
    assert method_of("hard-concrete") is METHODS["learned"]  # another name of it


def test_a_method_added_in_one_place_is_ranked_planned_and_selected(
    toy_dataset, workspace, monkeypatch
):
    row = Method("movement", "most movement", "our own", by_movement, trains=False, budgets=(4, 8))
    monkeypatch.setitem(METHODS, "movement", row)
    folds = toy_dataset.folds(3, seed=0)
    expected = by_movement(toy_dataset, folds[0][0], 0)
    for method in ("movement", by_movement):  # a reader's own function needs no row
        scores = rank_joints(method, toy_dataset, folds[0][0], 0, workspace=workspace)
        np.testing.assert_array_equal(scores, expected)

    plan = retraining_plan([2, 12], seeds=5)
    mine, greedy = ([e for e in plan if e[0] == name] for name in ("movement", "greedy"))
    assert mine == [("movement", 4, 5), ("movement", 8, 5)]
    assert greedy == [("greedy", 2, 5), ("greedy", 12, 5)]  # a method of the curve
    few = retraining_plan([1, 12], 3, {"one-set": [21], "movement": [6]})  # a profile's budgets
    assert [entry for entry in few if entry[0] not in curve_methods()] == [
        ("movement", 6, 3), ("one-set", 21, 3)
    ]  # fmt: skip
    assert {k for name, k, _ in few if name in curve_methods()} == {1, 12}
    merged = [(name, k, 5) for name in ("typical", "one-set") for k in (12, 21)]
    assert plan[-4:] == merged  # from others
    chosen = select_all(mine, toy_dataset, folds, TINY, workspace)
    assert chosen["movement", 4][0, 0] == top_joints(expected, 4)
    assert [row["k"] for row in stability_table(chosen, JOINT_NAMES)] == [4, 8]


def test_typical_serves_all_seeds_of_a_fold_and_one_set_all_folds(
    toy_dataset, workspace, monkeypatch
):
    """Joint 30 + fold in each fold, except that the last agrees with the second; 20 or 21."""
    folds = toy_dataset.folds(3, 0)

    def own(data, train_clips, seed, *_):
        (fold,) = (i for i, (train, _) in enumerate(folds) if set(train) == set(train_clips))
        scores = np.zeros(42)
        scores[[30 + min(fold, 1), 20 + seed % 2]] = 2, 1
        return scores

    monkeypatch.setitem(METHODS, "learned", replace(METHODS["learned"], rank=own, trains=False))
    plan = [("learned", 2, 3), ("one-set", 2, 3), ("typical", 2, 3)]
    chosen = select_all(plan, toy_dataset, folds, TINY, workspace)
    assert set(chosen["one-set", 2]) == set(chosen["learned", 2])
    for (fold, seed), kept in chosen["typical", 2].items():
        assert kept == (20, 30 + min(fold, 1))  # of seeds 0, 1, 2 two agree
        assert chosen["one-set", 2][fold, seed] == (20, 31)


def test_the_typical_selection_keeps_one_of_joints_that_replace_each_other():
    """Each of four keeps one joint of 0-3, no two the same, and three of the joints 10-13."""
    sets = [(0, 10, 11, 12), (1, 10, 11, 13), (2, 10, 11, 12), (3, 10, 12, 13)]
    assert typical(sets) == (0, 10, 11, 12)  # shares 3 + 2 + 2 + 4; the third as many, later
    assert typical(reversed(sets)) == (2, 10, 11, 12)


@pytest.mark.parametrize("k", [8, 25])
def test_stratified_draws_are_balanced_over_hands_and_finger_levels(toy_dataset, train_clips, k):
    for seed in range(5):
        scores = rank_joints("stratified-random", toy_dataset, train_clips, seed)
        kept = list(top_joints(scores, k))
        assert np.ptp(np.bincount(HAND[kept], minlength=2)) == k % 2
        level = np.array([LEVEL_OF[JOINT_NAMES[j]] for j in kept])
        # A level has both hands, so in a draw of whole rounds it may lead by one on each.
        assert np.ptp(np.bincount(level, minlength=4)) <= 2
        for h in (0, 1):
            assert np.ptp(np.bincount(level[HAND[kept] == h], minlength=4)) <= 1


@pytest.mark.parametrize("method", ["random", "stratified-random"])
def test_draws_differ_over_seeds_and_folds_and_repeat_for_the_same(toy_dataset, method):
    draws = set()
    for train, _ in toy_dataset.folds(3, seed=0):
        for seed in range(5):
            scores = rank_joints(method, toy_dataset, train, seed)
            np.testing.assert_array_equal(
                rank_joints(method, toy_dataset, train[::-1], seed), scores
            )
            draws.add(top_joints(scores, 12))
    assert len(draws) == 15


def test_variance_is_that_of_all_frames_however_many_clips_are_read(toy_dataset, monkeypatch):
    monkeypatch.setattr("jointprune.selection.baselines.READ_AT_ONCE", 5)
    one_handed = np.flatnonzero(toy_dataset.groups != "both")
    for clips in (np.arange(len(toy_dataset)), one_handed):
        scores = rank_joints("variance", toy_dataset, clips, seed=0)
        for mine in (HAND == 0, HAND == 1):
            seen = toy_dataset.present[clips][:, :, mine].all(-1)
            hand = toy_dataset.poses[clips][:, :, mine][seen].astype(float)
            about = hand - hand.mean(1, keepdims=True)
            expected = about.var(0).sum(-1) if seen.any() else np.zeros(21)
            np.testing.assert_allclose(scores[mine], expected, rtol=1e-9)


def test_orders_and_gates_choose_only_their_joints_hand_or_pairs(
    toy_dataset, train_clips, workspace
):
    def chosen(method, k):
        scores = rank_joints(method, toy_dataset, train_clips, 0, k, TINY, workspace)
        return {JOINT_NAMES[j] for j in top_joints(scores, k)}

    right = {f"right.{joint}" for joint in JOINTS}
    assert sorted(ANATOMY) == sorted(JOINTS)
    assert chosen("anatomical", 12) == TIPS | {"left.wrist", "right.wrist"}
    assert chosen("anatomical", 10) == TIPS
    assert chosen("anatomical", 1) == {"right.index_tip"}
    assert chosen("anatomical-signing-hand", 21) == right
    assert chosen("anatomical-signing-hand", 5) == TIPS & right
    for name, joints in PUBLISHED_INDICES.items():
        assert chosen(f"published-{name}", len(joints)) == mapped(name)
    assert chosen("signing-hand", 6) < right
    tied = chosen("tied", 12)
    assert tied == {f"{h}.{SHORT_NAME[name]}" for h in ("left", "right") for name in tied}
    for k in (4, 5, 8, 12):
        fingers = Counter(GROUP_OF["finger"][name] for name in chosen("finger", k))
        assert all(n == (1 if "wrist" in group else 4) for group, n in fingers.items())
        assert fingers.total() == k


@pytest.mark.parametrize(("method", "k"), [("learned", 12), ("finger", 8)])
def test_the_joints_chosen_from_gates_are_those_that_the_methods_own_run_kept(
    toy_dataset, train_clips, workspace, monkeypatch, method, k
):
    """Also where a wrist has the highest logit, which whole fingers of 8 joints leave out.

    The ranking's run is also evaluated without retraining, so it is trained only once.
    """
    finalise = training.finalise

    def raise_the_wrist(model, *rest):
        model.joint_pruning.joint_logits.data[0] = 99.0  # of joint 0, the left wrist
        finalise(model, *rest)

    if method == "finger":
        monkeypatch.setattr(training, "finalise", raise_the_wrist)
    test = np.setdiff1d(np.arange(len(toy_dataset)), train_clips)
    settings = replace(TINY, **METHODS[method].settings, budget=k)
    run = make_run(toy_dataset, train_clips, test, 1, settings)
    scores = rank_joints(method, toy_dataset, train_clips, 1, k, TINY, workspace)
    layer = trained_model(run, toy_dataset, workspace).joint_pruning
    assert top_joints(scores, k) == tuple(layer.kept_joints())
    assert method == "learned" or (
        layer.joint_logits.argmax() == 0 and 0 not in layer.kept_joints()
    )


def test_a_hand_matched_draw_has_the_learned_selections_count_on_each_hand(
    toy_dataset, train_clips, workspace
):
    """Two of three groups sign with the right hand alone; the learned sets need not balance."""
    learned, drawn = (
        list(top_joints(rank_joints(name, toy_dataset, train_clips, 0, 5, TINY, workspace), 5))
        for name in ("learned", "hand-matched-random")
    )
    assert np.array_equal(*(np.bincount(HAND[kept], minlength=2) for kept in (drawn, learned)))
    assert drawn != learned


@pytest.mark.parametrize("method", RANKING)
def test_no_method_reads_a_test_clip(toy_dataset, train_clips, workspace, tmp_path, method):
    """With NaN in all clips that are not for training, the scores are the same."""
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


def test_unknown_methods_and_wrong_scores_are_refused(toy_dataset):
    """Such answers would otherwise choose joints by their index, without an error."""
    for answer in (np.full(42, np.nan), np.ones(41), None, list("abc")):
        with pytest.raises(ValueError, match="expected 42 finite scores, one per joint"):
            rank_joints(lambda *_, answer=answer: answer, toy_dataset, [0, 1], 0)
    needs_gradient = torch.ones(42, requires_grad=True)
    with pytest.raises(ValueError, match="expected 42 finite scores, one per joint"):
        rank_joints(lambda *_: needs_gradient, toy_dataset, [0, 1], 0)
    with pytest.raises(ValueError, match=r"got 'oracle': choose one of \['anatomical'"):
        rank_joints("oracle", toy_dataset, [0, 1], 0)
    with pytest.raises(ValueError, match=r"expected a method, got Method\(name='variance'"):
        rank_joints(METHODS["variance"], toy_dataset, [0, 1], 0)
    for data in ("synthetic", np.zeros((9, 4, 42, 2))):
        with pytest.raises(
            ValueError, match=r"expected a data set, got .*JointSelector for arrays"
        ):
            rank_joints("variance", data, [0, 1], 0)
    with pytest.raises(ValueError, match="expected a TrainingConfig as config, got dict"):
        rank_joints("learned", toy_dataset, [0, 1], 0, config={"epochs": 1})
    with pytest.raises(ValueError, match="expected a method that ranks joints, got 'typical'"):
        rank_joints("typical", toy_dataset, [0, 1], 0)


def test_only_missing_rankings_are_made_and_one_for_each_k_only_where_k_matters(
    toy_dataset, workspace, monkeypatch
):
    made, jobs_made = [], []

    def backwards(data, clips, seed, k, config, workspace):
        made.append((k, config.mask))
        return -np.arange(42.0)

    def one_by_one(function, jobs, description, done=0):
        if jobs:
            jobs_made.append((len(jobs), done))
        return [function(*job) for job in jobs]

    where = (toy_dataset, toy_dataset.folds(3, seed=0), (0,), TINY, workspace)
    monkeypatch.setattr(ranking, "on_every_core", one_by_one)
    for name in ("greedy", "concrete"):
        monkeypatch.setitem(METHODS, name, replace(METHODS[name], rank=backwards))
        for k in (4, 8, 4):
            found = select_many(name, k, *where)
            assert found == {(fold, 0): tuple(range(k)) for fold in range(3)}
    assert made[::3] == [(None, "any-subset"), (4, "concrete"), (8, "concrete")]
    cut, flipped, gone = sorted((workspace.runs / "rankings").iterdir())[:3]
    cut.write_bytes(cut.read_bytes()[:-9])
    content = bytearray(flipped.read_bytes())
    content[content.index(b"<f8") + 200] ^= 1  # in a score
    flipped.write_bytes(content)
    gone.unlink()
    for name, k in product(("greedy", "concrete"), (4, 8)):
        select_many(name, k, *where)
    assert sum(jobs for jobs, _ in jobs_made[3:]) == 3 and len(made) == 12
    for name, k in product(("greedy", "concrete"), (4, 8)):
        assert select_many(name, k, *where) == {(fold, 0): tuple(range(k)) for fold in range(3)}
    assert len(made) == 12


def test_a_changed_row_is_not_served_its_old_ranking(toy_dataset, workspace, monkeypatch):
    def by_width(data, clips, seed, k, config, workspace):
        return np.full(42, float(config.hidden))

    arguments = (toy_dataset, toy_dataset.folds(3, seed=0)[0][0], 0, 12, TINY, workspace)
    found = []
    for width in (16, 32, 16):
        changed = replace(METHODS["greedy"], rank=by_width, settings={"hidden": width})
        monkeypatch.setitem(METHODS, "greedy", changed)
        found.append(rank_joints("greedy", *arguments)[0])
    assert found == [16, 32, 16]
    assert len(list((workspace.runs / "rankings").iterdir())) == 2


def test_retraining_reads_the_selected_joints_alone_in_every_fold_and_seed(toy_dataset, workspace):
    folds = toy_dataset.folds(3, seed=0)
    chosen = select_many("anatomical", 10, toy_dataset, folds, (0, 1), TINY, workspace)
    trials = retraining_trials({("fingertips", 10): chosen}, toy_dataset, folds, TINY)
    assert [(t.fold, t.run.seed) for t in trials] == [(f, s) for f in range(3) for s in (0, 1)]
    for trial in trials:
        assert (trial.run.train, trial.run.test) == tuple(map(tuple, folds[trial.fold]))
        assert (trial.method, trial.k, trial.run.config.mask) == ("fingertips", 10, "open")
        assert set(trial.run.config.joints) == TIPS
