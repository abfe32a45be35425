"""Predictions, one row a clip and run, turned into tables of accuracy.

A predictions table has the columns of `COLUMNS`: one row for each method, K, fold, seed
and test clip. Accuracy is a fraction: the mean over clips and seeds of correctness.
"""

from collections.abc import Hashable

import pandas as pd
import torch
from torchmetrics.functional.classification import binary_calibration_error

from jointprune.skeleton import FINGERS, HANDS
from jointprune.statistics import (
    cluster_bootstrap,
    difference_of,
    holm,
    pair,
    paired_difference,
    shared,
)

COLUMNS = (
    "method", "k", "regime", "fold", "seed", "clip", "group",
    "label", "predicted", "p_true", "p_predicted",
)  # fmt: skip
METHOD = ["method", "k", "regime"]
BINS = 15  # of equal width, as in Guo et al. 2017
# What is compared apart: its column, and the column that is resampled inside it.
PARTS = {"sign": ("label", "group"), "group": ("group", "clip")}


def check_predictions(predictions: pd.DataFrame) -> pd.DataFrame:
    """The table itself, if it is whole; ValueError for lacking columns or repeated rows."""
    lacking = [name for name in COLUMNS if name not in predictions.columns]
    if lacking or predictions.empty:
        raise ValueError(
            f"expected predictions with columns {', '.join(COLUMNS)}, got {len(predictions)} "
            f"rows without {lacking}: read data/results/*_predictions.csv"
        )
    repeated = predictions.duplicated([*METHOD, "fold", "seed", "clip"])
    if repeated.any():
        row = predictions[repeated].iloc[0]
        raise ValueError(
            f"expected one row a method, k, fold, seed and clip, got {int(repeated.sum())} "
            f"repeated; first: {row['method']!r} k={row['k']} fold={row['fold']} "
            f"seed={row['seed']} clip={row['clip']!r}: give every draw its own seed"
        )
    return predictions


def accuracy_table(predictions: pd.DataFrame) -> pd.DataFrame:
    """Columns method, k, mean, low, high, runs: 95 % interval clustered by group.

    `runs` counts trained models, the pairs of fold and seed.
    """
    predictions = check_predictions(predictions)
    rows = []
    for (method, k, regime), part in predictions.groupby(METHOD, sort=False):
        runs = len(part[["fold", "seed"]].drop_duplicates())
        rows.append(
            {
                "method": method,
                "k": int(k),
                "regime": regime,
                **_interval(part, "group"),
                "runs": runs,
            }
        )
    return pd.DataFrame(rows)


def by_group(predictions: pd.DataFrame) -> pd.DataFrame:
    """Columns method, k, group, mean, low, high: one row a group.

    Inside a group the clips are resampled, each with all its seeds: the interval says how
    far other recordings of this group could have gone, not another group.
    """
    predictions = check_predictions(predictions)
    rows = [
        {**_named(key, "group"), **_interval(part, "clip")}
        for key, part in predictions.groupby([*METHOD, "group"], sort=False)
    ]
    return pd.DataFrame(rows)


def by_class(predictions: pd.DataFrame) -> pd.DataFrame:
    """Columns method, k, label, mean: recall of each class."""
    predictions = check_predictions(predictions)
    correct = predictions.assign(mean=predictions["predicted"] == predictions["label"])
    return correct.groupby([*METHOD, "label"], sort=False)["mean"].mean().reset_index()


def calibration(predictions: pd.DataFrame) -> pd.DataFrame:
    """Columns method, k, ece: the expected calibration error of the predicted class.

    The mean gap between probability and accuracy, |mean p_predicted - accuracy|, over 15 bins of
    p_predicted of equal width, each weighted by its clips; seeds are pooled. 0 is calibrated.
    Source: Guo et al. 2017, by torchmetrics.
    """
    predictions = check_predictions(predictions)
    rows = []
    for (method, k, regime), part in predictions.groupby(METHOD, sort=False):
        probability = torch.tensor(part["p_predicted"].to_numpy())
        right = torch.tensor((part["predicted"] == part["label"]).to_numpy())
        ece = float(binary_calibration_error(probability, right, n_bins=BINS))
        rows.append({"method": method, "k": int(k), "regime": regime, "ece": ece})
    return pd.DataFrame(rows)


def changes_by(
    predictions: pd.DataFrame, a: tuple[str, int], b: tuple[str, int], by: str
) -> list[dict]:
    """Where `a` gains and loses against `b`: one row a sign or a group, worst loss first.

    `by` is "sign" (its groups are resampled) or "group" (its clips are, each with all its
    seeds: about other recordings of this group, not another group). Rows: name,
    difference, low, high, p, and p_holm over the rows.
    """
    if by not in PARTS:
        raise ValueError(f"expected changes by one of {sorted(PARTS)}, got {by!r}: name one")
    column, clusters = PARTS[by]
    rows = []
    for name, part in pair(predictions, a, b).groupby(column):
        found = difference_of(part, clusters=clusters)
        kept = {key: found[key] for key in ("difference", "low", "high", "p")}
        rows.append({"name": name, **kept})
    adjusted = holm([row["p"] for row in rows])
    rows = [{**row, "p_holm": float(p)} for row, p in zip(rows, adjusted, strict=True)]
    return sorted(rows, key=lambda row: row["difference"])


def confusion(predictions: pd.DataFrame) -> pd.DataFrame:
    """Share of each true class (rows) called each class (columns); a row sums to 1.

    Of one method at one K: select it first, mixing methods is refused.
    """
    predictions = check_predictions(predictions)
    mixed = predictions[METHOD].drop_duplicates()
    if len(mixed) > 1:
        raise ValueError(
            f"expected predictions of one method, got {mixed.to_numpy().tolist()}: "
            "select one with predictions.query('method == \"full\"')"
        )
    shares = pd.crosstab(predictions["label"], predictions["predicted"], normalize="index")
    names = sorted(set(predictions["label"]) | set(predictions["predicted"]))
    return shares.reindex(index=sorted(set(predictions["label"])), columns=names, fill_value=0.0)


def _interval(part: pd.DataFrame, clusters: str) -> dict[str, float]:
    """mean, low, high of correctness, resampling the column `clusters`."""
    found = cluster_bootstrap(part["predicted"] == part["label"], part[clusters])
    return {"mean": found.mean, "low": found.low, "high": found.high}


def _named(key: tuple[Hashable, ...], last: str) -> dict:
    method, k, regime, value = key
    return {"method": method, "k": int(k), "regime": regime, last: value}


def loss_without(
    name: str,
    left: int,
    full: pd.DataFrame,
    masked: pd.DataFrame,
    retrained: pd.DataFrame,
) -> dict:
    """Accuracy lost without a part: kind, name, loss, low, high (masked), retrained_loss or None.

    `left` joints remain. The three tables are predictions of all joints, and without parts by
    masking and by retraining.
    """
    kind = "hand" if name in HANDS else "finger" if name in FINGERS else "joint"
    row = {"kind": kind, "name": name, "retrained_loss": None}
    k = int(full["k"].iloc[0])
    for key, table, regime in (
        ("loss", masked, "masked"), ("retrained_loss", retrained, "retrained")
    ):  # fmt: skip
        without = (name, left, regime)
        again = table[table["method"] == name]
        if again.empty:
            continue
        both = shared(pd.concat([full, again]), ("full", k), without)
        found = paired_difference(both, ("full", k), without)
        row[key] = found["difference"]
        if key == "loss":
            row |= {"low": found["low"], "high": found["high"]}
    return row
