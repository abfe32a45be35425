"""Tables of hands, `<sign>/<clip>.csv`, in image fractions or pixels, in one of two forms.

Long: columns `frame,landmark,x,y` and perhaps `z`, a row for each joint that was seen. A landmark
is a name, "left.wrist", or its number, 0 to 41, the left hand first. Beside a column `hand` (or
`handedness`, `side`, `type`) of left and right, or of 0 and 1, it is 0 to 20 or MediaPipe's name,
"WRIST".

In the order of detection, a row a frame: columns `face_x;face_y`, then `landmark_x_1;landmark_y_1;
landmark_z_1` and so on to 42, empty for a missing hand. The first 21 landmarks are whichever hand
was found first (see `sides`).
Source: https://github.com/Tachionstrahl/SignLanguageRecognition.
"""

import re
from pathlib import Path

import numpy as np
import pandas as pd

from jointprune.importing.layouts.clips import Clip, Files, NotThisLayout, some_of
from jointprune.importing.layouts.sides import told_apart
from jointprune.importing.layouts.values import Raw, checked
from jointprune.recordings import HAND_POINTS
from jointprune.skeleton import HANDS, JOINT_NAMES, JOINTS

COLUMNS = ["face_x", "face_y"] + [
    f"landmark_{axis}_{point}" for point in range(1, 1 + len(JOINT_NAMES)) for axis in "xyz"
]
LONG = ("frame", "landmark", "x", "y")
PLACES = {name: i for i, name in enumerate(JOINT_NAMES)}
PLACES |= {name.replace(".", "_"): i for name, i in PLACES.items()}
PLACES |= {str(i): i for i in range(len(JOINT_NAMES))}
# Columns that name the hand of each landmark; of a name and a number, the name counts.
SIDES = ("handedness", "side", "hand", "type")
SIDE_NUMBERS = {str(i): hand for i, hand in enumerate(HANDS)}
OTHER_TYPES = ("pose", "face")
OF_SIDE = {f"{hand}.{name}": len(JOINTS) * side + i for side, hand in enumerate(HANDS)
           for i, names in enumerate(zip(JOINTS, HAND_POINTS, strict=True))
           for name in (str(i), *map(str.lower, names))}  # fmt: skip
MOST_FRAMES = 10_000
MOST_BYTES = 2**26  # of a table: hours of frames


def find(files: Files) -> list[Clip]:
    """Every `.csv` file below a folder, if one of some has such columns."""
    paths = files.of(".csv")
    if not any(map(_form, some_of(paths))):
        raise NotThisLayout(
            f"expected tables of columns {', '.join(LONG)} or {', '.join(COLUMNS[:5])}, ..., got "
            f"{', '.join(_header(paths[0])[:5])} in {paths[0].name}"
        )
    return files.clips(paths)


def read(clip: Clip) -> Raw:
    """Hands as the table names or orders them; the body is not recorded."""
    path = clip.place
    if path.stat().st_size > MOST_BYTES or not (form := _form(path)):
        raise ValueError(
            f"{path}: expected a table of columns {', '.join(LONG)} or of {len(COLUMNS)} columns, "
            f"and {MOST_BYTES} bytes at most, got columns {', '.join(_header(path)[:5])}: move "
            "files that are not recordings elsewhere"
        )
    hands, gaps, detected = (_detected(path), 0, True) if form == "detected" else _long(path)
    raw = checked(path, hands, gaps=gaps)
    return told_apart(raw) if detected else raw


def _long(path: Path) -> tuple[np.ndarray, int, bool]:
    """Hands (frames, 42, 3) of a long table, NaN for joints without a row; frames without any.

    And whether hands are in the order of their detection.
    """
    table = pd.read_csv(path, sep=None, engine="python", encoding="utf-8-sig")
    table = table.rename(columns=lambda name: name.strip().lower())
    if table.empty:
        raise ValueError(f"{path}: expected a row for each landmark, got none: remove it")
    landmarks, of_hands, known, detected = _places(table)
    frames = pd.to_numeric(table["frame"], errors="coerce")
    wrong = (landmarks < 0) & of_hands | frames.isna() | (frames % 1 != 0)
    repeated = table.assign(frame=frames, landmark=landmarks).duplicated(["frame", "landmark"])
    wrong |= repeated & of_hands
    if wrong.any() or (span := int(np.ptp(frames)) + 1) > MOST_FRAMES:
        raise ValueError(
            f"{path}: expected one row for each frame and landmark ({known}) and {MOST_FRAMES} "
            f"frames at most, got {table[wrong].head(1).to_dict('records')}: correct the table"
        )
    hands = np.full((span, len(JOINT_NAMES), 3), np.nan)
    axes = [axis for axis in "xyz" if axis in table]
    rows = (frames - frames.min()).astype(int)[of_hands], landmarks[of_hands].astype(int)
    for axis in axes:
        if not pd.api.types.is_numeric_dtype(table[axis]):  # decimal commas
            table[axis] = table[axis].astype(str).str.replace(",", ".").astype(float)
    hands[(*rows, slice(0, len(axes)))] = table.loc[of_hands, axes].to_numpy(float)
    return hands, span - frames.nunique(), detected


def _places(table: pd.DataFrame) -> tuple[pd.Series, pd.Series, str, bool]:
    """Each row's joint, 0 to 41 or -1 if unknown, whether it is of a hand, and what is known.

    And whether hands have numbers, in the order of their detection.
    """
    names, of_hands = _plain(table["landmark"]), pd.Series(True, index=table.index)
    named = names.str.startswith(HANDS).any()  # landmarks name their hand
    for column in () if named else filter(table.__contains__, SIDES):
        sides = _plain(table[column]).str.removesuffix("_hand")
        if sides.isin((*HANDS, *SIDE_NUMBERS)).any():
            of_hands = ~sides.isin(OTHER_TYPES if column == "type" else ())
            joints = (sides.replace(SIDE_NUMBERS) + "." + names).map(OF_SIDE).fillna(-1)
            known = f"0 to 20, or a name such as WRIST, with {column} left or right, or 0 or 1"
            return joints, of_hands, known, sides.isin(SIDE_NUMBERS).any()
    known = "a name such as 'left.wrist', or 0 to 41"
    return names.map(PLACES).fillna(-1), of_hands, known, False


def _plain(column: pd.Series) -> pd.Series:
    return column.astype(str).str.strip().str.lower()


def _detected(path: Path) -> np.ndarray:
    """Hands (frames, 42, 3) of a table in the order of detection."""
    values = pd.read_csv(path, sep=";", dtype=np.float32).to_numpy()
    return values[:, 2:].reshape(len(values), len(JOINT_NAMES), 3)


def _form(path: Path) -> str:
    """ "detected", "long", or "" for another table."""
    names = _header(path)
    if names == COLUMNS:
        return "detected"
    return "long" if set(LONG) <= {name.strip('" ').lower() for name in names} else ""


def _header(path: Path) -> list[str]:
    """The columns of a table, or what its first line is instead."""
    try:
        with path.open(encoding="utf-8-sig") as file:
            return re.split("[;,\t]", file.readline(10_000).strip())
    except (OSError, UnicodeDecodeError):
        return ["a file that cannot be read"]
