"""Training of runs: one, or many on every core; long ones resume after an interruption."""

import json
import logging
import time
import warnings
from collections.abc import Iterable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import asdict
from pathlib import Path

import lightning
import numpy as np
import pandas as pd
import torch
from lightning.pytorch.plugins.environments import LightningEnvironment
from lightning.pytorch.utilities.exceptions import SIGTERMException
from torch import Tensor

from jointprune.classifier import SignClassificationLightning
from jointprune.dataset import SignDataset
from jointprune.parallel import on_every_core, one_thread
from jointprune.prediction import evaluation_batches, predict
from jointprune.preprocessing import FREE_SHIFT, Augmentation, ClipBatches
from jointprune.runs import CONTRACT, Run, joint_indices
from jointprune.workspace import Workspace, atomic_path, damage, file_sha256, scratch_folder, sync

SAVE_EVERY = 300  # seconds between two checkpoints, at least; short trainings save none

# One CPU process that trains without logs, files and messages.
QUIET = {"accelerator": "cpu", "devices": 1, "logger": False, "enable_checkpointing": False,
         "enable_progress_bar": False, "enable_model_summary": False}  # fmt: skip

PRECISIONS = ("auto", "32-true", "bf16-mixed", "16-mixed")  # weights stay in 32 bits

# Warnings of Lightning that do not apply: clips come from memory, values logged without
# `sync_dist` are the same in every process, the summary counts 32 bits per weight; and its use
# of a function that torch 2.13 deprecates.
LIBRARY_NOISE = (
    ".*does not have many workers",
    r".*sync_dist=True\)` when logging on epoch level",
    ".*not supported by the model summary",
    r"`isinstance\(treespec, LeafSpec\)` is deprecated",
)


def run_many(
    runs: Iterable[Run], data: SignDataset, workspace: Workspace, description: str = "training"
) -> None:
    """Train runs on every core, one thread each; finished runs are not trained again.

    Parameters
    ----------
    runs, data, workspace
        Runs to train, the data set whose clips they name, and where their folders are written.
    description
        Label of the progress bar.
    """
    todo = {run.folder(data, workspace): run for run in runs}
    jobs = [(run, data, workspace) for folder, run in todo.items() if not folder.is_dir()]
    list(on_every_core(train, jobs, description, done=len(todo) - len(jobs)))


@one_thread()
def train(run: Run, data: SignDataset, workspace: Workspace) -> Path:
    """Train one run on one thread; return its folder, which appears whole or not at all.

    A long training saves checkpoints to `unfinished/NAME.ckpt` and resumes from there.
    """
    folder = run.folder(data, workspace)
    checkpoint = workspace.runs / "unfinished" / f"{folder.name}.ckpt"
    if folder.is_dir():  # another process was faster
        checkpoint.unlink(missing_ok=True)
        return folder
    # Made before training, so that a folder that cannot be written is found out first.
    with scratch_folder(workspace.runs) as scratch:
        # One process, even where a batch system has set variables for several.
        model, path = fit(run, data, checkpoint=checkpoint, plugins=LightningEnvironment())
        finalise(model, run, data)
        model.trainer.save_checkpoint(scratch / "model.ckpt", weights_only=True)
        np.save(scratch / "probabilities.npy", predict(model, data, run.test))
        path.to_csv(scratch / "gates.csv", index=False)
        files = {file.name: file_sha256(file) for file in sorted(scratch.iterdir())}
        facts = asdict(run) | {"contract": CONTRACT, "files": files}
        (scratch / "run.json").write_text(json.dumps(facts))
        for file in scratch.iterdir():
            sync(file)
        try:
            scratch.rename(folder)
        except OSError:
            if not folder.is_dir():  # another process may have finished the same run first
                raise
    checkpoint.unlink(missing_ok=True)
    return folder


