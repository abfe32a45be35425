"""`JointSelector`: every method of the table as a feature selector of scikit-learn."""

import tempfile
from collections.abc import Sequence
from contextlib import nullcontext
from numbers import Integral
from pathlib import Path

import numpy as np
import pandas as pd
from sklearn.base import BaseEstimator, TransformerMixin
from sklearn.utils import check_consistent_length, check_random_state, column_or_1d
from sklearn.utils.multiclass import check_classification_targets
from sklearn.utils.validation import check_is_fitted

from jointprune.config import TrainingConfig
from jointprune.dataset import SignDataset
from jointprune.parallel import one_thread
from jointprune.selection.methods import Ranker, top_joints
from jointprune.selection.ranking import rank_joints
from jointprune.skeleton import JOINT_NAMES
from jointprune.store import content_sha256
from jointprune.workspace import Workspace


# Not SelectorMixin, whose `transform` takes tables alone; nor does pandas take four dimensions.
class JointSelector(TransformerMixin, BaseEstimator, auto_wrap_output_keys=None):
    """Keep the K best joints of skeleton clips, for pipelines of scikit-learn.

    Clips X have the shape (clips, frames, joints, coordinates), with 2 or 3 coordinates in
    shoulder widths. A joint is absent from a frame in which a coordinate of it is NaN (a zero is a
    place like any other), and a clip ends with the last frame that shows a joint: fill with NaN.
    Hands are in MediaPipe's order, the left one first; the right one leads.

    Parameters
    ----------
    k : int
        Number of joints to keep.
    method : str or callable
        A name in `METHODS` whose row ranks joints, or a function of your own, as in `rank_joints`.
    random_state : int, RandomState or None
        An integer is the seed of `rank_joints`; from all else a seed is drawn.
    config : TrainingConfig, optional
        The network that a learned method trains; by default the paper's.
    workspace : Workspace, str or Path, optional
        Folder in which trained networks and rankings are kept and found again; by default a
        temporary one.
    joints : sequence of str, optional
        Names of the joints. By default those of `skeleton.JOINT_NAMES` for 42 joints, else
        joint0, joint1 and so on, which only "random" and functions of your own can rank.

    Attributes
    ----------
    scores_ : ndarray of float, shape (joints,)
        Higher = keep.
    classes_ : ndarray
        The labels.
    joints_ : tuple of str
        Names of all joints.
    n_features_in_ : int
        Number of joints.

    Examples
    --------
    >>> pipeline = make_pipeline(JointSelector(k=12), classifier)  # of clips (clips, T, 12, P)
    >>> cross_val_score(pipeline, X, y, groups=signers, cv=GroupKFold(4),
    ...                 params={"jointselector__groups": signers})
    """

    def __init__(
        self,
        k: int = 12,
        method: str | Ranker = "learned",
        *,
        random_state: int | np.random.RandomState | None = 0,
        config: TrainingConfig | None = None,
        workspace: Workspace | Path | str | None = None,
        joints: Sequence[str] | None = None,
    ):
        self.k = k
        self.method = method
        self.random_state = random_state
        self.config = config
        self.workspace = workspace
        self.joints = joints

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.target_tags.required = True
        inputs = tags.input_tags
        inputs.two_d_array, inputs.three_d_array, inputs.allow_nan = False, False, True
        return tags

    def fit(self, X, y, groups=None) -> "JointSelector":
        """Rank the joints by all clips of X, (clips, frames, joints, coordinates); return self.

        Labels `y` (clips,) are numbers, strings or bools. Methods that hold clips out hold out
        whole `groups` (clips,), such as signers; by default each clip is its own group. A pipeline
        passes groups on as `jointselector__groups`, or, with metadata routing, after
        `set_fit_request(groups=True)`. Raises ValueError for clips of another form, one class, a
        `k` out of range, a method without a ranking, and joints that a method knows no names of.
        """
        X = _clips(X)
        y = column_or_1d(y)
        check_classification_targets(y)
        groups = np.arange(len(X)) if groups is None else groups
        # As objects: among strings NumPy would make NaN one of them.
        if missing := int(pd.isna(np.asarray(groups, dtype=object)).sum()):
            raise ValueError(f"expected a group for every clip, got {missing} without: name them")
        groups = column_or_1d(groups)
        check_consistent_length(X, y, groups)
        classes, labels = np.unique(y, return_inverse=True)
        if len(classes) < 2:
            raise ValueError(f"expected 2 classes or more, got {classes}: pass clips of others too")
        data = _data_set(X, labels, classes, groups, self._names(X.shape[2]))
        seed = self.random_state
        if not isinstance(seed, Integral):
            seed = check_random_state(seed).randint(2**31 - 1)
        kept = tempfile.TemporaryDirectory() if self.workspace is None else nullcontext()
        with kept as folder, one_thread():  # leaves torch as it was, also if `method` is a function
            place = folder if self.workspace is None else self.workspace
            every = np.arange(len(X))
            self.scores_ = rank_joints(self.method, data, every, seed, self.k, self.config, place)
        self._support = np.zeros(X.shape[2], dtype=bool)
        self._support[list(top_joints(self.scores_, self.k))] = True
        self.classes_, self.joints_, self.n_features_in_ = classes, data.joints, X.shape[2]
        return self

    def get_support(self, indices: bool = False) -> np.ndarray:
        """The kept joints: bool (joints,), or with `indices` ascending int (k,)."""
        check_is_fitted(self)
        return np.flatnonzero(self._support) if indices else self._support.copy()

    def transform(self, X) -> np.ndarray:
        """The kept joints of X alone, (clips, frames, k, coordinates); NaN stays NaN."""
        check_is_fitted(self)
        X = _clips(X)
        if X.shape[2] != self.n_features_in_:
            raise ValueError(
                f"expected {self.n_features_in_} joints, got {X.shape[2]}: pass those of `fit`"
            )
        return X[:, :, self._support]

    def get_feature_names_out(self, input_features: Sequence[str] | None = None) -> np.ndarray:
        """Names of the kept joints; `input_features` names all joints anew."""
        check_is_fitted(self)
        names = self.joints_ if input_features is None else input_features
        if len(names) != self.n_features_in_:
            raise ValueError(
                f"expected {self.n_features_in_} names, got {len(names)}: name every joint of `fit`"
            )
        return np.asarray(names, dtype=object)[self._support]

    def _names(self, joints: int) -> tuple[str, ...]:
        if self.joints is None:
            numbered = tuple(f"joint{j}" for j in range(joints))
            return JOINT_NAMES if joints == len(JOINT_NAMES) else numbered
        names = tuple(map(str, self.joints))
        if len(set(names)) != joints or len(names) != joints:
            raise ValueError(
                f"expected {joints} different names, one per joint of X, got {len(names)} with "
                f"{len(set(names))} different: correct `joints`"
            )
        return names


