"""Data sets on disk: written whole or not at all, memory-mapped, and verified by a checksum.

A store is a folder: `poses.npy` and `present.npy` (see `SignDataset`), `clips.csv` with a row for
each clip, and `meta.json` with names, units, sources and the checksum.
"""

import hashlib
import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cached_property, lru_cache
from mmap import mmap
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.lib.format import open_memmap

from jointprune.dataset import SignDataset
from jointprune.skeleton import hand_index
from jointprune.workspace import Workspace, scratch_folder, sync

VERSION = 3
COLUMNS = {
    "clip": str,  # unique name, such as "ase/A"
    "label": str,  # name of the sign or letter, one of the classes
    "signer": str,
    "group": str,  # no group is on both sides of a fold: a signer or a language
    "split": str,  # the split its authors published, or ""
    "leading_hand": str,  # as recorded; the store has it on the right; "" if it is not known
    "source_file": str,
    "frames": int,  # frames in the store, before padding
    "original_frames": int,  # frames as recorded
    "fps": float,
}
PARTS = ("meta.json", "clips.csv", "poses.npy", "present.npy")
REMEDY = "prepare it again with `make data` (notebook 01 does the same), or import it again"
DAMAGED = (
    "{}: expected the dataset that was saved there, got {}: it was changed or damaged since; "
    + REMEDY
)
CLIPS_AT_ONCE = 256  # bounds the memory that checks take


@dataclass(frozen=True, eq=False, repr=False)
class StoredDataset(SignDataset):
    """A data set as opened from its store; other processes receive its path, not its arrays.

    A copy that `dataclasses.replace` makes has no folder, is pickled with its arrays, and has the
    checksum of its own content.
    """

    folder: Path | None = field(default=None, init=False)

    @property
    def sha256(self) -> str:
        return self._of_a_copy if self.folder is None else self.meta["sha256"]

    @cached_property
    def _of_a_copy(self) -> str:
        meta = {key: value for key, value in self.meta.items() if key != "sha256"}
        meta |= {"classes": list(self.classes), "joints": list(self.joints)}
        labels = np.asarray(self.classes)[self.labels]
        table = self.clips.assign(label=labels, signer=self.signers, group=self.groups)
        text = table.to_csv(index=False, lineterminator="\n")
        return content_sha256(meta, text.encode(), self.poses, self.present)

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
    """Check a data set, write it to `folder` whole or not at all, and open it.

    Arguments are as in `SignDataset`; version, shape, names and checksum are added to `meta`. A
    former store is replaced once the new one is complete; an identical one stays. Raises
    ValueError, and writes nothing, if the content breaks the format.
    """
    folder = Path(folder)
    if set(clips.columns) != set(COLUMNS):
        raise ValueError(f"{folder}: expected clip columns {list(COLUMNS)}, got {list(clips)}")
    clips = clips[list(COLUMNS)].astype(COLUMNS).reset_index(drop=True)
    added = {"version": VERSION, "shape": list(poses.shape)}
    meta = {**meta, **added, "classes": list(classes), "joints": list(joints)}
    _check_structure(poses, present, clips, meta, folder)
    _check_values(poses, present, clips, folder)
    table = clips.to_csv(index=False, lineterminator="\n").encode()
    poses, present = np.ascontiguousarray(poses), np.ascontiguousarray(present)
    meta["sha256"] = content_sha256(meta, table, poses, present)

    with scratch_folder(folder.parent) as scratch:
        new = scratch / "new"
        new.mkdir()
        np.save(new / "poses.npy", poses)
        np.save(new / "present.npy", present)
        (new / "clips.csv").write_bytes(table)
        text = json.dumps(meta, indent=1, sort_keys=True, ensure_ascii=False)
        (new / "meta.json").write_text(text, encoding="utf-8")
        for path in new.iterdir():
            sync(path)
        if not _holds(folder, meta["sha256"]):  # readers keep the old files open
            _replace_folder(new, folder, scratch / "old", meta["sha256"])
    return _opened(folder)


