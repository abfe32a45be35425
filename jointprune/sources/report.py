"""What an import found, changed and left out: `report.json`, beside the store it speaks of."""

import json
from collections import Counter, defaultdict
from pathlib import Path

import pandas as pd

from jointprune.skeleton import HANDS
from jointprune.sources.layouts.found import Clip
from jointprune.sources.layouts.naming import natural
from jointprune.store import SignDataset, load_dataset


def report_path(folder: Path) -> Path:
    """Where the report of the store in `folder` lies: inside, so that it goes with its store."""
    return folder / "report.json"


def import_report(folder: Path) -> dict:
    """What the import into the store `folder` found."""
    return json.loads(report_path(folder).read_text(encoding="utf-8"))


def former_import(folder: Path) -> dict:
    """Checksum, clips and source of the import that `folder` holds; {} for none that can be read.

    Raises ValueError for a dataset that is no import and that none may therefore replace.
    """
    try:
        data = load_dataset(folder)
    except (OSError, ValueError):  # none, or a damaged one, which an import mends
        return {}
    if "layout" not in data.meta:
        raise ValueError(
            f"expected a name that is free or an import's, got {folder.name!r}, a dataset made "
            "otherwise: take another --name"
        )
    try:
        source = import_report(folder)["source"]
    except (OSError, ValueError, KeyError):  # stopped before its report, or made before it said so
        source = "a folder that was not noted"
    return {"sha256": data.sha256, "clips": len(data), "source": source}


def report_of(table: pd.DataFrame, unlabelled: list[Clip], data: SignDataset, source: Path) -> dict:
    """All that a reader of the dataset should know, as plain facts."""
    kept, out = table[table["reason"] == ""], table[table["reason"] != ""]
    rejected = out[["source_file", "reason"]].to_dict("records")
    rejected += [
        {"source_file": str(clip.place.relative_to(source)), "reason": "no label"}
        for clip in unlabelled
    ]
    frames = int(kept["original_frames"].sum())
    seen = pd.DataFrame(kept["seen"].tolist())
    same = defaultdict(list)
    for row in kept.itertuples():
        same[row.content].append((row.group, row.source_file))
    copies = [some for some in same.values() if len(some) > 1]
    leaks = [some for some in copies if len({group for group, _ in some}) > 1]
    return {
        "source": str(source),
        "clips": len(kept),
        "signs": len(data.classes),
        "signers": len(set(kept["signer"]) - {"unknown"}),
        "groups": len(set(kept["group"])),
        "splits": dict(Counter(filter(None, kept["split"]))),
        "missing": {hand: 1 - int(seen[hand].sum()) / frames for hand in HANDS},
        "unit": kept["unit"].iloc[0],
        "by_palm": kept.loc[kept["scale"] == "palm", "source_file"].tolist(),
        "unseen": _unseen(kept),
        "swapped": kept.loc[kept["swapped"].eq(True), "source_file"].tolist(),
        "picture_mirrored": kept.loc[kept["mirrored"].eq(True), "source_file"].tolist(),
        "left_handed": data.meta["mirrored"],
        "thinned": kept.loc[kept["thinned"] > 1, "source_file"].tolist(),
        "signs_lost": sorted(set(table["label"]) - set(data.classes), key=natural),
        "copies": [[file for _, file in some] for some in copies],
        "leaks": [[file for _, file in some] for some in leaks],
        "rejected": rejected,
    }


def _unseen(kept: pd.DataFrame) -> list[str]:
    """Signs that a published split tests and never trains, or that one group alone signs."""
    if "test" in set(kept["split"]):
        sides = kept.groupby("split")["label"].agg(set)
        return sorted(sides["test"] - sides["train"], key=natural)
    groups = kept.groupby("label")["group"].nunique()
    return sorted(groups.index[groups == 1], key=natural)
