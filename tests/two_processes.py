"""Trainings on two CPU processes (DDP), recorded: `python two_processes.py FOLDER`.

FOLDER is a workspace with the data set "synthetic-small".
"""

import sys
from pathlib import Path

import lightning
import torch

from jointprune import resume, train
from jointprune.config import TrainingConfig
from jointprune.dataset import SignDataset
from jointprune.runs import make_run
from jointprune.store import open_dataset
from jointprune.training import fit
from jointprune.workspace import Workspace

DATASET = "synthetic-small"
SHARED = {"hidden": 16, "frames": 4, "batch_size": 16, "epochs": 3, "dropout": 0.0,
          "precision": "32-true"}  # fmt: skip
# Gates sampled per batch with a multiplier; per clip; standardised by the first batch; no gates.
CONFIGS = {
    "budget": TrainingConfig(mask="hard-concrete", budget=12, **SHARED),
    "any-subset": TrainingConfig(mask="any-subset", **SHARED),
    "group-lasso": TrainingConfig(mask="group-lasso", **SHARED),
    "open": TrainingConfig(**SHARED),
}


class Notes(lightning.Callback):
    """The loss of each step."""

    def on_fit_start(self, trainer, model):
        self.losses = []

    def on_train_batch_end(self, trainer, model, outputs, batch, _):
        self.losses.append(outputs["loss"].item())


def course(config: TrainingConfig, data: SignDataset, *callbacks, **options) -> dict:
    """Losses (steps,) of this process's share, gates, and the state of the trained model."""
    notes, (train_clips, test_clips) = Notes(), data.folds(3, seed=0)[0]
    run = make_run(data, train_clips, test_clips, 0, config)
    model, gates = fit(run, data, [notes, *callbacks], **options)
    path = torch.tensor(gates["keep_probability"].to_numpy())
    return {"losses": torch.tensor(notes.losses), "path": path, **model.state_dict()}


class Stop(lightning.Callback):
    """Ends a training in all processes before its last epoch."""

    def on_train_epoch_start(self, trainer, model):
        if trainer.current_epoch == trainer.max_epochs - 1:
            raise InterruptedError


def resumed(config: TrainingConfig, data: SignDataset, **options) -> dict:
    """The course of a training's last epoch, resumed after an interruption."""
    try:
        course(config, data, Stop(), **options)
    except InterruptedError:
        return course(config, data, **options)


def main(folder: Path) -> None:
    """Run by both processes: writes `courses-RANK.pt`, then runs the command line."""
    torch.set_num_threads(1)
    data = open_dataset(DATASET, Workspace(str(folder)))
    both = {"devices": 2, "strategy": "ddp"}
    courses = {n: course(c, data, **both) for n, c in CONFIGS.items()}
    resume.SAVE_EVERY = 0
    courses["resumed"] = resumed(CONFIGS["budget"], data, checkpoint=folder / "budget.ckpt", **both)
    torch.save(courses, folder / f"courses-{torch.distributed.get_rank()}.pt")
    options = {"dataset": DATASET, "workspace": folder, "folds": 3, "epochs": 2, "devices": 2,
               "strategy": "ddp", "accelerator": "cpu", "precision": "bf16-mixed"}  # fmt: skip
    train.main([part for name, value in options.items() for part in (f"--{name}", str(value))])


if __name__ == "__main__":
    main(Path(sys.argv[1]))
