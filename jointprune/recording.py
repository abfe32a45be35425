"""One clip's hands on the way into a store: mirrored, trimmed, stacked."""

from typing import NamedTuple

import numpy as np

from jointprune.skeleton import JOINT_NAMES, JOINTS

# Shoulder widths; hands at rest reach 1.5 down, and in bzs/W one frame's joints leave the canvas.
LIMIT = 2.5


class Recording(NamedTuple):
    """The hands of one clip; a hand is present or missing as a whole."""

    points: np.ndarray  # float32 (frames, 42, 2): pixels or fractions, then shoulder widths
    present: np.ndarray  # bool (frames, 42)
    fps: float


def mirror(recording: Recording) -> Recording:
    """The recording as in a mirror: hands swapped, x reflected (in shoulder widths)."""
    points = np.roll(recording.points, len(JOINTS), axis=1)
    points[..., 0] = 0 - points[..., 0]  # 0 - 0 is 0, where -0.0 would be another number on disk
    return recording._replace(
        points=points, present=np.roll(recording.present, len(JOINTS), axis=1)
    )


def trim(recording: Recording, name: str) -> Recording:
    """Cut leading and trailing frames in which no hand is seen."""
    seen = np.flatnonzero(recording.present.any(axis=1))
    if len(seen) == 0:
        raise ValueError(f"{name}: expected a hand in some frame, got none in any")
    kept = slice(seen[0], seen[-1] + 1)
    return recording._replace(points=recording.points[kept], present=recording.present[kept])


def pad(recordings: list[Recording]) -> tuple[np.ndarray, np.ndarray]:
    """Stack clips of different lengths: poses (clips, frames, 42, 2), present (clips, frames, 42).

    Frames after a clip's last are 0 and not present.
    """
    frames = max(len(r.present) for r in recordings)
    poses = np.zeros((len(recordings), frames, len(JOINT_NAMES), 2), dtype=np.float32)
    present = np.zeros(poses.shape[:3], dtype=bool)
    for i, recording in enumerate(recordings):
        length = len(recording.present)
        poses[i, :length] = recording.points
        present[i, :length] = recording.present
    return poses, present
