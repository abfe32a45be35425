"""Other people's recordings into a store, with a report of all that was found.

Nothing is dropped in silence: `processed/<name>/report.json` names each clip that was left out,
with the reason, and all that a reader has to know before believing a result on the store.
"""

import hashlib
import json
import re
import shutil
from pathlib import Path

import pandas as pd

from jointprune.dataset import SignDataset
from jointprune.importing.annotations import group_rule, read_table, with_labels, without_clip
from jointprune.importing.layouts import recognise, video
from jointprune.importing.layouts.naming import natural
from jointprune.importing.reading import load_recordings, load_rows, read_chunks
from jointprune.importing.report import former_import, report_of, report_path
from jointprune.recording import mirror
from jointprune.skeleton import JOINT_NAMES
from jointprune.store import arrays_on_disk, save_dataset
from jointprune.workspace import Workspace, atomic_path, held

# A signer's left hand leads if it is seen in this many times the frames of the right one.
LEFT_LEADS = 1.5
# Names of other datasets, and of profiles.
RESERVED = ("fingerspelling", "synthetic", "default", "smoke")
# Fewer groups could not be split into training, choosing and testing.
FEWEST_GROUPS = 3


def import_recordings(
    source: Path | str,
    name: str,
    workspace: Workspace,
    *,
    layout: str = "auto",
    labels: list[Path] = (),
    groups: str = "",
    aspect: float = 0.0,
    strict: bool = False,
) -> tuple[SignDataset, dict]:
    """The store `name` made of the recordings in `source`, and the report.

    Args:
        layout: one of `layouts.LAYOUTS`, or "auto".
        labels: CSV files of clip,label, where folders do not name the sign.
        groups: who signs, see `annotations.group_rule`.
        aspect: the image's width over its height; 0 if not known, which is taken as square.
        strict: raise at the first clip that cannot be used, instead of reporting it.

    An import of that name is replaced. Raises ValueError for the name of any other dataset, and
    where the source as a whole cannot be right: no layout fits, units are mixed, hands are swapped
    or pictures mirrored in most clips, or no clip can be used; ModuleNotFoundError for videos
    without MediaPipe; and BlockingIOError while another process imports under that name.
    """
    source, folder = Path(source).resolve(), workspace.processed / _checked(name)
    former_import(folder)  # raises for a dataset that is not to be replaced
    grouped, named = group_rule(groups), read_table(list(labels), "label")
    layout, found = recognise(source, layout)
    found = with_labels(found, named)
    clips = [clip for clip in found if clip.label]
    unlabelled = [clip for clip in found if not clip.label]
    if unlabelled and (strict or not clips):
        raise ValueError(
            f"{unlabelled[0].place}: expected a label, got none: name signs by folders, or pass "
            "--labels"
        )
    group_of, rule = grouped(clips)
    told = _told(clips, group_of, rule, source)
    _check_groups(pd.DataFrame(told), rule)  # now, since videos take hours
    scratch = folder.parent / f".import-{name}"
    with held(scratch, f"an import of {name!r}"):
        if layout == "video":
            clips = video.extract(clips, source, video.poses_folder(workspace, name), strict)

        chunks = read_chunks(layout, clips, aspect or 1.0, scratch, strict)
        table = _table(told, chunks)
        kept, out = table[table["reason"] == ""], table[table["reason"] != ""]
        if strict and len(out):  # read by an earlier, less strict attempt
            raise ValueError(f"{out['source_file'].iloc[0]}: {out['reason'].iloc[0]}")
        _check_source(kept, table, source)
        _check_groups(kept, rule)
        facts = {"layout": layout, "groups_by": rule}
        data = _store(kept, chunks, folder, facts)
        report = {**facts, "aspect": aspect, **report_of(table, unlabelled, data, source),
                  "labels_unused": without_clip(found, named)}  # fmt: skip
        with atomic_path(report_path(folder)) as temporary:
            text = json.dumps(report, indent=1, ensure_ascii=False)
            temporary.write_text(text + "\n", encoding="utf-8")
        shutil.rmtree(scratch)  # only now: until here an interrupted import goes on from it
    return data, report


def _checked(name: str) -> str:
    if not re.fullmatch(r"[\w-]+", name, re.ASCII) or name.lower().startswith(RESERVED):
        raise ValueError(
            f"expected a name of letters, digits, - and _ that begins with none of {RESERVED}, "
            f"got {name!r}"
        )
    return name


def _told(clips, group_of, rule, source: Path) -> list[dict]:
    """A row a clip: what its place tells, before it is read."""
    return [
        {
            "clip": clip.name,
            "label": clip.label,
            "signer": clip.signer or (group_of[clip.name] if rule == "signer" else "unknown"),
            "group": group_of[clip.name],
            "split": clip.split,
            "source_file": str(clip.place.relative_to(source)),
        }
        for clip in clips
    ]


