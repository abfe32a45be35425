"""Turn other people's recordings into a data set, with a report of all that was found.

No clip is dropped silently: `processed/<name>/report.json` names each clip that was left out,
with the reason, and everything else that a reader must know to trust results on the data set.
"""

import hashlib
import json
import os
import re
import shutil
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path

import numpy as np
import pandas as pd

from jointprune.dataset import SignDataset
from jointprune.importing import annotations, reading
from jointprune.importing.layouts import LAYOUTS, asl_signs, recognise, video
from jointprune.importing.layouts.clips import (
    MOSTLY,
    PERSON,
    RECORDINGS,
    Clip,
    Files,
    in_order,
    nfc,
    one_line,
    plain,
    some_of,
    splits_of,
)
from jointprune.importing.layouts.sides import in_order_of_detection
from jointprune.importing.layouts.values import Raw, hands_seen
from jointprune.importing.naming import all_name_groups, other_order, signs_by_hands
from jointprune.importing.report import report_of
from jointprune.recordings import PERSONS, leading_hands, mirror
from jointprune.skeleton import JOINT_NAMES
from jointprune.store import COLUMNS, arrays_on_disk, report_path, save_dataset
from jointprune.workspace import Workspace, atomic_path, held

# Names of other data sets, and of profiles of the notebooks.
RESERVED = ("fingerspelling", "synthetic", "default", "smoke")
ARCHIVES = (".zip", ".rar", ".7z", ".tar", ".gz", ".tgz")
# Folds need groups to train on, to choose joints on and to test on.
FEWEST_GROUPS = 3
# Layouts in which hands may be in the order of their detection.
VECTORS = ("arrays", "mp-data")
# Layouts whose files may hold a part of a recording each, as in KArSL, and names of such a part.
IN_PARTS = (*VECTORS, "hand-tables")
PART_OF_BODY = re.compile(
    r"(?:.*?[\W_])??(?P<part>(?:(?:(?:left|right)[ _-]?)?hands?(?:[ _-]?(?:left|right))?|[lr]h"
    r"|left|right|pose|face|body)(?:[ _-]?(?:keypoints|landmarks))?)(?:[\W_].*)?"
)


