"""Train one named experiment from the command line: `python -m jointprune.train --help`.

Writes CSV and TensorBoard logs, and the trained model, under `data/runs/cli/EXPERIMENT`. The test
fold is evaluated once, after the last epoch. A training of more than five minutes saves
checkpoints; after an interruption the same command resumes it.
"""

import argparse
import itertools
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

import lightning
from lightning.pytorch.loggers import CSVLogger, TensorBoardLogger
from lightning.pytorch.utilities import rank_zero_only
from lightning.pytorch.utilities.exceptions import MisconfigurationException

from jointprune.data import load_dataset
from jointprune.dataset import SignDataset
from jointprune.prediction import evaluation_batches
from jointprune.runs import EXPERIMENTS, Run, make_run
from jointprune.training import (
    QUIET,
    finalise,
    fit,
    precision_for,
    without_noise,
    written_whole,
)
from jointprune.workspace import DEFAULT_DATASET, Workspace, told


def main(arguments: list[str] | None = None) -> None:
    """Parse the command line, train, and print what the gates keep.

    Exit codes: 0 trained, 1 impossible to train, 2 wrong option, 130 Ctrl-C, 143 SIGTERM.
    """
    parser = _parser()
    options = parser.parse_args(arguments)
    workspace = Workspace(options.workspace)
    folder = workspace.runs / "cli" / options.experiment
    checkpoint = None
    try:
        run, data, machines = _prepare(options, workspace, parser)
        checkpoint = folder / "unfinished" / f"{run.name(data.sha256)}.ckpt"
        train_experiment(folder, run, data, machines, checkpoint)
    except (KeyboardInterrupt, SystemExit, InterruptedError) as error:
        sigterm = isinstance(error, InterruptedError)
        # Lightning turns Ctrl-C into an exit after cleaning up.
        ctrl_c = any(isinstance(e, KeyboardInterrupt) for e in (error, error.__context__))
        if not sigterm and not ctrl_c:
            raise
        saved = checkpoint and checkpoint.is_file()
        after = f"resumes from {checkpoint}" if saved else "starts anew"
        message = f"Stopped. The logs are in {folder}; the same command {after}.\n"
        parser.exit(143 if sigterm else 130, message)
    except OSError as error:
        parser.exit(1, f"{told(error)}\n")


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m jointprune.train",
        description=__doc__,
        formatter_class=argparse.ArgumentDefaultsHelpFormatter,
    )
    add = parser.add_argument
    add("--experiment", choices=sorted(EXPERIMENTS), default="pruning_experiment", help="its name")
    add("--dataset", default=DEFAULT_DATASET, help="name of a data set, or 'synthetic'")
    add("--workspace", default=".", help="folder of data/, absolute or relative to the repository")
    add("--folds", type=int, default=4, help="number of folds to split the groups into")
    add("--fold", type=int, default=0, help="fold to test on, from 0")
    add("--seed", type=int, default=0, help="seed of weights, batches and gates")
    add("--epochs", type=int, default=0, help="0: those of the experiment")
    add = parser.add_argument_group("machines", "passed on to Lightning's Trainer").add_argument
    add("--accelerator", default="auto", help="such as cpu or gpu")
    add("--devices", default="auto", help="per node: how many, or which")
    add("--nodes", type=int, default=1, help="machines that train together")
    add("--strategy", default="auto", help="such as ddp")
    add("--precision", default="auto", help="such as 32-true; auto: bfloat16 where it is fast")
    return parser


