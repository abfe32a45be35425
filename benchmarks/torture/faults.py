"""Faults around a run: each has to cause a clear error that a remedy ends."""

import os
import re
import shutil
import time
from collections.abc import Callable
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import NamedTuple

import psutil
from harness import Child, differences

from jointprune.workspace import ROOT

FOLDER = ROOT / "build" / "torture"
REFERENCE = FOLDER / "reference"  # the unbroken run
PAPER = FOLDER / "paper"  # the repository's results and figures
STORE = "data/processed/fingerspelling"
# Commands of this Python; a workspace follows.
SMOKE = ("notebooks/run.py", "smoke", "--workspace")
PREPARE, TRAIN, DRAW = (
    ("notebooks/run.py", "smoke", "--only", number, "--workspace") for number in ("01", "02", "05")
)
WRITE = ("-m", "jointprune.paper.report", "--workspace")
CHECK = ("-m", "jointprune.paper.report", "--check", "--workspace")
LOAD = ("-c", f"import sys, jointprune as jp; jp.load_dataset(sys.argv[1] + '/{STORE}')")
HIDE_FONT = ("-c", """
import sys, matplotlib.font_manager as f
f.fontManager.ttflist = [font for font in f.fontManager.ttflist if font.name != "DejaVu Sans"]
f.json_dump(f.fontManager, f"{sys.argv[1]}/fonts/fontlist-v{f.FontManager.__version__}.json")
""")  # fmt: skip
# The full disk has space for settings and tables of gates, but for no model.
FULL_DISK = ("prlimit", "--fsize=100000")
# Without these capabilities root cannot write into a read-only folder either.
NO_ROOT = () if os.geteuid() else ("setpriv", "--bounding-set", "-dac_override,-dac_read_search")


class Fault(NamedTuple):
    """Damage to a copy of a workspace, the error that it has to cause, and the remedy."""

    pattern: str  # regular expression of the error
    command: tuple[str, ...]  # has to fail
    harm: Callable[[Path], object]
    remedy: Callable[[Path, str], object] = lambda workspace, error: None  # as the error says
    again: tuple[str, ...] = TRAIN  # has to succeed after the remedy
    before: tuple[str, ...] = ()  # prefix of the command that fails
    during: Callable[[Child, Path], None] = lambda child, workspace: None
    of: Path = REFERENCE

    def attempt(self, seed: int) -> tuple[str, str, bool]:
        """The expected outcome, the actual one, and whether both agree."""
        workspace = copied(self.of, f"fault-{len(os.listdir(FOLDER))}")
        self.harm(workspace)
        failed = Child(self.command, workspace, self.before)
        self.during(failed, workspace)
        first = failed.ended()
        error = failed.log.read_text(errors="replace")
        self.remedy(workspace, error)
        then = Child(self.again, workspace).ended()
        other = differences(self.of, workspace, every_run=self.again != TRAIN)
        clear = failed.returncode not in (0, -9) and bool(re.search(self.pattern, error))
        happened = f"{first}; then {then}, files that differ: {other[:4] or 'none'}"
        expected = f"“{self.pattern}”, then the same files"
        return expected, happened, clear and then == "exit 0" and not other


def copied(workspace: Path, name: str) -> Path:
    """A copy of a workspace, without its logs."""
    if not PAPER.exists():
        for folder in ("data/results", "figures"):
            shutil.copytree(ROOT / folder, PAPER / folder)
        shutil.copy(ROOT / "README.md", PAPER)
    ignored = shutil.ignore_patterns("logs", "executed")
    return shutil.copytree(workspace, FOLDER / name, ignore=ignored)


def forget_runs(workspace: Path, mode: int = 0o755) -> None:
    for path in (workspace / "data/runs").glob("*/run.json"):
        shutil.rmtree(path.parent)
    (workspace / "data/runs").chmod(mode)


def remove_named_runs(workspace: Path, error: str) -> None:
    for folder in set(re.findall(r"(\S+): expected a run's folder", error)):
        shutil.rmtree(folder, ignore_errors=True)


def kill_kernel(child: Child, workspace: Path) -> None:
    """Kill the kernel alone (kill -9) after the first training."""
    while child.poll() is None and not any((workspace / "data/runs").glob("*/run.json")):
        time.sleep(0.1)
    for process in child.children(recursive=True):
        with suppress(psutil.Error):
            if "ipykernel_launcher" in process.cmdline():
                process.kill()


def hide_font(workspace: Path) -> None:
    (workspace / "fonts").mkdir()
    Child(HIDE_FONT, workspace).ended()
    shutil.rmtree(workspace / "figures")


def damage(pattern: str, change: Callable[[bytes], bytes], workspace: Path) -> None:
    for path in workspace.glob(pattern):
        before = path.read_bytes()
        path.write_bytes(change(before))
        assert path.read_bytes() != before, f"nothing to change in {path}"


def cut(raw: bytes) -> bytes:
    return raw[: len(raw) // 2]


def flip(raw: bytes) -> bytes:
    return cut(raw) + bytes([raw[len(raw) // 2] ^ 1]) + raw[len(raw) // 2 + 1 :]


def replace(old: bytes, new: bytes) -> Callable[[bytes], bytes]:
    return lambda raw: raw.replace(old, new, 1)


def store(file: str, change: Callable[[bytes], bytes]) -> Fault:
    """Opening the store raises an error; notebook 01 makes the store again."""
    harm = partial(damage, f"{STORE}/{file}", change)
    return Fault("expected the dataset that was saved", LOAD, harm, again=PREPARE)


def edited(file: str, old: bytes, new: bytes, words: str, remedy: Callable | None = None) -> Fault:
    """`make check` names the edited file and the remedy."""
    remedy = remedy or (lambda workspace, error: shutil.copy(PAPER / file, workspace / file))
    harm = partial(damage, file, replace(old, new))
    return Fault(f"{Path(file).name}.*{words}", CHECK, harm, remedy, CHECK, of=PAPER)


FAULTS = {
    "full disk": Fault("File too large", TRAIN, forget_runs, before=FULL_DISK),
    "read-only folder": Fault("Permission denied", TRAIN, partial(forget_runs, mode=0o555),
                              lambda w, _: forget_runs(w), before=NO_ROOT),
    "stopped kernel": Fault("its kernel stopped", TRAIN, forget_runs, during=kill_kernel),
    "truncated checkpoint": Fault("remove that folder", TRAIN,
                                  partial(damage, "data/runs/*/model.ckpt", cut),
                                  remove_named_runs),
    "store: a bit flipped in poses.npy": store("poses.npy", flip),
    "store: present.npy cut": store("present.npy", cut),
    "store: clips.csv edited": store("clips.csv", replace(b",ase,ase,", b",ase,bzs,")),
    "store: meta.json cut": store("meta.json", cut),
    "tampered table": edited("data/results/baseline_predictions.csv", b",0.", b",1.",
                             "changed or damaged"),
    "tampered facts": edited("data/results/ablation.json", b'"runs": ', b'"runs": 1',
                             "changed or damaged"),
    "edited numbers.tex": edited("figures/numbers.tex", b"{410}", b"{411}", "run `make numbers`",
                                 lambda w, _: Child(WRITE, w).ended()),
    "missing font": Fault("expected the font DejaVu Sans", DRAW, hide_font,
                          lambda w, _: [p.unlink() for p in w.glob("fonts/fontlist*")], DRAW),
}  # fmt: skip
