"""Rankings of joints: made once for each training set, kept on disk, turned into selections."""

from collections.abc import Callable, Iterable
from dataclasses import replace
from pathlib import Path
from pkgutil import resolve_name

import numpy as np

from jointprune.checks import indices, joints_to_keep, seed_of
from jointprune.config import TrainingConfig
from jointprune.dataset import SignDataset
from jointprune.parallel import on_every_core, one_thread
from jointprune.runs import Trial, changed, content_name, make_run
from jointprune.selection.methods import Method, Ranker, method_of, top_joints, typical
from jointprune.workspace import Workspace, intact, save_arrays

# The joints chosen in each (fold, seed).
Chosen = dict[tuple[int, int], tuple[int, ...]]


def rank_joints(
    method: str | Ranker,
    data: SignDataset,
    train_clips: Iterable[int],
    seed: int,
    k: int | None = None,
    config: TrainingConfig | None = None,
    workspace: Workspace | Path | str | None = None,
) -> np.ndarray:
    """Score of each joint by one method, from training clips alone.

    Parameters
    ----------
    method : str or callable
        A name in `METHODS`, or a function of your own with the signature of a ranker
        (see `jointprune.selection.methods`).
    data : SignDataset
        The data set.
    train_clips : iterable of int, or bool mask of all clips
        Indices of the clips that the method may read.
    seed : int
        Seed of random draws and of training.
    k : int, optional
        The budget, for methods whose ranking is for one K; by default a quarter of the joints.
    config : TrainingConfig, optional
        The network that a learned method trains; by default the paper's.
    workspace : Workspace, str or Path, optional
        Where the rankings of learned methods are saved, so that each is computed once.

    Returns
    -------
    array of float, shape (joints,)
        Higher = keep.

    Raises
    ------
    ValueError
        For an unknown method, a method without a ranking, clips that are none of `data` or there
        twice, a `k` or `seed` out of range, and a function of your own that does not return one
        finite score per joint.

    Examples
    --------
    >>> scores = rank_joints("variance", data, train_clips, seed=0)
    >>> top_joints(scores, 12)
    """
    if not isinstance(data, SignDataset):
        raise ValueError(
            f"expected a data set, got {type(data).__name__}: jp.load_dataset(name), or "
            "jp.JointSelector for arrays"
        )
    row = _row(method)
    if row.rank is None:
        raise ValueError(
            f"expected a method that ranks joints, got {method!r} ({row.source}): "
            "choose one whose row in METHODS has `rank`"
        )
    if not isinstance(config, TrainingConfig | None):
        raise ValueError(
            f"expected a TrainingConfig as config, got {type(config).__name__}: "
            "jp.TrainingConfig(hidden=64), for example"
        )
    workspace = workspace if isinstance(workspace, Workspace) else Workspace(workspace or ".")
    arguments = _for_ranker(row, data, train_clips, seed, k, config or TrainingConfig(), workspace)
    if callable(method):
        return _checked(method(*arguments), data)
    return _made_once(_kept_in(row, *arguments), _function(row.rank), *arguments)


def choose_k(
    method: str, data: SignDataset, train_clips, seed: int, config: TrainingConfig, workspace
) -> list[int] | None:
    """The joints of a method that chooses K itself; None for one that has to be given K."""
    row = method_of(method)
    if row.chooses_k is None:
        return None
    data, clips, seed, _, *rest = _for_ranker(row, data, train_clips, seed, None, config, workspace)
    path = _kept_in(row, data, clips, seed, "own", *rest)
    return _made_once(path, _function(row.chooses_k), data, clips, seed, *rest).tolist()


def is_made(
    method: str, data: SignDataset, train_clips, seed: int, k: int | None, config: TrainingConfig,
    workspace: Workspace,
) -> bool:  # fmt: skip
    """Whether `rank_joints` finds its result on disk, or needs none as no network is trained."""
    row = method_of(method)
    arguments = _for_ranker(row, data, train_clips, seed, k, config, workspace)
    return not row.trains or intact(_kept_in(row, *arguments))


