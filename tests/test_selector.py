"""`JointSelector` against `rank_joints` on the same clips, and scikit-learn's contract."""

import logging
import tempfile

import lightning  # noqa: F401  which sets the level of its loggers
import numpy as np
import pandas as pd
import pytest
import torch
from sklearn import config_context
from sklearn.base import clone
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GroupKFold, cross_val_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer
from sklearn.utils import get_tags

import jointprune as jp
from jointprune.skeleton import JOINT_NAMES

TINY = jp.TrainingConfig(hidden=16, frames=4, epochs=2, batch_size=8, gate_learning_rate=0.5)
RANKING = [name for name, method in jp.METHODS.items() if method.rank]


@pytest.fixture
def arrays(toy_dataset) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """The toy data set as a user has it: clips with NaN, names of signs, groups."""
    seen = np.asarray(toy_dataset.present)[..., None]
    X = np.where(seen, toy_dataset.poses, np.nan)
    return X, np.array(toy_dataset.classes)[toy_dataset.labels], toy_dataset.groups


def clips(joints=42, coords=2) -> tuple[np.ndarray, np.ndarray]:
    """16 clips of two signs, "a" and "b"; the sign moves joint 5 and no other."""
    X = np.random.default_rng(0).normal(size=(16, 5, joints, coords))
    y = np.tile(["a", "b"], 8)
    X[y == "b", ::2, 5] += 5
    return X, y


def by_movement(data, train_clips, seed, k, config, workspace):
    return data.poses[train_clips].std((0, 1, 3))


@pytest.mark.parametrize("method", ["learned", "greedy", "variance", "stratified-random"])
def test_arrays_rank_joints_as_the_data_set_that_they_come_from(
    arrays, toy_dataset, workspace, method
):
    X, y, groups = arrays
    found = jp.JointSelector(7, method, random_state=3, config=TINY).fit(X, y, groups)
    expected = jp.rank_joints(method, toy_dataset, np.arange(24), 3, 7, TINY, workspace)
    np.testing.assert_array_equal(found.scores_, expected)
    assert tuple(found.get_support(indices=True)) == jp.top_joints(expected, 7)
    mask = found.get_support()
    assert (mask.dtype, mask.shape, mask.sum()) == (bool, (42,), 7)
    np.testing.assert_array_equal(found.transform(X), X[:, :, np.flatnonzero(mask)])
    assert found.get_feature_names_out().tolist() == np.array(JOINT_NAMES)[mask].tolist()
    assert found.classes_.tolist() == list(toy_dataset.classes)


@pytest.mark.parametrize("coords", [2, 3])
@pytest.mark.parametrize("method", RANKING)
def test_every_method_that_ranks_selects_from_arrays(method, coords):
    X, y = clips(coords=coords)
    X[::4, :, :21] = np.nan  # clips of one hand
    X[3] = np.nan  # nothing seen
    found = jp.JointSelector(np.int64(12), method, config=TINY)
    assert found.fit_transform(X, y).shape == (16, 5, 12, coords)
    assert found.scores_.shape == (42,) and np.isfinite(found.scores_).all()


def test_a_function_of_ones_own_sees_absent_joints_lengths_and_groups():
    X, y = clips(joints=6)
    X[0, 3:] = np.nan  # the end of a shorter clip
    X[1, 2, 4, 1] = np.nan  # one coordinate is missing: so is the joint
    X[2] = np.nan

    def seen(data, train_clips, seed, k, config, workspace):
        assert train_clips.tolist() == list(range(16)) and k == np.int64(2)
        expected = ~np.isnan(X).any(-1)
        np.testing.assert_array_equal(data.present, expected)
        np.testing.assert_array_equal(data.poses[expected], X[expected].astype(np.float32))
        assert not data.poses[~expected].any()
        assert data.lengths.tolist() == [3, 5, 1, *[5] * 13]
        assert len(set(data.groups)) == 16 and not data.official_split
        return np.arange(6)

    found = jp.JointSelector(2, seen).fit(X, y)
    assert found.get_support(indices=True).tolist() == [4, 5]
    assert found.get_feature_names_out().tolist() == ["joint4", "joint5"]
    assert found.get_feature_names_out(list("uvwxyz")).tolist() == ["y", "z"]
    named = jp.JointSelector(2, seen, joints=list("abcdef")).fit(X, y)
    assert named.get_feature_names_out().tolist() == ["e", "f"]


