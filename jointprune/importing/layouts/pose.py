"""`.pose` files of pose-format, with MediaPipe Holistic's components: `<anything>/<clip>.pose`.

Coordinates are pixels. A missing hand has confidence 0; one published variant keeps NaN there,
with confidence 1.
"""

import math
from pathlib import Path

import numpy as np
from pose_format.numpy import NumPyPoseBody
from pose_format.pose_header import PoseHeader

from jointprune.importing.layouts.found import Clip, Raw
from jointprune.importing.layouts.landmarks import checked, only_file
from jointprune.importing.layouts.naming import clips_of_files, files_below
from jointprune.pose_files import hand_points, parse

BODY_POINTS = ("LEFT_SHOULDER", "RIGHT_SHOULDER", "LEFT_WRIST", "RIGHT_WRIST")


def find(source: Path) -> list[Clip]:
    """Every `.pose` file below a folder."""
    return clips_of_files(source, files_below(source, ".pose"))


def read(clip: Clip) -> Raw:
    """Hands in pixels, without depth: z is shifted and 650 times too small in this format."""
    path = only_file(clip)
    header, body = parse(path.read_bytes(), str(path))
    joints = hand_points(header, str(path))
    fps = float(body.fps)
    return checked(
        path,
        body.data.data[:, 0, joints, :2],
        _body(header, body),
        confidence=body.confidence[:, 0, joints],
        fps=fps if 0 < fps < math.inf else 0.0,
    )


def _body(header: PoseHeader, body: NumPyPoseBody) -> np.ndarray | None:
    """Shoulders and wrists, NaN where their confidence is not above 0; None if not recorded."""
    try:
        points = [header.get_point_index("POSE_LANDMARKS", point) for point in BODY_POINTS]
    except ValueError:
        return None
    seen = body.confidence[:, 0, points, None] > 0
    return np.where(seen, body.data.data[:, 0, points, :2], np.float32(np.nan))
