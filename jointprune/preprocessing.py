"""From stored recordings to what a network reads: resampling, augmentation, normalisation.

Everything here works on joints that are given: nothing looks at a joint that was dropped.
"""

from collections.abc import Iterator
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from jointprune.dataset import SignDataset


@dataclass(frozen=True)
class Augmentation:
    """Ranges of the random changes made to a training clip; each is drawn anew per clip."""

    rotation: float = 15.0  # degrees either way, in the image plane, about the shoulders' middle
    scale: float = 0.15  # log-size either way; half of it as a change of aspect
    shear: float = 0.15
    shift: float = 0.0  # shoulder widths either way along each axis
    jitter: float = 0.025  # s.d. of noise per joint and frame, shoulder widths
    deformation: float = 0.01  # s.d. of noise per joint, the same in all frames, shoulder widths
    crop: float = 0.4  # at most this share is cut off at each end of a clip


# The shift where the place of a sign tells nothing (`SignDataset.translation_invariant`): every
# signer holds the same letter somewhere else.
FREE_SHIFT = 0.8

# Letters are held in the middle of a clip: evaluation leaves this share off at each end.
EVALUATION_CROP = 0.15


def resample(
    poses: np.ndarray,
    present: np.ndarray,
    lengths: np.ndarray,
    window: np.ndarray,
    frames: int,
    clips: np.ndarray | None = None,
    joints: np.ndarray | None = None,
) -> tuple[Tensor, Tensor]:
    """Clips of any length to `frames` frames by linear interpolation within a window.

    Args:
        poses: (N, F, J, P) zero-padded clips; present: (N, F, J) bool.
        lengths: (B,) true frames of each clip.
        window: (B, 2) first and last moment to read, as shares of the clip in [0, 1].
        clips, joints: indices (B,) and (K,) of those to read, None for all. Only the frames
            between which a moment falls are looked at.

    Returns poses (B, frames, K, P) float32 and present (B, frames, K) bool. Between a
    present and a missing joint the present one is held: a zero is never mixed in.
    """
    clip = (np.arange(len(poses)) if clips is None else clips)[:, None]

    def at(array: np.ndarray, frame: np.ndarray) -> np.ndarray:
        # Joints by `take`, whose answer lies in memory as it is read; `[..., joints]` does not.
        return array[clip, frame] if joints is None else np.take(array[clip, frame], joints, 2)

    share = window[:, :1] + (window[:, 1:] - window[:, :1]) * np.linspace(0, 1, frames)
    # Rounded, so that a moment which falls on a frame reads that frame alone.
    moment = (share * (lengths[:, None] - 1)).round(9)
    before, after = np.floor(moment).astype(np.int64), np.ceil(moment).astype(np.int64)
    here, there = at(present, before), at(present, after)
    weight = (moment - before).astype(np.float32)[..., None]
    weight = np.where(here & ~there, 0, np.where(there & ~here, 1, weight))
    # One weight a number: a last axis of two, stretched on the way, takes several times as long.
    weight = weight.repeat(poses.shape[-1]).reshape(*weight.shape, -1)
    mixed = at(poses, before) * (1 - weight) + at(poses, after) * weight
    return torch.from_numpy(mixed.astype(np.float32)), torch.from_numpy(here | there)


def augment(poses: Tensor, present: Tensor, ranges: Augmentation, generator) -> Tensor:
    """Rotate, scale, shear, shift, deform and jitter each clip; missing joints stay 0.

    Poses (B, T, J, 2) to the same shape.
    """
    clips, _, joints, coords = poses.shape

    def draw(width: float, *shape: int) -> Tensor:
        return (torch.rand(clips, *shape, generator=generator) * 2 - 1) * width

    angle = torch.deg2rad(draw(ranges.rotation))
    size, aspect, shear = draw(ranges.scale).exp(), draw(ranges.scale / 2).exp(), draw(ranges.shear)
    cos, sin, zero = angle.cos(), angle.sin(), torch.zeros(clips)
    turn = torch.stack([cos, -sin, sin, cos], -1).view(clips, 2, 2)
    stretch = torch.stack([size * aspect, shear, zero, size / aspect], -1).view(clips, 2, 2)
    # The long side last: the other way round the product takes three times as long.
    moved = ((turn @ stretch) @ poses.flatten(1, 2).mT).mT.contiguous().view_as(poses)
    build = torch.randn(clips, 1, joints, coords, generator=generator) * ranges.deformation
    noise = torch.randn(poses.shape, generator=generator) * ranges.jitter
    lasting = build + draw(ranges.shift, 1, 1, coords)
    return moved.add_(noise).add_(lasting).mul_(present[..., None])


def normalise(poses: Tensor, weight: Tensor, hand: Tensor, floor: float = 0.01) -> Tensor:
    """Frame features that know the weighted joints only, shape (B, T, J*P + 2*P + 2).

    The centred joints, flattened, then each hand's centre and its presence; arguments and
    what they mean as in `centred`.
    """
    shape, place = centred(poses, weight, hand, floor)
    return torch.cat([shape.flatten(2), place], -1)


def centred(
    poses: Tensor, weight: Tensor, hand: Tensor, floor: float = 0.01
) -> tuple[Tensor, Tensor]:
    """Joints (B, T, J, P) about their hand's centre; both hands' places (B, T, 2*P + 2).

    Args:
        poses: (B, T, J, P) in shoulder widths.
        weight: (B, T, J), gate x presence: 0 for a joint that is missing or closed.
        hand: (J, 2) one-hot membership, left then right.
        floor: smallest spread of a clip, shoulder widths; a collapsed hand is not blown up.

    Each hand is centred on its own joints' weighted mean in each frame, and a clip is
    scaled by the weighted root-mean-square spread of its joints about those centres.
    A place is each hand's centre, then its presence. A joint of weight 0 changes nothing.
    """
    coords = poses.shape[-1]
    # Sums over a hand's joints, of each coordinate, as one matrix product: (J*P, 2*P).
    of_hand = torch.kron(hand, torch.eye(coords, device=hand.device))
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
    """A block that computes in its inputs' precision, even where training's is mixed.

    Nothing where it is not, so that an exported program has no region of its own for it.
    """
    if torch.is_autocast_enabled(device.type):
        return torch.autocast(device.type, enabled=False)
    return nullcontext()


class ClipBatches:
    """Batches `(poses, present, labels)` of a dataset's clips, resampled to `frames` frames.

    With `augmentation` the clips are shuffled, cropped in time and changed anew in each
    pass, all from one seed, and the last short batch is dropped; without it they come in
    order, all of them, less EVALUATION_CROP at each end. Only a batch's clips are ever
    read into memory.

    Args:
        joints: indices of the joints to hand on, None for all; no other has any influence.
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
    ):
        self.data, self.clips, self.frames = data, np.asarray(clips), frames
        self.joints = np.arange(len(data.joints)) if joints is None else np.asarray(joints)
        self.augmentation = augmentation
        self.batch_size = min(batch_size, len(self.clips))
        self.lengths = np.asarray(data.lengths)
        self.generator = torch.Generator().manual_seed(seed)

    def __len__(self) -> int:
        whole, rest = divmod(len(self.clips), self.batch_size)
        return whole + (rest > 0 and self.augmentation is None)

    def __iter__(self) -> Iterator[tuple[Tensor, Tensor, Tensor]]:
        order = self.clips
        if self.augmentation is not None:
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
