"""Training runs: named by their content, kept once trained, resumed after any interruption.

A run folder holds `run.json` (what it is), `model.ckpt`, `probabilities.npy` (test clips,
classes) and `gates.csv` (keep probability of each joint after each epoch). It appears
under its final name only when whole, so an interrupted run is simply trained again.
"""

import hashlib
import json
import logging
import os
import shutil
import tempfile
import warnings
from collections.abc import Iterable
from dataclasses import asdict, dataclass, replace
from pathlib import Path

import lightning
import numpy as np
import pandas as pd
import torch
from joblib import Parallel, cpu_count, delayed
from tqdm import tqdm

from jointprune.classifier import SignClassificationLightning
from jointprune.config import TrainingConfig
from jointprune.preprocessing import Augmentation, ClipBatches
from jointprune.store import SignDataset
from jointprune.workspace import Workspace, sync

# Raise it when training code changes what a run with the same settings would learn.
CONTRACT = 2

# Lightning's remark on what is meant so (clips come from memory), and its old way of asking torch
# 2.13 about trees.
LIBRARY_NOISE = (
    ".*does not have many workers",
    r"`isinstance\(treespec, LeafSpec\)` is deprecated",
)

EXPERIMENTS = {
    "baseline": TrainingConfig(),
    "pruning_experiment": TrainingConfig(mask="hard-concrete", budget=12),
    "penalty": TrainingConfig(mask="hard-concrete"),
    "quick_start": TrainingConfig(mask="quick-start", penalty=0.001),
    "recurrent": TrainingConfig(encoder="recurrent"),
    "graph": TrainingConfig(
        encoder="graph", hidden=32, layers=3, dropout=0.1, skel_learning_rate=6e-3
    ),
}

# Told to glibc's allocator in worker processes: keep freed arrays instead of giving them back to
# the system and faulting them in again at the next step, which took a fifth of its time.
KEEP_MEMORY = {
    "MALLOC_MMAP_THRESHOLD_": "1000000000",
    "MALLOC_TRIM_THRESHOLD_": "10000000000",
    "MALLOC_TOP_PAD_": "100000000",
}


@dataclass(frozen=True)
class Run:
    """One model to train: settings, the clips it learns from and is tested on, and a seed."""

    config: TrainingConfig
    train: tuple[int, ...]
    test: tuple[int, ...]
    seed: int

    def __post_init__(self):
        if shared := set(self.train) & set(self.test):
            raise ValueError(f"expected no clip on both sides, got {len(shared)} shared")

    def folder(self, data: SignDataset, workspace: Workspace) -> Path:
        """Where the run lies, named by all that decides what it learns."""
        content = json.dumps([CONTRACT, data.sha256, asdict(self)], sort_keys=True)
        return workspace.runs / hashlib.sha256(content.encode()).hexdigest()[:16]


@dataclass(frozen=True)
class Trial:
    """A run's place in a comparison: which method chose its K joints, in which fold."""

    method: str
    k: int
    fold: int
    run: Run


def make_run(data: SignDataset, train, test, seed: int, config: TrainingConfig, kept=None) -> Run:
    """A run on a dataset's clips, on all joints or on the indices `kept` alone."""
    joints = data.joints if kept is None else tuple(data.joints[j] for j in sorted(kept))
    config = replace(
        config,
        joints=joints,
        num_pose_points=len(joints),
        num_classes=len(data.classes),
        coords=data.poses.shape[-1],
    )
    return Run(config, tuple(map(int, train)), tuple(map(int, test)), seed)


def trials_of(
    method: str, data: SignDataset, folds, seeds, config: TrainingConfig, kept=None
) -> list[Trial]:
    """One run a fold and seed, all alike; K is the budget, or else the joints that are read.

    `folds` are pairs (train_clips, test_clips), `kept` indices of joints or None for all.
    """
    runs = [
        (fold, make_run(data, *clips, seed, config, kept))
        for fold, clips in enumerate(folds)
        for seed in seeds
    ]
    return [Trial(method, r.config.budget or r.config.num_pose_points, f, r) for f, r in runs]


