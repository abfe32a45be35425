"""Synthetic data: the informative joints alone tell the signs apart, and each of them is needed."""

import json

import numpy as np
import pytest
import torch

from jointprune import data as command
from jointprune.data import load_dataset
from jointprune.paper import synthetic
from jointprune.paper.synthetic import AUTSL, SIGNS, SyntheticParameters, autsl_like, generate
from jointprune.paper.synthetic_hands import Signers, moving_hands, swivel_joints
from jointprune.preprocessing import EVALUATION_CROP, normalise, resample
from jointprune.skeleton import BONES, JOINT_NAMES, JOINTS, hand_index
from jointprune.workspace import Workspace

SMALL = {"signs": 16, "signers": 4, "frames": (10, 14)}
CLIPS = 500
MOMENT = np.tile(np.linspace(0, 1, 20), (CLIPS, 1))


@pytest.fixture(scope="module")
def recorded(tmp_path_factory):
    return load_dataset("synthetic", Workspace(str(tmp_path_factory.mktemp("synthetic"))))


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
    """Accuracy of ridge regression on signers that it did not see, over 4 folds."""
    values, correct = features(data, joints, seen).astype(np.float64), []
    values = (values - values.mean(0)) / values.std(0)
    kernel, target = values @ values.T, np.eye(len(data.classes))[data.labels]
    for train, test in data.folds(4, 0):
        weights = kernel[np.ix_(train, train)] + values.shape[1] * np.eye(len(train))
        scores = kernel[np.ix_(test, train)] @ np.linalg.solve(weights, target[train])
        correct.extend(scores.argmax(1) == data.labels[test])
    return np.mean(correct)


def test_the_informative_joints_tell_the_signs_apart_and_the_others_do_not(recorded):
    informative, others = (np.flatnonzero(recorded.informative == it) for it in (True, False))
    chance = 1 / len(recorded.classes)
    error = np.sqrt(chance * (1 - chance) / len(recorded))
    full = accuracy(recorded, informative)
    assert full > 10 * chance
    assert abs(accuracy(recorded, others) - chance) < 2.5 * error
    # Centred on all joints, the others carry a little of the sum of the informative ones.
    assert accuracy(recorded, others, seen=np.arange(42)) < full / 3


def test_every_informative_joint_is_needed(recorded):
    informative = np.flatnonzero(recorded.informative)
    without = [accuracy(recorded, np.setdiff1d(informative, [j])) for j in informative]
    assert len(without) == 8 and max(without) < accuracy(recorded, informative) - 0.02


def test_ranking_by_variance_finds_no_more_informative_joints_than_chance(tmp_path):
    found = []
    for seed in range(6):
        parameters = SyntheticParameters(**{**SMALL, "signers": 8}, seed=seed)
        data = generate(parameters, tmp_path / str(seed))
        values = features(data, np.arange(42)).reshape(len(data), -1, 42, 2)
        for variance in (values.var((0, 1)), values.var(1).mean(0)):
            found.append(data.informative[np.argsort(-variance.sum(-1))[:8]].mean())
    assert abs(np.mean(found) - 8 / 42) < 0.1


def swivels(direction: int, difficulty: float = 0.5) -> np.ndarray:
    """Degrees (clips, frames, 2, 5, 4) where left.index_pip alone is informative."""
    directions = np.full((CLIPS, 42), -1)
    directions[:, JOINT_NAMES.index("left.index_pip")] = direction
    parameters = SyntheticParameters(difficulty=difficulty)
    return synthetic._swivels(parameters, MOMENT, directions, np.random.default_rng(0))


@pytest.mark.parametrize("difficulty", [0, 0.5, 1])
def test_a_decoy_swivels_at_least_as_far_as_an_informative_joint(difficulty):
    angle = swivels(0, difficulty).reshape(CLIPS, 20, 40)
    swivelling = (angle != 0).any(1)
    size = np.sqrt(((angle**2).mean(1) * swivelling).sum(0) / swivelling.sum(0).clip(1))
    assert sorted(np.flatnonzero(size == 0)) == [4, 6]  # the informative joint's neighbours
    assert np.delete(size, [4, 5, 6]).min() > size[5] > 0


def test_the_sign_moves_its_joints_and_no_other_and_bones_keep_their_length():
    """With equal draws, two signs that differ in one joint differ in that joint alone."""
    signers = Signers.draw(CLIPS, np.random.default_rng(1))
    hands, others = (
        moving_hands(signers, MOMENT, swivels(direction), np.random.default_rng(3))
        for direction in (0, 1)
    )
    differs = (hands != others).any(axis=(0, 1, 4)).reshape(-1)
    assert np.array(JOINT_NAMES)[differs].tolist() == ["left.index_pip"]
    child, parent = np.array(BONES).T
    length = np.linalg.norm(hands[..., child, :] - hands[..., parent, :], axis=-1)
    assert np.allclose(length, signers.bones.reshape(CLIPS, 1, 2, 20), atol=1e-12)


def test_a_swivel_turns_a_joint_about_its_neighbours_line():
    hand = np.zeros((21, 3))
    hand[1:5] = [[0, 1, 0], [1, 1, 0], [1, 2, 0], [2, 2, 0]]  # a staircase in the plane
    hand[5:] = np.random.default_rng(0).normal(size=(16, 3))
    angle = np.zeros((5, 4))
    angle[0, [0, 3]] = 180, 90
    moved = swivel_joints(hand, angle)
    assert np.allclose(moved[1], [1, 0, 0])  # the wrist-to-mcp diagonal's other side
    assert np.allclose(moved[4], [1, 2, -1])  # about the vertical bone below it
    assert np.allclose(np.delete(moved, [1, 4], axis=0), np.delete(hand, [1, 4], axis=0))


