"""Quality checks for imported clips: missing hands, units, scale and handedness.

The thresholds were measured on recordings, see data/README.md.
"""

from typing import NamedTuple

import numpy as np

from jointprune.importing.layouts.values import Raw, hands_seen
from jointprune.recordings import LIMIT, Recording
from jointprune.skeleton import JOINTS

# Coordinates whose median is within this are fractions of the image, others are pixels.
LARGEST_SHARE = 2.0
# From the wrist to the middle knuckle in shoulder widths: the median of both hands over the
# fingerspelling lexicon, as seen, foreshortening included.
PALM = 0.27
WRISTS = np.array([0, len(JOINTS)])
KNUCKLES = WRISTS + JOINTS.index("middle_mcp")


class Judged(NamedTuple):
    """A clip in shoulder widths, and what its own values say of it."""

    recording: Recording
    unit: str  # "share" of the image or "pixel"
    scale: str  # "shoulders", or "palm" where no shoulders are seen
    swapped: bool | None  # are the left and right hand exchanged? None where unknown
    mirrored: bool | None  # is the signer's left on the picture's left? None where unknown


def judge(raw: Raw, aspect: float = 1.0) -> Judged:
    """Scale a clip and check it; raises ValueError if no hand is seen in any frame.

    `aspect` is the image's width over its height, by which fractions of it are stretched.
    """
    points, body = raw.hands[..., :2], raw.body
    present = np.repeat(hands_seen(points, raw.confidence), len(JOINTS), axis=1)
    if not present.any():
        raise ValueError("expected a hand in some frame, got none in any")
    unit = "share" if np.median(np.abs(points[present])) <= LARGEST_SHARE else "pixel"
    if unit == "share":
        points = points * (aspect, 1)
        body = None if body is None else body * (aspect, 1)
    shoulders = None if body is None else _shoulder_frame(body)
    width, middle = shoulders or _palm_frame(points, present)
    scaled = ((points - middle) / width).clip(-LIMIT, LIMIT)
    scaled = np.where(present[..., None], scaled, 0).astype(np.float32)
    return Judged(
        Recording(scaled, present, raw.fps),
        unit=unit,
        scale="shoulders" if shoulders else "palm",
        swapped=None if body is None else _swapped(points, present, body),
        mirrored=None if body is None else _mostly_negative(body[:, 0, 0] - body[:, 1, 0]),
    )


def _shoulder_frame(body: np.ndarray) -> tuple[float, np.ndarray] | None:
    """Median width and middle (2,) of the shoulders; None if they are never seen."""
    left, right = body[:, 0], body[:, 1]
    seen = np.isfinite(left).all(-1) & np.isfinite(right).all(-1)
    width = np.median(np.linalg.norm(left - right, axis=-1)[seen]) if seen.any() else 0.0
    if width <= 0:
        return None
    return float(width), np.median(((left + right) / 2)[seen], axis=0)


def _palm_frame(points: np.ndarray, present: np.ndarray) -> tuple[float, np.ndarray]:
    """The same from hands alone: palms are PALM wide, the middle is the mean of the joints."""
    palms = np.linalg.norm(points[:, WRISTS] - points[:, KNUCKLES], axis=-1)
    width = np.median(palms[present[:, WRISTS]]) / PALM
    if width <= 0:
        raise ValueError("expected wrist and knuckle apart, got hands of size 0 in most frames")
    return float(width), points[present].mean(0)


def _swapped(points: np.ndarray, present: np.ndarray, body: np.ndarray) -> bool | None:
    """Do the hands lie nearer to the wrist of the other side, in the median frame?"""
    far = np.linalg.norm(points[:, WRISTS, None] - body[:, None, 2:], axis=-1)  # (T, hand, side)
    nearer = np.stack([far[:, 0, 1] - far[:, 0, 0], far[:, 1, 0] - far[:, 1, 1]], axis=1)
    return _mostly_negative(nearer[present[:, WRISTS]])


def _mostly_negative(values: np.ndarray) -> bool | None:
    """Is the median of the finite values negative? None if there are none."""
    finite = values[np.isfinite(values)]
    return bool(np.median(finite) < 0) if len(finite) else None
