"""The values of a clip that all layouts share: their form, checks, and reading of `.npy` files.

Source: MediaPipe Holistic, https://ai.google.dev/edge/mediapipe. A hand's depth is measured from
its own wrist, whose z is therefore 0 except for rounding.
"""

import io
import math
from collections.abc import Sequence
from functools import lru_cache
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.lib import format as npy_format

from jointprune.importing.layouts.clips import NotThisLayout, some_of
from jointprune.skeleton import HANDS, JOINTS

BODY = (11, 12, 15, 16)  # MediaPipe's pose points: left, right shoulder, left, right wrist
MOST_HEADER = 2**16 + 10  # bytes of a .npy file of version 1.0 before its values
WRIST_DEPTH = 1e-3  # image widths; other points of a body are 0.05 and more away from 0
WRIST_SHARE = 1e-2  # the same relative to the hand's extent, for pixels
MOST_GAPS = 2  # frames, those that are missing included, for each that is there


class Raw(NamedTuple):
    """The values of a clip as the file holds them, before scaling and checks of plausibility."""

    hands: np.ndarray  # float32 (frames, 42, 3), left then right; z is NaN where not given
    confidence: np.ndarray | None  # (frames, 42), or (frames, 2) by hand, 0 where missing
    body: np.ndarray  # (frames, 4, 2): left, right shoulder, left, right wrist; NaN if not seen
    fps: float  # 0 if not known
    gaps: int = 0  # frames that are missing between others, here without hands


def to_float32(values: np.ndarray) -> np.ndarray:
    """Numbers as float32; one that is too large becomes infinite, which `checked` refuses."""
    with np.errstate(over="ignore"):
        return np.asarray(values).astype(np.float32)


def body_of(pose: np.ndarray) -> np.ndarray:
    """Shoulders and wrists (frames, 4, 2) of a pose (frames, 33, values); all 0 becomes NaN."""
    points = pose[:, BODY]
    return np.where((points == 0).all(axis=-1, keepdims=True), np.nan, points[..., :2])


def hands_seen(hands: np.ndarray, confidence: np.ndarray | None = None) -> np.ndarray:
    """Which hands of (frames, 42, coordinates) are present: bool (frames, 2), left then right.

    A hand is missing if any value is NaN, all its joints are at one place (0, or the wrist), or any
    joint's confidence is not above 0.
    """
    points = hands.reshape(len(hands), len(HANDS), len(JOINTS), -1)
    seen = ~np.isnan(points).any(axis=(2, 3)) & (points != points[:, :, :1]).any(axis=(2, 3))
    if confidence is not None:
        seen &= (confidence.reshape(len(hands), len(HANDS), -1) > 0).all(axis=-1)
    return seen


def without_wrist(hands: np.ndarray, confidence: np.ndarray | None = None) -> np.ndarray:
    """Which present hands are not real hands (wrist not at depth 0): bool (frames, 2)."""
    depth = np.abs(hands[:, :: len(JOINTS), 2])
    far = depth >= np.maximum(WRIST_DEPTH, WRIST_SHARE * extent(hands))
    return hands_seen(hands, confidence) & far


def extent(hands: np.ndarray) -> np.ndarray:
    """The longer side of each hand's box (frames, 2), of hands (frames, 42, 2 or 3)."""
    points = hands.reshape(len(hands), len(HANDS), len(JOINTS), -1)[..., :2]
    return np.ptp(points, axis=2).max(axis=-1)


def in_time(values: np.ndarray, numbers: Sequence[int]) -> tuple[np.ndarray, int]:
    """Frames (frames, ...) at the places of their numbers, NaN between, and how many are missing.

    They stay as they are if most would be missing, or numbers repeat, as those of times do.
    """
    places = np.asarray(numbers, int) - min(numbers, default=0)
    places //= max(1, np.gcd.reduce(places))  # every second frame alone is a recording, too
    span = 1 + int(places.max(initial=0))
    if span > MOST_GAPS * len(values) or len(set(places.tolist())) < len(values):
        return values, 0
    whole = np.full((span, *values.shape[1:]), np.nan, values.dtype)
    whole[places] = values
    return whole, span - len(values)


