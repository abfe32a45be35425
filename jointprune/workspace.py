"""Where things lie, and the one way to write a result.

A workspace is a folder that holds `data/` and `figures/`: the repository itself, or
`build/smoke` for a smoke run. Recordings as fetched are shared by all workspaces.
"""

import hashlib
import json
import os
import subprocess
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pandas as pd

from jointprune.scratch import scratch_folder

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
    "reliability.json": "benchmarks/torture (make torture)",
    "published.json": "python -m jointprune.numbers --publish (make publish)",
}


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


def facts_sha256(facts: dict) -> str:
    """Checksum of what a JSON file says, however it is laid out."""
    return hashlib.sha256(json.dumps(facts, sort_keys=True).encode()).hexdigest()


def _damaged(path: Path, got: str) -> str:
    return (
        f"{path}: expected the content that {WRITERS[path.name]} wrote, got {got}: it was changed "
        "or damaged since; restore it (git checkout) or run that again"
    )


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
        if tables := {t: file_sha256(self.results / t) for t in self._beside(name, ".csv")}:
            history["tables"] = tables
        facts = json.loads(json.dumps({**history, **facts}))  # names of numbers become words
        facts["sha256"] = facts_sha256(facts)
        text = json.dumps(facts, indent=1, sort_keys=True, ensure_ascii=False)
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
        """The facts of `results/name`; ValueError if they or the tables beside them were changed.

        Facts of before they were sealed are taken as they are.
        """
        path = self._existing(name)
        try:
            facts = json.loads(path.read_bytes())
            changed = facts.pop("sha256", None) not in (None, facts_sha256(facts))
        except (ValueError, AttributeError, TypeError) as error:  # no JSON, or no facts
            raise ValueError(_damaged(path, str(error))) from error
        if changed:
            raise ValueError(_damaged(path, "another"))
        for table, sha256 in facts.get("tables", {}).items():
            if file_sha256(self._existing(table)) != sha256:
                raise ValueError(_damaged(self.results / table, f"another than {name} notes"))
        return facts

    def read_csv(self, name: str) -> pd.DataFrame:
        """The table `results/name`; ValueError if it is not that of the facts beside it."""
        self._check_name(name)
        for facts in self._beside(name, ".json"):
            self.read_json(facts)
        # Signs called "NA" and signers called "6" are words, never missing values or numbers.
        words = dict.fromkeys(WORDS, str)
        return pd.read_csv(self._existing(name), keep_default_na=False, dtype=words)

    def _beside(self, name: str, kind: str) -> list[str]:
        """The results that are there of the writer of `name`, and of a kind such as ".csv"."""
        beside = [n for n in WRITERS if WRITERS[n] == WRITERS[name] and n.endswith(kind)]
        return [n for n in beside if (self.results / n).is_file()]

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
