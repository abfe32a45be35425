"""Where files lie, and the one way to write one: whole or not at all.

A workspace is a folder that holds `data/` and `figures/`: the repository itself, or
`build/smoke` for a smoke run. Recordings as fetched are shared by all workspaces.
"""

import hashlib
import os
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from jointprune.scratch import scratch_folder

ROOT = Path(__file__).resolve().parents[1]

# The dataset of the paper's own results; those of any other lie in folders of its name.
DEFAULT_DATASET = "fingerspelling"


def sync(path: Path) -> None:
    """Have a file's content on disk, so that a power cut cannot empty it behind a new name."""
    with path.open("rb") as file:
        os.fsync(file.fileno())


@contextmanager
def atomic_path(path: Path):
    """A path for a file in the making, renamed onto it only if the block succeeds."""
    with scratch_folder(path.parent) as folder:
        temporary = folder / path.name
        yield temporary
        sync(temporary)
        os.replace(temporary, path)


def file_sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


@dataclass(frozen=True)
class Workspace:
    """Folders of one line of work; `root` is relative to the repository, or absolute.

    Recordings, stores and runs are shared by all datasets; results and figures are of `dataset`.
    """

    root: str = "."
    dataset: str = DEFAULT_DATASET

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
        """Where a dataset's own things lie below those of the default: "" for the default."""
        return "" if self.dataset == DEFAULT_DATASET else self.dataset
