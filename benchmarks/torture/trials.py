"""What is done to smoke runs, one function a kind of harm: what was expected, what happened."""

import json
import random
import shutil
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple

from children import Child, Ended, notebooks
from compare import differences, made, with_costs_of

HERE = Path(__file__).resolve().parent
KILLS = 10
REMOVED = 0.3  # share of runs and rankings that two runs at once have to make again
ALONE = 12  # runs trained again in one process
FEWEST_RECORDINGS = 200
MOST_MEMORY = 1024  # MiB


class Trial(NamedTuple):
    """One harm done, and whether it ended as it should."""

    name: str
    expected: str
    happened: str
    ok: bool


@dataclass
class Bench:
    """Where the trials lie, until when they may go on, and what is drawn."""

    folder: Path
    seed: int
    bound: float  # seconds for all of them
    start: float = field(default_factory=time.monotonic)
    facts: dict = field(default_factory=dict)
    timeline: list[tuple[float, int]] = field(default_factory=list)  # of the reference: progress

    @property
    def reference(self) -> Path:
        return self.folder / "reference"

    def left(self) -> float:
        """Seconds until the bound."""
        return max(1.0, self.bound - (time.monotonic() - self.start))

    def draw(self, what: str) -> random.Random:
        """Random numbers of a trial's own, the same whichever went before."""
        return random.Random(f"{self.seed} {what}")


def unbroken(bench: Bench) -> Trial:
    """The run that all others are compared with; how far it is when is noted."""
    start = time.monotonic()
    child = notebooks(bench.reference, "run")
    while child.alive and time.monotonic() - start < bench.left():
        bench.timeline.append((time.monotonic() - start, made(bench.reference)))
        time.sleep(0.2)
    ended = child.wait(bench.left())
    bench.facts["reference_seconds"] = round(time.monotonic() - start, 1)
    ok = ended.code == 0
    return Trial("unbroken run", "exit 0", "exit 0" if ok else ended.last, ok)


def killed(bench: Bench) -> Trial:
    """Ten kills in one workspace; each run goes on from what the last one left.

    Moments are drawn over the reference's whole duration and carried over by what was made until
    then, so that ten kills do not cost ten runs.
    """
    workspace = with_costs_of(bench.reference, bench.folder / "killed")
    draw = bench.draw("kills")
    moments = sorted(draw.uniform(0, bench.timeline[-1][0]) for _ in range(KILLS))
    done = 0
    for number, moment in enumerate(moments):
        child = notebooks(workspace, f"kill{number}")
        done += _killed_at(child, bench, moment, workspace)
    ended = notebooks(workspace, "last").wait(bench.left())
    other = differences(bench.reference, workspace)
    bench.facts["kills"] = {"moments": [round(m, 1) for m in moments], "killed": done}
    happened = f"{done} killed; exit {ended.code}; {told(other)}"
    ok = done == KILLS and ended.code == 0 and not other
    return Trial(
        f"kill -9 at {KILLS} random moments", "the files of the unbroken run", happened, ok
    )


def _killed_at(child: Child, bench: Bench, moment: float, workspace: Path) -> bool:
    """Kill a run once it is as far as the reference was at a moment; False if it ended before."""
    progress = max((n for t, n in bench.timeline if t <= moment), default=0)
    since = moment - next((t for t, n in bench.timeline if n >= progress), 0.0)
    while child.alive and made(workspace) < progress:
        if bench.left() <= 1:
            child.kill()
            raise TimeoutError("the bound was reached before the last kill")
        time.sleep(0.05)
    time.sleep(since)
    alive = child.alive
    child.kill()
    return alive


def two_at_once(bench: Bench) -> Trial:
    """Two runs in one workspace, in which part of all runs and rankings is left to be made."""
    workspace = bench.folder / "pair"
    shutil.copytree(bench.reference, workspace, ignore=shutil.ignore_patterns("logs", "executed"))
    made_once = sorted(p for p in (workspace / "data/runs").glob("*") if p.is_dir())
    made_once = [p for p in made_once if p.name != "rankings"]
    made_once += sorted((workspace / "data/runs/rankings").glob("*.npy"))
    draw = bench.draw("pair")
    for path in draw.sample(made_once, int(REMOVED * len(made_once))):
        shutil.rmtree(path) if path.is_dir() else path.unlink()
    shutil.rmtree(workspace / "data/processed")
    both = [notebooks(workspace, name) for name in ("one", "other")]
    codes = [child.wait(bench.left()).code for child in both]
    other = differences(bench.reference, workspace, every_run=False)
    happened = f"exits {codes}; {told(other)}"
    ok = codes == [0, 0] and not other
    return Trial("two runs at once", "exits 0 and the files of one", happened, ok)


def alone(bench: Bench) -> Trial:
    """Runs trained beside others, trained again by themselves."""
    workspace = bench.folder / "alone"
    arguments = (str(bench.reference), str(workspace), str(ALONE), str(bench.seed))
    ended = Child(str(HERE / "alone.py"), *arguments, log=workspace / "log").wait(bench.left())
    if ended.code:
        return Trial("the same alone and in parallel", "bitwise equal", ended.last, False)
    facts = json.loads(ended.text.splitlines()[-1])
    happened = f"{facts['runs']} runs, {len(facts['other'])} otherwise"
    return Trial("the same alone and in parallel", "bitwise equal", happened, not facts["other"])


def malformed(bench: Bench) -> Trial:
    """At least 200 malformed recordings of every layout."""
    folder = bench.folder / "malformed"
    command = Child(str(HERE / "fuzz.py"), str(folder), str(bench.seed), log=folder / "log")
    ended = command.wait(bench.left())
    lines = [json.loads(line) for line in ended.text.splitlines() if line.startswith("{")]
    names = [line["name"] for line in lines if "name" in line]
    ends = [line["ended"] for line in lines if "ended" in line]
    counts = {end: ends.count(end) for end in ("refused", "read")}
    bad = [f"{n}: {e}" for n, e in zip(names, ends, strict=False) if e not in counts]
    bad += names[len(ends) :]  # in which the process died
    memory = next((line["memory_mib"] for line in lines if "memory_mib" in line), float("nan"))
    bench.facts["malformed"] = {"recordings": len(names), **counts, "memory_mib": round(memory, 1)}
    happened = (
        f"{counts['refused']} refused, {counts['read']} read as harmless, {len(bad)} otherwise"
        f"{''.join(f'; {b}' for b in bad[:3])}; {memory:.0f} MiB more"
    )
    ok = len(ends) >= FEWEST_RECORDINGS and not bad and memory < MOST_MEMORY and not ended.code
    return Trial(
        f"{len(names)} malformed recordings", "refused by name, or read; under 1 GiB", happened, ok
    )


def told(other: list[str]) -> str:
    """Files that differ, in a few words."""
    if not other:
        return "every file the same"
    return f"{len(other)} files differ: {', '.join(other[:4])}"


def harmed(name: str, words: str, failed: Ended, fixed: Ended, other: list[str] = ()) -> Trial:
    """The trial of a command that has to fail with `words`, and to succeed once fixed."""
    clear = failed.code not in (0, -9) and words in failed.text
    recovered = fixed.code == 0 and not other
    happened = f"exit {failed.code}: {failed.last}" + (
        "; then exit 0, every file the same" if recovered
        else f"; then exit {fixed.code}: {fixed.last}; {told(list(other))}"
    )  # fmt: skip
    return Trial(name, f"“{words}”, then the same files", happened, clear and recovered)


Kind = Callable[[Bench], Trial]
