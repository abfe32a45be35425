"""Clips, joints and integers: every form of the same argument means the same, all else fails."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
import torch

import jointprune as jp
from jointprune.checks import indices
from jointprune.prediction import predict

TINY = jp.TrainingConfig(hidden=16, frames=4, epochs=1, batch_size=8)
SOME = [7, 2, 11]


@pytest.mark.parametrize(
    "form",
    [tuple, iter, np.array, torch.tensor, pd.Series, lambda some: np.array(some, np.uint8)],
)
def test_indices_keep_their_order_in_every_form(form):
    found = indices(form(SOME), 12, "clips")
    assert (found.tolist(), found.dtype) == (SOME, np.int64)
    assert sorted(indices(set(SOME), 12, "clips")) == sorted(SOME)


@pytest.mark.parametrize("form", [list, np.array, torch.tensor, pd.Series])
def test_a_mask_means_the_clips_where_it_is_true(form):
    mask = np.isin(np.arange(12), SOME)
    assert indices(form(mask.tolist()), 12, "clips").tolist() == sorted(SOME)


WRONG_CLIPS = {
    "a bool mask of length 24": [True, False] * 11,
    "got float64": [0.0, 1.0],
    "of shape \\(2, 2\\)": [[0, 1], [2, 3]],
    "of shape \\(\\)": 5,
    "from 0 to 23, got \\[24\\]": [0, 24],
    "from 0 to 23, got \\[-1\\]": [0, -1],
    "got \\[3\\] more than once": [3, 1, 3],
    "got <U": ["a/b"],
}


@pytest.mark.parametrize("message", WRONG_CLIPS)
def test_wrong_clips_are_refused_wherever_they_are_taken(toy_dataset, message):
    wrong = WRONG_CLIPS[message]
    model = jp.SignClassificationLightning()
    for call in (
        lambda: jp.rank_joints("variance", toy_dataset, wrong, 0),
        lambda: jp.rank_joints(lambda *_: np.ones(42), toy_dataset, wrong, 0),
        lambda: jp.make_run(toy_dataset, wrong, [5], 0, TINY),
        lambda: jp.make_run(toy_dataset, [5], wrong, 0, TINY),
        lambda: predict(model, toy_dataset, wrong),
        lambda: toy_dataset.tested_without(wrong),
    ):
        with pytest.raises(ValueError, match=message):
            call()


@pytest.mark.parametrize("none", [[], (), np.zeros(0), np.zeros(24, dtype=bool)])
def test_training_on_no_clip_is_refused(toy_dataset, none):
    for call in (
        lambda: jp.rank_joints("learned", toy_dataset, none, 0),
        lambda: jp.make_run(toy_dataset, none, [5], 0, TINY),
    ):
        with pytest.raises(ValueError, match="expected training clips, got 0"):
            call()
    assert jp.make_run(toy_dataset, [5], none, 0, TINY).test == ()


def test_masks_name_the_same_runs_and_rankings_as_their_indices(toy_dataset, workspace):
    train, test = toy_dataset.folds(3, seed=0)[0]
    masks = [np.isin(np.arange(len(toy_dataset)), clips) for clips in (train, test)]
    kept = np.isin(np.arange(42), [3, 40])
    run = jp.make_run(toy_dataset, train, test, 0, TINY, [40, 3])
    assert jp.make_run(toy_dataset, *masks, 0, TINY, kept) == run
    rankings = [
        jp.rank_joints("learned", toy_dataset, clips, seed, k, TINY, workspace)
        for clips, seed, k in (
            (train, 0, 12), (masks[0], np.int64(0), np.uint8(12)), (run.train, np.arange(1)[0], 12),
        )
    ]  # fmt: skip
    assert all((rankings[0] == other).all() for other in rankings)
    assert len(list((workspace.runs / "rankings").iterdir())) == 1


def test_a_run_holds_plain_integers_and_refuses_masks():
    """A run is named by its content as JSON."""
    run = jp.Run(TINY, np.arange(3), range(3, 5), np.int32(7))
    assert run == jp.Run(TINY, (0, 1, 2), (3, 4), 7)
    assert run.name("x") == jp.Run(TINY, (0, 1, 2), (3, 4), 7).name("x")
    assert replace(TINY, budget=np.int64(12)) == replace(TINY, budget=12)
    assert type(replace(TINY, budget=np.int64(12)).budget) is int
    for wrong in ((True, False), (0, 0), (-1,), ()):
        with pytest.raises(ValueError, match=r"expected .*training clips"):
            jp.Run(TINY, wrong, (3,), 0)


@pytest.mark.parametrize("k", [0, 43, -1, 2.0, True, "12", np.array([12]), float("nan")])
def test_a_wrong_k_is_refused_wherever_it_is_taken(toy_dataset, k):
    for call in (
        lambda: jp.rank_joints("learned", toy_dataset, [0, 1], 0, k),
        lambda: jp.rank_joints("variance", toy_dataset, [0, 1], 0, k),
        lambda: jp.top_joints(np.arange(42), k),
    ):
        with pytest.raises(ValueError, match="expected 1 to 42 joints to keep, got"):
            call()


@pytest.mark.parametrize("seed", [-1, 1.5, None, True, 2**32])
def test_a_wrong_seed_is_refused_wherever_it_is_taken(toy_dataset, seed):
    for call in (
        lambda: jp.rank_joints("random", toy_dataset, [0, 1], seed),
        lambda: jp.make_run(toy_dataset, [0], [1], seed, TINY),
        lambda: toy_dataset.folds(3, seed),
    ):
        with pytest.raises(ValueError, match=r"expected 0 to 4294967295 as seed, got"):
            call()


@pytest.mark.parametrize(
    "kind", [np.uint8, np.uint64, np.int8, np.float16, np.float64, torch.tensor, list]
)
def test_the_top_joints_do_not_depend_on_the_type_of_the_scores(kind):
    scores = [3, 0, 100, 7, 7, 0]
    assert jp.top_joints(kind(scores), 3) == (2, 3, 4)
    assert jp.top_joints(kind(scores), 5) == (0, 1, 2, 3, 4)  # of equal scores the lower index
    assert jp.top_joints(kind(range(42)), 42) == tuple(range(42))


def test_unsigned_scores_that_no_float_tells_apart_are_ranked():
    top = np.iinfo(np.uint64).max
    assert jp.top_joints(np.array([top - 2, top, top - 1], np.uint64), 2) == (1, 2)
    assert jp.top_joints(np.array([False, True, True]), 2) == (1, 2)


@pytest.mark.parametrize("scores", [[0.0, np.nan], [[1, 2]], ["a", "b"], [None, 1]])
def test_scores_that_have_no_order_are_refused(scores):
    with pytest.raises(ValueError, match="expected one score per joint, got"):
        jp.top_joints(scores, 1)


def test_a_model_of_all_clips_predicts_for_no_clip(toy_dataset, workspace):
    """There is nothing left to test on, which does not keep gates from being trained."""
    scores = jp.rank_joints("learned", toy_dataset, range(24), 0, 12, TINY, workspace)
    assert np.isfinite(scores).all()
    run = jp.make_run(toy_dataset, range(24), [], 0, TINY)
    jp.run_many([run], toy_dataset, workspace)
    trial = jp.Trial("full", 42, 0, run)
    assert len(jp.predictions([trial], toy_dataset, workspace)) == 0
    with pytest.raises(ValueError, match="expected trials, got none"):
        jp.predictions([], toy_dataset, workspace)