def _prepare(options: argparse.Namespace, workspace: Workspace, parser) -> tuple:
    """The run, its data set and the trainer's arguments; ends the command if they are wrong."""
    if options.folds < 2 or options.epochs < 0:
        parser.error("expected at least 2 folds, and epochs of 0 (the experiment's own) or more")
    if not 0 <= options.seed < 2**32:  # the range of all libraries
        parser.error(f"expected a seed of 0 to {2**32 - 1}, got {options.seed}")
    if not 0 <= options.fold < options.folds:
        parser.error(f"expected a fold of 0 to {options.folds - 1}, got {options.fold}")
    if not workspace.path.is_dir():
        parser.error(f"expected a workspace that is a folder, got {workspace.path}")
    try:
        config = replace(EXPERIMENTS[options.experiment], precision=options.precision)
        config = replace(config, epochs=options.epochs or config.epochs)
        machines, processes = _machines(options)
        data = load_dataset(options.dataset, workspace)
        folds = data.folds(options.folds, seed=0)
        if options.fold >= len(folds):
            raise ValueError(
                f"expected fold 0, the published split, got {options.fold}: leave --fold out"
            )
        train, test = folds[options.fold]
        if (clips := min(config.batch_size, len(train))) < processes:
            raise ValueError(
                f"expected a clip for each of {processes} processes in a batch, got {clips} clips: "
                "use fewer --devices or --nodes"
            )
        return make_run(data, train, test, options.seed, config), data, machines
    except ValueError as error:
        parser.exit(1, f"{error}\n")


def _machines(options: argparse.Namespace) -> tuple[dict, int]:
    """The trainer's arguments about machines, and the number of processes."""
    machines = {"accelerator": options.accelerator, "devices": options.devices,
                "num_nodes": options.nodes, "strategy": options.strategy}  # fmt: skip
    if any(word in options.strategy for word in ("spawn", "fork", "notebook")):
        raise ValueError(  # their processes do not return the trained model
            "expected a strategy whose processes are started anew, "
            f"got {options.strategy!r}: take 'ddp'"
        )
    try:
        precision = precision_for(options.precision, options.accelerator)
        with without_noise():
            processes = lightning.Trainer(**QUIET | machines, precision=precision).world_size
    except (ImportError, RuntimeError, TypeError, ValueError, MisconfigurationException) as error:
        got = " ".join(f"--{name.removeprefix('num_')} {value}" for name, value in machines.items())
        raise ValueError(
            f"expected machines that Lightning finds here, got {got} --precision "
            f"{options.precision}: {error}. Leave these options out to train on what there is"
        ) from error
    return machines, processes


def train_experiment(
    folder: Path, run: Run, data: SignDataset, machines: dict, checkpoint: Path
) -> None:
    """Train with progress bar and logs, save, test, and print what the model keeps."""
    say = rank_zero_only(print)  # once for all processes
    if checkpoint.is_file():
        say(f"Resuming from {checkpoint}; remove it to start anew")
    place = {"save_dir": folder.parent, "name": folder.name, "version": own_version(folder)}
    loggers = [CSVLogger(**place), TensorBoardLogger(**place)]
    shown = {"enable_progress_bar": True, "enable_model_summary": True, "log_every_n_steps": 1}
    model, _ = fit(run, data, [LossCurve()], checkpoint, **machines, logger=loggers, **shown)
    trainer = model.trainer
    finalise(model, run, data)
    trained = Path(trainer.log_dir) / "checkpoints" / "last.ckpt"
    with written_whole(trained, trainer) as path:
        trainer.save_checkpoint(path, weights_only=False)
    with without_noise():  # every process tests on all clips
        trainer.test(model, evaluation_batches(run.config, data, run.test))
    if trainer.is_global_zero:
        checkpoint.unlink(missing_ok=True)
    summary = model.joint_pruning.get_summary()
    say(f"Kept {summary['num_active']}/{summary['num_total']} joints")
    say(f"Pruning ratio: {summary['pruning_ratio']:.1%}")
    say(f"Checkpoint: {trained}")


@rank_zero_only
def own_version(folder: Path) -> int:
    """Make the first free folder `version_N` and return N; no other training gets the same one.

    Lightning's loggers look for a free number and make the folder later.
    """
    for number in itertools.count():
        with suppress(FileExistsError):
            (folder / f"version_{number}").mkdir(parents=True)
            return number


class LossCurve(lightning.Callback):
    """Logs `train_loss`, the mean over an epoch's batches and all processes."""

    def on_train_batch_end(self, trainer, model, outputs, batch, batch_idx):
        model.log("train_loss", outputs["loss"], on_step=False, on_epoch=True, sync_dist=True)


if __name__ == "__main__":
    main()
