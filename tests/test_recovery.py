"""Recovery of synthetic joints: overlap by hand, rows from a made-up method."""

import numpy as np
import pytest

from jointprune import selection
from jointprune.paper import recovery
from jointprune.paper.recovery import overlap
from jointprune.workspace import Workspace

TRUTH = np.array([True, False, True, True, False, False])


@pytest.mark.parametrize(
    ("chosen", "precision", "recall"),
    [((0, 2, 3), 1, 1), ((0, 1), 0.5, 1 / 3), ((1, 4, 5), 0, 0), (range(6), 0.5, 1), ((), 0, 0)],
)
def test_overlap_is_precision_and_recall(chosen, precision, recall):
    assert overlap(chosen, TRUTH) == pytest.approx((precision, recall))


def test_a_method_that_knows_the_truth_comes_first_and_a_draw_does_not(tmp_path, monkeypatch):
    """Two small synthetic datasets, three methods that train nothing, on one core.

    Of three seeds of the "gates" one takes a wrong joint, another two others: neither the vote
    nor the most typical of them has any.
    """
    from jointprune.data import load_dataset

    monkeypatch.setattr("os.cpu_count", lambda: 1)
    workspace = Workspace(str(tmp_path))
    size = {"signs": 16, "signers": 4, "clips": 1, "frames": (6, 8)}
    data = [load_dataset("synthetic", workspace, seed=seed, **size) for seed in range(2)]

    def knows(data, *_):
        return data.informative.astype(float)

    def gates(data, train_clips, seed, *_):
        scores = data.informative.astype(float)
        right, wrong = np.flatnonzero(scores > 0), np.flatnonzero(scores == 0)
        missed, taken = {0: (right[-1:], wrong[:1]), 1: ([], []), 2: (right[:2], wrong[1:3])}[seed]
        scores[missed], scores[taken] = 0, 1
        return scores

    methods = {"knows": knows, "random": selection.METHODS["random"],
               "hard-concrete-budget": gates}  # fmt: skip
    for module in (recovery, selection):
        monkeypatch.setattr(module, "METHODS", methods)
    monkeypatch.setattr(selection, "DRAWN", methods)
    rows = recovery.recovery(data, 3, None, workspace)
    assert [row["method"] for row in rows] == [
        "knows", "hard-concrete-typical", "hard-concrete-vote", "hard-concrete-budget", "random"
    ]  # fmt: skip
    assert [row["precision"] for row in rows[1:4]] == [1.0, 1.0, 7 / 8]
    assert rows[0] == {
        "method": "knows", "precision": 1.0, "recall": 1.0, "low": 1.0, "high": 1.0, "seeds": 2,
        "stop_k": None, "stop_precision": None, "stop_recall": None,
    }  # fmt: skip
    assert rows[4]["precision"] < 0.7 and rows[4]["low"] <= rows[4]["precision"]
    told = recovery.facts(data, 3, rows)
    assert told["trainings"] == 3
    assert told["k"] == len(told["informative"]) == int(data[0].informative.sum())
    assert (told["signs"], told["signers"], told["clips"]) == (16, 4, 64)
