"""Ways to choose joints, behind one signature, and the retraining that judges them.

| method | what it does | source, defaults |
|---|---|---|
| `hard-concrete-budget` | gates trained down to K open joints | arXiv 1712.01312; price by dual ascent, arXiv 2204.00408 |
| `hard-concrete` | the same gates under a fixed penalty of 1 nat | arXiv 1712.01312; init 0.9, beta 2/3 |
| `stg` | Gaussian gates under a fixed penalty of 1 nat | arXiv 1810.04247; sigma 1/2 |
| `concrete` | Gumbel top-K, no joint picked twice | arXiv 1901.09346, 1901.10517; temperature 10 to 0.1 |
| `group-lasso` | a joint's block of the input projection shrinks to 0 | Yuan, Lin 2006; standardised, proximal |
| `lassonet` | a sparse MLP's path over lambda, on pooled features | arXiv 1907.12207, library `lassonet` |
| `permutation` | loss when a joint is shuffled between clips | Breiman 2001, library `captum` |
| `integrated-gradients` | loss along the path from no joint to all | arXiv 1703.01365, library `captum` |
| `greedy` | drops the least missed joint, one by one, on the any-subset network | Guyon, Elisseeff 2003 |
| `any-subset` | what a joint's presence takes off the loss of random subsets | linear fit on 256 subsets |
| `hard-concrete-tied` | budgeted gates, each shared by both hands | K even |
| `hard-concrete-cascade` | budgeted gates in rounds, 42 to 21 to 12 to 6 | |
| `signing-hand` | budgeted gates on the right hand alone, K of its 21 | |
| `anatomy`, `right-hand-anatomy` | tips, wrist, knuckles, then the rest: both hands, or right first | by hand |
| `knuckles` | wrist-side joints first | by hand |
| `variance` | joints that move most about their hand's mean | |
| `random` | a uniform draw | |
| `stratified-random` | a draw spread evenly over hands and finger levels | |
| `hand-matched-random` | the same, with as many joints a hand as `hard-concrete-budget` took | |

A method is a function `(data, train_clips, seed, k, config, workspace) -> (J,) scores`, higher =
keep, that looks at training clips only. To add one: write it in `jointprune.rankers`, name it
in `LEARNED` or `DRAWN`; or hand your own function to `rank_joints`.
"""  # noqa: E501 (a table)

from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path

import numpy as np

from jointprune.config import TrainingConfig
from jointprune.experiments import EXPERIMENTS, Trial, content_name, make_run
from jointprune.parallel import on_every_core
from jointprune.rankers import drawn, importance, sparse, top_joints
from jointprune.rankers.trained import by_cascade, by_mask
from jointprune.store import SignDataset
from jointprune.workspace import Workspace, atomic_path

budgeted = by_mask("hard-concrete", budget=True)


def hand_matched(data, train_clips, seed, k, config, workspace) -> np.ndarray:
    """A stratified draw with as many joints on each hand as the budgeted gates took."""
    k = k or len(data.joints) // 4
    learned = budgeted(data, train_clips, seed, k, config, workspace)
    scores = drawn.stratified(data, train_clips, seed, k, config, workspace)
    return drawn.spread_like(learned, k, scores, data.joints)


LEARNED = {
    "hard-concrete-budget": budgeted,
    "hard-concrete": by_mask("hard-concrete"),
    "stg": by_mask("stg"),
    "concrete": by_mask("concrete", budget=True),
    "group-lasso": by_mask("group-lasso"),
    "lassonet": sparse.lassonet,
    "permutation": importance.permutation,
    "integrated-gradients": importance.integrated_gradients,
    "greedy": importance.greedy,
    "any-subset": importance.any_subset,
    "hard-concrete-tied": by_mask("hard-concrete", budget=True, tied=True),
    "hard-concrete-cascade": by_cascade(21, 12, 6),
    "signing-hand": by_mask("hard-concrete", budget=True, hand=1),
    "hand-matched-random": hand_matched,
}
DRAWN = {
    "anatomy": drawn.anatomy,
    "right-hand-anatomy": drawn.right_hand_first,
    "knuckles": drawn.knuckles,
    "variance": drawn.variance,
    "random": drawn.random,
    "stratified-random": drawn.stratified,
}
METHODS = LEARNED | DRAWN
# Rankings made for one K; the others order all joints once.
FOR_ONE_K = {
    "hard-concrete-budget", "concrete", "hard-concrete-tied", "signing-hand", "hand-matched-random",
}  # fmt: skip

Ranker = Callable[..., np.ndarray]


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
    config, workspace = config or EXPERIMENTS["baseline"], workspace or Workspace()
    if callable(method):
        return _checked(method(data, train_clips, seed, k, config, workspace), data)
    if method not in METHODS:
        raise ValueError(f"expected a method out of {sorted(METHODS)}, got {method!r}")
    if method in DRAWN:
        return DRAWN[method](data, train_clips, seed, k, config, workspace)
    path = _kept_in(method, data, train_clips, seed, k, config, workspace)
    if not path.is_file():
        k = _made_for(method, k)
        scores = LEARNED[method](data, train_clips, seed, k, config, workspace)
        with atomic_path(path) as temporary, temporary.open("wb") as file:
            np.save(file, scores)
    return np.load(path)


def _made_for(method: str, k: int | None) -> int | None:
    """The K a ranking is made for; None for one that orders all joints once."""
    return k if method in FOR_ONE_K else None


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
    if missing := [job for job in jobs if method not in DRAWN and not _kept_in(*job).is_file()]:
        bar = f"ranking, {method} {k or ''}"
        for _ in on_every_core(rank_joints, missing, bar, done=len(jobs) - len(missing)):
            pass
    return {cell: rank_joints(*job) for cell, job in zip(cells, jobs, strict=True)}


def select_many(method, k: int, *where) -> dict[tuple[int, int], tuple[int, ...]]:
    """The K joints chosen in each (fold, seed); arguments as of `rank_many`."""
    return {cell: top_joints(scores, k) for cell, scores in rank_many(method, k, *where).items()}


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
