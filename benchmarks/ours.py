"""Our training speed, measured as `peer_hf_bert.py` measures its own. Prints one line of JSON.

The work is the same: random keypoints of the same size, AdamW, batches of 64, a Lightning
trainer, the median epoch after a warm-up epoch. As a real run does, ours also resamples and
augments each clip, trains the gates and clips the gradient.
"""

import argparse
import json
import statistics
import time
import timeit
from dataclasses import asdict

import lightning
import numpy as np
import pandas as pd
import torch
from torch.nn import functional
from torch.utils.flop_counter import FlopCounterMode

from jointprune.classifier import SignClassificationLightning
from jointprune.config import TrainingConfig
from jointprune.dataset import SignDataset
from jointprune.gates import JointPruningLayer, l0_penalty
from jointprune.parallel import keep_memory
from jointprune.runs import Run, make_run
from jointprune.skeleton import JOINT_NAMES
from jointprune.training import batches_of, fit, precision_for

CLASSES, BATCH, FRAMES = 26, 64, 16  # the peer's defaults
STORED_FRAMES = 26  # of a typical clip of the lexicon; resampled to FRAMES


class EpochClock(lightning.Callback):
    """Seconds of each training epoch."""

    def __init__(self):
        self.seconds = []

    def on_train_epoch_start(self, trainer, model):
        self.start = time.perf_counter()

    def on_train_epoch_end(self, trainer, model):
        self.seconds.append(time.perf_counter() - self.start)


def random_dataset(clips: int) -> SignDataset:
    """Clips of Gaussian noise with every joint present."""
    rng = np.random.default_rng(0)
    poses = rng.normal(size=(clips, STORED_FRAMES, len(JOINT_NAMES), 2)).astype(np.float32)
    names = np.array(["noise"] * clips)
    return SignDataset(
        poses=poses,
        present=np.ones(poses.shape[:3], dtype=bool),
        labels=rng.integers(CLASSES, size=clips),
        signers=names,
        groups=names,
        classes=tuple(f"sign {i}" for i in range(CLASSES)),
        joints=JOINT_NAMES,
        clips=pd.DataFrame({"frames": np.full(clips, STORED_FRAMES)}),
        meta={"name": "noise", "sha256": "noise"},  # a model notes them
    )


def train(run: Run, data: SignDataset) -> float:
    """Training samples per second, in the median epoch after the first."""
    clock = EpochClock()
    fit(run, data, [clock])
    return len(batches_of(run, data)) * BATCH / statistics.median(clock.seconds[1:])


def flops_per_sample(config: TrainingConfig) -> float:
    """Floating-point operations of one clip's matrix products, forward and backward."""
    model = SignClassificationLightning(asdict(config))
    poses = torch.randn(BATCH, config.frames, config.num_pose_points, config.coords)
    with FlopCounterMode(display=False) as counter:
        functional.cross_entropy(model(poses), torch.zeros(BATCH, dtype=torch.long)).backward()
    return counter.get_total_flops() / BATCH


def median_seconds(work, repeats: int) -> float:
    """Median duration of `work()` in seconds, after one warm-up call."""
    work()
    return statistics.median(timeit.repeat(work, number=1, repeat=repeats))


def gemm_rate(dtype: torch.dtype, size: int = 2048) -> float:
    """Floating-point operations per second of a large square matrix product in torch."""
    a, b = torch.randn(2, size, size).to(dtype)
    return 2 * size**3 / median_seconds(lambda: a @ b, 5)


def gate_seconds(config: TrainingConfig) -> float:
    """Seconds per step for the gates: mask and penalty, forward and backward."""
    layer = JointPruningLayer(config.num_pose_points)
    poses = torch.randn(BATCH, config.frames, config.num_pose_points, config.coords)

    def work():
        (layer(poses).sum() + l0_penalty(layer)).backward()

    return median_seconds(work, 50)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--hidden", type=int, default=128)
    parser.add_argument("--clips", type=int, default=640)
    parser.add_argument("--epochs", type=int, default=5)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--precision", default="32-true", help="as in TrainingConfig")
    parser.add_argument("--keep-memory", action="store_true", help="as workers of a sweep do")
    a = parser.parse_args()
    torch.set_num_threads(a.threads)
    if a.keep_memory:
        keep_memory()
    torch.manual_seed(0)
    config = TrainingConfig(
        hidden=a.hidden,
        layers=2,  # layers, feed_forward and frames as in the peer
        feed_forward=4,
        frames=FRAMES,
        epochs=a.epochs,
        batch_size=BATCH,
        mask="hard-concrete",
        precision=a.precision,
    )
    data = random_dataset(a.clips)
    run = make_run(data, range(a.clips), (), 0, config)
    mixed = precision_for(a.precision, "cpu") == "bf16-mixed"
    rate, gemm = train(run, data), gemm_rate(torch.bfloat16 if mixed else torch.float32)
    facts = {
        "samples_per_second": rate,
        "gemm_flops_per_second": gemm,
        "gemm_share": flops_per_sample(run.config) * rate / gemm,
        "gate_share": gate_seconds(run.config) * rate / BATCH,
    }
    print(json.dumps(facts))


if __name__ == "__main__":
    main()
