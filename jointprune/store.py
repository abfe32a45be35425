"""Stores on disk: written whole or not at all, mapped when opened, compared with their checksum."""

import hashlib
import json
import os
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import lru_cache
from itertools import chain
from pathlib import Path

import numpy as np
import pandas as pd

from jointprune.dataset import SignDataset
from jointprune.scratch import scratch_folder
from jointprune.skeleton import hand_index
from jointprune.workspace import Workspace

VERSION = 2
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
PARTS = ("meta.json", "clips.csv", "poses.npy", "present.npy")
READ_AT_ONCE = 2**20  # bytes


@dataclass(frozen=True, eq=False, repr=False)
class StoredDataset(SignDataset):
    """A dataset as its store was opened travels to other processes by its path.

    What `dataclasses.replace` makes of it has no folder and travels by its content.
    """

    folder: Path | None = field(default=None, init=False)

    def __reduce_ex__(self, protocol):
        if self.folder is None:
            return super().__reduce_ex__(protocol)
        return _reopen, (self.folder, self.sha256)


def save_dataset(
    folder: Path | str,
    *,
    poses: np.ndarray,
    present: np.ndarray,
    clips: pd.DataFrame,
    classes: tuple[str, ...],
    joints: tuple[str, ...],
    meta: dict,
) -> SignDataset:
    """Validate a dataset, write it to `folder` whole or not at all, and load it back.

    An existing store is replaced only once the new one is complete. `meta` holds what
    the source knows of itself (units, checksums, edits); version, shape, names and checksum
    are added here. Raises ValueError for content that breaks the format.
    """
    folder = Path(folder)
    clips = typed(clips, folder)
    known = {"version": VERSION, "shape": list(poses.shape)}
    meta = {**meta, **known, "classes": list(classes), "joints": list(joints)}
    check_structure(poses, present, clips, meta, folder)
    check_values(poses, present, clips, folder)
    table = clips.to_csv(index=False, lineterminator="\n").encode()
    poses, present = np.ascontiguousarray(poses), np.ascontiguousarray(present)
    meta["sha256"] = _content_sha256(meta, (table, poses, present))

    with scratch_folder(folder.parent) as scratch:
        new = scratch / "new"
        new.mkdir()
        np.save(new / "poses.npy", poses)
        np.save(new / "present.npy", present)
        (new / "clips.csv").write_bytes(table)
        (new / "meta.json").write_text(
            json.dumps(meta, indent=1, sort_keys=True, ensure_ascii=False), encoding="utf-8"
        )
        if not _holds(folder, meta["sha256"]):  # readers keep what they have open
            _replace_folder(new, folder, scratch / "old", meta["sha256"])
    return _opened(folder)


@contextmanager
def arrays_on_disk(folder: Path, clips: int, frames: int, joints: int):
    """Poses and present of a store in the making: zeros, on disk beside `folder`, gone afterwards.

    What does not fit into memory is gathered there and then given to `save_dataset`.
    """
    with scratch_folder(folder.parent) as scratch:
        shapes = {"poses": (np.float32, (clips, frames, joints, 2)),
                  "present": (bool, (clips, frames, joints))}  # fmt: skip
        yield tuple(
            np.lib.format.open_memmap(f"{scratch}/{name}.npy", "w+", dtype, shape)
            for name, (dtype, shape) in shapes.items()
        )


def open_dataset(
    name: Path | str,
    workspace: Workspace = Workspace("."),  # noqa: B008 (frozen)
) -> SignDataset:
    """Open the store `name` of a workspace, or any store's folder; arrays are memory-mapped.

    Raises FileNotFoundError if there is none, ValueError if its parts do not fit together or are
    not what was saved: all of it is compared with its checksum when a process first opens it,
    which takes about a second a gigabyte.
    """
    is_path = isinstance(name, Path) or os.path.dirname(name)
    data = _opened(Path(name) if is_path else workspace.processed / name)
    _check_content(data.folder, _dates(data.folder))
    return data


