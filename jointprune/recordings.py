"""The hands of one clip: read from a `.pose` file, mirrored, trimmed and stacked into arrays.

`.pose` is the format of pose-format, here with the components of MediaPipe Holistic.
Source: https://github.com/sign-language-processing/pose, docs/specs.
"""

import re
import struct
from typing import NamedTuple

import numpy as np
import pandas as pd
from pose_format.numpy import NumPyPoseBody
from pose_format.pose_header import PoseHeader
from pose_format.utils.reader import BufferReader

from jointprune.skeleton import HANDS, JOINT_NAMES, JOINTS

# Shoulder widths; hands at rest are 1.5 below the shoulders. In one frame of bzs/W the joints lie
# outside the canvas.
LIMIT = 2.5
# From the wrist to the middle knuckle in shoulder widths: the median of both hands over the
# fingerspelling lexicon, as seen, foreshortening included.
PALM = 0.27
# A hand leads if it is seen in over MORE_SEEN times the frames of the other, or moves over FARTHER
# times as far. In clips of two hands motion decides less surely (benchmarks/README.md).
MORE_SEEN, FARTHER = 1.5, 3.0
LEADING = ("clip", "signer", "recorded")  # ways to find the leading hand
PERSONS = ("signer", "person")  # what groups are called that are persons
# The names of a hand's points in `.pose` files: INDEX_FINGER_MCP for index_mcp.
HAND_POINTS = [re.sub("^(index|middle|ring)_", r"\1_finger_", joint).upper() for joint in JOINTS]


class Recording(NamedTuple):
    """The hands of one clip; a hand is present or missing as a whole."""

    points: np.ndarray  # float32 (frames, 42, 2): pixels or fractions, then shoulder widths
    present: np.ndarray  # bool (frames, 42)
    fps: float


def mirror(recording: Recording) -> Recording:
    """Reflect a recording in shoulder widths: x changes its sign, the hands change places."""
    points = np.roll(recording.points, len(JOINTS), axis=1)
    points[..., 0] = 0 - points[..., 0]  # 0 - 0 is 0, while -0.0 would have other bytes on disk
    return recording._replace(
        points=points, present=np.roll(recording.present, len(JOINTS), axis=1)
    )


def leading_hand(recording: Recording) -> str:
    """The hand that leads in a clip: "left", "right", or "" where neither does clearly.

    It is seen in more frames than the other one, or else moves farther (the path of the mean of
    its joints).
    """
    seen = recording.present[:, [0, len(JOINTS)]]
    frames = seen.sum(axis=0)
    hands = recording.points.reshape(len(seen), len(HANDS), len(JOINTS), 2).mean(axis=2)
    steps = np.linalg.norm(np.diff(hands, axis=0), axis=-1)
    paths = np.where(seen[1:] & seen[:-1], steps, 0).sum(axis=0)
    for ratio, (left, right) in ((MORE_SEEN, frames), (FARTHER, paths)):
        if left > ratio * right or right > ratio * left:
            return HANDS[int(right > left)]
    return ""


def leading_hands(clips: pd.DataFrame, by: str = "clip") -> pd.DataFrame:
    """The hand that leads in each clip ("left", "right" or "") and what it is known `by`.

    Columns of `clips`: signer ("unknown" if not known), left and right (frames in which the hand is
    seen) and leads (what the clip shows, see `leading_hand`). By the "clip" where it shows a hand,
    else by what most other clips of its signer show; by the "signer", in whose clips one hand is
    seen more; or as "recorded". What stays open is left as recorded.
    """
    if by not in LEADING:
        raise ValueError(f"expected a way to find the leading hand, got {by!r}: one of {LEADING}")
    found = pd.DataFrame({"leads": "", "by": "recorded"}, index=clips.index)
    if by == "recorded":
        return found
    leads = pd.DataFrame({hand: clips["leads"] == hand for hand in HANDS})
    counted = clips[list(HANDS)] if by == "signer" else leads
    left, right = (counted[hand].groupby(clips["signer"]).transform("sum") for hand in HANDS)
    decided = (clips["signer"] != "unknown") & ((left != right) | (by == "signer"))
    majority = {"leads": np.where(left > right, "left", "right"), "by": "signer"}
    found = found.mask(decided, pd.DataFrame(majority, clips.index))
    if by == "clip":
        found = found.mask(clips["leads"] != "", clips[["leads"]].assign(by="clip"))
    return found


