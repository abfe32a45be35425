"""Which of two levels of folders names the signs: `<person>/<sign>`, or `<sign>/<person>`?

Names of folders do not tell. The hands do: a sign is the same with another person, while a person
is hardly known by the hands of another sign (data/README.md has what was measured).
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

LOOKED_AT = 500  # clips, evenly over all
FRAMES = 8  # of each clip
# The folders above are the signs if clips are recognised by them over CLEARLY, and TIMES as well as
# by those below. One clip for each pair of folders shows too little.
CLEARLY, TIMES, TAKES = 0.3, 4, 2


def other_order(clips: pd.DataFrame) -> str:
    """Options that exchange what the folders above and below name; "" if not both name something.

    Columns of `clips`: clip (its path), label and group.
    """
    first = clips.iloc[0]
    folders = [one_line(folder) for folder in first["clip"].split("/")[:-1]]
    label, group = one_line(first["label"]), one_line(first["group"])
    if label == group or not {label, group} <= {*folders}:
        return ""
    sign, other = (
        f"'pattern:^{'[^/]+/' * folders.index(name)}([^/]+)/'" for name in (group, label)
    )
    return f"--labels {sign} --groups {other}"


def groups_are_signs(clips: pd.DataFrame, chunks: Iterable[Path]) -> bool:
    """Whether hands say clearly that the groups of clips name the signs, and not the labels.

    Columns of `clips`, whose index counts the recordings of the chunks: clip, label, group, split.
    """
    takes = clips.groupby(["label", "group"]).size().median()
    if any(clips["split"]) or takes < TAKES or not other_order(clips):
        return False
    some = clips.iloc[:: -(-len(clips) // LOOKED_AT)]
    wanted = set(some.index)
    recordings = chain.from_iterable(map(load_recordings, chunks))
    shapes = np.stack([_shapes(clip) for i, clip in enumerate(recordings) if i in wanted])
    by_label = recognised(shapes, some["label"], some["group"])
    by_group = recognised(shapes, some["group"], some["label"])
    return by_group > max(CLEARLY, TIMES * by_label)


def recognised(shapes: np.ndarray, names: Sequence[str], others: Sequence[str]) -> float:
    """How well the nearest clip under another of the `others` has a clip's name.

    Balanced accuracy, scaled so that 0 is chance and 1 perfect. `shapes` are (clips, features).
    """
    names, others = np.asarray(names, str), np.asarray(others, str)
    nearest = KNeighborsClassifier(1)
    found = cross_val_predict(nearest, shapes, names, groups=others, cv=LeaveOneGroupOut())
    return balanced_accuracy_score(names, found, adjusted=True)


def _shapes(recording: Recording) -> np.ndarray:
    """Both hands in some frames, each from its own wrist and by its own extent; 0 where missing."""
    frames = np.linspace(0, len(recording.points) - 1, FRAMES).round().astype(int)
    hands = recording.points[frames].reshape(FRAMES, len(HANDS), len(JOINTS), 2)
    hands = hands - hands[:, :, :1]
    extent = np.ptp(hands, axis=2, keepdims=True).max(axis=-1, keepdims=True)
    return (hands / np.maximum(extent, np.finfo(np.float32).tiny)).ravel()
