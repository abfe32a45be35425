"""Ways to rank joints, behind one signature, and the retraining that judges them.

| method | what it does |
|---|---|
| `hard-concrete` | gates learned with the classifier, by keep probability (arXiv 1712.01312) |
| `random` | a uniform draw |
| `stratified-random` | a draw spread evenly over hands and finger levels |
| `hand-matched-random` | the same, with as many joints on each hand as `hard-concrete` took |
| names of `HAND_MADE` | sets from anatomy |

A method is a function `(data, train_clips, seed, k, config, workspace) -> (J,) scores`;
every method sees training clips only.
"""

import zlib
from dataclasses import replace

import numpy as np

from jointprune.classifier import TrainingConfig
from jointprune.experiments import Trial, make_run, run_many, trained_model, trials_of
from jointprune.skeleton import FINGERS, HANDS, JOINT_NAMES, JOINTS, hand_index
from jointprune.store import SignDataset
from jointprune.workspace import Workspace

# Finger level of each of a hand's 21 joints: base (with the wrist), middle, far, tip.
LEVELS = np.array([0, *[0, 1, 2, 3] * 5])

TIPS = ("thumb_tip", "index_tip", "middle_tip", "ring_tip", "pinky_tip")
KNUCKLES = ("thumb_mcp", "index_mcp", "middle_mcp", "ring_mcp", "pinky_mcp")

# Joints a hand, and the hands they are taken from.
HAND_MADE = {
    "fingertips+wrist": (("wrist", *TIPS), HANDS),
    "fingertips": (TIPS, HANDS),
    "knuckles": (("wrist", *KNUCKLES), HANDS),
    "right hand": (JOINTS, ("right",)),
}


def rank_joints(
    method: str,
    data: SignDataset,
    train_clips: np.ndarray,
    seed: int,
    k: int | None = None,
    config: TrainingConfig | None = None,
    workspace: Workspace | None = None,
) -> np.ndarray:
    """Score of each joint by one of METHODS, shape (J,), higher = keep.

    Args:
        train_clips: indices of the clips that may be looked at.
        k: the budget the ranking is for; a set made by hand takes none but its own size.
        config, workspace: of the network a learned method trains, and where it is kept.
    """
    if method not in METHODS:
        raise ValueError(f"expected a method out of {sorted(METHODS)}, got {method!r}")
    return METHODS[method](
        data, train_clips, seed, k, config or TrainingConfig(), workspace or Workspace()
    )


def top_joints(scores: np.ndarray, k: int) -> tuple[int, ...]:
    """Indices of the k highest scores, ascending; equal scores go to the lower index."""
    if not 1 <= k <= len(scores):
        raise ValueError(f"expected 1 to {len(scores)} joints to keep, got {k}")
    return tuple(sorted(np.argsort(-scores, kind="stable")[:k].tolist()))


def gated(config: TrainingConfig, k: int) -> TrainingConfig:
    """The same settings with gates that are learned down to a budget of k joints."""
    return replace(config, mask="hard-concrete", budget=k)


def gated_trials(data: SignDataset, folds, seeds, k: int, config: TrainingConfig) -> list[Trial]:
    """One gated run a fold and seed; their own test predictions are those without retraining."""
    return trials_of("learned, not retrained", data, folds, seeds, gated(config, k))


def retraining_trials(
    name: str,
    method: str,
    k: int,
    data: SignDataset,
    folds,
    seeds,
    config: TrainingConfig,
    workspace: Workspace,
) -> list[Trial]:
    """Select K joints inside each training fold, and a run from scratch on those alone."""
    trials = []
    for fold, (train, test) in enumerate(folds):
        for seed in seeds:
            scores = rank_joints(method, data, train, seed, k, config, workspace)
            kept = top_joints(scores, k)
            trials.append(Trial(name, k, fold, make_run(data, train, test, seed, config, kept)))
    return trials


