"""Tables of hands in the order they were detected: `<sign>/<clip>.csv`, a row a frame.

Columns `face_x;face_y;landmark_x_1;landmark_y_1;landmark_z_1;...;landmark_z_42` in image fractions;
the cells of a missing hand are empty. The first 21 landmarks are whichever hand was found first, so
left and right are settled here, for all frames of a clip together.
Source: https://github.com/Tachionstrahl/SignLanguageRecognition.
"""

from pathlib import Path

import numpy as np
import pandas as pd

from jointprune.importing.layouts.clips import (
    Clip,
    NotThisLayout,
    Raw,
    checked,
    clips_of_files,
    files_below,
    to_float32,
)
from jointprune.skeleton import JOINT_NAMES, JOINTS

COLUMNS = ["face_x", "face_y"] + [
    f"landmark_{axis}_{point}" for point in range(1, 1 + len(JOINT_NAMES)) for axis in "xyz"
]
MOST_BYTES = 2**26  # of a table: hours of frames
# How much a step of a hand from frame to frame weighs against its place beside the face.
CONTINUITY = 4.0


def find(source: Path) -> list[Clip]:
    """Every `.csv` file below a folder, if one of the first few has these columns."""
    paths = files_below(source, ".csv")
    if not any(_header(path) == COLUMNS for path in paths[:5]):
        raise NotThisLayout(
            f"expected tables of {len(COLUMNS)} columns {', '.join(COLUMNS[:5])}, ..., got "
            f"{', '.join(_header(paths[0])[:5])} in {paths[0].name}"
        )
    return clips_of_files(source, paths)


def read(clip: Clip) -> Raw:
    """Hands in image fractions, left and right settled; the body is not recorded."""
    path = clip.place
    if path.stat().st_size > MOST_BYTES or _header(path) != COLUMNS:
        raise ValueError(
            f"{path}: expected a table of {len(COLUMNS)} columns and {MOST_BYTES} bytes at most, "
            f"got columns {_header(path)[:5]}: move files that are not recordings elsewhere"
        )
    values = to_float32(pd.read_csv(path, sep=";", dtype=np.float32).to_numpy())
    hands = values[:, 2:].reshape(len(values), 2, len(JOINTS), 3)
    swap = second_is_left(hands[:, :, 0, 0], values[:, 0], hands[:, :, 0, :2])
    hands = np.where(swap[:, None, None, None], hands[:, ::-1], hands)
    return checked(path, hands.reshape(len(hands), len(JOINT_NAMES), 3), None)


def second_is_left(x: np.ndarray, face: np.ndarray, wrists: np.ndarray) -> np.ndarray:
    """Frames, bool (T,), whose first block is the right hand, so that the blocks have to change.

    `x` (T, 2) are the wrists' and `face` (T,) the face's places from left to right of the picture,
    `wrists` (T, 2, 2) points; NaN for a missing hand. A right hand is on the picture's left of the
    face, and hands move little between frames: the sequence that costs least (Viterbi).
    """
    beside = x - face[:, None]
    # Cost of each block as the left hand; as the right one it is the negative.
    as_left = np.nan_to_num(-beside)
    cost = np.stack([as_left[:, 0] - as_left[:, 1], as_left[:, 1] - as_left[:, 0]], axis=1)
    best, came_from = cost[0], []
    for frame in range(1, len(x)):
        before, now = wrists[frame - 1], wrists[frame]
        stay = np.nan_to_num(np.linalg.norm(now - before, axis=-1)).sum()
        cross = np.nan_to_num(np.linalg.norm(now - before[::-1], axis=-1)).sum()
        step = best[:, None] + CONTINUITY * np.array([[stay, cross], [cross, stay]])
        came_from.append(step.argmin(axis=0))
        best = step.min(axis=0) + cost[frame]
    path = [int(best.argmin())]
    for previous in reversed(came_from):
        path.append(int(previous[path[-1]]))
    return np.array(path[::-1]) == 1


def _header(path: Path) -> list[str]:
    """The columns of a table, or what its first line is instead."""
    try:
        with path.open(encoding="utf-8-sig") as file:
            return file.readline(10_000).strip().split(";")
    except (OSError, UnicodeDecodeError):
        return ["a file that cannot be read"]
