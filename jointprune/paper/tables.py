"""Tables of notebooks 02 to 04: accuracy from predictions, and where the chosen joints lie.

A predictions table is as `jointprune.predictions` returns it: one row for each method, K, regime,
fold, seed and test clip. Accuracy is a fraction: the mean over clips and seeds of correctness.
"""

from collections.abc import Hashable

import numpy as np
import pandas as pd
from scipy.stats import hypergeom

from jointprune.dataset import SignDataset
from jointprune.paper.comparisons import with_holm
from jointprune.selection import typical
from jointprune.selection.baselines import ANATOMY, PUBLISHED
from jointprune.skeleton import FINGER_OF, FINGERS, HAND_OF, HANDS, LEVEL_OF, hand_index
from jointprune.statistics import Key, cluster_bootstrap, difference_of, pair, shared

METHOD = ["method", "k", "regime"]
BINS = 15  # of equal width, as in Guo et al. 2017
# Changes by class or group: the column of the parts, and the one resampled within a part.
PARTS = {"class": ("label", "group"), "group": ("group", "clip")}
COMPARED = (10, 12)  # K of the selections that are compared with published ones
LEVELS = ("base", "middle", "far", "tip")  # of a finger, by skeleton.LEVEL_OF

# Joint indices by (method, K) and (fold, seed), as `select_all` returns them.
Selections = dict[tuple[str, int], dict[tuple[int, int], tuple[int, ...]]]


def accuracy_table(predictions: pd.DataFrame) -> pd.DataFrame:
    """Accuracy of each method, K and regime, with its 95 % confidence interval.

    Columns method, k, regime, mean, low, high (bootstrap over groups) and runs: the number of
    trained models, pairs of fold and seed.
    """
    return pd.DataFrame(
        {**key, **_interval(part, "group"), "runs": len(part[["fold", "seed"]].drop_duplicates())}
        for key, part in _parts(predictions)
    )


def by_group(predictions: pd.DataFrame) -> pd.DataFrame:
    """Accuracy in each group: columns method, k, regime, group, mean, low, high.

    The clips of a group are resampled, each with all its seeds: the interval is about other
    recordings of this group, not about another group.
    """
    return pd.DataFrame(
        {**key, **_interval(part, "clip")} for key, part in _parts(predictions, "group")
    )


def by_class(predictions: pd.DataFrame) -> pd.DataFrame:
    """Recall of each class: columns method, k, regime, label, mean."""
    return pd.DataFrame(
        {**key, "mean": (part["predicted"] == part["label"]).mean()}
        for key, part in _parts(predictions, "label")
    )


def strata_table(predictions: pd.DataFrame, data: SignDataset) -> list[dict]:
    """Accuracy of retrained networks among the one-handed and among the two-handed clips.

    Rows method, k, regime, stratum, mean, low, high, clips, groups.
    """
    stratum = dict(zip(data.clips["clip"], data.handedness, strict=True))
    retrained = predictions[predictions["regime"] == "retrained"]
    rows = []
    for name, table in retrained.groupby(retrained["clip"].map(stratum)):
        for key, part in _parts(table):
            rows.append({
                **key, "stratum": name, **_interval(part, "group"),
                "clips": part["clip"].nunique(), "groups": part["group"].nunique(),
            })  # fmt: skip
    return rows


def calibration(predictions: pd.DataFrame) -> pd.DataFrame:
    """Expected calibration error of the predicted class: columns method, k, regime, ece.

    The mean gap between probability and accuracy over 15 bins of p_predicted of equal width, each
    weighted by its clips; seeds are pooled, 0 is calibrated. A probability on an edge is in the
    bin above. Source: Guo et al. 2017, by torchmetrics, on the network's float32 probabilities.
    """
    # Here, because notebook 05 draws its figures without them and would wait seconds.
    import torch
    from torchmetrics.functional.classification import binary_calibration_error

    rows = []
    for key, part in _parts(predictions):
        probability = torch.tensor(part["p_predicted"].to_numpy(np.float32))
        right = torch.tensor((part["predicted"] == part["label"]).to_numpy())
        error = binary_calibration_error(probability, right, n_bins=BINS)
        rows.append({**key, "ece": float(error)})
    return pd.DataFrame(rows)


def changes_by(predictions: pd.DataFrame, a: Key, b: Key, by: str) -> list[dict]:
    """Accuracy of `a` minus that of `b` in each class or group, worst loss first.

    `by` is "class" (groups are resampled) or "group" (its clips are, as in `by_group`). Rows: name,
    difference, low, high; for classes p, and p_holm over the rows. Groups have no test: their clips
    share trained networks, so that flips of single clips would be too sure.
    """
    column, clusters = PARTS[by]
    tested = by == "class"
    fields, rows = ("difference", "low", "high", *(("p",) if tested else ())), []
    for name, part in pair(predictions, a, b).groupby(column):
        found = difference_of(part, clusters=clusters)
        rows.append({"name": name, **{field: found[field] for field in fields}})
    rows = with_holm(rows) if tested else rows
    return sorted(rows, key=lambda row: row["difference"])


def confusion(predictions: pd.DataFrame) -> pd.DataFrame:
    """Share of each true class (rows) that is predicted as each class (columns); rows sum to 1."""
    shares = pd.crosstab(predictions["label"], predictions["predicted"], normalize="index")
    names = sorted({*predictions["label"], *predictions["predicted"]})
    return shares.reindex(columns=names, fill_value=0.0)