@pytest.mark.parametrize("routing", [False, True])
def test_in_a_pipeline_no_fold_ranks_joints_by_its_test_groups(routing):
    """The first number of each clip says who signs it."""
    X, y = clips()
    groups = np.arange(16) % 8 // 2
    X[:, 0, 0, 0] = groups
    read = []

    def who(data, train_clips, seed, k, config, workspace):
        signs = data.poses[train_clips][:, 0, 0, 0]
        read.append(set(signs))
        assert len(set(zip(signs, data.groups, strict=True))) == len(set(data.groups)) == 3
        return by_movement(data, train_clips, seed, k, config, workspace)

    with config_context(enable_metadata_routing=routing):
        selector = jp.JointSelector(1, who)
        given = {"groups": groups, "params": {"jointselector__groups": groups}}
        if routing:
            selector.set_fit_request(groups=True)
            given = {"params": {"groups": groups}}
        flat = FunctionTransformer(lambda x: x.reshape(len(x), -1))
        pipeline = make_pipeline(selector, flat, LogisticRegression())
        scores = cross_val_score(pipeline, X, y, cv=GroupKFold(4), error_score="raise", **given)
    assert scores.tolist() == [1.0] * 4  # joint 5 tells the signs apart
    assert sorted(map(sorted, read)) == [[0, 1, 2], [0, 1, 3], [0, 2, 3], [1, 2, 3]]


def test_its_tags_say_what_it_takes():
    tags = get_tags(jp.JointSelector())
    assert tags.input_tags.allow_nan and tags.target_tags.required and tags.requires_fit
    assert not tags.input_tags.two_d_array  # clips have four dimensions


def test_a_clone_has_the_same_parameters_and_no_fit(workspace):
    X, y = clips()
    given = {"k": 3, "method": by_movement, "random_state": 5, "config": TINY,
             "workspace": workspace, "joints": JOINT_NAMES}  # fmt: skip
    first = jp.JointSelector(**given)
    second = clone(first.fit(X, y))
    assert first.get_params() == second.get_params() == given
    assert not hasattr(second, "scores_")
    with pytest.raises(ValueError, match="not fitted"):
        second.get_support()
    second.set_params(k=4, method="variance").fit(X, y)
    assert (second.get_support().sum(), first.get_support().sum()) == (4, 3)


@pytest.mark.parametrize(
    "form",
    [
        list, pd.Series, lambda y: y.astype(object), lambda y: y == "b",
        lambda y: np.where(y == "b", 7, -3), lambda y: np.where(y == "b", 1.0, 0.0),
    ],
)  # fmt: skip
def test_labels_of_any_kind_give_the_same_scores(form):
    X, y = clips()
    expected = jp.JointSelector(4, config=TINY).fit(X, y).scores_
    found = jp.JointSelector(4, config=TINY).fit(X.tolist(), form(y)).scores_
    np.testing.assert_array_equal(found, expected)


def test_the_order_of_an_array_in_memory_makes_no_difference():
    X, y = clips()
    turned = np.asfortranarray(X)
    found, same = (jp.JointSelector(3, "variance").fit(some, y) for some in (X, turned))
    np.testing.assert_array_equal(found.scores_, same.scores_)
    np.testing.assert_array_equal(found.transform(X), same.transform(turned))


def test_masked_values_are_missing_values():
    """pose-format has masked arrays."""
    X, y = clips()
    masked = np.ma.array(X, mask=np.zeros(X.shape, bool))
    masked[::3, 1:3, 5] = np.ma.masked
    masked.data[::3, 1:3, 5] = 1e6
    missing = np.where(masked.mask, np.nan, X)
    found, same = (jp.JointSelector(3, "variance").fit(some, y) for some in (masked, missing))
    np.testing.assert_array_equal(found.scores_, same.scores_)
    np.testing.assert_array_equal(found.transform(masked), same.transform(missing))
    several = jp.JointSelector(3, "variance").fit(list(masked), y)  # each with its own mask
    np.testing.assert_array_equal(several.scores_, same.scores_)


def test_joints_that_are_missing_singly_do_not_hide_their_hand():
    X, y = clips()
    whole = jp.JointSelector(3, "variance").fit(X, y).scores_
    X[:, :, 7] = np.nan  # never seen
    X[np.random.default_rng(1).random(X.shape[:3]) < 0.3] = np.nan
    scores = jp.JointSelector(3, "variance").fit(X, y).scores_
    assert scores[7] == 0 and (np.delete(scores, 7) > 0).all()
    assert scores.argmax() == whole.argmax() == 5


def own_ranker(data, train_clips, seed, config, workspace, k):
    """A function that changes torch as a training of one's own may."""
    torch.manual_seed(seed)
    torch.set_num_threads(1)
    return torch.rand(len(data.joints)).numpy()


@pytest.mark.parametrize("method", ["learned", own_ranker])
def test_fitting_leaves_torchs_random_state_threads_loggers_and_no_file(
    method, tmp_path, monkeypatch
):
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    threads, level = torch.get_num_threads(), logging.getLogger("lightning.pytorch").level
    torch.set_num_threads(2)
    try:
        torch.manual_seed(5)
        expected = torch.rand(1)
        torch.manual_seed(5)
        jp.JointSelector(4, method, config=TINY).fit(*clips())
        assert (torch.rand(1), torch.get_num_threads()) == (expected, 2)
        assert logging.getLogger("lightning.pytorch").level == level != logging.ERROR
    finally:
        torch.set_num_threads(threads)
    assert list(tmp_path.iterdir()) == []


