"""`.pose` files of pose-format, with MediaPipe Holistic's components: `<anything>/<clip>.pose`.

Coordinates are pixels. A missing hand has confidence 0; one published variant keeps NaN there,
with confidence 1.
"""

import math

import numpy as np
from pose_format.numpy import NumPyPoseBody
from pose_format.pose_header import PoseHeader

from jointprune.importing.layouts.clips import Clip, Files
from jointprune.importing.layouts.values import Raw, checked
from jointprune.recordings import hand_points, parse_pose

BODY_POINTS = ("LEFT_SHOULDER", "RIGHT_SHOULDER", "LEFT_WRIST", "RIGHT_WRIST")


def find(files: Files) -> list[Clip]:
    """Every `.pose` file below a folder."""
    return files.clips(files.of(".pose"))


def read(clip: Clip) -> Raw:
    """Hands in pixels, without depth: z is shifted and 650 times too small in this format."""
    path = clip.place
    header, body = parse_pose(path.read_bytes(), str(path))
    joints = hand_points(header, str(path))
    hands, confidence = body.data.data[:, 0, joints, :2], body.confidence[:, 0, joints]
    fps = float(body.fps)
    return checked(path, hands, _body(header, body), confidence, fps if 0 < fps < math.inf else 0.0)


def _body(header: PoseHeader, body: NumPyPoseBody) -> np.ndarray | None:
    """Shoulders and wrists, NaN where their confidence is not above 0; None if not recorded."""
    try:
        points = [header.get_point_index("POSE_LANDMARKS", point) for point in BODY_POINTS]
    except ValueError:
        return None
    seen = body.confidence[:, 0, points, None] > 0
    return np.where(seen, body.data.data[:, 0, points, :2], np.float32(np.nan))
