"""A stand-in of AUTSL's shape, to rehearse its size: synthetic motion, its counts, assumed lengths.

AUTSL cannot be shipped. Counts of clips, signs, signers and splits are its authors' (Sincan and
Keles 2020, IEEE Access 8); lengths of clips are not published, and the ones here are assumed.
"""

from typing import NamedTuple

import numpy as np
import pandas as pd

from jointprune.dataset import SignDataset
from jointprune.paper.synthetic import SyntheticParameters, record
from jointprune.workspace import Workspace

SIGNS, SIGNERS = 226, 43
ASSUMED_FRAMES = (32, 96)
INFORMATIVE = 10  # the fewest joints that tell 226 signs apart


class Split(NamedTuple):
    """Clips of a published split, who signs them, and how many a sign has."""

    clips: int
    signers: tuple[int, ...]
    a_sign: tuple[int, int, int]  # fewest, median, most


VAL, TEST = (1, 11, 16, 18, 25, 35), (6, 14, 27, 30, 34, 39)
TRAIN = tuple(s for s in range(SIGNERS) if s not in (*VAL, *TEST))
AUTSL = {
    "train": Split(28142, TRAIN, (90, 126, 127)),
    "val": Split(4418, VAL, (12, 20, 20)),
    "test": Split(3742, TEST, (10, 17, 17)),
}


def autsl_like(workspace: Workspace, share: float = 1.0) -> SignDataset:
    """The store "synthetic-autsl", or "synthetic-autsl-0.25" of that `share` of each sign's clips."""
    if not 0 < share <= 1:
        raise ValueError(f"expected a share of the clips above 0 and up to 1, got {share}")
    name = "synthetic-autsl" + ("" if share == 1 else f"-{share:g}")
    parameters = SyntheticParameters(
        signs=SIGNS, signers=SIGNERS, clips=1, frames=ASSUMED_FRAMES, informative=INFORMATIVE
    )
    rows = pd.concat([_rows(name, split, share) for name, split in AUTSL.items()])
    like = {"like": "AUTSL: its counts; lengths assumed", "groups_by": "signer"}
    return record(parameters, rows, workspace.processed / name, name, **like)


def clips_a_sign(total: int, fewest: int, median: int, most: int) -> np.ndarray:
    """Clips of each of SIGNS signs, ascending: with this sum, minimum, median and maximum.

    Half of the signs have the median or the most; the rest is spread evenly below.
    """
    half = SIGNS // 2
    counts = np.full(SIGNS, median)
    counts[-1], counts[0] = most, fewest
    lower = total - counts.sum() + median * (half - 2)
    counts[1 : half - 1] = np.diff(np.linspace(0, lower, half - 1).round())
    return np.sort(counts)


def _rows(name: str, split: Split, share: float) -> pd.DataFrame:
    """A row a clip of one split: its sign and its signer, who take turns."""
    counts = np.ceil(clips_a_sign(split.clips, *split.a_sign) * share).astype(np.int64)
    sign = np.repeat(np.arange(SIGNS), counts)
    signer = np.array(split.signers)[np.arange(len(sign)) % len(split.signers)]
    return pd.DataFrame({"sign": sign, "signer": signer, "split": name})
