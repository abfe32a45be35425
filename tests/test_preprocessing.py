"""Resampling, augmentation, normalisation and batches, by symmetries and hand-made clips."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from jointprune.preprocessing import (
    Augmentation,
    ClipBatches,
    augment,
    balanced_weights,
    normalise,
    resample,
)
from jointprune.skeleton import JOINT_NAMES, hand_index

HAND = torch.eye(2)[torch.as_tensor(hand_index(JOINT_NAMES))]
STILL = Augmentation(rotation=0, scale=0, shear=0, shift=0, jitter=0, deformation=0, crop=0)
WHOLE = np.array([[0.0, 1.0]])


def poses_and_weight(clips=3, frames=4, present=0.7) -> tuple[torch.Tensor, torch.Tensor]:
    """Random poses (B, T, 42, 2) and weights 0 or 1 (B, T, 42)."""
    generator = torch.Generator().manual_seed(0)
    poses = torch.randn(clips, frames, 42, 2, generator=generator)
    weight = (torch.rand(clips, frames, 42, generator=generator) < present).float()
    return poses, weight


def random_clip(frames: int) -> tuple[np.ndarray, np.ndarray]:
    """One clip (1, frames, 42, 2) and its presence, without padding."""
    rng = np.random.default_rng(frames)
    present = rng.random((1, frames, 42)) < 0.7
    poses = rng.normal(size=(1, frames, 42, 2)).astype(np.float32)
    return poses * present[..., None], present


@pytest.mark.parametrize("frames", [2, 46])
def test_a_clip_resampled_to_its_own_length_is_itself(frames):
    poses, present = random_clip(frames)
    new, seen = resample(poses, present, np.array([frames]), WHOLE, frames)
    np.testing.assert_allclose(new.numpy(), poses, atol=1e-5)
    np.testing.assert_array_equal(seen.numpy(), present)


def test_linear_motion_stays_linear_and_padding_is_never_read():
    velocity = np.random.default_rng(0).normal(size=(42, 2)).astype(np.float32)
    poses = np.full((1, 9, 42, 2), np.nan, dtype=np.float32)
    poses[0, :7] = np.arange(7, dtype=np.float32)[:, None, None] * velocity
    present = np.ones((1, 9, 42), dtype=bool)
    new, seen = resample(poses, present, np.array([7]), np.array([[0.25, 0.75]]), 11)
    moments = np.linspace(0.25 * 6, 0.75 * 6, 11)
    np.testing.assert_allclose(new[0].numpy(), moments[:, None, None] * velocity, atol=1e-5)
    assert seen.all()


def test_resampling_never_mixes_in_the_zeros_of_missing_joints():
    """The joint is at 5 in frames 1 and 2 and missing in 0 and 3."""
    poses = np.zeros((1, 4, 1, 2), dtype=np.float32)
    present = np.zeros((1, 4, 1), dtype=bool)
    poses[0, 1:3], present[0, 1:3] = 5, True
    new, seen = resample(poses, present, np.array([4]), WHOLE, 13)
    np.testing.assert_array_equal(new.numpy(), 5.0 * seen[..., None].expand(-1, -1, -1, 2).numpy())
    assert seen[0, :, 0].tolist() == [False] + [True] * 11 + [False]


def augmented(**ranges) -> tuple[torch.Tensor, torch.Tensor]:
    """200 clips, before and after augmentation within these ranges."""
    poses, present = poses_and_weight(clips=200, present=2.0)
    generator = torch.Generator().manual_seed(0)
    return poses, augment(poses, present.bool(), replace(STILL, **ranges), generator)


def test_augmentation_keeps_missing_joints_at_zero_and_moves_the_others():
    poses, present = poses_and_weight()
    poses = poses * present[..., None]
    moved = augment(poses, present.bool(), Augmentation(), torch.Generator().manual_seed(0))
    assert ((moved != poses).any(-1) == (present == 1)).all()


def test_rotation_keeps_distances_and_samples_an_angle_within_its_range_per_clip():
    poses, moved = augmented(rotation=15)
    torch.testing.assert_close(torch.cdist(moved, moved), torch.cdist(poses, poses), atol=5e-3,
                               rtol=1e-3)  # fmt: skip
    complex_ratio = torch.view_as_complex(moved) / torch.view_as_complex(poses)
    angle = torch.rad2deg(complex_ratio.angle())
    torch.testing.assert_close(angle, angle[:, :1, :1].expand_as(angle), atol=1e-2, rtol=0)
    assert 10 < angle.max() <= 15.01 and -15.01 <= angle.min() < -10
    assert angle[:, 0, 0].unique().numel() > 190


def test_a_shift_is_sampled_per_clip_and_moves_all_its_joints_and_frames_alike():
    poses, moved = augmented(shift=0.8)
    moved = moved - poses
    torch.testing.assert_close(moved, moved[:, :1, :1].expand_as(moved))
    x, y = moved[:, 0, 0].T
    for along in (x, y):
        assert 0.7 < along.max() <= 0.8001 and -0.8001 <= along.min() < -0.7
    assert abs(torch.corrcoef(torch.stack([x, y]))[0, 1]) < 0.3


def test_a_deformation_is_sampled_per_joint_and_stays_the_same_through_a_clip():
    poses, moved = augmented(deformation=0.01)
    moved = moved - poses
    torch.testing.assert_close(moved, moved[:, :1].expand_as(moved))
    # 200 x 42 x 2 samples: their standard deviation is within 3 % of its own.
    assert abs(moved[:, 0].std().item() / 0.01 - 1) < 0.03
    assert abs(torch.corrcoef(moved[:, 0, :2, 0].T)[0, 1]) < 0.3


def test_shape_features_ignore_where_each_hand_is_and_how_large_the_signer_is():
    poses, weight = poses_and_weight()
    shift = (HAND @ torch.tensor([[0.3, -0.8], [-0.5, 0.4]])) * torch.tensor([1.0, 2.0])
    shape = normalise(poses, weight, HAND, floor=1e-6)[..., :84]
    moved = normalise(3 * poses + shift, weight, HAND, floor=1e-6)[..., :84]
    torch.testing.assert_close(moved, shape, atol=1e-4, rtol=1e-4)


def test_features_of_a_worked_example():
    """Two right joints at (0, 0) and (2, 0): centre (1, 0), spread 1, the left hand missing."""
    poses = torch.tensor([[[[9.0, 9.0], [0.0, 0.0], [2.0, 0.0]]]])
    weight = torch.tensor([[[0.0, 1.0, 1.0]]])
    hand = torch.tensor([[1.0, 0.0], [0.0, 1.0], [0.0, 1.0]])
    features = normalise(poses, weight, hand, floor=0.0)
    joints, centres, seen = [0, 0, -1, 0, 1, 0], [0, 0, 1, 0], [0, 1]
    expected = torch.tensor([*joints, *centres, *seen], dtype=torch.float32)
    torch.testing.assert_close(features[0, 0], expected)


def test_features_of_kept_joints_are_those_of_a_recording_without_the_others():
    poses, weight = poses_and_weight()
    kept = [3, 4, 8, 20, 21, 25, 29, 41]
    closed = torch.zeros(42)
    closed[kept] = 1
    masked = normalise(poses, weight * closed, HAND)
    alone = normalise(poses[:, :, kept], weight[:, :, kept], HAND[kept])
    columns = torch.arange(84).view(42, 2)[kept].flatten()
    torch.testing.assert_close(masked[..., columns], alone[..., :16], atol=1e-5, rtol=1e-5)
    torch.testing.assert_close(masked[..., 84:], alone[..., 16:], atol=1e-5, rtol=1e-5)


@pytest.mark.parametrize("points", ["missing", "collapsed"])
def test_a_missing_or_collapsed_hand_gives_finite_features(points):
    poses = torch.zeros(1, 2, 42, 2)
    weight = torch.full((1, 2, 42), float(points == "collapsed"))
    assert normalise(poses, weight, HAND).isfinite().all()


def numbered(data):
    """The data set with each clip's index as its label."""
    return replace(data, labels=np.arange(len(data)))


