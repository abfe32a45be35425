"""`.npy` files of shape (frames, points, 2 to 4), one per clip: `<anything>/<clip>.npy`.

543 points are MediaPipe Holistic's, in image fractions. A missing hand is NaN or 0, or its wrist
repeated. A fourth column, visibility, is ignored: it is 0 for hands that are present. 133 or more
points are COCO-WholeBody's (mmpose, RTMPose, HRNet, SAM-SLR): x and y in pixels, and a score. Other
frames are those of `mp_data`, in any shape, as (42, 3), (2, 21, 3) or (75, 3).
"""

import math

import numpy as np

from jointprune.importing.layouts import mp_data
from jointprune.importing.layouts.clips import Clip, Files, NotThisLayout
from jointprune.importing.layouts.values import Raw, checked, load_npy, some_shapes, to_float32
from jointprune.skeleton import JOINTS

WHOLE_BODY = 133
EXPECTED = (
    f"(frames, {mp_data.HOLISTIC} or {WHOLE_BODY}, 2 to 4) or frames of {mp_data.EXPECTED} values"
)
COCO_HANDS = slice(91, 133)
COCO_BODY = (5, 6, 9, 10)  # left, right shoulder, left, right wrist
SEEN = 0.3  # mean score of a hand, from which mmpose draws it
SAM_SLR_PACKED = 27


def find(files: Files) -> list[Clip]:
    """Every `.npy` file below a folder, if some of them have this shape."""
    paths = files.of(".npy")
    shapes = some_shapes(paths)
    # Vectors of one frame; (1, 126) may also be a clip.
    single = sum(math.prod(shape) in mp_data.WIDTHS and shape[0] > 1 for shape in shapes)
    if sum(map(is_clip, shapes)) <= single:
        if any(len(shape) > 2 and SAM_SLR_PACKED in shape[1:] for shape in shapes):
            raise NotThisLayout(
                f"expected all points of a hand, got {SAM_SLR_PACKED} of the body and hands, the "
                "packed form of SAM-SLR, which leaves joints out: use its arrays of 133 points"
            )
        raise NotThisLayout(f"expected arrays {EXPECTED}, got shapes {sorted(set(shapes))}")
    return files.clips(paths)


def read(clip: Clip) -> Raw:
    """Hands and body, in image fractions or in pixels."""
    values = to_float32(load_npy(clip.place))
    values = values[0] if _is_batch(values.shape) else values
    values = values[None] if values.ndim == 1 and values.size in mp_data.WIDTHS else values
    one_frame = math.prod(values.shape[1:]) in mp_data.WIDTHS
    if not (is_clip(values.shape) or one_frame):
        raise ValueError(
            f"{clip.place}: expected an array {EXPECTED}, got {values.shape}: move files that are "
            "not recordings elsewhere"
        )
    points = points_of(values.shape)
    if points == WHOLE_BODY:
        hands = values[:, COCO_HANDS]
        confidence = hands[..., 2].reshape(len(hands), 2, len(JOINTS)).mean(axis=2) > SEEN
        body = np.where(values[:, COCO_BODY, 2:3] > SEEN, values[:, COCO_BODY, :2], np.nan)
        return checked(clip.place, hands[..., :2], body, confidence)
    values = values[..., :3] if points else values
    return checked(clip.place, *mp_data.hands_and_body(values.reshape(len(values), -1)))


def is_clip(shape: tuple[int, ...]) -> bool:
    """Whether an array of this shape is a clip of several frames, and not one frame's vector."""
    return bool(points_of(shape)) or mp_data.several_frames(shape) or _is_batch(shape)


def _is_batch(shape: tuple[int, ...]) -> bool:
    """Whether it holds one clip, (1, frames, ...)."""
    return len(shape) > 2 and shape[0] == 1 and is_clip(shape[1:])


def points_of(shape: tuple[int, ...]) -> int:
    """Whose points an array of this shape holds: 543, WHOLE_BODY, or 0 for neither."""
    if len(shape) != 3 or not 2 <= shape[2] <= 4:
        return 0
    if shape[1] == mp_data.HOLISTIC:
        return mp_data.HOLISTIC
    # Some programs append points to COCO-WholeBody's; without a score no hand could be missing.
    return WHOLE_BODY if WHOLE_BODY <= shape[1] < mp_data.HOLISTIC and shape[2] == 3 else 0