def test_seeds_repeat_and_random_states_draw_them():
    X, y = clips()

    def drawn(state):
        return jp.JointSelector(4, "random", random_state=state).fit(X, y).scores_.tolist()

    assert drawn(0) == drawn(np.int64(0)) != drawn(1)
    state = np.random.RandomState(0)
    assert drawn(np.random.RandomState(0)) == drawn(state) != drawn(state)
    assert drawn(None) != drawn(None)


def test_a_workspace_keeps_a_ranking_for_the_same_clips_alone(workspace):
    X, y = clips()
    other = X.copy()
    other[0, 0, 0, 0] += 1
    fits = [(X, y, None), (X, y, None), (other, y, None), (X, y[::-1], None), (X, y, y)]
    places = [workspace, str(workspace.path), *[workspace.path] * 3]
    counts = []
    for place, arguments in zip(places, fits, strict=True):
        jp.JointSelector(4, config=TINY, workspace=place).fit(*arguments)
        counts.append(len(list((workspace.runs / "rankings").iterdir())))
    assert counts == [1, 1, 2, 3, 4]


@pytest.mark.parametrize("method", [name for name in RANKING if name != "random"])
def test_methods_that_know_the_hand_refuse_joints_without_its_names(method):
    X, y = clips(joints=30)
    with pytest.raises(ValueError, match=r"expected names of hand joints.*'joint0'.*all 42"):
        jp.JointSelector(4, method, config=TINY).fit(X, y)
    for free in ("random", by_movement):
        assert jp.JointSelector(4, free).fit(X, y).get_support().sum() == 4


def test_one_hand_is_ranked_by_its_names():
    X, y = clips(joints=21)
    right = JOINT_NAMES[21:]
    for method in ("learned", "variance", "anatomical", "stratified-random"):
        found = jp.JointSelector(3, method, config=TINY, joints=right).fit(X, y)
        assert set(found.get_feature_names_out()) <= set(right)


WRONG = {
    "expected 1 to 42 joints to keep, got 43": {"k": 43},
    "expected 1 to 42 joints to keep, got 2.5": {"k": 2.5},
    "expected a method that ranks joints, got 'typical'": {"method": "typical"},
    "expected a method that ranks joints, got 'full'": {"method": "full"},
    "expected a method, got 'oracle'": {"method": "oracle"},
    "expected 42 different names": {"joints": ["a", "b"]},
    "expected 0 to 4294967295 as seed, got -1": {"random_state": -1},
    "expected 42 finite scores": {"method": lambda *_: np.ones(3)},
    "expected a TrainingConfig as config, got dict": {"config": {"hidden": 16}},
}


@pytest.mark.parametrize("message", WRONG)
def test_wrong_parameters_are_refused_at_fit(message):
    with pytest.raises(ValueError, match=message):
        jp.JointSelector(**WRONG[message]).fit(*clips())


def test_wrong_arrays_are_refused():
    with pytest.raises(ValueError, match="expected clips of one length, got several"):
        jp.JointSelector(3, "variance").fit([np.zeros((4, 42, 2)), np.zeros((5, 42, 2))], "ab")
    X, y = clips()
    found = jp.JointSelector(3, "variance")
    for wrong in (X[0], X[..., :1], X.astype(str), X[:0], X > 0, X[:, :, :, 0]):
        with pytest.raises(ValueError, match="expected numbers of shape"):
            found.fit(wrong, y)
    for value in (np.inf, 1e300):
        wrong = X.copy()
        wrong[0, 0, 0, 0] = value
        with pytest.raises(ValueError, match="expected finite coordinates"):
            found.fit(wrong, y)
    with pytest.raises(ValueError, match="expected 2 classes or more"):
        found.fit(X, ["a"] * 16)
    for labels, groups in ((y[1:], None), (y, y[1:])):
        with pytest.raises(ValueError, match="inconsistent numbers of samples"):
            found.fit(X, labels, groups)
    for missing in (None, np.nan):
        with pytest.raises(ValueError, match="expected a group for every clip, got 1 without"):
            found.fit(X, y, [missing, *"abcabcabcabcabc"])
    with pytest.raises(ValueError, match="Unknown label type"):
        found.fit(X, np.linspace(0, 1, 16))
    found.fit(X, y)
    with pytest.raises(ValueError, match="expected 42 joints, got 41"):
        found.transform(X[:, :, 1:])
    with pytest.raises(ValueError, match="expected 42 names, got 2"):
        found.get_feature_names_out(["a", "b"])