def test_each_pass_is_a_new_permutation_and_a_seed_reproduces_it(toy_dataset):
    clips = np.arange(0, 24, 2)

    def passes(seed):
        batches = ClipBatches(numbered(toy_dataset), clips, 4, 4, None, Augmentation(), seed)
        assert len(batches) == 3
        both = [list(zip(*batches, strict=True)) for _ in range(2)]
        return [(torch.cat(labels).tolist(), torch.cat(poses)) for poses, _, labels in both]

    (first, poses), (second, _) = passes(0)
    assert sorted(first) == sorted(second) == clips.tolist()
    assert first != second
    (same, again), _ = passes(0)
    assert same == first and torch.equal(again, poses)
    assert passes(1)[0][0] != first


def test_training_drops_the_last_short_batch_and_evaluation_keeps_it_in_order(toy_dataset):
    clips = np.array([5, 3, 0, 9, 20])
    training = ClipBatches(numbered(toy_dataset), clips, 4, 2, None, Augmentation())
    assert [len(labels) for _, _, labels in training] == [2, 2]
    evaluation = ClipBatches(numbered(toy_dataset), clips, 4, 2)
    assert [labels.tolist() for _, _, labels in evaluation] == [[5, 3], [0, 9], [20]]
    assert (len(training), len(evaluation)) == (2, 3)


