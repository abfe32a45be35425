"""What is lost without a part, and where chosen joints lie: tables of notebook 04."""

import numpy as np

from jointprune.config import TrainingConfig
from jointprune.dataset import SignDataset
from jointprune.runs import Trial, trials_of
from jointprune.skeleton import FINGERS, HANDS, hand_index

Selections = dict[tuple[str, int], dict[tuple[int, int], tuple[int, ...]]]


def kept_without(joints: tuple[str, ...]) -> dict[str, tuple[int, ...]]:
    """Indices of the joints left without each part: every joint, finger of both hands, hand.

    Names are "left.index_tip", "index" (of both hands) and "left".
    """
    parts = {name: {j} for j, name in enumerate(joints)}
    for part in (*FINGERS, *HANDS):
        words = [name.replace(".", "_").split("_") for name in joints]
        parts[part] = {j for j, named in enumerate(words) if part in named}
    return {
        part: tuple(j for j in range(len(joints)) if j not in gone) for part, gone in parts.items()
    }


def without_trials(
    kept: dict[str, tuple[int, ...]], data: SignDataset, folds, seeds, config: TrainingConfig
) -> list[Trial]:
    """Runs trained from scratch without each part, one a fold and seed."""
    return [
        trial
        for part, joints in kept.items()
        for trial in trials_of(part, data, folds, seeds, config, joints)
    ]


def joints_by_hand(selections: Selections, method: str, joints: tuple[str, ...]) -> list[dict]:
    """Rows k, left, right: joints of a hand among the K that `method` chose, means over runs."""
    hand = hand_index(joints)
    rows = []
    for (name, k), chosen in selections.items():
        if name == method:
            counts = np.mean(
                [np.bincount(hand[list(kept)], minlength=2) for kept in chosen.values()], 0
            )
            rows.append({"k": k, **dict(zip(HANDS, counts.tolist(), strict=True))})
    return rows


def selection_rows(selections: Selections, joints: tuple[str, ...]) -> list[dict]:
    """One row a method, K, fold and seed, with the names of the joints chosen."""
    return [
        {"method": method, "k": k, "fold": fold, "seed": seed, "joints": [joints[j] for j in kept]}
        for (method, k), chosen in selections.items()
        for (fold, seed), kept in chosen.items()
    ]
