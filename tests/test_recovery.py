"""Recovery of informative joints: overlap worked out, and rows of made-up methods."""

import numpy as np
import pytest

from jointprune.config import TrainingConfig
from jointprune.data import load_dataset
from jointprune.paper import recovery
from jointprune.paper.recovery import facts, overlap, recovery_table
from jointprune.selection import METHODS, Method, methods


def test_overlap_is_precision_and_recall():
    truth = np.array([True, False, True, True, False, False])
    assert overlap((0, 1), truth) == pytest.approx((0.5, 1 / 3))
    assert overlap((), truth) == (0, 0)


def knows(data, *_):
    return data.informative.astype(float)


def gates(data, train_clips, seed, *_):
    """One of three seeds takes one wrong joint, another two others."""
    scores = data.informative.astype(float)
    right, wrong = np.flatnonzero(scores > 0), np.flatnonzero(scores == 0)
    missed, taken = {0: (right[-1:], wrong[:1]), 1: ([], []), 2: (right[:2], wrong[1:3])}[seed]
    scores[missed], scores[taken] = 0, 1
    return scores


def test_a_method_that_knows_the_truth_comes_first_and_a_random_draw_last(
    workspace, alone, monkeypatch
):
    """Two small data sets, methods without training; the merged selection is right."""
    size = {"signs": 16, "signers": 4, "clips": 1, "frames": (6, 8)}
    data = [load_dataset("synthetic", workspace, seed=seed, **size) for seed in range(2)]
    rows = {name: METHODS[name] for name in ("random", "typical", "one-set", "tied")}
    rows["learned"] = Method("learned", "", "", gates, trains=False)
    rows["knows"] = Method("knows", "", "", knows, trains=False, chooses_k=lambda *_: [0, 1, 2])
    for module in (methods, recovery):
        monkeypatch.setattr(module, "METHODS", rows)
    counts = []

    def on_every_core(function, jobs, description, done):
        counts.append((len(jobs), done))
        return []

    monkeypatch.setattr(recovery, "on_every_core", on_every_core)
    found = recovery_table(data, 3, TrainingConfig(), workspace)
    assert counts == [(0, 6)]  # nothing is trained: "learned", "knows" and "random", two data sets
    names = [row["method"] for row in found]
    assert names == ["knows", "typical", "learned", "random"]  # the others are not compared
    assert [row["precision"] for row in found[:3]] == [1.0, 1.0, 7 / 8]
    stop = np.mean([d.informative[:3].mean() for d in data])
    assert found[0] == {
        "method": "knows", "precision": 1.0, "recall": 1.0, "low": 1.0, "high": 1.0, "seeds": 2,
        "stop_k": 3, "stop_precision": pytest.approx(stop),
        "stop_recall": pytest.approx(3 * stop / data[0].informative.sum()),
    }  # fmt: skip
    assert found[1]["stop_k"] is None
    assert found[3]["precision"] < 0.7 and found[3]["low"] <= found[3]["precision"]
    written = facts(data, 3, found)
    assert written["trainings"] == 3
    assert written["k"] == len(written["informative"]) == int(data[0].informative.sum())
    assert (written["signs"], written["signers"], written["clips"]) == (16, 4, 64)
