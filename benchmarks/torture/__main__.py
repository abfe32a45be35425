"""Damage runs and check that nothing is lost: `make torture`.

Each trial disturbs a smoke run in a workspace of its own. The run has to write the files of an
undisturbed run, or to stop with a clear error and write them after the remedy.
"""

import argparse
import json
import os
import random
import re
import shutil
import signal
import sys
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import psutil
from matplotlib import font_manager

from jointprune.config import TrainingConfig
from jointprune.paper.results import write_facts
from jointprune.runs import Run
from jointprune.store import open_dataset
from jointprune.training import train
from jointprune.workspace import ROOT, Workspace

BOUND = 20 * 60  # seconds
FOLDER = ROOT / "build/torture"
REFERENCE = FOLDER / "unbroken-run"
PAPER = FOLDER / "paper"  # the repository's results and figures
STORE = "data/processed/fingerspelling"
# Commands of this Python; a workspace follows.
SMOKE = ("notebooks/run.py", "smoke", "--workspace")
PREPARE, TRAIN, DRAW = ((*SMOKE[:2], "--only", n, "--workspace") for n in ("01", "02", "05"))
WRITE = ("-m", "jointprune.paper.report", "--workspace")
CHECK = ("-m", "jointprune.paper.report", "--check", "--workspace")
LOAD = ("-c", f"import sys, jointprune as jp; jp.load_dataset(sys.argv[1] + '/{STORE}')")
FUZZ = ("-W", "ignore", str(Path(__file__).with_name("fuzz.py")))
# The full disk has space for settings and tables of gates, but for no model.
FULL_DISK = ("prlimit", "--fsize=100000")
# Without these capabilities root cannot write into a read-only folder either.
NO_ROOT = () if os.geteuid() else ("setpriv", "--bounding-set", "-dac_override,-dac_read_search")
Trial = Callable[[Path, int], str]  # of a new workspace and a seed; says what happened, or raises


class Child(psutil.Popen):
    """A Python command on a workspace, with the prefix `before`; its output is in `log`."""

    def __init__(self, command: tuple[str, ...], workspace: Path, before: tuple[str, ...] = ()):
        logs = workspace / "logs"
        logs.mkdir(parents=True, exist_ok=True)
        self.log = logs / f"{len(os.listdir(logs))}.log"
        fonts = {"MPLCONFIGDIR": workspace / "fonts"} if (workspace / "fonts").is_dir() else {}
        environment = {**os.environ, "PYTHONPATH": ROOT, **fonts}
        arguments = [*before, sys.executable, *command, workspace]
        with self.log.open("wb") as file:
            super().__init__(arguments, cwd=ROOT, stdout=file, stderr=file, env=environment)

    def ended(self) -> str:
        """Its exit status and the last line of its output, after a failure the last error line."""
        words = " failed: |rror: |xpected" if self.wait() else ""
        lines = [line for line in self.log.read_text(errors="replace").splitlines() if line.strip()]
        lines = [line for line in lines if re.search(words, line)] or lines or [""]
        return f"exit {self.returncode}: {lines[-1][-400:]}"

    def succeed(self) -> str:
        assert not self.wait(), self.ended()
        return self.ended()


def kill(process: psutil.Process) -> None:
    """Kill a process and its descendants (kill -9), stopped first so that none starts another."""
    for number in (signal.SIGSTOP, signal.SIGKILL):
        family = [process, *process.children(recursive=True)]
        for member in family:
            with suppress(psutil.NoSuchProcess):
                member.send_signal(number)
    psutil.wait_procs(family, timeout=10)


def contents(workspace: Path) -> dict[str, bytes]:
    """The compared files by path; results are compared without commit and checksum."""
    found = {}
    for path in (path for part in ("data", "figures") for path in (workspace / part).rglob("*")):
        # The content of a model and of run.json is in the files beside them.
        if path.is_file() and path.name not in ("model.ckpt", "run.json"):
            content = path.read_bytes()
            if path.suffix == ".json" and path.parent.name in ("results", "figures"):
                facts = {**json.loads(content), "commit": "", "sha256": ""}
                content = json.dumps(facts, sort_keys=True).encode()
            found[path.relative_to(workspace).as_posix()] = content
    return found


def compare(expected: Path, got: Path, every_run: bool = True) -> None:
    """Fail if files differ; without `every_run` runs may be absent, which rankings can replace."""
    a, b = contents(expected), contents(got)
    other = sorted({name for name, _ in a.items() ^ b.items()})
    other = [n for n in other if every_run or n in b or not re.match(r"data/runs/\w{16}/", n)]
    assert not other, f"{len(other)} files differ: {other[:4]}"


def finished(workspace: Path) -> list[Path]:
    """The finished runs, rankings, masked predictions, results, figures and pages."""
    parts = (
        "data/results",
        "data/runs",
        "data/runs/rankings",
        "data/runs/masked",
        "figures",
        "executed",
    )
    return [path for part in parts for path in (workspace / part).glob("[!.]*")]


