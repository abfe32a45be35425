"""Resampling, augmentation, normalisation and batches of clips; other joints are never read."""

from collections.abc import Iterator
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from jointprune.dataset import SignDataset


@dataclass(frozen=True)
class Augmentation:
    """Ranges of the random changes to a training clip, sampled anew for each clip."""

    rotation: float = 15.0  # degrees either way, in the image plane, about the shoulders' middle
    scale: float = 0.15  # log-size either way; half of it as a change of aspect
    shear: float = 0.15
    shift: float = 0.0  # shoulder widths either way along each axis
    jitter: float = 0.025  # s.d. of noise per joint and frame, shoulder widths
    deformation: float = 0.01  # s.d. of noise per joint, the same in all frames, shoulder widths
    crop: float = 0.4  # at most this share is cut off at each end of a clip


# The shift where the place of the hands has no meaning (`SignDataset.translation_invariant`):
# signers hold the same letter at different places.
FREE_SHIFT = 0.8

# Letters are held in the middle of a clip: evaluation leaves this share off at each end.
EVALUATION_CROP = 0.15
# A clip of a rare stratum is drawn at most this many times as often as one of the largest.
AT_MOST = 8


def resample(
    poses: np.ndarray,
    present: np.ndarray,
    lengths: np.ndarray,
    window: np.ndarray,
    frames: int,
    clips: np.ndarray | None = None,
    joints: np.ndarray | None = None,
) -> tuple[Tensor, Tensor]:
    """Interpolate clips linearly: poses (B, frames, K, P) float32, presence (B, frames, K) bool.

    Reads `poses` (N, F, J, P) and `present` (N, F, J) at the indices `clips` (B,) and `joints`
    (K,), None for all. `lengths` (B,) are frames before padding; `window` (B, 2) is the first and
    last moment, as shares of the clip. The zeros of missing joints never enter an interpolation.
    """
    clip = (np.arange(len(poses)) if clips is None else clips)[:, None]

    def at(array: np.ndarray, frame: np.ndarray) -> np.ndarray:
        # `take` returns an array whose memory is in the order in which it is read next.
        return array[clip, frame] if joints is None else np.take(array[clip, frame], joints, 2)

    share = window[:, :1] + (window[:, 1:] - window[:, :1]) * np.linspace(0, 1, frames)
    # Rounded, so that a moment exactly on a frame reads only that frame.
    moment = (share * (lengths[:, None] - 1)).round(9)
    before, after = np.floor(moment).astype(np.int64), np.ceil(moment).astype(np.int64)
    here, there = at(present, before), at(present, after)
    weight = (moment - before).astype(np.float32)[..., None]
    weight = np.where(here & ~there, 0, np.where(there & ~here, 1, weight))
    # Repeated, because broadcasting a last axis of two takes several times as long.
    weight = weight.repeat(poses.shape[-1]).reshape(*weight.shape, -1)
    mixed = at(poses, before) * (1 - weight) + at(poses, after) * weight
    return torch.from_numpy(mixed.astype(np.float32)), torch.from_numpy(here | there)


def augment(poses: Tensor, present: Tensor, ranges: Augmentation, generator) -> Tensor:
    """Rotate, scale, shear, shift, deform and jitter clips (B, T, J, P); missing joints stay 0.

    The first two coordinates are rotated and sheared; a third is only scaled, by the same size.
    """
    clips, _, joints, coords = poses.shape

    def draw(width: float, *shape: int) -> Tensor:
        return (torch.rand(clips, *shape, generator=generator) * 2 - 1) * width

    angle = torch.deg2rad(draw(ranges.rotation))
    size, aspect, shear = draw(ranges.scale).exp(), draw(ranges.scale / 2).exp(), draw(ranges.shear)
    cos, sin, zero = angle.cos(), angle.sin(), torch.zeros(clips)
    turn = torch.stack([cos, -sin, sin, cos], -1).view(clips, 2, 2)
    stretch = torch.stack([size * aspect, shear, zero, size / aspect], -1).view(clips, 2, 2)
    change = turn @ stretch
    if coords == 3:
        plane, change = change, torch.diag_embed(size[:, None].repeat(1, 3))
        change[:, :2, :2] = plane
    # With the long axis first, the product takes three times as long.
    moved = (change @ poses.flatten(1, 2).mT).mT.contiguous().view_as(poses)
    build = torch.randn(clips, 1, joints, coords, generator=generator) * ranges.deformation
    noise = torch.randn(poses.shape, generator=generator) * ranges.jitter
    lasting = build + draw(ranges.shift, 1, 1, coords)
    return moved.add_(noise).add_(lasting).mul_(present[..., None])


def normalise(poses: Tensor, weight: Tensor, hand: Tensor, floor: float = 0.01) -> Tensor:
    """Frame features (B, T, J*P + 2*P + 2): the results of `centred`, joined."""
    shape, place = centred(poses, weight, hand, floor)
    return torch.cat([shape.flatten(2), place], -1)


