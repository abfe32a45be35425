"""Start commands, kill them with all their child processes, and compare workspaces."""

import json
import os
import re
import signal
import subprocess
import sys
import time
from contextlib import suppress
from pathlib import Path

import psutil

from jointprune.workspace import PREFIX, ROOT

START, BOUND = time.monotonic(), 20 * 60  # seconds
COMPARED = ("data/results", "data/processed", "data/runs", "figures")
NOT_COMPARED = ("model.ckpt", "run.json")  # their content is in the files beside them
PROGRESS = ("data/results", "data/runs", "data/runs/rankings", "figures", "executed")


def left() -> float:
    """Seconds until the bound."""
    return max(1.0, BOUND - (time.monotonic() - START))


class Child(psutil.Popen):
    """A Python command on a workspace, with the prefix `before`; its output is in `log`."""

    def __init__(self, command: tuple[str, ...], workspace: Path, before: tuple[str, ...] = ()):
        logs = workspace / "logs"
        logs.mkdir(parents=True, exist_ok=True)
        self.log = logs / f"{len(os.listdir(logs))}.log"
        environment = {**os.environ, "PYTHONPATH": str(ROOT)}
        if (workspace / "fonts").is_dir():
            environment["MPLCONFIGDIR"] = str(workspace / "fonts")
        arguments = [*before, sys.executable, *command, str(workspace)]
        with self.log.open("wb") as file:
            super().__init__(arguments, cwd=ROOT, stdout=file, stderr=subprocess.STDOUT,
                             start_new_session=True, env=environment)  # fmt: skip

    def ended(self) -> str:
        """Its exit status and error line; raises TimeoutExpired at the bound."""
        if not self.wait(left()):
            return "exit 0"
        lines = [line for line in self.log.read_text(errors="replace").splitlines() if line.strip()]
        errors = [line for line in lines if re.search(" failed: |rror: |xpected", line)]
        return f"exit {self.returncode}: {(errors or lines or [''])[-1][-400:]}"


def kill(*processes: psutil.Process) -> None:
    """Kill processes and their descendants (kill -9), stopped first so that none starts another."""
    family: list[psutil.Process] = []
    for number in (signal.SIGSTOP, signal.SIGKILL):
        for process in processes:
            with suppress(psutil.NoSuchProcess):
                family += {process, *process.children(recursive=True)}.difference(family)
        for process in family:
            with suppress(psutil.NoSuchProcess):
                process.send_signal(number)
    psutil.wait_procs(family, timeout=10)


def differences(expected: Path, got: Path, every_run: bool = True) -> list[str]:
    """Files that differ between two workspaces, with unfinished folders of killed runs.

    Without `every_run` a run may be absent: it is not trained again if its ranking exists.
    """
    a, b = _contents(expected), _contents(got)
    other = sorted({name for name, _ in a.items() ^ b.items()})
    return [n for n in other if every_run or n in b or not re.match(r"data/runs/\w{16}/", n)]


def _contents(workspace: Path) -> dict[str, bytes]:
    """The compared files by path; results are compared without commit and checksum."""
    contents = {}
    for path in (path for folder in COMPARED for path in (workspace / folder).rglob("*")):
        if path.is_file() and path.name not in NOT_COMPARED:
            content = path.read_bytes()
            if path.suffix == ".json" and path.parent.name in ("results", "figures"):
                facts = {**json.loads(content), "commit": "", "sha256": ""}
                content = json.dumps(facts, sort_keys=True).encode()
            contents[path.relative_to(workspace).as_posix()] = content
    return contents


def progress(workspace: Path) -> int:
    """Number of finished runs, rankings, results, figures and pages."""
    names = [path.name for folder in PROGRESS for path in (workspace / folder).glob("*")]
    return sum(not name.startswith(PREFIX) for name in names)
