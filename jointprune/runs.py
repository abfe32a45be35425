"""Training runs: configuration, clips and seed, which also give a run's folder its name."""

import hashlib
import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from jointprune.checks import indices, seed_of
from jointprune.config import TrainingConfig
from jointprune.dataset import SignDataset
from jointprune.workspace import Workspace, file_sha256

# Raise it when training code, or a default of TrainingConfig, changes what a run would learn.
CONTRACT = 10
DEFAULTS = vars(TrainingConfig())

EXPERIMENTS = {
    "baseline": TrainingConfig(),
    "pruning_experiment": TrainingConfig(mask="hard-concrete", balanced=True, budget=12),
    "l0_penalty": TrainingConfig(mask="hard-concrete", balanced=True),
    "quick_start": TrainingConfig(mask="quick-start", penalty=0.001),
    "recurrent": TrainingConfig(encoder="recurrent", hidden=96, layers=2),
    "graph": TrainingConfig(
        encoder="graph", hidden=32, layers=3, dropout=0.1, skel_learning_rate=6e-3
    ),
}


def content_name(*content) -> str:
    """Name for the inputs of a training: the first 16 hex digits of their checksum."""
    text = json.dumps([CONTRACT, *content], sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def changed(config: TrainingConfig) -> dict:
    """Hyperparameters unlike the defaults: a new one renames no run that leaves it alone."""
    return {name: value for name, value in vars(config).items() if value != DEFAULTS[name]}


@dataclass(frozen=True)
class Run:
    """One model to train.

    Raises ValueError if a clip is in both `train` and `test`, or twice in one of them.
    """

    config: TrainingConfig
    train: tuple[int, ...]  # indices of the clips to train on
    test: tuple[int, ...]  # indices of the clips to test on
    seed: int  # of weights, batches and gates

    def __post_init__(self):
        for side, what, at_least in (("train", "training clips", 1), ("test", "test clips", 0)):
            clips = indices(getattr(self, side), None, what, at_least)
            object.__setattr__(self, side, tuple(clips.tolist()))
        object.__setattr__(self, "seed", seed_of(self.seed))
        if shared := set(self.train) & set(self.test):
            raise ValueError(
                f"expected no clip on both sides, got {len(shared)} shared: remove them from one"
            )

    def name(self, data_sha256: str) -> str:
        """Name of the run on the data set with this checksum; its content decides it."""
        return content_name(data_sha256, vars(self) | {"config": changed(self.config)})

    def folder(self, data: SignDataset, workspace: Workspace) -> Path:
        """Folder of the trained run."""
        return workspace.runs / self.name(data.sha256)


@dataclass(frozen=True)
class Trial:
    """A run's part in a comparison of methods."""

    method: str  # the method that chose the joints
    k: int  # number of joints chosen, K
    fold: int  # index of the test fold
    run: Run
    # "retrained": a network trained on the K joints alone; "masked": one trained on more joints,
    # with the others hidden; "gated": one whose own gates chose the joints.
    regime: str = "retrained"


def make_run(
    data: SignDataset,
    train: Iterable[int],
    test: Iterable[int],
    seed: int,
    config: TrainingConfig,
    kept: Iterable[int] | None = None,
) -> Run:
    """Make a run whose configuration fits a data set.

    Parameters
    ----------
    data
        The data set; it decides the joints, classes and coordinates of `config`.
    train, test
        Indices of clips, or bool masks of all clips; only `test` may be empty.
    seed
        Seed of weights, batches and gates.
    config
        All other hyperparameters.
    kept
        Indices of the joints to read, or a bool mask of all joints; None for all.

    Returns
    -------
    Run
        Not trained yet; `run_many` trains it.

    Raises
    ------
    ValueError
        If a clip is on both sides, an index is out of range or there twice, or a hyperparameter
        is impossible.
    """
    train = indices(train, len(data), "training clips")
    test = indices(test, len(data), "test clips", at_least=0)
    kept = range(len(data.joints)) if kept is None else indices(kept, len(data.joints), "joints")
    joints = tuple(data.joints[j] for j in sorted(kept))
    config = replace(
        config,
        joints=joints,
        num_pose_points=len(joints),
        num_classes=len(data.classes),
        coords=data.poses.shape[-1],
    )
    return Run(config, train, test, seed)


def trials_of(
    method: str,
    data: SignDataset,
    folds: Iterable[tuple[np.ndarray, np.ndarray]],
    seeds: Sequence[int],
    config: TrainingConfig,
    kept: Iterable[int] | None = None,
    regime: str = "retrained",
) -> list[Trial]:
    """One trial per fold and seed; K is the budget, or else the number of joints read.

    `folds` are pairs (train_clips, test_clips); `kept` as in `make_run`.
    """
    trials = []
    for fold, clips in enumerate(folds):
        for seed in seeds:
            run = make_run(data, *clips, seed, config, kept)
            k = run.config.budget or run.config.num_pose_points
            trials.append(Trial(method, k, fold, run, regime))
    return trials


def config_for(
    folds: Iterable[tuple[np.ndarray, np.ndarray]], epochs: int, steps: int, settings: Mapping
) -> TrainingConfig:
    """The configuration of a profile: `settings`, and the length in epochs or else in steps.

    A training on the smallest of the folds takes about `steps` optimiser steps. Raises ValueError
    unless one of the two is 0.
    """
    if (epochs == 0) == (steps == 0):
        raise ValueError(
            f"expected a length in epochs or in steps, got epochs {epochs} and steps {steps}: set "
            "one of them to 0"
        )
    config = TrainingConfig(**settings)
    fewest = min(len(train) for train, _ in folds)
    epochs = epochs or max(1, round(steps / max(1, fewest // config.batch_size)))
    return replace(config, epochs=epochs)


def joint_indices(config: TrainingConfig, data: SignDataset) -> list[int]:
    """Indices in the data set of the joints that a model reads."""
    return [data.joints.index(name) for name in config.joints]


def trained_file(run: Run, data: SignDataset, workspace: Workspace, name: str) -> Path:
    """Path of a file in a trained run's folder, after comparing its checksum with `run.json`."""
    folder = run.folder(data, workspace)
    if not folder.is_dir():
        raise FileNotFoundError(
            f"{folder} is not trained yet: run notebooks 02 and 03 first, or pass the run to "
            "run_many"
        )
    try:
        known = json.loads((folder / "run.json").read_bytes()).get("files", {})
        if (got := file_sha256(folder / name)) != known.get(name):
            raise ValueError(f"{name} of checksum {got}")
    except (OSError, ValueError, AttributeError, TypeError) as error:
        raise ValueError(
            f"{folder}: expected a run's folder as training left it, got {error}: it was changed "
            "or damaged since; remove that folder and give the same command again, which trains "
            "it anew"
        ) from error
    return folder / name
