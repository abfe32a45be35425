"""What two workspaces hold, byte by byte, less what tells when and of which commit it is."""

import hashlib
import json
import os
import re
import shutil
from pathlib import Path

from jointprune.workspace import PREFIX

# Of results and runs; model.ckpt and run.json beside them say no more.
COMPARED = ("data/results", "data/processed", "data/runs", "figures")
LEFT_OUT = ("model.ckpt", "run.json")


def contents(workspace: Path) -> dict[str, str]:
    """A checksum for each file that is compared, by its path in the workspace."""
    found = {}
    for folder in COMPARED:
        for path in sorted((workspace / folder).rglob("*")):
            if path.is_file() and path.name not in LEFT_OUT:
                name = path.relative_to(workspace).as_posix()
                found[name] = hashlib.sha256(_undated(path)).hexdigest()
    return found


def _undated(path: Path) -> bytes:
    """A file's bytes; of facts without their commit, and the seal that covers it."""
    if path.suffix != ".json" or path.parent.name not in ("results", "figures"):
        return path.read_bytes()
    facts = json.loads(path.read_bytes())
    return json.dumps({k: v for k, v in facts.items() if k not in ("commit", "sha256")}).encode()


def differences(expected: Path, got: Path, every_run: bool = True) -> list[str]:
    """Files that are not the same in both; scratch of killed runs counts.

    Without `every_run`, runs that are not there pass: none is trained again for a ranking that is.
    """
    a, b = contents(expected), contents(got)
    other = sorted(name for name in {*a, *b} if a.get(name) != b.get(name))
    return [n for n in other if every_run or n in b or not re.match(r"data/runs/\w{16}/", n)]


def made(workspace: Path) -> int:
    """How many runs, rankings, results, figures and pages are there: a run's progress."""
    count = 0
    for folder in ("data/results", "data/runs", "data/runs/rankings", "figures", "executed"):
        try:
            names = [e.name for e in os.scandir(workspace / folder)]
        except FileNotFoundError:
            continue
        count += sum(not name.startswith(PREFIX) for name in names)
    return count


def copied(workspace: Path, name: str) -> Path:
    """A copy of a workspace beside it, without its logs."""
    target = workspace.parent / name
    shutil.copytree(workspace, target, ignore=shutil.ignore_patterns("logs", "executed"))
    return target


def with_costs_of(reference: Path, workspace: Path) -> Path:
    """An empty workspace that knows what a clip costs, which no two measurements agree on."""
    runs = workspace / "data" / "runs"
    runs.mkdir(parents=True)
    for path in (reference / "data" / "runs").glob("cost-*.json"):
        shutil.copy(path, runs)
    return workspace
