"""Datasets from the command line.

`python -m jointprune.data import SRC --name NAME` makes one of recordings in a folder,
`python -m jointprune.data planted --like autsl` a generated stand-in of AUTSL's size.
"""

import argparse
import json
from pathlib import Path

from jointprune.sources.importing import import_recordings, report_path
from jointprune.sources.layouts import LAYOUTS
from jointprune.sources.layouts.video import poses_folder
from jointprune.sources.rehearsal import autsl_like
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


def main(arguments: list[str] | None = None) -> None:
    """Make a dataset, say what was found and where it lies."""
    parser = argparse.ArgumentParser(prog="python -m jointprune.data", description=__doc__)
    commands = parser.add_subparsers(dest="command", required=True)
    add = commands.add_parser("import", help="make a dataset of recordings in a folder")
    add.add_argument("source", type=Path, help="the folder")
    add.add_argument("--name", required=True, help="of the dataset, as in make reproduce DATASET=")
    add.add_argument("--layout", default="auto", choices=["auto", *LAYOUTS])
    add.add_argument("--labels", type=Path, nargs="+", default=[], help="CSV files of clip,label")
    add.add_argument("--groups", default="", help="CSV of clip,signer; blocks:N; pattern:REGEX")
    add.add_argument("--aspect", type=_aspect, default=0.0, help="of the image, such as 16:9")
    add.add_argument("--strict", action="store_true", help="stop at the first clip left out")
    like = commands.add_parser("planted", help="generate a stand-in for a dataset's size")
    like.add_argument("--like", required=True, choices=["autsl"])
    like.add_argument("--share", type=float, default=1.0, help="of each sign's clips, up to 1")
    options = parser.parse_args(arguments)
    try:
        print(_imported(options) if options.command == "import" else _planted(options))
    except (ValueError, OSError, ModuleNotFoundError) as error:
        parser.exit(1, f"{error}\n")
    except KeyboardInterrupt:
        parser.exit(130, "Stopped. What is read is kept: the same command goes on from here.\n")


def _imported(options: argparse.Namespace) -> str:
    workspace = Workspace()
    _, report = import_recordings(
        options.source, options.name, workspace, layout=options.layout,
        labels=options.labels, groups=options.groups, aspect=options.aspect,
        strict=options.strict)  # fmt: skip
    folder = workspace.processed / options.name
    where = f"dataset: {_short(folder)}; report: {_short(report_path(folder))}"
    if report["layout"] == "video":
        where += f"; poses: {_short(poses_folder(workspace, options.name))}"
    return f"{import_summary(report)}\n{where}"


def _planted(options: argparse.Namespace) -> str:
    data = autsl_like(Workspace(), options.share)
    name = data.meta["name"]
    use = f"python -m jointprune.train --dataset {name} (make reproduce takes recordings only)"
    return f"{data}\ndataset: {_short(Workspace().processed / name)}\nfor: {use}"


def _aspect(text: str) -> float:
    """ "16:9" as 1.78."""
    width, _, height = text.partition(":")
    return float(width) / float(height)


def _short(path: Path) -> Path:
    return path.relative_to(ROOT)


if __name__ == "__main__":
    main()
