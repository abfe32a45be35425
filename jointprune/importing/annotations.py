"""Who signs what: labels and groups that a folder does not tell, from tables or by rule."""

import csv
import re
from collections import defaultdict
from collections.abc import Callable
from functools import partial
from pathlib import Path

from jointprune.importing.layouts.found import Clip
from jointprune.importing.layouts.naming import nfc

# Parts that stand in for signers nobody knows, see `parts`: enough for a test to tell something.
PARTS = 12
# The group of each clip by name, and what groups are: "signer" or "part".
Groups = tuple[dict[str, str], str]
GroupRule = Callable[[list[Clip]], Groups]


def read_table(paths: list[Path], column: str) -> dict[str, str]:
    """Clip -> label or signer, as `column` calls it, from CSV files of two columns.

    A first row "clip,..." is a header. Raises ValueError for a file that is not there or no such
    table, a row of another width, and a clip that is told twice, differently.
    """
    found = {}
    for path in paths:
        rows = _rows(path, column)
        if not rows:
            raise ValueError(
                f"{path}: expected rows of clip,{column}, got none: write them into it"
            )
        for number, row in rows:
            if len(row) != 2 or not all(cell.strip() for cell in row):
                raise ValueError(
                    f"{path}:{number}: expected clip,{column} in a row, got {row}: mend the row, "
                    "and leave two columns with a comma between them"
                )
            clip, name = (nfc(cell.strip()) for cell in row)
            if found.setdefault(clip, name) != name:
                raise ValueError(
                    f"{path}:{number}: expected one {column} for the clip {clip!r}, got "
                    f"{found[clip]!r} and {name!r}: remove one"
                )
    return found


def _rows(path: Path, column: str) -> list[tuple[int, list[str]]]:
    """The rows with their numbers, from 1, less blank ones and a header."""
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            rows = list(enumerate(csv.reader(file), start=1))
    except OSError as error:
        raise ValueError(
            f"expected a CSV file of clip,{column}, got {path}: {error.strerror}: give the path "
            "of one"
        ) from error
    except (UnicodeDecodeError, csv.Error) as error:
        raise ValueError(f"{path}: expected CSV in UTF-8, got {error}: save it as such") from error
    return [
        (number, row)
        for number, row in rows
        if row and not (number == 1 and row[0].strip().lower() == "clip")
    ]


def with_labels(clips: list[Clip], told: dict[str, str]) -> list[Clip]:
    """The clips with the labels told of them, if any are; a clip is named in full or by its end."""
    if not told:
        return clips
    labelled = [clip._replace(label=_looked_up(clip, told)) for clip in clips]
    if not any(clip.label for clip in labelled):
        raise ValueError(
            f"expected labels for clips such as {clips[0].name!r}, got names such as "
            f"{next(iter(told))!r}: the first column has to name clips as their files do"
        )
    return labelled


def without_clip(clips: list[Clip], told: dict[str, str]) -> list[str]:
    """Names with a label that no clip has: recordings that were expected and are not there."""
    known = {name for clip in clips for name in (clip.name, clip.name.rsplit("/", 1)[-1])}
    return [name for name in told if name not in known]


def group_rule(groups: str) -> GroupRule:
    """The rule by which clips are grouped; what `groups` says is checked before any clip is there.

    Args:
        groups: "" for the signers that the layout tells; a CSV file of clip,signer;
            "blocks:N" for recordings numbered in blocks of N a signer; "pattern:REGEX" whose
            first bracket takes the signer out of a clip's name.

    Raises ValueError for what is none of these; the rule does for clips that it cannot group.
    """
    kind, _, argument = groups.partition(":")
    if not groups:
        return _by_layout
    if kind == "blocks":
        if not argument.isdecimal() or int(argument) < 1:
            raise ValueError(f"expected blocks:N with a number of recordings, got {groups!r}")
        return partial(_by_blocks, size=int(argument))
    if kind == "pattern":
        return partial(_by_pattern, pattern=_compiled(argument))
    if not Path(groups).is_file():
        raise ValueError(
            "expected --groups to be a CSV file of clip,signer, blocks:N or pattern:REGEX, got "
            f"{groups!r}, which is none of these and no file that is there"
        )
    return partial(_by_table, told=read_table([Path(groups)], "signer"), table=groups)


def _by_layout(clips: list[Clip]) -> Groups:
    """The signers that the layout tells; where it tells none, clips are dealt into PARTS parts."""
    if not any(clip.signer for clip in clips):
        return parts(clips), "part"
    told = {clip.name: clip.signer for clip in clips}
    return _signers(told, "a signer for every clip, as some have one (--groups)")


def _by_table(clips: list[Clip], told: dict[str, str], table: str) -> Groups:
    found = {clip.name: _looked_up(clip, told) for clip in clips}
    return _signers(found, f"a signer for every clip in {table}")


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


def _by_blocks(clips: list[Clip], size: int) -> Groups:
    """Signers by number: recordings 0 to size-1 of a sign are the first's, and so on.

    The number is the last part of a clip's name; counting begins at the smallest there is.
    """
    numbers = {clip.name: clip.name.rsplit("/", 1)[-1] for clip in clips}
    if odd := [name for name, number in numbers.items() if not number.isdecimal()]:
        raise ValueError(f"expected recordings named by a number, got {odd[0]!r}: no blocks there")
    first = min(map(int, numbers.values()))
    found = {n: f"signer {1 + (int(number) - first) // size}" for n, number in numbers.items()}
    return found, "signer"


def _compiled(text: str) -> re.Pattern:
    try:
        pattern = re.compile(text)
    except re.error as error:
        raise ValueError(f"expected a regular expression, got {text!r}: {error}") from error
    if pattern.groups < 1:
        raise ValueError(f"expected a bracket around the signer, got {text!r}")
    return pattern


def _by_pattern(clips: list[Clip], pattern: re.Pattern) -> Groups:
    matches = {clip.name: pattern.search(clip.name) for clip in clips}
    found = {name: match[1] if match else "" for name, match in matches.items()}
    return _signers(found, f"the pattern {pattern.pattern!r} in every clip's name")


def _signers(found: dict[str, str], wanted: str) -> Groups:
    if without := [name for name, group in found.items() if not group]:
        raise ValueError(f"expected {wanted}, got {len(without)} without, such as {without[0]!r}")
    return found, "signer"


def _by_label(clips: list[Clip]) -> dict[tuple[str, str], list[Clip]]:
    """Clips of each sign in each published split, in order."""
    found = defaultdict(list)
    for clip in clips:
        found[clip.label, clip.split].append(clip)
    return found


def _looked_up(clip: Clip, told: dict[str, str]) -> str:
    """What a table says of a clip: by its whole name first, else by its last part; else ""."""
    return told.get(clip.name) or told.get(clip.name.rsplit("/", 1)[-1], "")
