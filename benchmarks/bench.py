"""Speed and memory as ratios: `make bench` prints them and writes `data/results/bench.json`
and a table in `benchmarks/README.md`.

The two sides of a ratio are measured in alternation, five times, and the ratio compares their
medians. Each training runs in a process of its own. A data set of AUTSL's size is generated and
trained on once for each of three shares of its clips. About eight minutes on two cores.
"""

import argparse
import json
import re
import statistics
import subprocess
import sys
import tempfile
import time
import zipfile
from pathlib import Path

from pose_format import Pose

from jointprune.paper import fingerspelling
from jointprune.paper.report import markdown_table, write_block
from jointprune.paper.results import write_facts
from jointprune.workspace import ROOT, Workspace

HERE = Path(__file__).resolve().parent
REPEATS = 5
# By hidden size. The first epoch warms up; the median of the others is reported.
SIZES = {128: {"clips": 640, "epochs": 5}, 512: {"clips": 192, "epochs": 4}}
THREADS = 2
# float32 throughout, like the peer, and the default of our runs.
PRECISIONS = {"same_precision": "32-true", "as_shipped": "auto"}
FLAGS = {"same_precision": [], "as_shipped": ["--keep-memory"]}
SHARES = (1 / 16, 1 / 4, 1)  # of the clips of AUTSL's size, ascending
WORK = ("prepare", "train")


def run_script(name: str, *flags: str, **options) -> str:
    """The standard output of a script in this folder."""
    arguments = [*flags, *(f"--{key}={value}" for key, value in options.items())]
    command = [sys.executable, str(HERE / name), *arguments]
    done = subprocess.run(command, capture_output=True, text=True)
    if done.returncode:
        raise RuntimeError(f"{name} {' '.join(arguments)} failed:\n{done.stderr[-2000:]}")
    return done.stdout


def peer_speed(hidden: int) -> float:
    """Training samples per second of the quick start's recipe."""
    printed = run_script("peer_hf_bert.py", hidden=hidden, threads=THREADS, **SIZES[hidden])
    return float(re.search(r"([\d.]+) samples/s", printed).group(1))


def our_speed(hidden: int, name: str) -> dict[str, float]:
    """The measurements of `ours.py`; `name` is one of PRECISIONS."""
    options = {"hidden": hidden, "threads": THREADS, "precision": PRECISIONS[name]}
    printed = run_script("ours.py", *FLAGS[name], **options, **SIZES[hidden])
    return json.loads(printed.splitlines()[-1])


def training(hidden: int) -> dict:
    """Our training speed at one size, relative to the peer and to the machine's limit."""
    peers, ours = [], {name: [] for name in PRECISIONS}
    for _ in range(REPEATS):
        peers.append(peer_speed(hidden))
        for name in PRECISIONS:
            ours[name].append(our_speed(hidden, name))
    peer = statistics.median(peers)
    facts = {"peer_samples_per_second": peer}
    for name, measured in ours.items():
        median = {key: statistics.median(m[key] for m in measured) for key in measured[0]}
        facts[name] = median | {"ratio": median["samples_per_second"] / peer}
    return facts


def read_bare(wheel: Path) -> None:
    """Read the 410 files with pose-format and discard them."""
    with zipfile.ZipFile(wheel) as archive:
        index = archive.read(fingerspelling.FOLDER + "index.csv").decode("utf-8")
        for name in fingerspelling.read_index(index)["source_file"]:
            Pose.read(archive.read(fingerspelling.FOLDER + name))


def preparation(wheel: Path) -> tuple[dict, str]:
    """Seconds to make the store and to read the same files, and the store's checksum."""
    seconds = {"prepare": [], "read": []}
    for _ in range(REPEATS):
        with tempfile.TemporaryDirectory() as folder:
            start = time.perf_counter()
            data = fingerspelling.prepare(wheel, Path(folder) / "store")
            seconds["prepare"].append(time.perf_counter() - start)
        start = time.perf_counter()
        read_bare(wheel)
        seconds["read"].append(time.perf_counter() - start)
    prepare, read = (statistics.median(s) for s in seconds.values())
    facts = {"prepare_seconds": prepare, "read_seconds": read, "ratio": prepare / read}
    return facts, data.sha256