def test_a_batch_holds_the_resampled_clips_of_the_given_joints(toy_dataset):
    joints = [21, 30, 41]
    (poses, present, labels), *_ = ClipBatches(toy_dataset, [2, 7], 6, 8, joints)
    assert (poses.shape, present.shape) == ((2, 6, 3, 2), (2, 6, 3))
    assert labels.tolist() == toy_dataset.labels[[2, 7]].tolist()
    expected, _ = resample(
        toy_dataset.poses[[2, 7]][:, :, joints],
        toy_dataset.present[[2, 7]][:, :, joints],
        toy_dataset.lengths[[2, 7]],
        np.array([[0.15, 0.85]] * 2),
        6,
    )
    torch.testing.assert_close(poses, expected)


@pytest.mark.parametrize("augmentation", [None, Augmentation()])
def test_no_other_joint_is_read(toy_dataset, augmentation):
    joints = [21, 30, 41]
    poisoned = np.full_like(toy_dataset.poses, np.nan)
    poisoned[:, :, joints] = toy_dataset.poses[:, :, joints]
    data = replace(toy_dataset, poses=poisoned)
    for (poses, _, _), (same, _, _) in zip(
        ClipBatches(data, range(24), 4, 8, joints, augmentation),
        ClipBatches(toy_dataset, range(24), 4, 8, joints, augmentation),
        strict=True,
    ):
        assert torch.equal(poses, same)


def test_a_third_coordinate_is_scaled_by_the_size_and_never_rotated():
    """Sizes along x and y are s * a and s / a: the third is their geometric mean, s."""
    generator = torch.Generator().manual_seed(1)
    poses = torch.rand(200, 2, 42, 3, generator=generator) + 0.5
    present = torch.rand(200, 2, 42, generator=generator) < 0.7
    poses *= present[..., None]
    moved = augment(poses, present, replace(STILL, scale=0.15), generator)
    x, y, z = (moved[present] / poses[present]).unbind(-1)
    torch.testing.assert_close(z, (x * y).sqrt())
    assert z.std() > 0.05 and not moved[~present].any()
    turned = augment(poses, present, replace(STILL, rotation=90, shear=0.1), generator)
    torch.testing.assert_close(turned[..., 2], poses[..., 2])


def test_strata_are_drawn_equally_often_unless_one_is_very_rare(toy_dataset):
    """A rare clip would otherwise fill half of an epoch."""
    two, rare = ["two"] * 20 + ["one"] * 80, ["two"] * 4 + ["one"] * 96
    weights = balanced_weights(np.array(two))
    assert weights[:20].sum() == weights[20:].sum()
    weights = balanced_weights(np.array(rare))
    assert (weights[:4] == 8 * weights[-1]).all()
    assert balanced_weights(np.array(["one"] * 9)) is None

    clips = np.arange(6, 24)  # of the groups both (2), one and two (8 each)
    strata = np.where(toy_dataset.groups[clips] == "both", "two", "one")
    batches = ClipBatches(toy_dataset, clips, 4, 18, None, Augmentation(), 0, strata)
    drawn = []
    batches._batch = lambda clips: drawn.extend(clips) or clips
    for _ in range(300):
        (batch,) = batches
        assert len(batch) == 18 and set(batch) <= set(clips)
    assert np.mean(toy_dataset.groups[drawn] == "both") == pytest.approx(0.5, abs=0.02)
