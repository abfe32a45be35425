"""Gates that close joints: the pruning layer, its penalty, and the quick start's mask.

Source of the hard-concrete gates: Louizos, Welling and Kingma, "Learning sparse neural networks
through L0 regularization" (ICLR 2018, arXiv 1712.01312).
"""

import math
from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional

# Stretch of the binary concrete distribution, so that 0 and 1 carry probability mass.
GAMMA, ZETA = -0.1, 1.1


class JointPruningLayer(nn.Module):
    """One hard-concrete gate per joint, multiplied onto the keypoints.

    In training mode each call samples the gates once for the whole batch. In evaluation mode the
    gates are the deterministic estimate of the distribution and can be exactly 0 or 1.

    Parameters
    ----------
    num_joints
        Joints of the input, J.
    temperature
        Temperature beta of the concrete distribution; the source uses 2/3.
    hard
        Round each sampled gate to 0 or 1 and pass gradients straight through.
    init_keep_prob
        P(gate > 0) of every joint before training, in (0, 1).
    tied
        Gate index of each joint, length J; joints with the same index share a gate. None gives
        every joint its own gate.

    Raises
    ------
    ValueError
        For a keep probability, temperature or gate index out of range, and for keypoints with
        another number of joints.

    Attributes
    ----------
    joint_logits
        The only parameter, shape (gates,).

    Examples
    --------
    >>> layer = JointPruningLayer(num_joints=42)
    >>> layer(torch.randn(8, 16, 42, 2)).shape
    torch.Size([8, 16, 42, 2])
    """

    threshold = math.log(-GAMMA / ZETA)  # logit above which the estimate is positive

    def __init__(
        self,
        num_joints: int,
        temperature: float = 2 / 3,
        hard: bool = False,
        init_keep_prob: float = 0.9,
        tied: Sequence[int] | None = None,
    ):
        super().__init__()
        if not 0 < init_keep_prob < 1:
            raise ValueError(f"expected init_keep_prob between 0 and 1, got {init_keep_prob}")
        if temperature <= 0:
            raise ValueError(f"expected a temperature above 0, got {temperature}")
        gate_of = torch.arange(num_joints) if tied is None else torch.as_tensor(tied)
        if gate_of.shape != (num_joints,):
            raise ValueError(
                f"expected one gate index for each of {num_joints} joints, got shape "
                f"{tuple(gate_of.shape)}: pass a flat list"
            )
        gates = int(gate_of.max()) + 1
        if gate_of.unique().numel() != gates:
            raise ValueError(f"expected gate indices 0..{gates - 1}, each used at least once")
        self.num_joints, self.temperature, self.hard = num_joints, temperature, hard
        self.joint_logits = nn.Parameter(torch.full((gates,), self._logit(init_keep_prob)))
        self.register_buffer("gate_of", gate_of)
        self.register_buffer("frozen", torch.tensor(False))
        self.register_buffer("frozen_gates", torch.ones(num_joints))

    def forward(self, skeleton_keypoints: Tensor) -> Tensor:
        """Multiply keypoints (B, T, J, P), or flattened (B, T, J*P), by the gates; shape kept."""
        x, joints = skeleton_keypoints, self.num_joints
        if x.ndim not in (3, 4):
            raise ValueError(
                f"expected (B, T, J, P) or (B, T, J*P), got {tuple(x.shape)}: reshape the keypoints"
            )
        if x.ndim == 4 and x.shape[2] != joints:
            raise ValueError(
                f"expected {joints} joints, got {x.shape[2]}: pass every joint the layer was "
                "made for, left hand first"
            )
        if x.ndim == 3 and x.shape[2] % joints:
            raise ValueError(
                f"expected a last dimension that is a multiple of {joints} joints, got "
                f"{x.shape[2]}: flatten (joints, coordinates) with joints outermost"
            )
        return (x.reshape(*x.shape[:2], joints, -1) * self.gates()[:, None]).reshape(x.shape)

    def gates(self, clips: int = 1) -> Tensor:
        """Gate of each joint in [0, 1], shape (J,): sampled in training, else deterministic.

        Parameters
        ----------
        clips
            Clips in the batch. It matters only to `gate_variants.RandomSubsets`, which samples
            for each clip and returns (clips, J) in training.
        """
        if self.frozen:
            return self.frozen_gates
        gates = self._gates(self.joint_logits)
        if self.hard:
            gates = gates + ((gates > 0.5).to(gates) - gates).detach()
        return gates[self.gate_of]

    def keep_probability(self) -> Tensor:
        """P(gate > 0) of each joint, shape (J,)."""
        if self.frozen:
            return self.frozen_gates
        return self._keep(self.joint_logits)[self.gate_of]

    def kept_joints(self) -> list[int]:
        """Indices of the joints whose gate is above 0 in evaluation."""
        if self.frozen:
            return self.frozen_gates.nonzero().flatten().tolist()
        return (self.joint_logits > self.threshold)[self.gate_of].nonzero().flatten().tolist()

    def anneal(self, progress: float) -> None:
        """Adapt to the share of training that is done; here the temperature stays constant."""

    # `threshold` and the next three methods define the distribution; gate_variants replaces them.

    def _logit(self, keep: float) -> float:
        """The logit at which P(gate > 0) is `keep`."""
        return math.log(keep / (1 - keep)) + self.temperature * self.threshold

    def _gates(self, logits: Tensor) -> Tensor:
        """Gates, sampled in training. Source: Louizos et al., eqs. 10-13."""
        if self.training:
            u = torch.rand_like(logits).clamp(1e-6, 1 - 1e-6)
            logits = (logits + u.log() - (-u).log1p()) / self.temperature
        return (logits.sigmoid() * (ZETA - GAMMA) + GAMMA).clamp(0, 1)

    def _keep(self, logits: Tensor) -> Tensor:
        """P(gate > 0) of each gate. Source: Louizos et al., eq. 12."""
        return (logits - self.temperature * self.threshold).sigmoid()

    def get_summary(self) -> dict:
        """Count the open gates.

        Returns
        -------
        dict
            `num_active`, `num_total`, `pruning_ratio` (closed share), `avg_prob` (mean P(open)).
        """
        active = len(self.kept_joints())
        return {
            "num_active": active,
            "num_total": self.num_joints,
            "pruning_ratio": 1 - active / self.num_joints,
            "avg_prob": self.keep_probability().mean().item(),
        }

    @torch.no_grad()
    def freeze_top(self, k: int) -> None:
        """Fix the gates of the k joints with the highest logits at 1 and all others at 0.

        Ties go to the lower index.

        Raises
        ------
        ValueError
            If k is not in 1..J, or, with tied gates, if no set of whole gates has k joints.
        """
        if not 1 <= k <= self.num_joints:
            raise ValueError(f"expected 1 to {self.num_joints} joints to keep, got {k}")
        order = self.joint_logits.argsort(descending=True, stable=True)
        counts = torch.bincount(self.gate_of)[order].cumsum(0).tolist()
        if k not in counts:
            raise ValueError(
                f"expected a number of joints that whole tied gates add up to, got {k}: use one of "
                f"{sorted(counts, key=lambda n: abs(n - k))[:2]}"
            )
        kept_gates = order[: counts.index(k) + 1]
        self.freeze(torch.isin(self.gate_of, kept_gates).nonzero().flatten().tolist())

    @torch.no_grad()
    def freeze(self, kept: Sequence[int]) -> None:
        """Fix the gates of the joints `kept` (indices) at 1 and all others at 0."""
        self.frozen_gates.zero_()
        self.frozen_gates[list(kept)] = 1
        self.frozen.fill_(True)


