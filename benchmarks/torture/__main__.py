"""Damage runs and check that nothing is lost: `make torture`.

Each trial disturbs a smoke run in a workspace below `build/torture`. The run has to write the files
of an undisturbed run, or to stop with a clear error and write them after the remedy. Prints a line
per trial, writes `data/results/reliability.json`, and fails if one trial fails. At most 20 minutes
on two cores.
"""

import argparse
import json
import random
import shutil
import sys
import time
from pathlib import Path

import psutil
from faults import FAULTS, FOLDER, REFERENCE, SMOKE, STORE, copied
from harness import BOUND, START, Child, differences, kill, left, progress

from jointprune.paper.results import write_facts
from jointprune.workspace import ROOT, Workspace

KILLS = 10
REMOVED = 0.3  # share of runs and rankings that is deleted before two runs start at once
ALONE = 12  # runs trained again in one process
FEWEST_RECORDINGS, MOST_MEMORY = 200, 1024  # MiB
TIMELINE: list[tuple[float, int]] = []  # seconds and progress of the reference run
FACTS: dict = {}  # measurements of the trials
Outcome = tuple[str, str, bool]  # expected, happened, whether both agree


def unbroken(seed: int) -> Outcome:
    """Make the reference run and record its progress over time."""
    start, child = time.monotonic(), Child(SMOKE, REFERENCE)
    while child.poll() is None and left() > 1:
        TIMELINE.append((time.monotonic() - start, progress(REFERENCE)))
        time.sleep(0.2)
    ended = child.ended()
    FACTS["reference_seconds"] = round(time.monotonic() - start, 1)
    return "exit 0", ended, ended == "exit 0"


def malformed(seed: int) -> Outcome:
    """Read malformed recordings of every layout in a process that prints a line for each."""
    fuzz = str(Path(__file__).with_name("fuzz.py"))
    child = Child(("-W", "ignore", fuzz, str(seed)), FOLDER / "malformed")
    code = child.wait(left())
    *lines, last = child.log.read_text().splitlines()
    memory = float("nan") if code else json.loads(last)["memory_mib"]
    ends = [line.rpartition(": ")[2] for line in lines]
    counts = {end: ends.count(end) for end in ("refused", "read")}
    bad = [line for line, end in zip(lines, ends, strict=True) if end not in counts]
    bad += [last] if code else []  # the recording that stopped the process
    FACTS["malformed"] = {"recordings": len(ends), **counts, "memory_mib": round(memory, 1)}
    happened = f"{counts} of {len(ends)}; otherwise: {bad[:3] or 'none'}; {memory:.0f} MiB more"
    ok = len(ends) >= FEWEST_RECORDINGS and not bad and memory < MOST_MEMORY
    return "refused by name, or read as harmless; under 1 GiB", happened, ok


def alone(seed: int) -> Outcome:
    """Train runs that were trained in parallel again, one by one in this process."""
    import torch

    from jointprune.runs import run_of
    from jointprune.store import open_dataset
    from jointprune.training import train

    reference, workspace = Workspace(str(REFERENCE)), Workspace(str(FOLDER / "alone"))
    data = open_dataset("fingerspelling", reference)
    torch.set_num_threads(1)
    runs = {path.parent: run_of(path.parent) for path in sorted(reference.runs.glob("*/run.json"))}
    own = [folder for folder, run in runs.items() if run.folder(data, reference) == folder]
    other = 0
    for folder in random.Random(seed).sample(own, ALONE):
        again = train(runs[folder], data, workspace)
        names = ("probabilities.npy", "gates.csv")
        other += any((folder / name).read_bytes() != (again / name).read_bytes() for name in names)
    return "bitwise equal", f"{ALONE} runs, {other} otherwise", other == 0


