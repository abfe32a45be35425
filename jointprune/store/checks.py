"""What a store has to hold, and what is said when it does not."""

from pathlib import Path

import numpy as np
import pandas as pd

from jointprune.skeleton import hand_index

VERSION = 1
# What to do about a store that is not as it should be.
AGAIN = "prepare it again with `make data` (notebook 01 does the same), or import it again"
COLUMNS = {
    "clip": str,  # unique name, such as "ase/A"
    "label": str,  # name of the sign, one of the classes
    "signer": str,
    "group": str,  # what folds keep apart: a signer or a language
    "split": str,  # the split its authors published, or ""
    "source_file": str,
    "frames": int,  # frames in the store, before padding
    "original_frames": int,  # frames as recorded
    "fps": float,
}
# Clips whose values are checked together; bounds the memory of the checks.
CHECKED_AT_ONCE = 256


def typed(clips: pd.DataFrame, folder: Path) -> pd.DataFrame:
    """The table with exactly the columns of the format, in their order and types."""
    if set(clips.columns) != set(COLUMNS):
        raise ValueError(f"{folder}: expected clip columns {list(COLUMNS)}, got {list(clips)}")
    return clips[list(COLUMNS)].astype(COLUMNS).reset_index(drop=True)


def check_structure(
    poses: np.ndarray, present: np.ndarray, clips: pd.DataFrame, meta: dict, folder: Path
) -> None:
    """Cheap checks, made on every load: version, types, shapes, names, counts."""
    if meta.get("version") != VERSION:
        raise ValueError(
            f"{folder}: expected store version {VERSION}, got {meta.get('version')}: {AGAIN}"
        )
    expected = (len(clips), poses.shape[1] if poses.ndim == 4 else 0, len(meta["joints"]))
    facts = {
        "poses' type": (np.dtype(np.float32), poses.dtype),
        "present's type": (np.dtype(bool), present.dtype),
        "poses' shape as noted in meta.json": (tuple(meta["shape"]), poses.shape),
        "poses' clips, frames, joints": (expected, poses.shape[:3]),
        "present's shape": (poses.shape[:3], present.shape),
        "clip columns": (list(COLUMNS), list(clips.columns)),
        "different classes": (len(meta["classes"]), len(set(meta["classes"]))),
        "different joints": (len(meta["joints"]), len(set(meta["joints"]))),
    }
    for what, (wanted, got) in facts.items():
        if wanted != got:
            raise ValueError(f"{folder}: expected {what} to be {wanted}, got {got}")
    hand_index(meta["joints"])
    _check_table(clips, meta["classes"], poses.shape[1], folder)


def _check_table(clips: pd.DataFrame, classes: list[str], frames: int, folder: Path) -> None:
    """Every clip is named once, has a known label, a group, and a length that fits."""
    problems = {
        "a clip name that occurs once": clips["clip"].duplicated(),
        f"a label out of {len(classes)} classes": ~clips["label"].isin(classes),
        "a group": clips["group"].str.strip() == "",
        "a signer": clips["signer"].str.strip() == "",
        f"1 to {frames} frames": ~clips["frames"].between(1, frames),
    }
    for wanted, wrong in problems.items():
        if wrong.any():
            row = clips[wrong].iloc[0].to_dict()
            raise ValueError(f"{folder}: expected every clip to have {wanted}, got {row}")


def check_values(poses: np.ndarray, present: np.ndarray, clips: pd.DataFrame, folder: Path) -> None:
    """Full checks, made before writing: finite values, and zeros wherever a joint is missing."""
    for start in range(0, len(poses), CHECKED_AT_ONCE):
        some = slice(start, start + CHECKED_AT_ONCE)
        part, seen = poses[some], present[some]
        padding = np.arange(poses.shape[1]) >= clips["frames"].to_numpy()[some, None]
        problems = {
            "finite poses": ~np.isfinite(part),
            "poses of 0 where a joint is not present": (part != 0) & ~seen[..., None],
            "no joint present after its last frame": seen & padding[..., None],
        }
        for wanted, wrong in problems.items():
            if wrong.any():
                clip = clips["clip"][start + int(np.argwhere(wrong)[0, 0])]
                raise ValueError(f"{folder}: expected {wanted}, got otherwise in clip {clip}")
