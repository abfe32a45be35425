"""One training on several processes that learns what one process would.

Each process trains on its share of every batch, Lightning's strategy (DDP) averages the
gradients, and all processes sample the same gates.
"""

from collections.abc import Iterator

import lightning
import torch
from torch import Tensor, distributed

from jointprune.classifier import SignClassificationLightning
from jointprune.gates import JointPruningLayer
from jointprune.preprocessing import ClipBatches


class BatchShare:
    """This process's share of each batch; with one process, the batch.

    All processes make the same batches from the same seed. Shares are equal, because the mean of
    their means has to be that of the batch; clips left over are dropped.
    """

    def __init__(self, batches: ClipBatches, trainer: lightning.Trainer):
        self.batches, self.trainer = batches, trainer

    def __len__(self) -> int:
        return len(self.batches)

    def __iter__(self) -> Iterator[tuple[Tensor, Tensor, Tensor]]:
        # Read here, because the trainer knows its rank only when training starts.
        rank, world_size = self.trainer.global_rank, self.trainer.world_size
        clips = share_of(self.batches.batch_size, world_size)
        for batch in self.batches:
            yield tuple(part[rank * clips : (rank + 1) * clips] for part in batch)


def share_of(batch_size: int, world_size: int) -> int:
    """Clips of a batch for each of `world_size` processes; ValueError if there are none."""
    if batch_size < world_size:
        raise ValueError(
            f"expected a clip for each of {world_size} processes in a batch, got {batch_size} "
            "clips: take fewer devices or nodes"
        )
    return batch_size // world_size


class RandomState(lightning.Callback):
    """Synchronises gate sampling across processes; saves and restores random states.

    A single process that resumes a training gets the random numbers of one that never stopped.
    Several processes get the same batches and gates; other random numbers (dropout) are new ones.
    On another kind of device or number of processes, all but the batches start from the seed.
    """

    def __init__(self, batches: ClipBatches):
        self.batches, self.loaded = batches, None

    def on_fit_start(self, trainer, model: SignClassificationLightning) -> None:
        self.generator = generator_of(model.device)
        self.rank, self.world_size = trainer.global_rank, trainer.world_size
        if self.world_size > 1:
            self._synchronise(model.joint_pruning)

    def _synchronise(self, layer: JointPruningLayer) -> None:
        """Sample the gates of all processes' clips and return those of this process.

        The random numbers of the gates are those of a single process; all others (dropout) differ
        between processes. The group lasso is standardised by the clips of all processes.
        """
        sample, standardise = layer.gates, getattr(layer, "standardise", None)
        self.gate_state = self.generator.get_state()
        self.generator.manual_seed(self.generator.initial_seed() + 1 + self.rank)

        def gates(clips: int = 1) -> Tensor:
            own_state = self.generator.get_state()
            self.generator.set_state(self.gate_state)
            sampled = sample(clips * self.world_size)
            self.gate_state = self.generator.get_state()
            self.generator.set_state(own_state)
            first = self.rank * clips
            return sampled if sampled.ndim == 1 else sampled[first : first + clips]

        def standardise_by_all(features: Tensor) -> None:
            shares = [torch.empty_like(features) for _ in range(self.world_size)]
            distributed.all_gather(shares, features)
            standardise(torch.cat(shares))

        layer.gates = gates
        if standardise:
            layer.standardise = standardise_by_all

    def on_train_start(self, trainer, model: SignClassificationLightning) -> None:
        saved = self.loaded
        if not saved:
            return
        self.batches.generator.set_state(saved["batches"])
        if (saved["device"], saved["world_size"]) != self._where():
            return
        if self.world_size == 1:
            self.generator.set_state(saved["state"])
        else:
            self.gate_state = saved["state"]
            seed = self.generator.initial_seed()  # a new one, so that no process repeats its start
            self.generator.manual_seed(seed + self.world_size * trainer.global_step)

    def on_fit_end(self, trainer, model: SignClassificationLightning) -> None:
        for method in ("gates", "standardise"):
            model.joint_pruning.__dict__.pop(method, None)

    def _where(self) -> tuple[str, int]:
        return self.generator.device.type, self.world_size

    def state_dict(self) -> dict:
        device, world_size = self._where()
        state = self.generator.get_state() if world_size == 1 else self.gate_state
        batches = self.batches.generator.get_state()
        return {"batches": batches, "device": device, "world_size": world_size, "state": state}

    def load_state_dict(self, state: dict) -> None:
        self.loaded = state


def generator_of(device: torch.device) -> torch.Generator:
    """The default random generator of a device."""
    if device.type == "cuda":
        return torch.cuda.default_generators[device.index]
    return torch.default_generator
