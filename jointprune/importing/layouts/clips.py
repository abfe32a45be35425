"""The clips of a folder, and the facts in their paths: signs, splits, groups."""

import os
import re
import unicodedata
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from functools import lru_cache
from pathlib import Path, PurePath
from typing import NamedTuple

from natsort import natsort_keygen

SPLITS = {
    "train": "train", "training": "train", "test": "test", "testing": "test", "val": "val",
    "valid": "val", "validation": "val", "dev": "val", "development": "val",
    "egitim": "train", "dogrulama": "val",  # Turkish, whose word for test is the same
}  # fmt: skip
# Folders of files in a form: all clips of a sign may lie in one, and it may be beside a split.
FORMS = {
    "pose", "poses", "skel", "skeleton", "skeletons", "landmarks", "keypoints", "features", "npy",
    "mediapipe", "openpose", "data", "files",
}  # fmt: skip
# Words beside a split's name in the folders of published poses: "train_poses", "val_skel".
BESIDE_SPLITS = FORMS | {
    "videos", "clips", "sets", "autsl", "split", "recordings", "sequences", "frames", "words",
    "signs", "seti", "veri", "verisi", "kumesi", "augmented", "aug", "processed", "preprocessed",
    "raw", "original", "clean", "normalized",
}  # fmt: skip
# Suffixes of files that hold recordings, in this package's layouts or others.
RECORDINGS = (".npy", ".npz", ".pose", ".pkl", ".pickle", ".parquet", ".mp4", ".mov", ".avi",
              ".webm", ".mkv", ".m4v", ".h5", ".hdf5", ".mat")  # fmt: skip
# Ends of the names of files made from a video, which the video's own name does not have.
MADE_FROM_VIDEO = re.compile(r"(_color_landmarks|_color\.mp4|_color|\.mp4)\Z")
# Folders of persons or sessions by number, which may also lie below the signs.
PERSON = re.compile(
    r"(signer|subject|person|participant|user|speaker|actor|volunteer|session|p"
    r"|kisi|katilimci|ogrenci)[ _-]?\d+"
)
# The same in the name of a clip that has other numbers, too: "user_2" in "hello_user_2_001".
PERSON_IN_NAME = re.compile(rf"(?<![a-z0-9]){PERSON.pattern}(?=\D.*\d)")
# What programs and people add to the name of a copy.
COPY = re.compile(r"( \(\d+\)| - (Copy|Kopya)( \(\d+\))?)$")
ALTERED = re.compile(
    r"(aug|augmented|flip|flipped|mirror|mirrored|copy|kopya|orig|original|noise|noisy|rotated"
    r"|scaled|shifted|cropped)\d*"
)
# Folders of such copies above those of signs; "mirror" or "copy" may be a sign.
AUGMENTED = re.compile(r"augmented([ _-]?data)?\d*|aug[ _-]?data\d*")
# Words for takes of one person in a clip's name: "take2" of "ali_take2".
TAKE = re.compile(r"(take|t|v|ver|version|rep|trial|clip|video|cam|camera|tekrar|deneme|kamera)\d+")
# Days, sessions and cameras by number: folders of persons beside these are the groups.
OCCASION = re.compile(r"(day|gun|session|oturum|cam|camera|kamera|view)[ _-]?\d+")
MOSTLY = 0.9  # share of the clips whose depth of folders is that of the data set
DOTLESS_I = "\u0131"
FEWEST_NAMES = 3  # in the names of clips, for them to be groups
LOOKED_AT = 25  # files whose contents tell layouts apart
TWICE = "is a link to a folder that is read at another place"


class NotThisLayout(ValueError):
    """The reason why a folder does not have a layout: what was expected, and what it holds."""


class Clip(NamedTuple):
    """One recording as its path describes it; facts that the path does not give are ""."""

    name: str  # unique in its source: the path below it without suffix, such as "test/signer6_1"
    label: str  # the sign
    signer: str
    split: str  # "train", "val", "test" or another name, as published
    files: tuple[Path, ...]  # one; or one per frame, in order; or a video and its .pose
    folder: Path | None = None  # of its frames, if it has a file for each
    group: str = ""  # person or session: the folder above the sign, or part of the clip's name

    @property
    def place(self) -> Path:
        """The path to name in messages: its file, or the folder of its frames."""
        return self.folder or self.files[0]

    @property
    def last_part(self) -> str:
        """The name without folders."""
        return self.name.rsplit("/", 1)[-1]


