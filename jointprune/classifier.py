"""`SignClassificationLightning`: gates, encoder, loss and optimiser as one Lightning module."""

import math
from collections.abc import Iterable, Mapping
from dataclasses import asdict

import lightning
import torch
from torch import Tensor
from torch.nn import functional
from torch.nn.utils import parametrize

from jointprune.budget import PruneJoints, number_to_keep
from jointprune.checks import indices
from jointprune.config import TrainingConfig
from jointprune.gate_variants import (
    ConcreteSubset,
    InputScale,
    ProjectionLasso,
    QuickStartMask,
    RandomSubsets,
    StochasticGates,
)
from jointprune.gates import JointPruningLayer, hide_closed, l0_penalty
from jointprune.models import ENCODERS
from jointprune.preprocessing import normalise

# Masks whose open joints cost a penalty; concrete selects K joints by construction.
PENALISED = ("hard-concrete", "stg", "quick-start")
BUDGETED = ("hard-concrete", "stg", "concrete")


class SignClassificationLightning(lightning.LightningModule):
    """A sign classifier: a joint-pruning layer in front of an encoder.

    Parameters
    ----------
    config
        Values of `TrainingConfig` by name; None for its defaults. Checkpoints hold them, so that
        `load_from_checkpoint(path)` needs no other argument.

    Attributes
    ----------
    joint_pruning
        The gates, a `JointPruningLayer` or a variant of it.
    encoder
        One of `models.ENCODERS`.
    trained_on
        Name, checksum (`sha256`) and classes of the data set, and the `groups` that were trained
        on (they may be names of signers), kept in checkpoints; {} if unknown.

    Examples
    --------
    >>> model = SignClassificationLightning({"mask": "hard-concrete", "budget": 12})
    >>> model(torch.randn(4, 8, 42, 2)).shape
    torch.Size([4, 26])
    """

    def __init__(self, config: Mapping | None = None):
        super().__init__()
        self.config = TrainingConfig.from_mapping(config or {})
        c = self.config
        # Only types that torch accepts when it loads a checkpoint with weights_only=True.
        self.save_hyperparameters({"config": asdict(c) | {"joints": list(c.joints)}})
        self.trained_on: dict = {}
        self.joint_pruning = _mask(c)
        if c.mask in ("open", "any-subset"):
            # The loss does not depend on these logits, and DDP would wait for their gradient.
            self.joint_pruning.joint_logits.requires_grad_(False)
        self.encoder = ENCODERS[c.encoder](c)
        if c.mask == "group-lasso":
            scale = InputScale(c.num_pose_points, c.coords, rest=2 * c.coords + 2)
            parametrize.register_parametrization(self.encoder.project, "weight", scale)

    def forward(self, skeleton_keypoints: Tensor, present: Tensor | None = None) -> Tensor:
        """Logits (B, classes) of clips (B, T, J, P), in shoulder widths, in the model's precision.

        `present` (B, T, J) marks the joints that were detected; None means all of them. Where a
        joint was not detected or its gate is closed, keypoints may hold anything, NaN included.
        Raises ValueError for another shape, and for clips without frames.
        """
        clips, joints = skeleton_keypoints, (self.config.num_pose_points, self.config.coords)
        if not isinstance(clips, Tensor) or clips.ndim != 4 or clips.shape[2:] != joints:
            got = tuple(clips.shape) if isinstance(clips, Tensor) else type(clips).__name__
            raise ValueError(
                f"expected keypoints (B, T, {joints[0]}, {joints[1]}) as a tensor, got {got}: pass "
                "all joints of config.joints in order"
            )
        if not clips.shape[1]:
            raise ValueError("expected clips of one frame or more, got none: leave these clips out")
        if present is not None and present.shape != clips.shape[:3]:
            raise ValueError(
                f"expected presence {tuple(clips.shape[:3])}, one value a joint and frame, got "
                f"{tuple(present.shape)}"
            )
        weight = self._weight(clips, present)
        return self.encoder(hide_closed(clips, weight).to(weight.dtype), weight)

    def _weight(self, poses: Tensor, present: Tensor | None) -> Tensor:
        """Gate x presence of each joint (B, T, J)."""
        # Not len(poses), which would fix the number of clips in an exported program.
        gates = self.joint_pruning.gates(poses.shape[0])  # (J,) or (B, J)
        weight = gates.unsqueeze(-2).expand(poses.shape[:3])
        return weight if present is None else weight * present.to(weight.dtype)

    @torch.no_grad()
    def remember(self, batches: Iterable[tuple[Tensor, Tensor, Tensor]]) -> None:
        """Store embeddings of training clips; the head also compares new clips with these.

        See `models.parts.Head`. Batches hold poses, presence and labels of clips without
        augmentation, at most `config.exemplars` per class. Call this when the gates are final. It
        sets evaluation mode.
        """
        self.eval()
        embedded = [
            (self.encoder.embed_clips(poses, self._weight(poses, present)), labels)
            for poses, present, labels in batches
        ]
        self.encoder.head.remember(*map(torch.cat, zip(*embedded, strict=True)))

    def training_step(self, batch, _) -> Tensor:
        poses, present, labels = batch
        self.joint_pruning.anneal(self.progress())
        loss = functional.cross_entropy(
            self(poses, present), labels, label_smoothing=self.config.label_smoothing
        )
        if self.config.mask in PENALISED and self._pruner() is None:
            loss = loss + self.gate_penalty()
        return loss

    def configure_callbacks(self) -> list[lightning.Callback]:
        """Prune to the budget, if there is one; ValueError if the trainer prunes to another."""
        c, given = self.config, self._pruner()
        if c.mask not in PENALISED or not c.budget or self.joint_pruning.frozen:
            return []
        if given is None:
            return [PruneJoints(c.budget, retrain=True)]
        if (number_to_keep(given.keep, c.num_pose_points), given.retrain) != (c.budget, True):
            raise ValueError(
                f"expected one way to prune, got budget={c.budget} in the configuration, which is "
                f"PruneJoints({c.budget}, retrain=True), and PruneJoints({given.keep}, "
                f"retrain={given.retrain}): leave one out"
            )
        return []

    def _pruner(self) -> PruneJoints | None:
        """The trainer's callback that closes gates; without it the L0 penalty does."""
        return next((c for c in self.trainer.callbacks if isinstance(c, PruneJoints)), None)

    def on_train_epoch_end(self) -> None:
        """Log the gates' state after an epoch; `PruneJoints` logs it by itself."""
        if self.config.mask != "open" and self._pruner() is None:
            summary = self.joint_pruning.get_summary()
            self.log("pruning_ratio", summary["pruning_ratio"])
            self.log("num_active_joints", float(summary["num_active"]))

    def gate_penalty(self) -> Tensor:
        """L0 penalty at the current training step, ramped up linearly, a scalar in nats."""
        ramp = min(1.0, self.progress() / self.config.ramp_end)
        return l0_penalty(self.joint_pruning, self.config.penalty * ramp)

    def on_train_start(self) -> None:
        """Standardise the inputs of the group lasso by one pass over the training clips."""
        if self.config.mask == "group-lasso" and self.trainer.global_step == 0:
            self.encoder.project.parametrizations.weight[0].standardise(
                normalise(poses.to(self.device), present.to(self.device).float(), self.encoder.hand)
                for poses, present, _ in self.trainer.train_dataloader
            )

    def optimizer_step(self, epoch, batch_idx, optimizer, optimizer_closure=None) -> None:
        """Take the optimiser's step, then the proximal step of the group lasso."""
        super().optimizer_step(epoch, batch_idx, optimizer, optimizer_closure)
        if self.config.mask == "group-lasso":
            ramp = min(1.0, self.progress() / self.config.ramp_end)
            weight = self.encoder.project.parametrizations.weight.original
            # Scaled by the root of a block's size, as wider networks have larger norms.
            penalty = self.config.shrinkage * (len(weight) * self.config.coords) ** 0.5
            step = optimizer.param_groups[0]["lr"] * ramp * penalty
            self.joint_pruning.shrink(weight, step)

    def progress(self) -> float:
        """Share of the training steps that are done, in [0, 1]."""
        return min(1.0, self.trainer.global_step / self.trainer.estimated_stepping_batches)

    def test_step(self, batch, _) -> None:
        poses, present, labels = batch
        logits = self(poses, present)
        loss, right = functional.cross_entropy(logits, labels), logits.argmax(1) == labels
        found = {"test_loss": loss, "test_accuracy": right.float().mean()}
        self.log_dict(found, batch_size=len(labels))

    def configure_optimizers(self):
        c, gates = self.config, [self.joint_pruning.joint_logits]
        others = [p for p in self.parameters() if p is not gates[0]]
        optimizer = torch.optim.AdamW(
            [
                {"params": others, "lr": c.skel_learning_rate, "weight_decay": c.weight_decay},
                {"params": gates, "lr": c.gate_learning_rate, "weight_decay": 0.0},
            ],
            fused=True,
        )
        # Lightning refuses to clip gradients that a fused optimiser unscales in its own step;
        # this makes the gradient scaler of half precision unscale them before that step.
        optimizer._step_supports_amp_scaling = False
        steps = self.trainer.estimated_stepping_batches
        schedule = torch.optim.lr_scheduler.LambdaLR(
            optimizer, [lambda step: one_cycle(step / steps), lambda step: 1.0]
        )
        return {"optimizer": optimizer, "lr_scheduler": {"scheduler": schedule, "interval": "step"}}

    def on_save_checkpoint(self, checkpoint: dict) -> None:
        checkpoint["trained_on"] = self.trained_on

    def on_load_checkpoint(self, checkpoint: dict) -> None:
        self.trained_on = checkpoint.get("trained_on", {})

    @classmethod
    def load_from_checkpoint(cls, checkpoint_path, **kwargs):
        """Load a checkpoint onto the CPU without executing code from the file."""
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
    """Make a smaller model that reads only the joints `kept`.

    In evaluation its outputs are those of `model` with all other gates closed. The gates of the
    kept joints are fixed at their current values.

    Parameters
    ----------
    model
        A model with any mask except the quick start's.
    kept
        Ascending indices of the joints to keep, K of them, or a mask of booleans; None for the
        joints whose gates are open.

    Returns
    -------
    SignClassificationLightning
        A model of keypoints (B, T, K, P).

    Raises
    ------
    ValueError
        For another model, the quick start's mask, and joints that are not ascending indices of
        `model`, each once.

    Examples
    --------
    >>> model = SignClassificationLightning()
    >>> slice_joints(model, [21, 25, 29]).config.joints
    ('right.wrist', 'right.thumb_tip', 'right.index_tip')
    """
    if not isinstance(model, SignClassificationLightning):
        raise ValueError(
            f"expected a SignClassificationLightning, got {type(model).__name__}: in a network of "
            "your own pass keypoints[:, :, layer.kept_joints()] to a smaller first layer"
        )
    if model.config.mask == "quick-start":
        raise ValueError(
            "expected gates that close joints, got the quick start's mask: train with another mask"
        )
    if kept is None and not (kept := model.joint_pruning.kept_joints()):
        raise ValueError("expected a model with open gates, got none: pass the joints to keep")
    kept = indices(kept, model.config.num_pose_points, "joints").tolist()
    if kept != sorted(kept):
        raise ValueError(f"expected ascending joint indices, got {kept}: sort them")
    config = model.hparams["config"] | {
        "num_pose_points": len(kept),
        "joints": [model.config.joints[j] for j in kept],
        "mask": "open",
        "gate_groups": "joint",
        "budget": 0,
    }
    # On the model's device and in its precision.
    small = SignClassificationLightning(config).to(model.joint_pruning.joint_logits)
    small.train(model.training)
    model.encoder.copy_kept(small.encoder, kept)
    with torch.no_grad():
        model.joint_pruning.eval()
        small.joint_pruning.frozen_gates.copy_(model.joint_pruning.gates()[kept])
        model.joint_pruning.train(model.training)
    small.trained_on = dict(model.trained_on)
    return small


def _mask(config: TrainingConfig) -> JointPruningLayer | QuickStartMask:
    joints, init = config.num_pose_points, config.init_keep_prob
    if config.budget and config.mask not in BUDGETED:
        raise ValueError(
            f"expected a mask of {BUDGETED} for a budget, got {config.mask!r}: set budget=0"
        )
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
            return StochasticGates(joints, init_keep_prob=init, gate_groups=config.groups())
    layer = JointPruningLayer(joints, init_keep_prob=init, gate_groups=config.groups())
    if config.mask == "open":
        layer.freeze(range(joints))
    return layer
