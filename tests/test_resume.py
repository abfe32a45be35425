"""A training that was interrupted ends with the same bits as one that never was."""

from dataclasses import replace
from types import SimpleNamespace

import lightning
import pytest
import torch
from conftest import run_content, toy_run

from jointprune import training
from jointprune.config import TrainingConfig
from jointprune.prediction import load_checkpoint
from jointprune.training import GatePath, fit, train
from jointprune.workspace import Workspace

TINY = TrainingConfig(hidden=16, layers=2, frames=4, epochs=5, batch_size=8)

pytestmark = pytest.mark.usefixtures("one_thread")


class Stop(lightning.Callback):
    """Ends a training in the middle of an epoch, as a kill would."""

    def __init__(self, epoch: int):
        self.epoch = epoch

    def on_train_batch_end(self, trainer, *_):
        if (trainer.current_epoch, trainer.fit_loop.epoch_loop.batch_idx) == (self.epoch, 1):
            raise InterruptedError


@pytest.fixture
def every_epoch(monkeypatch):
    monkeypatch.setattr(training, "SAVE_EVERY", 0)


def interrupted(run, data, checkpoint, epoch=3):
    """The checkpoint of a training that was stopped in `epoch`."""
    with pytest.raises(InterruptedError):
        fit(run, data, [Stop(epoch)], checkpoint)
    return checkpoint


def finished(model) -> bool:
    return model.trainer.global_step == model.trainer.estimated_stepping_batches


@pytest.mark.parametrize(
    "settings",
    [{}, {"mask": "any-subset"}, {"mask": "concrete", "budget": 12}, {"mask": "group-lasso"},
     {"encoder": "recurrent"}, {"encoder": "graph", "mask": "hard-concrete", "budget": 12}],
    ids=lambda settings: " ".join(map(str, settings.values())) or "open",
)  # fmt: skip
def test_an_interrupted_training_ends_like_an_uninterrupted_one(
    settings, toy_dataset, every_epoch, tmp_path
):
    run, file = toy_run(toy_dataset, replace(TINY, **settings)), tmp_path / "run.ckpt"
    unbroken, gates = fit(run, toy_dataset)
    for epoch in (1, 3):  # the second training was itself resumed
        interrupted(run, toy_dataset, file, epoch)
        assert torch.load(file, weights_only=True)["epoch"] == epoch - 1
    torch.manual_seed(99)
    resumed, same = fit(run, toy_dataset, checkpoint=file)
    assert same.equals(gates)
    assert finished(resumed) and finished(unbroken)
    assert resumed.state_dict().keys() == unbroken.state_dict().keys()
    for name, value in unbroken.state_dict().items():
        assert torch.equal(resumed.state_dict()[name], value), name


def test_train_resumes_and_removes_the_checkpoint(toy_dataset, every_epoch, tmp_path, monkeypatch):
    run = toy_run(toy_dataset, replace(TINY, mask="hard-concrete"))
    workspace = Workspace(str(tmp_path))
    file = workspace.runs / "unfinished" / f"{run.name(toy_dataset.sha256)}.ckpt"
    interrupted(run, toy_dataset, file)
    epochs = []
    monkeypatch.setattr(GatePath, "on_train_start", lambda *_: epochs.append(_[1].current_epoch))
    train(run, toy_dataset, workspace)
    assert epochs == [3] and not file.exists()
    other = Workspace(str(tmp_path / "other"))
    train(run, toy_dataset, other)
    assert run_content(run, toy_dataset, workspace) == run_content(run, toy_dataset, other)


def test_an_unfinished_training_is_no_model(toy_dataset, every_epoch, tmp_path):
    """Its gates are not closed yet; without a mark, as from older code, a checkpoint is one."""
    file = interrupted(toy_run(toy_dataset, TINY), toy_dataset, tmp_path / "run.ckpt")
    with pytest.raises(ValueError, match=r"of a finished training, got .*run\.ckpt after 3 epochs"):
        load_checkpoint(file)
    model, _ = fit(toy_run(toy_dataset, TINY), toy_dataset, checkpoint=file)
    model.trainer.save_checkpoint(file)
    assert load_checkpoint(file).config == model.config
    content = torch.load(file, weights_only=True)
    del content["callbacks"]
    torch.save(content, file)
    assert load_checkpoint(file).config == model.config


def test_checkpoints_are_at_least_the_given_time_apart(toy_dataset, tmp_path, monkeypatch):
    """The clock advances by 100 s each time it is read: once per epoch, once per checkpoint."""
    ticks, saved = iter(range(0, 10_000, 100)), []
    monkeypatch.setattr(training, "time", SimpleNamespace(monotonic=lambda: next(ticks)))
    save = lightning.Trainer.save_checkpoint
    monkeypatch.setattr(
        lightning.Trainer,
        "save_checkpoint",
        lambda trainer, path, **how: saved.append(trainer.current_epoch) or save(trainer, path),
    )
    run = toy_run(toy_dataset, replace(TINY, epochs=7))
    fit(run, toy_dataset, checkpoint=tmp_path / "run.ckpt")
    assert saved == [2, 5]


def test_a_full_disk_ends_neither_training_nor_the_last_checkpoint(
    toy_dataset, every_epoch, tmp_path, monkeypatch
):
    run = toy_run(toy_dataset, TINY)
    file = interrupted(run, toy_dataset, tmp_path / "run.ckpt")
    before = file.read_bytes()

    def full(trainer, path, weights_only):
        path.write_bytes(b"half")
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(lightning.Trainer, "save_checkpoint", full)
    with pytest.warns(UserWarning, match=f"{file} could not be written, training continues: .*28"):
        model, _ = fit(run, toy_dataset, checkpoint=file)
    assert finished(model)
    assert file.read_bytes() == before


def test_a_damaged_checkpoint_is_refused_by_name(toy_dataset, every_epoch, tmp_path):
    run = toy_run(toy_dataset, TINY)
    file = interrupted(run, toy_dataset, tmp_path / "run.ckpt")
    whole, middle = file.read_bytes(), file.stat().st_size // 2  # where the weights are
    flipped = bytes(b ^ 1 for b in whole[middle : middle + 200])
    for damaged in (whole[:-50], b"", whole[:middle] + flipped + whole[middle + 200 :]):
        file.write_bytes(damaged)
        with pytest.raises(OSError, match=f"{file}: expected the checkpoint of an .* remove it"):
            fit(run, toy_dataset, checkpoint=file)
