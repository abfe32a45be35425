"""`SignClassificationLightning`: encoder, gates, loss and optimiser as one Lightning module."""

import math
from collections.abc import Iterable, Mapping
from dataclasses import asdict

import lightning
import torch
from torch import Tensor
from torch.nn import functional

from jointprune.config import TrainingConfig
from jointprune.gate_variants import ConcreteSubset, ProjectionLasso, RandomSubsets, StochasticGates
from jointprune.gates import JointPruningLayer, QuickStartMask, l0_penalty
from jointprune.models import ENCODERS
from jointprune.preprocessing import normalise

# Dual ascent of a budget: the price of all joints rises by MULTIPLIER_STEP nats a step for each excess
# share of them; the quadratic wall of DAMPING nats keeps it from swinging.
MULTIPLIER_STEP, DAMPING = 1.0, 50.0

# Masks whose open joints cost something in the loss; concrete keeps K by its draw.
PENALISED = ("hard-concrete", "stg", "quick-start")


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
        self.encoder = ENCODERS[c.encoder](c)
        # Price of all joints, in nats; rises while more are open than the budget allows.
        self.register_buffer("multiplier", torch.tensor(0.0))

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
        return self.encoder(skeleton_keypoints, self._weight(skeleton_keypoints, present))

    def _weight(self, poses: Tensor, present: Tensor | None) -> Tensor:
        """Gate x presence of each joint (B, T, J)."""
        gates = self.joint_pruning.gates(len(poses))  # (J,) or (B, J)
        weight = gates.unsqueeze(-2).expand(poses.shape[:3])
        return weight if present is None else weight * present

    @torch.no_grad()
    def remember(self, batches: Iterable[tuple[Tensor, Tensor, Tensor]]) -> None:
        """From now on, know signs by these clips of theirs as well, read by gates as they are.

        Batches of poses (B, T, J, P), present (B, T, J) and labels (B,), unchanged by augmentation;
        of a sign at most `config.exemplars` clips. Leaves the model in evaluation mode.
        """
        self.eval()
        read = [
            (self.encoder.embed(poses, self._weight(poses, present)), labels)
            for poses, present, labels in batches
        ]
        self.encoder.head.remember(*map(torch.cat, zip(*read, strict=True)))

    def training_step(self, batch, _) -> Tensor:
        poses, present, labels = batch
        self.joint_pruning.anneal(self.progress())
        loss = functional.cross_entropy(
            self(poses, present), labels, label_smoothing=self.config.label_smoothing
        )
        if self.config.mask in PENALISED:
            loss = loss + self.gate_cost()
        return loss

    def on_train_epoch_end(self) -> None:
        """Log how many gates the epoch left open."""
        if self.config.mask != "open":
            summary = self.joint_pruning.get_summary()
            self.log("pruning_ratio", summary["pruning_ratio"])
            self.log("num_active_joints", float(summary["num_active"]))

    def gate_cost(self) -> Tensor:
        """What open gates cost now, a scalar in nats: the scheduled penalty or the budget's price.

        With a budget this is dual ascent on "expected open joints <= target", the target
        falling linearly from all joints to the budget (as in CoFiPruning, Xia et al. 2022,
        arXiv 2204.00408): the price over J is what the weakest open joint still has to be worth.
        """
        c, layer = self.config, self.joint_pruning
        ramp = min(1.0, self.progress() / c.ramp_end)
        if not c.budget:
            return l0_penalty(layer, c.penalty * ramp)
        share = layer.keep_probability().mean()
        excess = share - 1 + ramp * (1 - c.budget / c.num_pose_points)
        with torch.no_grad():
            self.multiplier.add_(MULTIPLIER_STEP * excess).clamp_(min=0)
        return self.multiplier * share + DAMPING * excess.clamp(min=0) ** 2

    def on_train_batch_start(self, batch, _) -> None:
        """The group lasso standardises by the first batch it sees."""
        if self.config.mask == "group-lasso" and self.trainer.global_step == 0:
            poses, present, _ = batch
            self.joint_pruning.standardise(normalise(poses, present.float(), self.encoder.hand))

    def optimizer_step(self, epoch, batch_idx, optimizer, optimizer_closure=None) -> None:
        """The optimiser's step, and after it the proximal step of the group lasso."""
        super().optimizer_step(epoch, batch_idx, optimizer, optimizer_closure)
        if self.config.mask == "group-lasso":
            ramp = min(1.0, self.progress() / self.config.ramp_end)
            weight = self.encoder.project.weight
            # A joint's block counts by the root of its size, as wider networks have larger norms.
            penalty = self.config.shrinkage * (len(weight) * self.config.coords) ** 0.5
            step = optimizer.param_groups[0]["lr"] * ramp * penalty
            self.joint_pruning.shrink(weight, step)

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

    Its outputs in evaluation are those of `model` with every other gate closed; gates of kept
    joints are fixed at their values. `kept` defaults to the joints whose gates are open.
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
        "mask": "open",
        "tied": False,
        "budget": 0,
    }
    small = SignClassificationLightning(config).to(model.device).train(model.training)
    model.encoder.copy_kept(small.encoder, kept)
    with torch.no_grad():
        model.joint_pruning.eval()
        small.joint_pruning.frozen_gates.copy_(model.joint_pruning.gates()[kept])
        model.joint_pruning.train(model.training)
    return small


def _mask(config: TrainingConfig) -> JointPruningLayer | QuickStartMask:
    joints, init = config.num_pose_points, config.init_keep_prob
    match config.mask:
        case "quick-start":
            return QuickStartMask(joints, init_keep_prob=init)
        case "concrete":
            return ConcreteSubset(joints, config.budget)
        case "group-lasso":
            return ProjectionLasso(joints, config.coords)
        case "any-subset":
            return RandomSubsets(joints)
        case "stg":
            return StochasticGates(joints, init_keep_prob=init)
    tied = None
    if config.tied:
        short = [name.split(".")[1] for name in config.joints]
        tied = [sorted(set(short), key=short.index).index(name) for name in short]
    layer = JointPruningLayer(joints, init_keep_prob=init, tied=tied)
    if config.mask == "open":
        layer.freeze(range(joints))
    return layer


def _plain(config: TrainingConfig) -> dict:
    """The settings in types that a safe checkpoint load accepts."""
    return asdict(config) | {"joints": list(config.joints)}
