"""Runs of the notebooks as child processes: started, limited, killed with all they started."""

import ctypes
import os
import resource
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import psutil

from jointprune.workspace import ROOT

# Of Linux's prctl and capabilities: what lets root write where nobody may.
PR_CAPBSET_DROP, OVERRIDES = 24, (1, 2)


STARTED: list["Child"] = []


class Ended(NamedTuple):
    """How a command ended."""

    code: int
    text: str  # all that it printed

    @property
    def last(self) -> str:
        """Its last words but one hint, short: what a person sees as the reason."""
        lines = [line for line in self.text.splitlines() if line.strip()]
        told = [
            line for line in lines if " failed: " in line or "rror: " in line or "xpected" in line
        ]
        return (told or lines or [""])[-1][-400:]


class Child:
    """A command of this Python in the repository, its output in a file."""

    def __init__(self, *arguments: str, log: Path, before: Callable | None = None, **environment):
        log.parent.mkdir(parents=True, exist_ok=True)
        STARTED.append(self)
        self.log = log
        self.file = log.open("wb")
        self.process = subprocess.Popen(
            [sys.executable, *arguments], cwd=ROOT, stdout=self.file, stderr=subprocess.STDOUT,
            preexec_fn=before, start_new_session=True,
            env={**os.environ, "PYTHONPATH": str(ROOT), **environment},
        )  # fmt: skip

    @property
    def alive(self) -> bool:
        return self.process.poll() is None

    def family(self) -> list[psutil.Process]:
        """The process and all that it started, kernels and workers, which have other groups."""
        try:
            parent = psutil.Process(self.process.pid)
            return [parent, *parent.children(recursive=True)]
        except psutil.NoSuchProcess:
            return []

    def kernels(self) -> list[psutil.Process]:
        return [p for p in self.family() if "ipykernel_launcher" in " ".join(_command(p))]

    def kill(self) -> None:
        """kill -9 for the whole family; stopped first, so that none starts another meanwhile."""
        family = self.family()
        for number in (signal.SIGSTOP, signal.SIGKILL):
            for process in family:
                try:
                    process.send_signal(number)
                except psutil.NoSuchProcess:
                    pass
            family += [p for p in self.family() if p not in family]
        psutil.wait_procs(family, timeout=10)
        self.process.wait()
        self.file.close()

    def wait(self, seconds: float) -> Ended:
        """How it ended; after `seconds` it is killed, which raises TimeoutError."""
        end = time.monotonic() + seconds
        while self.alive:
            if time.monotonic() > end:
                self.kill()
                raise TimeoutError(f"expected an end within {seconds:.0f} s, got none: {self.log}")
            time.sleep(0.1)
        self.file.close()
        return Ended(self.process.returncode, self.log.read_text(errors="replace"))


def end_all() -> None:
    """Kill what a trial left running."""
    for child in STARTED:
        if child.alive:
            child.kill()
    STARTED.clear()


def _command(process: psutil.Process) -> list[str]:
    try:
        return process.cmdline()
    except psutil.Error:
        return []


def notebooks(workspace: Path, name: str, only: str = "", **options) -> Child:
    """A smoke run in a workspace of its own; `name` is that of its log."""
    arguments = ["notebooks/run.py", "smoke", "--workspace", str(workspace)]
    arguments += ["--only", only] if only else []
    return Child(*arguments, log=workspace / "logs" / f"{name}.log", **options)


def numbers(workspace: Path, name: str, *arguments: str) -> Child:
    """`python -m jointprune.paper.report` on a workspace."""
    command = ["-m", "jointprune.paper.report", "--workspace", str(workspace), *arguments]
    return Child(*command, log=workspace / "logs" / f"{name}.log")


def full_disk(size: int) -> Callable:
    """No file may grow beyond `size` bytes: writing fails half-way, as on a disk that is full."""

    def limit() -> None:
        resource.setrlimit(resource.RLIMIT_FSIZE, (size, size))

    return limit


def without_privilege() -> None:
    """Root too may then not write where the mode of a folder forbids it."""
    if os.geteuid() == 0:
        for capability in OVERRIDES:
            if ctypes.CDLL(None, use_errno=True).prctl(PR_CAPBSET_DROP, capability, 0, 0, 0):
                raise OSError(ctypes.get_errno(), "cannot give up root's way around file modes")
