"""One hand motion, written in every layout by the layout's own library."""

import io
import json
import pickle
import tracemalloc
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pandas as pd
from pose_format import Pose
from pose_format.numpy import NumPyPoseBody
from pose_format.pose_header import PoseHeader, PoseHeaderComponent, PoseHeaderDimensions
from recordings import body_of, motion, write_frames
from recordings import vectors as mp_vectors

from jointprune.importing.layouts import LAYOUTS, pose, recognise
from jointprune.importing.layouts.clips import Clip
from jointprune.recordings import HAND_POINTS
from jointprune.skeleton import JOINT_NAMES

BODY = [11, 12, 15, 16]
SIZE = np.float32([640, 480])
FRAMES = 6
MISSING = ((0, 0), (1, 0), (3, 1))  # frame, hand: left seen in frames 2-5, right in all but 3


class Motion:
    """Hands and a whole body in image fractions; unseen hands have values, too."""

    def __init__(self, seed=3, missing=MISSING):
        self.hands = motion(FRAMES, seed).astype(np.float32)
        self.seen = np.isfinite(motion(FRAMES, seed, missing)[..., 0])
        rng = np.random.default_rng(seed)
        self.pose = rng.uniform(0.2, 0.8, size=(FRAMES, 33, 3)).astype(np.float32)
        self.pose[:, BODY, :2] = body_of(self.hands)[:, BODY, :2]
        self.pose_seen = np.ones((FRAMES, 33), dtype=bool)
        self.pose_seen[4] = False

    def filled(self, nothing):
        """Hands and pose with `nothing` where they were not seen."""
        hands = np.where(self.seen[..., None], self.hands, np.float32(nothing))
        return hands, np.where(self.pose_seen[..., None], self.pose, np.float32(nothing))


@contextmanager
def little_memory():
    """The block may use at most 2 MB at a time, while the false headers claim 1 GB and more."""
    tracemalloc.start()
    try:
        yield
        assert tracemalloc.get_traced_memory()[1] < 2_000_000
    finally:
        tracemalloc.stop()


def pose_bytes(motion, hands=None, confidence=None, components=("pose", "left", "right")):
    """A `.pose` file as pose-format writes it, in pixels."""
    zeros, body = motion.filled(0)
    hands = zeros if hands is None else hands
    confidence = motion.seen.astype(np.float32) if confidence is None else confidence
    names = [f"POINT_{i}" for i in range(33)]
    for i, name in zip(BODY, pose.BODY_POINTS, strict=True):
        names[i] = name
    blocks = {
        "pose": ("POSE_LANDMARKS", names, body, motion.pose_seen),
        "left": ("LEFT_HAND_LANDMARKS", HAND_POINTS, hands[:, :21], confidence[:, :21]),
        "right": ("RIGHT_HAND_LANDMARKS", HAND_POINTS, hands[:, 21:], confidence[:, 21:]),
    }
    used = [blocks[name] for name in components]
    header = [PoseHeaderComponent(name, points, [], [], "XYZC") for name, points, _, _ in used]
    points = np.concatenate([block for _, _, block, _ in used], axis=1) * [*SIZE, 1]
    trust = np.concatenate([trust for _, _, _, trust in used], axis=1).astype(np.float32)
    body = NumPyPoseBody(29.5, np.ma.array(points[:, None].astype(np.float32)), trust[:, None])
    buffer = io.BytesIO()
    Pose(PoseHeader(0.2, PoseHeaderDimensions(*SIZE), header), body).write(buffer)
    return buffer.getvalue()


def vectors(motion, width=1662, hands_first=False):
    """The frames' vectors of `MP_Data`, the body with visibilities."""
    hands, body = motion.filled(0)
    body = np.concatenate([body, 0.9 * motion.pose_seen[..., None]], axis=-1)
    return mp_vectors(hands, body, width, hands_first)


def face_before_pose(frames):
    """Vectors of 1662 with the face, whose points have depths, before the pose."""
    face = np.tile([0.5, 0.4, -0.02], (len(frames), 468))
    return np.concatenate([face, frames[:, :132], frames[:, 1536:]], axis=1)


def stack(motion, columns=3, by_name=False, nothing=np.nan):
    """An array (frames, 543, columns), `nothing` where missing; `by_name` as in Kaggle's tables."""
    hands, body = motion.filled(nothing)
    face = np.full((FRAMES, 468, 3), 0.5)
    parts = [face, hands[:, :21], body, hands[:, 21:]] if by_name else [face, body, hands]
    points = np.concatenate(parts, axis=1)
    return np.concatenate([points, np.zeros((FRAMES, 543, 1))], axis=2)[..., :columns]


