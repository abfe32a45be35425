"""What an import found, changed and left out: `report.json` in the folder of its data set."""

import re
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable
from pathlib import Path

import pandas as pd
from scipy.sparse.csgraph import connected_components

from jointprune.dataset import SignDataset
from jointprune.importing.layouts.clips import Clip, in_order, nfc, plain, split_of
from jointprune.importing.reading import same_recording
from jointprune.skeleton import HANDS

# Files of one kind that the summary lists; the report has all of them.
SHOWN = 5
SHORT = 3  # frames; fewer hardly show a movement
WITHOUT_LABEL = "no label, or in a folder of another depth than the others, or of altered copies"


def report_of(table: pd.DataFrame, unlabelled: list[Clip], data: SignDataset, source: Path) -> dict:
    """All facts that a user of the data set should know, as JSON values."""
    kept, out = table[table["reason"] == ""], table[table["reason"] != ""]
    rejected = out[["source_file", "reason"]].to_dict("records")
    rejected += [
        {"source_file": nfc(str(clip.place.relative_to(source))), "reason": WITHOUT_LABEL}
        for clip in unlabelled
    ]
    frames = int(kept["original_frames"].sum())
    _, recording = connected_components(same_recording(kept["sketch"]), directed=False)
    copies = [some for _, some in kept.groupby(recording) if len(some) > 1]

    if "test" in set(kept["split"]):
        sides = kept.groupby("split")["label"].agg(set)
        unseen = sides["test"] - sides["train"]
    else:  # a class recorded in one group only is tested by a fold that does not train on it
        of_class = kept.groupby("label")["group"].nunique()
        unseen = of_class.index[of_class == 1]

    def files(which: pd.Series) -> list[str]:
        return kept.loc[which, "source_file"].tolist()

    return {
        "source": str(source),
        "clips": len(kept),
        "classes": len(data.classes),
        "class_names": list(data.classes),
        "group_names": in_order(set(kept["group"])),
        "alike": _alike(data.classes, lambda name: re.sub(r"[\W_]+", "", plain(name)) or name),
        "signers": len(set(kept["signer"]) - {"unknown"}),
        "groups": len(set(kept["group"])),
        "splits": dict(Counter(filter(None, kept["split"]))),
        "missing": {hand: 1 - int(kept[hand].sum()) / frames for hand in HANDS},
        "unit": kept["unit"].iloc[0],
        "by_palm": files(kept["scale"] == "palm"),
        "unseen": in_order(unseen),
        "swapped": files(kept["swapped"].eq(True)),
        "picture_mirrored": files(kept["mirrored"].eq(True)),
        "gaps": files(kept["gaps"] > 0),
        "thinned": files(kept["thinned"] > 1),
        "short": files(kept["frames"] < SHORT),
        "place_lost": files(kept["place_lost"]),
        "classes_lost": in_order(set(table["label"]) - set(data.classes)),
        "crossed": files(kept["crossed"].eq(True)) if kept["crossed"].dropna().mean() > 0.5 else [],
        "partial": files(kept["partial"] > 0),
        "alike_groups": _alike(set(kept["group"]), plain),
        "unused_splits": _unused_splits(kept),
        "copies": [some["source_file"].tolist() for some in copies],
        "leaks": [s["source_file"].tolist() for s in copies if s["group"].nunique() > 1],
        "rejected": rejected,
    }


def _alike(names: Iterable[str], spelled: Callable[[str], str]) -> list[list[str]]:
    """Names that `spelled` makes equal."""
    alike = defaultdict(list)
    for name in in_order(names):
        alike[spelled(name)].append(name)
    return [some for some in alike.values() if len(some) > 1]


def _unused_splits(kept: pd.DataFrame) -> list[str]:
    """Folders with names of splits, neither signs nor used as splits: `<signer>/train/<sign>`."""
    folders = {folder for name in kept["clip"] for folder in name.split("/")[:-1]}
    others = in_order(folders - set(kept["label"]))
    return [] if any(kept["split"]) else [folder for folder in others if split_of(folder)]


def _some(names: list[str]) -> str:
    rest = f" and {len(names) - SHOWN} more" if len(names) > SHOWN else ""
    return ", ".join(names[:SHOWN]) + rest


