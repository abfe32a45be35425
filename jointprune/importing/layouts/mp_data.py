"""`MP_Data` folders: `<sign>/<sequence>/<frame>.npy`, one vector a frame, zeros where missing.

Coordinates are image fractions. Some writers of 258 values put the hands before the pose: which
it is shows in the depth of the wrists.
"""

import re
from itertools import groupby
from pathlib import Path
from typing import NamedTuple

import numpy as np

from jointprune.importing.layouts.found import Clip, NotThisLayout, Raw
from jointprune.importing.layouts.landmarks import body_of, checked, hands_seen, wrists_astray
from jointprune.importing.layouts.naming import clip_at, files_below, nfc, ordered, split_of
from jointprune.importing.layouts.npy import load_npy, some_shapes
from jointprune.skeleton import JOINTS


class Order(NamedTuple):
    """Where a vector's blocks start: hands are 21 x (x, y, z), the pose 33 x (..., visibility)."""

    left: int
    right: int
    pose: int | None


ORDERS = {
    1662: (Order(left=1536, right=1599, pose=0),),  # the face's 468 points lie between
    258: (Order(left=132, right=195, pose=0), Order(left=0, right=63, pose=126)),
    126: (Order(left=0, right=63, pose=None),),
}
WIDTHS = ", ".join(map(str, ORDERS))


def find(source: Path) -> list[Clip]:
    """Every folder of numbered frames; a first folder of four in a path is the split."""
    frames = files_below(source, ".npy")
    folders = {k: tuple(v) for k, v in groupby(frames, key=lambda path: path.parent)}
    for folder, files in folders.items():
        place = folder.relative_to(source)
        depth = 3 if len(place.parts) == 3 and split_of(place) else 2
        odd = [path.name for path in files if not re.fullmatch("[0-9]+", path.stem)]
        if len(place.parts) != depth or odd:
            got = place / (odd or [files[0].name])[0]
            raise NotThisLayout(f"expected <sign>/<sequence>/<frame number>.npy, got {got}")
    shapes = some_shapes(frames)
    if not shapes & {(width,) for width in ORDERS}:
        raise NotThisLayout(
            f"expected vectors of {WIDTHS} values, got shapes {sorted(shapes) or 'none readable'}"
        )
    return ordered(_clip(folder.relative_to(source), files) for folder, files in folders.items())


def _clip(place: Path, files: tuple[Path, ...]) -> Clip:
    clip = clip_at(place, files)._replace(folder=files[0].parent)
    if len(place.parts) == 2:  # a sign can be called "train" or "test", too
        return clip._replace(label=nfc(place.parts[0]), split="")
    return clip


def read(clip: Clip) -> Raw:
    """Hands and body of a sequence, in image fractions, frames in the order of their numbers."""
    frames = _frames(clip)
    orders = ORDERS[frames.shape[1]]
    # If none fits, `checked` refuses the first; with no hand to tell by, it is the first, too.
    order = max(orders, key=lambda order: _fit(_hands(frames, order)))
    pose = None
    if order.pose is not None:
        pose = frames[:, order.pose : order.pose + 33 * 4].reshape(len(frames), 33, 4)
    return checked(clip.place, _hands(frames, order), None if pose is None else body_of(pose))


def _frames(clip: Clip) -> np.ndarray:
    """The vectors of all frames, float32 (frames, width)."""
    numbers = [int(path.stem) for path in clip.files]
    if len(set(numbers)) < len(numbers):
        twice = next(n for n in numbers if numbers.count(n) > 1)
        raise ValueError(
            f"{clip.place}: expected one file a frame, got several for frame {twice}: "
            "remove what is doubled"
        )
    frames = [load_npy(path) for path in clip.files]
    for path, frame in zip(clip.files, frames, strict=True):
        if frame.ndim != 1 or frame.size not in ORDERS:
            raise ValueError(f"{path}: expected a vector of {WIDTHS} values, got {frame.shape}")
        if frame.size != frames[0].size:
            raise ValueError(
                f"{path}: expected {frames[0].size} values as in {clip.files[0].name}, got "
                f"{frame.size}: extract the sequence again"
            )
    return np.stack(frames)


def _hands(frames: np.ndarray, order: Order) -> np.ndarray:
    """Both hands (frames, 42, 3) of vectors in an order."""
    width = len(JOINTS) * 3
    blocks = [frames[:, start : start + width] for start in (order.left, order.right)]
    return np.concatenate(blocks, axis=1).reshape(len(frames), -1, 3)


def _fit(hands: np.ndarray) -> tuple[bool, int]:
    """How well an order fits: whether every hand has a wrist, then how many hands there are."""
    return not wrists_astray(hands).any(), int(hands_seen(hands).sum())