def run_many(
    runs: Iterable[Run], data: SignDataset, workspace: Workspace, description: str = "training"
) -> None:
    """Train the runs that are not there yet, one thread each on every core, with one bar."""
    todo = {run.folder(data, workspace): run for run in runs}
    missing = [run for folder, run in todo.items() if not folder.is_dir()]
    if not missing:
        return
    jobs = on_every_core([delayed(train)(run, data, workspace) for run in missing])
    bar = tqdm(jobs, total=len(todo), initial=len(todo) - len(missing), desc=description)
    for _ in bar:
        pass


def on_every_core(jobs: list) -> Iterable:
    """Results of joblib's delayed `jobs` in their order, as they come, one thread each."""
    os.environ.update(KEEP_MEMORY)  # workers read it when they start
    # A worker that has grown is replaced between two jobs, and nothing is lost.
    warnings.filterwarnings("ignore", message="A worker stopped while some jobs")
    return Parallel(n_jobs=cpu_count(), return_as="generator")(jobs)


def train(run: Run, data: SignDataset, workspace: Workspace) -> Path:
    """Train one run on one thread and keep it; returns its folder."""
    folder = run.folder(data, workspace)
    if folder.is_dir():  # another process was faster
        return folder
    torch.set_num_threads(1)
    workspace.runs.mkdir(parents=True, exist_ok=True)
    # Made before training: a folder that cannot be written is better found out first.
    scratch = Path(tempfile.mkdtemp(prefix=".run-", dir=workspace.runs))
    try:
        model, path = fit(run, data)
        if run.config.budget:
            model.joint_pruning.freeze_top(run.config.budget)
        model.trainer.save_checkpoint(scratch / "model.ckpt", weights_only=True)
        np.save(scratch / "probabilities.npy", predict(model, data, run.test))
        path.to_csv(scratch / "gates.csv", index=False)
        (scratch / "run.json").write_text(json.dumps(asdict(run) | {"contract": CONTRACT}))
        for file in scratch.iterdir():
            sync(file)  # on disk before the name that vouches for it
        try:
            scratch.rename(folder)
        except OSError:
            if not folder.is_dir():  # another process may have finished the same run first
                raise
    finally:
        shutil.rmtree(scratch, ignore_errors=True)
    return folder


def fit(
    run: Run, data: SignDataset, callbacks: Iterable[lightning.Callback] = (), **shown
) -> tuple[SignClassificationLightning, pd.DataFrame]:
    """The trained model and its gates after each epoch (epoch, joint, keep_probability, active).

    Nothing is logged, shown or kept on the way, unless `shown`, arguments of Lightning's
    trainer, asks for it.
    """
    for name in ("lightning.pytorch", "lightning.fabric"):
        logging.getLogger(name).setLevel(logging.ERROR)  # device banners, once a run
    torch.manual_seed(run.seed)
    model = SignClassificationLightning(asdict(run.config))
    batches = batches_of(run, data)
    path = GatePath()
    quiet = dict.fromkeys(
        ("logger", "enable_checkpointing", "enable_progress_bar", "enable_model_summary"), False
    )
    trainer = lightning.Trainer(
        max_epochs=run.config.epochs,
        gradient_clip_val=1.0,
        callbacks=[path, *callbacks],
        **{"accelerator": "cpu", "devices": 1, **quiet, **shown},
    )
    before = torch.get_float32_matmul_precision()
    torch.set_float32_matmul_precision(run.config.matmul_precision)
    try:
        with warnings.catch_warnings():
            for message in LIBRARY_NOISE:
                warnings.filterwarnings("ignore", message=message)
            trainer.fit(model, batches)
    finally:
        torch.set_float32_matmul_precision(before)
    return model, path.frame(run.config.joints)


def batches_of(run: Run, data: SignDataset) -> ClipBatches:
    """The run's training batches: only its own joints are read."""
    c = run.config
    return ClipBatches(
        data, run.train, c.frames, c.batch_size, joint_indices(c, data), Augmentation(), run.seed
    )


