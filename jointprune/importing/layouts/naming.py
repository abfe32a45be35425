"""What the place of a file below its source says: the clip's name, sign, signer and split."""

import os
import re
import unicodedata
from collections import Counter
from collections.abc import Iterable
from functools import lru_cache
from pathlib import Path, PurePath

from jointprune.importing.layouts.found import Clip, NotThisLayout

SPLITS = {"train": "train", "val": "val", "valid": "val", "validation": "val", "test": "test"}


def nfc(text: str) -> str:
    """One spelling of letters with accents, which some systems store in two characters."""
    return unicodedata.normalize("NFC", text)


def natural(place: PurePath | str) -> list[tuple]:
    """A key that sorts paths with their numbers as numbers: "2" before "10"."""
    return [_natural_part(part) for part in PurePath(place).parts]


@lru_cache(maxsize=2**16)  # frames have the same names in every one of thousands of folders
def _natural_part(part: str) -> tuple:
    tokens = re.split("([0-9]+)", nfc(part))  # words and numbers in turn
    numbered = [int(token) if i % 2 else token for i, token in enumerate(tokens)]
    return numbered, part  # the last tells "1" from "01"


def files_below(source: Path, suffix: str) -> list[Path]:
    """Files of a suffix at any depth, in natural order; hidden files and folders are skipped.

    Links to folders are followed, each folder once. Raises NotThisLayout if there are no such
    files, saying what is there instead.
    """
    found, kinds, entered = [], Counter(), set()
    for folder, inner, names in os.walk(source, followlinks=True):
        real = os.path.realpath(folder)
        if real in entered:
            inner.clear()
            continue
        entered.add(real)
        inner[:] = sorted(name for name in inner if not name.startswith("."))
        before = natural(Path(folder).relative_to(source))
        for name in names:
            if not name.startswith("."):
                kind = os.path.splitext(name)[1].lower()
                kinds[kind] += 1
                if kind == suffix:
                    found.append(([*before, _natural_part(name)], Path(folder, name)))
    if not found:
        got = ", ".join(f"{n} {kind or 'without suffix'}" for kind, n in kinds.most_common(4))
        raise NotThisLayout(f"expected {suffix} files, got {got or 'no file'}")
    return [path for _, path in sorted(found)]


def split_of(place: PurePath) -> str:
    """The published split that a place's first folder names, or ""; it stands below that folder."""
    return SPLITS.get(place.parts[0].lower(), "") if len(place.parts) > 1 else ""


def clip_at(place: PurePath, files: Iterable[Path], splits: bool = True) -> Clip:
    """The clip at a place below its source, given without suffix.

    Without `splits` the first folder is a sign, whatever it is called.

    The sign is the folder that holds it, unless that is the split's folder or the source; the
    signer of "signer3_sample1_color", as AUTSL names its recordings, is "3".
    """
    split = split_of(place) if splits else ""
    folders = place.parts[1 if split else 0 : -1]
    signer = re.match("signer([^_]+)_", place.name)
    return Clip(
        name=nfc(place.as_posix().removesuffix("_color")),
        label=nfc(folders[-1]) if folders else "",
        signer=nfc(signer[1]) if signer else "",
        split=split,
        files=tuple(files),
    )


def clips_of_files(source: Path, paths: Iterable[Path]) -> list[Clip]:
    """One clip a file, in natural order; first folders are splits if all are called so."""
    places = {path: path.relative_to(source).with_suffix("") for path in paths}
    splits = all(split_of(place) for place in places.values() if len(place.parts) > 1)
    return ordered(clip_at(place, [path], splits) for path, place in places.items())


def ordered(clips: Iterable[Clip]) -> list[Clip]:
    """Clips in natural order of their names; raises ValueError if two have the same name."""
    named: dict[str, Clip] = {}
    for clip in clips:
        other = named.setdefault(clip.name, clip)
        if other is not clip:
            raise ValueError(
                f"expected a clip name that occurs once, got {clip.name!r} for {other.files[0]} "
                f"and {clip.files[0]}: rename or remove one"
            )
    return sorted(named.values(), key=lambda clip: natural(clip.name))