def _parts(predictions: pd.DataFrame, *columns: Hashable):
    """Each method, K and regime (and value of `columns`), as a dict, with its rows.

    Raises ValueError for repeated rows.
    """
    once = [*METHOD, "fold", "seed", "clip"]
    repeated = predictions.loc[predictions.duplicated(once), once]
    if len(repeated):
        raise ValueError(
            f"expected one row for each method, k, regime, fold, seed and clip, got "
            f"{len(repeated)} repeated; first: {repeated.iloc[0].to_dict()}: give every draw its "
            "own seed"
        )
    names = [*METHOD, *columns]
    for key, part in predictions.groupby(names, sort=False):
        yield {**dict(zip(names, key, strict=True)), "k": int(key[1])}, part


def _interval(part: pd.DataFrame, clusters: str) -> dict[str, float]:
    """Mean, low and high of correctness, resampling the column `clusters`."""
    found = cluster_bootstrap(part["predicted"] == part["label"], part[clusters])
    return {"mean": found.mean, "low": found.low, "high": found.high}


def selection_rows(selections: Selections, joints: tuple[str, ...]) -> list[dict]:
    """One row for each method, K, fold and seed, with the names of the joints chosen."""
    return [
        {"method": method, "k": k, "fold": fold, "seed": seed, "joints": [joints[j] for j in kept]}
        for (method, k), chosen in selections.items()
        for (fold, seed), kept in chosen.items()
    ]


def reduction_table(
    selections: Selections, data: SignDataset, folds: list[tuple[np.ndarray, np.ndarray]]
) -> list[dict]:
    """What each method drops at each K: rows method, k, joints, joint_frames (shares).

    `joint_frames` counts each frame in which a joint was observed, over the test clips of a fold:
    a joint of a hand that is never seen was never data. It is the mean over folds and seeds.
    """
    seen = [data.present[test].sum(axis=(0, 1)) for _, test in folds]
    shares = [frames / frames.sum() for frames in seen]
    rows = []
    for (method, k), chosen in selections.items():
        kept = np.mean([shares[fold][list(joints)].sum() for (fold, _), joints in chosen.items()])
        dropped = {"joints": 1 - k / len(data.joints), "joint_frames": 1 - float(kept)}
        rows.append({"method": method, "k": k, **dropped})
    return rows


def joint_frequency(selections: Selections, method: str, joints: tuple[str, ...]) -> pd.DataFrame:
    """Share of the runs of one method that keep each joint: a row per joint, a column per K."""
    return pd.DataFrame(
        {
            k: np.mean([np.isin(range(len(joints)), list(kept)) for kept in chosen.values()], 0)
            for (name, k), chosen in selections.items()
            if name == method
        },
        index=list(joints),
    )


def joints_by_hand(selections: Selections, method: str, joints: tuple[str, ...]) -> list[dict]:
    """Rows k, left, right: mean number of joints on each hand that one method keeps."""
    hand = hand_index(joints)
    rows = []
    for (name, k), chosen in selections.items():
        if name == method:
            counts = [np.bincount(hand[list(kept)], minlength=2) for kept in chosen.values()]
            rows.append({"k": k, **dict(zip(HANDS, np.mean(counts, 0).tolist(), strict=True))})
    return rows


def joints_by_level(frequency: pd.DataFrame) -> pd.DataFrame:
    """Mean number of joints on each hand and finger level (rows) at each K (columns).

    `frequency` is that of `joint_frequency`; the wrist counts as the base of a finger.
    """
    hand = frequency.index.map(HAND_OF).rename("hand")
    level = frequency.index.map(lambda name: f"{LEVEL_OF[name]} {LEVELS[LEVEL_OF[name]]}")
    return frequency.groupby([hand, level.rename("level")]).sum()


def kept_without(joints: tuple[str, ...]) -> dict[str, tuple[int, ...]]:
    """Indices of the joints left without each part: each joint, finger (of both hands) and hand.

    Parts have names such as "left.index_tip", "index" and "left".
    """
    itself = {name: name for name in joints}
    return {
        part: tuple(j for j, name in enumerate(joints) if part_of[name] != part)
        for part_of, parts in ((itself, joints), (FINGER_OF, FINGERS), (HAND_OF, HANDS))
        for part in parts
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


def overlap_with_published(selections: Selections, joints: tuple[str, ...]) -> list[dict]:
    """The most typical learned selections of 10 and 12 joints beside those that others published.

    Only the leading (right) hand counts: `ours` and `theirs` are numbers of its joints, `shared`
    those in both, `expected` their mean if ours were drawn at random, and p the chance that such
    a draw shares as many (hypergeometric). Rows: source, k, these, `anatomical` (shared with as
    many joints in anatomical order, which no training chose), and p_holm over the rows.
    """
    hand = {name for name in joints if HAND_OF[name] == "right"}
    rows = []
    for k in (k for k in COMPARED if ("learned", k) in selections):
        ours = hand & {joints[j] for j in typical(selections["learned", k].values())}
        by_anatomy = {f"right.{joint}" for joint in ANATOMY[: len(ours)]}
        for source, names in PUBLISHED.items():
            theirs = hand & set(names)
            common = len(ours & theirs)
            rows.append(
                {
                    "source": source,
                    "k": k,
                    "ours": len(ours),
                    "theirs": len(theirs),
                    "shared": common,
                    "expected": len(ours) * len(theirs) / len(hand),
                    "anatomical": len(by_anatomy & theirs),
                    "p": float(hypergeom.sf(common - 1, len(hand), len(theirs), len(ours))),
                }
            )
    return with_holm(rows)
