"""The layout of Google's "Isolated Sign Language Recognition": `train.csv` and parquet files.

Each file is a long table with a row for each point and frame, in image fractions, NaN where
missing. The type and index of a row identify its point; the order of rows has no meaning.

Source: https://www.kaggle.com/competitions/asl-signs/data.
"""

from pathlib import Path, PurePosixPath, PureWindowsPath

import numpy as np
import pandas as pd
from pyarrow import parquet

from jointprune.importing.layouts.clips import Clip, Files, NotThisLayout, named_once, nfc
from jointprune.importing.layouts.values import BODY, Raw, checked, in_time
from jointprune.skeleton import JOINT_NAMES, JOINTS

TABLE = "train.csv"
COLUMNS = ["path", "participant_id", "sequence_id", "sign"]
# The points that are kept, by type and index: 42 joints, then the body's four.
POINTS = [(f"{hand}_hand", joint) for hand in ("left", "right") for joint in range(len(JOINTS))]
POINTS += [("pose", point) for point in BODY]
PLACES = {point: place for place, point in enumerate(POINTS)}
KEPT_ROWS = [
    [("type", "in", ["left_hand", "right_hand"])],
    [("type", "==", "pose"), ("landmark_index", "in", list(BODY))],
]
ROW = ["frame", "type", "landmark_index", "x", "y", "z"]
# A small file can unpack to any size: at most 10,000 frames (minutes) of 543 points are read.
MOST_ROWS = 10_000 * 543
MOST_BYTES = 64 * MOST_ROWS
EXPECTED = f"expected {TABLE} with columns {', '.join(COLUMNS)}"


def find(files: Files) -> list[Clip]:
    """A clip for every row of `train.csv`, whether its file exists or not."""
    source = files.source
    if not (source / TABLE).is_file():
        raise NotThisLayout(f"{EXPECTED}, got no such file")
    try:
        table = pd.read_csv(source / TABLE, dtype=str, na_filter=False, encoding="utf-8-sig")
    except ValueError as error:  # also pandas' own errors, and wrong encodings
        raise NotThisLayout(f"expected a CSV table in UTF-8 in {TABLE}, got {error}") from error
    if not set(COLUMNS) <= set(table.columns):
        raise NotThisLayout(f"{EXPECTED}, got {', '.join(table.columns)}")
    if table.empty:
        raise ValueError(f"{source / TABLE}: expected at least 1 recording, got none: add rows")
    clips = []
    for line, row in enumerate(table[COLUMNS].itertuples(index=False, name=None), start=2):
        if not all(row):
            raise ValueError(
                f"{source / TABLE}: expected {', '.join(COLUMNS)} in row {line}, got {list(row)}: "
                "complete or remove it"
            )
        path, participant, _, sign = row
        place = PurePosixPath(path)
        anywhere = PureWindowsPath(path)  # recognises separators and roots of all systems
        if anywhere.anchor or ".." in anywhere.parts or place.suffix != ".parquet":
            raise ValueError(
                f"{source / TABLE}: expected the path of a .parquet file below {source} in row "
                f"{line}, got {path!r}: write it relative to that folder"
            )
        name = nfc(str(place.with_suffix("")))
        clips.append(Clip(name, nfc(sign), nfc(participant), "", (source / place,)))
    return named_once(clips)


def read(clip: Clip) -> Raw:
    """Hands and body in image fractions, frames in the order of their numbers."""
    path = clip.place
    rows = _rows(path)
    frames, frame = np.unique(rows["frame"].to_numpy(), return_inverse=True)
    points = zip(rows["type"], rows["landmark_index"], strict=True)
    place = [PLACES.get(point, -1) for point in points]
    if -1 in place:
        odd = rows.iloc[place.index(-1)]
        raise ValueError(
            f"{path}: expected points 0 to 20 of a hand, got {odd['landmark_index']} of "
            f"{odd['type']}: extract it again"
        )
    if rows.duplicated(["frame", "type", "landmark_index"]).any():
        raise ValueError(
            f"{path}: expected each point once per frame, got one twice: fetch it again"
        )
    # pandas.pivot_table gives the same values but takes 1.6 times as long.
    values = np.full((len(frames), len(POINTS), 3), np.nan)
    values[frame, place] = rows[["x", "y", "z"]]
    values, gaps = in_time(values, frames)
    hands, body = np.split(values, [len(JOINT_NAMES)], axis=1)
    return checked(path, hands, body[..., :2], gaps=gaps)


def _rows(path: Path) -> pd.DataFrame:
    """The rows of hands, shoulders and wrists."""
    if not path.is_file():
        raise ValueError(f"{path}: expected the file that {TABLE} names, got none: fetch it again")
    try:
        metadata = parquet.read_metadata(path)
        groups = range(metadata.num_row_groups)
        size = sum(metadata.row_group(i).total_byte_size for i in groups)
        if metadata.num_rows > MOST_ROWS or size > MOST_BYTES:
            raise OverflowError(f"{metadata.num_rows} rows in {size} bytes, more than any sign has")
        rows = pd.read_parquet(path, columns=ROW, filters=KEPT_ROWS)
    except Exception as error:  # a damaged file fails anywhere in pyarrow or pandas
        raise ValueError(
            f"{path}: expected a parquet table with columns {', '.join(ROW)}, got {error}: it may "
            "be truncated, fetch it again"
        ) from error
    kinds = dict.fromkeys(("frame", "landmark_index"), "iu") | dict.fromkeys("xyz", "fiu")
    wrong = [f"{c} {rows[c].dtype}" for c, kind in kinds.items() if rows[c].dtype.kind not in kind]
    if wrong:
        raise ValueError(
            f"{path}: expected whole frames and indices and real coordinates, got "
            f"{', '.join(wrong)}: fetch it again"
        )
    return rows
