"""Train one named experiment from the command line: `python -m jointprune.train --help`.

Writes CSV and TensorBoard logs, and a checkpoint after the last epoch, under
`data/runs/cli/EXPERIMENT`. The held-out fold is looked at once, after the last epoch. A training
of more than five minutes is kept on the way, at the ends of epochs, and the same command goes on
from there if it was interrupted.
"""

import argparse
import logging
from dataclasses import replace
from pathlib import Path

import lightning
import numpy as np
from lightning.pytorch.callbacks import ModelCheckpoint
from lightning.pytorch.loggers import CSVLogger, TensorBoardLogger
from lightning.pytorch.utilities import rank_zero_only
from lightning.pytorch.utilities.exceptions import MisconfigurationException

from jointprune.classifier import SignClassificationLightning
from jointprune.data import load_dataset
from jointprune.dataset import SignDataset
from jointprune.distributed import share_of
from jointprune.prediction import evaluation_batches
from jointprune.runs import EXPERIMENTS, Run, make_run
from jointprune.training import check_strategy, finalise, fit, precision_for, without_noise
from jointprune.workspace import DEFAULT_DATASET, Workspace


def main(arguments: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(
        prog="python -m jointprune.train",
        description=__doc__,
        formatter_class=argparse.ArgumentDefaultsHelpFormatter,
    )
    parser.add_argument(
        "--experiment",
        choices=sorted(EXPERIMENTS),
        default="pruning_experiment",
        help="named settings, see jointprune/experiments/run.py",
    )
    parser.add_argument(
        "--dataset",
        default=DEFAULT_DATASET,
        help="name of a dataset: of make data, of an import, or 'synthetic' (generated)",
    )
    parser.add_argument(
        "--workspace", default=".", help="folder that holds data/; if relative, to the repository"
    )
    parser.add_argument("--folds", type=int, default=4, help="parts to split the groups into")
    parser.add_argument("--fold", type=int, default=0, help="the part to test on, from 0")
    parser.add_argument("--seed", type=int, default=0, help="of weights, batches and gates")
    parser.add_argument("--epochs", type=int, default=0, help="0 takes the experiment's own")
    _add_machines(parser)
    options = parser.parse_args(arguments)
    if options.folds < 2 or options.epochs < 0:
        parser.error("expected at least 2 folds, and epochs of 0 (the experiment's own) or more")
    if not 0 <= options.seed < 2**32:  # what every library takes
        parser.error(f"expected a seed of 0 to {2**32 - 1}, got {options.seed}")
    if not 0 <= options.fold < options.folds:
        parser.error(f"expected a fold of 0 to {options.folds - 1}, got {options.fold}")
    workspace = Workspace(options.workspace)
    if not workspace.path.is_dir():
        parser.error(f"expected a workspace that is a folder, got {workspace.path}")
    folder = workspace.runs / "cli" / options.experiment
    unfinished = None
    try:
        run, data, machines = _asked_for(options, workspace, parser)
        unfinished = folder / "unfinished" / f"{run.name(data.sha256)}.ckpt"
        report(train_experiment(folder, run, data, machines, unfinished))
    except (KeyboardInterrupt, SystemExit, InterruptedError) as error:
        terminated = isinstance(error, InterruptedError)  # by SIGTERM
        if not (terminated or _interrupted(error)):
            raise
        kept = unfinished and unfinished.is_file()
        after = f"goes on from {unfinished}" if kept else "starts anew"
        parser.exit(
            143 if terminated else 130,
            f"Stopped. What was logged until then is in {folder}; the same command {after}.\n",
        )
    except OSError as error:
        parser.exit(1, f"{error}\n")


def _interrupted(error: BaseException) -> bool:
    """Was it Ctrl-C? Lightning tidies up after it and then exits."""
    return any(isinstance(e, KeyboardInterrupt) for e in (error, error.__context__))


def _add_machines(parser: argparse.ArgumentParser) -> None:
    group = parser.add_argument_group("machines", "handed on to Lightning's Trainer")
    group.add_argument("--accelerator", default="auto", help="such as cpu or gpu")
    group.add_argument("--devices", default="auto", help="of each node: how many, or which")
    group.add_argument("--nodes", type=int, default=1, help="machines that train together")
    group.add_argument("--strategy", default="auto", help="such as ddp")
    group.add_argument(
        "--precision", default="auto", help="such as 32-true; auto takes bfloat16 where it is fast"
    )


@rank_zero_only
def report(checkpoint: str) -> None:
    """Print what a checkpoint keeps, once, however many processes trained."""
    summary = SignClassificationLightning.load_from_checkpoint(
        checkpoint
    ).joint_pruning.get_summary()
    print(f"Kept {summary['num_active']}/{summary['num_total']} joints")
    print(f"Pruning ratio: {summary['pruning_ratio']:.1%}")
    print(f"Checkpoint: {checkpoint}")


def _asked_for(options: argparse.Namespace, workspace: Workspace, parser) -> tuple:
    """The run, its dataset and machines; what is asked wrongly ends the command in one line."""
    config = EXPERIMENTS[options.experiment]
    epochs = options.epochs or config.epochs
    config = replace(config, epochs=epochs, precision=options.precision)
    try:
        machines, places = _machines(options)
        data = load_dataset(options.dataset, workspace)
        train, test = _fold(data, options)
        share_of(min(config.batch_size, len(train)), places)
    except ValueError as error:
        parser.exit(1, f"{error}\n")
    return make_run(data, train, test, options.seed, config), data, machines


def train_experiment(
    folder: Path, run: Run, data: SignDataset, machines: dict, unfinished: Path
) -> str:
    """Train with progress, logs and checkpoints; returns the last checkpoint's path."""
    if unfinished.is_file():
        rank_zero_only(print)(f"Going on from {unfinished}; remove it to start anew")
    checkpoints = ModelCheckpoint(save_last=True, save_top_k=0)
    loggers = [CSVLogger(folder.parent, folder.name)]
    loggers.append(TensorBoardLogger(folder.parent, folder.name, version=loggers[0].version))
    model, _ = fit(
        run,
        data,
        [checkpoints, LossCurve()],
        unfinished,
        **machines,
        logger=loggers,
        enable_checkpointing=True,
        enable_progress_bar=True,
        enable_model_summary=True,
        log_every_n_steps=1,
    )
    finalise(model, run, data)
    model.trainer.save_checkpoint(checkpoints.last_model_path)
    with without_noise():  # every process is asked about all clips
        model.trainer.test(model, evaluation_batches(run.config, data, run.test))
    if model.trainer.is_global_zero:
        unfinished.unlink(missing_ok=True)
    return checkpoints.last_model_path


def _machines(options: argparse.Namespace) -> tuple[dict, int]:
    """The trainer's arguments about machines, and how many processes these are; ValueError if there
    are none such here."""
    asked = {"accelerator": options.accelerator, "devices": options.devices,
             "num_nodes": options.nodes, "strategy": options.strategy}  # fmt: skip
    logging.getLogger("lightning.pytorch").setLevel(logging.ERROR)  # as `fit` does
    check_strategy(options.strategy)
    try:
        precision = precision_for(options.precision, options.accelerator)
        quiet = {"logger": False, "enable_checkpointing": False}
        places = lightning.Trainer(**asked, **quiet, precision=precision).world_size
    except (ImportError, TypeError, ValueError, MisconfigurationException) as error:
        given = {**asked, "precision": options.precision}
        got = " ".join(f"--{name.removeprefix('num_')} {value}" for name, value in given.items())
        raise ValueError(
            f"expected machines that Lightning finds here, got {got}: "
            f"{str(error).rstrip('.')}. Leave these options out to train on what there is"
        ) from error
    return asked, places


def _fold(data: SignDataset, options: argparse.Namespace) -> tuple[np.ndarray, np.ndarray]:
    """The clips to train on and to test on; a published split is fold 0 and the only one."""
    folds = data.folds(options.folds, seed=0)
    if options.fold >= len(folds):
        raise ValueError(
            f"expected fold 0, as {options.dataset} has one fold, its published split, "
            f"got {options.fold}: leave out --fold"
        )
    return folds[options.fold]


class LossCurve(lightning.Callback):
    """Logs `train_loss`, the mean over an epoch's batches and all processes."""

    def on_train_batch_end(self, trainer, model, outputs, batch, batch_idx):
        model.log("train_loss", outputs["loss"], on_step=False, on_epoch=True, sync_dist=True)


if __name__ == "__main__":
    main()
