"""Do joints chosen for one encoder serve another?"""

from collections.abc import Iterable

import numpy as np

from jointprune.config import TrainingConfig
from jointprune.dataset import SignDataset
from jointprune.paper.tables import accuracy_table
from jointprune.prediction import predictions
from jointprune.runs import trials_of
from jointprune.selection import retraining_trials, select_many
from jointprune.training import run_many
from jointprune.workspace import Workspace


def compare_encoders(
    configs: Iterable[TrainingConfig], k: int, data: SignDataset, folds, seeds,
    workspace: Workspace,
) -> list[dict]:  # fmt: skip
    """Accuracy of each encoder with four sets of joints.

    The sets are all joints ("full"); K joints that gates on the first encoder choose ("learned");
    "stratified-random"; and, for the other encoders, K joints that gates on the encoder itself
    choose ("own"). Rows: encoder, joints (the set), k, mean, low, high, runs and `overlap`: the
    share of the encoder's own K joints that are in the "learned" set (None for other sets).
    """
    first, *others = configs
    where = (data, folds, seeds)
    sets = {
        (name, k): select_many(name, k, *where, first, workspace)
        for name in ("learned", "stratified-random")
    }
    rows = []
    for config in (first, *others):
        overlap = {}
        if config is not first:
            own = sets["own", k] = select_many("learned", k, *where, config, workspace)
            shared = [len({*own[c]} & {*kept}) / k for c, kept in sets["learned", k].items()]
            overlap["own"] = float(np.mean(shared))
        trials = trials_of("full", *where, config)
        trials += retraining_trials(sets, data, folds, config)
        run_many([trial.run for trial in trials], data, workspace, config.encoder)
        table = accuracy_table(predictions(trials, data, workspace)).drop(columns="regime")
        rows += [
            {"encoder": config.encoder, **row, "overlap": overlap.get(row["joints"])}
            for row in table.rename(columns={"method": "joints"}).to_dict("records")
        ]
    return rows
