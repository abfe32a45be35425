"""`SignClassificationLightning`: encoder, gates, loss and optimiser as one Lightning module."""

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields

import lightning
import torch
from torch import Tensor
from torch.nn import functional

from jointprune.gates import JointPruningLayer, QuickStartMask, l0_penalty
from jointprune.models import SkeletonTransformer, slice_projection
from jointprune.skeleton import JOINT_NAMES, hand_index

# Dual ascent of a budget: the price of a joint rises by PRICE_STEP nats a step for each excess
# share of the joints; the quadratic wall of PRICE_DAMPING nats keeps it from swinging.
PRICE_STEP, PRICE_DAMPING = 1.0, 50.0

MASKS = ("open", "hard-concrete", "quick-start")


@dataclass(frozen=True)
class TrainingConfig:
    """Every setting of one training run; how they were chosen: data/results/settings.json.

    `num_pose_points` and `skel_learning_rate` are the quick start's names.
    """

    num_pose_points: int = 42
    joints: tuple[str, ...] = JOINT_NAMES  # the input's joints, in order
    num_classes: int = 26
    coords: int = 2
    frames: int = 16
    hidden: int = 96
    layers: int = 2
    heads: int = 4
    dropout: float = 0.2
    epochs: int = 100
    batch_size: int = 64
    skel_learning_rate: float = 2e-3
    weight_decay: float = 0.01
    label_smoothing: float = 0.3
    mask: str = "open"  # or "hard-concrete", or "quick-start" to see it fail
    tied: bool = False  # both hands share a gate
    init_keep_prob: float = 0.9
    gate_learning_rate: float = 0.05  # gates have a few hundred steps to travel 4 logits
    penalty: float = 1.0  # nats for keeping all joints open; not used with a budget
    ramp_end: float = 0.75  # share of training at which penalty or budget has arrived
    budget: int = 0  # joints to arrive at; 0: the penalty alone decides
    matmul_precision: str = "medium"  # of torch.set_float32_matmul_precision, in training

    def __post_init__(self):
        if self.mask not in MASKS:
            raise ValueError(f"expected a mask out of {MASKS}, got {self.mask!r}")
        if len(self.joints) != self.num_pose_points:
            raise ValueError(
                f"expected {self.num_pose_points} joint names (num_pose_points), "
                f"got {len(self.joints)}: pass `joints`, left hand first"
            )
        if not 0 <= self.budget <= self.num_pose_points:
            raise ValueError(
                f"expected a budget of 0 to {self.num_pose_points} joints, got {self.budget}"
            )

        if self.tied and self.budget % 2:
            raise ValueError(
                f"expected an even budget, as tied gates keep a joint on both hands, "
                f"got {self.budget}"
            )
        if self.hidden % self.heads:
            raise ValueError(
                f"expected hidden to be a multiple of {self.heads} heads, got {self.hidden}"
            )
        for name in ("frames", "layers", "epochs", "batch_size", "ramp_end"):
            if getattr(self, name) <= 0:
                raise ValueError(f"expected {name} above 0, got {getattr(self, name)}")

    @classmethod
    def from_mapping(cls, config: Mapping) -> "TrainingConfig":
        """The record of a mapping; settings it does not name keep their defaults."""
        unknown = set(config) - {field.name for field in fields(cls)}
        if unknown:
            known = sorted(field.name for field in fields(cls))
            raise ValueError(f"expected settings out of {known}, got {sorted(unknown)}")
        lists = {key: tuple(value) for key, value in config.items() if isinstance(value, list)}
        return cls(**{**config, **lists})