def l0_penalty(pruning_layer: JointPruningLayer, weight: float = 0.001) -> Tensor:
    """L0 penalty: `weight` times the mean keep probability of the joints.

    Parameters
    ----------
    pruning_layer
        The layer whose open gates are penalised.
    weight
        Penalty, in nats, for keeping all joints open. The mean makes it independent of J.

    Returns
    -------
    Tensor
        A scalar to add to the loss.

    Notes
    -----
    The weight alone does not decide how many joints close. A gate starts at a logit of 0.6 and
    closes below -2.4, and Adam moves it by at most about its learning rate a step, whatever the
    weight: at 1e-3 the way takes 3,000 steps, at 1e-4 30,000. At larger rates a large weight can
    close every joint. `PruneJoints` and `JointBudget` close down to a given number.
    """
    return weight * pruning_layer.keep_probability().mean()


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
        """The mask, shape (J,): sampled in evaluation as well."""
        return functional.gumbel_softmax(self.joint_logits, tau=self.temperature, dim=-1)

    def keep_probability(self) -> Tensor:
        """The quick start's keep probability, shape (J,); it does not determine the mask."""
        return self.joint_logits.sigmoid()

    def kept_joints(self) -> list[int]:
        """Joints above the quick start's threshold; the mask itself ignores this threshold."""
        return (self.keep_probability() > 0.5).nonzero().flatten().tolist()

    get_summary = JointPruningLayer.get_summary
    anneal = JointPruningLayer.anneal
