"""What an import found, changed and left out: `report.json`, beside the store it speaks of."""

import json
from collections import Counter, defaultdict
from pathlib import Path

import pandas as pd

from jointprune.dataset import SignDataset
from jointprune.importing.layouts.found import Clip
from jointprune.importing.layouts.naming import natural
from jointprune.skeleton import HANDS
from jointprune.store import open_dataset

# Files of one kind that are printed; the report has them all.
SHOWN = 5


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
        meta = json.loads((folder / "meta.json").read_bytes())
    except (OSError, ValueError):  # none, or one of which nothing can be said
        return {}
    if "layout" not in meta:
        raise ValueError(
            f"expected a name that is free or an import's, got {folder.name!r}, a dataset made "
            "otherwise: take another --name"
        )
    try:
        data = open_dataset(folder)
    except (OSError, ValueError):  # damaged, which an import mends
        return {}
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


def import_summary(report: dict) -> str:
    """The report in words, a line a fact; lists are shown by their first files."""
    missing = ", ".join(f"{hand} {share:.1%}" for hand, share in report["missing"].items())
    people = report["signers"] or "unknown"
    lines = [
        f"layout {report['layout']}, {report['clips']} clips, {report['signs']} signs, signers: "
        f"{people}, groups: {report['groups']} (by {report['groups_by']})",
        f"frames without a hand: {missing}",
    ]
    if report["splits"]:
        lines.append(
            "published splits: " + ", ".join(f"{k} {n}" for k, n in report["splits"].items())
        )
        if "test" not in report["splits"]:
            lines.append("NO CLIP TO TEST ON in the published split, which is therefore not used")
    if report["groups_by"] == "part":
        lines.append(
            "signers are not known: folds keep apart runs of neighbouring recordings, and no "
            "result is signer-independent (see --groups)"
        )
    if report["unit"] == "share" and not report["aspect"]:
        lines.append("in shares of an image of unknown shape: taken as square (see --aspect)")
    rejected = [f"{row['source_file']}: {row['reason']}" for row in report["rejected"]]
    lists = {
        "left out": rejected,
        "labels of recordings that are not there": report["labels_unused"],
        "signs without any clip left": report["signs_lost"],
        "signs that are tested and not trained in some fold": report["unseen"],
        "THE SAME RECORDING IN SEVERAL GROUPS, a leak": [" = ".join(s) for s in report["leaks"]],
        "the same recording twice": [" = ".join(some) for some in report["copies"]],
        "left-handed signers, mirrored": report["left_handed"],
        "scaled by the palm, no shoulders seen": report["by_palm"],
        "hands nearer to the other side's wrist": report["swapped"],
        "signer's left on the left of the picture": report["picture_mirrored"],
        "longer than is kept, thinned": report["thinned"],
    }
    for what, some in lists.items():
        if some:
            rest = f"\n  ... and {len(some) - SHOWN} more" if len(some) > SHOWN else ""
            lines.append(f"{what}: {len(some)}\n  " + "\n  ".join(some[:SHOWN]) + rest)
    return "\n".join(lines)


def _unseen(kept: pd.DataFrame) -> list[str]:
    """Signs that a published split tests and never trains, or that one group alone signs."""
    if "test" in set(kept["split"]):
        sides = kept.groupby("split")["label"].agg(set)
        return sorted(sides["test"] - sides["train"], key=natural)
    groups = kept.groupby("label")["group"].nunique()
    return sorted(groups.index[groups == 1], key=natural)
