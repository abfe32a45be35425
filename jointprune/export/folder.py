"""Export of a run into a folder that appears whole or not at all."""

import json
import pickle
from pathlib import Path
from zipfile import is_zipfile

import torch

from jointprune.classifier import SignClassificationLightning
from jointprune.config import TrainingConfig
from jointprune.dataset import SignDataset
from jointprune.export.program import Recogniser, description, largest_difference, write
from jointprune.extras import require
from jointprune.runs import run_of
from jointprune.store import open_dataset
from jointprune.workspace import scratch_folder, sync

# Raised for a file that torch did not write, and for content that is not a model's.
FOREIGN = (pickle.UnpicklingError, RuntimeError, EOFError, KeyError, TypeError, IndexError)


def export_run(run: Path, out: Path | None = None, dataset: str = "") -> tuple[Path, float]:
    """Export a run's folder or a checkpoint into a new folder, by default `export` beside it.

    Returns the folder and the largest difference between a probability that its files compute and
    the model's. Raises ValueError for another data set, a model whose gates cannot close joints
    and a difference above 1e-5; FileExistsError if `out` is not empty.
    """
    require("export", "to write a model's files")
    checkpoint = run / "model.ckpt" if run.is_dir() else run
    out = checkpoint.parent / "export" if out is None else out
    if out.exists() and (not out.is_dir() or any(out.iterdir())):
        raise FileExistsError(f"expected a new or empty folder, got {out}: remove it or name --out")
    model = load_checkpoint(checkpoint)
    if run.is_dir():
        data = dataset_of_run(run.resolve(), dataset)
    else:
        data = dataset_named(dataset, model.config)
    with scratch_folder(out.parent) as scratch:
        recogniser = Recogniser(model).eval()
        write(recogniser, description(recogniser.config, data, checkpoint), scratch)
        difference = largest_difference(scratch, recogniser.config, model, data)
        for file in scratch.iterdir():
            sync(file)
        scratch.rename(out)
    return out, difference


def load_checkpoint(checkpoint: Path) -> SignClassificationLightning:
    """Load the model of a checkpoint in evaluation mode; no code in the file is run."""
    refusal = (
        "expected a checkpoint of jointprune.train or a run's folder with model.ckpt, got "
        f"{checkpoint} ({{}}): name the path that training printed, or a folder of data/runs"
    )
    if not checkpoint.is_file():
        raise FileNotFoundError(refusal.format("no such file"))
    foreign = ValueError(refusal.format("not a model of this package, or damaged"))
    if not is_zipfile(checkpoint):  # torch would try its older formats, with warnings
        raise foreign
    try:
        content = torch.load(checkpoint, map_location="cpu", weights_only=True)
        _ = content["state_dict"], content["hyper_parameters"]["config"]["joints"]
    except FOREIGN as error:  # torch's own messages are pages long
        raise foreign from error
    try:
        return SignClassificationLightning.load_from_checkpoint(checkpoint).eval()
    except (RuntimeError, ValueError) as error:
        reason = f"made by another version of this package: {str(error).splitlines()[0]}"
        raise ValueError(refusal.format(reason)) from error


def dataset_of_run(folder: Path, name: str = "") -> SignDataset:
    """Open the data set that a run was trained on, found by the checksum in the run's name.

    Without `name` the stores beside the folder of runs are searched; only the one that fits is
    opened.
    """
    run, found = run_of(folder), []
    stores = [open_dataset(name).folder] if name else sorted(folder.parents[1].glob("processed/*"))
    for store in stores:
        try:
            meta = json.loads((store / "meta.json").read_bytes())
            found.append(meta["name"])
            sha256 = meta["sha256"]
        except (OSError, ValueError, KeyError, TypeError):  # not a store, or a damaged one
            continue
        if run.name(sha256) == folder.name:
            return open_dataset(store)
    raise ValueError(
        f"expected the data set that the run {folder.name} was trained on, got {found}: prepare "
        "it again or name --dataset; for a run that was moved, renamed or made by older code, "
        "name its model.ckpt"
    )


def dataset_named(name: str, config: TrainingConfig) -> SignDataset:
    """Open a checkpoint's data set; its signs, coordinates and joints must fit the model's."""
    if not name:
        raise ValueError(
            "expected --dataset NAME with a checkpoint, got none: name the data set of the "
            "training, as a checkpoint does not hold the names of its signs"
        )
    data = open_dataset(name)
    expected = (config.num_classes, config.coords)
    got = (len(data.classes), data.poses.shape[-1])
    unknown = sorted(set(config.joints) - set(data.joints))
    if expected != got or unknown:
        without = f", without {unknown[:3]}" if unknown else ""
        raise ValueError(
            f"expected a data set of {expected[0]} signs in {expected[1]} coordinates with the "
            f"model's joints, got {name!r} of {got[0]} in {got[1]}{without}: name the one of the "
            "training"
        )
    return data
