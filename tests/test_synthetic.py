"""Synthetic truth: the informative joints tell the signs apart, each is needed, no other helps."""

import json

import numpy as np
import pytest
import torch

from jointprune.data import load_dataset
from jointprune.importing import hand_motion
from jointprune.paper import synthetic as synthetic
from jointprune.paper.synthetic import SyntheticParameters, generate
from jointprune.preprocessing import EVALUATION_CROP, normalise, resample
from jointprune.skeleton import BONES, JOINT_NAMES, JOINTS, hand_index
from jointprune.workspace import Workspace

SMALL = {"signs": 16, "signers": 4, "frames": (10, 14)}


@pytest.fixture(scope="module")
def recorded(tmp_path_factory):
    return load_dataset("synthetic", Workspace(str(tmp_path_factory.mktemp("synthetic"))))


@pytest.fixture
def workspace(tmp_path):
    return Workspace(str(tmp_path))


def features(data, joints, seen=None, frames=8) -> np.ndarray:
    """Frames of the joints, centred and scaled by the joints `seen`: (clips, features)."""
    window = np.tile([EVALUATION_CROP, 1 - EVALUATION_CROP], (len(data), 1))
    poses, present = resample(data.poses, data.present, data.lengths, window, frames)
    seen = joints if seen is None else seen
    hand = torch.eye(2)[torch.as_tensor(hand_index(data.joints))][seen]
    shape = normalise(poses[:, :, seen], present[:, :, seen].float(), hand)[..., : 2 * len(seen)]
    shape = shape.view(len(data), frames, len(seen), 2)
    return shape[:, :, np.isin(seen, joints)].flatten(1).numpy()


def accuracy(data, joints, seen=None) -> float:
    """A linear probe's accuracy on signers it did not see, over 4 folds: ridge regression."""
    values, correct = features(data, joints, seen).astype(np.float64), []
    values = (values - values.mean(0)) / values.std(0)
    kernel, target = values @ values.T, np.eye(len(data.classes))[data.labels]
    for train, test in data.folds(4, 0):
        weights = kernel[np.ix_(train, train)] + values.shape[1] * np.eye(len(train))
        scores = kernel[np.ix_(test, train)] @ np.linalg.solve(weights, target[train])
        correct.extend(scores.argmax(1) == data.labels[test])
    return np.mean(correct)


def chance(data) -> tuple[float, float]:
    """Accuracy of guessing, and its standard error."""
    share = 1 / len(data.classes)
    return share, np.sqrt(share * (1 - share) / len(data))


def test_the_informative_joints_tell_the_signs_apart_and_the_others_do_not(recorded):
    informative, others = (
        np.flatnonzero(recorded.informative),
        np.flatnonzero(~recorded.informative),
    )
    guess, error = chance(recorded)
    assert accuracy(recorded, informative) > 10 * guess
    assert abs(accuracy(recorded, others) - guess) < 2.5 * error


def test_a_mean_over_all_joints_hands_on_little_of_the_informative_ones(recorded):
    """Centred on all joints, the others show the informative joints' sum, as the sum of all is 0.

    That is open only to those who let the informative joints into the mean: see above.
    """
    informative, others = (
        np.flatnonzero(recorded.informative),
        np.flatnonzero(~recorded.informative),
    )
    leaked = accuracy(recorded, others, seen=np.arange(42))
    assert leaked < accuracy(recorded, informative) / 3


def test_no_informative_joint_can_be_spared(recorded):
    informative = np.flatnonzero(recorded.informative)
    full = accuracy(recorded, informative)
    without = [accuracy(recorded, np.setdiff1d(informative, [j])) for j in informative]
    assert len(without) == 8 and max(without) < full - 0.02


def test_ranking_by_variance_finds_no_more_than_a_draw_would(tmp_path):
    found = []
    for seed in range(6):
        data = generate(
            SyntheticParameters(**{**SMALL, "signers": 8}, seed=seed), tmp_path / str(seed)
        )
        values = features(data, np.arange(42)).reshape(len(data), -1, 42, 2)
        for variance in (values.var((0, 1)), values.var(1).mean(0)):
            found.append(data.informative[np.argsort(-variance.sum(-1))[:8]].mean())
    assert abs(np.mean(found) - 8 / 42) < 0.1


