"""Some trained runs trained again, one after the other in one process: are they the same?

`python benchmarks/torture/alone.py REFERENCE WORKSPACE NUMBER SEED` prints a JSON line: how many of
the reference's runs were drawn, and which of them answer otherwise in any bit.
"""

import json
import random
import sys

import torch

from jointprune.runs import run_of
from jointprune.store import open_dataset
from jointprune.training import train
from jointprune.workspace import Workspace


def main() -> None:
    reference, workspace = (Workspace(name) for name in sys.argv[1:3])
    data = open_dataset("fingerspelling", reference)
    torch.set_num_threads(1)
    runs = {path.parent: run_of(path.parent) for path in sorted(reference.runs.glob("*/run.json"))}
    own = [folder for folder, run in runs.items() if run.folder(data, reference) == folder]
    drawn = random.Random(int(sys.argv[4])).sample(own, int(sys.argv[3]))
    other = []
    for folder in drawn:
        again = train(runs[folder], data, workspace)
        names = ("probabilities.npy", "gates.csv")
        if any((folder / n).read_bytes() != (again / n).read_bytes() for n in names):
            other.append(folder.name)
    print(json.dumps({"runs": len(drawn), "other": other}))


if __name__ == "__main__":
    main()
