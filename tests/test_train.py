"""The command line: logs, the trained model, its summary, exit codes and error lines."""

import re
import signal
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pandas as pd
import pytest
from lightning.pytorch.utilities.exceptions import SIGTERMException

from jointprune import train, training
from jointprune.classifier import SignClassificationLightning
from jointprune.config import TrainingConfig
from jointprune.store import save_dataset
from jointprune.workspace import ROOT

TINY = TrainingConfig(
    hidden=16, frames=4, batch_size=8, mask="hard-concrete", budget=12, precision="32-true"
)


@pytest.fixture
def arguments(tmp_path, toy, monkeypatch) -> list[str]:
    """Two epochs of a tiny pruning experiment on the toy data set, in a workspace of its own."""
    save_dataset(tmp_path / "data" / "processed" / "toy", **toy)
    monkeypatch.setitem(train.EXPERIMENTS, "pruning_experiment", TINY)
    options = {"experiment": "pruning_experiment", "dataset": "toy", "workspace": tmp_path,
               "folds": 3, "epochs": 2}  # fmt: skip
    return [part for name, value in options.items() for part in (f"--{name}", str(value))]


def test_the_command_trains_logs_and_saves_a_model_of_12_joints(arguments, tmp_path, capsys):
    train.main(arguments)
    folder = tmp_path / "data" / "runs" / "cli" / "pruning_experiment" / "version_0"
    curve = pd.read_csv(folder / "metrics.csv")
    assert {"pruning_ratio", "num_active_joints", "test_accuracy", "test_loss"} <= set(curve)
    assert curve["epoch"][curve["pruning_ratio"].notna()].tolist() == [0, 1]
    assert curve["test_accuracy"].notna().sum() == 1
    assert list(folder.glob("events.out.tfevents.*"))
    *_, kept, ratio, last = capsys.readouterr().out.strip().splitlines()
    checkpoint = Path(last.removeprefix("Checkpoint: "))
    model = SignClassificationLightning.load_from_checkpoint(checkpoint)
    summary = model.joint_pruning.get_summary()
    assert (kept, ratio) == ("Kept 12/42 joints", "Pruning ratio: 71.4%")
    assert summary["num_active"] == 12


@pytest.mark.parametrize(
    ("option", "message"),
    [
        (("--fold", "3"), "expected a fold of 0 to 2, got 3"),
        (("--folds", "1"), "expected at least 2 folds"),
        (("--epochs", "-1"), "epochs of 0"),
        (("--seed", "99999999999999999999"), "expected a seed of 0 to 4294967295, got 9999"),
        (("--workspace", "no/such"), f"expected a workspace that is a folder, got {ROOT}/no/such"),
        (("--experiment", "magic"), "invalid choice: 'magic'"),
    ],
)
def test_a_wrong_option_exits_with_code_2_and_what_was_expected(arguments, option, message, capsys):
    with pytest.raises(SystemExit, match="2"):
        train.main([*arguments, *option])
    assert message in capsys.readouterr().err


def stopped(arguments: list[str], capsys, code: int = 1) -> str:
    """The one line on stderr with which the command ends, checked for this exit code."""
    with pytest.raises(SystemExit) as ended:
        train.main(arguments)
    assert ended.value.code == code
    (line,) = capsys.readouterr().err.splitlines()
    return line


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (("--dataset", "nothing"), "no dataset in .*/nothing"),
        (("--folds", "4"), "expected 2 to 3 folds for 3 groups, got 4"),
        (("--devices", "some"), "machines that Lightning finds here, .* --devices some --nodes 1"),
        (("--accelerator", "cup"), "--accelerator cup .*invalid accelerator"),
        (("--strategy", "magic"), "--strategy magic .*invalid strategy"),
        (("--precision", "bf16-true"), "precision, got 'bf16-true': .*'bf16-mixed'"),
        (("--accelerator", "cpu", "--devices", "9", "--strategy", "ddp"),
         "a clip for each of 9 processes in a batch, got 8 clips"),
        (("--strategy", "ddp_spawn"), "expected a strategy .* got 'ddp_spawn': take 'ddp'"),
    ],
)  # fmt: skip
def test_an_impossible_training_exits_with_one_line(arguments, options, message, capsys):
    assert re.search(message, stopped([*arguments, *options], capsys))