def autsl_size() -> dict:
    """Preparation of a data set of AUTSL's size and an epoch on it, for each of SHARES."""
    shares = {work: {} for work in WORK}
    (ROOT / "build").mkdir(exist_ok=True)
    for share in SHARES:
        with tempfile.TemporaryDirectory(dir=ROOT / "build") as folder:
            for work in WORK:
                printed = run_script("size.py", work=work, share=share, folder=folder)
                shares[work][f"{share:g}"] = json.loads(printed.splitlines()[-1])
    return {work: {"shares": found, "growth": growth(found)} for work, found in shares.items()}


def growth(shares: dict[str, dict]) -> dict[str, float]:
    """Cost per added clip between the two larger shares, relative to that between the two smaller.

    It is 1 if cost is linear in the number of clips.
    """
    few, some, whole = (shares[f"{share:g}"] for share in SHARES)

    def marginal(fewer: dict, more: dict, cost: str) -> float:
        return (more[cost] - fewer[cost]) / (more["clips"] - fewer["clips"])

    costs = ("cpu_seconds", "peak_mib")
    return {cost: marginal(some, whole, cost) / marginal(few, some, cost) for cost in costs}


def in_words(facts: dict) -> str:
    """The table of `benchmarks/README.md`: each ratio as measured, its goal, whether it is met."""
    rows = [("ratio", "measured", "goal", "met")]

    def add(name: str, value: float, form: str, goal: str = "", met: bool | None = None) -> None:
        rows.append((name, f"{value:{form}}", goal, {True: "yes", False: "no", None: ""}[met]))

    for size, goal in (("128", 2), ("512", 1.4)):
        for name in PRECISIONS:
            ours, which = facts["training"][size][name], f"{size} wide, {name.replace('_', ' ')}"
            speed, gates = ours["ratio"], ours["gate_share"]
            add(f"training speed, {which}", speed, ".2f", f"at least {goal}", speed >= goal)
            add(f"share of the matrix-product rate, {which}", ours["gemm_share"], ".0%")
            add(f"gates' share of a step, {which}", gates, ".1%", "under 3%", gates < 0.03)
    ratio = facts["preparation"]["ratio"]
    add("preparation", ratio, ".2f", "at most 1.5", ratio <= 1.5)
    for work, found in facts["autsl_size"].items():
        memory, grown = found["shares"]["1"]["peak_mib"] / 2048, f"growth at AUTSL's size, {work}"
        add(f"memory at AUTSL's size, {work}", memory, ".2f", "under 1", memory < 1)
        add(f"{grown}, time", found["growth"]["cpu_seconds"], ".2f", "1 (linear)")
        add(f"{grown}, memory", found["growth"]["peak_mib"], ".2f", "1 (linear)")
    epoch = facts["autsl_size"]["train"]["shares"]["1"]
    loader = epoch["cpu_seconds"] / epoch["feeding_cpu_seconds"]
    add("loader at AUTSL's size", loader, ".0f", "at least 20", loader >= 20)
    return markdown_table(rows)


def main() -> None:
    argparse.ArgumentParser(description=__doc__).parse_args()
    workspace = Workspace()
    prepared, sha256 = preparation(fingerspelling.fetch(workspace.raw))
    facts = {
        "training": {str(hidden): training(hidden) for hidden in SIZES},
        "preparation": prepared,
        "autsl_size": autsl_size(),
    }
    config = {
        "repeats": REPEATS,
        "sizes": SIZES,
        "threads": THREADS,
        "precisions": PRECISIONS,
        "shares": SHARES,
    }
    write_facts(workspace, "bench.json", facts, data_sha256=sha256, config=config, smoke=False)
    write_block(ROOT / "benchmarks" / "README.md", "bench", in_words(facts))
    print(in_words(facts))


if __name__ == "__main__":
    main()
