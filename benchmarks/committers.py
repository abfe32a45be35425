"""American signs by committer: train on one person's uploads and test on the others'.

`python benchmarks/committers.py` writes `data/results/asl13/committers.json` and a table in
`benchmarks/README.md`. Who recorded a clip is not known. Its committer is, so this is a stricter
test than that of the notebooks, which hold out sessions and mix committers. Joints are chosen on
the training side alone, with the settings of the profile `words`.
"""

import argparse

import numpy as np
import yaml

from jointprune.paper.claims import interval, percent
from jointprune.paper.report import markdown_table, write_block
from jointprune.paper.results import write_facts
from jointprune.paper.tables import accuracy_table
from jointprune.prediction import predictions
from jointprune.runs import config_for, trials_of
from jointprune.selection import METHODS
from jointprune.selection.ranking import retraining_trials, select_all
from jointprune.store import open_dataset
from jointprune.training import run_many
from jointprune.workspace import ROOT, Workspace

# The sessions (commits) of committer 2; the other sessions are those of committers 1 and 3. The
# latter brought 60 clips of one sign, so these two sides are what can be trained.
SECOND = ("12a99a0ddd", "50e2b73b84", "6346ed4975", "c3dce8eead", "f756d34043")
KS, METHOD_NAMES = (2, 3, 6, 12), ("learned", "anatomical", "stratified-random")


def folds_of(groups: np.ndarray) -> list[tuple[np.ndarray, np.ndarray]]:
    """Clips of the one side for training and of the other for testing, and the reverse."""
    second = np.isin(groups, SECOND)
    sides = np.flatnonzero(second), np.flatnonzero(~second)
    return [sides, sides[::-1]]


def in_words(rows: list[dict]) -> str:
    """The table of `benchmarks/README.md`, a row for each method."""
    table = {(row["method"], row["k"]): row for row in rows}
    ks = sorted({k for _, k in table}, reverse=True)

    def cell(method: str, k: int) -> str:
        row = table.get((method, k))
        return f"{percent(row['mean'])} {interval(row)}" if row else ""

    return markdown_table([
        ("joints", *map(str, ks)),
        *((METHODS[name].label, *(cell(name, k) for k in ks)) for name in ("full", *METHOD_NAMES)),
    ])  # fmt: skip


def main() -> None:
    argparse.ArgumentParser(description=__doc__).parse_args()
    workspace = Workspace(dataset="asl13")
    data = open_dataset("asl13", workspace)
    profile = yaml.safe_load((ROOT / "notebooks/params/words.yaml").read_text(encoding="utf-8"))
    training = profile["02_baseline"]
    folds, seeds = folds_of(data.groups), training["seeds"]
    config = config_for(folds, *(training[name] for name in ("epochs", "steps", "settings")))
    plan = [(name, k, seeds) for name in METHOD_NAMES for k in KS]
    trials = trials_of("full", data, folds, range(seeds), config)
    chosen = select_all(plan, data, folds, config, workspace)
    trials += retraining_trials(chosen, data, folds, config)
    run_many([trial.run for trial in trials], data, workspace, "by committer")
    rows = accuracy_table(predictions(trials, data, workspace)).to_dict("records")
    write_block(ROOT / "benchmarks" / "README.md", "committers", in_words(rows))
    write_facts(
        workspace, "committers.json", {"rows": rows}, data_sha256=data.sha256, config=training,
        smoke=False,
    )  # fmt: skip


if __name__ == "__main__":
    main()