def joint_indices(config: TrainingConfig, data: SignDataset) -> list[int]:
    """Where a model's joints lie in the dataset."""
    return [data.joints.index(name) for name in config.joints]


@torch.no_grad()
def predict(model: SignClassificationLightning, data: SignDataset, clips) -> np.ndarray:
    """Class probabilities (clips, classes) float32, in evaluation mode and full precision."""
    return _probabilities(model.eval(), evaluation_batches(model.config, data, clips))


def evaluation_batches(config: TrainingConfig, data: SignDataset, clips) -> ClipBatches:
    """Clips in order and unchanged, for a model of these settings."""
    return ClipBatches(data, clips, config.frames, 256, joint_indices(config, data))


def _probabilities(model: SignClassificationLightning, batches) -> np.ndarray:
    return np.concatenate(
        [model(poses, present).softmax(-1).numpy() for poses, present, _ in batches]
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

    def frame(self, joints: tuple[str, ...]) -> pd.DataFrame:
        rows = [
            (epoch, joint, round(probability, 4), active)
            for epoch, gates in enumerate(self.epochs)
            for joint, (probability, active) in zip(joints, gates, strict=True)
        ]
        return pd.DataFrame(rows, columns=["epoch", "joint", "keep_probability", "active"])


def gate_path(run: Run, data: SignDataset, workspace: Workspace) -> pd.DataFrame:
    """A trained run's gates over its epochs, one row a joint and epoch."""
    return pd.read_csv(_trained(run, data, workspace) / "gates.csv")


def trained_model(run: Run, data: SignDataset, workspace: Workspace) -> SignClassificationLightning:
    """A trained run's model, in evaluation mode."""
    path = _trained(run, data, workspace) / "model.ckpt"
    return SignClassificationLightning.load_from_checkpoint(path).eval()


def predictions(trials: Iterable[Trial], data: SignDataset, workspace: Workspace) -> pd.DataFrame:
    """Every test prediction of trained trials, one row a clip, fold, seed and method."""
    return pd.concat(
        [
            prediction_rows(
                trial, np.load(_trained(trial.run, data, workspace) / "probabilities.npy"), data
            )
            for trial in trials
        ],
        ignore_index=True,
    )


@torch.no_grad()
def masked_predictions(
    trial: Trial, kept: dict[str, tuple[int, ...]], data: SignDataset, workspace: Workspace
) -> pd.DataFrame:
    """Test predictions of one trained model with only some gates open; nothing is retrained.

    `kept` names sets of indices into the model's joints; the rows' method is the name, their K
    the size of the set.
    """
    model = trained_model(trial.run, data, workspace)
    batches = list(evaluation_batches(model.config, data, trial.run.test))
    rows = []
    for name, joints in kept.items():
        model.joint_pruning.freeze(joints)
        part = replace(trial, method=name, k=len(joints))
        rows.append(prediction_rows(part, _probabilities(model, batches), data))
    return pd.concat(rows, ignore_index=True)


def prediction_rows(trial: Trial, probabilities: np.ndarray, data: SignDataset) -> pd.DataFrame:
    """Probabilities (test clips, classes) of one trial as rows of the predictions table."""
    clips = np.array(trial.run.test)
    labels, classes = np.asarray(data.labels)[clips], np.array(data.classes)
    return pd.DataFrame(
        {
            "method": trial.method,
            "k": trial.k,
            "fold": trial.fold,
            "seed": trial.run.seed,
            "clip": data.clips["clip"].to_numpy()[clips],
            "group": np.asarray(data.groups)[clips],
            "label": classes[labels],
            "predicted": classes[probabilities.argmax(1)],
            "p_true": probabilities[np.arange(len(clips)), labels].round(4),
            "p_predicted": probabilities.max(1).round(4),
        }
    )


def _trained(run: Run, data: SignDataset, workspace: Workspace) -> Path:
    folder = run.folder(data, workspace)
    if not folder.is_dir():
        raise FileNotFoundError(
            f"{folder} is not trained yet: run notebooks 02 and 03 first, or pass the run to "
            "run_many"
        )
    return folder
