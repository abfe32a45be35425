"""Rankers that evaluate a trained network with joints shuffled or hidden.

Joints are scored by the cross-entropy on clips of a quarter of the training groups, held out of
its training. The "any-subset" network was trained with joints missing, so that it can handle a
closed joint; the "open" one was not. Correlated joints share credit in all rankers but `greedy`.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np
import torch
from captum.attr import FeaturePermutation, IntegratedGradients
from torch import Tensor
from torch.nn import functional

from jointprune.config import TrainingConfig
from jointprune.dataset import SignDataset, fewest_untrained
from jointprune.prediction import evaluation_batches, trained_model
from jointprune.runs import Run, make_run
from jointprune.training import train

ROWS = 64  # clips in one pass; more do not fit into a core's cache and take longer each
SHUFFLES = 10  # per joint; the noise of a single one is as large as the differences between joints
STEPS = 32  # points of the integral (Gauss-Legendre quadrature)
SUBSETS = 256  # random subsets of joints per clip


@dataclass(frozen=True)
class HeldOut:
    """A trained encoder, and clips of groups held out from its training, resampled once."""

    encoder: Callable[[Tensor, Tensor], Tensor]  # poses, weight (B, T, J) -> logits (B, classes)
    poses: Tensor  # (B, T, J, P)
    present: Tensor  # (B, T, J) bool
    labels: Tensor  # (B,)

    def losses(self, gates: Tensor, clips: Tensor) -> Tensor:
        """Cross-entropy (R,) in nats of clip `clips[r]` through the gates `gates[r]`, (R, J)."""
        parts = []
        for gate, clip in zip(gates.split(ROWS), clips.split(ROWS), strict=True):
            weight = (self.present[clip] * gate[:, None]).float()
            logits = self.encoder(self.poses[clip], weight)
            parts.append(functional.cross_entropy(logits, self.labels[clip], reduction="none"))
        return torch.cat(parts)


def inner_split(data: SignDataset, train_clips, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Training clips in two, (fit, held out), int indices: a quarter of their groups is held out.

    Two-handed groups come first, so that of two or more one is held out and another is not. Of
    several draws, the first that holds out the fewest clips of untrained classes is taken.
    """
    clips = np.sort(np.asarray(train_clips, dtype=np.int64))
    names = np.unique(data.groups[clips])
    if len(names) < 2:
        raise ValueError(
            f"expected training clips of 2 groups or more, got {len(names)}: one is held out"
        )
    two_handed = np.isin(names, data.two_handed())
    draw = np.random.default_rng(seed)

    def held_out() -> list[list[str]]:
        order = [*draw.permutation(names[two_handed]), *draw.permutation(names[~two_handed])]
        return [order[1::4]]

    [held] = fewest_untrained(held_out, data.groups[clips], data.labels[clips])
    held = np.isin(data.groups[clips], held)
    return clips[~held], clips[held]


def held_out_run(data: SignDataset, train_clips, seed: int, config: TrainingConfig) -> Run:
    """The training of the network; its test clips are those of the held-out groups."""
    split = inner_split(data, train_clips, seed)
    return make_run(data, *split, seed, replace(config, budget=0, gate_groups="joint"))


def _ranker(score: Callable[[HeldOut, int], np.ndarray]):
    """The ranker that trains a network and scores its joints by `score(held_out, seed)`."""

    def rank(data, train_clips, seed, k, config, workspace) -> np.ndarray:
        run = held_out_run(data, train_clips, seed, config)
        train(run, data, workspace)
        model = trained_model(run, data, workspace).requires_grad_(False)
        batches = zip(*evaluation_batches(model.config, data, run.test), strict=True)
        return score(HeldOut(model.encoder, *map(torch.cat, batches)), seed)

    return rank


def loss_when_shuffled(held_out: HeldOut, seed: int) -> np.ndarray:
    """Rise of the mean loss when a joint's trajectories are swapped between clips, (J,) nats.

    A joint's presence is swapped with it. Source: Breiman, "Random forests" (Machine Learning 45,
    2001), section 10.
    """
    if len(held_out.labels) < 2:
        raise ValueError(
            f"expected 2 held-out clips or more to swap, got {len(held_out.labels)}: pass more "
            "clips or groups"
        )
    generator = torch.Generator().manual_seed(seed)

    def shuffle(x: Tensor, joint: Tensor) -> Tensor:
        return torch.where(joint, x[torch.randperm(len(x), generator=generator)], x)

    def loss(x: Tensor) -> Tensor:
        shuffled = replace(held_out, poses=x[..., :-1], present=x[..., -1].bool())
        clips = torch.arange(len(x))
        return shuffled.losses(torch.ones(len(clips), x.shape[2]), clips).mean()

    # One tensor, because captum would shuffle the presence by another permutation.
    inputs = torch.cat([held_out.poses, held_out.present[..., None]], -1)
    joints = torch.arange(inputs.shape[2])[None, None, :, None]
    captum = FeaturePermutation(loss, shuffle)
    falls = [captum.attribute(inputs, feature_mask=joints)[0, 0, :, 0] for _ in range(SHUFFLES)]
    return -torch.stack(falls).mean(0).numpy()