def import_recordings(
    source: Path | str,
    name: str,
    workspace: Workspace,
    *,
    layout: str = "auto",
    labels: Sequence[Path | str] = (),
    groups: str = "",
    group_word: str = "",
    aspect: float = 0.0,
    leading_hand: str = "clip",
    keep_contradictions: bool = False,
    origin: Mapping[str, str] | None = None,
) -> tuple[SignDataset, dict]:
    """Make the data set `name` from the recordings in a folder; returns it and its report.

    An earlier import of that name is replaced; an interrupted one continues. `layout` is one of
    `layouts.LAYOUTS` or "auto". `labels` are CSV files of clip,label (signer and split too, if
    they have such columns), or "pattern:REGEX", whose first bracket matches the sign in a clip's
    name. `groups` says how to find signers (see `annotations.group_rule`), `group_word` what a
    group is ("session"), `aspect` is the image's width over its height (0: unknown, taken as
    square). `leading_hand` is one of `recordings.LEADING`: how the hand is found that is put on the
    right. Without `labels` and `groups` the hands decide which words of paths are signs where two
    kinds could be (see `naming`). An unusable clip is left out and reported, and so is a recording
    under several labels, unless `keep_contradictions`. `origin` is noted in `meta.json`: title,
    source and licence of a public data set.

    Raises ValueError if `name` belongs to a data set that is not an import, or if the recordings
    together show wrong units, swapped hands, one sign only or too few groups; ModuleNotFoundError
    for videos without MediaPipe; BlockingIOError while another process imports under the same name.
    """
    if not re.fullmatch(r"[\w-]+", name, re.ASCII) or name.lower().startswith(RESERVED):
        raise ValueError(
            f"expected a name of letters, digits, - and _ that begins with none of {RESERVED}, "
            f"got {name!r}"
        )
    source, folder = Path(source).resolve(), workspace.processed / name
    _check_replaceable(folder)
    group = annotations.group_rule(groups)
    pattern, tables = annotations.label_rule(labels)
    named = annotations.read_tables(tables, "label", "signer", "split")
    layout, found, files = recognise(source, layout, [*tables, Path(groups)])
    found = annotations.with_labels(found, named, pattern)
    clips = [clip for clip in found if clip.label]
    unlabelled = [clip for clip in found if not clip.label]
    if not clips:
        raise ValueError(
            f"{unlabelled[0].place}: expected a label, got none: name signs by folders, or pass "
            "--labels with a CSV file of clip,label, or such as 'pattern:^([^_]+)_'"
        )
    read = LAYOUTS[layout].read
    if layout in IN_PARTS:
        _check_whole(clips, bool(labels), read)
    group_of, rule = group(clips)
    by_path = not labels and rule in ("folder", "name")
    rule = rule if rule == "part" else group_word or rule
    known = _known(clips, group_of, rule, source)
    exchanged = not labels and not groups and _are_persons(known["label"])
    if exchanged:
        known = _without_persons(known, rule, by_path)
    _check_enough(known, rule)  # before `extract`, which takes hours for videos
    scratch = folder.parent / f".import-{name}"
    with held(scratch, f"an import of {name!r}"):
        facts = {"layout": layout, "groups_by": rule, "origin": dict(origin or {})}
        if layout == "video":
            poses = video.poses_folder(workspace, name)
            clips, facts["mediapipe"] = video.extract(clips, source, poses)
        detected = layout in VECTORS and in_order_of_detection(read, clips)
        chunks = reading.read_chunks(layout, clips, aspect or 1.0, detected, scratch)
        rows = [{"reason": "", **row} for path in chunks for row in reading.load_rows(path)]
        table = known.join(pd.DataFrame(rows))
        _check_source(_usable(table, source), source)
        sign = ""
        if by_path and not exchanged:
            sign = signs_by_hands(_usable(table, source), chunks)
        table = _exchanged(table, rule) if sign == "group" else table
        if not keep_contradictions:
            contradicted(table)
        kept = _usable(table, source)
        _check_enough(kept, rule)
        hand = leading_hands(kept, leading_hand)
        data = _store(kept, hand["leads"], chunks, folder, facts)
        found_out = report_of(table, unlabelled, data, source)
        unmatched, other_kinds = unread(files, found, layout)
        report = {**facts, "aspect": aspect, **found_out,
                  "leading_hand": hand["by"].value_counts().to_dict(),
                  "mirrored": int((hand["leads"] == "left").sum()),
                  "detected": detected,
                  "exchanged": exchanged or sign == "group",
                  "other_order": other_order(kept) if by_path and sign != "label" else "",
                  "unmatched": unmatched,
                  "other_kinds": other_kinds,
                  "labels_unused": annotations.without_clip(found, named)}  # fmt: skip
        with atomic_path(report_path(folder)) as temporary:
            text = json.dumps(report, indent=1, ensure_ascii=False)
            temporary.write_text(text + "\n", encoding="utf-8")
        # Only now: an interrupted import continues from it. `held` removes what stays.
        shutil.rmtree(scratch, ignore_errors=True)
    return data, report


def _check_replaceable(folder: Path) -> None:
    """Raise ValueError for a data set that is not an import: an import must not replace it."""
    try:
        meta = json.loads((folder / "meta.json").read_bytes())
    except (OSError, ValueError):  # no store, or one too damaged to tell what it is
        return
    if "layout" not in meta:
        raise ValueError(
            f"expected a name that is free or an import's, got {folder.name!r}, a data set made "
            "otherwise: choose another --name"
        )


def _check_whole(clips: list[Clip], named: bool, read: Callable[[Clip], Raw]) -> None:
    """Raise ValueError if most clips differ from another in the name of a part of a body alone.

    If labels do not come from paths, they are the same for both. Folders "left" and "right" may be
    signs, and files of these names views, which show a body or both hands.
    """
    found = defaultdict(dict)
    for clip in clips:
        path, parts = [plain(name) for name in clip.name.split("/")], []
        for level, name in enumerate(path):
            match, file = PART_OF_BODY.fullmatch(name), level == len(path) - 1
            if match and (file or match["part"] == name not in ("left", "right")):
                path[level] = f"{name[: match.start('part')]}*{name[match.end('part') :]}"
                parts.append(match["part"])
        if parts:
            found[(*path, clip.label if named else "")][*parts] = clip
    several = [some for some in found.values() if len(some) > 1]
    enough = sum(map(len, found.values())) >= MOSTLY * len(clips)  # else they are signs, too
    if not enough or 2 * sum(map(len, several)) <= len(clips):
        return
    if not any(_shows_more(clip, read) for some in some_of(several) for clip in some.values()):
        example = ", ".join(clip.name for clip in several[0].values())
        raise ValueError(
            f"expected both hands of a recording in one file, got {example}: save them as one "
            "array (frames, 42, 2 or 3), left first, or name the signs with --labels"
        )