def _clips(X) -> np.ndarray:
    """X as an array of numbers with four dimensions, NaN where it is masked; else ValueError."""
    masked = isinstance(X, list | tuple) and any(isinstance(x, np.ma.MaskedArray) for x in X)
    try:
        X = np.ma.array(X) if masked else X  # of clips with masks of their own
        X = X.astype(float).filled(np.nan) if isinstance(X, np.ma.MaskedArray) else np.asarray(X)
    except ValueError as error:
        raise ValueError(
            "expected clips of one length, got several: fill the ends of shorter ones with NaN"
        ) from error
    if X.ndim != 4 or X.dtype.kind not in "iuf" or X.shape[3] not in (2, 3) or 0 in X.shape:
        raise ValueError(
            "expected numbers of shape (clips, frames, joints, coordinates), with 2 or 3 "
            f"coordinates, got {X.dtype} {X.shape}: pass clips of one length, filled with NaN"
        )
    return X


def _data_set(X, labels, classes, groups, joints: tuple[str, ...]) -> SignDataset:
    """A data set in memory: NaN becomes "not present", and names become strings."""
    X = np.ascontiguousarray(X)
    present = ~np.isnan(X).any(-1)
    with np.errstate(over="ignore"):
        poses = np.where(present[..., None], X, 0).astype(np.float32)
    if not np.isfinite(poses).all():
        raise ValueError("expected finite coordinates, or NaN, got an infinite one: correct X")
    seen = present.any(-1)
    groups = np.unique(groups, return_inverse=True)[1].astype(str)
    table = pd.DataFrame(
        {
            "clip": np.arange(len(X)).astype(str),
            "label": [str(label) for label in classes[labels]],
            "signer": groups,
            "group": groups,
            "split": "",
            "leading_hand": "",
            "source_file": "",
            "frames": np.where(seen.any(1), seen.shape[1] - seen[:, ::-1].argmax(1), 1),
            "original_frames": X.shape[1],
            "fps": np.nan,
        }
    )
    names = tuple(map(str, classes))
    meta = {"name": "arrays", "classes": names, "joints": joints, "shape": X.shape}
    text = table.to_csv(index=False, lineterminator="\n")
    meta["sha256"] = content_sha256(meta, text.encode(), poses, present)
    return SignDataset(poses, present, labels, groups, groups, names, joints, table, meta)