def loss_along_the_gates(held_out: HeldOut, seed: int) -> np.ndarray:
    """Each joint's share of the fall of the mean loss from no joint to all, (J,) nats.

    Integrated gradients with respect to the gates, which open together from 0 to 1; the shares
    add up to the fall. Source: Sundararajan, Taly and Yan (ICML 2017, arXiv 1703.01365).
    """
    captum = IntegratedGradients(held_out.losses)
    parts = []
    for clips in torch.arange(len(held_out.labels)).split(ROWS // 8):  # bounds the graph's memory
        opened = torch.ones(len(clips), held_out.present.shape[2], requires_grad=True)
        parts.append(captum.attribute(opened, additional_forward_args=clips, n_steps=STEPS))
    return -torch.cat(parts).detach().mean(0).numpy()


@torch.inference_mode()
def round_of_elimination(held_out: HeldOut, seed: int) -> np.ndarray:
    """Round in which each joint is dropped, (J,), 0 first: backward elimination by mean loss.

    Each round drops the joint whose removal costs least; among equals, the highest index.
    Source: Guyon and Elisseeff, "An introduction to variable and feature selection" (JMLR 3,
    2003).
    """
    clips, joints = torch.arange(len(held_out.labels)), held_out.present.shape[2]
    seen = held_out.present.any(1).T  # (J, B)
    gates = torch.ones(joints)
    now = held_out.losses(gates.expand(len(clips), -1), clips)
    rounds = np.empty(joints)
    for turn in range(joints):
        left = gates.nonzero().flatten()
        losses = now.repeat(len(left), 1)  # unchanged for a clip that never shows the joint
        trial, clip = seen[left].nonzero(as_tuple=True)
        without = gates.repeat(len(trial), 1).scatter(1, left[trial, None], 0.0)
        losses[trial, clip] = held_out.losses(without, clip)
        least = len(left) - 1 - int(losses.mean(1).numpy()[::-1].argmin())
        now, gates[left[least]], rounds[left[least]] = losses[least], 0.0, turn
    return rounds


@torch.inference_mode()
def surrogate_weights(held_out: HeldOut, seed: int) -> np.ndarray:
    """Weight of each joint in a linear surrogate fitted to losses of random subsets, (J,) nats.

    Least squares on SUBSETS random subsets per clip, of sizes uniform in 1..J, with an intercept
    for each clip. Unlike those of KernelSHAP (Lundberg and Lee 2017, arXiv 1705.07874), the
    coefficients are not Shapley values: a joint that the network ignores gets about 0, not 0.
    """
    draw, joints = np.random.default_rng(seed), held_out.present.shape[2]
    clips = torch.arange(len(held_out.labels)).repeat(SUBSETS)
    # uint8, as there are SUBSETS rows for each of thousands of clips.
    order = np.tile(np.arange(joints, dtype=np.uint8), (len(clips), 1))
    draw.permuted(order, axis=1, out=order)
    opened = torch.from_numpy(order < draw.integers(1, joints + 1, size=(len(clips), 1)))
    losses = held_out.losses(opened, clips).view(SUBSETS, -1)
    return -_slopes(opened.view(SUBSETS, -1, joints), losses)


def _slopes(opened: Tensor, losses: Tensor) -> np.ndarray:
    """Least squares (J,) of `losses` (S, B) on `opened` (S, B, J) bool, an intercept per clip.

    One subset of each clip at a time, so that no floating-point copy of all of them is made.
    """
    # Subtracting each clip's means removes its intercept from both sides.
    level, usual = opened.sum(0).double() / len(opened), losses.double().mean(0)
    square, product = 0.0, 0.0
    for some, loss in zip(opened, losses, strict=True):
        design = some.double() - level
        square, product = square + design.T @ design, product + design.T @ (loss - usual)
    return np.linalg.lstsq(square.numpy(), product.numpy())[0]


permutation = _ranker(loss_when_shuffled)
integrated_gradients = _ranker(loss_along_the_gates)
greedy = _ranker(round_of_elimination)
any_subset = _ranker(surrogate_weights)