def tssi(motion):
    """An array whose pose comes before the face, a missing hand's wrist repeated."""
    hands, body = motion.filled(np.nan)
    wrists = np.repeat(np.random.default_rng(0).random((FRAMES, 2, 3)), 21, axis=1)
    hands = np.where(motion.seen[..., None], hands, wrists)
    return np.concatenate([body, np.full((FRAMES, 468, 3), 0.5), hands], axis=1)


def whole_body(motion, more=0):
    """COCO-WholeBody in pixels with scores; `more` points behind."""
    points = np.zeros((FRAMES, 133 + more, 3))
    points[:, 91:133, :2] = motion.hands[..., :2] * SIZE
    points[:, 91:133, 2] = np.where(motion.seen, 0.8, 0.1)
    points[:, [5, 6, 9, 10], :2] = motion.pose[:, BODY, :2] * SIZE
    points[:, [5, 6, 9, 10], 2] = np.where(motion.pose_seen[:, BODY], 0.9, 0.0)
    return points


def write_openpose(source, motion, clip="1/x"):
    points = whole_body(motion)
    for frame in range(FRAMES):
        hands = np.where(motion.seen[frame, :, None], points[frame, 91:133], 0)
        pose = np.zeros((25, 3))
        pose[[5, 2, 7, 4]] = points[frame, [5, 6, 9, 10]]
        person = {"pose_keypoints_2d": pose.ravel().tolist(),
                  "hand_left_keypoints_2d": hands[:21].ravel().tolist(),
                  "hand_right_keypoints_2d": hands[21:].ravel().tolist()}  # fmt: skip
        file = source / "hello" / f"{clip}_{frame:012d}_keypoints.json"
        write(file, json.dumps({"version": 1.3, "people": [person]}))


def long_table(motion):
    """A row for each joint seen, in another order, frames from 5."""
    rows = [(5 + frame, JOINT_NAMES[joint] if joint % 2 else joint, *map(float, point))
            for frame in range(FRAMES) for joint, point in enumerate(motion.hands[frame])
            if motion.seen[frame, joint]]  # fmt: skip
    table = pd.DataFrame(rows, columns=["frame", "landmark", "x", "y", "z"])
    return table.sample(frac=1, random_state=0).to_csv(index=False)


