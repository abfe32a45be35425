"""The exported program, the folder of its files, and their comparison with the model."""

import io
import json
import logging
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import torch
from torch import Tensor, nn

from jointprune.classifier import SignClassificationLightning, slice_joints
from jointprune.config import TrainingConfig
from jointprune.dataset import SignDataset
from jointprune.extras import require
from jointprune.prediction import check_fits, load_checkpoint, predict
from jointprune.preprocessing import EVALUATION_CROP
from jointprune.recordings import HAND_POINTS, LIMIT, PALM
from jointprune.runs import joint_indices
from jointprune.skeleton import HAND_OF, JOINTS, SHORT_NAME, hand_index
from jointprune.store import import_report, open_dataset
from jointprune.training import without_noise
from jointprune.workspace import file_sha256, scratch_folder, sync

OPSET = 20  # of ONNX; onnxruntime reads such files from 1.18 on
TOLERANCE = 1e-5  # largest difference allowed between a program's probability and the model's
CHECKED = 64  # clips of the data set that are compared, besides random ones

# What a caller has to provide; everything else happens inside the program.
INTERFACE = {
    "inputs": {
        "poses": "float32 (clips, frames, joints, coords): the joints below in their order, in "
        "shoulder widths; any number of clips, all of the same number of frames, 1 or more",
        "present": "bool (clips, frames, joints): whether the joint's hand was found; where it was "
        "not, poses may hold anything",
    },
    "output": {"probabilities": "float32 (clips, labels); they sum to 1"},
    "prepare": {
        "axes": "x to the viewer's right, y down, picture not mirrored",
        "trim": "cut the frames before the first and after the last one in which either hand is "
        "found, even if none of its joints is an input",
        "hands": "left and right are the signer's own, and the right hand leads: for a "
        "left-handed signer swap the hands and negate x",
    },
}

# How a clip is placed and brought into shoulder widths, by what gives its scale.
WAYS = {
    "shoulders": "subtract the shoulders' middle, divide by their distance (both medians of the "
    "clip)",
    "palms": "subtract the mean of all joints of the hands that are found, those that are no input "
    f"included, and divide by the palm, which is {PALM} wide: the median distance from a wrist to "
    "its middle knuckle",
}

# Warnings about torch's own code, about the weights that a GRU keeps twice, and about the clips and
# frames that both inputs share.
LIBRARY_NOISE = (
    r"`isinstance\(treespec, LeafSpec\)` is deprecated",
    "The tensor attributes self.encoder.recurrent._flat_weights.* were assigned during export",
    "# The axis name: (clips|frames) will not be used, since it shares",
)


def export_model(checkpoint: Path, dataset: str, out: Path | None = None) -> tuple[Path, float]:
    """Export a checkpoint into a new folder, by default `export` beside it.

    `dataset` is that of the training, with which the files are tried.
    Returns the folder and the largest difference between a probability that its files compute and
    the model's. Raises ValueError for another data set, a model whose gates cannot close joints
    and a difference above 1e-5; FileExistsError if `out` is not empty.
    """
    require("export", "to write a model's files")
    out = (checkpoint.parent / "export" if out is None else out).resolve()
    _check_free(out)
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
        _check_free(out)  # another export may have been faster
        scratch.rename(out)
    return out, difference


def _check_free(out: Path) -> None:
    if out.exists() and (not out.is_dir() or any(out.iterdir())):
        raise FileExistsError(f"expected a new or empty folder, got {out}: remove it or name --out")


class Recogniser(nn.Module):
    """The program: preprocessing and the network of a model's open joints, as one module."""

    def __init__(self, model: SignClassificationLightning):
        super().__init__()
        small = slice_joints(model.eval())
        self.config, self.encoder = small.config, small.encoder
        self.register_buffer("gates", small.joint_pruning.gates())
        # In float32 as in `ClipBatches`, or the times between two frames would differ.
        first = np.float32(EVALUATION_CROP)
        last = 1 - first
        shares = first + (last - first) * np.linspace(0, 1, self.config.frames)
        self.register_buffer("shares", torch.from_numpy(shares))

    def forward(self, poses: Tensor, present: Tensor) -> Tensor:
        """Probabilities (clips, classes), from the inputs described in INTERFACE."""
        poses = torch.where(present[..., None], poses.clamp(-LIMIT, LIMIT), 0)
        # `preprocessing.resample` in torch, which can be traced; a test holds the two equal.
        moment = (self.shares * (poses.shape[1] - 1)).round(decimals=9)
        before, after = moment.floor().long(), moment.ceil().long()
        here, there = present[:, before], present[:, after]
        weight = (moment - before).float()[:, None]
        weight = torch.where(here & ~there, 0, torch.where(there & ~here, 1, weight))[..., None]
        poses = poses[:, before] * (1 - weight) + poses[:, after] * weight
        return self.encoder(poses, (here | there) * self.gates).softmax(-1)


def scaled_by(data: SignDataset) -> list[str]:
    """Keys of WAYS: what gives the clips of a data set their scale, the preferred one first."""
    if "layout" not in data.meta:  # no import: all clips show shoulders
        return ["shoulders"]
    report = import_report(data.folder)
    by_palm = len(report["by_palm"])
    used = {"shoulders": by_palm < report["clips"], "palms": by_palm > 0}
    return [way for way in WAYS if used[way]]