def _shows_more(clip: Clip, read: Callable[[Clip], Raw]) -> bool:
    """Whether a file holds more than a hand; what cannot be read is no whole recording."""
    try:
        raw = read(clip)
    except (ValueError, OSError):
        return False
    both = hands_seen(raw.hands[..., :2], raw.confidence).all(axis=1)
    return bool(np.isfinite(raw.body).any() or both.any())


def _known(clips: list[Clip], group_of: dict[str, str], rule: str, source: Path) -> pd.DataFrame:
    """What is known of each clip before it is read."""
    rows = [
        {
            "clip": clip.name,
            "label": clip.label,
            "signer": clip.signer or (group_of[clip.name] if rule in PERSONS else "unknown"),
            "group": group_of[clip.name],
            "split": clip.split,
            "source_file": nfc(str(clip.place.relative_to(source))),
        }
        for clip in clips
    ]
    return pd.DataFrame(rows)


def _exchanged(table: pd.DataFrame, rule: str) -> pd.DataFrame:
    """The clips with groups as labels and labels as groups."""
    table = table.assign(label=table["group"].map(one_line), group=table["label"])
    return table.assign(signer=table["group"]) if rule in PERSONS else table


def _are_persons(names: Iterable[str]) -> bool:
    return all(PERSON.fullmatch(plain(name)) for name in names)


def _without_persons(known: pd.DataFrame, rule: str, by_path: bool) -> pd.DataFrame:
    """The clips with groups as labels, as the labels are "user1" and alike; ValueError if none."""
    if not by_path or not all_name_groups(known) or _are_persons(known["group"]):
        raise ValueError(
            f"expected signs, got {sorted(set(known['label']))}, names of persons: name signs "
            "with --labels 'pattern:REGEX' and persons with --groups 'pattern:REGEX'"
        )
    return _exchanged(known, rule)


def _usable(table: pd.DataFrame, source: Path) -> pd.DataFrame:
    """The rows of clips that are not left out; ValueError with the first reason if all are."""
    kept = table[table["reason"] == ""]
    if kept.empty:
        first = table.iloc[0]
        raise ValueError(
            f"{source}: expected clips that can be used, got none of {len(table)}; the first, "
            f"{first['source_file']}: {first['reason']}"
        )
    return kept


def _check_source(kept: pd.DataFrame, source: Path) -> None:
    """Raise ValueError for mixed units, another order of joints, swapped hands, mirrored videos."""
    by_unit = kept.groupby("unit")["source_file"].first()
    if len(by_unit) > 1:
        raise ValueError(
            f"{source}: expected one unit, got image fractions in {by_unit['share']} and "
            f"pixels in {by_unit['pixel']}: import them as two data sets"
        )
    if (bones := kept["bones"].median()) > reading.LONGEST_BONES:
        raise ValueError(
            f"{source}: expected a hand's joints in MediaPipe's order (wrist, then each finger "
            f"from base to tip, thumb first), got bones of {bones:.1f} times the hand's extent, "
            f"over {reading.LONGEST_BONES:g} (most hands have 4.8): put the joints in order"
        )
    if (apart := kept["apart"].median()) < reading.LEAST_APART:
        raise ValueError(
            f"{source}: expected x and y of each joint in turn, got numbers that hardly differ "
            f"(by {apart:.2f} of a hand's extent, most hands by 1): put them in order"
        )
    for column, expected, cure in (
        ("swapped", "hands by the wrists of their own side", "swap the two hands' blocks"),
        ("astray", "the wrist, a hand's first joint, at the arm's end", "put the joints in order"),
        ("mirrored", "signers' left to the right of the picture", "mirror the videos back"),
    ):
        answers = kept[column].dropna().astype(bool)
        if answers.mean() > 0.5:
            example = kept.loc[answers.idxmax(), "source_file"]
            raise ValueError(
                f"{source}: expected {expected}, got the opposite in {answers.sum()} of "
                f"{len(answers)} clips, such as {example}: {cure} and import again"
            )