def sided_table(motion, column="hand", sides=("Left", "Right"), names=range(21)):
    """A long table with a column that names the hand."""
    rows = [(frame, sides[joint // 21], names[joint % 21], *map(float, point))
            for frame in range(FRAMES) for joint, point in enumerate(motion.hands[frame])
            if motion.seen[frame, joint]]  # fmt: skip
    return pd.DataFrame(rows, columns=["frame", column, "landmark", "x", "y", "z"])


def table(motion):
    """The long table of `asl-signs`, its rows shuffled; frames start at 20."""
    hands, body = motion.filled(np.nan)
    kinds = {"face": np.full((FRAMES, 5, 3), 0.5), "pose": body}
    kinds |= {"left_hand": hands[:, :21], "right_hand": hands[:, 21:]}
    rows = [
        (20 + frame, f"{20 + frame}-{kind}-{i}", kind, i, *map(float, point))
        for kind, points in kinds.items()
        for frame, frame_points in enumerate(points)
        for i, point in enumerate(frame_points)
    ]
    names = ["frame", "row_id", "type", "landmark_index", "x", "y", "z"]
    frame = pd.DataFrame(rows, columns=names).astype({"frame": "int16", "landmark_index": "int16"})
    return frame.sample(frac=1, random_state=0)


def keypoints(motion, person_axis=False):
    """The dict that OpenHands pickles."""
    hands, body = motion.filled(0)
    points = np.concatenate([body, hands], axis=1).astype(np.float64)
    trust = np.concatenate([0.9 * motion.pose_seen, motion.seen], axis=1)
    return {"keypoints": points[:, None] if person_axis else points, "confidences": trust}


def write(path: Path, content) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    if isinstance(content, bytes):
        path.write_bytes(content)
    elif isinstance(content, dict):
        path.write_bytes(pickle.dumps(content, protocol=4))
    elif isinstance(content, pd.DataFrame):
        content.to_parquet(path)
    elif isinstance(content, str):
        path.write_text(content, encoding="utf-8")
    else:
        np.save(path, content)
    return path


def read_file(layout, path, content):
    """What a layout reads from a file of this content."""
    return LAYOUTS[layout].read(Clip("x", "", "", "", (write(path, content),)))


def read_found(source):
    """The layout that is found in a folder, its clips and their values."""
    layout, clips, _ = recognise(source)
    return layout, clips, [LAYOUTS[layout].read(clip) for clip in clips]


def write_asl(source: Path, motion, path="parquet/26734/100.parquet"):
    header = "path,participant_id,sequence_id,sign\n"
    write(source / "train.csv", f"{header}{path},26734,100,hello\n")
    return write(source / path, table(motion))


WRITERS = {
    "pose": lambda s, m: write(s / "hello" / "1.pose", pose_bytes(m)),
    "mp-data": lambda s, m: write_frames(s / "hello" / "1", vectors(m)),
    "mp-data, face first": lambda s, m: write_frames(
        s / "hello" / "1", np.roll(vectors(m), -132, axis=1)
    ),
    "mp-data, face before pose": lambda s, m: write_frames(
        s / "hello" / "1", face_before_pose(vectors(m))
    ),
    "mp-data 1629": lambda s, m: write_frames(
        s / "hello" / "1", stack(m, nothing=0).reshape(FRAMES, -1)
    ),
    "mp-data 258": lambda s, m: write_frames(s / "hello" / "1", vectors(m, 258)),
    "mp-data 258, hands first": lambda s, m: write_frames(s / "hello" / "1", vectors(m, 258, True)),
    "mp-data 126": lambda s, m: write_frames(s / "hello" / "1", vectors(m, 126)),
    "mp-data 126, frame_0 in shape (42, 3)": lambda s, m: write_frames(
        s / "hello" / "1", vectors(m, 126).reshape(-1, 42, 3), [f"frame_{i}" for i in range(FRAMES)]
    ),
    "arrays of vectors of 1662": lambda s, m: write(s / "hello" / "1.npy", vectors(m)),
    "arrays of vectors of 126": lambda s, m: write(s / "hello" / "1.npy", vectors(m, 126)),
    "arrays of hands, as 126": lambda s, m: write(
        s / "hello" / "1.npy", vectors(m, 126).reshape(-1, 42, 3)
    ),
    "arrays of hands without depth, as 126": lambda s, m: write(
        s / "hello" / "1.npy", vectors(m, 126).reshape(-1, 42, 3)[..., :2]
    ),
    "arrays of values without depth, as 126": lambda s, m: write(
        s / "hello" / "1.npy", vectors(m, 126).reshape(-1, 42, 3)[..., :2].reshape(-1, 84)
    ),
    "arrays": lambda s, m: write(s / "hello" / "1.npy", stack(m)),
    "arrays of zeros": lambda s, m: write(s / "hello" / "1.npy", stack(m, nothing=0)),
    "arrays of zeros without depth": lambda s, m: write(
        s / "hello" / "1.npy", stack(m, 2, nothing=0)
    ),
    "arrays of zeros in Kaggle's order": lambda s, m: write(
        s / "hello" / "1.npy", stack(m, 3, True, 0)
    ),
    "arrays with visibility": lambda s, m: write(s / "hello" / "1.npy", stack(m, 4)),
    "arrays of vectors of 1629": lambda s, m: write(
        s / "hello" / "1.npy", tssi(m).reshape(FRAMES, -1)
    ),
    "arrays without depth": lambda s, m: write(s / "hello" / "1.npy", stack(m, 2)),
    "arrays in Kaggle's order": lambda s, m: write(s / "hello" / "1.npy", stack(m, 3, True)),
    "arrays in Kaggle's order without depth": lambda s, m: write(
        s / "hello" / "1.npy", stack(m, 2, True)
    ),
    "arrays in TSSI's order": lambda s, m: write(s / "hello" / "1.npy", tssi(m)),
    "arrays of COCO-WholeBody": lambda s, m: write(s / "hello" / "1.npy", whole_body(m)),
    "arrays of COCO-WholeBody and more": lambda s, m: write(
        s / "hello" / "1.npy", whole_body(m, 3)
    ),
    "openpose": write_openpose,
    "hand-tables in long form": lambda s, m: write(s / "hello" / "1.csv", long_table(m)),
    "asl-signs": write_asl,
    "openhands": lambda s, m: write(s / "hello" / "1.pkl", keypoints(m)),
    "openhands with a person's axis": lambda s, m: write(s / "hello" / "1.pkl", keypoints(m, True)),
}