def two_at_once(seed: int) -> Outcome:
    """Two runs in one workspace without the data set and without some runs and rankings."""
    workspace = copied(REFERENCE, "pair")
    made = [path.parent for path in (workspace / "data/runs").glob("*/run.json")]
    made += (workspace / "data/runs/rankings").glob("*.npy")
    for path in random.Random(seed).sample(sorted(made), int(REMOVED * len(made))):
        shutil.rmtree(path) if path.is_dir() else path.unlink()
    shutil.rmtree(workspace / "data/processed")
    ends = [child.ended() for child in [Child(SMOKE, workspace) for _ in range(2)]]
    other = differences(REFERENCE, workspace, every_run=False)
    happened = f"{ends}; files that differ: {other[:4] or 'none'}"
    return "exits 0 and the files of one", happened, ends == ["exit 0"] * 2 and not other


def killed(seed: int) -> Outcome:
    """Ten kills in one workspace; each run continues from the files of the one before.

    Moments are drawn from the whole duration of the reference run and translated into its progress
    at that time, so ten kills do not cost ten runs.
    """
    workspace, draw, done = FOLDER / "killed", random.Random(seed), 0
    (workspace / "data/runs").mkdir(parents=True)
    for path in (REFERENCE / "data/runs").glob("cost-*.json"):
        shutil.copy(path, workspace / "data/runs")  # measured costs differ between runs
    moments = sorted(draw.uniform(0, TIMELINE[-1][0]) for _ in range(KILLS))
    for moment in moments:
        made = max((n for t, n in TIMELINE if t <= moment), default=0)
        child = Child(SMOKE, workspace)
        while child.poll() is None and progress(workspace) < made and left() > 1:
            time.sleep(0.05)
        time.sleep(moment - next((t for t, n in TIMELINE if n >= made), 0.0))
        done += child.poll() is None
        kill(child)
    last = Child(SMOKE, workspace).ended()
    other = differences(REFERENCE, workspace)
    FACTS["kills"] = {"moments": [round(m, 1) for m in moments], "killed": done}
    happened = f"{done} killed; {last}; files that differ: {other[:4] or 'none'}"
    ok = done == KILLS and last == "exit 0" and not other
    return "the files of the unbroken run", happened, ok


# The reference comes first, because all others are compared with it; long trials come last.
TRIALS = {
    "unbroken run": unbroken,
    "malformed recordings": malformed,
    **{name: fault.attempt for name, fault in FAULTS.items()},
    "the same alone and in parallel": alone,
    "two runs at once": two_at_once,
    f"kill -9 at {KILLS} random moments": killed,
}


def attempt(name: str, seed: int) -> dict:
    """The result of a trial, or the reason why it could not run."""
    try:
        if left() <= 1:
            raise TimeoutError(f"no time left of {BOUND / 60:g} minutes")
        expected, happened, ok = TRIALS[name](seed)
    except Exception as error:  # the trials after it still have to run
        expected, happened, ok = "an answer", f"{type(error).__name__}: {error}", False
    finally:
        kill(*psutil.Process().children())
    happened = happened.replace(f"{ROOT}/", "")  # the same on every machine
    print(f"{'ok    ' if ok else 'FAILED'}  {name}: {happened}", flush=True)
    return {"name": name, "expected": expected, "happened": happened, "ok": ok}


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seed", type=int, default=0, help="of kills, removals and damages")
    seed = parser.parse_args().seed
    shutil.rmtree(FOLDER, ignore_errors=True)
    found = [attempt(name, seed) for name in TRIALS]
    failed = [trial["name"] for trial in found if not trial["ok"]]
    seconds = round(time.monotonic() - START, 1)
    facts = {"trials": found, "failed": failed, "seconds": seconds, **FACTS}
    config = {"seed": seed, "bound_seconds": BOUND, "profile": "smoke"}
    sha256 = json.loads((REFERENCE / STORE / "meta.json").read_bytes())["sha256"]
    write_facts(Workspace(), "reliability.json", facts,
                data_sha256=sha256, config=config, smoke=False)  # fmt: skip
    ok = len(found) - len(failed)
    print(f"{ok} of {len(found)} as expected, {seconds / 60:.1f} minutes")
    return int(bool(failed))


if __name__ == "__main__":
    sys.exit(main())
