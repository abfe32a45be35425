"""Recordings in the layouts in which other people publish and keep them.

Each layout is a module of two functions: `find(files)` lists the clips among a folder's files, or
raises `NotThisLayout`; `read(clip)` returns a clip's values, or raises ValueError for a damaged
file. In `video` a third function, `extract`, runs between them. To add a layout, write such a
module and a row of `LAYOUTS`.
"""

from collections.abc import Iterable
from pathlib import Path
from types import ModuleType

from jointprune.importing.layouts import (
    arrays,
    asl_signs,
    hand_tables,
    mp_data,
    openhands,
    openpose,
    pose,
    video,
)
from jointprune.importing.layouts.clips import Clip, Files, NotThisLayout

MANY = 10
ANY = (
    "save each recording as <person>/<sign>/<clip>.npy, an array (frames, 42, 2 or 3) with the "
    "left hand first and 0 for a missing hand, or see data/README.md"
)
LAYOUTS: dict[str, ModuleType] = {
    "pose": pose,
    "mp-data": mp_data,
    "arrays": arrays,
    "asl-signs": asl_signs,
    "openhands": openhands,
    "hand-tables": hand_tables,
    "openpose": openpose,
    "video": video,
}


def recognise(
    source: Path, layout: str = "auto", tables: Iterable[Path] = ()
) -> tuple[str, list[Clip], Files]:
    """The name of a folder's layout, its clips, and all its files except `tables` of labels.

    With "auto" exactly one layout must fit, or one with MANY times the clips of the others: a
    project's folder may hold a model or a video beside the recordings.
    """
    if layout not in ("auto", *LAYOUTS):
        raise ValueError(
            f"expected a layout, got {layout!r}: choose one of auto, {', '.join(LAYOUTS)}"
        )
    if not source.is_dir():
        raise NotADirectoryError(
            f"expected a folder of recordings, got {source}, which is none: check the path"
        )
    files = Files(source, tables)
    if layout != "auto":
        return layout, LAYOUTS[layout].find(files), files
    fits, reasons = {}, []
    for name, module in LAYOUTS.items():
        try:
            fits[name] = module.find(files)
        except NotThisLayout as reason:
            reasons.append(f"  {name}: {reason}")
    if not fits:
        raise ValueError("\n".join([f"{source}: expected one of these layouts:", *reasons, ANY]))
    most, *others = sorted(fits, key=lambda name: -len(fits[name]))
    if len(fits[most]) <= MANY * sum(len(fits[name]) for name in others):
        raise ValueError(
            f"{source}: expected one layout, got {' and '.join(fits)}: choose one with --layout"
        )
    return most, fits[most], files
