"""The program that is written, and what its files say of themselves."""

import hashlib
import json
import logging
import shutil
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn

from jointprune.classifier import SignClassificationLightning, slice_joints
from jointprune.config import TrainingConfig
from jointprune.dataset import SignDataset
from jointprune.preprocessing import EVALUATION_CROP
from jointprune.recordings import HAND_POINTS, LIMIT
from jointprune.skeleton import JOINT_NAMES, JOINTS
from jointprune.training import without_noise

OPSET = 20  # of ONNX; onnxruntime reads such files from 1.18 on
EXAMPLE = Path(__file__).with_name("read_a_sign.py")

# What a reader of the files has to do; the rest is inside the program.
CONTRACT = {
    "inputs": {
        "poses": "float32 (clips, frames, joints, coords): the joints below in their order, in "
        "shoulder widths; any number of clips, all of the same number of frames, 1 or more",
        "present": "bool (clips, frames, joints): was the joint's hand found in this frame? Where "
        "it was not, poses may hold anything",
    },
    "output": {"probabilities": "float32 (clips, labels); they sum to 1"},
    "prepare": {
        "units": "shoulder widths: less the middle of the shoulders, over the distance between "
        "them, both the clip's medians; x to the viewer's right, y down, picture not mirrored",
        "trim": "leave off the frames before the first and after the last one in which either "
        "hand, read or not, is found",
        "hands": "left and right are the signer's own, and the right hand leads: of a "
        "left-handed signer swap the hands and negate x",
    },
}

# Torch on its own way of asking about trees, on weights that a GRU keeps twice, and on both inputs
# having the same clips and frames.
LIBRARY_NOISE = (
    r"`isinstance\(treespec, LeafSpec\)` is deprecated",
    "The tensor attributes self.encoder.recurrent._flat_weights.* were assigned during export",
    "# The axis name: (clips|frames) will not be used, since it shares",
)


class Recogniser(nn.Module):
    """The program that is written: recorded clips to probabilities, by the joints kept alone.

    Args:
        model: a trained model; joints whose gates are closed are sliced off.
    """

    def __init__(self, model: SignClassificationLightning):
        super().__init__()
        small = slice_joints(model.eval())
        self.config, self.encoder = small.config, small.encoder
        self.register_buffer("gates", small.joint_pruning.gates())
        # In the precision of `ClipBatches`, or moments between two frames would differ.
        first = np.float32(EVALUATION_CROP)
        last = 1 - first
        shares = first + (last - first) * np.linspace(0, 1, self.config.frames)
        self.register_buffer("shares", torch.from_numpy(shares))

    def forward(self, poses: Tensor, present: Tensor) -> Tensor:
        """Probabilities (B, classes) of poses (B, F, K, P) in shoulder widths, seen where
        `present` (B, F, K) bool."""
        poses = torch.where(present[..., None], poses.clamp(-LIMIT, LIMIT), 0)
        poses, present = self.resample(poses, present)
        return self.encoder(poses, present * self.gates).softmax(-1)

    def resample(self, poses: Tensor, present: Tensor) -> tuple[Tensor, Tensor]:
        """`preprocessing.resample` for clips of one length; a test holds the two equal.

        That one asks numpy, which reads a store's mapped pages and cannot be traced.
        """
        moment = (self.shares * (poses.shape[1] - 1)).round(decimals=9)
        before, after = moment.floor().long(), moment.ceil().long()
        here, there = present[:, before], present[:, after]
        weight = (moment - before).float()[:, None]
        weight = torch.where(here & ~there, 0, torch.where(there & ~here, 1, weight))[..., None]
        return poses[:, before] * (1 - weight) + poses[:, after] * weight, here | there


def description(config: TrainingConfig, data: SignDataset, checkpoint: Path) -> dict:
    """What the files say of themselves; `config` is that of the sliced model."""
    told = ("name", "sha256", "units", "normalisation", "mirrored", "trimmed")
    with checkpoint.open("rb") as file:
        digest = hashlib.file_digest(file, "sha256").hexdigest()
    landmarks = [JOINT_NAMES.index(name) % len(JOINTS) for name in config.joints]
    return {
        "labels": list(data.classes),
        "joints": [
            {"name": name, "hand": name.split(".")[0], "landmark": i, "point": HAND_POINTS[i]}
            for name, i in zip(config.joints, landmarks, strict=True)
        ],
        "coords": list("xyz"[: config.coords]),
        **CONTRACT,
        "inside": {
            "limit": LIMIT,  # shoulder widths: values beyond it are clipped
            "evaluation_crop": EVALUATION_CROP,  # share of the frames left off at each end
            "frames": config.frames,  # the clip is resampled to
            "normalisation": "each hand about its kept joints' mean, a clip scaled by their spread",
        },
        "dataset": {key: data.meta[key] for key in told if key in data.meta},
        "checkpoint_sha256": digest,
        "torch": torch.__version__,
        "opset": OPSET,
    }


@torch.no_grad()
def write(recogniser: Recogniser, about: dict, folder: Path) -> None:
    """The files of a folder; nothing is checked."""
    text = json.dumps(about, indent=1, ensure_ascii=False) + "\n"
    c = recogniser.config
    example = (torch.zeros(2, 3, c.num_pose_points, c.coords),)
    example += (torch.ones(example[0].shape[:3], dtype=torch.bool),)
    free = {0: torch.export.Dim("clips"), 1: torch.export.Dim("frames")}
    shapes = {"poses": free, "present": free}
    logging.getLogger("torch.onnx").setLevel(logging.ERROR)  # it misses torchvision aloud
    with without_noise(LIBRARY_NOISE):
        program = torch.export.export(recogniser, example, dynamic_shapes=shapes)
        for node in program.graph.nodes:
            node.meta.pop("stack_trace", None)  # paths of this machine
        as_onnx = torch.onnx.export(
            program, output_names=["probabilities"], dynamic_shapes=shapes, opset_version=OPSET,
            dynamo=True, verbose=False)  # fmt: skip
    torch.export.save(program, folder / "model.pt2", extra_files={"model.json": text})
    as_onnx.model.metadata_props["model.json"] = text
    as_onnx.save(folder / "model.onnx", external_data=False)
    (folder / "model.json").write_text(text, encoding="utf-8")
    shutil.copy(EXAMPLE, folder)
