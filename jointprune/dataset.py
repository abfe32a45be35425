"""`SignDataset`: recordings as arrays, and folds that keep their groups apart."""

from dataclasses import dataclass
from functools import cached_property

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike

from jointprune.checks import indices, integer, seed_of
from jointprune.skeleton import HANDS, hand_index

# A group or clip is two-handed if both hands are seen in more than this share of its frames.
TWO_HANDED = 0.25
# Random assignments of groups to folds: where groups hold few of the classes, some assignments test
# classes that they never train.
ASSIGNMENTS = 100


def fewest_untrained(draw, groups: np.ndarray, labels: np.ndarray) -> list[list[str]]:
    """Of ASSIGNMENTS calls of `draw`, the first with the fewest test clips of untrained classes.

    `draw()` returns the names of the groups that each fold tests; all others in `groups` (clips,)
    are trained.
    """
    counts = pd.crosstab(groups, labels)
    total = counts.sum().to_numpy()

    def untrained(folds: list[list[str]]) -> int:
        tested = np.array([counts.loc[names].sum() for names in folds])
        return tested[tested == total].sum()

    return min((draw() for _ in range(ASSIGNMENTS)), key=untrained)


@dataclass(frozen=True, eq=False, repr=False)
class SignDataset:
    """Recordings of signs or letters; the arrays may be memory-mapped and must not be written to.

    Attributes
    ----------
    poses : ndarray of float32, shape (clips, frames, joints, coords)
        In `meta["units"]`; 0 where a joint is missing, and after a clip's last frame.
    present : ndarray of bool, shape (clips, frames, joints)
        Whether the joint was detected.
    labels : ndarray of int, shape (clips,)
        Index into `classes`.
    signers, groups : ndarray of str, shape (clips,)
        `folds` puts all clips of a group on the same side, training or test.
    classes, joints : tuple of str
        Names of the signs or letters, and of the joints, such as "left.index_tip".
    clips : DataFrame
        A row for each clip, with the columns of `jointprune.store.COLUMNS`.
    meta : dict
        Facts about the source: name, units, checksums.
    """

    poses: np.ndarray
    present: np.ndarray
    labels: np.ndarray
    signers: np.ndarray
    groups: np.ndarray
    classes: tuple[str, ...]
    joints: tuple[str, ...]
    clips: pd.DataFrame
    meta: dict

    def __repr__(self) -> str:
        shape = " x ".join(str(size) for size in self.poses.shape)
        groups, classes = len(set(self.groups)), len(self.classes)
        return f"SignDataset({shape}, {groups} groups, {classes} classes)"

    def __len__(self) -> int:
        return len(self.poses)

    @property
    def sha256(self) -> str:
        """Checksum of the store's content: arrays, table and meta."""
        return self.meta["sha256"]

    @property
    def lengths(self) -> np.ndarray:
        """Frames of each clip before padding, int (clips,)."""
        return self.clips["frames"].to_numpy()

    @property
    def informative(self) -> np.ndarray:
        """Which joints carry the sign, bool (joints,); ValueError if the data are not synthetic."""
        if "informative" not in self.meta:
            raise ValueError(
                "expected a synthetic dataset, whose informative joints are known, got "
                f"{self.meta.get('name', self)!r}: see load_dataset('synthetic')"
            )
        return np.isin(self.joints, self.meta["informative"])

    @property
    def translation_invariant(self) -> bool:
        """Whether a class is the same wherever the hands are held: True for letters, else False."""
        return self.meta.get("translation_invariant", False)

    @property
    def official_split(self) -> bool:
        """Whether the recordings come with a published split, which is then the only fold."""
        return "test" in set(self.clips["split"])

    def hand_presence(self, parts: ArrayLike | None = None) -> pd.DataFrame:
        """Share of a group's frames in which a hand is seen: index group; left, right, both.

        `parts` (clips,), if given, are other parts of the data than the groups.
        """
        hands = hand_index(self.joints)
        seen = {h: self.present[:, :, hands == i].any(axis=-1) for i, h in enumerate(HANDS)}
        seen["both"] = seen["left"] & seen["right"]
        # No hand is present in padding, so only the divisor has to exclude it.
        frames = pd.DataFrame({name: array.sum(axis=1) for name, array in seen.items()})
        frames["frames"] = self.lengths
        totals = frames.groupby(self.groups if parts is None else parts).sum()
        return totals[list(seen)].div(totals["frames"], axis=0).rename_axis("group")

    def two_handed(self) -> list[str]:
        """Groups that sign with both hands: both are seen in over a quarter of the frames."""
        both = self.hand_presence()["both"]
        return sorted(both.index[both > TWO_HANDED])

    @cached_property  # every balanced training reads it
    def handedness(self) -> np.ndarray:
        """Whether a clip is "one-handed" or "two-handed", str (clips,).

        A letter is what its group's alphabet is (`two_handed`). Any other clip is two-handed if
        both hands are seen in over a quarter of its own frames.
        """
        if self.translation_invariant:
            both = np.isin(self.groups, self.two_handed())
        else:
            both = self.hand_presence(np.arange(len(self)))["both"] > TWO_HANDED
        return np.where(both, "two-handed", "one-handed")

    def folds(self, n: int, seed: int) -> list[tuple[np.ndarray, np.ndarray]]:
        """Split the clips into `n` pairs of training and test clips; no group is on both sides.

        A published split is the only fold, whatever `n` and `seed`; clips of other parts, such as
        "val", are then on neither side. Otherwise groups are assigned to folds whose sizes differ
        by at most one group, the two-handed groups first, so that these are spread evenly. Of
        ASSIGNMENTS random assignments the first with the fewest test clips of untrained classes
        is taken. Training and test clips are int arrays of indices.

        Raises ValueError for fewer groups than folds, for a published split with a group on both
        sides, and for a fold that trains one class only or tests none that it trains.
        """
        if self.official_split:
            return [self._checked(*self._published_fold())]
        names = sorted(set(self.groups))
        if len(names) < 2:
            raise ValueError(
                f"expected 2 groups or more to hold one out, got {len(names)}: name others with "
                "--groups at import"
            )
        n = integer(n, 2, len(names), f"folds for {len(names)} groups")
        rng = np.random.default_rng(seed_of(seed))
        two_handed = self.two_handed()
        others = [name for name in names if name not in two_handed]

        def draw() -> list[list[str]]:
            folds = [[] for _ in range(n)]
            for name in [*rng.permutation(two_handed), *rng.permutation(others)]:
                min(folds, key=len).append(str(name))
            return folds

        folds = fewest_untrained(draw, self.groups, self.labels)
        tests = [np.isin(self.groups, groups) for groups in folds]
        return [self._checked(np.flatnonzero(~test), np.flatnonzero(test)) for test in tests]

    def _checked(self, train: np.ndarray, test: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """The fold itself; ValueError if nothing can be recognised in it."""
        trained = set(self.labels[train])
        known = trained & set(self.labels[test])
        if len(trained) < 2 or not known:
            raise ValueError(
                "expected a fold to train 2 classes or more and to test one of them, got "
                f"{len(trained)} trained, {len(known)} of them in the test groups "
                f"{sorted(set(self.groups[test].tolist()))[:5]}: record each class in several "
                "groups, or name other groups (--groups at import)"
            )
        return train, test

    def _published_fold(self) -> tuple[np.ndarray, np.ndarray]:
        train, test = (np.flatnonzero(self.clips["split"] == part) for part in ("train", "test"))
        both = set(self.groups[train]) & set(self.groups[test])
        if both or not len(train):
            raise ValueError(
                f"expected a published split that keeps groups apart, got {len(train)} training "
                f"clips and {sorted(both)} on both sides: drop the split or correct the groups"
            )
        return train, test

    def tested_without(self, train_clips: np.ndarray) -> np.ndarray:
        """Clips to test a model trained on `train_clips`: the published test set, or the rest."""
        if self.official_split:
            return np.flatnonzero(self.clips["split"] == "test")
        return np.setdiff1d(np.arange(len(self)), indices(train_clips, len(self), "clips", 0))
