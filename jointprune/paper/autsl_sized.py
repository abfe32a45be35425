"""A synthetic data set of AUTSL's size, to try out its memory and time before AUTSL is there.

AUTSL cannot be shipped. Its counts of clips, signs, signers and splits are its authors' (Sincan
and Keles 2020, IEEE Access 8). They do not give the lengths of clips: those here are assumed.
"""

from typing import NamedTuple

import numpy as np
import pandas as pd

from jointprune.dataset import SignDataset
from jointprune.paper.synthetic import SyntheticParameters, generate_rows
from jointprune.workspace import Workspace

SIGNS, SIGNERS = 226, 43
ASSUMED_FRAMES = (32, 96)
INFORMATIVE = 10  # the fewest joints that tell 226 signs apart


class Split(NamedTuple):
    """A published split."""

    clips: int
    signers: tuple[int, ...]
    clips_per_sign: tuple[int, int, int]  # fewest, median, most


VAL, TEST = (1, 11, 16, 18, 25, 35), (6, 14, 27, 30, 34, 39)
TRAIN = tuple(s for s in range(SIGNERS) if s not in (*VAL, *TEST))
AUTSL = {
    "train": Split(28142, TRAIN, (90, 126, 127)),
    "val": Split(4418, VAL, (12, 20, 20)),
    "test": Split(3742, TEST, (10, 17, 17)),
}


def autsl_like(workspace: Workspace, share: float = 1.0) -> SignDataset:
    """Generate a synthetic data set with AUTSL's counts.

    Parameters
    ----------
    workspace : Workspace
        The store lies there as "synthetic-autsl", or as "synthetic-autsl-0.25" for a share.
    share : float
        Share of each sign's clips, above 0 and up to 1.
    """
    if not 0 < share <= 1:
        raise ValueError(f"expected a share of the clips above 0 and up to 1, got {share}")
    name = "synthetic-autsl" + ("" if share == 1 else f"-{share:g}")
    parameters = SyntheticParameters(
        signs=SIGNS, signers=SIGNERS, clips=1, frames=ASSUMED_FRAMES, informative=INFORMATIVE
    )
    rows = pd.concat([_rows(split, AUTSL[split], share) for split in AUTSL])
    like = {"like": "AUTSL: its counts; lengths assumed", "groups_by": "signer"}
    return generate_rows(parameters, rows, workspace.processed / name, name, **like)


def _clips_per_sign(total: int, fewest: int, median: int, most: int) -> np.ndarray:
    """Clips of each of the 226 signs, ascending, with this sum, minimum, median and maximum.

    Half of the signs have the median or the most; the others are spread evenly below.
    """
    half = SIGNS // 2
    counts = np.full(SIGNS, median)
    counts[-1], counts[0] = most, fewest
    lower = total - counts.sum() + median * (half - 2)
    counts[1 : half - 1] = np.diff(np.linspace(0, lower, half - 1).round())
    return np.sort(counts)


def _rows(name: str, split: Split, share: float) -> pd.DataFrame:
    """One row for each clip of a split: its sign and its signer; signers take turns."""
    counts = np.ceil(_clips_per_sign(split.clips, *split.clips_per_sign) * share).astype(np.int64)
    sign = np.repeat(np.arange(SIGNS), counts)
    signer = np.array(split.signers)[np.arange(len(sign)) % len(split.signers)]
    return pd.DataFrame({"sign": sign, "signer": signer, "split": name})
