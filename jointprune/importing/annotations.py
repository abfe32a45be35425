"""Labels and groups that folder names do not give: from tables, or by a rule on clip names."""

import csv
import io
import re
from collections import Counter, defaultdict
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path, PurePosixPath

from jointprune.importing.layouts.clips import (
    RECORDINGS,
    Clip,
    bare,
    one_line,
    plain,
    split_of,
    with_groups,
    words_of,
)

# If signers are unknown, each sign's clips are divided into this many parts: enough for folds.
PARTS = 12
FIRST_ROWS = 100  # of a table, which tell its separator
# What columns of a table may be called, without capitals and accents; the first one found counts.
COLUMNS = {
    "clip": ("clip", "skel_path", "path", "file", "filename", "filepath", "landmark_file",
             "rgb_path", "video", "video_file", "video_id", "clip_id", "sample_id",
             "recording_id", "dosya", "dosya_adi"),
    "label": ("label", "sign", "gloss", "word", "class", "class_name", "kelime", "etiket",
              "isaret"),
    "signer": ("signer", "signer_id", "participant", "participant_id", "person", "subject",
               "kisi", "katilimci"),
    "split": ("split", "subset"),
}  # fmt: skip
# By clip: the values of a table's columns, such as {"label": "su", "signer": "3"}.
Table = dict[str, dict[str, str]]
# Takes clips; returns the group of each by its name, and what a group is: "signer", "folder" (above
# the sign), "name" (in the clip's name) or "part".
GroupRule = Callable[[list[Clip]], tuple[dict[str, str], str]]


def read_tables(paths: Sequence[Path], column: str, *others: str) -> Table:
    """Values by clip from CSV files of clip and `column`, and of `others` where they have them."""
    found: Table = {}
    for path in paths:
        rows = _rows(path, column)
        places = _places(rows[0] if rows else [], ("clip", column, *others))
        header, width = bool(places), len(rows[0]) if places else 2
        places = places or {"clip": 0, column: 1}
        if not any(rows[header:]):
            raise ValueError(f"{path}: expected rows of clip,{column}, got none: add them")
        for number, row in enumerate(rows[header:], start=1 + header):
            if not row:
                continue
            values = {kind: row[i] for kind, i in places.items() if len(row) == width and row[i]}
            if not {"clip", column} <= values.keys():
                raise ValueError(
                    f"{path}:{number}: expected clip,{column}, got {row}: correct the row, or call "
                    f"two columns clip and {column} in the first row"
                )
            clip = _name_in(values.pop("clip"))
            known = found.setdefault(clip, {})
            for kind, value in values.items():
                if known.setdefault(kind, value) != value:
                    raise ValueError(
                        f"{path}:{number}: expected one {kind} for the clip {clip!r}, got "
                        f"{known[kind]!r} and {value!r}: remove one"
                    )
    return found


def _places(row: list[str], kinds: tuple[str, ...]) -> dict[str, int]:
    """Where a table has its columns, if this is a header; {} if it is not.

    A header begins with "clip", or names a column of clips and one of the second kind.
    """
    names = [re.sub("[ -]", "_", plain(cell)) for cell in row]
    places = {}
    for kind in kinds:
        for name in COLUMNS[kind]:
            if name in names:
                places.setdefault(kind, names.index(name))
    if {*kinds[:2]} <= places.keys():
        return places
    return {"clip": 0, kinds[1]: 1} if names[:1] == ["clip"] and len(names) == 2 else {}


def _rows(path: Path, column: str) -> list[list[str]]:
    """The cells of a CSV file, separated by the mark that gives most rows as many cells."""
    try:
        text = path.read_bytes().decode("utf-8-sig")
        first = text.splitlines()[:FIRST_ROWS]
        mark = max(",;\t", key=lambda mark: _same_width(first, mark))
        rows = [*csv.reader(io.StringIO(text, newline=""), delimiter=mark)]
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise ValueError(
            f"{path}: expected a CSV file in UTF-8 of clip,{column}, got {error}: save it again"
        ) from error
    return [[one_line(cell) for cell in row] for row in rows]


def _same_width(lines: list[str], mark: str) -> int:
    """How many lines a mark divides into the same number of cells, of 2 or more."""
    widths = Counter()
    with suppress(csv.Error):
        widths.update(len(row) for row in csv.reader(lines, delimiter=mark) if len(row) > 1)
    return max(widths.values(), default=0)