def trim(recording: Recording, name: str) -> Recording:
    """Cut leading and trailing frames without any hand."""
    seen = np.flatnonzero(recording.present.any(axis=1))
    if len(seen) == 0:
        raise ValueError(f"{name}: expected a hand in some frame, got none in any")
    kept = slice(seen[0], seen[-1] + 1)
    return recording._replace(points=recording.points[kept], present=recording.present[kept])


def pad(recordings: list[Recording]) -> tuple[np.ndarray, np.ndarray]:
    """Stack clips of different lengths: poses (clips, frames, 42, 2), present (clips, frames, 42).

    Frames after the end of a clip are 0 and not present.
    """
    frames = max(len(r.present) for r in recordings)
    poses = np.zeros((len(recordings), frames, len(JOINT_NAMES), 2), dtype=np.float32)
    present = np.zeros(poses.shape[:3], dtype=bool)
    for i, recording in enumerate(recordings):
        own = slice(len(recording.present))
        poses[i, own], present[i, own] = recording.points, recording.present
    return poses, present


def read_recording(raw: bytes, name: str) -> Recording:
    """Read both hands from the bytes of a `.pose` file.

    A hand is missing where its confidence is 0. The confidence of other components says nothing
    about hands. z is left out: in the lexicon it is shifted and 650 times too small.

    Points are in pixels of the canvas. Raises ValueError, which starts with `name`, if the file is
    damaged, holds several people or other points, or has impossible values.
    """
    header, body = parse_pose(raw, name)
    joints = hand_points(header, name)
    points = body.data.data[:, 0, joints, :2]
    confidence = body.confidence[:, 0, joints]
    if not (np.isfinite(points).all() and np.isin(confidence, (0, 1)).all()):
        raise ValueError(
            f"{name}: expected finite coordinates and a hand confidence of 0 or 1, got NaN, "
            "an infinite or another value: extract it again"
        )
    return Recording(points, confidence == 1, float(body.fps))


def parse_pose(raw: bytes, name: str) -> tuple[PoseHeader, NumPyPoseBody]:
    """The header and body of a `.pose` file, checked to be whole and of one person.

    Body `data` is (frames, 1, points, coordinates), `confidence` (frames, 1, points).
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
    frames, people = body.data.shape[:2]
    if reader.bytes_left():
        raise ValueError(
            f"{name}: expected {reader.read_offset} bytes for {frames} frames, got {len(raw)}: "
            "the file's length does not fit its header"
        )
    if header.version == 0:  # pose-format silently keeps the first person alone
        raise ValueError(
            f"{name}: expected version 0.1 or 0.2 of the format, got 0.0, whose further people "
            "would be lost: write it again with pose-format"
        )
    # For version 0.1 pose-format counts frames by the bytes left, so that it reads a truncated
    # file with shifted confidences. From 65535 frames on, writers of that version store 0.
    stored = struct.unpack_from("<HH", raw, start)[1]
    if round(header.version, 3) == 0.1 and stored != frames and frames < 65535:
        raise ValueError(f"{name}: expected {stored} frames, got {frames}: it may be truncated")
    if people != 1 or frames == 0:
        raise ValueError(
            f"{name}: expected 1 person in at least 1 frame, got {people} in {frames} frames: keep "
            "only the signer, or remove an empty file"
        )
    return header, body


def hand_points(header: PoseHeader, name: str) -> list[int]:
    """Indices of the 42 joints among the points of a `.pose` file: left hand, then right.

    Hands are found by the name of their component, because files differ in their other points.
    """
    names = [component.name for component in header.components]
    indices = []
    for hand in (f"{hand.upper()}_HAND_LANDMARKS" for hand in HANDS):
        if hand not in names:
            raise ValueError(
                f"{name}: expected a component {hand}, got {names}: extract the hands too"
            )
        component = header.components[names.index(hand)]
        if list(component.points) != HAND_POINTS:
            raise ValueError(
                f"{name}: expected the {len(JOINTS)} points of {hand} in MediaPipe's order, "
                f"got {len(component.points)}: {component.points[:3]}...; extract them again"
            )
        if component.format[:2] != "XY":
            raise ValueError(
                f"{name}: expected coordinates XY of {hand}, got {component.format!r}: add them"
            )
        start = header.get_point_index(hand, HAND_POINTS[0])
        indices += range(start, start + len(JOINTS))
    return indices