def checked(
    path: Path,
    hands: np.ndarray,
    body: np.ndarray | None = None,
    confidence: np.ndarray | None = None,
    fps: float = 0.0,
    gaps: int = 0,
) -> Raw:
    """The values of a clip as `Raw`: hands (frames, 42, 2 or 3), body (frames, 4, 2) if recorded.

    Raises ValueError for impossible values, and for hands whose wrist has a depth other than 0,
    because these points are not a hand's.
    """
    if len(hands) == 0:
        raise ValueError(f"{path}: expected at least 1 frame, got 0: remove it")
    body = np.full((len(hands), len(BODY), 2), np.nan) if body is None else body
    hands, body = to_float32(hands), to_float32(body)
    if np.isinf(hands).any() or np.isinf(body).any():
        raise ValueError(
            f"{path}: expected coordinates or NaN, got an infinite value: extract it again"
        )
    confidence = None if confidence is None else to_float32(confidence)
    if confidence is not None and not np.isfinite(confidence).all():
        raise ValueError(
            f"{path}: expected finite confidences, got NaN or infinity: extract it again"
        )
    if hands.shape[-1] == 2:
        hands = np.concatenate([hands, np.full_like(hands[..., :1], np.nan)], axis=-1)
    astray = np.argwhere(without_wrist(hands, confidence))
    if len(astray):
        frame, hand = astray[0]
        raise ValueError(
            f"{path}: expected the {HANDS[hand]} wrist at depth 0 as in MediaPipe's hands, got "
            f"z {hands[frame, hand * len(JOINTS), 2]:.3g} in frame {frame} (from 0): the points "
            "are in another order than the layout's, or their depth was changed: put them in its "
            "order, or leave z out of such hands and save x and y, as (frames, 42, 2)"
        )
    return Raw(hands, confidence, body, fps, gaps)


def load_npy(path: Path) -> np.ndarray:
    """The array of an untrusted `.npy` file; Python objects are never unpickled."""
    content = path.read_bytes()
    shape, transposed, dtype, start = _npy_header(path, content[:MOST_HEADER], len(content))
    values = np.frombuffer(content, dtype, offset=start)
    return values.reshape(shape, order="F" if transposed else "C")


def npy_shape(path: Path) -> tuple[int, ...]:
    """The shape of a `.npy` file; raises ValueError if its size does not fit its header."""
    with path.open("rb") as file:
        return _npy_header(path, file.read(MOST_HEADER), path.stat().st_size)[0]


def _npy_header(path: Path, head: bytes, size: int) -> tuple[tuple[int, ...], bool, np.dtype, int]:
    """Shape, whether columns come first, type, and the byte where values start.

    `numpy.load` would allocate as much memory as a header claims to need.
    """
    try:
        start = len(npy_format.MAGIC_PREFIX) + 4 + int.from_bytes(head[8:10], "little")
        shape, transposed, dtype = _parsed_header(head[:start])
    except Exception as error:  # NumPy evaluates a literal here, which can fail in any way
        raise ValueError(
            f"{path}: expected a .npy file of version 1.0, got a header that cannot be read "
            f"({error}): save it again"
        ) from error
    if dtype.kind not in "fiu":
        raise ValueError(f"{path}: expected real numbers, got {dtype}: save them as float32")
    if min(shape, default=1) < 1:
        raise ValueError(f"{path}: expected at least 1 value, got shape {shape}: remove it")
    expected, held = math.prod(shape) * dtype.itemsize, size - start
    if held != expected:
        raise ValueError(
            f"{path}: expected {expected} bytes for shape {shape} of {dtype}, got {held}: "
            "it may be truncated, save it again"
        )
    return shape, transposed, dtype, start


@lru_cache(2**10)  # files of one shape have the same header
def _parsed_header(head: bytes) -> tuple[tuple[int, ...], bool, np.dtype]:
    file = io.BytesIO(head)
    # NumPy writes other versions only for headers over 64 KB and for named columns.
    if (version := npy_format.read_magic(file)) != (1, 0):
        raise ValueError(f"version {version}")
    return npy_format.read_array_header_1_0(file)


def some_shapes(paths: Sequence[Path]) -> list[tuple[int, ...]]:
    """Shapes of some `.npy` files, spread over all; `load_npy` later reports damaged ones.

    NotThisLayout, with the first reason, if none of them can be read.
    """
    shapes, reasons = [], []
    for path in some_of(paths):
        try:
            shapes.append(npy_shape(path))
        except (ValueError, OSError) as reason:
            reasons.append(reason)
    if not shapes:
        raise NotThisLayout(str(reasons[0]))
    return shapes
