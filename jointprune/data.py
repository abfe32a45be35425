"""Datasets from the command line: `python -m jointprune.data import SRC --name NAME`."""

import argparse
import json
from pathlib import Path

from jointprune.sources.importing import import_recordings, report_path
from jointprune.sources.layouts import LAYOUTS
from jointprune.workspace import ROOT, Workspace

# Files of one kind that are printed; the report has them all.
SHOWN = 5


def import_report(folder: Path) -> dict:
    """What the import into the store `folder` found."""
    return json.loads(report_path(folder).read_text(encoding="utf-8"))


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
    if report["groups_by"] == "part":
        lines.append(
            "signers are not known: folds keep apart runs of neighbouring recordings, and no "
            "result is signer-independent (see --groups)"
        )
    if report["aspect_unknown"]:
        lines.append(
            f"{report['aspect_unknown']} clips in shares of an image of unknown shape: taken as "
            "square"
        )
    rejected = [f"{row['source_file']}: {row['reason']}" for row in report["rejected"]]
    lists = {
        "left out": rejected,
        "signs without any clip left": report["signs_lost"],
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


def main(arguments: list[str] | None = None) -> None:
    """Import, say what was found and where the report lies."""
    parser = argparse.ArgumentParser(prog="python -m jointprune.data", description=__doc__)
    commands = parser.add_subparsers(dest="command", required=True)
    add = commands.add_parser("import", help="make a dataset of recordings in a folder")
    add.add_argument("source", type=Path, help="the folder")
    add.add_argument("--name", required=True, help="of the dataset, as in make reproduce DATASET=")
    add.add_argument("--layout", default="auto", choices=["auto", *LAYOUTS])
    add.add_argument("--labels", type=Path, nargs="+", default=[], help="CSV files of clip,label")
    add.add_argument("--groups", default="", help="CSV of clip,group; blocks:N; pattern:REGEX")
    add.add_argument("--strict", action="store_true", help="stop at the first clip left out")
    options = parser.parse_args(arguments)
    workspace = Workspace()
    try:
        _, report = import_recordings(
            options.source, options.name, workspace, layout=options.layout,
            labels=options.labels, groups=options.groups, strict=options.strict)  # fmt: skip
    except (ValueError, OSError) as error:
        parser.exit(1, f"{error}\n")
    except KeyboardInterrupt:
        parser.exit(130, "Stopped. What is read is kept: the same command goes on from here.\n")
    print(import_summary(report))
    folder = workspace.processed / options.name
    print(f"dataset: {folder.relative_to(ROOT)}; report: {report_path(folder).relative_to(ROOT)}")


if __name__ == "__main__":
    main()