def _table(told: list[dict], chunks: list[Path]) -> pd.DataFrame:
    """The rows with what the clips' files tell; `reason` is "" for those that are used."""
    rows = [row for path in chunks for row in load_rows(path)]
    return pd.DataFrame([{**t, "reason": "", **row} for t, row in zip(told, rows, strict=True)])


def _check_source(kept: pd.DataFrame, table: pd.DataFrame, source: Path) -> None:
    """What holds for all clips together, or the source is not what it seems."""
    if kept.empty:
        first = table.iloc[0]
        raise ValueError(
            f"{source}: expected clips that can be used, got none out of {len(table)}; the first, "
            f"{first['source_file']}: {first['reason']}"
        )
    by_unit = kept.groupby("unit")["source_file"].first()
    if len(by_unit) > 1:
        raise ValueError(
            f"{source}: expected one unit, got shares of the image in {by_unit['share']} and "
            f"pixels in {by_unit['pixel']}: import them as two datasets"
        )
    for column, what, cure in (
        ("swapped", "hands by the wrists of their own side", "swap the two hands' blocks"),
        ("mirrored", "signers' left to the right of the picture", "mirror the videos back"),
    ):
        answers = kept[column].dropna().astype(bool)
        if answers.mean() > 0.5:
            worst = kept.loc[answers.index[answers][0], "source_file"]
            raise ValueError(
                f"{source}: expected {what}, got the opposite in {answers.sum()} of {len(answers)} "
                f"clips, such as {worst}: {cure} and import again"
            )


def _check_groups(kept: pd.DataFrame, rule: str) -> None:
    """Enough groups for a fold that tests, and for choosing joints inside what it trains on."""
    groups = kept["group"].nunique()
    if groups < FEWEST_GROUPS:
        cure = (
            f"record one sign {FEWEST_GROUPS} times at least"
            if rule == "part"
            else f"record more {rule}s, or name other groups with --groups"
        )
        raise ValueError(
            f"expected at least {FEWEST_GROUPS} {rule}s that folds can keep apart, got {groups}: "
            f"{cure}"
        )
    sides = kept.groupby("split")["group"].agg(lambda groups: set(groups))
    if "test" not in sides:
        return
    train, test = sides.get("train", set()), sides["test"]
    if min(len(train), len(test)) < 2 or train & test:
        raise ValueError(
            f"expected a published split with 2 {rule}s or more on both sides, got {len(train)} in "
            f"train, {len(test)} in test, {sorted(train & test)[:5]} in both: mend --groups, or "
            "import without the split's folders"
        )


def _store(kept: pd.DataFrame, chunks: list[Path], folder: Path, facts: dict) -> SignDataset:
    """The store of the clips that are used; poses are gathered on disk, not in memory."""
    left_handed = _left_handed(kept, facts["groups_by"])
    flip = kept["signer"].isin(left_handed).to_numpy()
    frames = int(kept["frames"].max())
    with arrays_on_disk(folder, len(kept), frames, len(JOINT_NAMES)) as (poses, present):
        recordings = (recording for path in chunks for recording in load_recordings(path))
        for i, recording in enumerate(recordings):
            recording = mirror(recording) if flip[i] else recording
            own = slice(len(recording.present))
            poses[i, own], present[i, own] = recording.points, recording.present
        content = hashlib.sha256("".join(kept["content"]).encode()).hexdigest()
        meta = {
            "name": folder.name,
            "units": "shoulder widths, origin midway between the shoulders, y down",
            "normalisation": "by the shoulders, or by palms where none are seen; x and y only",
            "mirrored": left_handed,
            "trimmed": "leading and trailing frames without any hand",
            "sources": {"clips": content},
            **facts,
        }
        names = {"classes": tuple(sorted(set(kept["label"]), key=natural)), "joints": JOINT_NAMES}
        clips = kept[["clip", "label", "signer", "group", "split", "source_file", "frames",
                      "original_frames", "fps"]]  # fmt: skip
        return save_dataset(folder, poses=poses, present=present, clips=clips, meta=meta, **names)


def _left_handed(kept: pd.DataFrame, rule: str) -> list[str]:
    """Signers whose left hand leads; nobody is turned where signers are not known."""
    if rule != "signer":
        return []
    seen = pd.DataFrame(kept["seen"].tolist(), index=kept.index).groupby(kept["signer"]).sum()
    return sorted(seen.index[seen["left"] > LEFT_LEADS * seen["right"]])