def nfc(text: str) -> str:
    r"""Text with each accented letter as one character; some file systems store two.

    Bytes of a file's name that are not UTF-8 are written as numbers, "\\xe9".
    """
    readable = text.encode("utf-8", "surrogateescape").decode("utf-8", "backslashreplace")
    return unicodedata.normalize("NFC", readable)


def one_line(text: str) -> str:
    """A label with single spaces in place of line breaks and other white space."""
    return " ".join(nfc(text).split())


# Frames of all clips have the same few names.
_natural = lru_cache(2**16)(natsort_keygen())


def in_order(names: Iterable[str]) -> list[str]:
    """Names sorted with their numbers as numbers, "clip 2" before "clip 10"."""
    return sorted(sorted(names), key=_natural)  # sorted twice: "01" before "1"


class Files:
    """The files below a folder at any depth, without hidden ones; links are followed.

    `source` is the folder, `by_suffix` holds its files in natural order, those of a folder before
    those of the folders in it. `unread` has the reason for each folder that is empty, or a link to
    one that is read itself. `tables` are left out: files with labels or signers.
    """

    def __init__(self, source: Path, tables: Iterable[Path] = ()) -> None:
        self.source, self.by_suffix, self.unread = source, defaultdict(list), {}
        entered, tables = set(), {str(path.parent.resolve() / path.name) for path in tables}
        for folder, inner, names in os.walk(source, onerror=_unreadable, followlinks=True):
            real = os.path.realpath(folder)
            here = Path(folder)
            if real in entered:  # a link to a folder visited before
                self.unread[here] = TWICE
                inner.clear()
                continue
            entered.add(real)
            shown = in_order(name for name in names if not _hidden(name))
            inner[:] = in_order(name for name in inner if not _hidden(name))
            if not inner and not shown:
                self.unread[here] = "is an empty folder"
            links = [name for name in inner if _links_into(here / name, source)]
            if len(links) < len(inner):  # a folder of links alone may name or sort the others
                self.unread |= {here / name: TWICE for name in links}
                inner[:] = [name for name in inner if name not in links]
            for name in shown:
                suffix = os.path.splitext(name)[1].lower()
                if os.path.join(folder, name) not in tables:
                    self.by_suffix[suffix].append(here / name)

    def of(self, suffix: str) -> list[Path]:
        """The files of a suffix; NotThisLayout if there are none."""
        if not (found := self.by_suffix.get(suffix)):
            most = sorted(self.by_suffix.items(), key=lambda item: -len(item[1]))[:4]
            got = ", ".join(f"{len(files)} {kind or 'without suffix'}" for kind, files in most)
            raise NotThisLayout(f"expected {suffix} files, got {got or 'no file'}")
        return found

    def clips(self, paths: Iterable[Path]) -> list[Clip]:
        """One clip per file; ValueError if two differ in their suffix alone."""
        places: dict[PurePath, list[Path]] = {}
        for path in paths:
            same = places.setdefault(path.relative_to(self.source).with_suffix(""), [path])
            if same[0] is not path:
                raise _same_name(path.stem, same[0], path)
        return clips_at(places)

    def clips_of_frames(self, frames: Mapping[Path, Path]) -> list[Clip]:
        """One clip per place, from the place of each frame: its folder, or a video's name there."""
        places = defaultdict(list)
        for path, place in frames.items():
            places[place.relative_to(self.source)].append(path)
        return [clip._replace(folder=clip.files[0].parent) for clip in clips_at(places)]


def _hidden(name: str) -> bool:
    """Whether a file or folder belongs to a system or a program: ".git", "$RECYCLE.BIN"."""
    return name[0] in ".$" or name == "__MACOSX"


def _links_into(folder: Path, source: Path) -> bool:
    """Whether a folder is a link to another that is not hidden in the source."""
    if not folder.is_symlink():
        return False
    target, source = Path(os.path.realpath(folder)), Path(os.path.realpath(source))
    return target.is_relative_to(source) and not any(map(_hidden, target.relative_to(source).parts))


