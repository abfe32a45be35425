"""Do joints chosen for one encoder serve another?"""

from collections.abc import Iterable

import numpy as np

from jointprune.config import TrainingConfig
from jointprune.dataset import SignDataset
from jointprune.paper.tables import accuracy_table
from jointprune.prediction import predictions
from jointprune.runs import Trial, trials_of
from jointprune.selection import retraining_trials, select_many
from jointprune.training import run_many
from jointprune.workspace import Workspace

LEARNED = "learned"


def compare_encoders(
    configs: Iterable[TrainingConfig], k: int, data: SignDataset, folds, seeds,
    workspace: Workspace,
) -> list[dict]:  # fmt: skip
    """Accuracy of each encoder on four sets of joints; the first encoder's gates choose `learned`.

    The others are all joints ("full"), "stratified-random", and "own", chosen by gates on the
    encoder itself. Rows: encoder, joints (which set), k, mean, low, high, runs, and `overlap`, the
    share of the encoder's own K that the first one's gates chose as well (None elsewhere).
    """
    first, *others = configs
    where = (data, folds, seeds)
    learned = select_many(LEARNED, k, *where, first, workspace)
    stratified = select_many("stratified-random", k, *where, first, workspace)
    rows = []
    for config in (first, *others):
        sets = {"learned": learned, "stratified-random": stratified}
        overlap = {}
        if config is not first:
            sets["own"] = select_many(LEARNED, k, *where, config, workspace)
            overlap["own"] = _shared(sets["own"], learned, k)
        trials = trials_of("full", data, folds, seeds, config)
        for name, chosen in sets.items():
            trials += retraining_trials(name, chosen, data, folds, config)
        rows += _rows(config.encoder, trials, overlap, data, workspace)
    return rows


def _rows(encoder: str, trials: list[Trial], overlap: dict, data, workspace) -> list[dict]:
    run_many([trial.run for trial in trials], data, workspace, encoder)
    table = accuracy_table(predictions(trials, data, workspace)).rename(
        columns={"method": "joints"}
    )
    return [
        {"encoder": encoder, **row, "overlap": overlap.get(row["joints"])}
        for row in table.to_dict("records")
    ]


def _shared(own: dict, learned: dict, k: int) -> float:
    """Mean share of K joints that both chose, over folds and seeds."""
    return float(np.mean([len(set(own[cell]) & set(learned[cell])) / k for cell in own]))
