"""One training on several processes that learns what one process would.

Each process takes its share of every batch, Lightning's strategy (DDP) averages gradients, and
gates are drawn, priced and changed alike everywhere.
"""

from collections.abc import Iterator

import lightning
import torch
from torch import Tensor, distributed

from jointprune.classifier import SignClassificationLightning
from jointprune.preprocessing import ClipBatches


class Shares:
    """This process's share of each batch; the batches themselves where it is alone.

    All processes draw the same batches from the same seed: order, crops and noise. Shares are
    equal, since only then is the mean of their means that of the batch: clips left over are
    dropped, as a last short batch is.
    """

    def __init__(self, batches: ClipBatches, trainer: lightning.Trainer):
        self.batches, self.trainer = batches, trainer

    def __len__(self) -> int:
        return len(self.batches)

    def __iter__(self) -> Iterator[tuple[Tensor, Tensor, Tensor]]:
        # Asked here and not before: a process learns its place when training starts.
        place, places = self.trainer.global_rank, self.trainer.world_size
        clips = share_of(self.batches.batch_size, places)
        for batch in self.batches:
            yield tuple(part[place * clips : (place + 1) * clips] for part in batch)


def share_of(batch_size: int, places: int) -> int:
    """Clips of a batch for each of `places` processes; ValueError if there is none."""
    if batch_size < places:
        raise ValueError(
            f"expected a clip for each of {places} processes in a batch, got {batch_size} clips: "
            "take fewer devices or nodes"
        )
    return batch_size // places


class SyncGates(lightning.Callback):
    """Has every process know of a whole batch what the gates need to know of it."""

    def __init__(self):
        self.drawing, self.resumed = {}, None

    def setup(self, trainer, model: SignClassificationLightning, stage: str) -> None:
        if model.config.mask in ("open", "any-subset"):
            # No loss depends on these logits, and DDP would wait for their gradient.
            model.joint_pruning.joint_logits.requires_grad_(False)

    def on_fit_start(self, trainer, model: SignClassificationLightning) -> None:
        for optimizer in trainer.optimizers:
            # A fused optimiser would undo half precision's scaling of gradients in its step, too
            # late for clipping, so that Lightning refuses; told this, it undoes it before.
            optimizer._step_supports_amp_scaling = False
        if trainer.world_size > 1:
            self.drawing = _draw_for_all(model, trainer.global_rank, trainer.world_size)

    def on_train_start(self, trainer, model: SignClassificationLightning) -> None:
        """Of a training that goes on: gates are drawn on, and other noise is no process's yet."""
        if self.drawing and self.resumed and self.resumed["device"] == model.device.type:
            self.drawing["gates"] = self.resumed["gates"]
            noise = noise_of(model.device)
            noise.manual_seed(noise.initial_seed() + trainer.world_size * trainer.global_step)

    def on_fit_end(self, trainer, model: SignClassificationLightning) -> None:
        for method in ("gates", "standardise"):
            model.joint_pruning.__dict__.pop(method, None)

    def state_dict(self) -> dict:
        return self.drawing

    def load_state_dict(self, state: dict) -> None:
        self.resumed = state


def _draw_for_all(model: SignClassificationLightning, place: int, places: int) -> dict:
    """Until training ends gates are drawn for all processes' clips, and the own ones taken.

    Their random numbers are those of one process, so a clip's gates are too, and a draw that
    serves a whole batch serves that of all. All other noise, dropout, is each process's own. The
    group lasso takes its scales from the clips of all, too. Returns the state of the gates' draws
    ("gates", of a "device"), which moves on with them.
    """
    layer = model.joint_pruning
    draw, standardise = layer.gates, getattr(layer, "standardise", None)
    noise = noise_of(layer.frozen_gates.device)
    drawing = {"gates": noise.get_state(), "device": noise.device.type}
    noise.manual_seed(noise.initial_seed() + 1 + place)

    def gates(clips: int = 1) -> Tensor:
        own = noise.get_state()
        noise.set_state(drawing["gates"])
        drawn = draw(clips * places)
        drawing["gates"] = noise.get_state()
        noise.set_state(own)
        return drawn if drawn.ndim == 1 else drawn[place * clips : (place + 1) * clips]

    def standardise_by_all(features: Tensor) -> None:
        shares = [torch.empty_like(features) for _ in range(places)]
        distributed.all_gather(shares, features)
        standardise(torch.cat(shares))

    layer.gates = gates
    if standardise:
        layer.standardise = standardise_by_all
    return drawing


def noise_of(device: torch.device) -> torch.Generator:
    """What draws on a device where no generator is named."""
    if device.type == "cuda":
        return torch.cuda.default_generators[device.index]
    return torch.default_generator
