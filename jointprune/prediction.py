"""Reading trained runs: models, predictions as tables, and gates over training."""

import pickle
from collections.abc import Iterable, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import torch

from jointprune.checks import indices
from jointprune.classifier import SignClassificationLightning
from jointprune.config import TrainingConfig
from jointprune.dataset import SignDataset
from jointprune.parallel import on_every_core
from jointprune.preprocessing import ClipBatches
from jointprune.runs import Run, Trial, content_name, joint_indices, trained_file
from jointprune.workspace import Workspace, damage, file_sha256, intact, save_arrays

# Raised for a file that torch did not write, and for content that is not a model's.
FOREIGN = (pickle.UnpicklingError, RuntimeError, EOFError, KeyError, TypeError, IndexError,
           AttributeError)  # fmt: skip
TRAINED_ON = {"name", "sha256", "classes", "groups"}


@torch.no_grad()
def predict(
    model: SignClassificationLightning, data: SignDataset, clips: Sequence[int]
) -> np.ndarray:
    """Class probabilities (clips, classes) float32, in evaluation mode and full precision."""
    clips = indices(clips, len(data), "clips", at_least=0)
    if not len(clips):  # a run on all clips
        return np.empty((0, model.config.num_classes), np.float32)
    return _probabilities(model.eval(), evaluation_batches(model.config, data, clips))


def evaluation_batches(
    config: TrainingConfig, data: SignDataset, clips: Sequence[int]
) -> ClipBatches:
    """Batches of `clips` in order and without augmentation, for a model of this configuration."""
    return ClipBatches(data, clips, config.frames, 256, joint_indices(config, data))


def _probabilities(model: SignClassificationLightning, batches) -> np.ndarray:
    return np.concatenate(
        [model(poses, present).softmax(-1).numpy() for poses, present, _ in batches]
    )


def gate_path(run: Run, data: SignDataset, workspace: Workspace) -> pd.DataFrame:
    """Gates of a trained run after each epoch, one row per epoch and joint."""
    return pd.read_csv(trained_file(run, data, workspace, "gates.csv"))


def trained_model(run: Run, data: SignDataset, workspace: Workspace) -> SignClassificationLightning:
    """The model of a trained run, in evaluation mode."""
    path = trained_file(run, data, workspace, "model.ckpt")
    return SignClassificationLightning.load_from_checkpoint(path).eval()


def load_checkpoint(checkpoint: Path) -> SignClassificationLightning:
    """Load the model of a checkpoint in evaluation mode; no code in the file is run."""
    refusal = (
        f"expected a checkpoint, got {checkpoint} ({{}}): name the file that training printed, or "
        "the model.ckpt of a run in data/runs"
    )
    if not checkpoint.is_file():
        raise FileNotFoundError(refusal.format("no such file"))
    foreign = ValueError(refusal.format("not a model of this package, or damaged"))
    try:
        if damage(checkpoint):  # also of a file that is no zip: torch would try its older formats
            raise foreign
        content = torch.load(checkpoint, map_location="cpu", weights_only=True)
        weights, _ = content["state_dict"].values(), content["hyper_parameters"]["config"]["joints"]
        diverged = any(
            torch.is_tensor(values) and not values.isfinite().all() for values in weights
        )
        state = content.get("callbacks", {}).get("TrainingState", {})
    except FOREIGN as error:  # torch's own messages are pages long
        raise foreign from error
    if not state.get("finished", True):
        raise ValueError(
            f"expected the checkpoint of a finished training, got {checkpoint} after "
            f"{content['epoch'] + 1} epochs: give the training's command again, which resumes it"
        )
    if diverged:
        raise ValueError(
            f"expected a checkpoint of finite weights, got others in {checkpoint}: its training "
            "diverged; train again, with a lower learning rate"
        )
    try:
        model = SignClassificationLightning.load_from_checkpoint(checkpoint).eval()
    except (*FOREIGN, ValueError) as error:
        first = [*str(error).splitlines(), repr(error)][0]
        reason = f"made by another version of this package: {first}"
        raise ValueError(refusal.format(reason)) from error
    known = model.trained_on
    model.trained_on = known if isinstance(known, dict) and known.keys() >= TRAINED_ON else {}
    return model


