"""What all layouts share: MediaPipe's points that are kept, and what each clip has to pass.

Source: MediaPipe Holistic, https://ai.google.dev/edge/mediapipe; a hand's depth is measured
from its own wrist, whose z is therefore 0 but for rounding.
"""

from pathlib import Path

import numpy as np

from jointprune.importing.layouts.found import Clip, Raw
from jointprune.skeleton import HANDS, JOINTS

BODY = (11, 12, 15, 16)  # rows of the pose: left, right shoulder, left, right wrist
WRIST_DEPTH = 1e-3  # image widths; other points of a body are 0.05 and more away from 0


def only_file(clip: Clip) -> Path:
    """The file of a clip that has one."""
    (path,) = clip.files
    return path


def to_float32(values: np.ndarray) -> np.ndarray:
    """Numbers as float32; one that is too large becomes infinite, which `checked` refuses."""
    with np.errstate(over="ignore"):
        return np.asarray(values).astype(np.float32)


def body_of(pose: np.ndarray) -> np.ndarray:
    """Shoulders and wrists (frames, 4, 2) out of a pose (frames, 33, values).

    A point whose values are all 0 was not seen: NaN.
    """
    points = to_float32(pose[:, BODY])
    unseen = (points == 0).all(axis=-1, keepdims=True)
    return np.where(unseen, np.float32(np.nan), points[..., :2])


def hands_seen(hands: np.ndarray, confidence: np.ndarray | None = None) -> np.ndarray:
    """Which hands (frames, 42, coordinates) are there: bool (frames, 2), left then right.

    A hand is missing where a value is NaN, all are 0, or the confidence (frames, 42) of any
    of its joints is not above 0.
    """
    values = hands.reshape(len(hands), len(HANDS), -1)
    seen = ~np.isnan(values).any(axis=-1) & (values != 0).any(axis=-1)
    if confidence is not None:
        seen &= (confidence.reshape(len(hands), len(HANDS), -1) > 0).all(axis=-1)
    return seen


def wrists_astray(hands: np.ndarray, confidence: np.ndarray | None = None) -> np.ndarray:
    """Where a hand that is there has no wrist at depth 0, so that it is none: bool (frames, 2)."""
    depth = np.abs(hands[:, :: len(JOINTS), 2])
    return hands_seen(hands, confidence) & (depth >= WRIST_DEPTH)


def checked(
    path: Path,
    hands: np.ndarray,
    body: np.ndarray | None,
    confidence: np.ndarray | None = None,
    fps: float = 0.0,
) -> Raw:
    """A clip's values as `Raw`: hands (frames, 42, 2 or 3), body (frames, 4, 2).

    Raises ValueError for no frames, infinite values, a confidence that is no number, and, where
    z is given, for hands whose wrists are not at depth 0: they are other points.
    """
    if len(hands) == 0:
        raise ValueError(f"{path}: expected at least 1 frame, got 0: remove it")
    hands = to_float32(hands)
    if np.isinf(hands).any() or (body is not None and np.isinf(body).any()):
        raise ValueError(
            f"{path}: expected coordinates or NaN, got an infinite value: make it anew"
        )
    if confidence is not None and not np.isfinite(confidence).all():
        raise ValueError(f"{path}: expected finite confidences, got NaN or infinite: make it anew")
    if hands.shape[-1] == 3:
        _require_wrists(path, hands, confidence)
    else:
        hands = np.concatenate([hands, np.full_like(hands[..., :1], np.nan)], axis=-1)
    return Raw(hands, confidence, body, fps)


def _require_wrists(path: Path, hands: np.ndarray, confidence: np.ndarray | None) -> None:
    astray = np.argwhere(wrists_astray(hands, confidence))
    if len(astray):
        frame, hand = astray[0]
        raise ValueError(
            f"{path}: expected the {HANDS[hand]} wrist at depth 0 as in MediaPipe's hands, got "
            f"z {hands[frame, hand * len(JOINTS), 2]:.3g} in frame {frame} (from 0): the points "
            "are in another order than the layout's, or their depth was changed"
        )
