"""`SignDataset`: recordings of signs as arrays, and folds that keep their groups apart."""

from dataclasses import dataclass

import numpy as np
import pandas as pd

from jointprune.skeleton import HANDS, hand_index

# A group signs with both hands if both are seen in more than this share of its frames.
TWO_HANDED = 0.25


@dataclass(frozen=True, eq=False, repr=False)
class SignDataset:
    """Clips of signs; arrays may be memory-mapped and are not to be written to."""

    poses: np.ndarray  # float32 (clips, frames, joints, coords)
    present: np.ndarray  # bool (clips, frames, joints)
    labels: np.ndarray  # int (clips,), index into `classes`
    signers: np.ndarray  # str (clips,)
    groups: np.ndarray  # str (clips,)
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
        """Which joints carry what is signed, bool (joints,); known of synthetic data only."""
        if "informative" not in self.meta:
            raise ValueError(
                "expected a synthetic dataset, whose informative joints are known, got "
                f"{self.meta.get('name', self)!r}: see load_dataset('synthetic')"
            )
        return np.isin(self.joints, self.meta["informative"])

    @property
    def translation_invariant(self) -> bool:
        """Is a sign the same wherever it is held, as a letter is? Words may differ by place."""
        return self.meta.get("translation_invariant", False)

    def hand_presence(self) -> pd.DataFrame:
        """Share of a group's frames in which a hand is seen: index group; left, right, both."""
        hands = hand_index(self.joints)
        seen = {h: self.present[:, :, hands == i].any(axis=-1) for i, h in enumerate(HANDS)}
        seen["both"] = seen["left"] & seen["right"]
        # Padding is never present, so only the divisor has to leave it out.
        frames = pd.DataFrame({name: array.sum(axis=1) for name, array in seen.items()})
        frames["frames"] = self.lengths
        totals = frames.groupby(self.groups).sum()
        return totals[list(seen)].div(totals["frames"], axis=0).rename_axis("group")

    def two_handed(self) -> list[str]:
        """Groups that sign with both hands: seen together in over a quarter of the frames."""
        both = self.hand_presence()["both"]
        return sorted(both.index[both > TWO_HANDED])

    @property
    def official_split(self) -> bool:
        """Do the recordings come with a published split, so that there is one fold?"""
        return "test" in set(self.clips["split"])

    def tested_without(self, train_clips: np.ndarray) -> np.ndarray:
        """The clips that a training on `train_clips` may be tested on: all others, or the
        published test's."""
        if self.official_split:
            return np.flatnonzero(self.clips["split"] == "test")
        return np.setdiff1d(np.arange(len(self)), train_clips)

    def fold_groups(self, n: int, seed: int) -> list[list[str]]:
        """Deal the groups into `n` folds whose sizes differ by at most one group.

        Two-handed groups are dealt first, so that no fold gets two of them while there are
        no more of them than folds. The same seed always gives the same folds.
        """
        names = sorted(set(self.groups))
        if not 2 <= n <= len(names):
            raise ValueError(
                f"expected 2 to {len(names)} folds for {len(names)} groups, got {n}: "
                "no group may be on both sides of a split"
            )
        rng = np.random.default_rng(seed)
        two_handed = self.two_handed()
        others = [name for name in names if name not in two_handed]
        folds = [[] for _ in range(n)]
        for name in [*rng.permutation(two_handed), *rng.permutation(others)]:
            min(folds, key=len).append(str(name))
        return [sorted(fold) for fold in folds]

    def folds(self, n: int, seed: int) -> list[tuple[np.ndarray, np.ndarray]]:
        """`n` splits (train_clips, test_clips), int indices; no group is on both sides.

        Where a split was published it is the only fold, whatever `n`: clips of "train" against
        those of "test"; others, such as "val", are on neither side.
        """
        if self.official_split:
            return [self._published_fold()]
        inside = [np.isin(self.groups, fold) for fold in self.fold_groups(n, seed)]
        return [(np.flatnonzero(~test), np.flatnonzero(test)) for test in inside]

    def _published_fold(self) -> tuple[np.ndarray, np.ndarray]:
        train, test = (np.flatnonzero(self.clips["split"] == part) for part in ("train", "test"))
        both = set(self.groups[train]) & set(self.groups[test])
        if both or not len(train):
            raise ValueError(
                f"expected a published split that keeps groups apart, got {len(train)} training "
                f"clips and {sorted(both)} on both sides: leave out the split, or mend the groups"
            )
        return train, test
