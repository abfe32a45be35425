"""Where files are, and the one way to write them: completely or not at all."""

import errno
import hashlib
import os
import re
import shutil
import tempfile
import zipfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from filelock import FileLock, Timeout

PACKAGE_ROOT = Path(__file__).resolve().parents[1]  # the folder that the package lies in
# The repository; for a copy of the package that is installed elsewhere, the current folder.
ROOT = PACKAGE_ROOT if (PACKAGE_ROOT / "pyproject.toml").is_file() else Path.cwd()

# The data set of the paper's results; results of another data set are in folders of its name.
DEFAULT_DATASET = "fingerspelling"

PREFIX = ".scratch-"
LOCK = "lock"  # the operating system releases it when its process ends, even if killed


@dataclass(frozen=True)
class Workspace:
    """Folders of one line of work: the repository itself, or `build/smoke` for a smoke run.

    All data sets share recordings, stores and runs; each has its own results and figures.

    Parameters
    ----------
    root : str
        The folder that holds `data/` and `figures/`: absolute, or relative to the repository (to
        the current folder, where the package is installed without it).
    dataset : str
        The data set that `results` and `figures` belong to.
    """

    root: str = "."
    dataset: str = DEFAULT_DATASET

    def __post_init__(self):
        if not re.fullmatch(r"[\w-]+", str(self.dataset)):  # a path would lead results elsewhere
            raise ValueError(
                f"expected the name of a data set, got {self.dataset!r}: the name of its folder in "
                "data/processed"
            )

    @property
    def path(self) -> Path:
        return (ROOT / self.root).resolve()

    @property
    def raw(self) -> Path:
        """Recordings as fetched; the same folder for every workspace."""
        return ROOT / "data" / "raw"

    @property
    def processed(self) -> Path:
        return self.path / "data" / "processed"

    @property
    def runs(self) -> Path:
        return self.path / "data" / "runs"

    @property
    def results(self) -> Path:
        return self.path / "data" / "results" / self.subfolder

    @property
    def figures(self) -> Path:
        return self.path / "figures" / self.subfolder

    @property
    def subfolder(self) -> str:
        """Name of the folder for a data set's own results: "" for the default data set."""
        return "" if self.dataset == DEFAULT_DATASET else self.dataset


def told(error: Exception) -> str:
    """The message of an error that ends a command; the operating system's own say no remedy."""
    where = isinstance(error, OSError) and (error.filename2 or error.filename)
    if not (where or full_or_read_only(error)):
        return str(error)
    remedy = {
        errno.ENOSPC: "free some space",
        errno.EDQUOT: "free some space of your quota",
        errno.ENOENT: "check the path",
        errno.EROFS: "choose a place that can be written",
    }.get(error.errno, "check its kind and its permissions")
    where = where or "the disk"
    return (
        f"expected {where} to be readable and writable, got {error.strerror!r}: {remedy}, and give "
        "the command again"
    )


def full_or_read_only(error: Exception) -> bool:
    kinds = (errno.ENOSPC, errno.EDQUOT, errno.EROFS)
    return isinstance(error, OSError) and error.errno in kinds


def file_sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def damage(archive: Path) -> str:
    """What is damaged in a zip file, as torch's files are, or ""; torch compares no checksums."""
    with archive.open("rb") as file:
        try:
            with zipfile.ZipFile(file) as content:
                return content.testzip() or ""
        except (
            zipfile.BadZipFile,
            zlib.error,
            OSError,
            EOFError,
            RuntimeError,
            ValueError,
        ) as error:
            return str(error) or repr(error)  # of other kinds where a header is damaged


def intact(archive: Path) -> bool:
    """Whether a zip file is there and undamaged."""
    return archive.is_file() and not damage(archive)


def sync(path: Path) -> None:
    """Flush a file to disk, so that a power cut cannot leave it empty under its final name."""
    with path.open("rb") as file:
        os.fsync(file.fileno())


@contextmanager
def atomic_path(path: Path) -> Iterator[Path]:
    """A path for a new file, which replaces the file at `path` only if the block succeeds."""
    with scratch_folder(path.parent) as folder:
        temporary = folder / path.name
        yield temporary
        sync(temporary)
        os.replace(temporary, path)


def save_arrays(path: Path, **arrays) -> None:
    """Write a `.npz` file, which has checksums (see `intact`), whole or not at all."""
    with atomic_path(path) as temporary, temporary.open("wb") as file:
        np.savez(file, **arrays)


@contextmanager
def scratch_folder(parent: Path) -> Iterator[Path]:
    """An empty folder in `parent` for files that are renamed into `parent` when complete.

    It is removed afterwards, and so are the folders that killed processes left in `parent`. Those
    of living processes stay, on any machine; without file locks no process counts as killed.
    """
    parent.mkdir(parents=True, exist_ok=True)
    for left in parent.resolve().glob(f"{PREFIX}*"):
        # Fails if its process lives, if there are no locks, or if it belongs to another user.
        with suppress(OSError):
            with _lock_in(left).acquire(blocking=False):
                shutil.rmtree(left, ignore_errors=True)
            _remove_emptied(left)
    folder, lock = _locked_folder(parent.resolve())
    try:
        inside = folder / "new"
        inside.mkdir()
        yield inside
    finally:
        shutil.rmtree(folder, ignore_errors=True)
        lock.release()
        _remove_emptied(folder)


@contextmanager
def held(folder: Path, what: str) -> Iterator[None]:
    """A block in which only this process uses `folder`, made if it is missing; its files stay.

    A folder that the block emptied is removed, also where network file systems kept it till then.

    Raises BlockingIOError, which names `what`, while another living process uses the folder. On a
    file system without locks nothing is checked.
    """
    lock = _lock_in(folder)
    try:
        lock.acquire(blocking=False)
    except Timeout:
        raise BlockingIOError(
            f"expected to be alone, got {what} under way in {folder}: wait until it ends"
        ) from None
    except OSError:  # a file system without locks
        folder.mkdir(parents=True, exist_ok=True)
    try:
        yield
    finally:
        lock.release()
        _remove_emptied(folder)


def _remove_emptied(folder: Path) -> None:
    """Remove a folder that network file systems kept, as the lock in it was open.

    It stays if it holds a file, which may be the lock of a process that just took it.
    """
    with suppress(OSError):
        folder.rmdir()


def _lock_in(folder: Path) -> FileLock:
    return FileLock(folder / LOCK, fallback_to_soft=False)


def _locked_folder(parent: Path) -> tuple[Path, FileLock]:
    """A new folder and the lock in it."""
    while True:
        folder = Path(tempfile.mkdtemp(prefix=PREFIX, dir=parent))
        lock = _lock_in(folder)
        try:
            lock.acquire()
        except (FileNotFoundError, FileExistsError):  # another process removed it meanwhile
            continue
        except OSError:  # a file system without locks
            pass
        return folder, lock