def import_summary(report: dict) -> str:
    """The report as text, one line per fact; lists are cut after their first files."""
    missing = ", ".join(f"{hand} {share:.1%}" for hand, share in report["missing"].items())
    order = report["other_order"]
    turned = f" (if these are the signs: {order})" if order else ""
    told = " (told from the groups)" if report["exchanged"] else ""
    lines = [
        f"layout {report['layout']}, {report['clips']} clips, {report['classes']} classes, "
        f"signers: {report['signers'] or 'unknown'}, groups: {report['groups']} "
        f"(by {report['groups_by']})",
        f"signs: {_some(report['class_names'])}{told}",
        f"{report['groups_by']}s: {_some(report['group_names'])}{turned}",
        f"frames without a hand: {missing}",
    ]
    if report["detected"]:
        lines.append(
            "hands in the order of their detection: left and right told by shape, place and motion"
        )
    if versions := report.get("mediapipe"):
        mixed = "; MIXED VERSIONS, whose hands differ: find all again with one"
        lines.append(f"MediaPipe {', '.join(versions)}{mixed if len(versions) > 1 else ''}")
    if report["splits"]:
        splits = ", ".join(f"{split} {count}" for split, count in report["splits"].items())
        lines.append(f"published split: {splits}")
        if "test" not in report["splits"]:
            lines.append("NO TEST CLIPS in the published split, which is therefore not used")
    by = ", ".join(f"{count} by {by}" for by, count in report["leading_hand"].items())
    lines.append(f"leading hand: {by}; mirrored, because the left one leads: {report['mirrored']}")
    if report["groups_by"] == "part":
        lines.append(
            "signers are unknown: folds keep runs of neighbouring recordings apart, and no "
            "result is signer-independent (see --groups)"
        )
    if report["unit"] == "share" and not report["aspect"]:
        lines.append("coordinates are fractions of the image, taken as square (see --aspect)")
    rejected, unmatched = (
        [f"{row['source_file']}: {row['reason']}" for row in report[name]]
        for name in ("rejected", "unmatched")
    )
    lists = {
        "left out": rejected,
        "not read, as they belong to no clip": unmatched,
        "SIGNS THAT DIFFER IN CAPITALS, ACCENTS OR MARKS ALONE, taken as different": [
            " and ".join(names) for names in report["alike"]
        ],
        "GROUPS THAT DIFFER IN CAPITALS OR ACCENTS ALONE, taken as different": [
            " and ".join(names) for names in report["alike_groups"]
        ],
        "files of other kinds, not read": [
            f"{count} {kind}" for kind, count in report["other_kinds"].items()
        ],
        "labels without a recording": report["labels_unused"],
        "folders of splits below other folders, not used as splits": report["unused_splits"],
        "classes without any clip left": report["classes_lost"],
        "classes that some fold tests without training on them": report["unseen"],
        "THE SAME RECORDING IN SEVERAL GROUPS, a leak": [" = ".join(s) for s in report["leaks"]],
        "the same recording twice, or overlapping cuts of one": [
            " = ".join(some) for some in report["copies"]
        ],
        "frames missing inside a clip, taken as without hands": report["gaps"],
        "some joints of a hand missing, which is there taken as missing": report["partial"],
        "LEFT HAND LEFT OF THE RIGHT ONE: hands exchanged or pictures mirrored?": report["crossed"],
        "scaled by the palm, as no shoulders are seen": report["by_palm"],
        "hands nearer to the wrist of the other side": report["swapped"],
        "signer's left on the left of the picture": report["picture_mirrored"],
        "long clips, thinned": report["thinned"],
        f"clips of fewer than {SHORT} frames": report["short"],
        "hands measured from their own wrist, mean or box: their place is lost": report[
            "place_lost"
        ],
    }
    for title, some in lists.items():
        if some:
            rest = f"\n  ... and {len(some) - SHOWN} more" if len(some) > SHOWN else ""
            lines.append(f"{title}: {len(some)}\n  " + "\n  ".join(some[:SHOWN]) + rest)
    return "\n".join(lines)
