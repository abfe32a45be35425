"""What a layout finds and reads: clips by name, and their values as they lie in the files."""

from pathlib import Path
from typing import NamedTuple

import numpy as np


class NotThisLayout(ValueError):
    """The reason why a folder does not have a layout: what was expected, what was there."""


class Clip(NamedTuple):
    """One recording, as its place in a folder names it; "" for what that does not say."""

    name: str  # unique in its source: the path below it without suffix, such as "test/signer6_1"
    label: str  # the sign
    signer: str
    split: str  # "train", "val" or "test", as published
    files: tuple[Path, ...]  # one; one a frame in their order; a video and its .pose
    folder: Path | None = None  # of its frames, if it has a file for each

    @property
    def place(self) -> Path:
        """Where a reader finds it: its file, or the folder of its frames."""
        return self.folder or self.files[0]


class Raw(NamedTuple):
    """The values of a clip, neither scaled nor judged: a missing hand is as the file has it."""

    hands: np.ndarray  # float32 (frames, 42, 3), left then right; z is NaN where not given
    confidence: np.ndarray | None  # float32 (frames, 42), 0 where missing; None if not given
    body: np.ndarray | None  # float32 (frames, 4, 2): left, right shoulder, left, right wrist
    fps: float  # 0 if not known
