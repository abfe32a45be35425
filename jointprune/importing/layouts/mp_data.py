"""`MP_Data` folders: `<sign>/<sequence>/<frame>.npy`, one vector per frame, zeros where missing.

The names of frames end in their numbers, as `frame_0`. A vector may have any shape, as (42, 3).
Vectors of hands alone hold both, left first, or one, which is then taken as the right hand.

Coordinates are image fractions. Some programs write blocks in another order; the depth of the
wrists shows which one a clip has.
"""

import math
import re
from collections import Counter

import numpy as np

from jointprune.importing.layouts.clips import (
    Clip,
    Files,
    NotThisLayout,
    Raw,
    body_of,
    checked,
    hands_seen,
    in_time,
    load_npy,
    some_shapes,
    to_float32,
    without_wrist,
)

# Index at which a vector's blocks start: left and right hand, 21 x (x, y, z) each, and the pose,
# 33 x (x, y, z, visibility); without visibility in 225.
ORDERS = {
    1662: ((1536, 1599, 0), (1404, 1467, 1530)),  # the face's 468 points: between, or first
    258: ((132, 195, 0), (0, 63, 126)),
    225: ((99, 162, 0), (0, 63, 126)),
}
# Coordinates of a point in vectors of one hand, and of hands alone.
ONE_HAND = {63: 3, 42: 2}
HANDS_ALONE = {126: 3, 84: 2, **ONE_HAND}
NUMBER = re.compile(r"\d+$", re.ASCII)
WIDTHS = (*ORDERS, *HANDS_ALONE)
EXPECTED = ", ".join(map(str, WIDTHS))


def find(files: Files) -> list[Clip]:
    """Every folder of numbered frames that lies in the folder of its sign.

    Folders without a number, each of which occurs once, hold a picture a file: `letters/A/0.npy`.
    """
    frames = files.of(".npy")
    below = len(files.source.parts) + 2  # a sign and a sequence
    numbered = {path: path.parent for path in frames
                if len(path.parts) > below and NUMBER.search(path.stem)}  # fmt: skip
    names = [folder.name for folder in {*numbered.values()}]
    pictures = len({*names}) == len(names) and not re.search(r"\d", "".join(names))
    if pictures:  # or nothing is numbered
        raise NotThisLayout(
            f"expected <sign>/<number of the clip>/<number of the frame>.npy, got "
            f"{frames[0].relative_to(files.source)}"
        )
    shapes = some_shapes([*numbered])
    fit = [shape for shape in shapes if math.prod(shape) in WIDTHS]
    if not fit or sum(map(several_frames, shapes)) > sum(shape[0] > 1 for shape in fit):
        raise NotThisLayout(
            f"expected vectors of {EXPECTED} values, got shapes {sorted(set(shapes))}"
        )
    return files.clips_of_frames(numbered)


def several_frames(shape: tuple[int, ...]) -> bool:
    """Whether an array of this shape holds vectors of several frames, and not one frame's."""
    width = math.prod(shape[1:])
    # (2, 21, 3) is both hands of one frame.
    return len(shape) > 1 and shape[0] > (2 if width in ONE_HAND else 1) and width in WIDTHS


def read(clip: Clip) -> Raw:
    """Hands and body of a sequence, in image fractions, frames in the order of their numbers."""
    frames, gaps = _frames(clip)
    return checked(clip.place, *hands_and_body(frames), gaps=gaps)


def hands_and_body(frames: np.ndarray) -> tuple[np.ndarray, np.ndarray | None]:
    """Hands (frames, 42, 2 or 3) and body (frames, 4, 2), if recorded, of (frames, values)."""
    if (width := frames.shape[1]) in HANDS_ALONE:
        points = frames.reshape(len(frames), -1, HANDS_ALONE[width])
        if width in ONE_HAND:
            points = np.concatenate([np.zeros_like(points), points], axis=1)
        return points, None
    found, best = None, (False, -1)
    for left, right, pose in ORDERS[width]:
        blocks = [frames[:, start : start + 63] for start in (left, right)]
        hands = np.concatenate(blocks, axis=1).reshape(len(frames), -1, 3)
        # In the right order every hand has a wrist at depth 0; among such orders the one with
        # most hands is taken. If none fits, the first is, which `checked` then refuses.
        fit = not without_wrist(hands).any(), int(hands_seen(hands).sum())
        if fit > best:
            found, best = (hands, pose), fit
    hands, pose = found
    size = 33 * (3 if width == 225 else 4)
    return hands, body_of(frames[:, pose : pose + size].reshape(len(frames), 33, -1))


def _frames(clip: Clip) -> tuple[np.ndarray, int]:
    """The vectors of all frames, float32 (frames, width), NaN for missing ones; their number."""
    numbers = [int(NUMBER.search(path.stem)[0]) for path in clip.files]
    number, count = Counter(numbers).most_common(1)[0]
    if count > 1:
        raise ValueError(
            f"{clip.place}: expected one file per frame, got several for frame {number}: "
            "remove the duplicates"
        )
    frames = []
    for path in clip.files:
        frame = load_npy(path)
        if frame.size not in WIDTHS:
            raise ValueError(
                f"{path}: expected a vector of {EXPECTED} values, got {frame.shape}: extract it "
                "again"
            )
        frames.append(frame.ravel())
        if frame.size != frames[0].size:
            raise ValueError(
                f"{path}: expected {frames[0].size} values as in {clip.files[0].name}, got "
                f"{frame.size}: extract the sequence again"
            )
    return in_time(to_float32(np.stack(frames)), numbers)
