"""Training runs that are not there yet, one thread each on every core."""

import json
import logging
import warnings
from collections.abc import Iterable
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path

import lightning
import numpy as np
import pandas as pd
import torch
from lightning.pytorch.utilities.exceptions import SIGTERMException

from jointprune.classifier import SignClassificationLightning
from jointprune.dataset import SignDataset
from jointprune.distributed import Shares, SyncGates
from jointprune.parallel import on_every_core
from jointprune.prediction import evaluation_batches, predict
from jointprune.preprocessing import FREE_SHIFT, Augmentation, ClipBatches
from jointprune.resume import Unfinished
from jointprune.runs import CONTRACT, Run, joint_indices
from jointprune.workspace import Workspace, file_sha256, scratch_folder, sync

PRECISIONS = ("auto", "32-true", "bf16-mixed", "16-mixed")  # weights are kept in 32 bits

# Lightning's remarks on what is meant so (clips come from memory; what is logged without
# `sync_dist` is the same in every process; its summary counts 32 bits a weight; a resumed training
# logs to a folder of its own), and its old way of asking torch 2.13 about trees.
LIBRARY_NOISE = (
    ".*does not have many workers",
    r".*sync_dist=True\)` when logging on epoch level",
    ".*not supported by the model summary",
    "The dirpath has changed",
    r"`isinstance\(treespec, LeafSpec\)` is deprecated",
)


def run_many(
    runs: Iterable[Run], data: SignDataset, workspace: Workspace, description: str = "training"
) -> None:
    """Train the runs that are not there yet, one thread each on every core, with one bar."""
    todo = {run.folder(data, workspace): run for run in runs}
    missing = [run for folder, run in todo.items() if not folder.is_dir()]
    if not missing:
        return
    jobs = [(run, data, workspace) for run in missing]
    for _ in on_every_core(train, jobs, description, done=len(todo) - len(missing)):
        pass


def train(run: Run, data: SignDataset, workspace: Workspace) -> Path:
    """Train one run on one thread and keep it; returns its folder.

    A run of many minutes that was interrupted goes on from `unfinished/NAME.ckpt` beside it.
    """
    folder = run.folder(data, workspace)
    unfinished = workspace.runs / "unfinished" / f"{folder.name}.ckpt"
    if folder.is_dir():  # another process was faster
        unfinished.unlink(missing_ok=True)
        return folder
    torch.set_num_threads(1)
    # Made before training: a folder that cannot be written is better found out first.
    with scratch_folder(workspace.runs) as scratch:
        model, path = fit(run, data, keep=unfinished)
        finalise(model, run, data)
        model.trainer.save_checkpoint(scratch / "model.ckpt", weights_only=True)
        np.save(scratch / "probabilities.npy", predict(model, data, run.test))
        path.to_csv(scratch / "gates.csv", index=False)
        files = {file.name: file_sha256(file) for file in sorted(scratch.iterdir())}
        facts = asdict(run) | {"contract": CONTRACT, "files": files}
        (scratch / "run.json").write_text(json.dumps(facts))
        for file in scratch.iterdir():
            sync(file)  # on disk before the name that vouches for it
        try:
            scratch.rename(folder)
        except OSError:
            if not folder.is_dir():  # another process may have finished the same run first
                raise
    unfinished.unlink(missing_ok=True)
    return folder