def test_a_decoy_swivels_at_least_as_far_as_an_informative_joint():
    ways = np.tile(np.where(np.arange(42) == JOINT_NAMES.index("left.index_pip"), 0, -1), (500, 1))
    moment = np.tile(np.linspace(0, 1, 20), (500, 1))
    for difficulty in (0, 0.5, 1):
        p = SyntheticParameters(difficulty=difficulty)
        angle = synthetic._swivels(p, moment, ways, np.random.default_rng(0)).reshape(500, 20, 40)
        swivels = (angle != 0).any(1)
        size = np.sqrt(((angle**2).mean(1) * swivels).sum(0) / swivels.sum(0).clip(1))
        assert sorted(np.flatnonzero(size == 0)) == [4, 6]  # the informative joint's neighbours
        assert np.delete(size, [4, 5, 6]).min() > size[5] > 0


def swivel_angles(way: int) -> np.ndarray:
    """Degrees (clips, frames, 2, 5, 4) where one joint follows the sign and decoys another draw."""
    ways = np.full((64, 42), -1)
    ways[:, JOINT_NAMES.index("left.index_pip")] = way
    moment = np.tile(np.linspace(0, 1, 20), (64, 1))
    return synthetic._swivels(SyntheticParameters(), moment, ways, np.random.default_rng(0))


def test_the_sign_moves_its_joints_and_leaves_every_other_bit_as_it_was():
    """All else drawn alike, two signs that differ in one joint differ in that joint alone."""
    rngs = [np.random.default_rng(3) for _ in range(2)]
    angles = [swivel_angles(way) for way in (0, 1)]
    moment = np.tile(np.linspace(0, 1, 20), (64, 1))
    signers = hand_motion.Signers.draw(64, np.random.default_rng(1))
    hands = [
        hand_motion.moving_hands(signers, moment, angle, rng)
        for angle, rng in zip(angles, rngs, strict=True)
    ]
    differs = (hands[0] != hands[1]).any(axis=(0, 1, 4)).reshape(-1)
    assert np.array(JOINT_NAMES)[differs].tolist() == ["left.index_pip"]


def test_bones_keep_their_length_through_all_motion():
    signers = hand_motion.Signers.draw(64, np.random.default_rng(1))
    moment = np.tile(np.linspace(0, 1, 20), (64, 1))
    hands = hand_motion.moving_hands(signers, moment, swivel_angles(0), np.random.default_rng(2))
    child, parent = np.array(BONES).T
    length = np.linalg.norm(hands[..., child, :] - hands[..., parent, :], axis=-1)
    assert np.allclose(length, signers.bones.reshape(64, 1, 2, 20), atol=1e-12)


def test_a_swivel_turns_a_joint_about_its_neighbours_line_as_worked_by_hand():
    hand = np.zeros((21, 3))
    hand[1:5] = [[0, 1, 0], [1, 1, 0], [1, 2, 0], [2, 2, 0]]  # a staircase in the plane
    hand[5:] = np.random.default_rng(0).normal(size=(16, 3))
    angle = np.zeros((5, 4))
    angle[0, [0, 3]] = 180, 90
    moved = hand_motion.swivelled(hand, angle)
    assert np.allclose(moved[1], [1, 0, 0])  # the wrist-to-mcp diagonal's other side
    assert np.allclose(moved[4], [1, 2, -1])  # about the vertical bone below it
    assert np.allclose(np.delete(moved, [1, 4], axis=0), np.delete(hand, [1, 4], axis=0))


@pytest.mark.parametrize(
    ("signs", "joints"), [(16, 8), (64, 8), (12, 6), (16, 6), (13, 6), (43, 20)]
)
def test_no_two_signs_are_alike_and_every_joint_alone_tells_some_pair_apart(signs, joints):
    codes = synthetic.sign_codes(signs, joints, np.random.default_rng(signs))
    assert codes.shape == (signs, joints) and len(np.unique(codes, axis=0)) == signs
    for joint in range(joints):
        assert len(np.unique(np.delete(codes, joint, axis=1), axis=0)) < signs
    family = codes[:4]
    assert (family != family[0]).any(0).tolist() == [True, True] + [False] * (joints - 2)


@pytest.mark.parametrize("seed", range(20))
def test_drawn_joints_are_spread_over_hands_fingers_and_levels(seed):
    drawn = synthetic.informative_joints(8, np.random.default_rng(seed))
    hand, within = np.divmod(drawn, len(JOINTS))
    finger, level = np.divmod(within - 1, 4)
    assert within.min() > 0 and np.bincount(hand).tolist() == [4, 4]
    assert len(set(zip(hand, finger, strict=True))) == 8 and len(set(level)) >= 3