def _unreadable(error: OSError) -> None:
    raise ValueError(
        f"{error.filename}: expected a folder that can be read, got {error.strerror}: allow it, or "
        "move the folder elsewhere"
    ) from error


def _same_name(name: str, first: Path, second: Path) -> ValueError:
    return ValueError(
        f"expected a clip name that occurs once, got {name!r} for {first} and {second}: rename or "
        "remove one"
    )


def splits_of(folders: Iterable[str]) -> dict[str, str]:
    """The published split that each folder of a level says, or "": train of "01_TrainSet".

    Words that all of them have do not count beside train and test: "wlasl_train", "wlasl_test".
    """
    words = {folder: _split_words(folder) for folder in folders}
    common = set.intersection(*words.values()) if words else set()
    for beside in (common, set()):
        left = {folder: [*own - beside] for folder, own in words.items()}
        splits = {name: SPLITS.get(own[0], "") if len(own) == 1 else ""
                  for name, own in left.items()}  # fmt: skip
        if {"train", "test"} <= {*splits.values()}:
            break
    return splits


def split_of(folder: str) -> str:
    return splits_of([folder])[folder]


def _split_words(folder: str) -> set[str]:
    apart = re.sub("(?<=[a-z])(?=[A-Z])", " ", folder.lstrip("0123456789_-. "))
    words = {word.removesuffix("set") for word in re.split(r"[\W_]+", plain(apart))}
    return words - BESIDE_SPLITS - {""}


def bare(name: str) -> str:
    """A clip's name without what programs add to the name of its video."""
    return MADE_FROM_VIDEO.sub("", name)


def clips_at(places: Mapping[PurePath, Sequence[Path]]) -> list[Clip]:
    """The clips at paths relative to their source, without suffix, each with its files.

    A path is `[<split>/][<group>/]<sign>/<clip>`, perhaps below folders that hold everything, or
    `<sign>/<group>/<clip>` if these folders alone are called "signer3", "p03" and alike, or
    `<sign>/landmarks/<clip>` if all end so. The first folders are splits if all have names of
    splits, or if training and test are among them and a sign is below, or nearly all clips are in
    folders of such names. A sign may also be called "train". The group is that of the first folders
    beside the signs that differ, if at least half of the signs are found in several of them: else
    they are kinds of signs. Without such folders and splits it is the name beside a clip's numbers
    ("ali" in "ali_3"), if nearly all clips have one of several that are found in at least half of
    the signs.
    Clips in folders such as "augmented", above those of signs and beside others, have no label.
    Where nearly all clips lie at one depth, those at another have no label. Else, if the folder of
    a sign holds folders with clips, such as "augmented", the fewer of both have none.
    """
    depths = Counter(len(place.parts) for place in places)
    depth, count = depths.most_common(1)[0]
    if count >= MOSTLY * len(places):
        astray = {place for place in places if len(place.parts) != depth}
    else:
        folders = {place.parent for place in places if len(place.parts) > 1}
        lower = {place for place in places if not folders.isdisjoint(place.parent.parents)}
        around = {folder for place in lower for folder in place.parent.parents}
        upper = {place for place in places if len(place.parts) > 1 and place.parent in around}
        astray = min(lower, upper, key=len)
    others = places.keys() - astray
    altered = {
        place for place in others
        if any(AUGMENTED.fullmatch(plain(folder)) for folder in place.parts[:-2])
    }  # fmt: skip
    astray |= altered if altered < others else set()
    inner = [place for place in places if len(place.parts) > 1 and place not in astray]
    sign = -3 if _no_signs_last(inner) else -2
    whole = _folders_of_all(inner)
    split = splits_of({place.parts[whole] for place in inner})
    named = Counter(split[place.parts[whole]] for place in inner)
    above = bool(inner) and all(len(place.parts) > whole + 2 for place in inner)
    splits = bool(inner) and "" not in named
    if {"train", "test"} <= named.keys():
        splits |= above or named[""] <= (1 - MOSTLY) * len(inner)
    split = split if splits else {}
    clips = {place: _clip_at(place, files, whole, split, sign) for place, files in places.items()}
    for place in astray:
        clips[place] = clips[place]._replace(label="")
    composed = {str(place) for place in places}
    for place, clip in clips.items():  # one word in both forms of Unicode
        if nfc(str(place)) != str(place) and nfc(str(place)) in composed:
            clips[place] = clip._replace(name=f"{clip.name} (2)")
    return with_groups(named_once(clips.values()), sign)


