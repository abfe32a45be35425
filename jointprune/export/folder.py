"""Export of a model into a folder that appears whole or not at all."""

from pathlib import Path

from jointprune.export.program import Recogniser, description, largest_difference, write
from jointprune.extras import require
from jointprune.prediction import check_fits, load_checkpoint
from jointprune.store import open_dataset
from jointprune.workspace import scratch_folder, sync


def export_model(checkpoint: Path, dataset: str, out: Path | None = None) -> tuple[Path, float]:
    """Export a checkpoint into a new folder, by default `export` beside it.

    `dataset` is that of the training, with which the files are tried.
    Returns the folder and the largest difference between a probability that its files compute and
    the model's. Raises ValueError for another data set, a model whose gates cannot close joints
    and a difference above 1e-5; FileExistsError if `out` is not empty.
    """
    require("export", "to write a model's files")
    out = checkpoint.parent / "export" if out is None else out
    if out.exists() and (not out.is_dir() or any(out.iterdir())):
        raise FileExistsError(f"expected a new or empty folder, got {out}: remove it or name --out")
    model = load_checkpoint(checkpoint)
    data, known = open_dataset(dataset), model.trained_on
    if known and known["sha256"] != data.sha256:
        raise ValueError(
            f"expected the data set of the training, {known['name']!r} of checksum "
            f"{known['sha256'][:12]}, got {dataset!r} of {data.sha256[:12]}: name that one, or "
            "train on this one"
        )
    check_fits(model, data)
    with scratch_folder(out.parent) as scratch:
        recogniser = Recogniser(model).eval()
        write(recogniser, description(recogniser.config, data, checkpoint), scratch)
        difference = largest_difference(scratch, recogniser.config, model, data)
        for file in scratch.iterdir():
            sync(file)
        scratch.rename(out)
    return out, difference
