"""`make bench`: its own training measures a speed, and its results stand in the README."""

import json

import bench
import ours

from jointprune.config import TrainingConfig
from jointprune.paper.report import with_block
from jointprune.runs import make_run
from jointprune.workspace import ROOT


def test_training_on_noise_has_a_speed_and_leaves_no_clip_out(monkeypatch):
    monkeypatch.setattr(ours, "BATCH", 8)
    data = ours.random_dataset(clips=16)
    config = TrainingConfig(
        hidden=16, layers=1, frames=4, epochs=2, batch_size=8, mask="hard-concrete"
    )
    run = make_run(data, range(16), (), 0, config)
    assert len(ours.batches_of(run, data)) == 2
    assert ours.train(run, data) > 0


def test_the_readmes_table_holds_the_committed_measurements():
    facts = json.loads((ROOT / "data/results/bench.json").read_text(encoding="utf-8"))
    readme = (ROOT / "benchmarks/README.md").read_text(encoding="utf-8")
    assert with_block(readme, "bench", bench.in_words(facts)) == readme
    assert f"{facts['training']['128']['as_shipped']['ratio']:.2f}" in bench.in_words(facts)