def _no_signs_last(places: Sequence[PurePath]) -> bool:
    """Whether the folders of the clips are called "signer3" and alike, and those above are not.

    Or all "landmarks" or alike, below several.
    """
    if min((len(place.parts) for place in places), default=0) < 3:
        return False
    above, last = ({place.parts[level] for place in places} for level in (-3, -2))
    named = [all(PERSON.fullmatch(plain(name)) for name in names) for names in (above, last)]
    splits = any(splits_of(above).values())
    form = len(last) == 1 and FORMS.issuperset(_words(plain(*last)))
    return (named == [False, True] or form) and len(above) > 1 and not splits


def _folders_of_all(places: Sequence[PurePath]) -> int:
    """How many first folders are the same for all paths, not counting those of the signs."""
    signs = min((len(place.parts) - 2 for place in places), default=0)
    first = zip(*(place.parts[:signs] for place in places), strict=True)
    for level, names in enumerate(first):
        if len(set(names)) > 1 or split_of(names[0]):
            return level
    return signs


def _clip_at(
    place: PurePath, files: Iterable[Path], whole: int, splits: Mapping[str, str], sign: int
) -> Clip:
    """The clip at a path; AUTSL's file names hold the signer: "signer3_sample1_color" is by "3"."""
    below = PurePath(*place.parts[whole:]) if len(place.parts) > 1 else place
    first = below.parts[0] if splits and below.parts[1:] else ""
    split = splits.get(first) or split_of(first) or nfc(first).lower()
    folders = below.parts[1 if split else 0 : -1]
    signer = re.match(r"signer([^\W_]+)[\W_]", place.name)
    return Clip(
        name=nfc(bare(place.as_posix())),
        label=one_line(folders[sign + 1]) if len(folders) > -sign - 2 else "",
        signer=nfc(signer[1]) if signer else "",
        split=split,
        files=tuple(files),
    )


def with_groups(clips: list[Clip], sign: int | None = None) -> list[Clip]:
    """The clips with their group, by a folder or else by their names.

    `sign` is the level of the folder that names the sign, counted from the end; None if none does.
    """
    labelled = [clip for clip in clips if clip.label]
    names = [clip.name for clip in labelled]
    groups = dict(zip(names, _groups_of(labelled, sign), strict=False))
    return [clip._replace(group=groups.get(clip.name, "")) for clip in clips]


def _groups_of(clips: list[Clip], sign: int | None) -> Sequence[str]:
    """The groups of clips that have labels; empty if neither folders nor names are groups."""
    labels, split = [clip.label for clip in clips], any(clip.split for clip in clips)
    folders = [[*map(one_line, clip.name.split("/"))] for clip in clips]
    others = [parts[:-1] if sign is None else parts[:sign] + parts[sign + 1 : -1]
              for parts in folders]  # fmt: skip
    levels = []
    for level in zip(*others, strict=False):  # the levels that all have
        found = {*zip(labels, level, strict=True)}
        crossed = _mostly_repeated(label for label, _ in found)
        if sign is None:  # folders that a table gives one label are its variants
            crossed &= _mostly_repeated(folder for _, folder in found)
        if len(set(level)) > 1 and crossed and not (split and _are_splits(set(level))):
            levels.append(level)
    persons = [level for level in levels if not all(map(_is_occasion, set(level)))]
    if levels:
        return (persons or levels)[0]
    if split:  # a published split may have the same names twice
        return ()
    words = [_without_sign(words_of(clip), _words(clip.label)) for clip in clips]
    codes = _codes_of_signs(clips, words)
    # First "ali1" and "ali2" as takes of one person; else, in "p1_3" and "p2_3", as persons.
    for takes in (True, False):
        level = [_person_in(*pair, codes, takes) for pair in zip(clips, words, strict=True)]
        spelling = {plain(name): name for name in reversed(level)}
        level = [spelling[plain(name)] for name in level]
        signs_of = Counter(name for _, name in {*zip(labels, level, strict=True)})
        often = {name for name, n in signs_of.items() if name and 2 * n >= len(set(labels))}
        named = sum(name in often for name in level)
        if len(often) >= FEWEST_NAMES and named >= MOSTLY * len(clips):
            return [name or clip.name for clip, name in zip(clips, level, strict=True)]
    return ()


