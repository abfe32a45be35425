"""Hands out of `.pose` files, the format of pose-format with MediaPipe Holistic's components.

Source: https://github.com/sign-language-processing/pose, docs/specs.
"""

import struct

import numpy as np
from pose_format.numpy import NumPyPoseBody
from pose_format.pose_header import PoseHeader, PoseHeaderComponent
from pose_format.utils.reader import BufferReader

from jointprune.skeleton import HANDS, JOINTS
from jointprune.sources.recording import Recording

HAND_COMPONENTS = tuple(f"{hand.upper()}_HAND_LANDMARKS" for hand in HANDS)
_LONG_FINGERS = ("index", "middle", "ring")
HAND_POINTS = [
    (j.replace("_", "_finger_", 1) if j.startswith(_LONG_FINGERS) else j).upper() for j in JOINTS
]


def read_recording(raw: bytes, name: str) -> Recording:
    """The two hands of a `.pose` file, in canvas pixels.

    A hand is found by its component's name, since files of this format differ in their
    number of points, and it is missing where its own confidence is 0; confidences of other
    components mean nothing here. z is left out: it is shifted and 650 times too small.
    """
    header, body = _parse(raw, name)
    frames, people = body.data.shape[:2]
    if people != 1:
        raise ValueError(f"{name}: expected 1 person, got {people}")
    if frames == 0:
        raise ValueError(f"{name}: expected at least 1 frame, got 0")
    starts = [_hand_start(header.components, hand, name) for hand in HAND_COMPONENTS]
    where = [slice(start, start + len(JOINTS)) for start in starts]
    points = np.concatenate([body.data.data[:, 0, s, :2] for s in where], axis=1)
    confidence = np.concatenate([body.confidence[:, 0, s] for s in where], axis=1)
    known = (confidence == 0) | (confidence == 1)
    if not (np.isfinite(points).all() and known.all()):
        raise ValueError(
            f"{name}: expected finite coordinates and a hand confidence of 0 or 1, got NaN, "
            "an infinite or another value"
        )
    return Recording(points, confidence == 1, float(body.fps))


def _parse(raw: bytes, name: str) -> tuple[PoseHeader, NumPyPoseBody]:
    """What `Pose.read` does, and a check that the file ends where its header says it does."""
    reader = BufferReader(raw)
    try:
        header = PoseHeader.read(reader)
        body = NumPyPoseBody.read(header, reader)
    except (struct.error, TypeError, ValueError, NotImplementedError) as error:
        raise ValueError(
            f"{name}: expected a whole .pose file, got {len(raw)} bytes that cannot be read as "
            f"one ({error}): it may be truncated"
        ) from error
    if reader.bytes_left():
        raise ValueError(
            f"{name}: expected {reader.read_offset} bytes for {len(body.data)} frames, "
            f"got {len(raw)}: the file's length does not fit its header"
        )
    return header, body


def _hand_start(components: list[PoseHeaderComponent], hand: str, name: str) -> int:
    """The index of a hand's first point among all points of a file."""
    start = 0
    for component in components:
        if component.name == hand:
            if list(component.points) != HAND_POINTS:
                raise ValueError(
                    f"{name}: expected the {len(JOINTS)} points of {hand} in MediaPipe's order, "
                    f"got {len(component.points)}: {component.points[:3]}..."
                )
            return start
        start += len(component.points)
    raise ValueError(f"{name}: expected a component {hand}, got {[c.name for c in components]}")