def test_tasks_that_a_batch_system_cannot_start_are_explained(arguments, capsys, slurm):
    assert "--ntasks-per-node" in stopped(arguments, capsys)


def test_a_published_split_is_one_fold(arguments, toy, tmp_path, capsys):
    toy["clips"]["split"] = toy["clips"]["group"].map({"both": "test"}).fillna("train")
    save_dataset(tmp_path / "data" / "processed" / "toy", **toy)
    said = stopped([*arguments, "--fold", "1"], capsys)
    assert said == "expected fold 0, the published split, got 1: leave --fold out"


def test_trainings_at_once_get_folders_of_their_own(tmp_path):
    folder = tmp_path / "cli" / "baseline"
    with ThreadPoolExecutor(16) as pool:
        numbers = list(pool.map(train.own_version, [folder] * 64))
    assert sorted(numbers) == list(range(64))


@pytest.mark.parametrize(
    ("long", "stop", "code"),
    [
        (False, KeyboardInterrupt, 130),
        (True, KeyboardInterrupt, 130),
        (True, SIGTERMException, 143),
    ],
    ids=["short", "long", "terminated"],
)
def test_an_interrupted_training_exits_with_its_code_and_resumes_if_long(
    long, stop, code, arguments, tmp_path, monkeypatch, capsys
):
    """Interrupted in the second epoch; the logs of the first epoch exist."""
    monkeypatch.setattr(training, "SAVE_EVERY", 0 if long else 300)

    def interrupted_later(callback, trainer, model, outputs, batch, batch_idx):
        if trainer.current_epoch == 1:
            raise stop

    patch = pytest.MonkeyPatch()
    patch.setattr(train.LossCurve, "on_train_batch_end", interrupted_later)
    handler = signal.getsignal(signal.SIGINT)
    try:
        said = stopped(arguments, capsys, code)
    finally:
        signal.signal(signal.SIGINT, handler)  # Lightning replaces it
        patch.undo()
    folder = tmp_path / "data" / "runs" / "cli" / "pruning_experiment"
    assert said.startswith(f"Stopped. The logs are in {folder}; ")
    version = folder / "version_0"
    assert pd.read_csv(version / "metrics.csv")["epoch"].tolist() == [0]
    assert not list(version.rglob("*.ckpt"))
    kept = list((folder / "unfinished").glob("*.ckpt"))
    after = f"resumes from {kept[0]}." if long else "starts anew."
    assert said.endswith(f"; the same command {after}")
    train.main([*arguments, "--seed", "1"])  # another run, which has no checkpoint
    assert "Resuming from " not in capsys.readouterr().out
    train.main(arguments)
    assert ("Resuming from " in capsys.readouterr().out) == long
    epochs = pd.read_csv(folder / "version_2" / "metrics.csv")["epoch"].dropna()
    assert sorted(set(epochs))[0] == (1 if long else 0)
    assert not list((folder / "unfinished").glob("*"))


def test_ctrl_c_before_training_exits_in_the_same_way(arguments, monkeypatch, capsys):
    def interrupt(*_):
        raise KeyboardInterrupt

    monkeypatch.setattr(train, "load_dataset", interrupt)
    assert stopped(arguments, capsys, code=130).startswith("Stopped. ")


def test_an_error_in_the_code_keeps_its_traceback(arguments, monkeypatch):
    monkeypatch.setattr(train, "fit", lambda *_, **__: int("x"))
    with pytest.raises(ValueError, match="invalid literal"):
        train.main(arguments)