def run_of(file: Path) -> Run:
    """The run that a `run.json` describes."""
    facts = json.loads(file.read_text(encoding="utf-8"))
    config = TrainingConfig.from_mapping(facts["config"])
    return Run(config, tuple(facts["train"]), tuple(facts["test"]), facts["seed"])


def alone(workspace: Path, seed: int) -> str:
    """Twelve runs that were trained in parallel are the same when trained in this process."""
    reference = Workspace(str(REFERENCE))
    data = open_dataset("fingerspelling", reference)
    runs = {path.parent: run_of(path) for path in sorted(reference.runs.glob("*/run.json"))}
    own = [folder for folder, run in runs.items() if run.folder(data, reference) == folder]
    for folder in random.Random(seed).sample(own, 12):
        again = train(runs[folder], data, Workspace(str(workspace)))
        for name in ("probabilities.npy", "gates.csv"):
            assert (folder / name).read_bytes() == (again / name).read_bytes(), folder / name
    return "12 runs, bitwise equal"


def two_at_once(workspace: Path, seed: int) -> str:
    """Two runs in a workspace without a store and without 30 % of its runs and rankings."""
    shutil.copytree(REFERENCE, workspace)
    made = [path.parent for path in (workspace / "data/runs").glob("*/run.json")]
    made += (workspace / "data/runs").glob("*/*.npz")
    for path in random.Random(seed).sample(sorted(made), int(0.3 * len(made))):
        shutil.rmtree(path) if path.is_dir() else path.unlink()
    shutil.rmtree(workspace / "data/processed")
    for child in [Child(SMOKE, workspace) for _ in range(2)]:
        child.succeed()
    compare(REFERENCE, workspace, every_run=False)
    return "both exit 0, the same files"


def killed(workspace: Path, seed: int) -> str:
    """Kill runs in one workspace, each at the progress of the reference run at a random moment."""
    start = (REFERENCE / "logs").stat().st_mtime  # when its only log was made
    times = [0.0, *sorted(path.stat().st_mtime - start for path in finished(REFERENCE))]
    moments = sorted(random.Random(seed).choices(range(int(times[-1])), k=10))  # seconds
    (workspace / "data/runs").mkdir(parents=True)
    for path in (REFERENCE / "data/runs").glob("cost-*.json"):
        shutil.copy(path, workspace / "data/runs")  # measured costs differ between runs
    for moment in moments:
        made = sum(made_at <= moment for made_at in times) - 1
        child = Child(SMOKE, workspace)
        while child.poll() is None and len(finished(workspace)) < made:
            time.sleep(0.05)
        time.sleep(moment - times[made])
        assert child.poll() is None, f"expected to kill a run at {moment} s, but it had ended"
        kill(child)
    Child(SMOKE, workspace).succeed()
    compare(REFERENCE, workspace)
    return f"killed after {moments} s; exit 0, the same files"


def fault(
    pattern: str, harm, remedy=lambda *_: None, command=TRAIN, before=(), during=lambda *_: None
) -> Trial:
    """Harm to a copy of a workspace makes the command fail with an error of this pattern.

    After the remedy it succeeds, without the prefix `before`, and the files are the same.
    """

    def trial(workspace: Path, seed: int) -> str:
        source = PAPER if command == CHECK else REFERENCE
        shutil.copytree(source, workspace)
        harm(workspace)
        child = Child(command, workspace, before)
        during(child, workspace)
        ended, error = child.ended(), child.log.read_text(errors="replace")
        clear = child.returncode not in (0, -9) and re.search(pattern, error)
        assert clear, f"expected an error with {pattern!r}, got {ended}"
        remedy(workspace, error)
        Child(command, workspace).succeed()
        compare(source, workspace, every_run=command != TRAIN)
        return f"{ended}; then exit 0, the same files"

    return trial


def damage(pattern: str, change: Callable[[bytes], bytes]) -> Callable[[Path], None]:
    def harm(workspace: Path) -> None:
        for path in workspace.glob(pattern):
            before = path.read_bytes()
            path.write_bytes(change(before))
            assert path.read_bytes() != before, f"nothing to change in {path}"

    return harm


def forget_runs(workspace: Path, mode: int = 0o755) -> None:
    for path in (workspace / "data/runs").glob("*/run.json"):
        shutil.rmtree(path.parent)
    (workspace / "data/runs").chmod(mode)


def remove_named_runs(workspace: Path, error: str) -> None:
    for folder in set(re.findall(r"(/\S+): expected a run's folder", error)):
        shutil.rmtree(folder)


def kill_kernel(child: Child, workspace: Path) -> None:
    """Kill the kernel alone (kill -9) after the first training."""
    while child.poll() is None and not any((workspace / "data/runs").glob("*/run.json")):
        time.sleep(0.1)
    for kernel in child.children():
        kernel.kill()


def hide_font(workspace: Path) -> None:
    """Write a list of every font but that of the figures for this workspace's matplotlib."""
    fonts = font_manager.FontManager()
    fonts.ttflist = [font for font in fonts.ttflist if font.name != "DejaVu Sans"]
    (workspace / "fonts").mkdir()
    font_manager.json_dump(fonts, workspace / f"fonts/fontlist-v{fonts.__version__}.json")
    shutil.rmtree(workspace / "figures")


