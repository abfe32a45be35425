"""`data/results`: facts (JSON) and tables (CSV), each written by one notebook or command.

Tables of predictions are compressed (xz), because those of signs would take 80 MB a data set. A
file is written whole or not at all. Facts carry their history (commit, checksum of the data set,
settings), their own checksum and those of the tables written with them. Reading an edited or
damaged file raises ValueError.
"""

import hashlib
import json
import lzma
import subprocess
from contextlib import suppress
from pathlib import Path

import pandas as pd

from jointprune.workspace import PACKAGE_ROOT, ROOT, Workspace, atomic_path, file_sha256

# Columns that hold names are read as text: a class may be called "NA", a signer "6".
TEXT_COLUMNS = ("method", "regime", "clip", "group", "label", "predicted", "joint")

# No results file has two writers.
WRITERS = {
    "dataset.json": "notebooks/01_data_preparation.ipynb",
    "baseline.json": "notebooks/02_baseline.ipynb",
    "baseline_predictions.csv.xz": "notebooks/02_baseline.ipynb",
    "pruning.json": "notebooks/03_pruning_training.ipynb",
    "pruning_predictions.csv.xz": "notebooks/03_pruning_training.ipynb",
    "gate_paths.csv": "notebooks/03_pruning_training.ipynb",
    "failures.json": "notebooks/03_pruning_training.ipynb",
    "synthetic.json": "notebooks/03_pruning_training.ipynb",
    "ablation.json": "notebooks/04_joint_ablation.ipynb",
    "ablation_predictions.csv.xz": "notebooks/04_joint_ablation.ipynb",
    "deciding_predictions.csv.xz": "notebooks/04_joint_ablation.ipynb",
    "cost.json": "notebooks/04_joint_ablation.ipynb",
    "models.json": "python -m jointprune.paper.models (make models)",
    "transfer.json": "python -m jointprune.paper.transfer (make transfer)",
    "settings.json": "benchmarks/settings.py (python benchmarks/settings.py)",
    "bench.json": "benchmarks/bench.py (make bench)",
    "course.json": "benchmarks/course.py (make course)",
    "committers.json": "benchmarks/committers.py (python benchmarks/committers.py)",
    "reliability.json": "benchmarks/torture (make torture)",
    "published.json": "python -m jointprune.paper.report --publish (make publish)",
}


def write_facts(
    workspace: Workspace, name: str, facts: dict, *, data_sha256: str, config: dict, smoke: bool
) -> Path:
    """Write `facts` with their history to `results/name`, smoke results only outside the repo."""
    _check_name(name)
    if smoke and workspace.path == ROOT:
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
    if tables := _beside(workspace, name, facts=False):
        history["tables"] = {table: file_sha256(workspace.results / table) for table in tables}
    facts = json.loads(json.dumps({**history, **facts}))  # keys that are numbers become text
    facts["sha256"] = facts_sha256(facts)
    text = json.dumps(facts, indent=1, sort_keys=True, ensure_ascii=False)
    with atomic_path(workspace.results / name) as temporary:
        temporary.write_text(text + "\n", encoding="utf-8")
    return workspace.results / name


def write_table(workspace: Workspace, name: str, table: pd.DataFrame) -> None:
    """Write a table to `results/name`, unless the file has this content."""
    _check_name(name)
    path, packed = workspace.results / name, name.endswith(".xz")
    content = table.to_csv(index=False, lineterminator="\n").encode()
    with suppress(FileNotFoundError, lzma.LZMAError, EOFError):
        # Packing takes a hundred times as long as unpacking.
        if packed and lzma.decompress(path.read_bytes()) == content:
            return
    with atomic_path(path) as temporary:
        temporary.write_bytes(lzma.compress(content) if packed else content)


def read_facts(workspace: Workspace, name: str) -> dict:
    """The facts of `results/name`; ValueError if they, or tables written with them, changed."""
    path = _existing(workspace, name)
    try:
        facts = json.loads(path.read_bytes())
        unchanged = facts.pop("sha256", None) == facts_sha256(facts)
    except (ValueError, AttributeError, TypeError) as error:  # not JSON, or not a dict
        raise _damaged(path, str(error)) from error
    if not unchanged:
        raise _damaged(path, "other facts")
    for table, sha256 in facts.get("tables", {}).items():
        if file_sha256(_existing(workspace, table)) != sha256:
            raise _damaged(
                workspace.results / table, f"a table other than the one recorded in {name}"
            )
    return facts


def read_table(workspace: Workspace, name: str) -> pd.DataFrame:
    """The table `results/name`; ValueError if it is not the one recorded in the facts beside it."""
    path = _existing(workspace, name)
    for facts in _beside(workspace, name, facts=True):
        read_facts(workspace, facts)
    return pd.read_csv(path, keep_default_na=False, dtype=dict.fromkeys(TEXT_COLUMNS, str))


def facts_sha256(facts: dict) -> str:
    """Checksum of the content of a JSON file, whatever its layout."""
    return hashlib.sha256(json.dumps(facts, sort_keys=True).encode()).hexdigest()


def current_commit() -> str:
    """The checkout's commit, with `+` where tracked code differs from it, or "unknown".

    It is unknown without git, and where the repository is one around this folder. Results and
    figures do not count as differences, since runs rewrite them.
    """

    def git(*arguments: str) -> str:
        command = ["git", "-C", str(PACKAGE_ROOT), *arguments]
        return subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()

    try:
        if Path(git("rev-parse", "--show-toplevel")).resolve() != PACKAGE_ROOT.resolve():
            return "unknown"
        head = git("rev-parse", "--short=12", "HEAD")
        code = ("jointprune", "notebooks")
        changed = git("status", "--porcelain", "--untracked-files=no", "--", *code)
    except (FileNotFoundError, subprocess.CalledProcessError):
        return "unknown"
    return head + ("+" if changed else "")


def _beside(workspace: Workspace, name: str, facts: bool) -> list[str]:
    """Existing results with the same writer as `name`: facts (JSON), or tables."""
    return [n for n in WRITERS if WRITERS[n] == WRITERS[name] and n.endswith(".json") == facts
            and (workspace.results / n).is_file()]  # fmt: skip


def _existing(workspace: Workspace, name: str) -> Path:
    _check_name(name)
    path = workspace.results / name
    if not path.is_file():
        raise FileNotFoundError(f"{path} is not there yet: run {WRITERS[name]} first")
    return path


def _check_name(name: str) -> None:
    if name not in WRITERS:
        raise ValueError(f"expected a results file, got {name!r}: choose one of {sorted(WRITERS)}")


def _damaged(path: Path, got: str) -> ValueError:
    return ValueError(
        f"{path}: expected the content that {WRITERS[path.name]} wrote, got {got}: it was changed "
        "or damaged since; restore it (git checkout) or run that again"
    )
