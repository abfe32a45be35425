"""Alternatives to the hard-concrete gates; their `joint_logits` rank the joints as well.

`QuickStartMask` is the exception: it is here to show that it does not prune.
"""

import math
from collections.abc import Iterable

import torch
from torch import Tensor, nn
from torch.nn import functional

from jointprune.gates import JointPruningLayer

STANDARD_NORMAL = torch.distributions.Normal(0.0, 1.0)


class StochasticGates(JointPruningLayer):
    """Gates clip(mu + 1/2 + SIGMA x noise, 0, 1), where mu is the logit.

    Source: Yamada et al., "Feature selection using stochastic gates" (ICML 2020,
    arXiv 1810.04247), which uses a sigma of 1/2.
    """

    SIGMA = 0.5
    threshold = -0.5
    unit = 0.2

    def _logit(self, keep: float) -> float:
        return self.SIGMA * STANDARD_NORMAL.icdf(torch.tensor(keep)).item() - 0.5

    def _gates(self, logits: Tensor) -> Tensor:
        noise = self.SIGMA * torch.randn_like(logits) if self.training else 0.0
        return (logits + 0.5 + noise).clamp(0, 1)

    def _keep(self, logits: Tensor) -> Tensor:
        return STANDARD_NORMAL.cdf((logits + 0.5) / self.SIGMA)


class ConcreteSubset(JointPruningLayer):
    """A relaxed sample of `budget` different joints: Gumbel top-K without replacement.

    Concrete selectors (Balin, Abid and Zou, ICML 2019, arXiv 1901.09346) may all select the same
    joint; here each lowers the weight of the joints selected before (Xie and Ermon, IJCAI 2019,
    arXiv 1901.10517). The temperature falls as in the former. Evaluation opens the highest logits.
    """

    HOT, COLD = 10.0, 0.1

    def __init__(self, num_joints: int, budget: int):
        if not 1 <= budget <= num_joints:
            raise ValueError(f"expected a budget of 1 to {num_joints} joints, got {budget}")
        super().__init__(num_joints, temperature=self.HOT)
        self.budget = budget

    def anneal(self, progress: float) -> None:
        self.temperature = self.HOT * (self.COLD / self.HOT) ** progress

    def reset_parameters(self) -> None:
        super().reset_parameters()
        self.anneal(0)

    def kept_joints(self) -> list[int]:
        return self._evaluation_gates().nonzero().flatten().tolist()

    def _evaluation_gates(self) -> Tensor:
        if self.frozen:
            return self.frozen_gates
        chosen = self.joint_logits.argsort(descending=True, stable=True)[: self.budget]
        return torch.zeros_like(self.joint_logits).index_fill(0, chosen, 1.0)

    def _logit(self, keep: float) -> float:
        return 0.0

    def _gates(self, logits: Tensor) -> Tensor:
        if not self.training:
            return self._evaluation_gates()
        noise = -torch.empty_like(logits).exponential_().clamp(min=1e-20).log()
        return self._keep(logits + noise)

    def _keep(self, logits: Tensor) -> Tensor:
        """Sum of K softmaxes, each without the joints selected before, at most 1 per joint."""
        taken = torch.zeros_like(logits)
        pick = taken
        for _ in range(self.budget):
            logits = logits + (1 - pick).clamp(min=torch.finfo(logits.dtype).tiny).log()
            pick = (logits / self.temperature).softmax(-1)
            taken = taken + pick
        return taken.clamp(max=1)


class RandomSubsets(JointPruningLayer):
    """Random gates without learning: each training clip shows a subset of uniform size in 1..J.

    The trained network can then be evaluated on any subset (`freeze`).
    """

    def gates(self, clips: int = 1) -> Tensor:
        """A random subset for each clip (clips, J) in training; else all open or frozen, (J,)."""
        if self.frozen or not self.training:
            return self.frozen_gates.clone()
        order = torch.rand(clips, self.num_joints, device=self.frozen_gates.device).argsort(1)
        sizes = torch.randint(1, self.num_joints + 1, (clips, 1), device=order.device)
        return (order < sizes).to(self.frozen_gates)


