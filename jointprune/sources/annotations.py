"""Who signs what: labels and groups that a folder does not tell, from tables or by rule."""

import csv
import re
from collections import defaultdict
from pathlib import Path

from jointprune.sources.layouts.found import Clip
from jointprune.sources.layouts.naming import nfc

# Parts that stand in for signers nobody knows, see `parts`: enough for a test to tell something.
PARTS = 12


def read_table(paths: list[Path]) -> dict[str, str]:
    """Clip -> label or group, from CSV files of two columns; a first row "clip,..." is a header.

    Raises ValueError for a row of another width or a clip that is told twice, differently.
    """
    found = {}
    for path in paths:
        with path.open(encoding="utf-8-sig", newline="") as file:
            for number, row in enumerate(csv.reader(file), start=1):
                if not row or (number == 1 and row[0].strip().lower() == "clip"):
                    continue
                if len(row) != 2 or not all(cell.strip() for cell in row):
                    raise ValueError(f"{path}:{number}: expected clip,name in a row, got {row}")
                clip, name = (nfc(cell.strip()) for cell in row)
                if found.setdefault(clip, name) != name:
                    raise ValueError(
                        f"{path}:{number}: expected one name for the clip {clip!r}, got "
                        f"{found[clip]!r} and {name!r}"
                    )
    return found


def with_labels(clips: list[Clip], tables: list[Path]) -> list[Clip]:
    """The clips with labels of the tables, where given; a clip is named in full or by its end."""
    if not tables:
        return clips
    told = read_table(tables)
    labelled = [clip._replace(label=_looked_up(clip, told)) for clip in clips]
    if not any(clip.label for clip in labelled):
        raise ValueError(
            f"expected labels for clips such as {clips[0].name!r}, got names such as "
            f"{next(iter(told), None)!r}: the first column has to name clips as their files do"
        )
    return labelled


def without_clip(clips: list[Clip], tables: list[Path]) -> list[str]:
    """Names in the tables that no clip has: recordings that were expected and are not there."""
    known = {name for clip in clips for name in (clip.name, clip.name.rsplit("/", 1)[-1])}
    return [name for name in read_table(tables) if name not in known]


def group_rule(groups: str, clips: list[Clip]) -> tuple[dict[str, str], str]:
    """The group of each clip by name, and the rule in words.

    Args:
        groups: "" for the signers that the layout tells; a CSV file of clip,signer;
            "blocks:N" for recordings numbered in blocks of N a signer; "pattern:REGEX" whose
            first bracket takes the signer out of a clip's name.

    Where nobody tells the signer, clips are dealt into PARTS parts, see `parts`.
    """
    kind, _, argument = groups.partition(":")
    if not groups:
        unknown = [clip for clip in clips if not clip.signer]
        if len(unknown) == len(clips):
            return parts(clips), "part"
        told = {clip.name: clip.signer for clip in clips}
        return _complete(told, "a signer for every clip, as some have one (--groups)"), "signer"
    if kind == "blocks":
        return blocks(clips, argument), "signer"
    if kind == "pattern":
        return _by_pattern(clips, argument), "signer"
    told = read_table([Path(groups)])
    found = {clip.name: _looked_up(clip, told) for clip in clips}
    return _complete(found, f"a signer for every clip in {groups}"), "signer"


def parts(clips: list[Clip]) -> dict[str, str]:
    """Each sign's clips, in order, cut into PARTS runs of neighbours: "part 1", "part 2", ...

    Where a split was published, each of its sides is cut by itself: "test part 1".
    Neighbours were often recorded in one go, so they are kept together. It is no split by
    signer, and results on it do not say how an unknown signer is read.
    """
    found = {}
    for some in _by_label(clips).values():
        parts_here = min(PARTS, len(some))
        for i, clip in enumerate(some):
            found[clip.name] = f"{clip.split} part {1 + parts_here * i // len(some)}".strip()
    return found


def blocks(clips: list[Clip], size: str) -> dict[str, str]:
    """Signers by number: recordings 0 to N-1 of a sign are the first's, and so on.

    The number is the last part of a clip's name; counting begins at the smallest there is.
    """
    if not size.isdigit() or int(size) < 1:
        raise ValueError(f"expected blocks:N with a number of recordings, got blocks:{size}")
    numbers = {clip.name: clip.name.rsplit("/", 1)[-1] for clip in clips}
    if odd := [name for name, number in numbers.items() if not number.isdigit()]:
        raise ValueError(f"expected recordings named by a number, got {odd[0]!r}: no blocks there")
    first = min(map(int, numbers.values()))
    return {n: f"signer {1 + (int(number) - first) // int(size)}" for n, number in numbers.items()}


def _by_pattern(clips: list[Clip], text: str) -> dict[str, str]:
    try:
        pattern = re.compile(text)
    except re.error as error:
        raise ValueError(f"expected a regular expression, got {text!r}: {error}") from error
    if pattern.groups < 1:
        raise ValueError(f"expected a bracket around the signer, got {text!r}")
    matches = {clip.name: pattern.search(clip.name) for clip in clips}
    found = {name: match[1] if match else "" for name, match in matches.items()}
    return _complete(found, f"the pattern {text!r} in every clip's name")


def _complete(found: dict[str, str], wanted: str) -> dict[str, str]:
    if without := [name for name, group in found.items() if not group]:
        raise ValueError(f"expected {wanted}, got {len(without)} without, such as {without[0]!r}")
    return found


def _by_label(clips: list[Clip]) -> dict[tuple[str, str], list[Clip]]:
    """Clips of each sign in each published split, in order."""
    found = defaultdict(list)
    for clip in clips:
        found[clip.label, clip.split].append(clip)
    return found


def _looked_up(clip: Clip, told: dict[str, str]) -> str:
    """What a table says of a clip: by its whole name first, else by its last part; else ""."""
    return told.get(clip.name) or told.get(clip.name.rsplit("/", 1)[-1], "")
