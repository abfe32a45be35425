"""Is anything lost when a run is killed, starved or fed rubbish? `make torture` finds out.

Smoke runs in workspaces below `build/torture` are harmed in many ways; each has to end with a clear
error and come back, or with the files of a run that nobody disturbed. Prints a line a trial, writes
`data/results/reliability.json`, and fails if one trial fails. At most 20 minutes on two cores.
"""

import argparse
import json
import shutil
import sys
import time
from functools import partial

import faults
import trials
from children import end_all
from trials import Bench, Kind, Trial

from jointprune.paper.results import write_facts
from jointprune.workspace import ROOT, Workspace

BOUND = 20 * 60  # seconds
FOLDER = ROOT / "build" / "torture"

# The reference comes first, since all others are compared with it; those that take long come last.
KINDS: dict[str, Kind] = {
    "unbroken": trials.unbroken,
    "malformed": trials.malformed,
    "full": faults.full,
    "read-only": faults.read_only,
    "kernel": faults.stopped_kernel,
    "checkpoint": faults.truncated_checkpoint,
    **{f"store: {d}": partial(faults.corrupted_store, damage=d) for d in faults.STORE},
    **{name: partial(faults.edited, name=name) for name in faults.EDITS},
    "font": faults.missing_font,
    "alone": trials.alone,
    "pair": trials.two_at_once,
    "killed": trials.killed,
}


def attempt(name: str, kind: Kind, bench: Bench) -> Trial:
    """The trial, or what kept it from being made."""
    if bench.left() <= 1:
        return Trial(name, "to be tried", f"no time left of {bench.bound / 60:g} minutes", False)
    try:
        trial = kind(bench)
    except Exception as error:  # the trials after it are still to be made
        trial = Trial(name, "an answer", f"{type(error).__name__}: {error}", False)
    finally:
        end_all()
    # Of paths, what is the same on every machine.
    return trial._replace(happened=trial.happened.replace(f"{ROOT}/", ""))


def line(trial: Trial) -> str:
    return f"{'ok    ' if trial.ok else 'FAILED'}  {trial.name}: {trial.happened}"


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seed", type=int, default=0, help="of what is drawn")
    seed = parser.parse_args().seed
    shutil.rmtree(FOLDER, ignore_errors=True)
    bench = Bench(FOLDER, seed, BOUND)
    found = []
    for name, kind in KINDS.items():
        found.append(attempt(name, kind, bench))
        print(line(found[-1]), flush=True)
    store = bench.reference / "data/processed/fingerspelling/meta.json"
    facts = {
        "trials": [trial._asdict() for trial in found],
        "failed": [trial.name for trial in found if not trial.ok],
        "seconds": round(time.monotonic() - bench.start, 1),
        **bench.facts,
    }
    write_facts(
        Workspace(),
        "reliability.json",
        facts,
        data_sha256=json.loads(store.read_bytes())["sha256"],
        config={"seed": seed, "bound_seconds": BOUND, "profile": "smoke"},
        smoke=False,
    )
    shown = f"{len(found) - len(facts['failed'])} of {len(found)} as expected"
    print(f"{shown}, {facts['seconds'] / 60:.1f} minutes")
    return int(bool(facts["failed"]))


if __name__ == "__main__":
    sys.exit(main())
