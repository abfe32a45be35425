"""Folders for half-made files: gone afterwards, and gone too if their maker was killed."""

import fcntl
import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

PREFIX = ".scratch-"
# Held by the maker for as long as it lives: the system gives it up for a process that is killed.
LOCK = "lock"
# Folders that this process is using: its own locks would not keep it from them.
OWN: set[Path] = set()


@contextmanager
def scratch_folder(parent: Path) -> Iterator[Path]:
    """An empty folder inside `parent`, made if need be, so that what is in it can be renamed there.

    Removed afterwards, with those that killed processes left in `parent`; those of living ones on
    any machine stay. Where the file system knows no locks, none is taken for dead.
    """
    parent.mkdir(parents=True, exist_ok=True)
    remove_dead(parent)
    folder, lock = _locked(parent.resolve())
    try:
        inside = folder / "new"
        inside.mkdir()
        yield inside
    finally:
        shutil.rmtree(folder, ignore_errors=True)
        OWN.discard(folder)
        os.close(lock)


@contextmanager
def held(folder: Path, what: str) -> Iterator[None]:
    """A block in which `folder`, made if need be, is this process's; what is in it stays.

    Raises BlockingIOError, which names `what` is under way, where a living process holds it. Where
    the file system knows no locks nobody is kept out.
    """
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / LOCK).open("a") as lock:
        try:
            fcntl.lockf(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise BlockingIOError(
                f"expected to be alone, got {what} under way in {folder}: wait until it ends"
            ) from None
        except OSError:  # a file system without locks
            pass
        yield


def remove_dead(parent: Path) -> None:
    """Remove the scratch folders in `parent` whose makers live no more."""
    for folder in parent.resolve().glob(f"{PREFIX}*"):
        if folder in OWN:
            continue
        try:
            lock = os.open(folder / LOCK, os.O_RDWR | os.O_CREAT)
        except OSError:  # just removed, or not ours to remove
            continue
        try:
            fcntl.lockf(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            shutil.rmtree(folder, ignore_errors=True)
        except OSError:  # its maker lives
            pass
        finally:
            os.close(lock)


def _locked(parent: Path) -> tuple[Path, int]:
    """A new folder and the open lock in it; another one if it was taken for dead meanwhile."""
    while True:
        folder = Path(tempfile.mkdtemp(prefix=PREFIX, dir=parent))
        OWN.add(folder)
        try:
            lock = os.open(folder / LOCK, os.O_RDWR | os.O_CREAT)
        except FileNotFoundError:
            OWN.discard(folder)
            continue
        try:
            fcntl.lockf(lock, fcntl.LOCK_EX)
        except OSError:  # a file system without locks
            pass
        if (folder / LOCK).is_file():
            return folder, lock
        os.close(lock)
        OWN.discard(folder)