def label_rule(labels: Sequence[Path | str]) -> tuple[str, list[Path]]:
    """The pattern in `pattern:REGEX` ("" without), and the tables among `labels`."""
    patterns = [str(label) for label in labels if str(label).startswith("pattern:")]
    if patterns and len(labels) > 1:
        raise ValueError(
            f"expected tables of clip,label or one pattern, got {[*map(str, labels)]}: choose"
        )
    if patterns:
        return patterns[0].removeprefix("pattern:"), []
    return "", [Path(label) for label in labels]


def _name_in(cell: str) -> str:
    """A clip's name from its name in a table, which may be the path of a file made of it."""
    name = cell.replace("\\", "/").removeprefix("./")
    suffix = PurePosixPath(name).suffix
    known = suffix.lower() in (*RECORDINGS, ".csv", ".json")
    return bare(name.removesuffix(suffix) if known else name)


def with_labels(clips: list[Clip], table: Table, pattern: str = "") -> list[Clip]:
    """The clips with labels, and perhaps signers and splits, from a table (see `_names_of`).

    Or with labels from a pattern, whose first bracket matches the label in a clip's name. Groups
    follow from folders and names again, now that the labels are known.
    """
    if pattern:
        in_name = _by_pattern(pattern, "sign")
        return with_groups([c._replace(label=one_line(in_name(c.name))) for c in clips])
    if not table:
        return clips
    names, labelled = _names_of(table, clips), []
    columns = {kind for values in table.values() for kind in values}
    # Other splits, such as "fold 1", are none of training and test.
    if not all(split_of(values["split"]) for values in table.values() if "split" in values):
        columns.remove("split")
    for clip in clips:
        values = table.get(names.get(clip.name), {})
        values = {kind: values.get(kind, "") for kind in columns}
        if "split" in values:
            values["split"] = split_of(values["split"])
        labelled.append(clip._replace(**values))
    if not any(clip.label for clip in labelled):
        raise ValueError(
            f"expected labels for clips such as {clips[0].name!r}, got names such as "
            f"{next(iter(table))!r}: the first column has to name clips as their files do"
        )
    return with_groups(labelled)


def without_clip(clips: list[Clip], table: Table) -> list[str]:
    """Names with a label but without a clip: recordings that are missing."""
    known = {*_names_of(table, clips).values()}
    return [name for name in table if name not in known]


def group_rule(groups: str) -> GroupRule:
    """The rule that groups clips; `groups` is checked before any clip is read.

    `groups` is "" for the signers that the layout gives, else folders beside the signs, else names
    in those of the clips, else parts; a CSV file of clip,signer; "blocks:N" for numbered
    recordings, N in a row by each signer; or "pattern:REGEX", whose first bracket matches the
    signer in a clip's name. The rule raises ValueError for clips without a signer, and for groups
    that separate clips of a signer whom the layout gives.
    """
    signers_of = _signer_rule(groups)

    def rule(clips: list[Clip]) -> tuple[dict[str, str], str]:
        signers = signers_of(clips)
        without = [name for name, signer in signers.items() if not signer]
        if not groups and len(without) == len(clips):
            if all(clip.group for clip in clips):
                in_folder = clips[0].group in map(one_line, clips[0].name.split("/")[:-1])
                return {clip.name: clip.group for clip in clips}, "folder" if in_folder else "name"
            return parts(clips), "part"
        if without:
            how = f"by --groups {groups!r}" if groups else "as some clips have one"
            known = "".join([f" ({name!r} has {s!r})" for name, s in signers.items() if s][:1])
            raise ValueError(
                f"expected a signer for every clip, {how}, got {len(without)} without, such as "
                f"{without[0]!r}{known}: name them in a CSV file of clip,signer, or in all rows of "
                "the column signer of a table of labels"
            )
        groups_of = defaultdict(set)
        for clip in clips:
            groups_of[clip.signer or signers[clip.name]].add(signers[clip.name])
        for signer, several in groups_of.items():
            if len(several) > 1:
                raise ValueError(
                    f"expected --groups {groups!r} to keep the clips of a signer together, got "
                    f"signer {signer!r} in {sorted(several)[:5]}: leave out --groups, as the "
                    "recordings' names or the table of labels give signers, or correct it"
                )
        return signers, "signer"

    return rule


