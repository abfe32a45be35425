"""`make bench`: its own training measures a speed."""

import ours

from jointprune.config import TrainingConfig
from jointprune.runs import make_run


def test_training_on_noise_has_a_speed_and_leaves_no_clip_out(monkeypatch):
    monkeypatch.setattr(ours, "BATCH", 8)
    data = ours.random_dataset(clips=16)
    config = TrainingConfig(
        hidden=16, layers=1, frames=4, epochs=2, batch_size=8, mask="hard-concrete"
    )
    run = make_run(data, range(16), (), 0, config)
    assert len(ours.batches_of(run, data)) == 2
    assert ours.train(run, data) > 0