def description(config: TrainingConfig, data: SignDataset, checkpoint: Path) -> dict:
    """Content of `model.json`; `config` is that of the model without its closed joints."""
    noted, ways = ("name", "sha256", "mirrored", "trimmed"), scaled_by(data)
    landmarks = {name: JOINTS.index(SHORT_NAME[name]) for name in config.joints}
    return {
        "labels": list(data.classes),
        "joints": [
            {"name": name, "hand": HAND_OF[name], "landmark": i, "point": HAND_POINTS[i]}
            for name, i in landmarks.items()
        ],
        "coords": list("xyz"[: config.coords]),
        **INTERFACE,
        # The first way that a clip allows.
        "scale": {"by": ways, "how": [WAYS[way] for way in ways], "palm": PALM},
        "inside": {
            "limit": LIMIT,  # shoulder widths: values beyond it are clipped
            "evaluation_crop": EVALUATION_CROP,  # share of the frames cut at each end
            "frames": config.frames,  # to which the clip is resampled
            "normalisation": "each hand about its kept joints' mean, a clip scaled by their spread",
        },
        "dataset": {key: data.meta[key] for key in noted if key in data.meta},
        "checkpoint_sha256": file_sha256(checkpoint),
        "torch": torch.__version__,
        "opset": OPSET,
    }


@torch.no_grad()
def write(recogniser: Recogniser, about: dict, folder: Path) -> None:
    """Write the four files into a folder, without checking them."""
    text = json.dumps(about, indent=1, ensure_ascii=False) + "\n"
    c = recogniser.config
    poses = torch.zeros(2, 3, c.num_pose_points, c.coords)
    example = (poses, torch.ones(poses.shape[:3], dtype=torch.bool))
    free = {0: torch.export.Dim("clips"), 1: torch.export.Dim("frames")}
    shapes = {"poses": free, "present": free}
    logging.getLogger("torch.onnx").setLevel(logging.ERROR)  # it warns that torchvision is missing
    with without_noise(LIBRARY_NOISE):
        program = torch.export.export(recogniser, example, dynamic_shapes=shapes)
        for node in program.graph.nodes:
            node.meta.pop("stack_trace", None)  # paths of this machine
        as_onnx = torch.onnx.export(
            program, output_names=["probabilities"], dynamic_shapes=shapes, opset_version=OPSET,
            dynamo=True, verbose=False)  # fmt: skip
    packed = io.BytesIO()  # on a full disk torch would end the process
    torch.export.save(program, packed, extra_files={"model.json": text})
    (folder / "model.pt2").write_bytes(packed.getvalue())
    as_onnx.model.metadata_props["model.json"] = text
    as_onnx.save(folder / "model.onnx", external_data=False)
    (folder / "model.json").write_text(text, encoding="utf-8")
    shutil.copy(Path(__file__).with_name("read_a_clip.py"), folder)


def largest_difference(
    folder: Path, config: TrainingConfig, model: SignClassificationLightning, data: SignDataset
) -> float:
    """Largest difference of a probability between a folder's programs and the trained model.

    Compares clips of the data set and random ones; raises ValueError above TOLERANCE.
    """
    clips = np.unique(np.linspace(0, len(data) - 1, CHECKED).round().astype(int))
    loaded, noise, worst = programs(folder), random_clips(data), 0.0
    for part, some in ((data, clips), (noise, np.arange(len(noise)))):
        expected, joints = predict(model, part, some), joint_indices(config, part)
        inputs = []  # of one clip each, without the frames behind its end
        for clip, frames in zip(some, part.lengths[some], strict=True):
            arrays = (part.poses[clip, None, :frames], part.present[clip, None, :frames])
            inputs.append([np.ascontiguousarray(array[:, :, joints]) for array in arrays])
        for name, program in loaded.items():
            got = np.concatenate([program(*arrays) for arrays in inputs])
            difference = float(np.abs(got - expected).max())
            if not difference <= TOLERANCE:  # NaN included
                raise ValueError(
                    f"{name}: expected the model's probabilities within {TOLERANCE:g}, got a "
                    f"difference of {difference:.2g}: nothing was written"
                )
            worst = max(worst, difference)
    return worst


def programs(folder: Path) -> dict[str, Callable]:
    """Load the exported programs: file name -> function of the arrays poses and present."""
    import onnxruntime  # of the extra `export`

    loaded = torch.export.load(folder / "model.pt2").module()
    session = onnxruntime.InferenceSession(
        folder / "model.onnx", providers=["CPUExecutionProvider"]
    )

    def by_torch(poses, present):
        with torch.no_grad():
            return loaded(torch.from_numpy(poses), torch.from_numpy(present)).numpy()

    def by_onnx(poses, present):
        return session.run(["probabilities"], {"poses": poses, "present": present})[0]

    return {"model.pt2": by_torch, "model.onnx": by_onnx}


def random_clips(data: SignDataset) -> SignDataset:
    """Random clips in a data set's form: 1 to 300 frames, hands missing, one clip without any."""
    rng = np.random.default_rng(0)
    lengths = np.array([1, 2, 9, 40, 300, 9])
    shape = len(lengths), lengths.max(), len(data.joints), data.poses.shape[-1]
    poses = rng.normal(size=shape).clip(-LIMIT, LIMIT).astype(np.float32)
    present = (rng.random((*shape[:2], 2)) < 0.7)[..., hand_index(data.joints)]
    present[-1] = False
    poses[~present] = 0
    return replace(
        data, poses=poses, present=present, labels=np.zeros(len(lengths), dtype=np.int64),
        clips=pd.DataFrame({"frames": lengths}))  # fmt: skip
