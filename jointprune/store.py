"""`SignDataset`: recordings of signs as arrays, and the one format they have on disk.

A store is a folder of four files:

- `poses.npy`    float32 (clips, frames, joints, coords), in shoulder widths, 0 where missing
- `present.npy`  bool (clips, frames, joints): was this joint found in this frame?
- `clips.csv`    one row a clip, columns as in `COLUMNS`
- `meta.json`    version, shape, joint and class names, units, sources, checksum

An import leaves `report.json` beside them, what it found and left out.

A clip shorter than the longest is padded at its end with zeros that are not present; its
own length is `clips["frames"]`.
"""

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

from jointprune.scratch import scratch_folder
from jointprune.skeleton import HANDS, hand_index
from jointprune.workspace import Workspace

VERSION = 1
PARTS = ("meta.json", "clips.csv", "poses.npy", "present.npy")
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
READ_AT_ONCE = 2**20  # bytes
# A group signs with both hands if both are seen in more than this share of its frames.
TWO_HANDED = 0.25


@dataclass(frozen=True, eq=False, repr=False)
class SignDataset:
    """Clips of signs; arrays may be memory-mapped and are not to be written to."""

    poses: np.ndarray  # float32 (clips, frames, joints, coords)
    present: np.ndarray  # bool (clips, frames, joints)
    labels: np.ndarray  # int (clips,), index into `classes`
    signers: np.ndarray  # str (clips,)
    groups: np.ndarray  # str (clips,)
    classes: tuple[str, ...]
    joints: tuple[str, ...]
    clips: pd.DataFrame
    meta: dict
    folder: Path | None = field(default=None, init=False)  # of the store that was opened

    def __reduce_ex__(self, protocol):
        """A store as it was opened travels to other processes by its path, all else by content."""
        if self.folder is None:
            return super().__reduce_ex__(protocol)
        return _reopen, (self.folder, self.sha256)

    def __repr__(self) -> str:
        shape = " x ".join(str(size) for size in self.poses.shape)
        groups, classes = len(set(self.groups)), len(self.classes)
        return f"SignDataset({shape}, {groups} groups, {classes} classes)"

    def __len__(self) -> int:
        return len(self.poses)

    @property
    def sha256(self) -> str:
        """Checksum of the store's content: arrays, table and meta."""
        return self.meta["sha256"]

    @property
    def lengths(self) -> np.ndarray:
        """Frames of each clip before padding, int (clips,)."""
        return self.clips["frames"].to_numpy()

    @property
    def informative(self) -> np.ndarray:
        """Which joints carry what is signed, bool (joints,); known of planted data only."""
        if "informative" not in self.meta:
            raise ValueError(
                "expected a planted dataset, whose informative joints are known, got "
                f"{self.meta.get('name', self)!r}: see load_dataset('planted')"
            )
        return np.isin(self.joints, self.meta["informative"])

    def hand_presence(self) -> pd.DataFrame:
        """Share of a group's frames in which a hand is seen: index group; left, right, both."""
        hands = hand_index(self.joints)
        seen = {h: self.present[:, :, hands == i].any(axis=-1) for i, h in enumerate(HANDS)}
        seen["both"] = seen["left"] & seen["right"]
        # Padding is never present, so only the divisor has to leave it out.
        frames = pd.DataFrame({name: array.sum(axis=1) for name, array in seen.items()})
        frames["frames"] = self.lengths
        totals = frames.groupby(self.groups).sum()
        return totals[list(seen)].div(totals["frames"], axis=0).rename_axis("group")

    def two_handed(self) -> list[str]:
        """Groups that sign with both hands: seen together in over a quarter of the frames."""
        both = self.hand_presence()["both"]
        return sorted(both.index[both > TWO_HANDED])

    @property
    def official_split(self) -> bool:
        """Do the recordings come with a published split, so that there is one fold?"""
        return "test" in set(self.clips["split"])

    def tested_without(self, train_clips: np.ndarray) -> np.ndarray:
        """The clips that a training on `train_clips` may be tested on: all others, or the
        published test's."""
        if self.official_split:
            return np.flatnonzero(self.clips["split"] == "test")
        return np.setdiff1d(np.arange(len(self)), train_clips)

    def fold_groups(self, n: int, seed: int) -> list[list[str]]:
        """Deal the groups into `n` folds whose sizes differ by at most one group.

        Two-handed groups are dealt first, so that no fold gets two of them while there are
        no more of them than folds. The same seed always gives the same folds.
        """
        names = sorted(set(self.groups))
        if not 2 <= n <= len(names):
            raise ValueError(
                f"expected 2 to {len(names)} folds for {len(names)} groups, got {n}: "
                "no group may be on both sides of a split"
            )
        rng = np.random.default_rng(seed)
        two_handed = self.two_handed()
        others = [name for name in names if name not in two_handed]
        folds = [[] for _ in range(n)]
        for name in [*rng.permutation(two_handed), *rng.permutation(others)]:
            min(folds, key=len).append(str(name))
        return [sorted(fold) for fold in folds]

    def folds(self, n: int, seed: int) -> list[tuple[np.ndarray, np.ndarray]]:
        """`n` splits (train_clips, test_clips), int indices; no group is on both sides.

        Where a split was published it is the only fold, whatever `n`: clips of "train" against
        those of "test"; others, such as "val", are on neither side.
        """
        if self.official_split:
            return [self._published_fold()]
        inside = [np.isin(self.groups, fold) for fold in self.fold_groups(n, seed)]
        return [(np.flatnonzero(~test), np.flatnonzero(test)) for test in inside]

    def _published_fold(self) -> tuple[np.ndarray, np.ndarray]:
        train, test = (np.flatnonzero(self.clips["split"] == part) for part in ("train", "test"))
        both = set(self.groups[train]) & set(self.groups[test])
        if both or not len(train):
            raise ValueError(
                f"expected a published split that keeps groups apart, got {len(train)} training "
                f"clips and {sorted(both)} on both sides: leave out the split, or mend the groups"
            )
        return train, test


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
    clips = _typed(clips, folder)
    known = {"version": VERSION, "shape": list(poses.shape)}
    meta = {**meta, **known, "classes": list(classes), "joints": list(joints)}
    _check_structure(poses, present, clips, meta, folder)
    _check_values(poses, present, clips, folder)
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