def centred(
    poses: Tensor, weight: Tensor, hand: Tensor, floor: float = 0.01
) -> tuple[Tensor, Tensor]:
    """Centred joints (B, T, J, P), and both hands' centres and presence (B, T, 2*P + 2).

    Each hand is centred in each frame by the weighted mean of its joints. Each clip is scaled by
    the weighted root-mean-square distance of its joints from their centres, at least about `floor`
    shoulder widths. `weight` (B, T, J) is gate x presence, `hand` (J, 2) is one-hot.
    """
    coords = poses.shape[-1]
    # One matrix product (J*P, 2*P) sums each coordinate over a hand's joints.
    of_hand = torch.kron(hand, torch.eye(coords).to(hand))
    with as_given(poses.device):
        mass = weight @ hand  # (B, T, 2)
        each, flat = weight.repeat_interleave(coords, -1), poses.flatten(2)
        by_coord = mass.clamp(min=1e-6).repeat_interleave(coords, -1)
        centre = (each * flat) @ of_hand / by_coord  # (B, T, 2*P)
        away = flat - centre @ of_hand.mT
        spread = away * each
        square = (spread * away).sum((1, 2)) / mass.sum((1, 2)).clamp(min=1e-6)
        shape = spread / (square + floor**2).sqrt()[:, None, None]
        seen = mass.clamp(max=1)
        place = centre * seen.repeat_interleave(coords, -1)
    return shape.view(poses.shape), torch.cat([place, seen], -1)


def as_given(device: torch.device) -> AbstractContextManager:
    """Turn mixed precision off in a block; do nothing if it is off, as exports would record it."""
    if torch.is_autocast_enabled(device.type):
        return torch.autocast(device.type, enabled=False)
    return nullcontext()


def balanced_weights(strata: np.ndarray) -> Tensor | None:
    """Weights (clips,) by which all strata are drawn equally often; None for a single stratum.

    A stratum so rare that its clips would be drawn over AT_MOST times as often as those of the
    largest is drawn less.
    """
    _, stratum, sizes = np.unique(strata, return_inverse=True, return_counts=True)
    if len(sizes) == 1:
        return None
    return torch.from_numpy(np.minimum(sizes.max() / sizes, AT_MOST)[stratum])


class ClipBatches:
    """Batches `(poses, present, labels)` of a data set's clips, resampled to `frames` frames.

    With `augmentation`, each pass shuffles, crops and augments the clips from one seed and drops
    the last short batch. Without it, all clips come in order, EVALUATION_CROP cut off at each end.
    `joints` holds the indices of the joints to read, None for all. With `strata`, one name per
    clip of `clips`, a pass draws as many clips with replacement, by `balanced_weights`.
    """

    def __init__(
        self,
        data: SignDataset,
        clips: np.ndarray,
        frames: int,
        batch_size: int,
        joints: list[int] | None = None,
        augmentation: Augmentation | None = None,
        seed: int = 0,
        strata: np.ndarray | None = None,
    ):
        self.data, self.clips, self.frames = data, np.asarray(clips), frames
        self.joints = np.arange(len(data.joints)) if joints is None else np.asarray(joints)
        self.augmentation = augmentation
        self.batch_size = min(batch_size, len(self.clips))
        self.lengths = np.asarray(data.lengths)
        self.generator = torch.Generator().manual_seed(seed)
        self.weights = None if strata is None else balanced_weights(strata)

    def __len__(self) -> int:
        whole, rest = divmod(len(self.clips), self.batch_size)
        return whole + (rest > 0 and self.augmentation is None)

    def __iter__(self) -> Iterator[tuple[Tensor, Tensor, Tensor]]:
        order = self.clips
        if self.weights is not None:
            drawn = self.weights.multinomial(len(order), True, generator=self.generator)
            order = order[drawn.numpy()]
        elif self.augmentation is not None:
            order = order[torch.randperm(len(order), generator=self.generator).numpy()]
        for batch in range(len(self)):
            yield self._batch(order[batch * self.batch_size : (batch + 1) * self.batch_size])

    def _batch(self, clips: np.ndarray) -> tuple[Tensor, Tensor, Tensor]:
        if self.augmentation is None:
            cut = torch.full((len(clips), 2), EVALUATION_CROP)
        else:
            cut = torch.rand(len(clips), 2, generator=self.generator) * self.augmentation.crop
        window = np.stack([cut[:, 0], 1 - cut[:, 1]], -1)
        poses, present = resample(
            self.data.poses, self.data.present, self.lengths[clips], window, self.frames,
            clips, self.joints,
        )  # fmt: skip
        if self.augmentation is not None:
            poses = augment(poses, present, self.augmentation, self.generator)
        return poses, present, torch.as_tensor(np.asarray(self.data.labels)[clips]).long()
