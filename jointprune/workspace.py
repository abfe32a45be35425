"""Where things lie, and the one way to write a result.

A workspace is a folder that holds `data/` and `figures/`: the repository itself, or
`build/smoke` for a smoke run. Recordings as fetched are shared by all workspaces.
"""

import json
import os
import subprocess
import tempfile
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pandas as pd

ROOT = Path(__file__).resolve().parents[1]

# The dataset of the paper's own results; those of any other lie in folders of its name.
DEFAULT_DATASET = "fingerspelling"

# Columns of results that hold names.
WORDS = ("method", "clip", "group", "label", "predicted", "mask", "joint")

# No results file has two writers.
WRITERS = {
    "dataset.json": "notebooks/01_data_preparation.ipynb",
    "baseline.json": "notebooks/02_baseline.ipynb",
    "baseline_predictions.csv": "notebooks/02_baseline.ipynb",
    "pruning.json": "notebooks/03_pruning_training.ipynb",
    "pruning_predictions.csv": "notebooks/03_pruning_training.ipynb",
    "gate_paths.csv": "notebooks/03_pruning_training.ipynb",
    "gallery.json": "notebooks/03_pruning_training.ipynb",
    "planted.json": "notebooks/03_pruning_training.ipynb",
    "ablation.json": "notebooks/04_joint_ablation.ipynb",
    "ablation_predictions.csv": "notebooks/04_joint_ablation.ipynb",
    "cost.json": "notebooks/04_joint_ablation.ipynb",
    "settings.json": "benchmarks/settings.py (python benchmarks/settings.py)",
    "bench.json": "benchmarks/bench.py (make bench)",
    "published.json": "python -m jointprune.numbers --publish (make publish)",
}


def sync(path: Path) -> None:
    """Have a file's content on disk, so that a power cut cannot empty it behind a new name."""
    with path.open("rb") as file:
        os.fsync(file.fileno())


@contextmanager
def atomic_path(path: Path):
    """A temporary path beside `path`, renamed onto it only if the block succeeds."""
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, name = tempfile.mkstemp(prefix=f".{path.name}.", dir=path.parent)
    os.close(handle)
    temporary = Path(name)
    try:
        yield temporary
        sync(temporary)
        temporary.chmod(0o644)  # mkstemp makes private files; results are to be read
        os.replace(temporary, path)
    finally:
        temporary.unlink(missing_ok=True)


def current_commit() -> str:
    """The checkout's commit, with `+` where tracked code differs from it; "unknown" outside git.

    Results and figures do not count as differences: they are what a run rewrites.
    """
    git = ["git", "-C", str(ROOT)]
    changed = ["status", "--porcelain", "--untracked-files=no", "--", "jointprune", "notebooks"]
    try:
        head = subprocess.run([*git, "rev-parse", "--short=12", "HEAD"], capture_output=True)
        dirty = subprocess.run([*git, *changed], capture_output=True)
    except FileNotFoundError:
        return "unknown"
    if head.returncode or dirty.returncode:
        return "unknown"
    return head.stdout.decode().strip() + ("+" if dirty.stdout.strip() else "")


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

    def write_json(
        self, name: str, facts: dict, *, data_sha256: str, config: dict, smoke: bool
    ) -> Path:
        """Write `facts` with their history to `results/name`, whole or not at all."""
        self._check_name(name)
        if smoke and self.path == ROOT:
            raise ValueError(
                "expected a workspace of its own for smoke results, got the repository's: "
                'pass workspace="build/smoke"'
            )
        history = {
            "smoke": smoke,
            "commit": current_commit(),
            "data_sha256": data_sha256,
            "config": config,
        }
        text = json.dumps({**history, **facts}, indent=1, sort_keys=True, ensure_ascii=False)
        with atomic_path(self.results / name) as temporary:
            temporary.write_text(text + "\n", encoding="utf-8")
        return self.results / name

    def write_csv(self, name: str, frame: pd.DataFrame) -> Path:
        """Write a table to `results/name`, whole or not at all."""
        self._check_name(name)
        with atomic_path(self.results / name) as temporary:
            frame.to_csv(temporary, index=False, lineterminator="\n")
        return self.results / name

    def read_json(self, name: str) -> dict:
        return json.loads(self._existing(name).read_text(encoding="utf-8"))

    def read_csv(self, name: str) -> pd.DataFrame:
        # Signs called "NA" and signers called "6" are words, never missing values or numbers.
        words = dict.fromkeys(WORDS, str)
        return pd.read_csv(self._existing(name), keep_default_na=False, dtype=words)

    def _existing(self, name: str) -> Path:
        self._check_name(name)
        path = self.results / name
        if not path.is_file():
            raise FileNotFoundError(f"{path} is not there yet: run {WRITERS[name]} first")
        return path

    @staticmethod
    def _check_name(name: str) -> None:
        if name not in WRITERS:
            raise ValueError(f"expected a results file out of {sorted(WRITERS)}, got {name!r}")
