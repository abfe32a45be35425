"""Cost of K joints: parameters, operations and latency of sliced models of every encoder.

The weights are untrained, which does not change the cost. Operations are the floating-point
operations of one clip in matrix products and convolutions (also the GRU's), where a multiply-add
counts as two. Norms, softmax and other elementwise work are left out.
"""

import json
import time
from collections.abc import Sequence
from dataclasses import asdict

import numpy as np
import torch
from torch.utils.flop_counter import FlopCounterMode

from jointprune.classifier import SignClassificationLightning, slice_joints
from jointprune.config import TrainingConfig
from jointprune.parallel import one_thread
from jointprune.runs import content_name
from jointprune.workspace import Workspace, atomic_path

FLOAT_BYTES = 4


def sheet_once(
    configs: Sequence[TrainingConfig], budgets: Sequence[int], workspace: Workspace
) -> dict:
    """`sheet`, measured once and saved with the runs, so that later calls return the same."""
    name = content_name("each called twice", [asdict(c) for c in configs], list(budgets))
    path = workspace.runs / f"cost-{name}.json"
    if not path.is_file():
        facts = sheet(configs, budgets)
        with atomic_path(path) as temporary:
            temporary.write_text(json.dumps(facts), encoding="utf-8")
    return json.loads(path.read_text(encoding="utf-8"))


def sheet(configs: Sequence[TrainingConfig], budgets: Sequence[int], rounds: int = 100) -> dict:
    """Cost of one clip for each encoder and number of joints in `budgets`.

    `configs` read all joints and clips of one length; the "transformer" is among them. Returns
    frames, threads, rows (encoder, k, parameters, flops, input_bytes, median latency_ms with its
    quartiles latency_low and latency_high) and `projection_share`: the share of the transformer's
    operations that its input projection takes, the only layer that reads joints.
    """
    (flattening,) = [config for config in configs if config.encoder == "transformer"]
    (frames,) = {config.frames for config in configs}
    models = [(c, k, sliced(c, k)) for c in configs for k in budgets]
    times = latencies([model for _, _, model in models], rounds)
    low, median, high = np.quantile(times, (0.25, 0.5, 0.75), axis=0).round(3).tolist()
    rows = [
        {
            "encoder": config.encoder,
            "k": k,
            "parameters": sum(p.numel() for p in model.encoder.parameters()),
            "flops": clip_flops(model),
            "input_bytes": k * config.coords * FLOAT_BYTES,
            "latency_ms": median[i],
            "latency_low": low[i],
            "latency_high": high[i],
        }
        for i, (config, k, model) in enumerate(models)
    ]
    whole = SignClassificationLightning(asdict(flattening)).eval()
    project = whole.encoder.project
    work = 2 * frames * project.in_features * project.out_features
    share = round(work / clip_flops(whole), 4)
    return {"frames": frames, "threads": 1, "rows": rows, "projection_share": share}


def sliced(config: TrainingConfig, k: int) -> SignClassificationLightning:
    """An untrained model sliced to k joints, spread evenly over those of `config`."""
    full = SignClassificationLightning(asdict(config)).eval()
    kept = np.linspace(0, config.num_pose_points - 1, k).round().astype(int)
    return slice_joints(full, kept.tolist())


@torch.no_grad()
def clip_flops(model: SignClassificationLightning) -> int:
    """Floating-point operations of one clip, counted as it runs."""
    with FlopCounterMode(display=False) as counter:
        model(*_clip(model.config))
    return counter.get_total_flops()


@torch.no_grad()
def latencies(models: Sequence[SignClassificationLightning], rounds: int) -> np.ndarray:
    """Milliseconds for one clip, (rounds, models), on one thread.

    The models run in turn, so that changes of the machine's speed affect all alike. Of two calls
    the second is timed: in the first, caches still hold another model's weights.
    """
    clips = [_clip(model.config) for model in models]
    times = np.empty((rounds + 3, len(models)))
    with one_thread():
        for row in times:
            for i, (model, clip) in enumerate(zip(models, clips, strict=True)):
                model(*clip)
                start = time.perf_counter()
                model(*clip)
                row[i] = 1e3 * (time.perf_counter() - start)
    return times[3:]  # the first rounds allocate memory and build kernels


def _clip(config: TrainingConfig) -> tuple[torch.Tensor, torch.Tensor]:
    shape = 1, config.frames, config.num_pose_points
    generator = torch.Generator().manual_seed(0)
    poses = torch.randn(*shape, config.coords, generator=generator)
    return poses, torch.ones(shape, dtype=torch.bool)