def _is_occasion(folder: str) -> bool:
    return bool(OCCASION.fullmatch(plain(folder)) or TAKE.fullmatch(plain(folder)))


def _mostly_repeated(names: Iterable[str]) -> bool:
    """Whether at least half of the different names occur several times."""
    counts = Counter(names).values()
    return 2 * sum(count > 1 for count in counts) >= len(counts)


def _are_splits(names: Iterable[str]) -> bool:
    found = {*splits_of(names).values()}
    return "" not in found or {"train", "test"} <= found


def _codes_of_signs(clips: Sequence[Clip], words: Sequence[list[str]]) -> set[int]:
    """Places in the words of clips' names at which each sign has a word of its own.

    Not the last place, as numbers may go on from sign to sign.
    """
    signs, codes = {clip.label for clip in clips}, set()
    for i in range(min(map(len, words), default=0) - 1):
        pairs = {(clip.label, some[i]) for clip, some in zip(clips, words, strict=True)}
        if len(pairs) == len(signs) == len({word for _, word in pairs}):
            codes.add(i)
    return codes


def _without_sign(words: list[str], sign: list[str]) -> list[str]:
    for i in range(len(words) - len(sign) + 1):
        if [*map(plain, words[i : i + len(sign)])] == [*map(plain, sign)]:
            rest = words[:i] + words[i + len(sign) :]
            # A person may be called like a sign: "deniz_0" among the clips of "deniz".
            return words if "".join(rest).isdecimal() and len(rest) == 1 else rest
    return words


def _person_in(clip: Clip, words: list[str], codes: set[int], takes: bool) -> str:
    """A person in a clip's name, from its words without sign: "ali" of "ali_hello_03".

    Words at the places of `codes` are names of signs, too. Of numbers alone the last one is left
    out. `takes`: digits at the end of a word are left out; else they need another number beside
    them, or a word for a person.
    """
    if person := PERSON_IN_NAME.search(plain(clip.last_part)):
        return person[0]
    left = [word for i, word in enumerate(words) if i not in codes]
    named = [word for word in left if not (word.isdecimal() or TAKE.fullmatch(plain(word)))]
    if not named:
        return "_".join(left[:-1])
    if takes or not (len(named) < len(words) or any(PERSON.fullmatch(plain(w)) for w in named)):
        named[-1] = named[-1].rstrip("0123456789")
    return "_".join(filter(None, named))


def words_of(clip: Clip) -> list[str]:
    """The words of a clip's own name, without those of copies: ["3"] of "3_flipped"."""
    words = _words(COPY.sub("", clip.last_part))
    return [word for word in words if not ALTERED.fullmatch(plain(word))]


def _words(name: str) -> list[str]:
    return [word for word in re.split(r"[\W_]+", name) if word]


def plain(word: str) -> str:
    """A word in small letters without accents, every i with a dot: "istanbul" of "İSTANBUL"."""
    small = word.replace(DOTLESS_I, "i").replace("İ", "i").casefold()
    letters = unicodedata.normalize("NFKD", small)
    return "".join(letter for letter in letters if not unicodedata.combining(letter))


def named_once(clips: Iterable[Clip]) -> list[Clip]:
    """Clips in natural order of their names; raises ValueError if two have the same name."""
    named: dict[str, Clip] = {}
    for clip in clips:
        other = named.setdefault(clip.name, clip)
        if other is not clip:
            raise _same_name(clip.name, other.files[0], clip.files[0])
    return [named[name] for name in in_order(named)]


def some_of(paths: Sequence, most: int = LOOKED_AT) -> Sequence:
    """Up to `most` files, or other things in a sequence, spread over all."""
    return paths[:: -(-len(paths) // most)]
