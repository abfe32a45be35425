"""Time and memory to generate a data set of AUTSL's size, or to train on it for one epoch.

`bench.py` starts this script once for each share of the clips and each entry of WORK, because
Linux reports peak memory (in `/proc`) for whole processes only. Training follows
`notebooks/params/autsl.yaml`, with gates, on the published fold and one thread. Prints one
line of JSON.
"""

import argparse
import json
import time
from collections import deque
from dataclasses import replace
from pathlib import Path

import yaml

from jointprune.paper.synthetic import autsl_like
from jointprune.store import open_dataset
from jointprune.workspace import ROOT, Workspace

PROFILE = ROOT / "notebooks" / "params" / "autsl.yaml"


def memory(field: str) -> float:
    """MiB of this process: VmHWM, the peak of resident memory; RssAnon, without mapped files.

    Resident memory includes pages of the store, which the system can take back.
    """
    status = Path("/proc/self/status").read_text(encoding="utf-8")
    return int(status.split(f"{field}:")[1].split()[0]) / 1024


def clocked(work) -> tuple[object, dict[str, float]]:
    """The result of `work()`, and its seconds of wall and processor time."""
    start, begun = time.perf_counter(), time.process_time()
    result = work()
    spent = {"seconds": time.perf_counter() - start, "cpu_seconds": time.process_time() - begun}
    return result, spent


def prepare(workspace: Workspace, share: float) -> dict[str, float]:
    """Generate the data set."""
    data, spent = clocked(lambda: autsl_like(workspace, share))
    store = (data.poses.nbytes + data.present.nbytes) / 2**20
    return {"clips": len(data), **spent, "peak_mib": memory("VmHWM"), "store_mib": store}


def train(workspace: Workspace, share: float) -> dict[str, float]:
    """Make all training batches, then train on them for an epoch, on one thread."""
    # Imported here, because they would add to the memory of preparation.
    import torch

    from jointprune.parallel import keep_memory
    from jointprune.runs import EXPERIMENTS, make_run
    from jointprune.training import batches_of, fit

    torch.set_num_threads(1)
    keep_memory()
    (store,) = workspace.processed.iterdir()
    data = open_dataset(store)
    profile = yaml.safe_load(PROFILE.read_text(encoding="utf-8"))["03_pruning_training"]
    config = replace(EXPERIMENTS["pruning_experiment"], **profile["settings"], epochs=1)
    ((train_clips, test_clips),) = data.folds(1, seed=0)
    run = make_run(data, train_clips, test_clips, 0, config)
    _, feeding = clocked(lambda: deque(batches_of(run, data), maxlen=0))
    _, training = clocked(lambda: fit(run, data))
    return {
        "clips": len(train_clips),
        **training,
        "feeding_cpu_seconds": feeding["cpu_seconds"],
        "peak_mib": memory("VmHWM"),
        "own_mib": memory("RssAnon"),
    }


WORK = {"prepare": prepare, "train": train}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--work", required=True, choices=WORK)
    parser.add_argument("--share", type=float, default=1.0, help="of each sign's clips")
    parser.add_argument("--folder", required=True, help="a workspace for this share alone")
    a = parser.parse_args()
    print(json.dumps(WORK[a.work](Workspace(a.folder), a.share)))


if __name__ == "__main__":
    main()
