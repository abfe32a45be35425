"""A training that was interrupted ends bit by bit as one that never was."""

from dataclasses import replace
from types import SimpleNamespace

import lightning
import pytest
import torch

from jointprune import resume
from jointprune.config import TrainingConfig
from jointprune.runs import make_run
from jointprune.training import GatePath, fit, train
from jointprune.workspace import Workspace

TINY = TrainingConfig(hidden=16, frames=4, epochs=5, batch_size=8)


class Stop(lightning.Callback):
    """Ends a training in the middle of an epoch, as a kill would."""

    def __init__(self, epoch: int):
        self.epoch = epoch

    def on_train_batch_end(self, trainer, *_):
        if (trainer.current_epoch, trainer.fit_loop.epoch_loop.batch_idx) == (self.epoch, 1):
            raise InterruptedError


@pytest.fixture
def every_epoch(monkeypatch):
    monkeypatch.setattr(resume, "SAVE_EVERY", 0)


def toy_run(data, **settings):
    return make_run(data, *data.folds(3, seed=0)[0], 0, replace(TINY, **settings))


@pytest.mark.parametrize(
    "settings",
    [{}, {"mask": "hard-concrete", "budget": 12}, {"mask": "stg"}, {"mask": "any-subset"},
     {"mask": "concrete", "budget": 12}, {"mask": "group-lasso"}, {"mask": "quick-start"},
     {"encoder": "recurrent"}, {"encoder": "graph", "mask": "hard-concrete", "budget": 12}],
    ids=lambda settings: " ".join(map(str, settings.values())) or "open",
)  # fmt: skip
def test_an_interrupted_training_ends_as_an_unbroken_one(
    settings, toy_dataset, every_epoch, tmp_path
):
    run, file = toy_run(toy_dataset, **settings), tmp_path / "run.ckpt"
    unbroken, gates = fit(run, toy_dataset)
    for epoch in (1, 3):  # the second time it was resumed itself
        with pytest.raises(InterruptedError):
            fit(run, toy_dataset, [Stop(epoch)], checkpoint=file)
        assert torch.load(file, weights_only=True)["epoch"] == epoch - 1
    torch.manual_seed(99)
    resumed, same = fit(run, toy_dataset, checkpoint=file)
    assert same.equals(gates)
    assert resumed.trainer.global_step == unbroken.trainer.global_step
    assert resumed.state_dict().keys() == unbroken.state_dict().keys()
    for name, value in unbroken.state_dict().items():
        assert torch.equal(resumed.state_dict()[name], value), name


def test_a_sweeps_run_goes_on_and_leaves_nothing_beside_it(
    toy_dataset, every_epoch, tmp_path, monkeypatch
):
    """Interrupted under `fit`, taken up by `train`, which then removes what was kept."""
    torch.set_num_threads(1)  # as `train` does
    run, workspace = toy_run(toy_dataset, mask="hard-concrete"), Workspace(str(tmp_path))
    kept = workspace.runs / "unfinished" / f"{run.name(toy_dataset.sha256)}.ckpt"
    with pytest.raises(InterruptedError):
        fit(run, toy_dataset, [Stop(3)], checkpoint=kept)
    epochs = []
    monkeypatch.setattr(GatePath, "on_train_start", lambda *_: epochs.append(_[1].current_epoch))
    resumed = train(run, toy_dataset, workspace)
    assert epochs == [3] and not kept.exists()
    unbroken = train(run, toy_dataset, Workspace(str(tmp_path / "other")))
    for name in ("gates.csv", "probabilities.npy"):
        assert (resumed / name).read_bytes() == (unbroken / name).read_bytes()


def test_a_checkpoint_waits_for_its_time(toy_dataset, tmp_path, monkeypatch):
    """With a clock of 100 s a look, one an epoch and one a checkpoint."""
    ticks, kept = iter(range(0, 10_000, 100)), []
    monkeypatch.setattr(resume, "time", SimpleNamespace(monotonic=lambda: next(ticks)))
    save = lightning.Trainer.save_checkpoint
    monkeypatch.setattr(
        lightning.Trainer,
        "save_checkpoint",
        lambda trainer, path: kept.append(trainer.current_epoch) or save(trainer, path),
    )
    fit(toy_run(toy_dataset, epochs=7), toy_dataset, checkpoint=tmp_path / "run.ckpt")
    assert kept == [2, 5]


def test_a_checkpoint_that_cannot_be_written_ends_nothing(
    toy_dataset, every_epoch, tmp_path, monkeypatch
):
    """Not the training, and not the checkpoint before it."""
    run, file = toy_run(toy_dataset), tmp_path / "run.ckpt"
    with pytest.raises(InterruptedError):
        fit(run, toy_dataset, [Stop(2)], checkpoint=file)
    before = file.read_bytes()

    def full(trainer, path):
        path.write_bytes(b"half")
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(lightning.Trainer, "save_checkpoint", full)
    with pytest.warns(UserWarning, match=f"{file} could not be written, training goes on: .*28"):
        model, _ = fit(run, toy_dataset, checkpoint=file)
    assert model.trainer.global_step == model.trainer.estimated_stepping_batches
    assert file.read_bytes() == before


def test_what_another_kind_of_device_drew_is_left_out(toy_dataset, every_epoch, tmp_path):
    run, file = toy_run(toy_dataset), tmp_path / "run.ckpt"
    with pytest.raises(InterruptedError):
        fit(run, toy_dataset, [Stop(2)], checkpoint=file)
    kept = torch.load(file, weights_only=True)
    (drawn,) = (s["drawn"] for name, s in kept["callbacks"].items() if "Unfinished" in name)
    drawn |= {"of": ["cuda", 1], "noise": torch.zeros(16, dtype=torch.uint8)}
    torch.save(kept, file)
    model, _ = fit(run, toy_dataset, checkpoint=file)
    assert model.trainer.global_step == model.trainer.estimated_stepping_batches


def test_a_short_training_is_not_kept(toy_dataset, tmp_path):
    file = tmp_path / "run.ckpt"
    with pytest.raises(InterruptedError):
        fit(toy_run(toy_dataset), toy_dataset, [Stop(3)], checkpoint=file)
    assert not file.exists()


@pytest.mark.parametrize("damage", [lambda b: b[:-50], lambda b: b"", lambda b: flipped(b)],
                         ids=["cut", "empty", "flipped"])  # fmt: skip
def test_a_damaged_file_is_named_and_not_taken_up(damage, toy_dataset, every_epoch, tmp_path):
    run, file = toy_run(toy_dataset), tmp_path / "run.ckpt"
    with pytest.raises(InterruptedError):
        fit(run, toy_dataset, [Stop(3)], checkpoint=file)
    file.write_bytes(damage(file.read_bytes()))
    with pytest.raises(OSError, match=f"{file}: expected an interrupted training .* remove it"):
        fit(run, toy_dataset, checkpoint=file)


def flipped(archive: bytes) -> bytes:
    """With bits changed in its middle, where weights lie."""
    at = len(archive) // 2
    return archive[:at] + bytes(b ^ 1 for b in archive[at : at + 200]) + archive[at + 200 :]
