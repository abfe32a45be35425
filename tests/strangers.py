"""Somebody else's small classifier with a pruning layer, and two ways to train it."""

import lightning
import torch
from torch import nn
from torch.nn import functional

import jointprune as jp
from jointprune.training import QUIET

JOINTS, KEEP, BATCHES = 8, 3, 12
DECISIVE = [2, 5, 6]  # the joints that the label depends on


class Batches(list):
    """Batches; Lightning takes a plain list for several loaders."""


def batches(number: int = BATCHES, clips: int = 16) -> Batches:
    """Clips (B, 2, J, 2) whose label is the sign of a sum over the decisive joints."""
    poses = torch.randn(number, clips, 2, JOINTS, 2, generator=torch.Generator().manual_seed(0))
    labels = (poses[..., DECISIVE, :].sum((2, 3, 4)) > 0).long()
    return Batches(zip(poses, labels, strict=True))


class Stranger(lightning.LightningModule):
    """Somebody's classifier; `gates_too` gives the gates to its optimiser as well."""

    def __init__(self, optimizer=torch.optim.Adam, gates_too=False, layer=None, **settings):
        super().__init__()
        torch.manual_seed(0)
        self.pruning = jp.JointPruningLayer(JOINTS) if layer is None else layer
        self.head = nn.Linear(2 * JOINTS * 2, 2)
        self.make = optimizer, gates_too, {"lr": 0.01, **settings}

    def forward(self, poses):
        return self.head(self.pruning(poses).flatten(1))

    def training_step(self, batch, _):
        return functional.cross_entropy(self(batch[0]), batch[1])

    def configure_optimizers(self):
        optimizer, gates_too, settings = self.make
        return optimizer((self if gates_too else self.head).parameters(), **settings)


class Watch(lightning.Callback):
    """Records the open joints after each batch; `file` is a checkpoint to write at `step`."""

    def __init__(self, file=None, step=0):
        self.open, self.file, self.step = [], file, step

    def on_train_batch_start(self, trainer, module, *_):
        torch.manual_seed(trainer.global_step)

    def on_train_batch_end(self, trainer, module, *_):
        self.open.append(module.pruning.kept_joints())
        if self.file and trainer.global_step == self.step and self.step % BATCHES:
            trainer.save_checkpoint(self.file)

    def on_train_epoch_end(self, trainer, module):
        if self.file and trainer.global_step == self.step:
            trainer.save_checkpoint(self.file)


def trainer_of(*callbacks, **options) -> lightning.Trainer:
    return lightning.Trainer(callbacks=list(callbacks), **{"max_epochs": 2} | QUIET | options)


def fit(module, loader=None, keep=KEEP, watch=None, resume=None, **options) -> list[list[int]]:
    """Train with PruneJoints; return the open joints after each batch."""
    callback = keep if isinstance(keep, jp.PruneJoints) else jp.PruneJoints(keep)
    trainer = trainer_of(watch := watch or Watch(), callback, **options)
    trainer.fit(module, loader or batches(), ckpt_path=resume, weights_only=True)
    return watch.open


def loop(module, loader, keep=KEEP, late=False) -> list[list[int]]:
    """Two epochs of the plain PyTorch loop; return the open joints after each step."""
    optimizer, course = module.configure_optimizers(), []
    budget = jp.JointBudget(module.pruning, keep, steps=2 * len(loader))
    for step, batch in enumerate(loader * 2):
        torch.manual_seed(step)
        loss = module.training_step(batch, None) + budget.penalty()
        optimizer.zero_grad()
        loss.backward()
        for part in (optimizer, budget) if late else (budget, optimizer):
            part.step()
        course.append(module.pruning.kept_joints())
    return course
