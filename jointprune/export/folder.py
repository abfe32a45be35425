"""From a trained run to a folder of files: which model, which dataset, all or nothing."""

import json
import pickle
from contextlib import suppress
from pathlib import Path
from zipfile import is_zipfile

import torch

from jointprune.classifier import SignClassificationLightning
from jointprune.config import TrainingConfig
from jointprune.data import load_dataset
from jointprune.dataset import SignDataset
from jointprune.export.checks import check
from jointprune.export.program import Recogniser, description, write
from jointprune.extras import require
from jointprune.runs import run_of
from jointprune.workspace import scratch_folder, sync

# What torch raises for an archive not its own, and Python for one that holds something else.
FOREIGN = (pickle.UnpicklingError, RuntimeError, EOFError, KeyError, TypeError, IndexError)


def export_run(run: Path, out: Path | None = None, dataset: str = "") -> tuple[Path, float]:
    """Write a trained run's files into the new folder `out`, whole or not at all.

    Args:
        run: a run's folder, or a checkpoint.
        out: None for `export` beside the checkpoint.
        dataset: name or folder of what it was trained on; a run's folder finds it by itself.

    Returns the folder and the largest difference of a probability from the model's own. Raises
    ValueError if the dataset is another one, gates cannot close joints, or a file answers
    otherwise; FileNotFoundError, FileExistsError and ModuleNotFoundError for what is missing or
    in the way.
    """
    require("export", "to write a model's files")
    checkpoint = run / "model.ckpt" if run.is_dir() else run
    out = checkpoint.parent / "export" if out is None else out
    if out.exists() and (not out.is_dir() or any(out.iterdir())):
        raise FileExistsError(f"expected a new or empty folder, got {out}: remove it or name --out")
    model = trained_model(checkpoint)
    if run.is_dir():
        data = dataset_of(run.resolve(), dataset)
    else:
        data = dataset_named(dataset, model.config)
    with scratch_folder(out.parent) as scratch:
        recogniser = Recogniser(model).eval()
        write(recogniser, description(recogniser.config, data, checkpoint), scratch)
        difference = check(scratch, recogniser.config, model, data)
        for file in scratch.iterdir():
            sync(file)
        scratch.rename(out)
    return out, difference


def trained_model(checkpoint: Path) -> SignClassificationLightning:
    """The model of a checkpoint in evaluation mode; no code in the file is run."""
    refusal = (
        "expected a checkpoint of jointprune.train or a run's folder with model.ckpt, got "
        f"{checkpoint} ({{}}): name the path that training printed, or a folder of data/runs"
    )
    if not checkpoint.is_file():
        raise FileNotFoundError(refusal.format("no such file"))
    if not is_zipfile(checkpoint):
        raise ValueError(refusal.format("not written by torch, or cut short"))
    try:
        content = torch.load(checkpoint, map_location="cpu", weights_only=True)
        _ = content["state_dict"], content["hyper_parameters"]["config"]["joints"]
    except FOREIGN as error:  # whose own texts are pages long
        raise ValueError(refusal.format("not a model of this package")) from error
    try:
        return SignClassificationLightning.load_from_checkpoint(checkpoint).eval()
    except (RuntimeError, ValueError) as error:
        reason = f"made by other code of this package: {str(error).splitlines()[0]}"
        raise ValueError(refusal.format(reason)) from error


def dataset_of(folder: Path, name: str = "") -> SignDataset:
    """The dataset that the run in `folder` learned from: the one that gives the run its name.

    Looked for by their checksums in the `processed` beside the folder's `runs`, or named; no other
    is opened. Raises ValueError if none gives it, or if it is damaged.
    """
    run = run_of(folder)
    stores = sorted(folder.parents[1].glob("processed/*"))
    found = _told([load_dataset(name).folder] if name else stores)
    for store, (_, sha256) in found.items():
        if run.name(sha256) == folder.name:
            return load_dataset(store)
    raise ValueError(
        f"expected the dataset that gave the run {folder.name} its name, got "
        f"{[name for name, _ in found.values()]}: prepare it again or say --dataset, as labels are "
        "known from nothing else; of a run moved, renamed or made by older code name model.ckpt"
    )


def _told(stores: list[Path]) -> dict[Path, tuple[str, str]]:
    """Name and checksum that each store tells of itself, less those that tell none: they are
    another's business."""
    told = {}
    for store in stores:
        with suppress(ValueError, OSError, KeyError, TypeError):
            meta = json.loads((store / "meta.json").read_bytes())
            told[store] = meta["name"], meta["sha256"]
    return told


def dataset_named(name: str, config: TrainingConfig) -> SignDataset:
    """The dataset of that name or folder, for a model of these settings.

    Raises ValueError for no name and for one whose signs or joints are not the model's; that it
    was the one trained on cannot be seen.
    """
    if not name:
        raise ValueError(
            "expected --dataset NAME, the one it was trained on: a checkpoint does not say what "
            "its signs are called"
        )
    data = load_dataset(name)
    wanted = (config.num_classes, config.coords)
    got = (len(data.classes), data.poses.shape[-1])
    unknown = sorted(set(config.joints) - set(data.joints))
    if wanted != got or unknown:
        raise ValueError(
            f"expected a dataset of {wanted[0]} signs in {wanted[1]} coordinates with the model's "
            f"joints, got {name!r} of {got[0]} in {got[1]}"
            f"{f', without {unknown[:3]}' if unknown else ''}: name the one it was trained on"
        )
    return data
