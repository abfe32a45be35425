"""Clips of a folder: which files make one, and what their path says of sign, signer and split."""

import os
import re
import unicodedata
from collections import Counter
from collections.abc import Iterable
from pathlib import Path, PurePath
from typing import NamedTuple

from natsort import natsorted, ns

SPLITS = {"train": "train", "val": "val", "valid": "val", "validation": "val", "test": "test"}


class NotThisLayout(ValueError):
    """The reason why a folder does not have a layout: what was expected, what is there."""


class Clip(NamedTuple):
    """One recording, described by its path; "" for what the path does not say."""

    name: str  # unique in its source: the path below it without suffix, such as "test/signer6_1"
    label: str  # the sign
    signer: str
    split: str  # "train", "val" or "test", as published
    files: tuple[Path, ...]  # one; one a frame in their order; a video and its .pose
    folder: Path | None = None  # of its frames, if it has a file for each

    @property
    def place(self) -> Path:
        """The path to name in messages: its file, or the folder of its frames."""
        return self.folder or self.files[0]


def nfc(text: str) -> str:
    """Text with each accented letter as one character; some systems store two."""
    return unicodedata.normalize("NFC", text)


def in_order(names: Iterable[str]) -> list[str]:
    """Names sorted with their numbers as numbers, "clip 2" before "clip 10"."""
    return natsorted(names, alg=ns.PRESORT)  # PRESORT orders "1" and "01", too


def files_below(source: Path, suffix: str) -> list[Path]:
    """Files of a suffix at any depth, in natural order, without hidden ones; links are followed."""
    found, suffixes, entered = [], Counter(), set()
    for folder, inner, names in os.walk(source, followlinks=True):
        real = os.path.realpath(folder)
        if real in entered:  # a link to where the walk has been
            inner.clear()
            continue
        entered.add(real)
        inner[:] = sorted(name for name in inner if name[0] != ".")
        paths = [Path(folder, name) for name in names if name[0] != "."]
        suffixes.update(path.suffix.lower() for path in paths)
        found += [str(path) for path in paths if path.suffix.lower() == suffix]
    if not found:
        got = ", ".join(f"{n} {kind or 'without suffix'}" for kind, n in suffixes.most_common(4))
        raise NotThisLayout(f"expected {suffix} files, got {got or 'no file'}")
    return [Path(path) for path in in_order(found)]


def split_of(place: PurePath) -> str:
    """The published split that the first folder of a path names, or ""."""
    return SPLITS.get(place.parts[0].lower(), "") if len(place.parts) > 1 else ""


def clip_at(place: PurePath, files: Iterable[Path], splits: bool) -> Clip:
    """The clip at a path relative to its source, without suffix.

    The innermost folder is the sign. With `splits` the first folder is the split, not the sign.
    AUTSL's names tell the signer: "signer3_sample1_color" is by signer "3".
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
    """One clip a file; first folders are splits if all are called so."""
    places = {path: path.relative_to(source).with_suffix("") for path in paths}
    splits = all(split_of(place) for place in places.values() if len(place.parts) > 1)
    return named_once(clip_at(place, [path], splits) for path, place in places.items())


def named_once(clips: Iterable[Clip]) -> list[Clip]:
    """Clips in natural order of their names; raises ValueError if two have the same name."""
    named: dict[str, Clip] = {}
    for clip in clips:
        other = named.setdefault(clip.name, clip)
        if other is not clip:
            raise ValueError(
                f"expected a clip name that occurs once, got {clip.name!r} for {other.files[0]} "
                f"and {clip.files[0]}: rename or remove one"
            )
    return [named[name] for name in in_order(named)]
