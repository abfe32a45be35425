"""Accuracy lost without one joint, one finger or one hand."""

import pandas as pd

from jointprune.skeleton import FINGER_OF, FINGERS, HAND_OF, HANDS
from jointprune.statistics import difference_of, pair, shared


def kept_without(joints: tuple[str, ...]) -> dict[str, tuple[int, ...]]:
    """Indices of the joints left without each part: each joint, finger (of both hands) and hand.

    Parts have names such as "left.index_tip", "index" and "left".
    """
    parts = {name: {name} for name in joints}
    parts |= {finger: {name for name in joints if FINGER_OF[name] == finger} for finger in FINGERS}
    parts |= {hand: {name for name in joints if HAND_OF[name] == hand} for hand in HANDS}
    return {
        part: tuple(j for j, name in enumerate(joints) if name not in gone)
        for part, gone in parts.items()
    }


def loss_without(
    name: str, left: int, full: pd.DataFrame, masked: pd.DataFrame, retrained: pd.DataFrame
) -> dict:
    """Accuracy lost without the part `name`, when `left` joints remain.

    `full` are predictions with all joints; `masked` and `retrained` are those without parts,
    which the column `method` names, compared on the folds and seeds that both were run with.
    Returns kind ("joint", "finger" or "hand"), name, loss, low and high (masked), and
    retrained_loss, None for a part without retrained predictions.
    """
    everything = ("full", int(full["k"].iloc[0]))
    found = {}
    for regime, without in (("masked", masked), ("retrained", retrained)):
        lacking = (name, left, regime)
        if len(part := without[without["method"] == name]):
            both = shared(pd.concat([full, part]), everything, lacking)
            found[regime] = difference_of(pair(both, everything, lacking))
    return {
        "kind": "hand" if name in HANDS else "finger" if name in FINGERS else "joint",
        "name": name,
        "loss": found["masked"]["difference"],
        "low": found["masked"]["low"],
        "high": found["masked"]["high"],
        "retrained_loss": found.get("retrained", {}).get("difference"),
    }