def fit(
    run: Run,
    data: SignDataset,
    callbacks: Iterable[lightning.Callback] = (),
    checkpoint: Path | None = None,
    **trainer_options,
) -> tuple[SignClassificationLightning, pd.DataFrame]:
    """Train one run without saving the result; return the model and its gates after each epoch.

    `trainer_options` are arguments of Lightning's trainer; by default one CPU process trains
    without logs. A long training is saved to the file `checkpoint` and resumed from it if it
    exists. Raises OSError if that file is damaged, InterruptedError after the signal SIGTERM.
    """
    torch.manual_seed(run.seed)
    model = SignClassificationLightning(asdict(run.config))
    name = str(data.meta.get("name", "unknown"))
    groups = sorted(set(np.asarray(data.groups)[list(run.train)].tolist()))
    model.trained_on = {
        "name": name, "sha256": data.sha256, "classes": list(data.classes), "groups": groups
    }  # fmt: skip
    resume = checkpoint if checkpoint and checkpoint.is_file() else None
    if resume and (broken := damage(resume)):
        raise OSError(
            f"{resume}: expected the checkpoint of an interrupted training, got a damaged file "
            f"({broken}): remove it and give the same command again, which starts anew"
        )
    path, batches = GatePath(), batches_of(run, data)
    options = {**QUIET, **trainer_options}
    with without_noise():
        trainer = lightning.Trainer(
            max_epochs=run.config.epochs,
            gradient_clip_val=1.0,
            callbacks=[path, *callbacks, TrainingState(batches, checkpoint)],
            precision=precision_for(run.config.precision, options["accelerator"]),
            **options,
        )
        try:
            trainer.fit(model, BatchShare(batches, trainer), ckpt_path=resume, weights_only=True)
        except SIGTERMException as error:  # Lightning would exit with code 0
            raise InterruptedError("stopped by SIGTERM: give the same command again") from error
    return model, path.frame(run.config.joints)


def finalise(model: SignClassificationLightning, run: Run, data: SignDataset) -> None:
    """Close all joints beyond the budget; then store training clips as exemplars.

    They are stored only if every class has few: a class with exemplars wins too often against one
    without. Any-subset networks store none, because the embeddings would fit only one subset of
    joints.
    """
    c = run.config
    if c.budget:
        model.joint_pruning.freeze_top(c.budget)
    most = np.bincount(np.asarray(data.labels)[list(run.train)]).max()
    if most <= c.exemplars and c.mask != "any-subset":
        model.remember(evaluation_batches(c, data, np.array(run.train)))


def precision_for(precision: str, accelerator: str) -> str:
    """Resolve "auto": bf16-mixed where the device multiplies bfloat16 natively, else 32-true.

    Weights, normalisation, the head's cosines and evaluation stay in float32.
    """
    if precision not in PRECISIONS:
        raise ValueError(f"expected a precision, got {precision!r}: choose one of {PRECISIONS}")
    if precision != "auto":
        return precision
    if accelerator != "cpu" and torch.cuda.is_available():
        native = torch.cuda.is_bf16_supported(including_emulation=False)
    else:
        found = torch.cpu.get_capabilities()
        native = any(found.get(name) for name in ("avx512_bf16", "amx_bf16"))
    return "bf16-mixed" if native else "32-true"


@contextmanager
def without_noise(messages: tuple[str, ...] = LIBRARY_NOISE):
    """Ignore warnings that match `messages` (regular expressions) within a block.

    Lightning's messages, which name the devices of each run, are left out, too.
    """
    loggers = [logging.getLogger(f"lightning.{name}") for name in ("pytorch", "fabric")]
    levels = [logger.level for logger in loggers]
    try:
        for logger in loggers:
            logger.setLevel(logging.ERROR)
        with warnings.catch_warnings():
            for message in messages:
                warnings.filterwarnings("ignore", message=message)
            yield
    finally:
        for logger, level in zip(loggers, levels, strict=True):
            logger.setLevel(level)


def batches_of(run: Run, data: SignDataset) -> ClipBatches:
    """The run's training batches, of its own joints."""
    c = run.config
    changes = Augmentation(shift=FREE_SHIFT if data.translation_invariant else 0.0)
    strata = data.handedness[list(run.train)] if c.balanced else None
    return ClipBatches(
        data, run.train, c.frames, c.batch_size, joint_indices(c, data), changes, run.seed, strata
    )