@contextmanager
def arrays_on_disk(
    folder: Path, clips: int, frames: int, joints: int
) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """Arrays poses and present for a new store, zeros in temporary files beside `folder`.

    For data that do not fit into memory: fill the arrays, then call `save_dataset`.
    """
    shape = clips, frames, joints
    with scratch_folder(folder.parent) as scratch:
        poses = open_memmap(scratch / "poses.npy", "w+", np.float32, (*shape, 2))
        present = open_memmap(scratch / "present.npy", "w+", bool, shape)
        for array in (poses, present):
            _reserve(Path(array.filename))
        yield poses, present


def _reserve(file: Path) -> None:
    """Take the disk space of a mapped file; on a full disk, writing into it kills the process."""
    if hasattr(os, "posix_fallocate"):
        with file.open("r+b") as opened:
            os.posix_fallocate(opened.fileno(), 0, file.stat().st_size)


def open_dataset(
    name: Path | str,
    workspace: Workspace = Workspace("."),  # noqa: B008 (frozen)
) -> SignDataset:
    """Open a store by its name in the workspace or by its folder; its arrays are memory-mapped.

    Raises FileNotFoundError if there is none, ValueError if its content is not what was saved.
    Each process compares a store with its checksum once, about a second per gigabyte.
    """
    is_path = isinstance(name, Path) or os.path.dirname(name)
    data = _opened(Path(name) if is_path else workspace.processed / name)
    stats = [(data.folder / part).stat() for part in PARTS]
    _check_content(data.folder, tuple((s.st_size, s.st_mtime_ns, s.st_ino) for s in stats))
    return data


def _opened(folder: Path) -> SignDataset:
    """The store in a folder, not compared with its checksum."""
    absent = [part for part in PARTS if not (folder / part).is_file()]
    if absent:
        raise FileNotFoundError(
            f"no dataset in {folder} ({', '.join(absent)} missing): "
            "run `make data` or notebooks/01_data_preparation.ipynb for the default one, or "
            "python -m jointprune.data import for another"
        )
    try:
        meta = json.loads((folder / "meta.json").read_bytes())
        # A class may be called "NA" or "null".
        clips = pd.read_csv(folder / "clips.csv", dtype=COLUMNS, keep_default_na=False)
        # Mapping fails at once where a header claims more than the file holds.
        poses, present = (
            open_memmap(folder / f"{name}.npy", mode="r") for name in ("poses", "present")
        )
        for name, kind in (("shape", int), ("joints", str), ("classes", str)):
            if not all(isinstance(value, kind) for value in meta[name]):
                raise TypeError(f"{name} {meta[name]!r:.100}")
        _ = meta["sha256"]
    except (ValueError, KeyError, TypeError, OverflowError) as error:
        raise ValueError(DAMAGED.format(folder, f"one that cannot be read ({error})")) from error
    _check_structure(poses, present, clips, meta, folder)
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


def report_path(folder: Path) -> Path:
    """Where an import leaves its report in the folder of its data set."""
    return folder / "report.json"


def import_report(folder: Path) -> dict:
    """The report of the import that made a data set; ValueError if it is not there or damaged."""
    path = report_path(folder)
    try:
        report = json.loads(path.read_bytes())
        _ = report["clips"], report["by_palm"]
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise ValueError(
            f"{path}: expected the report of the import, got {error!r}: give the command of the "
            "import again"
        ) from error
    return report


@lru_cache(maxsize=1)  # consecutive jobs share their data set
def _reopen(folder: Path, sha256: str) -> SignDataset:
    """A store that another process has open, and has compared with its checksum."""
    data = _opened(folder)
    if data.sha256 != sha256:
        raise ValueError(
            f"{folder}: expected the store of checksum {sha256}, got {data.sha256}: it was "
            "replaced while it was read; start again"
        )
    return data


