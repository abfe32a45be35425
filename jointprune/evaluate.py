"""Test a trained model on recordings that it was not trained on.

`python -m jointprune.evaluate CHECKPOINT --dataset NAME` prints the accuracy with its 95 %
interval, and the accuracy by group and class. Of the data set of the training, only groups are
tested that took no part in it. Another data set needs the same classes.
"""

import argparse
from pathlib import Path

import numpy as np
import pandas as pd

from jointprune.classifier import SignClassificationLightning
from jointprune.dataset import SignDataset
from jointprune.prediction import load_checkpoint, predict
from jointprune.statistics import cluster_bootstrap
from jointprune.store import open_dataset


def clips_to_test(model: SignClassificationLightning, data: SignDataset) -> np.ndarray:
    """Indices of the clips that a model can be tested on; ValueError if there are none."""
    known = model.trained_on
    if "groups" not in known:
        raise ValueError(
            "expected a checkpoint that knows what it was trained on, got one of older code: train "
            "it again"
        )
    if known["classes"] != list(data.classes):
        only = sorted(set(known["classes"]) ^ set(data.classes))
        raise ValueError(
            f"expected the {len(known['classes'])} classes of the training on {known['name']!r}, "
            f"got {len(data.classes)}, of which {only[:5]} are in one of the two alone: name a "
            "data set of the same classes"
        )
    if lacking := sorted(set(model.config.joints) - set(data.joints)):
        raise ValueError(f"expected the joints that the model reads, got none of {lacking[:3]}")
    if (coords := data.poses.shape[-1]) != model.config.coords:
        raise ValueError(f"expected {model.config.coords} coordinates, got {coords}")
    if known["sha256"] != data.sha256:
        return np.arange(len(data))
    clips = np.flatnonzero(~np.isin(data.groups, known["groups"]))
    if not len(clips):
        raise ValueError(
            f"expected groups that took no part in the training, got none: the model was trained "
            f"on all {len(known['groups'])} of them; train with a fold held out"
        )
    return clips


def evaluate(model: SignClassificationLightning, data: SignDataset) -> dict[str, pd.DataFrame]:
    """Accuracy of a model on the clips of `clips_to_test`.

    Parameters
    ----------
    model
        As `jointprune.prediction.load_checkpoint` returns it.
    data
        The data set of the training, or another one of the same classes.

    Returns
    -------
    dict of DataFrame
        "all", "group" and "class", each with a row for every part and the columns clips, groups,
        accuracy, low and high: the 95 % interval from resampling groups, or clips where there is
        one group.

    Raises
    ------
    ValueError
        For a data set of other classes, joints or coordinates, and if every group was trained on.
    """
    clips = clips_to_test(model, data)
    classes = np.array(data.classes)[np.asarray(data.labels)[clips]]
    table = pd.DataFrame({
        "right": predict(model, data, clips).argmax(1) == np.asarray(data.labels)[clips],
        "clip": clips, "all": "all clips", "group": np.asarray(data.groups)[clips],
        "class": classes,
    })  # fmt: skip
    return {
        by: pd.DataFrame({name: _row(part) for name, part in table.groupby(by)}).T
        for by in ("all", "group", "class")
    }


def _row(part: pd.DataFrame) -> dict:
    groups = part["group"].nunique()
    found = cluster_bootstrap(part["right"], part["group" if groups > 1 else "clip"])
    return {
        "clips": len(part), "groups": groups,
        "accuracy": found.mean, "low": found.low, "high": found.high,
    }  # fmt: skip


def main(arguments: list[str] | None = None) -> None:
    """Print the tables of `evaluate`."""
    parser = argparse.ArgumentParser(prog="python -m jointprune.evaluate", description=__doc__)
    parser.add_argument("checkpoint", type=Path, help="the trained model")
    parser.add_argument("--dataset", required=True, help="name or folder of a data set")
    options = parser.parse_args(arguments)
    try:
        model, data = load_checkpoint(options.checkpoint), open_dataset(options.dataset)
        tables = evaluate(model, data)
    except (ValueError, OSError) as error:
        parser.exit(1, f"{error}\n")
    if model.trained_on["sha256"] != data.sha256:
        print(f"Trained on {model.trained_on['name']}, another data set; all clips are tested.")
    group_word = data.meta.get("groups_by", "group")
    for by, table in tables.items():
        counts = table[["clips", "groups"]].astype(int)
        percents = (100 * table[["accuracy", "low", "high"]].astype(float)).round(1)
        name = group_word if by == "group" else by
        print(counts.join(percents).rename_axis(name).reset_index().to_string(index=False), "\n")
    print(
        f"Accuracy in percent; low and high: 95 % interval, {group_word}s resampled, or clips "
        "where there is one."
    )


if __name__ == "__main__":
    main()