def _signer_rule(groups: str) -> Callable[[list[Clip]], dict[str, str]]:
    """A function that returns each clip's signer by the clip's name; "" for a clip without one."""
    kind, _, argument = groups.partition(":")
    if not groups:
        return lambda clips: {clip.name: clip.signer for clip in clips}
    if kind == "blocks":
        if not argument.isdecimal() or int(argument) < 1:
            raise ValueError(
                f"expected blocks:N with N of 1 or more, got {groups!r}: give a number"
            )
        return lambda clips: _blocks(clips, int(argument))
    if kind == "pattern":
        in_name = _by_pattern(argument, "signer")
        return lambda clips: {clip.name: in_name(clip.name) for clip in clips}
    if not Path(groups).is_file():
        raise ValueError(
            "expected --groups to be a CSV file of clip,signer, blocks:N or pattern:REGEX, got "
            f"{groups!r}, which is none of these: is the file there?"
        )
    table = read_tables([Path(groups)], "signer")

    def by_table(clips: list[Clip]) -> dict[str, str]:
        named = {clip: table[name]["signer"] for clip, name in _names_of(table, clips).items()}
        return {clip.name: named.get(clip.name, "") for clip in clips}

    return by_table


def _by_pattern(expression: str, what: str) -> Callable[[str], str]:
    """A function that returns what the first bracket of a pattern matches in a name, or ""."""
    try:
        pattern = re.compile(expression)
    except re.error as error:
        raise ValueError(f"expected a regular expression, got {expression!r}: {error}") from error
    if pattern.groups < 1:
        raise ValueError(f"expected a bracket around the {what}, got {expression!r}: add ( )")
    return lambda name: (match[1] or "") if (match := pattern.search(name)) else ""


def _blocks(clips: list[Clip], size: int) -> dict[str, str]:
    """Signers from the number at the end of a clip's name: `size` successive numbers each."""
    numbers = {clip.name: clip.last_part for clip in clips}
    if odd := [name for name, number in numbers.items() if not number.isdecimal()]:
        raise ValueError(
            f"expected recordings named by a number, got {odd[0]!r}: name signers in a CSV file"
        )
    first = min(map(int, numbers.values()))
    return {n: f"signer {1 + (int(number) - first) // size}" for n, number in numbers.items()}


def parts(clips: list[Clip]) -> dict[str, str]:
    """Each sign's clips, in order, divided into PARTS runs of neighbours: "part 1", "part 2", ...

    Each side of a published split is divided separately: "test part 1". Neighbours were often
    recorded in one session, so they stay together, and so do a clip and its copies ("3_flipped").
    Signers are not separated.
    """
    by_sign = defaultdict(list)
    for clip in clips:
        by_sign[clip.label, clip.split].append(clip)
    found = {}
    for some in by_sign.values():
        count, first = min(PARTS, len(some)), {}
        for i, clip in enumerate(some):
            words = words_of(clip)  # of a take, if one has a digit: else "good (1)" is no copy
            take = any(not word.isalpha() for word in words)
            i = first.setdefault(
                (PurePosixPath(clip.name).parent, *words) if take else clip.name, i
            )
            found[clip.name] = f"{clip.split} part {1 + count * i // len(some)}".strip()
    return found


def _names_of(table: Table, clips: list[Clip]) -> dict[str, str]:
    """The name in a table for each clip's name.

    They are equal, or one ends with the whole other. If there are no such names, they have the
    last part in common, which no other clip and no other name in the table has, and no folders of
    different splits. ValueError for a name that means several clips, and for a clip that names with
    several values mean.
    """
    ends = defaultdict(list)
    for clip in clips:
        for end in _ends(clip.name):
            ends[end].append(clip.name)
    whole, found = {clip.name for clip in clips}, {}
    means = {
        name: next(([end] for end in _ends(name) if end in whole), ends.get(name, []))
        for name in table
    }
    if not any(means.values()):
        lasts = Counter(_ends(name)[-1] for name in table)
        for name in table:
            alike = ends.get(last := _ends(name)[-1], [])
            if len(alike) == lasts[last] == 1 and _split_in(name) in ("", _split_in(alike[0])):
                means[name] = alike
    for name, meant in means.items():
        if len(meant) > 1:
            raise ValueError(
                f"expected names that each mean one clip, got {name!r} for {meant[0]!r} and "
                f"{meant[1]!r}: write paths below the folder, or name signs with --labels "
                "'pattern:REGEX' and signers with --groups 'pattern:REGEX'"
            )
        for clip in meant:
            other = found.setdefault(clip, name)
            if table[other] != table[name]:
                values = " and ".join(", ".join(table[n].values()) for n in (other, name))
                raise ValueError(
                    f"expected one name for the clip {clip!r}, got {other!r} and {name!r} with "
                    f"{values}: import the folder above"
                )
    return found


def _split_in(name: str) -> str:
    """The split that one of a name's folders says, or ""."""
    return next(filter(None, map(split_of, name.split("/")[:-1])), "")


def _ends(name: str) -> list[str]:
    """A name, and what remains without its first folder, first two folders and so on."""
    parts = name.split("/")
    return ["/".join(parts[i:]) for i in range(len(parts))]
