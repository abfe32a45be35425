"""Other kinds of gates, each in the place of `JointPruningLayer`: what learned gates are held to.

All are used as that layer is: `gates()`, `keep_probability()`, `kept_joints()`, `freeze(kept)`.
Their `joint_logits` order the joints, highest first.
"""

import torch
from torch import Tensor

from jointprune.gates import JointPruningLayer

STANDARD_NORMAL = torch.distributions.Normal(0.0, 1.0)


class StochasticGates(JointPruningLayer):
    """Gates clip(mu + 1/2 + SIGMA x noise, 0, 1); the logits are mu.

    Source: Yamada et al., "Feature selection using stochastic gates" (ICML 2020,
    arXiv 1810.04247), with its sigma of 1/2.
    """

    SIGMA = 0.5
    threshold = -0.5

    def _logit(self, keep: float) -> float:
        return self.SIGMA * STANDARD_NORMAL.icdf(torch.tensor(keep)).item() - 0.5

    def _gates(self, logits: Tensor) -> Tensor:
        noise = self.SIGMA * torch.randn_like(logits) if self.training else 0.0
        return (logits + 0.5 + noise).clamp(0, 1)

    def _keep(self, logits: Tensor) -> Tensor:
        return STANDARD_NORMAL.cdf((logits + 0.5) / self.SIGMA)


class ConcreteSubset(JointPruningLayer):
    """A relaxed draw of K different joints: Gumbel top-K without repeated picks.

    K concrete selectors (Balin, Abid and Zou, ICML 2019, arXiv 1901.09346) may all pick the
    same joint. Here each pick lowers the weight of what is picked already (Xie and Ermon,
    IJCAI 2019, arXiv 1901.10517). The temperature falls from HOT to COLD geometrically over
    training, as in the former; evaluation takes the K highest logits.

    Args:
        num_joints: joints of the input, J. budget: joints in a draw, K.
    """

    HOT, COLD = 10.0, 0.1

    def __init__(self, num_joints: int, budget: int):
        if not 1 <= budget <= num_joints:
            raise ValueError(f"expected a budget of 1 to {num_joints} joints, got {budget}")
        super().__init__(num_joints, temperature=self.HOT)
        self.budget = budget

    def anneal(self, progress: float) -> None:
        """Cool from HOT at 0 to COLD at 1."""
        self.temperature = self.HOT * (self.COLD / self.HOT) ** progress

    def kept_joints(self) -> list[int]:
        """The K joints of evaluation."""
        return self.gates_of_evaluation().nonzero().flatten().tolist()

    def gates_of_evaluation(self) -> Tensor:
        """Exact gates (J,): 1 for the K highest logits."""
        if self.frozen:
            return self.frozen_gates
        chosen = self.joint_logits.argsort(descending=True, stable=True)[: self.budget]
        return torch.zeros_like(self.joint_logits).index_fill(0, chosen, 1.0)

    def _logit(self, keep: float) -> float:
        return 0.0

    def _gates(self, logits: Tensor) -> Tensor:
        if not self.training:
            return self.gates_of_evaluation()
        noise = -torch.empty_like(logits).exponential_().clamp(min=1e-20).log()
        return self._relaxed(logits + noise)

    def _keep(self, logits: Tensor) -> Tensor:
        """The relaxed choice without noise: how much of each joint is taken, in [0, 1]."""
        return self._relaxed(logits)

    def _relaxed(self, keys: Tensor) -> Tensor:
        """K softmaxes in turn, each blind to what the former took; each joint's sum, at most 1."""
        taken = torch.zeros_like(keys)
        pick = taken
        for _ in range(self.budget):
            keys = keys + (1 - pick).clamp(min=torch.finfo(keys.dtype).tiny).log()
            pick = (keys / self.temperature).softmax(-1)
            taken = taken + pick
        return taken.clamp(max=1)


class RandomSubsets(JointPruningLayer):
    """Nothing learned: each training clip sees a random subset, its size uniform in 1..J.

    The network behind it can be asked about any subset (`freeze`); in evaluation all joints
    are open until then.
    """

    def gates(self, clips: int = 1) -> Tensor:
        """Random subsets (clips, J) in training, else all open, or what was frozen, (J,)."""
        if self.frozen or not self.training:
            return self.frozen_gates
        order = torch.rand(clips, self.num_joints, device=self.frozen_gates.device).argsort(1)
        sizes = torch.randint(1, self.num_joints + 1, (clips, 1), device=order.device)
        return (order < sizes).float()


class ProjectionLasso(JointPruningLayer):
    """Group lasso on the input projection: a joint leaves when its block of weights is zero.

    The gates stay open; after each step the block of each joint is shrunk by its proximal
    operator (Yuan and Lin 2006; Parikh and Boyd 2014, section 6.5.1). Norms are
    standardised: a block counts times the root-mean-square of its joint's features, so that
    far-reaching fingertips are not favoured. The logits hold the standardised norms.
    """

    threshold = 0.0

    def __init__(self, num_joints: int, coords: int):
        super().__init__(num_joints)
        self.coords = coords
        self.joint_logits.requires_grad_(False)
        self.register_buffer("scale", torch.ones(num_joints))

    @torch.no_grad()
    def standardise(self, features: Tensor) -> None:
        """Take the scale of each joint from `features` (B, T, J*P + rest), normalised ones."""
        shape = features[..., : self.num_joints * self.coords]
        squares = shape.unflatten(-1, (self.num_joints, self.coords)).square()
        self.scale.copy_(squares.flatten(0, -3).mean((0, 2)).sqrt().clamp(min=1e-6))

    @torch.no_grad()
    def shrink(self, weight: Tensor, step: float) -> None:
        """Proximal step of size `step` on `weight` (hidden, J*P + rest), in place."""
        columns = self.num_joints * self.coords
        blocks = weight[:, :columns].unflatten(1, (self.num_joints, self.coords))
        norms = blocks.square().sum((0, 2)).sqrt() * self.scale
        blocks *= (1 - step / norms.clamp(min=1e-12)).clamp(min=0)[:, None]
        self.joint_logits.copy_((norms - step).clamp(min=0))

    def _gates(self, logits: Tensor) -> Tensor:
        return torch.ones_like(logits)

    def _keep(self, logits: Tensor) -> Tensor:
        """1 for a joint that still has weight."""
        return (logits > 0).to(logits)
