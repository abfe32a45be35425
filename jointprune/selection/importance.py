"""Rankings that ask a trained network which joints its answers rest on.

A network knows every answer on its own training clips, so a quarter of the training groups is
held out of its training, and it is asked on their clips. What matters is the cross-entropy
there, which is smoother than accuracy on some dozens of clips.

The "open" network was trained with all joints: shuffling or closing one shows it inputs that it
never saw. The "any-subset" network was trained with joints missing, so closing is fair to it.
Correlated joints share credit in all but `greedy`.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np
import torch
from captum.attr import FeaturePermutation, IntegratedGradients
from torch import Tensor
from torch.nn import functional

from jointprune.config import TrainingConfig
from jointprune.dataset import SignDataset
from jointprune.prediction import evaluation_batches, trained_model
from jointprune.runs import Run, make_run
from jointprune.training import train

ROWS = 64  # clips in one pass: more fall out of a core's cache and take longer each
SHUFFLES = 10  # of each joint; one is as uncertain as the differences between joints
STEPS = 32  # of the integral, by Gauss-Legendre
SUBSETS = 256  # a clip


@dataclass(frozen=True)
class Exam:
    """A trained encoder, and clips of groups that it did not learn from.

    encoder: (poses (B, T, J, P), weight (B, T, J)) -> logits (B, classes).
    poses, present (bool), labels (B,): the clips, resampled once.
    """

    encoder: Callable[[Tensor, Tensor], Tensor]
    poses: Tensor
    present: Tensor
    labels: Tensor

    def losses(self, gates: Tensor, clips: Tensor) -> Tensor:
        """Cross-entropy (R,) in nats of clip `clips[r]` through the gates `gates[r]`, (R, J)."""
        return torch.cat(
            [self._losses(*rows) for rows in zip(gates.split(ROWS), clips.split(ROWS), strict=True)]
        )

    def _losses(self, gates: Tensor, clips: Tensor) -> Tensor:
        weight = (self.present[clips] * gates[:, None]).float()
        logits = self.encoder(self.poses[clips], weight)
        return functional.cross_entropy(logits, self.labels[clips], reduction="none")


def inner_split(data: SignDataset, train_clips, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Training clips in two, (fit, held), int indices: a quarter of their groups is held out.

    Every fourth group of a random order is held out, from the second on. Groups that sign with
    both hands come first: of two or more, one is asked about and another learned from.
    """
    clips = np.sort(np.asarray(train_clips, dtype=np.int64))
    names = np.unique(data.groups[clips])
    if len(names) < 2:
        raise ValueError(
            f"expected training clips of 2 groups or more, got {len(names)}: one is held out"
        )
    two_handed = np.isin(names, data.two_handed())
    draw = np.random.default_rng(seed)
    order = [*draw.permutation(names[two_handed]), *draw.permutation(names[~two_handed])]
    held = np.isin(data.groups[clips], order[1::4])
    return clips[~held], clips[held]


def exam_run(mask: str, data: SignDataset, train_clips, seed: int, config: TrainingConfig) -> Run:
    """The training of the network that is asked; the clips it is asked on are its test clips."""
    settings = replace(config, mask=mask, budget=0, tied=False)
    return make_run(data, *inner_split(data, train_clips, seed), seed, settings)


def exam_ranker(mask: str, score: Callable[[Exam, int], np.ndarray]):
    """The ranker that trains a network behind `mask` and scores joints by `score(exam, seed)`."""

    def rank(data, train_clips, seed, k, config, workspace) -> np.ndarray:
        run = exam_run(mask, data, train_clips, seed, config)
        train(run, data, workspace)
        model = trained_model(run, data, workspace).requires_grad_(False)
        batches = zip(*evaluation_batches(model.config, data, run.test), strict=True)
        return score(Exam(model.encoder, *map(torch.cat, batches)), seed)

    return rank


def loss_when_shuffled(exam: Exam, seed: int) -> np.ndarray:
    """Rise of the mean loss when a joint's trajectories are swapped between clips, (J,) nats.

    A joint goes with its presence; the mean of SHUFFLES swaps. Source: Breiman, "Random
    forests" (Machine Learning 45, 2001), section 10.
    """
    generator = torch.Generator().manual_seed(seed)

    def shuffle(x: Tensor, joint: Tensor) -> Tensor:
        return torch.where(joint, x[torch.randperm(len(x), generator=generator)], x)

    def loss(x: Tensor) -> Tensor:
        shuffled = replace(exam, poses=x[..., :-1], present=x[..., -1].bool())
        clips = torch.arange(len(x))
        return shuffled.losses(torch.ones(len(clips), x.shape[2]), clips).mean()

    # One tensor, as captum would draw another permutation for the presence.
    inputs = torch.cat([exam.poses, exam.present[..., None]], -1)
    joints = torch.arange(inputs.shape[2])[None, None, :, None]
    captum = FeaturePermutation(loss, shuffle)
    falls = [captum.attribute(inputs, feature_mask=joints)[0, 0, :, 0] for _ in range(SHUFFLES)]
    return -torch.stack(falls).mean(0).numpy()