def _check_enough(kept: pd.DataFrame, rule: str) -> None:
    """Raise ValueError for one sign only, or too few groups to train, choose joints and test."""
    if len(signs := sorted(set(kept["label"]))) < 2:
        raise ValueError(
            f"expected at least 2 signs to tell apart, got {signs}: record another sign, or name "
            "the signs with --labels"
        )
    if all(splits_of(signs).values()):
        raise ValueError(
            f"expected signs, got {signs}, which are names of splits: put the folders of splits "
            "above those of signs, or name the signs with --labels"
        )
    groups = kept["group"].nunique()
    if groups < FEWEST_GROUPS:
        cure = f"record more {rule}s, or name other groups with --groups"
        if rule == "part":
            cure = f"record one sign at least {FEWEST_GROUPS} times"
        else:
            files = [*kept["source_file"]]
            place = os.path.join(os.path.commonpath(files), kept["group"].iloc[0])
            if files[0].startswith(f"{place}/"):  # the group is the first folder that differs
                cure += f"; or import {place!r} alone"
        raise ValueError(
            f"expected at least {FEWEST_GROUPS} {rule}s that folds can keep apart, got {groups}: "
            f"{cure}"
        )
    train, test = (set(kept.loc[kept["split"] == side, "group"]) for side in ("train", "test"))
    if test and (min(len(train), len(test)) < 2 or train & test):
        raise ValueError(
            f"expected a published split with 2 {rule}s or more on both sides, got {len(train)} in "
            f"train, {len(test)} in test, {sorted(train & test)[:5]} in both: change --groups, or "
            "import without the split's folders or column"
        )


def contradicted(table: pd.DataFrame) -> None:
    """Give recordings that occur under several labels a reason to be left out."""
    usable = table[table["reason"] == ""]
    same, labels = reading.same_recording(usable["sketch"]), usable["label"].to_numpy()
    for clip in np.flatnonzero(np.diff(same.indptr) > 1):  # it is among those that equal it
        names = sorted({*labels[same.indices[same.indptr[clip] : same.indptr[clip + 1]]]})
        if len(names) > 1:
            reason = f"the same recording has the labels {names}"
            table.loc[usable.index[clip], "reason"] = reason


def unread(files: Files, clips: list[Clip], layout: str) -> tuple[list[dict], dict[str, int]]:
    """Files and folders that may hold recordings but are of no clip, with the reason.

    And the number of files of each other suffix, unless clips have it; a layout's own `train.csv`
    is read.
    """
    used = {str(file) for clip in clips for file in clip.files}
    of_clips = {clip.files[0].suffix.lower() for clip in clips}
    own = files.source / asl_signs.TABLE
    astray, kinds = dict(files.unread), {}
    for suffix, found in files.by_suffix.items():
        if suffix in ARCHIVES:
            astray |= dict.fromkeys(found, "is an archive: unpack it and import again")
        elif suffix in RECORDINGS:
            others = (file for file in found if str(file) not in used)
            astray |= dict.fromkeys(others, f"is not where the layout {layout} expects recordings")
        elif suffix not in of_clips and (count := sum(file != own for file in found)):
            kinds[suffix or "without suffix"] = count
    unmatched = [
        {"source_file": nfc(str(path.relative_to(files.source))), "reason": astray[path]}
        for path in sorted(astray)
    ]
    return unmatched, kinds


def _store(
    kept: pd.DataFrame, leading: pd.Series, chunks: list[Path], folder: Path, facts: dict
) -> SignDataset:
    """The data set of the usable clips; poses are gathered on disk, not in memory."""
    frames = int(kept["frames"].max())
    with arrays_on_disk(folder, len(kept), frames, len(JOINT_NAMES)) as (poses, present):
        recordings = (recording for path in chunks for recording in reading.load_recordings(path))
        wanted = ((leading[i], recording) for i, recording in enumerate(recordings) if i in leading)
        for i, (hand, recording) in enumerate(wanted):
            recording = mirror(recording) if hand == "left" else recording
            own = slice(len(recording.present))
            poses[i, own], present[i, own] = recording.points, recording.present
        content = hashlib.sha256("".join(kept["content"]).encode()).hexdigest()
        meta = {
            "name": folder.name,
            "units": "shoulder widths, origin midway between the shoulders, y down",
            "normalisation": "by the shoulders, or by palms where none are seen; x and y only",
            "mirrored": "clips in which the left hand leads, so that the right one does in all",
            "trimmed": "leading and trailing frames without any hand",
            "sources": {"clips": content},
            **facts,
        }
        clips = kept.assign(leading_hand=leading)[list(COLUMNS)]
        classes = tuple(in_order(set(kept["label"])))
        return save_dataset(folder, poses=poses, present=present, clips=clips, meta=meta,
                            classes=classes, joints=JOINT_NAMES)  # fmt: skip
