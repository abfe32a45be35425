"""What every imported clip is asked, whatever its layout: what is missing, which unit, whose hand.

The thresholds were measured on recordings, see data/README.md.
"""

from typing import NamedTuple

import numpy as np

from jointprune.skeleton import HANDS, JOINTS
from jointprune.sources.layouts.found import Raw
from jointprune.sources.recording import Recording

# Coordinates within this are shares of the image; beyond it, pixels. A joint may lie outside.
LARGEST_SHARE = 2.0
# From the wrist to the middle knuckle in shoulder widths: the median of both hands over the
# fingerspelling lexicon, as seen, foreshortening included.
PALM = 0.27
WRISTS = np.array([0, len(JOINTS)])
KNUCKLES = WRISTS + JOINTS.index("middle_mcp")
# Shoulder widths from the middle; the lexicon's limit, too.
LIMIT = 2.5


class Judged(NamedTuple):
    """A clip in shoulder widths, and what its own values say of it."""

    recording: Recording
    unit: str  # "share" of the image or "pixel"
    scale: str  # "shoulders", or "palm" where no shoulders are seen
    aspect: bool  # is the shape of the image known, or not needed?
    swapped: bool | None  # is the hands' side the other one's? None where nothing tells
    mirrored: bool | None  # is the signer's left on the picture's left? None where nothing tells


def judge(raw: Raw) -> Judged:
    """One clip's answers; raises ValueError if no hand is seen in any frame."""
    present = found_hands(raw)
    if not present.any():
        raise ValueError("expected a hand in some frame, got none in any")
    points, body = raw.hands[..., :2], raw.body
    unit = unit_of(points[present], body)
    if unit == "share":
        stretch = np.array([raw.size[0] / raw.size[1], 1]) if raw.size else np.ones(2)
        points, body = points * stretch, None if body is None else body * stretch
    shoulders = None if body is None else shoulder_frame(body)
    width, middle = shoulders or palm_frame(points, present)
    scaled = ((points - middle) / width).clip(-LIMIT, LIMIT)
    scaled = np.where(present[..., None], scaled, 0).astype(np.float32)
    return Judged(
        Recording(scaled, present, raw.fps),
        unit=unit,
        scale="shoulders" if shoulders else "palm",
        aspect=unit == "pixel" or raw.size is not None,
        swapped=None if body is None else _swapped(points, present, body),
        mirrored=None if body is None else _mirrored(body),
    )


def found_hands(raw: Raw) -> np.ndarray:
    """Which joints are there, bool (frames, 42): a hand is there or missing as a whole.

    Missing: any of its values NaN, or all of them 0, or a confidence of 0.
    """
    values = raw.hands[..., :2].reshape(len(raw.hands), len(HANDS), -1)
    present = ~np.isnan(values).any(-1) & (values != 0).any(-1)
    if raw.confidence is not None:
        present &= (raw.confidence.reshape(len(raw.hands), len(HANDS), -1) > 0).all(-1)
    return np.repeat(present, len(JOINTS), axis=1)


def unit_of(points: np.ndarray, body: np.ndarray | None) -> str:
    """ "share" or "pixel", by the largest coordinate of hands that are present and shoulders."""
    largest = np.abs(points).max()
    if body is not None and np.isfinite(body[:, :2]).any():
        largest = max(largest, np.nanmax(np.abs(body[:, :2])))
    return "share" if largest <= LARGEST_SHARE else "pixel"


def shoulder_frame(body: np.ndarray) -> tuple[float, np.ndarray] | None:
    """A clip's width of the shoulders and their middle (2,), medians; None if never seen."""
    left, right = body[:, 0], body[:, 1]
    seen = np.isfinite(left).all(-1) & np.isfinite(right).all(-1)
    width = np.median(np.linalg.norm(left - right, axis=-1)[seen]) if seen.any() else 0.0
    if width <= 0:
        return None
    return float(width), np.median(((left + right) / 2)[seen], axis=0)


def palm_frame(points: np.ndarray, present: np.ndarray) -> tuple[float, np.ndarray]:
    """The same from hands alone: palms are PALM wide, the middle is the mean of the joints."""
    palms = np.linalg.norm(points[:, WRISTS] - points[:, KNUCKLES], axis=-1)
    width = np.median(palms[present[:, WRISTS]]) / PALM
    if width <= 0:
        raise ValueError("expected wrist and knuckle apart, got hands of size 0 in most frames")
    return float(width), points[present].mean(0)


def _swapped(points: np.ndarray, present: np.ndarray, body: np.ndarray) -> bool | None:
    """Do the hands lie nearer to the other side's wrist of the body, in the median frame?"""
    far = np.linalg.norm(points[:, WRISTS, None] - body[:, None, 2:], axis=-1)  # (T, hand, side)
    nearer = np.stack([far[:, 0, 1] - far[:, 0, 0], far[:, 1, 0] - far[:, 1, 1]], axis=1)
    told = nearer[present[:, WRISTS] & np.isfinite(nearer)]
    return bool(np.median(told) < 0) if len(told) else None


def _mirrored(body: np.ndarray) -> bool | None:
    """Is the left shoulder's x smaller than the right's? Facing the camera, it is larger."""
    told = body[:, 0, 0] - body[:, 1, 0]
    told = told[np.isfinite(told)]
    return bool(np.median(told) < 0) if len(told) else None
