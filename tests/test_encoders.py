"""Joints carried over to another encoder: which sets are compared, and how they overlap."""

from dataclasses import replace

from jointprune.config import TrainingConfig
from jointprune.paper.encoders import compare_encoders

TINY = TrainingConfig(hidden=16, frames=4, epochs=1, batch_size=8)


def test_each_encoder_reads_the_same_sets_and_chooses_one_of_its_own(toy_dataset, workspace, alone):
    configs = (TINY, replace(TINY, encoder="recurrent"))
    folds = toy_dataset.folds(3, seed=0)[:1]
    rows = compare_encoders(configs, 5, toy_dataset, folds, (0,), workspace)
    found = {(row["encoder"], row["joints"]): row for row in rows}
    shared = [("full", 42), ("learned", 5), ("stratified-random", 5)]
    assert {key: row["k"] for key, row in found.items()} == {
        **{(encoder, name): k for encoder in ("transformer", "recurrent") for name, k in shared},
        ("recurrent", "own"): 5,
    }
    for (_, name), row in found.items():
        assert 0 <= row["low"] <= row["mean"] <= row["high"] <= 1
        assert row["runs"] == 1 and "regime" not in row
        assert (row["overlap"] is None) == (name != "own")
    assert 0 <= found["recurrent", "own"]["overlap"] <= 1