def check_fits(model: SignClassificationLightning, data: SignDataset) -> None:
    """Raise ValueError unless a data set has the classes, joints and coordinates of a model."""
    config, name = model.config, data.meta.get("name", "unknown")
    classes = model.trained_on.get("classes", list(data.classes))  # older checkpoints lack them
    expected = (config.num_classes, config.coords)
    got = (len(data.classes), data.poses.shape[-1])
    unknown = sorted(set(config.joints) - set(data.joints))
    if expected != got or unknown or classes != list(data.classes):
        without = f", without {unknown[:3]}" if unknown else ""
        if other := sorted(set(classes) ^ set(data.classes)):
            without += f", with {other[:5]} in one of the two alone"
        elif classes != list(data.classes):
            without += f", in another order, from {data.classes[0]!r} on"
        raise ValueError(
            f"expected a data set of {expected[0]} classes in {expected[1]} coordinates with the "
            f"model's joints, got {name!r} of {got[0]} in {got[1]}{without}: name the one of the "
            "training, or one of the same classes"
        )


def predictions(trials: Iterable[Trial], data: SignDataset, workspace: Workspace) -> pd.DataFrame:
    """Test predictions of trained trials.

    Parameters
    ----------
    trials, data, workspace
        Trials whose runs are trained, the data set they were trained on, and where they are stored.

    Returns
    -------
    pandas.DataFrame
        One row per trial and test clip, with the columns method, k, regime, fold, seed, clip,
        group, label, predicted and p_predicted (its probability, float32).

    Raises
    ------
    FileNotFoundError
        If a run is not trained yet.
    ValueError
        If there is no trial, or a file of a run is damaged.
    """
    rows = []
    for trial in trials:
        likely = np.load(trained_file(trial.run, data, workspace, "probabilities.npy"))
        rows.append(prediction_rows(trial, likely.argmax(1), likely.max(1), data))
    if not rows:
        raise ValueError("expected trials, got none: pass at least one")
    return pd.concat(rows, ignore_index=True)


def masked_predictions(
    selections: list[tuple[Trial, list[tuple[str, tuple[int, ...]]]]],
    data: SignDataset,
    workspace: Workspace,
) -> pd.DataFrame:
    """Test predictions of trained models with only some gates open, without retraining.

    `selections` holds pairs of a trial and a list of (method, joints); `joints` are indices into
    the joints that the model reads.
    """
    folder, jobs = workspace.runs / "masked", []
    for trial, sets in selections:
        model = file_sha256(trained_file(trial.run, data, workspace, "model.ckpt"))
        name = content_name(model, data.sha256, trial.run.test, [joints for _, joints in sets])
        jobs.append((trial.run, sets, data, workspace, folder / f"{name}.npz"))
    missing = [job for job in jobs if not intact(job[-1])]
    list(on_every_core(_mask, missing, "gates closed", done=len(jobs) - len(missing)))
    rows = []
    for (trial, sets), (*_, path) in zip(selections, jobs, strict=True):
        with np.load(path) as found:
            best = zip(sets, found["predicted"], found["p_predicted"], strict=True)
            for (name, joints), predicted, p in best:
                part = replace(trial, method=name, k=len(joints), regime="masked")
                rows.append(prediction_rows(part, predicted, p, data))
    return pd.concat(rows, ignore_index=True)


@torch.no_grad()
def _mask(run: Run, sets, data: SignDataset, workspace: Workspace, path: Path) -> None:
    """Write the likeliest class and its probability, both (sets, test clips), to `path`."""
    model = trained_model(run, data, workspace)
    batches = list(evaluation_batches(model.config, data, run.test))
    predicted, p_predicted = [], []
    for _, joints in sets:
        model.joint_pruning.freeze(joints)
        probabilities = _probabilities(model, batches)
        predicted.append(probabilities.argmax(1))
        p_predicted.append(probabilities.max(1))
    save_arrays(path, predicted=predicted, p_predicted=p_predicted)


def prediction_rows(trial: Trial, predicted, p_predicted, data: SignDataset) -> pd.DataFrame:
    """Rows of the predictions table: predicted classes and their probability, (test clips,)."""
    clips = np.array(trial.run.test, dtype=np.int64)
    classes = np.array(data.classes)
    return pd.DataFrame(
        {
            "method": trial.method,
            "k": trial.k,
            "regime": trial.regime,
            "fold": trial.fold,
            "seed": trial.run.seed,
            "clip": data.clips["clip"].to_numpy()[clips],
            "group": np.asarray(data.groups)[clips],
            "label": classes[np.asarray(data.labels)[clips]],
            "predicted": classes[predicted],
            "p_predicted": p_predicted,  # unrounded, as bins of calibration need it
        }
    )
