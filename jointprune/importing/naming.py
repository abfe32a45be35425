"""Which word of a path is the sign, of `ali` and `su` in `ali/su/1` or `ali/su_1`?

The hands tell: a sign is the same with another person, while a person is hardly known by the hands
of another sign (data/README.md has what was measured).
"""

from collections.abc import Iterable, Sequence
from itertools import chain
from pathlib import Path

import numpy as np
import pandas as pd
from sklearn.metrics import balanced_accuracy_score
from sklearn.model_selection import LeaveOneGroupOut, cross_val_predict
from sklearn.neighbors import KNeighborsClassifier

from jointprune.importing.layouts.clips import one_line
from jointprune.importing.reading import load_recordings
from jointprune.recordings import Recording
from jointprune.skeleton import HANDS, JOINTS

LOOKED_AT = 1000  # clips, drawn from all
FRAMES = 8  # of each clip
# One of both is the sign if clips are recognised by it over CLEARLY, and TIMES as well as by the
# other, in shape and in movement. One clip for each pair of both shows too little.
CLEARLY, TIMES, TAKES = 0.3, 4, 2


def other_order(clips: pd.DataFrame) -> str:
    """Options that exchange labels and groups; "" if paths do not have both at one place each.

    Columns of `clips`: clip (its path), label and group.
    """
    first = clips.iloc[0]
    folders = [one_line(folder) for folder in first["clip"].split("/")[:-1]]
    patterns = []
    for column in ("group", "label"):
        pattern = r"[^/]*/[\d\W_]*([^/]*?)[\d\W_]*$"  # of a name beside the clip's numbers
        if (name := one_line(first[column])) in folders:
            pattern = f"^{'[^/]+/' * folders.index(name)}([^/]+)/"
        found = clips["clip"].str.extract(pattern)[0].map(one_line, na_action="ignore")
        patterns.append(f"'pattern:{pattern}'")
        if not found.equals(clips[column].map(one_line)):
            return ""
    return "--labels {} --groups {}".format(*patterns) if len(set(patterns)) == 2 else ""


def all_name_groups(clips: pd.DataFrame) -> bool:
    """Whether every clip's path names its group; a clip that names none is its own."""
    return not clips["group"].str.contains("/").any()


def signs_by_hands(clips: pd.DataFrame, chunks: Iterable[Path]) -> str:
    """What hands clearly say to be the sign: the clips' "label", their "group", or "" for neither.

    Columns of `clips`, whose index counts the recordings of the chunks: clip, label, group, split.
    """
    takes = clips.groupby(["label", "group"]).size().median()
    some = clips.sample(min(len(clips), LOOKED_AT), random_state=0).sort_index()
    few = some[["label", "group"]].nunique().min() < 2  # a rare one may not be among them
    if not all_name_groups(clips) or few or any(clips["split"]) or takes < TAKES:
        return ""
    wanted = set(some.index)
    recordings = chain.from_iterable(map(load_recordings, chunks))
    looks = zip(*(_looks(clip) for i, clip in enumerate(recordings) if i in wanted), strict=True)
    shapes, ways = map(np.stack, looks)
    pairs = (("label", "group"), ("group", "label"))
    found = {
        sign: [recognised(look, some[sign], some[other]) for look in (shapes, ways)]
        for sign, other in pairs
    }
    for sign, other in pairs:
        if found[sign][0] > max(CLEARLY, TIMES * max(found[other])):
            return sign
    return ""


def recognised(looks: np.ndarray, names: Sequence[str], others: Sequence[str]) -> float:
    """How well the nearest clip under another of the `others` has a clip's name.

    Balanced accuracy, scaled so that 0 is chance and 1 perfect. `looks` are (clips, features).
    """
    names, others = np.asarray(names, str), np.asarray(others, str)
    nearest = KNeighborsClassifier(1)
    found = cross_val_predict(nearest, looks, names, groups=others, cv=LeaveOneGroupOut())
    return balanced_accuracy_score(names, found, adjusted=True)


def _looks(recording: Recording) -> tuple[np.ndarray, np.ndarray]:
    """Shape and way of both hands in some frames, flattened; 0 where a hand is missing.

    Joints are measured from the own wrist and by the hand's extent, wrists from the first frame.
    """
    frames = np.linspace(0, len(recording.points) - 1, FRAMES).round().astype(int)
    hands = recording.points[frames].reshape(FRAMES, len(HANDS), len(JOINTS), 2)
    seen = recording.present[frames].reshape(FRAMES, len(HANDS), len(JOINTS), 1)[:, :, :1]
    wrists, hands = hands[:, :, :1], hands - hands[:, :, :1]
    extent = np.ptp(hands, axis=2, keepdims=True).max(axis=-1, keepdims=True)
    shapes = hands / np.maximum(extent, np.finfo(np.float32).tiny)
    return shapes.ravel(), np.where(seen & seen[:1], wrists - wrists[:1], 0).ravel()
