"""`MP_Data` folders: `<sign>/<sequence>/<frame>.npy`, one vector a frame, zeros where missing.

Coordinates are image fractions. Some writers of 258 values put the hands before the pose; the
depth of the wrists tells which order a clip has.
"""

from collections import Counter, defaultdict
from pathlib import Path
from typing import NamedTuple

import numpy as np

from jointprune.importing.layouts.clips import (
    Clip,
    NotThisLayout,
    clip_at,
    files_below,
    named_once,
    split_of,
)
from jointprune.importing.layouts.values import (
    Raw,
    body_of,
    checked,
    hands_seen,
    load_npy,
    some_shapes,
    without_wrist,
)


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
    """Every folder of numbered frames; the first folder of four in a path is the split."""
    frames = files_below(source, ".npy")
    folders = defaultdict(list)
    for path in frames:
        place = path.relative_to(source)
        # A sign may be called "train", too: a split is only what stands above the sign.
        deep = len(place.parts) == 3 or (len(place.parts) == 4 and split_of(place))
        if not (deep and path.stem.isascii() and path.stem.isdecimal()):
            raise NotThisLayout(f"expected <sign>/<sequence>/<frame number>.npy, got {place}")
        folders[place.parent].append(path)
    shapes = some_shapes(frames)
    if not shapes & {(width,) for width in ORDERS}:
        raise NotThisLayout(
            f"expected vectors of {WIDTHS} values, got shapes {sorted(shapes) or 'none readable'}"
        )
    return named_once(
        clip_at(place, files, splits=len(place.parts) == 3)._replace(folder=files[0].parent)
        for place, files in folders.items()
    )


def read(clip: Clip) -> Raw:
    """Hands and body of a sequence, in image fractions, frames in the order of their numbers."""
    frames = _frames(clip)
    # If no order fits, `checked` refuses the first; with no hand to tell by, it is the first, too.
    order = max(ORDERS[frames.shape[1]], key=lambda order: _fit(_hands(frames, order)))
    body = None
    if order.pose is not None:
        body = body_of(frames[:, order.pose : order.pose + 132].reshape(len(frames), 33, 4))
    return checked(clip.place, _hands(frames, order), body)


def _frames(clip: Clip) -> np.ndarray:
    """The vectors of all frames, float32 (frames, width)."""
    number, count = Counter(int(path.stem) for path in clip.files).most_common(1)[0]
    if count > 1:
        raise ValueError(
            f"{clip.place}: expected one file a frame, got several for frame {number}: "
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
    blocks = [frames[:, start : start + 63] for start in (order.left, order.right)]
    return np.concatenate(blocks, axis=1).reshape(len(frames), -1, 3)


def _fit(hands: np.ndarray) -> tuple[bool, int]:
    """How well an order fits: whether every hand has a wrist, then how many hands there are."""
    return not without_wrist(hands).any(), int(hands_seen(hands).sum())
