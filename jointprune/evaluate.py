"""Test a trained model on recordings that it was not trained on.

`python -m jointprune.evaluate CHECKPOINT --dataset NAME` prints the accuracy with its 95 %
interval, and the accuracy by group and class. Of the data set of the training, only groups are
tested that took no part in it. Another data set needs the same classes, and is tested whole: it
must not hold recordings of the training. Of a published split only the test part is tested.
"""

import argparse
from pathlib import Path

import numpy as np
import pandas as pd

from jointprune.classifier import SignClassificationLightning
from jointprune.dataset import SignDataset
from jointprune.prediction import check_fits, load_checkpoint, predict
from jointprune.statistics import cluster_bootstrap
from jointprune.store import open_dataset
from jointprune.workspace import told


def clips_to_test(model: SignClassificationLightning, data: SignDataset) -> np.ndarray:
    """Indices of the clips that a model can be tested on; ValueError if there are none."""
    known = model.trained_on
    if "groups" not in known:
        raise ValueError(
            "expected a checkpoint that knows what it was trained on, got one of older code: train "
            "it again"
        )
    check_fits(model, data)
    same = known["sha256"] == data.sha256
    if not same and known["name"] == data.meta.get("name"):
        raise ValueError(
            f"expected the data set {known['name']!r} as it was when the model was trained, got "
            "other content, in which recordings of the training may be: train again, or import "
            "new recordings under a name of their own"
        )
    trained = np.isin(data.groups, known["groups"]) & same
    tested = np.setdiff1d(data.tested_without(trained), np.flatnonzero(trained))
    if not len(tested):
        raise ValueError(
            f"expected groups that took no part in the training, got none: the model was trained "
            f"on {len(known['groups'])} groups; train with a fold held out"
        )
    return tested


def evaluate(model: SignClassificationLightning, data: SignDataset) -> dict[str, pd.DataFrame]:
    """Accuracy of a model on the clips of `clips_to_test`, as tables "all", "group" and "class".

    Columns clips, groups, accuracy, low and high: the 95 % interval from resampling groups, or
    clips where there is one group. Raises ValueError if there is nothing to test, or if the data
    set has other classes, joints or coordinates.
    """
    clips = clips_to_test(model, data)
    labels = data.labels[clips]
    table = pd.DataFrame({
        "right": predict(model, data, clips).argmax(1) == labels, "clip": clips,
        "all": "all clips", "group": data.groups[clips], "class": np.array(data.classes)[labels],
    })  # fmt: skip
    return {
        by: pd.DataFrame.from_dict(
            {name: _row(part) for name, part in table.groupby(by)}, orient="index"
        )
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
        parser.exit(1, f"{told(error)}\n")
    if model.trained_on["sha256"] != data.sha256:
        print(f"Trained on {model.trained_on['name']}, another data set; all clips are tested.")
    group_word = data.meta.get("groups_by", "group")
    for by, table in tables.items():
        table[["accuracy", "low", "high"]] *= 100
        name = group_word if by == "group" else by
        table.insert(0, name, table.index, allow_duplicates=True)  # it may be called "clips"
        print(table.round(1).to_string(index=False), "\n")
    print(
        f"Accuracy in percent; low and high: 95 % interval, {group_word}s resampled, or clips "
        "where there is one."
    )


if __name__ == "__main__":
    main()