def fit(
    run: Run,
    data: SignDataset,
    callbacks: Iterable[lightning.Callback] = (),
    keep: Path | None = None,
    **asked,
) -> tuple[SignClassificationLightning, pd.DataFrame]:
    """The trained model and its gates after each epoch (epoch, joint, keep_probability, active).

    Nothing is logged or shown on the way, and one CPU process trains, unless `asked`,
    arguments of Lightning's trainer, says otherwise. With several processes each gets its share
    of every batch, see `jointprune.distributed`. A long training is kept in the file
    `keep` on the way, and goes on from what an interrupted one of the same run left there, see
    `jointprune.resume`; OSError if that is damaged. InterruptedError for SIGTERM.
    """
    check_strategy(str(asked.get("strategy", "")))
    for name in ("lightning.pytorch", "lightning.fabric"):
        logging.getLogger(name).setLevel(logging.ERROR)  # device banners, once a run
    torch.manual_seed(run.seed)
    model = SignClassificationLightning(asdict(run.config))
    path, batches = GatePath(), batches_of(run, data)
    every = [SyncGates(), path, *callbacks]
    resume = None
    if keep is not None:
        every.append(Unfinished(keep, batches))
        resume = every[-1].to_resume()
    precision = precision_for(run.config.precision, asked.get("accelerator", "cpu"))
    quiet = dict.fromkeys(
        ("logger", "enable_checkpointing", "enable_progress_bar", "enable_model_summary"), False
    )
    trainer = lightning.Trainer(
        max_epochs=run.config.epochs,
        gradient_clip_val=1.0,
        callbacks=every,
        **{"accelerator": "cpu", "devices": 1, **quiet, **asked, "precision": precision},
    )
    with without_noise():
        try:
            trainer.fit(model, Shares(batches, trainer), ckpt_path=resume, weights_only=True)
        except SIGTERMException as error:  # an exit without a word, which would pass for success
            raise InterruptedError("stopped by SIGTERM: give the same command again") from error
    return model, path.frame(run.config.joints)


def finalise(model: SignClassificationLightning, run: Run, data: SignDataset) -> None:
    """What follows a training: close all joints beyond the budget, know signs by their clips.

    That is for signs of few clips, see `models.parts.Head`. An any-subset network keeps to its
    vectors, which subsets of all kinds have taught: clips would be remembered by one alone.
    """
    c = run.config
    if c.budget:
        model.joint_pruning.freeze_top(c.budget)
    labels = np.asarray(data.labels)[list(run.train)]
    few = np.bincount(labels)[labels] <= c.exemplars
    if few.any() and c.mask != "any-subset":
        model.remember(evaluation_batches(c, data, np.array(run.train)[few]))


def precision_for(precision: str, accelerator: str) -> str:
    """Lightning's name of a precision; "auto" is bf16-mixed where bfloat16 is multiplied natively.

    There the matrix products of training are several times faster; weights, normalisation, the
    head's cosines and all evaluation stay in float32. Elsewhere "auto" is 32-true. ValueError for
    one that is not of PRECISIONS.
    """
    if precision not in PRECISIONS:
        raise ValueError(f"expected a precision out of {PRECISIONS}, got {precision!r}")
    if precision != "auto":
        return precision
    if accelerator != "cpu" and torch.cuda.is_available():
        native = torch.cuda.is_bf16_supported(including_emulation=False)
    else:
        found = torch.cpu.get_capabilities()
        native = any(found.get(name) for name in ("avx512_bf16", "amx_bf16"))
    return "bf16-mixed" if native else "32-true"


def check_strategy(strategy: str) -> None:
    """Raises ValueError for one that spawns or forks processes: torch cannot send a seed there,
    nor the gates' course come back."""
    if any(word in strategy for word in ("spawn", "fork", "notebook")):
        raise ValueError(
            f"expected a strategy whose processes are started anew, got {strategy!r}: take 'ddp'"
        )


@contextmanager
def without_noise(messages: tuple[str, ...] = LIBRARY_NOISE):
    """A block in which libraries keep these warnings (regular expressions) to themselves."""
    with warnings.catch_warnings():
        for message in messages:
            warnings.filterwarnings("ignore", message=message)
        yield


def batches_of(run: Run, data: SignDataset) -> ClipBatches:
    """The run's training batches: only its own joints are read."""
    c = run.config
    changes = Augmentation(shift=FREE_SHIFT if data.translation_invariant else 0.0)
    return ClipBatches(
        data, run.train, c.frames, c.batch_size, joint_indices(c, data), changes, run.seed
    )


class GatePath(lightning.Callback):
    """Notes every joint's keep probability, and whether it is open, after each epoch."""

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