class ProjectionLasso(JointPruningLayer):
    """Group lasso on the input projection: a joint is dropped when its block of weights is zero.

    After each step a proximal operator shrinks all blocks (Yuan and Lin 2006; Parikh and Boyd
    2014, section 6.5.1). The inputs are standardised (`InputScale`), so that far-reaching
    fingertips have no advantage. The other steps are Adam's, so that the penalty weighs normalised
    gradients. The logits hold the norms of the blocks.
    """

    threshold = 0.0

    def __init__(self, num_joints: int, coords: int):
        super().__init__(num_joints)
        self.coords = coords
        self.joint_logits.requires_grad_(False)

    def reset_parameters(self) -> None:
        super().reset_parameters()
        self.joint_logits.requires_grad_(False)

    @torch.no_grad()
    def shrink(self, weight: Tensor, step: float) -> None:
        """Apply the proximal operator of size `step` to `weight` (hidden, J*P + rest) in place."""
        columns = self.num_joints * self.coords
        blocks = weight[:, :columns].unflatten(1, (self.num_joints, self.coords))
        norms = blocks.square().sum((0, 2)).sqrt()
        blocks *= (1 - step / norms.clamp(min=1e-12)).clamp(min=0)[:, None]
        self.joint_logits.copy_((norms - step).clamp(min=0))

    def _gates(self, logits: Tensor) -> Tensor:
        return torch.ones_like(logits)

    def _keep(self, logits: Tensor) -> Tensor:
        return (logits > 0).to(logits)


class InputScale(nn.Module):
    """Divides a linear layer's inputs by the standard deviation of their joint.

    It is a parametrization of the layer's weight, which then is the trained weight divided by the
    same numbers. The last inputs, which belong to no joint, are not divided.
    """

    def __init__(self, num_joints: int, coords: int, rest: int):
        super().__init__()
        self.shape = (num_joints, coords)
        self.register_buffer("scale", torch.ones(num_joints * coords + rest))

    @torch.no_grad()
    def standardise(self, batches: Iterable[Tensor]) -> None:
        """Set the scales from `batches` of features (B, T, J*P + rest)."""
        joints, coords = self.shape
        count, total, square = 0, 0.0, 0.0
        for batch in batches:
            columns = batch[..., : joints * coords].flatten(0, -2).double()
            count += len(columns)
            total, square = total + columns.sum(0), square + columns.square().sum(0)
        variance = (square / count - (total / count).square()).view(joints, coords).mean(1)
        deviation = variance.clamp(min=0).sqrt()
        deviation[deviation < 1e-6] = 1.0  # a joint that never moves has nothing to scale
        self.scale[: joints * coords] = deviation.repeat_interleave(coords)

    def forward(self, weight: Tensor) -> Tensor:
        return weight / self.scale


class QuickStartMask(nn.Module):
    """The quick start's mask, kept to show that it does not prune. Do not use it.

    A softmax over joints sums to 1, so every joint is scaled by about 1/J and no gate can open or
    close alone. Sampling continues in evaluation. Source: QUICK_START.md, step 1.
    """

    def __init__(self, num_joints: int, temperature: float = 1.0, init_keep_prob: float = 0.9):
        super().__init__()
        self.num_joints, self.temperature = num_joints, temperature
        start = math.log(init_keep_prob / (1 - init_keep_prob))
        self.joint_logits = nn.Parameter(torch.full((num_joints,), start))

    def gates(self, clips: int = 1) -> Tensor:
        """One mask (J,) for all clips, as the quick start has it: sampled in evaluation as well."""
        return functional.gumbel_softmax(self.joint_logits, tau=self.temperature, dim=-1)

    def keep_probability(self) -> Tensor:
        """The quick start's keep probability, shape (J,); it does not determine the mask."""
        return self.joint_logits.sigmoid()

    def kept_joints(self) -> list[int]:
        """Joints above the quick start's threshold; the mask itself ignores this threshold."""
        return (self.keep_probability() > 0.5).nonzero().flatten().tolist()

    get_summary = JointPruningLayer.get_summary
    anneal = JointPruningLayer.anneal
