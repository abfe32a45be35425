"""Trainings on two CPU processes (DDP): interrupted and resumed, a stranger's, the command line.

`python two_processes.py FOLDER`: FOLDER is a workspace with the data set "toy".
"""

import sys
from pathlib import Path

import lightning
import torch
from strangers import KEEP, Batches, Stranger, batches, trainer_of

from jointprune import PruneJoints, train, training
from jointprune.config import TrainingConfig
from jointprune.runs import make_run
from jointprune.store import open_dataset
from jointprune.workspace import Workspace

CONFIG = TrainingConfig(
    mask="hard-concrete",
    budget=12,
    hidden=16,
    frames=4,
    batch_size=8,
    epochs=4,
    precision="32-true",
)


class Notes(lightning.Callback):
    """Records all losses and a sample of the gates; stops the first training in epoch 2."""

    def __init__(self, stop: bool):
        self.stop, self.losses = stop, []

    def on_train_epoch_start(self, trainer, model):
        if self.stop and trainer.current_epoch == 2:
            raise InterruptedError
        if trainer.current_epoch == 2:  # later ones are decided
            self.gates = model.joint_pruning.gates().detach()

    def on_train_batch_end(self, trainer, model, outputs, batch, _):
        self.losses.append(outputs["loss"].item())


def main(folder: Path) -> None:
    """Run by both processes: writes `found-RANK.pt`, then runs the command line."""
    torch.set_num_threads(1)
    training.SAVE_EVERY = 0
    data = open_dataset("toy", Workspace(str(folder)))
    run = make_run(data, *data.folds(3, seed=0)[0], 0, CONFIG)
    both = {"checkpoint": folder / "run.ckpt", "devices": 2, "strategy": "ddp"}
    try:
        training.fit(run, data, [Notes(stop=True)], **both)
    except InterruptedError:
        notes = Notes(stop=False)
    model, _ = training.fit(run, data, [notes], **both)
    training.finalise(model, run, data)
    found = {"losses": torch.tensor(notes.losses), "gates": notes.gates, **model.state_dict()}
    rank, prune, module = torch.distributed.get_rank(), PruneJoints(KEEP), Stranger()
    torch.manual_seed(rank)
    own = Batches(batches(13)[rank : rank + 12])
    trainer_of(prune, devices=2, strategy="ddp").fit(module, own)
    found |= {f"stranger.{name}": part for name, part in module.state_dict().items()}
    found["scores"] = prune.state_dict()["scores"]
    torch.save(found, folder / f"found-{rank}.pt")
    options = {"dataset": "toy", "workspace": folder, "folds": 3, "epochs": 2, "devices": 2,
               "strategy": "ddp", "accelerator": "cpu", "precision": "bf16-mixed"}  # fmt: skip
    train.main([part for name, value in options.items() for part in (f"--{name}", str(value))])


if __name__ == "__main__":
    main(Path(sys.argv[1]))
