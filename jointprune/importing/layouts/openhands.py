"""Pickles of OpenHands: `<anything>/<clip>.pkl`, a dict of keypoints and confidences.

Points are 33 of the pose, 21 of the left hand, 21 of the right, in image fractions; a missing
hand has values 0 and confidence 0.

Source: https://github.com/AI4Bharat/OpenHands, pipelines/generate_pose.py.
"""

from pathlib import Path

from jointprune.importing.layouts.clips import Clip, clips_of_files, files_below
from jointprune.importing.layouts.pickles import load_arrays
from jointprune.importing.layouts.values import Raw, body_of, checked, to_float32

POINTS = 75
POSE, HANDS = slice(0, 33), slice(33, 75)


def find(source: Path) -> list[Clip]:
    """Every `.pkl` file below a folder."""
    return clips_of_files(source, files_below(source, ".pkl"))


def read(clip: Clip) -> Raw:
    """Hands and body in image fractions, of one person."""
    path = clip.place
    arrays = load_arrays(path)
    if not {"keypoints", "confidences"} <= set(arrays):
        raise ValueError(
            f"{path}: expected arrays keypoints and confidences, got {sorted(map(str, arrays))}: "
            "move files that are no recordings elsewhere"
        )
    points, confidence = arrays["keypoints"], arrays["confidences"]
    if points.ndim == 4 and points.shape[1] != 1:
        raise ValueError(f"{path}: expected 1 person, got {points.shape[1]}: keep the signer alone")
    if points.ndim not in (3, 4) or points.shape[-2:] != (POINTS, 3):
        raise ValueError(
            f"{path}: expected keypoints (frames, {POINTS}, 3), got {points.shape}: "
            "extract it again"
        )
    points = points.reshape(-1, POINTS, 3)
    if confidence.size != points[..., 0].size:
        raise ValueError(
            f"{path}: expected confidences {points.shape[:2]}, got {confidence.shape}: "
            "extract it again"
        )
    confidence = to_float32(confidence.reshape(-1, POINTS))
    return checked(path, points[:, HANDS], body_of(points[:, POSE]), confidence[:, HANDS])