def leave_out_parts(joints: tuple[str, ...]) -> dict[str, tuple[int, ...]]:
    """Joint indices of each part to leave out: every joint, each finger of both hands, each hand.

    Names are "left.index_tip", "index" and "left".
    """
    parts = {name: (j,) for j, name in enumerate(joints)}
    for part in (*FINGERS, *HANDS):
        parts[part] = tuple(
            j for j, name in enumerate(joints) if part in name.replace(".", "_").split("_")
        )
    return parts


def without_trials(
    parts: dict[str, tuple[int, ...]], data: SignDataset, folds, seeds, config: TrainingConfig
) -> list[Trial]:
    """Runs trained from scratch without each part, one a fold and seed."""
    kept = {
        name: [j for j in range(len(data.joints)) if j not in left_out]
        for name, left_out in parts.items()
    }
    return [
        trial
        for name, joints in kept.items()
        for trial in trials_of(f"without {name}", data, folds, seeds, config, joints)
    ]


def hand_made_size(method: str) -> int:
    """Joints in one of HAND_MADE, its K."""
    names, hands = HAND_MADE[method]
    return len(names) * len(hands)


def _hard_concrete(data, train_clips, seed, k, config, workspace) -> np.ndarray:
    others = np.setdiff1d(np.arange(len(data.labels)), train_clips)
    settings = gated(config, k or len(data.joints) // 4)
    run = make_run(data, train_clips, others, seed, settings)
    run_many([run], data, workspace, "gates")
    layer = trained_model(run, data, workspace).joint_pruning
    return layer.joint_logits[layer.gate_of].detach().numpy()


def _random(data, train_clips, seed, k, config, workspace) -> np.ndarray:
    return _generator(train_clips, seed).random(len(data.joints))


def _stratified(data, train_clips, seed, k, config, workspace) -> np.ndarray:
    """Round by round one joint of each finger level on each hand, in random order."""
    generator = _generator(train_clips, seed)
    hand = hand_index(data.joints)
    level = LEVELS[[JOINT_NAMES.index(name) % len(LEVELS) for name in data.joints]]
    stratum = {(h, v): generator.permutation(np.flatnonzero((hand == h) & (level == v)))
               for v in np.unique(level) for h in (0, 1)}  # fmt: skip
    order = []
    for turn in range(max(map(len, stratum.values()))):
        for v in generator.permutation(np.unique(level)):
            for h in generator.permutation(2):
                order.extend(stratum[h, v][turn : turn + 1])
    scores = np.empty(len(order))
    scores[order] = np.arange(len(order), 0, -1)
    return scores


def _hand_matched(data, train_clips, seed, k, config, workspace) -> np.ndarray:
    learned = top_joints(_hard_concrete(data, train_clips, seed, k, config, workspace), k)
    hand = hand_index(data.joints)
    scores = _stratified(data, train_clips, seed, k, config, workspace)
    for h, count in enumerate(np.bincount(hand[list(learned)], minlength=2)):
        mine = np.flatnonzero(hand == h)
        scores[mine[np.argsort(-scores[mine])[:count]]] += len(scores)
    return scores


def _hand_made(names: tuple[str, ...], hands: tuple[str, ...]):
    chosen = {f"{hand}.{name}" for hand in hands for name in names}

    def scores(data, train_clips, seed, k, config, workspace) -> np.ndarray:
        if k is not None and k != len(chosen):
            raise ValueError(f"expected k = {len(chosen)}, the size of the set, got {k}")
        return np.array([float(name in chosen) for name in data.joints])

    return scores


METHODS = {
    "hard-concrete": _hard_concrete,
    "random": _random,
    "stratified-random": _stratified,
    "hand-matched-random": _hand_matched,
    **{name: _hand_made(*parts) for name, parts in HAND_MADE.items()},
}


def _generator(train_clips, seed: int) -> np.random.Generator:
    """One draw a seed and training fold."""
    clips = np.sort(np.asarray(train_clips, dtype=np.int64))
    return np.random.default_rng([seed, zlib.crc32(clips.tobytes())])