class GatePath(lightning.Callback):
    """Records each joint's keep probability, and whether it is open, after each epoch."""

    def __init__(self):
        self.epochs = []

    def on_train_epoch_end(self, trainer, model):
        layer = model.joint_pruning
        keep = layer.keep_probability().detach().tolist()
        opened = set(layer.kept_joints())
        self.epochs.append([(p, int(j in opened)) for j, p in enumerate(keep)])

    def state_dict(self) -> dict:
        return {"epochs": self.epochs}

    def load_state_dict(self, state: dict) -> None:
        self.epochs = state["epochs"]

    def frame(self, joints: tuple[str, ...]) -> pd.DataFrame:
        rows = [
            (epoch, joint, round(probability, 4), active)
            for epoch, gates in enumerate(self.epochs)
            for joint, (probability, active) in zip(joints, gates, strict=True)
        ]
        return pd.DataFrame(rows, columns=["epoch", "joint", "keep_probability", "active"])


class BatchShare:
    """This process's share of each batch: shares are equal, and clips left over are dropped.

    All processes make the same batches from the same seed.
    """

    def __init__(self, batches: ClipBatches, trainer: lightning.Trainer):
        self.batches, self.trainer = batches, trainer

    def __len__(self) -> int:
        return len(self.batches)

    def __iter__(self) -> Iterator[tuple[Tensor, Tensor, Tensor]]:
        clips = self.batches.batch_size // self.trainer.world_size
        first = self.trainer.global_rank * clips
        for batch in self.batches:
            yield tuple(part[first : first + clips] for part in batch)


def written_whole(file: Path, trainer: lightning.Trainer) -> AbstractContextManager[Path]:
    """The path for `trainer.save_checkpoint`; the first process alone writes `file`, or nothing."""
    return atomic_path(file) if trainer.is_global_zero else nullcontext(file)


# Lightning's ModelCheckpoint does not do: at intervals of time it saves within epochs, where a
# training cannot resume exactly; a full disk ends the training; and it moves the file from another
# folder, which may leave half a file if that is on another file system.
class TrainingState(lightning.Callback):
    """Random states of a training, and its checkpoint, saved every SAVE_EVERY seconds at most.

    A training that resumes on one process ends with the same bits as one that never stopped. On
    several processes, each samples its own gates and dropout, after resuming from a new seed.
    """

    def __init__(self, batches: ClipBatches, file: Path | None):
        self.batches, self.file = batches, file
        self.saved, self.loaded, self.finished = time.monotonic(), None, False

    def on_train_start(self, trainer, model) -> None:
        self.generator, device = torch.default_generator, model.device
        if device.type == "cuda":
            self.generator = torch.cuda.default_generators[device.index]
        if self.loaded:
            self.batches.generator.set_state(self.loaded["batches"])
        if trainer.world_size > 1:
            start = self.generator.initial_seed() + trainer.world_size * trainer.global_step
            self.generator.manual_seed(start + trainer.global_rank)
        elif self.loaded and self.loaded["device"] == device.type:
            self.generator.set_state(self.loaded["state"])

    def on_train_epoch_end(self, trainer, model) -> None:
        late = time.monotonic() - self.saved >= SAVE_EVERY
        last = trainer.current_epoch + 1 == trainer.max_epochs
        if self.file is None or not trainer.strategy.broadcast(late and not last):
            return
        self.saved = time.monotonic()
        # The first process writes; all others wait at a barrier inside `save_checkpoint`.
        reached_barrier = False
        try:
            with written_whole(self.file, trainer) as path:
                trainer.save_checkpoint(path, weights_only=False)
                reached_barrier = True
        except OSError as error:  # such as a full disk
            if not reached_barrier:
                trainer.strategy.barrier()
            warnings.warn(
                f"{self.file} could not be written, training continues: {error}", stacklevel=2
            )

    def on_train_end(self, trainer, model) -> None:
        self.finished = True

    def state_dict(self) -> dict:
        return {
            "finished": self.finished,
            "batches": self.batches.generator.get_state(),
            "device": self.generator.device.type,
            "state": self.generator.get_state(),
        }

    def load_state_dict(self, state: dict) -> None:
        self.loaded = state