class SignClassificationLightning(lightning.LightningModule):
    """A skeleton transformer behind a joint-pruning layer.

    Args:
        config: settings of `TrainingConfig` by name; saved in the checkpoint, so that
            `load_from_checkpoint(path)` needs no arguments.
    """

    def __init__(self, config: Mapping | None = None):
        super().__init__()
        self.config = TrainingConfig.from_mapping(config or {})
        self.save_hyperparameters({"config": _plain(self.config)})
        c = self.config
        self.joint_pruning = _mask(c)
        self.encoder = SkeletonTransformer(
            torch.eye(2)[torch.as_tensor(hand_index(c.joints))],
            c.coords, c.frames, c.num_classes, c.hidden, c.layers, c.heads, c.dropout,
        )  # fmt: skip
        # Price of a joint, in nats; rises while more are open than the budget allows.
        self.register_buffer("price", torch.tensor(0.0))

    def forward(self, skeleton_keypoints: Tensor, present: Tensor | None = None) -> Tensor:
        """Logits (B, classes) of keypoints (B, T, J, P) in shoulder widths.

        `present` (B, T, J) bool marks the joints that were seen; None means all.
        """
        expected = (self.config.num_pose_points, self.config.coords)
        if skeleton_keypoints.ndim != 4 or skeleton_keypoints.shape[2:] != expected:
            raise ValueError(
                f"expected keypoints (B, T, {expected[0]}, {expected[1]}), "
                f"got {tuple(skeleton_keypoints.shape)}"
            )
        weight = self.joint_pruning.gates().expand(skeleton_keypoints.shape[:3])
        if present is not None:
            weight = weight * present
        return self.encoder(skeleton_keypoints, weight)

    def training_step(self, batch, _) -> Tensor:
        poses, present, labels = batch
        loss = functional.cross_entropy(
            self(poses, present), labels, label_smoothing=self.config.label_smoothing
        )
        if self.config.mask == "open":
            return loss
        loss = loss + self.gate_cost()
        summary = self.joint_pruning.get_summary()
        self.log("pruning_ratio", summary["pruning_ratio"], on_step=False, on_epoch=True)
        self.log("num_active_joints", float(summary["num_active"]), on_step=False, on_epoch=True)
        return loss

    def gate_cost(self) -> Tensor:
        """What open gates cost now, a scalar in nats: the scheduled penalty or the budget's price.

        With a budget this is dual ascent on "expected open joints <= target", the target
        falling linearly from all joints to the budget (as in CoFiPruning, Xia et al. 2022,
        arXiv 2204.00408): the price is what the weakest open joint still has to be worth.
        """
        c, layer = self.config, self.joint_pruning
        ramp = min(1.0, self.progress() / c.ramp_end)
        if not c.budget:
            return l0_penalty(layer, c.penalty * ramp)
        share = layer.keep_probability().mean()
        excess = share - 1 + ramp * (1 - c.budget / c.num_pose_points)
        with torch.no_grad():
            self.price.add_(PRICE_STEP * excess).clamp_(min=0)
        return self.price * share + PRICE_DAMPING * excess.clamp(min=0) ** 2

    def progress(self) -> float:
        """Share of the planned steps that are done, in [0, 1]."""
        return min(1.0, self.trainer.global_step / self.trainer.estimated_stepping_batches)

    def test_step(self, batch, _) -> None:
        poses, present, labels = batch
        logits = self(poses, present)
        self.log("test_loss", functional.cross_entropy(logits, labels), batch_size=len(labels))
        correct = (logits.argmax(1) == labels).float().mean()
        self.log("test_accuracy", correct, batch_size=len(labels))

    def configure_optimizers(self):
        gates = [self.joint_pruning.joint_logits]
        others = [p for p in self.parameters() if p is not gates[0]]
        c = self.config
        optimizer = torch.optim.AdamW(
            [
                {"params": others, "lr": c.skel_learning_rate, "weight_decay": c.weight_decay},
                {"params": gates, "lr": c.gate_learning_rate, "weight_decay": 0.0},
            ],
            fused=True,
        )
        steps = self.trainer.estimated_stepping_batches
        schedule = torch.optim.lr_scheduler.LambdaLR(
            optimizer, [lambda step: one_cycle(step / steps), lambda step: 1.0]
        )
        return {"optimizer": optimizer, "lr_scheduler": {"scheduler": schedule, "interval": "step"}}

    @classmethod
    def load_from_checkpoint(cls, checkpoint_path, **kwargs):
        """The model of a checkpoint; nothing in the file is executed."""
        return super().load_from_checkpoint(
            checkpoint_path, **{"map_location": "cpu", "weights_only": True, **kwargs}
        )


def one_cycle(progress: float, warmup: float = 0.3) -> float:
    """Cosine rise from 1/25 to 1 over `warmup`, then cosine fall to 0 (Smith and Topin 2018)."""
    if progress < warmup:
        return 0.04 + 0.96 * (1 - math.cos(math.pi * progress / warmup)) / 2
    return (1 + math.cos(math.pi * min(1.0, (progress - warmup) / (1 - warmup)))) / 2


def slice_joints(
    model: SignClassificationLightning, kept: list[int] | None = None
) -> SignClassificationLightning:
    """A physically smaller model that reads only the joints `kept` (indices, ascending).

    Its outputs are those of `model` with every other gate closed; gates of kept joints
    keep their values. `kept` defaults to the joints whose gates are open.
    """
    if model.config.mask == "quick-start":
        raise ValueError("expected gates that close joints, got the quick start's mask")
    kept = model.joint_pruning.kept_joints() if kept is None else list(kept)
    total = model.config.num_pose_points
    if not kept or kept != sorted(set(kept)) or kept[0] < 0 or kept[-1] >= total:
        raise ValueError(f"expected ascending joint indices within 0..{total - 1}, got {kept}")
    config = _plain(model.config) | {
        "num_pose_points": len(kept),
        "joints": [model.config.joints[j] for j in kept],
        "tied": False,
        "budget": 0,
    }
    small = SignClassificationLightning(config).to(model.device).train(model.training)
    slice_projection(model.encoder, small.encoder, kept)
    large_mask, small_mask = model.joint_pruning, small.joint_pruning
    with torch.no_grad():
        small_mask.joint_logits.copy_(large_mask.joint_logits[large_mask.gate_of[kept]])
        small_mask.frozen.copy_(large_mask.frozen)
        small_mask.frozen_gates.copy_(large_mask.frozen_gates[kept])
    return small


def _mask(config: TrainingConfig) -> JointPruningLayer | QuickStartMask:
    joints = config.num_pose_points
    if config.mask == "quick-start":
        return QuickStartMask(joints, init_keep_prob=config.init_keep_prob)
    tied = None
    if config.tied:
        short = [name.split(".")[1] for name in config.joints]
        tied = [sorted(set(short), key=short.index).index(name) for name in short]
    layer = JointPruningLayer(joints, init_keep_prob=config.init_keep_prob, tied=tied)
    if config.mask == "open":
        layer.freeze(range(joints))
    return layer


def _plain(config: TrainingConfig) -> dict:
    """The settings in types that a safe checkpoint load accepts."""
    return asdict(config) | {"joints": list(config.joints)}
