"""Datasets from the command line.

`python -m jointprune.data import SRC --name NAME` makes one of recordings in a folder,
`python -m jointprune.data planted --like autsl` a generated stand-in of AUTSL's size.
"""

import argparse
import math
from pathlib import Path

from jointprune.sources.importing import import_recordings
from jointprune.sources.layouts import LAYOUTS
from jointprune.sources.layouts.video import poses_folder
from jointprune.sources.rehearsal import autsl_like
from jointprune.sources.report import former_import, import_summary, report_path
from jointprune.workspace import ROOT, Workspace


def main(arguments: list[str] | None = None) -> None:
    """Make a dataset, say what was found and where it lies."""
    parser = argparse.ArgumentParser(prog="python -m jointprune.data", description=__doc__)
    commands = parser.add_subparsers(dest="command", required=True)
    add = commands.add_parser("import", help="make a dataset of recordings in a folder")
    add.add_argument("source", type=Path, help="the folder")
    add.add_argument("--name", required=True, help="of the dataset, as in make reproduce DATASET=")
    add.add_argument("--layout", default="auto", choices=["auto", *LAYOUTS])
    add.add_argument("--labels", type=Path, action="append", default=[], metavar="CSV",
                     help="of clip,label; once a file")  # fmt: skip
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
    folder = workspace.processed / options.name
    former = former_import(folder)
    data, report = import_recordings(
        options.source, options.name, workspace, layout=options.layout,
        labels=options.labels, groups=options.groups, aspect=options.aspect,
        strict=options.strict)  # fmt: skip
    where = f"dataset: {_short(folder)}; report: {_short(report_path(folder))}"
    if report["layout"] == "video":
        where += f"; poses: {_short(poses_folder(workspace, options.name))}"
    if former.get("sha256", data.sha256) != data.sha256:
        where += (
            f"\nreplaced: the dataset {options.name} of {former['clips']} clips, "
            f"from {former['source']}"
        )
    return f"{import_summary(report)}\n{where}"


def _planted(options: argparse.Namespace) -> str:
    data = autsl_like(Workspace(), options.share)
    name = data.meta["name"]
    use = f"python -m jointprune.train --dataset {name} (make reproduce takes recordings only)"
    return f"{data}\ndataset: {_short(Workspace().processed / name)}\nfor: {use}"


def _aspect(text: str) -> float:
    """ "16:9" as 1.78."""
    try:
        width, height = map(float, text.split(":"))
        aspect = width / height
    except (ValueError, ZeroDivisionError):
        width = aspect = math.nan
    if not (width > 0 and 0 < aspect < math.inf):
        raise argparse.ArgumentTypeError(f"expected WIDTH:HEIGHT such as 16:9, got {text!r}")
    return aspect


def _short(path: Path) -> Path:
    return path.relative_to(ROOT)


if __name__ == "__main__":
    main()