def test_as_many_joints_as_fit_are_no_neighbours():
    drawn = synthetic.informative_joints(20, np.random.default_rng(0))
    names = tuple(JOINT_NAMES[j] for j in drawn)
    assert (
        len(names) == 20 and SyntheticParameters(signs=40, informative=names).informative == names
    )


def test_the_same_parameters_give_the_same_store_and_a_seed_another(workspace, tmp_path):
    first = generate(SyntheticParameters(**SMALL), tmp_path / "a")
    assert generate(SyntheticParameters(**SMALL), tmp_path / "b").sha256 == first.sha256
    assert generate(SyntheticParameters(**SMALL, seed=1), tmp_path / "c").sha256 != first.sha256


def test_the_store_tells_its_truth_its_parameters_and_its_groups(workspace):
    names = ("left.index_tip", "left.ring_mcp", "left.pinky_pip")
    names += ("right.thumb_ip", "right.index_dip", "right.pinky_pip")
    data = load_dataset("synthetic", workspace, signs=12, signers=3, clips=2, informative=names)
    assert tuple(np.array(data.joints)[data.informative]) == names
    assert data.meta["generator"]["informative"] == list(names)
    assert len(data) == 72 and np.bincount(data.labels).tolist() == [6] * 12
    assert np.array_equal(data.groups, data.signers) and len(set(data.signers)) == 3


def test_clips_have_their_lengths_and_the_left_hand_is_away_as_often_as_asked(tmp_path):
    data = generate(SyntheticParameters(clips=2, missing=0.3), tmp_path / "p")
    assert 16 <= data.lengths.min() < data.lengths.max() <= 40
    presence = data.hand_presence()
    assert abs(1 - presence["left"].mean() - 0.3) < 0.03 and (presence["right"] == 1).all()
    whole = generate(SyntheticParameters(**SMALL, missing=0), tmp_path / "q").hand_presence()
    assert (whole == 1).all(axis=None)


def test_every_chunk_is_filled_and_drawn_anew(tmp_path, monkeypatch):
    monkeypatch.setattr(synthetic, "CHUNK", 32)
    data = generate(SyntheticParameters(**{**SMALL, "signers": 5}, clips=1), tmp_path / "a")
    assert len(data) == 80 and data.present[:, 0, 21:].all()
    assert len(np.unique(data.poses[:, 0, 21], axis=0)) == 80


def test_a_store_is_made_once_and_again_when_its_generator_differs(workspace, monkeypatch):
    first = load_dataset("synthetic", workspace, **SMALL)
    made = (
        (workspace.processed / SyntheticParameters(**SMALL).name / "poses.npy").stat().st_mtime_ns
    )
    load_dataset("synthetic", workspace, **SMALL)
    path = workspace.processed / SyntheticParameters(**SMALL).name
    assert (path / "poses.npy").stat().st_mtime_ns == made
    meta = json.loads((path / "meta.json").read_text())
    meta["generator"]["version"] = 0
    (path / "meta.json").write_text(json.dumps(meta))
    assert load_dataset("synthetic", workspace, **SMALL).sha256 == first.sha256
    assert (path / "poses.npy").stat().st_mtime_ns > made
    assert SyntheticParameters().name == "synthetic" != SyntheticParameters(**SMALL).name


@pytest.mark.parametrize(
    ("parameters", "message"),
    [
        ({"difficulty": 1.1}, "a difficulty of 0 to 1"),
        ({"missing": 0.6}, "a missing share of 0 to 0.5"),
        ({"signs": 15}, "16 to 64 signs"),
        ({"informative": 5}, "6 to 20 informative joints"),
        ({"signers": 0}, "1 signer and 1 clip or more"),
        ({"frames": (9, 8)}, "frames as"),
        ({"seed": -1}, "a seed of 0 or more"),
        ({"informative": ("left.wrist",) * 4}, "no wrist, got .*left.wrist"),
        ({"informative": ("left.index_tip", "left.index_dip")}, "left.index_dip' beside its"),
    ],
)
def test_parameters_that_cannot_be_are_refused(workspace, parameters, message):
    with pytest.raises(ValueError, match=message):
        load_dataset("synthetic", workspace, **parameters)


def test_other_names_open_their_store_and_take_no_parameters(toy_dataset, tmp_path):
    assert load_dataset(tmp_path / "toy").sha256 == toy_dataset.sha256
    with pytest.raises(ValueError, match=r"no parameters for 'fingerspelling', got .'seed'"):
        load_dataset("fingerspelling", seed=1)