def load_dataset(
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
            "run notebooks/01_data_preparation.ipynb first, or python -m jointprune.data import"
        )
    try:
        meta = json.loads(parts[0].read_bytes())
        # A sign may be called "NA" or "null": words are never missing values.
        clips = pd.read_csv(parts[1], dtype=COLUMNS, keep_default_na=False)
        poses, present = (np.load(p, mmap_mode="r", allow_pickle=False) for p in parts[2:])
        _ = meta["sha256"], meta["shape"], meta["joints"], meta["classes"]
    except (ValueError, KeyError, TypeError, EOFError) as error:
        raise ValueError(_damaged(folder, f"one that cannot be read ({error})")) from error
    _check_structure(poses, present, clips, meta, folder)
    data = SignDataset(
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


def _typed(clips: pd.DataFrame, folder: Path) -> pd.DataFrame:
    """The table with exactly the columns of the format, in their order and types."""
    if set(clips.columns) != set(COLUMNS):
        raise ValueError(f"{folder}: expected clip columns {list(COLUMNS)}, got {list(clips)}")
    return clips[list(COLUMNS)].astype(COLUMNS).reset_index(drop=True)


def _check_structure(
    poses: np.ndarray, present: np.ndarray, clips: pd.DataFrame, meta: dict, folder: Path
) -> None:
    """Cheap checks, made on every load: version, types, shapes, names, counts."""
    if meta.get("version") != VERSION:
        raise ValueError(
            f"{folder}: expected store version {VERSION}, got {meta.get('version')}: "
            "prepare the dataset again with notebooks/01_data_preparation.ipynb"
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


def _check_values(
    poses: np.ndarray, present: np.ndarray, clips: pd.DataFrame, folder: Path
) -> None:
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
        return load_dataset(folder).sha256 == sha256
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
        "damaged since; prepare it again with notebooks/01_data_preparation.ipynb, or import it "
        "again"
    )
