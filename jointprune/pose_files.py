"""Hands out of `.pose` files, the format of pose-format with MediaPipe Holistic's components.

Source: https://github.com/sign-language-processing/pose, docs/specs.
"""

import struct

import numpy as np
from pose_format.numpy import NumPyPoseBody
from pose_format.pose_header import PoseHeader, PoseHeaderComponent
from pose_format.utils.reader import BufferReader

from jointprune.recording import Recording
from jointprune.skeleton import HANDS, JOINTS

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
    header, body = parse(raw, name)
    where = hand_points(header, name)
    points = body.data.data[:, 0, where, :2]
    confidence = body.confidence[:, 0, where]
    known = (confidence == 0) | (confidence == 1)
    if not (np.isfinite(points).all() and known.all()):
        raise ValueError(
            f"{name}: expected finite coordinates and a hand confidence of 0 or 1, got NaN, "
            "an infinite or another value"
        )
    return Recording(points, confidence == 1, float(body.fps))


def parse(raw: bytes, name: str) -> tuple[PoseHeader, NumPyPoseBody]:
    """What `Pose.read` does, for a file that is whole: its header, and a body of one person.

    Body `data` is (frames, 1, points, coordinates), `confidence` (frames, 1, points). Raises
    ValueError for a file that does not end where its header says it does (before memory is
    taken for what is not there), another number of people than 1, and no frame.
    """
    reader = BufferReader(raw)
    try:
        header = PoseHeader.read(reader)
        start = reader.read_offset
        body = NumPyPoseBody.read(header, reader)
    except (struct.error, TypeError, ValueError, ArithmeticError, NotImplementedError) as error:
        raise ValueError(
            f"{name}: expected a whole .pose file, got {len(raw)} bytes that cannot be read as "
            f"one ({error}): it may be truncated"
        ) from error
    if reader.bytes_left():
        raise ValueError(
            f"{name}: expected {reader.read_offset} bytes for {len(body.data)} frames, "
            f"got {len(raw)}: the file's length does not fit its header"
        )
    _refuse_what_is_passed_over(header.version, raw[start : start + 4], len(body.data), name)
    if body.data.shape[1] != 1:
        raise ValueError(f"{name}: expected 1 person, got {body.data.shape[1]}")
    if len(body.data) == 0:
        raise ValueError(f"{name}: expected at least 1 frame, got 0")
    return header, body


def _refuse_what_is_passed_over(version: float, body: bytes, frames: int, name: str) -> None:
    """Refuse what pose-format passes over in old versions; `body` is how its bytes start."""
    if version == 0:  # it keeps a frame's first person, and does not say so
        raise ValueError(
            f"{name}: expected version 0.1 or 0.2 of the format, got 0.0, whose further people "
            "would be lost: write it again with pose-format"
        )
    said = struct.unpack("<HH", body)[1]
    # It counts frames by the bytes there, so that a cut file's confidences are taken from its
    # coordinates. From 65535 frames on, the writers of version 0.1 say 0.
    if round(version, 3) == 0.1 and said != frames and frames < 65535:
        raise ValueError(f"{name}: expected {said} frames, got {frames}: it may be truncated")


def hand_points(header: PoseHeader, name: str) -> list[int]:
    """Where the 42 joints are among a file's points: left, then right, in MediaPipe's order.

    Raises ValueError if a hand's component is not there, or has other points or coordinates.
    """
    starts = [_hand_start(header.components, hand, name) for hand in HAND_COMPONENTS]
    return [start + joint for start in starts for joint in range(len(JOINTS))]


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
            if not component.format.startswith("XY"):
                raise ValueError(
                    f"{name}: expected coordinates XY of {hand}, got {component.format!r}"
                )
            return start
        start += len(component.points)
    raise ValueError(f"{name}: expected a component {hand}, got {[c.name for c in components]}")
