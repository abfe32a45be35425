"""The values of a clip, in one form for all layouts, and the checks that all layouts share.

Source: MediaPipe Holistic, https://ai.google.dev/edge/mediapipe. A hand's depth is measured from
its own wrist, whose z is therefore 0 except for rounding.
"""

import math
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.lib import format as npy_format

from jointprune.skeleton import HANDS, JOINTS

BODY = (11, 12, 15, 16)  # MediaPipe's pose points: left, right shoulder, left, right wrist
WRIST_DEPTH = 1e-3  # image widths; other points of a body are 0.05 and more away from 0


class Raw(NamedTuple):
    """The values of a clip as the file has them, neither scaled nor judged."""

    hands: np.ndarray  # float32 (frames, 42, 3), left then right; z is NaN where not given
    confidence: np.ndarray | None  # float32 (frames, 42), 0 where missing; None if not given
    body: np.ndarray | None  # float32 (frames, 4, 2): left, right shoulder, left, right wrist
    fps: float  # 0 if not known


def to_float32(values: np.ndarray) -> np.ndarray:
    """Numbers as float32; one that is too large becomes infinite, which `checked` refuses."""
    with np.errstate(over="ignore"):
        return np.asarray(values).astype(np.float32)


def body_of(pose: np.ndarray) -> np.ndarray:
    """Shoulders and wrists (frames, 4, 2) of a pose (frames, 33, values); all 0 becomes NaN."""
    points = to_float32(pose[:, BODY])
    unseen = (points == 0).all(axis=-1, keepdims=True)
    return np.where(unseen, np.float32(np.nan), points[..., :2])


def hands_seen(hands: np.ndarray, confidence: np.ndarray | None = None) -> np.ndarray:
    """Which hands of (frames, 42, coordinates) are present: bool (frames, 2), left then right.

    A hand is missing if any value is NaN, all are 0, or any joint's confidence is not above 0.
    """
    values = hands.reshape(len(hands), len(HANDS), -1)
    seen = ~np.isnan(values).any(axis=-1) & (values != 0).any(axis=-1)
    if confidence is not None:
        seen &= (confidence.reshape(len(hands), len(HANDS), -1) > 0).all(axis=-1)
    return seen


def without_wrist(hands: np.ndarray, confidence: np.ndarray | None = None) -> np.ndarray:
    """Which present hands are none, as their wrist is not at depth 0: bool (frames, 2)."""
    depth = np.abs(hands[:, :: len(JOINTS), 2])
    return hands_seen(hands, confidence) & (depth >= WRIST_DEPTH)


def checked(
    path: Path,
    hands: np.ndarray,
    body: np.ndarray | None,
    confidence: np.ndarray | None = None,
    fps: float = 0.0,
) -> Raw:
    """The values of a clip as `Raw`: hands (frames, 42, 2 or 3), body (frames, 4, 2).

    Raises ValueError for impossible values, and for hands whose wrists have a depth other than 0:
    they are other points.
    """
    if len(hands) == 0:
        raise ValueError(f"{path}: expected at least 1 frame, got 0: remove it")
    hands = to_float32(hands)
    if np.isinf(hands).any() or (body is not None and np.isinf(body).any()):
        raise ValueError(f"{path}: expected coordinates or NaN, got an infinite value: redo it")
    if confidence is not None and not np.isfinite(confidence).all():
        raise ValueError(f"{path}: expected finite confidences, got NaN or infinity: redo it")
    if hands.shape[-1] == 2:
        hands = np.concatenate([hands, np.full_like(hands[..., :1], np.nan)], axis=-1)
    astray = np.argwhere(without_wrist(hands, confidence))
    if len(astray):
        frame, hand = astray[0]
        raise ValueError(
            f"{path}: expected the {HANDS[hand]} wrist at depth 0 as in MediaPipe's hands, got "
            f"z {hands[frame, hand * len(JOINTS), 2]:.3g} in frame {frame} (from 0): the points "
            "are in another order than the layout's, or their depth was changed"
        )
    return Raw(hands, confidence, body, fps)


def load_npy(path: Path) -> np.ndarray:
    """The array of a `.npy` file from anybody, as float32; Python objects are never unpickled."""
    npy_shape(path)
    return to_float32(np.load(path, allow_pickle=False))


def npy_shape(path: Path) -> tuple[int, ...]:
    """The shape of a `.npy` file; raises ValueError if its size does not fit its header.

    `numpy.load` alone would allocate the memory that a header claims.
    """
    try:
        with path.open("rb") as file:
            # NumPy writes other versions for headers over 64 KB and for named columns alone.
            if (version := npy_format.read_magic(file)) != (1, 0):
                raise ValueError(f"version {version}")
            shape, _, dtype = npy_format.read_array_header_1_0(file)
            start = file.tell()
    except Exception as error:  # numpy evaluates a literal there, which can fail in any way
        raise ValueError(
            f"{path}: expected a .npy file of version 1.0, got a header that cannot be read "
            f"({error}): save it again"
        ) from error
    if dtype.kind not in "fiu":
        raise ValueError(f"{path}: expected real numbers, got {dtype}: save them as float32")
    if min(shape, default=1) < 1:
        raise ValueError(f"{path}: expected at least 1 value, got shape {shape}: remove it")
    expected, held = math.prod(shape) * dtype.itemsize, path.stat().st_size - start
    if held != expected:
        raise ValueError(
            f"{path}: expected {expected} bytes for shape {shape} of {dtype}, got {held}: "
            "it may be truncated, save it again"
        )
    return shape


def some_shapes(paths: Sequence[Path]) -> set[tuple[int, ...]]:
    """Shapes of five `.npy` files, spread over all; broken ones are left for `load_npy`."""
    shapes = set()
    for path in paths[:: -(-len(paths) // 5)]:
        try:
            shapes.add(npy_shape(path))
        except ValueError:
            continue
    return shapes
