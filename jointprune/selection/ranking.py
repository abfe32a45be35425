"""Rankings: made once for each training set, kept on disk, and turned into selections."""

from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path

import numpy as np

from jointprune.config import TrainingConfig
from jointprune.dataset import SignDataset
from jointprune.parallel import on_every_core
from jointprune.runs import Trial, content_name, make_run
from jointprune.selection.methods import METHODS, Ranker, method_of
from jointprune.selection.sets import top_joints
from jointprune.workspace import Workspace, atomic_path


def rank_joints(
    method: str | Ranker,
    data: SignDataset,
    train_clips: np.ndarray,
    seed: int,
    k: int | None = None,
    config: TrainingConfig | None = None,
    workspace: Workspace | None = None,
) -> np.ndarray:
    """Score of each joint, shape (J,), higher = keep.

    Args:
        method: one of METHODS (a learned one is asked once and its answer kept), or a function
            like them.
        train_clips: indices of the clips that may be looked at.
        k: the budget the ranking is for; most methods order all joints whatever it is.
        config, workspace: of the network a learned method trains, by default the manual
            alphabets', and where it is kept.
    """
    config, workspace = config or TrainingConfig(), workspace or Workspace()
    if callable(method):
        return _checked(method(data, train_clips, seed, k, config, workspace), data)
    row = method_of(method)
    if row.rank is None:
        raise ValueError(f"expected a method that ranks joints, got {method!r}: {row.source}")
    if not row.trains:
        return row.rank(data, train_clips, seed, k, config, workspace)
    path = _kept_in(method, data, train_clips, seed, k, config, workspace)
    if not path.is_file():
        k = _made_for(method, k)
        scores = row.rank(data, train_clips, seed, k, config, workspace)
        with atomic_path(path) as temporary, temporary.open("wb") as file:
            np.save(file, scores)
    return np.load(path)


def _made_for(method: str, k: int | None) -> int | None:
    """The K a ranking is made for; None for one that orders all joints once."""
    return k if METHODS[method].for_one_k else None


def _kept_in(method: str, data: SignDataset, train_clips, seed, k, config, workspace) -> Path:
    """The file of a learned ranking's scores."""
    asked = [*map(int, train_clips)], seed, _made_for(method, k), asdict(config)
    name = content_name(data.sha256, method, *asked)
    return workspace.runs / "rankings" / f"{name}.npy"


def _checked(scores, data: SignDataset) -> np.ndarray:
    """What somebody's own method answered, as scores; ValueError if it is none."""
    joints = len(data.joints)
    try:
        found = np.asarray(scores, dtype=float)
    except (TypeError, ValueError):
        found = np.empty(())
    if found.shape != (joints,) or not np.isfinite(found).all():
        raise ValueError(
            f"expected {joints} finite scores of the method, one a joint, got {scores!r:.100}"
        )
    return found


def rank_many(
    method: str | Ranker, k: int | None, data: SignDataset, folds, seeds,
    config: TrainingConfig, workspace: Workspace,
) -> dict[tuple[int, int], np.ndarray]:  # fmt: skip
    """Scores by (fold, seed), each ranked inside its training fold.

    What has to be computed first is on every core, with one bar.
    """
    cells = [(fold, seed) for fold in range(len(folds)) for seed in seeds]
    jobs = [(method, data, folds[fold][0], seed, k, config, workspace) for fold, seed in cells]
    if callable(method):
        found = on_every_core(rank_joints, jobs, f"ranking, {method.__name__} {k or ''}")
        return dict(zip(cells, found, strict=True))
    if missing := [job for job in jobs if METHODS[method].trains and not _kept_in(*job).is_file()]:
        bar = f"ranking, {method} {k or ''}"
        for _ in on_every_core(rank_joints, missing, bar, done=len(jobs) - len(missing)):
            pass
    return {cell: rank_joints(*job) for cell, job in zip(cells, jobs, strict=True)}


def select_many(method, k: int, *where) -> dict[tuple[int, int], tuple[int, ...]]:
    """The K joints chosen in each (fold, seed); arguments as of `rank_many`."""
    return {cell: top_joints(scores, k) for cell, scores in rank_many(method, k, *where).items()}


def select_all(
    plan: list[tuple[str, int, int]], data: SignDataset, folds, config: TrainingConfig,
    workspace: Workspace,
) -> dict[tuple[str, int], dict[tuple[int, int], tuple[int, ...]]]:  # fmt: skip
    """The joints of every (method, K) of a plan (`methods.retraining_plan`), by (fold, seed).

    A merged set is made of the `learned` selections at its K, which the plan has to hold.
    """
    chosen = {}
    for name, k, seeds in plan:
        if merge := METHODS[name].merge:
            chosen[name, k] = one_per_fold(chosen["learned", k], lambda sets: merge(sets, k))  # noqa: B023
        else:
            chosen[name, k] = select_many(name, k, data, folds, range(seeds), config, workspace)
    return chosen


def one_per_fold(
    chosen: dict[tuple[int, int], tuple[int, ...]], choose: Callable[..., tuple[int, ...]]
) -> dict[tuple[int, int], tuple[int, ...]]:
    """One set for all seeds of a fold: what `choose` makes of the sets that they chose."""
    of_fold = {}
    for (fold, _), kept in chosen.items():
        of_fold.setdefault(fold, []).append(kept)
    found = {fold: choose(sets) for fold, sets in of_fold.items()}
    return {(fold, seed): found[fold] for fold, seed in chosen}


def retraining_trials(
    name: str, chosen: dict[tuple[int, int], tuple[int, ...]],
    data: SignDataset, folds, config: TrainingConfig,
) -> list[Trial]:  # fmt: skip
    """A run from scratch on the joints chosen in each (fold, seed), called `name`."""
    return [
        Trial(name, len(kept), fold, make_run(data, *folds[fold], seed, config, kept))
        for (fold, seed), kept in chosen.items()
    ]
