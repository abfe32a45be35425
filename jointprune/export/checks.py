"""Do the files answer as the trained model does?"""

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

# Largest difference of a probability between a file's program and the model as trained.
TOLERANCE = 1e-5
CHECKED = 64  # clips of the dataset, besides random ones, that both files have to answer alike


def check(
    folder: Path, config: TrainingConfig, model: SignClassificationLightning, data: SignDataset
) -> float:
    """Largest difference of a probability between `folder`'s programs and the model as trained.

    Asked on clips of the dataset and on random ones, hands missing. Raises ValueError if it is
    above TOLERANCE.
    """
    clips = np.unique(np.linspace(0, len(data) - 1, CHECKED).round().astype(int))
    noise = noise_like(data)
    worst = 0.0
    for name, program in programs(folder).items():
        for part, some in ((data, clips), (noise, np.arange(len(noise)))):
            expected = predict(model, part, some)
            got = answers(program, config, part, some)
            difference = float(np.abs(got - expected).max())
            if not difference <= TOLERANCE:  # NaN included
                raise ValueError(
                    f"{name}: expected the model's probabilities within {TOLERANCE:g}, got a "
                    f"difference of {difference:.2g}: nothing was written"
                )
            worst = max(worst, difference)
    return worst


def programs(folder: Path) -> dict[str, Callable]:
    """The program of each file, called as `program(poses, present)` with arrays."""
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
    """A program's probabilities (clips, classes) of a dataset's clips, each asked by itself."""
    joints = [data.joints.index(name) for name in config.joints]
    rows = [
        program(
            np.ascontiguousarray(data.poses[clip, None, :frames][:, :, joints]),
            np.ascontiguousarray(data.present[clip, None, :frames][:, :, joints]),
        )
        for clip, frames in zip(clips, data.lengths[clips], strict=True)
    ]
    return np.concatenate(rows)


def noise_like(data: SignDataset) -> SignDataset:
    """Random clips in a dataset's form: 1 to 300 frames, hands missing, in one clip always."""
    rng = np.random.default_rng(0)
    lengths = np.array([1, 2, 9, 40, 300, 9])
    shape = len(lengths), lengths.max(), len(data.joints), data.poses.shape[-1]
    poses = rng.normal(size=shape).clip(-LIMIT, LIMIT).astype(np.float32)
    of_hand = np.array([name.startswith("right") for name in data.joints]).astype(int)
    present = (rng.random((*shape[:2], 2)) < 0.7)[..., of_hand]
    present[-1] = False
    poses[~present] = 0
    return replace(
        data, poses=poses, present=present, labels=np.zeros(len(lengths), dtype=np.int64),
        clips=pd.DataFrame({"frames": lengths}))  # fmt: skip
