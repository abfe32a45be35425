"""Train one named experiment from the command line: `python -m jointprune.train --help`.

Writes CSV and TensorBoard logs and checkpoints under `data/runs/cli/EXPERIMENT`. The held-out
fold is looked at once, after the last epoch.
"""

import argparse
from dataclasses import replace

import lightning
from lightning.pytorch.callbacks import ModelCheckpoint
from lightning.pytorch.loggers import CSVLogger, TensorBoardLogger
from lightning.pytorch.utilities import rank_zero_only

from jointprune.classifier import SignClassificationLightning
from jointprune.experiments import EXPERIMENTS, evaluation_batches, fit, make_run, without_noise
from jointprune.sources import load_dataset
from jointprune.workspace import Workspace


def main(arguments: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(prog="python -m jointprune.train", description=__doc__)
    parser.add_argument("--experiment", choices=sorted(EXPERIMENTS), default="pruning_experiment")
    parser.add_argument("--dataset", default="fingerspelling", help="a prepared dataset's name")
    parser.add_argument(
        "--workspace", default=".", help="folder that holds data/, from the repository's root"
    )
    parser.add_argument("--folds", type=int, default=4, help="parts to split the groups into")
    parser.add_argument("--fold", type=int, default=0, help="the part to test on")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--epochs", type=int, default=0, help="0: the experiment's own")
    _add_machines(parser)
    options = parser.parse_args(arguments)
    if options.folds < 2 or options.epochs < 0:
        parser.error("expected at least 2 folds, and epochs of 0 (the experiment's own) or more")
    if not 0 <= options.fold < options.folds:
        parser.error(f"expected a fold of 0 to {options.folds - 1}, got {options.fold}")
    report(train_experiment(options))


def _add_machines(parser: argparse.ArgumentParser) -> None:
    group = parser.add_argument_group("machines", "handed on to Lightning's Trainer")
    group.add_argument("--accelerator", default="auto", help="such as cpu or gpu")
    group.add_argument("--devices", default="auto", help="of each node: how many, or which")
    group.add_argument("--nodes", type=int, default=1, help="machines that train together")
    group.add_argument("--strategy", default="auto", help="such as ddp")
    group.add_argument("--precision", default="32-true", help="such as bf16-mixed")


@rank_zero_only
def report(checkpoint: str) -> None:
    """Print what a checkpoint keeps, once, however many processes trained."""
    summary = SignClassificationLightning.load_from_checkpoint(
        checkpoint
    ).joint_pruning.get_summary()
    print(f"Kept {summary['num_active']}/{summary['num_total']} joints")
    print(f"Pruning ratio: {summary['pruning_ratio']:.1%}")
    print(f"Checkpoint: {checkpoint}")


def train_experiment(options: argparse.Namespace) -> str:
    """Train with progress, logs and checkpoints; returns the last checkpoint's path."""
    workspace = Workspace(options.workspace)
    data = load_dataset(options.dataset, workspace)
    config = EXPERIMENTS[options.experiment]
    config = replace(config, epochs=options.epochs or config.epochs)
    train, test = data.folds(options.folds, seed=0)[options.fold]
    run = make_run(data, train, test, options.seed, config)
    folder = workspace.runs / "cli"
    checkpoints = ModelCheckpoint(save_last=True, save_top_k=0)
    loggers = [CSVLogger(folder, options.experiment)]
    loggers.append(TensorBoardLogger(folder, options.experiment, version=loggers[0].version))
    model, _ = fit(
        run,
        data,
        [checkpoints, LossCurve()],
        accelerator=options.accelerator,
        devices=options.devices,
        num_nodes=options.nodes,
        strategy=options.strategy,
        precision=options.precision,
        logger=loggers,
        enable_checkpointing=True,
        enable_progress_bar=True,
        enable_model_summary=True,
        log_every_n_steps=1,
    )
    if config.budget:
        model.joint_pruning.freeze_top(config.budget)
        model.trainer.save_checkpoint(checkpoints.last_model_path)
    with without_noise():  # every process is asked about all clips
        model.trainer.test(model, evaluation_batches(run.config, data, test))
    return checkpoints.last_model_path


class LossCurve(lightning.Callback):
    """Logs `train_loss`, the mean over an epoch's batches and all processes."""

    def on_train_batch_end(self, trainer, model, outputs, batch, batch_idx):
        model.log("train_loss", outputs["loss"], on_step=False, on_epoch=True, sync_dist=True)


if __name__ == "__main__":
    main()