def store(file: str, change: Callable[[bytes], bytes]) -> Trial:
    """Opening the store raises an error; notebook 01 makes the store again."""
    harm, remedy = damage(f"{STORE}/{file}", change), lambda w, _: Child(PREPARE, w).succeed()
    return fault("expected the dataset that was saved", harm, remedy, LOAD)


def edited(file: str, old: bytes, new: bytes, words="changed or damaged", remedy=None) -> Trial:
    """`make check` names the edited file and the remedy, by default to restore it."""
    harm = damage(file, lambda raw: raw.replace(old, new, 1))
    remedy = remedy or (lambda workspace, _: shutil.copy(PAPER / file, workspace / file))
    return fault(f"{Path(file).name}.*{words}", harm, remedy, CHECK)


# The reference comes first, because all others are compared with it; long trials come last.
TRIALS: dict[str, Trial] = {
    "unbroken run": lambda w, seed: Child(SMOKE, w).succeed(),
    "malformed recordings": lambda w, seed: Child((*FUZZ, str(seed)), w).succeed(),
    "full disk": fault("File too large", forget_runs, before=FULL_DISK),
    "read-only folder": fault("Permission denied", lambda w: forget_runs(w, 0o555),
                              lambda w, _: (w / "data/runs").chmod(0o755), before=NO_ROOT),
    "stopped kernel": fault("its kernel stopped", forget_runs, during=kill_kernel),
    "truncated checkpoint": fault("remove that folder",
        damage("data/runs/*/model.ckpt", lambda raw: raw[:-99]), remove_named_runs),
    "store: a bit flipped": store("poses.npy", lambda raw: raw[:-1] + bytes([raw[-1] ^ 1])),
    "store: present.npy cut": store("present.npy", lambda raw: raw[:-99]),
    "store: clips.csv edited": store("clips.csv", lambda raw: raw.replace(b"ase/A,A", b"ase/A,B")),
    "store: meta.json cut": store("meta.json", lambda raw: raw[:-99]),
    "tampered table": edited("data/results/gate_paths.csv", b",0.", b",1."),
    "tampered facts": edited("data/results/ablation.json", b'"runs": ', b'"runs": 1'),
    "edited numbers.tex": edited("figures/numbers.tex", b"{410}", b"{411}", "run `make numbers`",
                                 lambda w, _: Child(WRITE, w).succeed()),
    "missing font": fault("Failed to find font DejaVu Sans", hide_font,
                          lambda w, _: [path.unlink() for path in w.glob("fonts/*.json")], DRAW),
    "the same alone and in parallel": alone,
    "two runs at once": two_at_once,
    "kill -9 at 10 random moments": killed,
}  # fmt: skip


def attempt(name: str, seed: int) -> dict:
    start, workspace = time.monotonic(), FOLDER / re.sub(r"\W+", "-", name)
    shutil.rmtree(workspace, ignore_errors=True)
    before = psutil.Process().children()  # such as joblib's, which other work here needs
    try:
        happened, ok = TRIALS[name](workspace, seed), True
    except Exception as error:  # the trials after it still have to run
        happened, ok = f"{type(error).__name__}: {error}", False
    finally:
        for child in psutil.Process().children():
            if child not in before:
                kill(child)
    happened = happened.replace(f"{ROOT}/", "")  # the same on every machine
    seconds = round(time.monotonic() - start, 1)
    print(f"{'ok    ' if ok else 'FAILED'}  {name} ({seconds} s): {happened}", flush=True)
    return {"name": name, "happened": happened, "ok": ok, "seconds": seconds}


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seed", type=int, default=0, help="of kills, removals and damages")
    parser.add_argument("--only", default="", help="pattern of trials; writes no results")
    options = parser.parse_args()
    signal.signal(signal.SIGALRM, signal.default_int_handler)  # ends as Ctrl-C does
    signal.alarm(BOUND)
    for part in ("data/results", "figures"):
        shutil.copytree(ROOT / part, PAPER / part, dirs_exist_ok=True)
    for text in ("README.md", "REPRODUCING.md", "jointprune/README.md"):
        (PAPER / text).parent.mkdir(exist_ok=True)
        shutil.copy(ROOT / text, PAPER / text)
    found = [attempt(name, options.seed) for name in TRIALS if re.search(options.only, name)]
    ok, seconds = all(trial["ok"] for trial in found), sum(trial["seconds"] for trial in found)
    print(f"{'all' if ok else 'not all'} as expected, {seconds / 60:.1f} minutes")
    if not options.only:
        config = {"seed": options.seed, "bound_seconds": BOUND, "profile": "smoke"}
        sha256 = json.loads((REFERENCE / STORE / "meta.json").read_bytes())["sha256"]
        write_facts(Workspace(), "reliability.json", {"trials": found, "seconds": round(seconds)},
                    data_sha256=sha256, config=config, smoke=False)  # fmt: skip
    return int(not (found and ok))


if __name__ == "__main__":
    sys.exit(main())
