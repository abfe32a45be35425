"""The layout of Google's "Isolated Sign Language Recognition": `train.csv` and parquet files.

Each file is a long table, a row a point and frame, in image fractions, NaN where missing. Points
are told by their type and index: nothing says in which order rows come.

Source: https://www.kaggle.com/competitions/asl-signs/data.
"""

import csv
from pathlib import Path, PurePosixPath, PureWindowsPath

import numpy as np
import pandas as pd
from pyarrow import parquet

from jointprune.importing.layouts.found import Clip, NotThisLayout, Raw
from jointprune.importing.layouts.landmarks import BODY, checked, only_file, to_float32
from jointprune.importing.layouts.naming import nfc, ordered
from jointprune.skeleton import JOINTS

TABLE = "train.csv"
COLUMNS = ("path", "participant_id", "sequence_id", "sign")
# The place of each point that is kept, by type and index: 42 joints, then the body's four.
PLACES = {
    **{("left_hand", joint): joint for joint in range(len(JOINTS))},
    **{("right_hand", joint): len(JOINTS) + joint for joint in range(len(JOINTS))},
    **{("pose", point): 2 * len(JOINTS) + i for i, point in enumerate(BODY)},
}
# What a table may hold: ten thousand frames of all points, minutes of film, 64 bytes a row.
# A small file can unpack to any size, so that its own account is asked before.
MOST_ROWS = 10_000 * 543
MOST_BYTES = 64 * MOST_ROWS
KEPT_ROWS = [
    [("type", "in", ["left_hand", "right_hand"])],
    [("type", "==", "pose"), ("landmark_index", "in", list(BODY))],
]


def find(source: Path) -> list[Clip]:
    """Every row of `train.csv`, whether its file is there or not."""
    clips = [_clip(source, row, line) for line, row in enumerate(_rows(source / TABLE), start=2)]
    if not clips:
        raise ValueError(f"{source / TABLE}: expected at least 1 recording, got none")
    return ordered(clips)


def _rows(table: Path) -> list[dict[str, str]]:
    """The rows of `train.csv`, by column."""
    if not table.is_file():
        raise NotThisLayout(f"expected {TABLE} with columns {', '.join(COLUMNS)}, got no such file")
    try:
        with open(table, encoding="utf-8-sig", newline="") as file:
            reader = csv.DictReader(file)
            columns = reader.fieldnames or []
            rows = list(reader)
    except (UnicodeDecodeError, csv.Error) as error:
        raise NotThisLayout(f"expected a CSV table in UTF-8 in {TABLE}, got {error}") from error
    if not set(COLUMNS) <= set(columns):
        raise NotThisLayout(
            f"expected {TABLE} with columns {', '.join(COLUMNS)}, got {', '.join(columns)}"
        )
    return rows


def _clip(source: Path, row: dict[str, str], line: int) -> Clip:
    if not all(row[column] for column in COLUMNS):
        raise ValueError(
            f"{source / TABLE}: expected {', '.join(COLUMNS)} in row {line}, got "
            f"{[row[column] for column in COLUMNS]}: complete or remove it"
        )
    place = PurePosixPath(row["path"])
    anywhere = PureWindowsPath(row["path"])  # which knows the separators and roots of all systems
    if anywhere.anchor or ".." in anywhere.parts or place.suffix != ".parquet":
        raise ValueError(
            f"{source / TABLE}: expected the path of a .parquet file below {source} in row "
            f"{line}, got {row['path']!r}: write it relative to that folder"
        )
    name, label = nfc(str(place.with_suffix(""))), nfc(row["sign"])
    return Clip(name, label, nfc(row["participant_id"]), "", (source / place,))


def read(clip: Clip) -> Raw:
    """Hands and body in image fractions, frames in the order of their numbers."""
    path = only_file(clip)
    rows = _points(path)
    frames, frame = np.unique(rows["frame"].to_numpy(), return_inverse=True)
    place = [PLACES.get(key, -1) for key in zip(rows["type"], rows["landmark_index"], strict=True)]
    if -1 in place:
        odd = rows.iloc[place.index(-1)]
        raise ValueError(
            f"{path}: expected points 0 to 20 of a hand, got {odd['landmark_index']} of "
            f"{odd['type']}: extract it again"
        )
    cells = frame * len(PLACES) + np.array(place, dtype=np.int64)
    if len(np.unique(cells)) < len(cells):
        raise ValueError(f"{path}: expected each point once a frame, got one twice: fetch it again")
    values = np.full((len(frames) * len(PLACES), 3), np.nan, dtype=np.float32)
    values[cells] = to_float32(rows[["x", "y", "z"]].to_numpy())
    values = values.reshape(len(frames), len(PLACES), 3)
    hands, body = values[:, : 2 * len(JOINTS)], values[:, 2 * len(JOINTS) :, :2]
    return checked(path, hands, body.copy())


def _points(path: Path) -> pd.DataFrame:
    """The rows that are kept: frame, type, landmark_index, x, y, z."""
    columns = ["frame", "type", "landmark_index", "x", "y", "z"]
    if not path.is_file():
        raise ValueError(f"{path}: expected the file that {TABLE} names, got none: fetch it again")
    try:
        told = parquet.read_metadata(path)
        size = sum(told.row_group(i).total_byte_size for i in range(told.num_row_groups))
        if told.num_rows > MOST_ROWS or size > MOST_BYTES:
            raise OverflowError(f"{told.num_rows} rows in {size} bytes, more than any sign has")
        rows = pd.read_parquet(path, columns=columns, filters=KEPT_ROWS)
    except Exception as error:  # a damaged file fails anywhere in pyarrow or pandas
        raise ValueError(
            f"{path}: expected a parquet table with columns {', '.join(columns)}, got one that "
            f"cannot be read as such ({error}): it may be truncated, fetch it again"
        ) from error
    kinds = {column: rows[column].dtype for column in columns if column != "type"}
    whole = ("frame", "landmark_index")
    wrong = [f"{c} {k}" for c, k in kinds.items() if k.kind not in ("iu" if c in whole else "fiu")]
    if wrong:
        raise ValueError(
            f"{path}: expected whole frames and indices and real coordinates, got "
            f"{', '.join(wrong)}: fetch it again"
        )
    return rows