def content_sha256(meta: dict, table: bytes, *arrays: np.ndarray) -> str:
    """Checksum of all that a store holds; the same content gives the same on any machine."""
    digest = hashlib.sha256(json.dumps(meta, sort_keys=True).encode())
    digest.update(table)
    for array in arrays:
        # A whole one is read from its file, since mapped pages stay in memory.
        if isinstance(array, np.memmap) and isinstance(array.base, mmap):
            with open(array.filename, "rb") as file:
                file.seek(array.offset)
                hashlib.file_digest(file, lambda: digest)
        else:
            digest.update(np.ascontiguousarray(array))
    return digest.hexdigest()


def _replace_folder(new: Path, folder: Path, old: Path, sha256: str) -> None:
    """Put `new` in place of `folder`; on failure the old store is put back.

    If another process has put the same store there meanwhile, this is not a failure.
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
    """Is the store with this checksum in `folder`, undamaged?"""
    try:
        return open_dataset(folder).sha256 == sha256
    except (ValueError, OSError):
        return False


@lru_cache(maxsize=64)  # once per process and state
def _check_content(folder: Path, state: tuple) -> None:
    """Raise ValueError for a wrong checksum; `state` (sizes, times) changes with the files."""
    data = _opened(folder)
    meta = {key: value for key, value in data.meta.items() if key != "sha256"}
    table = (folder / "clips.csv").read_bytes()
    got = content_sha256(meta, table, data.poses, data.present)
    if got != data.sha256:
        raise ValueError(DAMAGED.format(folder, f"content of checksum {got}"))


def _check_structure(
    poses: np.ndarray, present: np.ndarray, clips: pd.DataFrame, meta: dict, folder: Path
) -> None:
    """Cheap checks, made whenever a store is opened: version, types, shapes, names, table."""
    if meta.get("version") != VERSION:
        raise ValueError(
            f"{folder}: expected store version {VERSION}, got {meta.get('version')}: {REMEDY}"
        )
    frames = poses.shape[1] if poses.ndim == 4 else 0
    counts = len(clips), frames, len(meta["joints"])
    for what, wanted, got in (
        ("poses' type", "float32", poses.dtype),
        ("present's type", "bool", present.dtype),
        ("poses' shape as noted in meta.json", tuple(meta["shape"]), poses.shape),
        ("poses' clips, frames, joints", counts, poses.shape[:3]),
        ("present's shape", poses.shape[:3], present.shape),
        ("clip columns", list(COLUMNS), list(clips.columns)),
        ("different classes", len(meta["classes"]), len(set(meta["classes"]))),
        ("different joints", len(meta["joints"]), len(set(meta["joints"]))),
    ):
        if wanted != got:
            raise ValueError(f"{folder}: expected {what} to be {wanted}, got {got}")
    if len(found := sorted(set(clips["label"]))) < 2:
        raise ValueError(
            f"{folder}: expected clips of 2 classes or more, got {found}: record another class and "
            "import again"
        )
    hand_index(meta["joints"])
    problems = {
        "a clip name that occurs once": clips["clip"].duplicated(),
        f"a label out of {len(meta['classes'])} classes": ~clips["label"].isin(meta["classes"]),
        "a group": clips["group"].str.strip() == "",
        "a signer": clips["signer"].str.strip() == "",
        f"1 to {frames} frames": ~clips["frames"].between(1, frames),
    }
    for wanted, wrong in problems.items():
        if wrong.any():
            row = clips[wrong].iloc[0].to_dict()
            raise ValueError(f"{folder}: expected every clip to have {wanted}, got {row}")


def _check_values(
    poses: np.ndarray, present: np.ndarray, clips: pd.DataFrame, folder: Path
) -> None:
    """Full checks, made before writing: finite values, and zeros wherever a joint is missing."""
    for start in range(0, len(poses), CLIPS_AT_ONCE):
        some = slice(start, start + CLIPS_AT_ONCE)
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
