"""The command line: logs, checkpoints, and the summary the quick start reads from them."""

from pathlib import Path

import pandas as pd
import pytest

from jointprune import train
from jointprune.classifier import SignClassificationLightning
from jointprune.config import TrainingConfig
from jointprune.store import save_dataset

TINY = TrainingConfig(
    hidden=16, frames=4, batch_size=8, mask="hard-concrete", budget=12, matmul_precision="highest"
)


@pytest.fixture
def arguments(tmp_path, toy, monkeypatch) -> list[str]:
    """Two epochs of a tiny pruning experiment on the toy dataset, in a workspace of its own."""
    save_dataset(tmp_path / "data" / "processed" / "toy", **toy)
    monkeypatch.setitem(train.EXPERIMENTS, "pruning_experiment", TINY)
    options = {"experiment": "pruning_experiment", "dataset": "toy", "workspace": tmp_path,
               "folds": 3, "epochs": 2}  # fmt: skip
    return [part for name, value in options.items() for part in (f"--{name}", str(value))]


def test_the_command_trains_logs_and_leaves_a_checkpoint(arguments, tmp_path, capsys):
    train.main(arguments)
    folder = tmp_path / "data" / "runs" / "cli" / "pruning_experiment" / "version_0"
    curve = pd.read_csv(folder / "metrics.csv")
    assert {"pruning_ratio", "num_active_joints", "test_accuracy", "test_loss"} <= set(curve)
    assert curve["epoch"][curve["pruning_ratio"].notna()].tolist() == [0, 1]
    assert curve["test_accuracy"].notna().sum() == 1  # the held-out fold is looked at once
    assert list(folder.glob("events.out.tfevents.*"))
    *_, kept, ratio, last = capsys.readouterr().out.strip().splitlines()
    checkpoint = Path(last.removeprefix("Checkpoint: "))
    model = SignClassificationLightning.load_from_checkpoint(checkpoint)
    summary = model.joint_pruning.get_summary()
    assert kept == f"Kept {summary['num_active']}/42 joints"
    assert ratio == f"Pruning ratio: {summary['pruning_ratio']:.1%}"


def test_asked_for_12_joints_the_checkpoint_keeps_12(arguments, capsys):
    train.main(arguments)
    assert "Kept 12/42 joints\nPruning ratio: 71.4%\n" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("option", "message"),
    [
        (("--fold", "3"), "expected a fold of 0 to 2, got 3"),
        (("--folds", "1"), "expected at least 2 folds"),
        (("--epochs", "-1"), "epochs of 0"),
        (("--experiment", "magic"), "invalid choice: 'magic'"),
    ],
)
def test_a_wrong_option_ends_with_what_was_expected(arguments, option, message, capsys):
    with pytest.raises(SystemExit, match="2"):
        train.main([*arguments, *option])
    assert message in capsys.readouterr().err


@pytest.mark.parametrize(
    "strategy", ["ddp_spawn", "ddp_notebook", "ddp_fork_find_unused_parameters_false"]
)
def test_a_strategy_that_copies_this_process_is_refused(arguments, strategy):
    with pytest.raises(ValueError, match=f"expected a strategy .* got '{strategy}': take 'ddp'"):
        train.main([*arguments, "--strategy", strategy])


def test_a_dataset_that_is_not_prepared_names_the_notebook(arguments):
    with pytest.raises(FileNotFoundError, match="01_data_preparation"):
        train.main([*arguments, "--dataset", "nothing"])