def _made_once(path: Path | None, make: Callable, *arguments) -> np.ndarray:
    """The array in the file `path`, made by `make` and written there if it is missing."""
    if path and intact(path):
        with np.load(path) as content:
            return content["scores"]
    with one_thread():
        found = np.asarray(make(*arguments))
    if path:
        save_arrays(path, scores=found)
    return found


def _function(place):
    """A function of the table, or the one at "module:function" in this folder."""
    return place if callable(place) else resolve_name(f"jointprune.selection.{place}")


def _row(method: str | Ranker) -> Method:
    """The row of a method, or one made for a function, which is given K and is not kept."""
    if callable(method):
        return Method("own", "own", "a function", method, for_one_k=True, trains=False)
    return method_of(method)


def _for_ranker(row: Method, data, train_clips, seed, k, config, workspace) -> tuple:
    """Arguments of the row's ranker, checked: K only if it matters to it, the row's settings."""
    clips = indices(train_clips, len(data), "training clips")
    k = None if k is None else joints_to_keep(k, len(data.joints))
    made_for = k if row.for_one_k else None
    return data, clips, seed_of(seed), made_for, replace(config, **row.settings), workspace


def _kept_in(row: Method, data, train_clips, seed, k, config, workspace: Workspace) -> Path | None:
    """The file of a learned ranking, named by all that decides it; None for one without training.

    Arguments as the ranker's; `k` is "own" for the joints of a method that chooses K itself.
    """
    if not row.trains:
        return None
    decides = train_clips.tolist(), seed, k, changed(config)
    return workspace.runs / "rankings" / f"{content_name(data.sha256, row.name, *decides)}.npz"


def _checked(scores, data: SignDataset) -> np.ndarray:
    """The scores of a user's own function; ValueError for anything else."""
    joints = len(data.joints)
    try:
        found = np.asarray(scores, dtype=float)
    except (TypeError, ValueError, RuntimeError):  # of a tensor that needs a gradient
        found = np.empty(())
    if found.shape != (joints,) or not np.isfinite(found).all():
        raise ValueError(
            f"expected {joints} finite scores, one per joint, got {scores!r:.100}: "
            "return such an array from the function"
        )
    return found


def select_many(
    method: str, k: int, data: SignDataset, folds, seeds, config: TrainingConfig,
    workspace: Workspace,
) -> Chosen:  # fmt: skip
    """The K joints chosen in each (fold, seed); missing rankings are made on every core."""
    cells = [(fold, seed) for fold in range(len(folds)) for seed in seeds]
    jobs = [(method, data, folds[fold][0], seed, k, config, workspace) for fold, seed in cells]
    missing = [job for job in jobs if not is_made(*job)]
    done = len(jobs) - len(missing)
    list(on_every_core(rank_joints, missing, f"ranking, {method} {k}", done=done))
    return {cell: top_joints(rank_joints(*job), k) for cell, job in zip(cells, jobs, strict=True)}


def select_all(
    plan: list[tuple[str, int, int]], data: SignDataset, folds, config: TrainingConfig,
    workspace: Workspace,
) -> dict[tuple[str, int], Chosen]:  # fmt: skip
    """The joints chosen for each (method, K) of a `retraining_plan`, by (fold, seed).

    A merged selection needs the `learned` ones at its K. It serves all seeds of its fold, or of
    all folds.
    """
    chosen = {}
    for name, k, seeds in plan:
        over = method_of(name).merged_over
        if over is None:
            chosen[name, k] = select_many(name, k, data, folds, range(seeds), config, workspace)
            continue
        learned = chosen["learned", k]
        merged = {
            fold: typical(
                kept for cell, kept in learned.items() if over == "all" or cell[0] == fold
            )
            for fold in dict.fromkeys(fold for fold, _ in learned)
        }
        chosen[name, k] = {cell: merged[cell[0]] for cell in learned}
    return chosen


def retraining_trials(
    chosen: dict[tuple[str, int], Chosen], data: SignDataset, folds, config: TrainingConfig
) -> list[Trial]:
    """Runs from scratch on the joints that `select_all` chose, one trial per fold and seed."""
    return [
        Trial(name, len(kept), fold, make_run(data, *folds[fold], seed, config, kept))
        for (name, _), selected in chosen.items()
        for (fold, seed), kept in selected.items()
    ]