@pytest.mark.parametrize(("signs", "joints"), [(16, 8), (43, 20)])
def test_no_two_signs_are_alike_and_without_any_joint_some_are(signs, joints):
    codes = synthetic._sign_codes(signs, joints, np.random.default_rng(signs))
    assert codes.shape == (signs, joints) and len(np.unique(codes, axis=0)) == signs
    for joint in range(joints):
        assert len(np.unique(np.delete(codes, joint, axis=1), axis=0)) < signs
    family = codes[:4]
    assert (family != family[0]).any(0).tolist() == [True, True] + [False] * (joints - 2)


def test_random_joints_are_spread_over_hands_fingers_and_levels():
    for seed in range(5):
        drawn = synthetic._informative_joints(8, np.random.default_rng(seed))
        hand, within = np.divmod(drawn, len(JOINTS))
        finger, level = np.divmod(within - 1, 4)
        assert within.min() > 0 and np.bincount(hand).tolist() == [4, 4]
        assert len(set(zip(hand, finger, strict=True))) == 8 and len(set(level)) >= 3


def test_clips_have_their_lengths_and_the_left_hand_its_missing_share(tmp_path):
    data = generate(SyntheticParameters(clips=2, missing=0.3), tmp_path / "p")
    assert 16 <= data.lengths.min() < data.lengths.max() <= 40
    presence = data.hand_presence()
    assert abs(1 - presence["left"].mean() - 0.3) < 0.03 and (presence["right"] == 1).all()
    whole = generate(SyntheticParameters(**SMALL, missing=0), tmp_path / "q").hand_presence()
    assert (whole == 1).all(axis=None)


def test_every_chunk_is_filled_with_different_clips(tmp_path, monkeypatch):
    monkeypatch.setattr(synthetic, "CHUNK", 32)
    data = generate(SyntheticParameters(**{**SMALL, "signers": 5}, clips=1), tmp_path / "a")
    assert len(data) == 80 and data.present[:, 0, 21:].all()
    assert len(np.unique(data.poses[:, 0, 21], axis=0)) == 80


def test_a_store_is_generated_once_and_again_when_its_generator_differs(workspace):
    first = load_dataset("synthetic", workspace, **SMALL)
    folder = workspace.processed / SyntheticParameters(**SMALL).name
    written = (folder / "poses.npy").stat().st_mtime_ns
    load_dataset("synthetic", workspace, **SMALL)
    assert (folder / "poses.npy").stat().st_mtime_ns == written
    meta = json.loads((folder / "meta.json").read_text())
    meta["generator"]["version"] = 0
    (folder / "meta.json").write_text(json.dumps(meta))
    assert load_dataset("synthetic", workspace, **SMALL).sha256 == first.sha256
    assert (folder / "poses.npy").stat().st_mtime_ns > written
    assert load_dataset("synthetic", workspace, **SMALL, seed=1).sha256 != first.sha256
    assert SyntheticParameters().name == "synthetic" != SyntheticParameters(**SMALL).name


def test_parameters_out_of_range_are_refused(workspace):
    for name, value, message in (
        ("difficulty", 1.1, "a difficulty of 0 to 1"),
        ("signs", 15, "16 to 64 signs"),
        ("informative", 5, "6 to 20 informative joints"),
        ("frames", (9, 8), "frames as"),
        ("frames", (9,), "frames as"),
        ("frames", (9, 10, 11), "frames as"),
    ):
        with pytest.raises(ValueError, match=message):
            load_dataset("synthetic", workspace, **{name: value})
    for share in (0, 1.5):
        with pytest.raises(ValueError, match="a share of the clips above 0 and up to 1"):
            autsl_like(workspace, share)


def test_other_names_open_their_store_and_take_no_parameters(toy_dataset, tmp_path):
    assert load_dataset(tmp_path / "toy").sha256 == toy_dataset.sha256
    with pytest.raises(ValueError, match=r"no parameters for 'fingerspelling', got .'seed'"):
        load_dataset("fingerspelling", seed=1)


def test_signs_have_autsls_published_counts():
    for clips, _, per_sign in AUTSL.values():
        counts = synthetic._clips_per_sign(clips, *per_sign)
        assert len(counts) == SIGNS and counts.sum() == clips
        assert (counts.min(), np.median(counts), counts.max()) == per_sign


def test_a_small_share_has_autsls_shape_and_the_command_says_where(workspace, monkeypatch, capsys):
    monkeypatch.setattr(command, "Workspace", lambda: workspace)
    monkeypatch.setattr(command, "ROOT", workspace.path)
    command.main(["synthetic", "--like", "autsl", "--share", "0.004"])
    *_, where, use = capsys.readouterr().out.splitlines()
    assert where.endswith(": data/processed/synthetic-autsl-0.004")
    assert use.startswith("for: python -m jointprune.train --dataset synthetic-autsl-0.004 ")
    data = load_dataset("synthetic-autsl-0.004", workspace)
    assert set(data.clips["split"]) == set(AUTSL) and data.clips["clip"].is_unique
    assert data.informative.sum() == 10
    by_split = data.clips.groupby("split")["signer"].agg(set)
    assert by_split.map(len).to_dict() == {"test": 6, "train": 31, "val": 6}
    assert len(set.union(*by_split)) == 43  # every signer is in one split
    ((train, test),) = data.folds(4, seed=0)
    assert not set(data.signers[train]) & set(data.signers[test])
    assert set(data.labels[test]) == set(data.labels[train]) == set(range(SIGNS))