def loss_along_the_gates(exam: Exam, seed: int) -> np.ndarray:
    """Each joint's part in the fall of the mean loss from no joint to all, (J,) nats.

    Integrated gradients with respect to the gates, all of which open together from 0 to 1; the
    parts add up to the fall. Nothing is drawn. Source: Sundararajan, Taly and Yan, "Axiomatic
    attribution for deep networks" (ICML 2017, arXiv 1703.01365).
    """
    captum = IntegratedGradients(exam.losses)
    parts = []
    for clips in torch.arange(len(exam.labels)).split(ROWS // 8):  # bounds the graph's memory
        opened = torch.ones(len(clips), exam.present.shape[2], requires_grad=True)
        parts.append(captum.attribute(opened, additional_forward_args=clips, n_steps=STEPS))
    return -torch.cat(parts).detach().mean(0).numpy()


@torch.inference_mode()
def round_of_elimination(exam: Exam, seed: int) -> np.ndarray:
    """Round in which each joint is dropped, (J,), 0 first: backward elimination by mean loss.

    Each round tries every remaining joint's removal, J (J + 1) / 2 trials in all, and drops
    the joint least missed; of equals the one of the highest index. Nothing is drawn. Source:
    Guyon and Elisseeff, "An introduction to variable and feature selection" (JMLR 3, 2003).
    """
    clips, joints = torch.arange(len(exam.labels)), exam.present.shape[2]
    seen = exam.present.any(1).T  # (J, B)
    gates = torch.ones(joints)
    now = exam.losses(gates.expand(len(clips), -1), clips)
    rounds = np.empty(joints)
    for turn in range(joints):
        left = gates.nonzero().flatten()
        losses = now.repeat(len(left), 1)  # a clip that never shows the joint does not miss it
        trial, clip = seen[left].nonzero(as_tuple=True)
        without = gates.repeat(len(trial), 1).scatter(1, left[trial, None], 0.0)
        losses[trial, clip] = exam.losses(without, clip)
        least = len(left) - 1 - int(losses.mean(1).numpy()[::-1].argmin())
        now, gates[left[least]], rounds[left[least]] = losses[least], 0.0, turn
    return rounds


@torch.inference_mode()
def loss_removed(exam: Exam, seed: int) -> np.ndarray:
    """What a joint's presence takes off the loss of a random subset, (J,) nats.

    Coefficients of a linear surrogate, fitted by least squares to the losses of SUBSETS random
    subsets a clip, their sizes uniform in 1..J; each clip has its own subsets and its own level.
    KernelSHAP (Lundberg and Lee 2017, arXiv 1705.07874) is such a fit too, but its weights
    make the coefficients Shapley values; these are not, and a joint that is not read at all gets
    about, not exactly, 0.
    """
    draw, joints = np.random.default_rng(seed), exam.present.shape[2]
    clips = torch.arange(len(exam.labels)).repeat(SUBSETS)
    # Small numbers: there are SUBSETS rows for each of thousands of clips.
    order = np.tile(np.arange(joints, dtype=np.uint8), (len(clips), 1))
    draw.permuted(order, axis=1, out=order)
    opened = torch.from_numpy(order < draw.integers(1, joints + 1, size=(len(clips), 1)))
    losses = exam.losses(opened, clips).view(SUBSETS, -1)
    return -_slopes(opened.view(SUBSETS, -1, joints), losses)


def _slopes(opened: Tensor, losses: Tensor) -> np.ndarray:
    """Least squares (J,) of `losses` (S, B) on `opened` (S, B, J) bool, with a level a clip.

    By normal equations, summed over one subset of each clip at a time, so that a copy of all in
    floating point is never made.
    """
    # Less each clip's means, which takes a level a clip out of both sides.
    level, usual = opened.sum(0).double() / len(opened), losses.double().mean(0)
    square, product = 0.0, 0.0
    for some, loss in zip(opened, losses, strict=True):
        design = some.double() - level
        square, product = square + design.T @ design, product + design.T @ (loss - usual)
    return np.linalg.lstsq(square.numpy(), product.numpy())[0]


permutation = exam_ranker("open", loss_when_shuffled)
integrated_gradients = exam_ranker("open", loss_along_the_gates)
greedy = exam_ranker("any-subset", round_of_elimination)
any_subset = exam_ranker("any-subset", loss_removed)