def _opened(folder: Path) -> SignDataset:
    """The store in a folder, its content not compared with its checksum."""
    parts = [folder / part for part in PARTS]
    absent = [part.name for part in parts if not part.is_file()]
    if absent:
        raise FileNotFoundError(
            f"no dataset in {folder} ({', '.join(absent)} missing): "
            "run `make data` or notebooks/01_data_preparation.ipynb for the default one, or "
            "python -m jointprune.data import for another"
        )
    try:
        meta = json.loads(parts[0].read_bytes())
        # A sign may be called "NA" or "null": words are never missing values.
        clips = pd.read_csv(parts[1], dtype=COLUMNS, keep_default_na=False)
        poses, present = (np.load(p, mmap_mode="r", allow_pickle=False) for p in parts[2:])
        _ = meta["sha256"], meta["shape"], meta["joints"], meta["classes"]
    except (ValueError, KeyError, TypeError, EOFError) as error:
        raise ValueError(_damaged(folder, f"one that cannot be read ({error})")) from error
    check_structure(poses, present, clips, meta, folder)
    data = StoredDataset(
        poses=poses,
        present=present,
        labels=pd.Index(meta["classes"]).get_indexer(clips["label"]).astype(np.int64),
        signers=clips["signer"].to_numpy(dtype=str),
        groups=clips["group"].to_numpy(dtype=str),
        classes=tuple(meta["classes"]),
        joints=tuple(meta["joints"]),
        clips=clips,
        meta=meta,
    )
    object.__setattr__(data, "folder", folder.resolve())
    return data


@lru_cache(maxsize=1)  # jobs one after the other share their dataset
def _reopen(folder: Path, sha256: str) -> SignDataset:
    """The store that was open in another process, which has compared its content."""
    data = _opened(folder)
    if data.sha256 != sha256:
        raise ValueError(
            f"{folder}: expected the store of checksum {sha256}, got {data.sha256}: it was "
            "replaced while it was read; start again"
        )
    return data


def _content_sha256(meta: dict, parts: Iterable) -> str:
    """One checksum over all that a store says; the same content gives the same on any machine.

    `parts` are the bytes of the table, of poses and of present, in pieces of any size.
    """
    digest = hashlib.sha256(json.dumps(meta, sort_keys=True).encode())
    for part in parts:
        digest.update(part)
    return digest.hexdigest()


def _values(path: Path) -> Iterator[bytes]:
    """The bytes of an array's values; read, not mapped, so that they are not kept in memory."""
    with path.open("rb") as file:
        np.lib.format.read_magic(file)
        np.lib.format.read_array_header_1_0(file)
        while piece := file.read(READ_AT_ONCE):
            yield piece


def _replace_folder(new: Path, folder: Path, old: Path, sha256: str) -> None:
    """Put `new` where `folder` is; the store that was there comes back if that fails.

    Nothing failed if another process has put the same there meanwhile.
    """
    try:
        if folder.exists():
            os.rename(folder, old)
        os.rename(new, folder)
    except BaseException as error:  # Ctrl-C as well as a full disk
        if old.exists() and not folder.exists():
            os.rename(old, folder)
        if not (isinstance(error, OSError) and _holds(folder, sha256)):
            raise


def _holds(folder: Path, sha256: str) -> bool:
    """Whether the store of a checksum is in `folder` already, whole."""
    try:
        return open_dataset(folder).sha256 == sha256
    except (ValueError, OSError):
        return False


def _dates(folder: Path) -> tuple[int, ...]:
    """What changes when someone writes to the store: sizes and times of its files."""
    stats = [(folder / part).stat() for part in PARTS]
    return tuple(number for s in stats for number in (s.st_size, s.st_mtime_ns, s.st_ino))


@lru_cache(maxsize=64)  # once a process, as long as nobody writes there
def _check_content(folder: Path, dates: tuple[int, ...]) -> None:
    """Refuse a store whose content is not that of its checksum."""
    data = _opened(folder)
    told = {key: value for key, value in data.meta.items() if key != "sha256"}
    table = (folder / "clips.csv").read_bytes()
    arrays = (_values(folder / name) for name in ("poses.npy", "present.npy"))
    got = _content_sha256(told, chain([table], *arrays))
    if got != data.sha256:
        raise ValueError(_damaged(folder, f"content of checksum {got}"))


def _damaged(folder: Path, got: str) -> str:
    return (
        f"{folder}: expected the dataset that was saved there, got {got}: it was changed or "
        f"damaged since; {AGAIN}"
    )


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
