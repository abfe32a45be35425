"""What a training run is: its settings, clips and seed, and the folder that is named by them."""

import hashlib
import json
from dataclasses import asdict, dataclass, replace
from pathlib import Path

from jointprune.config import TrainingConfig
from jointprune.dataset import SignDataset
from jointprune.workspace import Workspace, file_sha256

# Raise it when training code changes what a run with the same settings would learn.
CONTRACT = 7

REGIMES = ("retrained", "masked", "gated")

EXPERIMENTS = {
    "baseline": TrainingConfig(),
    "pruning_experiment": TrainingConfig(mask="hard-concrete", budget=12),
    "l0_penalty": TrainingConfig(mask="hard-concrete"),
    "quick_start": TrainingConfig(mask="quick-start", penalty=0.001),
    "recurrent": TrainingConfig(encoder="recurrent", hidden=96, layers=2),
    "graph": TrainingConfig(
        encoder="graph", hidden=32, layers=3, dropout=0.1, skel_learning_rate=6e-3
    ),
}


def content_name(*decides) -> str:
    """A name, 16 hex digits, for what the training code makes of all that `decides` it."""
    content = json.dumps([CONTRACT, *decides], sort_keys=True)
    return hashlib.sha256(content.encode()).hexdigest()[:16]


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

    def name(self, data_sha256: str) -> str:
        """Of all that decides what the run learns, on the dataset of this checksum."""
        return content_name(data_sha256, asdict(self))

    def folder(self, data: SignDataset, workspace: Workspace) -> Path:
        """Where the run lies."""
        return workspace.runs / self.name(data.sha256)


@dataclass(frozen=True)
class Trial:
    """A run's place in a comparison: which method chose its K joints, in which fold.

    `regime` says what was evaluated: "retrained", a network trained on its K joints alone;
    "masked", one trained on more joints, the others hidden from it; "gated", the network whose
    own gates chose, as training left it.
    """

    method: str
    k: int
    fold: int
    run: Run
    regime: str = "retrained"

    def __post_init__(self):
        if self.regime not in REGIMES:
            raise ValueError(f"expected a regime out of {REGIMES}, got {self.regime!r}")


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
    method: str,
    data: SignDataset,
    folds,
    seeds,
    config: TrainingConfig,
    kept=None,
    regime: str = "retrained",
) -> list[Trial]:
    """One run a fold and seed, all alike; K is the budget, or else the joints that are read.

    `folds` are pairs (train_clips, test_clips), `kept` indices of joints or None for all.
    """
    runs = [
        (fold, make_run(data, *clips, seed, config, kept))
        for fold, clips in enumerate(folds)
        for seed in seeds
    ]
    return [
        Trial(method, r.config.budget or r.config.num_pose_points, f, r, regime) for f, r in runs
    ]


def joint_indices(config: TrainingConfig, data: SignDataset) -> list[int]:
    """Where a model's joints lie in the dataset."""
    return [data.joints.index(name) for name in config.joints]


def run_of(folder: Path) -> Run:
    """The run that a trained folder notes in its `run.json`."""
    facts = json.loads((folder / "run.json").read_text(encoding="utf-8"))
    config = TrainingConfig.from_mapping(facts["config"])
    return Run(config, tuple(facts["train"]), tuple(facts["test"]), facts["seed"])


def trained_file(run: Run, data: SignDataset, workspace: Workspace, name: str) -> Path:
    """A file of a trained run's folder; ValueError if it is not what training wrote.

    Runs of before checksums were noted are taken as they are.
    """
    folder = run.folder(data, workspace)
    if not folder.is_dir():
        raise FileNotFoundError(
            f"{folder} is not trained yet: run notebooks 02 and 03 first, or pass the run to "
            "run_many"
        )
    try:
        noted = json.loads((folder / "run.json").read_bytes()).get("files", {})
        got = file_sha256(folder / name)
    except (OSError, ValueError) as error:
        raise ValueError(_damaged(folder, str(error))) from error
    if noted.get(name, got) != got:
        raise ValueError(_damaged(folder, f"{name} of checksum {got}"))
    return folder / name


def _damaged(folder: Path, got: str) -> str:
    return (
        f"{folder}: expected a run's folder as training left it, got {got}: it was changed or "
        "damaged since; remove that folder and give the same command again, which trains it anew"
    )
