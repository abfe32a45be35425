"""Comparison of the exported programs with the trained model."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import torch

from jointprune.classifier import SignClassificationLightning
from jointprune.config import TrainingConfig
from jointprune.dataset import SignDataset
from jointprune.prediction import predict
from jointprune.recordings import LIMIT
from jointprune.runs import joint_indices
from jointprune.skeleton import hand_index

# Largest difference allowed between a program's probability and the model's.
TOLERANCE = 1e-5
CHECKED = 64  # clips of the data set that are compared, besides random ones


def largest_difference(
    folder: Path, config: TrainingConfig, model: SignClassificationLightning, data: SignDataset
) -> float:
    """Largest difference of a probability between a folder's programs and the trained model.

    Clips of the data set and random ones are compared; `config` is that of the exported model.
    Raises ValueError if the difference is above TOLERANCE.
    """
    clips = np.unique(np.linspace(0, len(data) - 1, CHECKED).round().astype(int))
    loaded, noise, worst = programs(folder), random_clips(data), 0.0
    for part, some in ((data, clips), (noise, np.arange(len(noise)))):
        expected = predict(model, part, some)
        for name, program in loaded.items():
            difference = float(np.abs(answers(program, config, part, some) - expected).max())
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


def answers(program: Callable, config: TrainingConfig, data: SignDataset, clips) -> np.ndarray:
    """Probabilities (clips, classes) that a program gives for clips, one at a time."""
    joints = joint_indices(config, data)
    rows = [
        program(*(np.ascontiguousarray(array[clip, None, :frames][:, :, joints])
                  for array in (data.poses, data.present)))
        for clip, frames in zip(clips, data.lengths[clips], strict=True)
    ]  # fmt: skip
    return np.concatenate(rows)


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
