"""`MP_Data` folders: `<sign>/<sequence>/<frame>.npy`, one vector per frame, zeros where missing.

The names of frames end in their numbers, as `frame_0`. A vector may have any shape, as (42, 3).
Vectors of hands alone hold both, left first, or one, which is then taken as the right hand.

Coordinates are image fractions. Programs write blocks in several ORDERS; a clip has the one in
which hands have their wrist at depth 0, are small, and are near to the pose's wrists.
"""

import math
import re
from collections import Counter

import numpy as np

from jointprune.importing.layouts.clips import Clip, Files, NotThisLayout
from jointprune.importing.layouts.values import (
    Raw,
    body_of,
    checked,
    extent,
    hands_seen,
    in_time,
    load_npy,
    some_shapes,
    to_float32,
    without_wrist,
)
from jointprune.skeleton import JOINTS

HOLISTIC = 543  # MediaPipe's points, of a face, a pose and two hands
# Index at which a vector's blocks start: left and right hand, 21 x (x, y, z) each, and the pose,
# 33 x (x, y, z, visibility); without visibility in 225.
ORDERS = {
    1662: (  # with 468 x (x, y, z) of the face
        (1536, 1599, 0),  # pose, face, left, right
        (1536, 1599, 1404),  # face, pose, left, right
        (1404, 1467, 1530),  # face, left, right, pose
    ),
    258: ((132, 195, 0), (0, 63, 126)),
    225: ((99, 162, 0), (0, 63, 126)),
}
# The same where all points have the same two or three values.
ORDERS |= {
    HOLISTIC * columns: tuple(tuple(columns * point for point in order) for order in (
        (501, 522, 468),  # face, pose, left, right: MediaPipe's own
        (501, 522, 0),  # pose, face, left, right: TSSI
        (468, 522, 489),  # face, left, pose, right: Kaggle's, by name
    ))
    for columns in (2, 3)
}  # fmt: skip
# Coordinates of a point in vectors of one hand, and of hands alone.
ONE_HAND = {63: 3, 42: 2}
HANDS_ALONE = {126: 3, 84: 2, **ONE_HAND}
NUMBER = re.compile(r"\d+$", re.ASCII)
WIDTHS = (*ORDERS, *HANDS_ALONE)
EXPECTED = ", ".join(map(str, sorted(WIDTHS, reverse=True)))
UNKNOWN = 3.0  # more than where the other end of a hand is at the body's wrist


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
    # One frame of Holistic's points, (1, 543, 3), is a clip of `arrays`.
    fit = [shape for shape in shapes if math.prod(shape) in WIDTHS and shape[1:2] != (HOLISTIC,)]
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
    columns = 2 if width == HOLISTIC * 2 else 3
    of_pose = 4 if width in (1662, 258) else columns
    parts = []
    for left, right, pose in ORDERS[width]:
        blocks = [frames[:, start : start + len(JOINTS) * columns] for start in (left, right)]
        hands = np.concatenate(blocks, axis=1).reshape(len(frames), -1, columns)
        parts.append((hands, frames[:, pose : pose + 33 * of_pose].reshape(len(frames), 33, -1)))
    wrong = [_wrong(*part) for part in parts]
    likely = [part for part, count in zip(parts, wrong, strict=True) if count == min(wrong)]
    hands, pose = min(likely, key=lambda part: _misfit(*part)) if likely[1:] else likely[0]
    return hands, body_of(pose)


def _wrong(hands: np.ndarray, pose: np.ndarray) -> int:
    """How many present hands have no wrist at depth 0, and poses a face's depths as visibility."""
    deep = int(without_wrist(hands).sum()) if hands.shape[-1] == 3 else 0
    return deep + int((pose[..., 3:] < 0).any(axis=(1, 2)).sum())


def _misfit(hands: np.ndarray, pose: np.ndarray) -> tuple[bool, float]:
    """Whether no body is seen; then how badly an order fits by the hands and the body's wrists.

    It is the median, over present hands, of their extent and their wrist's distance from the
    body's; UNKNOWN extents if this is not seen. Shoulders that are nearer to each other than a hand
    is long are points of a face.
    """
    size, body = extent(hands), body_of(pose)
    far = np.linalg.norm(body[:, 2:] - hands[:, :: len(JOINTS), :2], axis=-1)
    known = np.linalg.norm(body[:, :1] - body[:, 1:2], axis=-1) > size
    fit = np.where(known & np.isfinite(far), size + far, UNKNOWN * size)[hands_seen(hands)]
    return not (known & np.isfinite(far)).any(), float(np.median(fit)) if len(fit) else np.inf


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
