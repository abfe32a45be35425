"""Gates that close joints: the pruning layer and its penalty.

Source of the hard-concrete gates: Louizos, Welling and Kingma, "Learning sparse neural networks
through L0 regularization" (ICLR 2018, arXiv 1712.01312).
"""

import math
from collections.abc import Hashable, Iterable

import torch
from torch import Tensor, nn

from jointprune.checks import indices, integer, is_finite, joints_to_keep
from jointprune.joint_groups import group_indices, groups_of_k_joints

# Stretch of the binary concrete distribution, so that 0 and 1 carry probability mass.
GAMMA, ZETA = -0.1, 1.1


class JointPruningLayer(nn.Module):
    """One hard-concrete gate per joint, or per group of joints, multiplied onto the keypoints.

    In training mode each call samples the gates anew for each clip. In evaluation mode the gates
    are the deterministic estimate of the distribution and can be exactly 0 or 1. The output of a
    joint whose gate is 0 is 0, even if its keypoints are NaN or infinite; through open gates these
    pass as they are. Standardise the keypoints before the layer: 0 is then the mean, and a gate
    that closes disturbs the classifier less.

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
    gate_groups
        Which joints share a gate. None or "joint": each has its own. "finger": the joints of a
        finger of one hand (a wrist has its own). "hand": those of a hand. "both-hands": a joint
        and the same joint of the other hand. Or the group of each joint, a list of J labels. The
        names need the 42 joints of `jointprune.skeleton` in order. A budget still counts joints.

    Raises
    ------
    ValueError
        For an argument out of range, and for keypoints with another number of joints.

    Attributes
    ----------
    joint_logits
        The only parameter, shape (gates,).

    Examples
    --------
    >>> layer = JointPruningLayer(num_joints=42)
    >>> layer(torch.randn(8, 16, 42, 2)).shape
    torch.Size([8, 16, 42, 2])
    >>> JointPruningLayer(4, gate_groups=["thumb", "thumb", "index", "index"]).joint_logits.shape
    torch.Size([2])
    """

    threshold = math.log(-GAMMA / ZETA)  # logit above which the estimate is positive
    unit = 1.0  # length of the distribution's transition, in that of hard-concrete gates

    def __init__(
        self,
        num_joints: int,
        temperature: float = 2 / 3,
        hard: bool = False,
        init_keep_prob: float = 0.9,
        gate_groups: str | Iterable[Hashable] | None = None,
    ):
        super().__init__()
        num_joints = integer(num_joints, 1, 2**31 - 1, "as num_joints")
        if not is_finite(init_keep_prob) or not 0 < init_keep_prob < 1:
            raise ValueError(f"expected init_keep_prob between 0 and 1, got {init_keep_prob}")
        if not is_finite(temperature) or temperature <= 0:
            raise ValueError(f"expected a finite temperature above 0, got {temperature}")
        gate_of = group_indices(gate_groups, num_joints)
        self.num_joints, self.temperature, self.hard = num_joints, temperature, hard
        self.init_keep_prob = init_keep_prob
        start = torch.full((max(gate_of) + 1,), self._logit(init_keep_prob))
        self.joint_logits = nn.Parameter(start)
        # Attributes, not buffers: a moving average over buffers (torch.optim.swa_utils) would blend
        # these, and torch.export refuses a branch on a tensor, which `frozen` would be.
        device = "cpu" if start.is_meta else start.device
        self.gate_of = torch.tensor(gate_of, device=device)
        self.frozen = False
        self.frozen_gates = torch.ones(self.num_joints, device=device)

    @torch.no_grad()
    def reset_parameters(self) -> None:
        """Open the gates as a new layer has them, for another fold, for example."""
        self.joint_logits.fill_(self._logit(self.init_keep_prob))
        self.frozen_gates = torch.ones_like(self.frozen_gates)
        if self.frozen:
            self.frozen = False
            self.joint_logits.requires_grad_(True)

    def forward(self, skeleton_keypoints: Tensor) -> Tensor:
        """Multiply keypoints (B, T, J, P), or flattened (B, T, J*P), by the gates; shape kept."""
        x, joints = skeleton_keypoints, self.num_joints
        if not isinstance(x, Tensor) or x.ndim not in (3, 4):
            got = tuple(x.shape) if isinstance(x, Tensor) else type(x).__name__
            raise ValueError(
                f"expected a tensor (B, T, J, P) or (B, T, J*P), got {got}: fold persons into the "
                "clips, and give single frames a second axis, x.unsqueeze(1)"
            )
        if x.ndim == 4 and x.shape[2] != joints:
            raise ValueError(
                f"expected keypoints (clips, frames, {joints} joints, coordinates), got "
                f"{tuple(x.shape)}: pass every joint the layer was made for; for (clips, "
                "coordinates, frames, joints) x.permute(0, 2, 3, 1)"
            )
        if x.ndim == 3 and x.shape[2] % joints:
            raise ValueError(
                f"expected a last dimension that is a multiple of {joints} joints, got "
                f"{x.shape[2]}: flatten (joints, coordinates) with joints outermost"
            )
        each = x if x.ndim == 4 else x.unflatten(2, (joints, x.shape[2] // joints))
        gates = self.gates(x.shape[0]).unsqueeze(-2)[..., None]  # (1, J, 1) or (B, 1, J, 1)
        # What is not finite passes an open gate as it is: times the gate, it would make the gate's
        # gradient NaN, also where code after the layer fills it.
        finite = each.isfinite()
        gated = torch.where(finite, each, 0) * gates
        return torch.where(finite | (gates == 0), gated, each).reshape(x.shape)

    def gates(self, clips: int | None = None) -> Tensor:
        """Gate of each joint in [0, 1], shape (J,): sampled in training, else deterministic.

        Parameters
        ----------
        clips
            Clips in the batch: in training each gets a sample of its own, shape (clips, J).
        """
        logits = self.joint_logits
        if self.frozen:
            gates = self.frozen_gates.clone()  # the caller may change it
            return gates.to(logits.device)  # DataParallel moves parameters alone
        if self.training and clips is not None:
            logits = logits.expand(clips, -1)
        gates = self._gates(logits)
        if self.hard:
            # In this order the sum is exactly 0 or 1.
            gates = (gates > 0.5).to(gates) + (gates - gates.detach())
        return gates[..., self.gate_of.to(gates.device)]

    def keep_probability(self) -> Tensor:
        """P(gate > 0) of each joint, before `hard` rounds it; shape (J,)."""
        if self.frozen:
            return self.frozen_gates.clone()
        return self._keep(self.joint_logits)[self.gate_of]

    def kept_joints(self) -> list[int]:
        """Indices of the joints whose gate is above 0 in evaluation."""
        if self.frozen:
            return self.frozen_gates.nonzero().flatten().tolist()
        return (self.joint_logits > self.open_above)[self.gate_of].nonzero().flatten().tolist()

    @property
    def open_above(self) -> float:
        """Logit above which a gate is open in evaluation; `hard` rounds gates up to 1/2 to 0."""
        return 0.0 if self.hard else self.threshold

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

    def freeze_top(self, k: int) -> None:
        """Fix the gates of the k joints with the highest logits at 1 and all others at 0.

        Ties go to the lower index. Groups are kept or closed as a whole: in the order of their
        logits, a group is kept if it and some of those after it add up to k joints.

        Raises
        ------
        ValueError
            If k is not an integer in 1..J, or if no set of whole groups has k joints.
        """
        k = joints_to_keep(k, self.num_joints)
        order = self.joint_logits.argsort(descending=True, stable=True).tolist()
        gate_of = self.gate_of.tolist()
        gates = groups_of_k_joints(order, [gate_of.count(gate) for gate in order], k)
        self.freeze([j for j, gate in enumerate(gate_of) if gate in gates])

    @torch.inference_mode(False)  # tensors made in it could not be trained with
    @torch.no_grad()
    def freeze(self, kept: Iterable[int]) -> None:
        """Fix the gates of the joints `kept` at 1 and all others at 0.

        `kept` holds indices in any order, or is a mask of J booleans. Raises ValueError, and
        changes nothing, for anything else and for an empty selection.
        """
        opened = torch.zeros_like(self.frozen_gates)
        opened[indices(kept, self.num_joints, "joints")] = 1
        self.frozen, self.frozen_gates = True, opened
        self.joint_logits.requires_grad_(False)  # DDP would wait for a gradient in fine-tuning

    # The next four methods move, save and load the gates' state, as one tensor: libraries that save
    # models know parameters, buffers and extra state alone.

    def _apply(self, fn, recurse: bool = True):
        super()._apply(fn, recurse)
        logits = self.joint_logits
        place = "cpu" if logits.is_meta else logits.device  # without memory nothing would be left
        self.gate_of = self.gate_of.to(place)  # `fn` may round: bfloat16 has no 257
        self.frozen_gates = self.frozen_gates.to(place, logits.dtype)
        return self

    def get_extra_state(self) -> Tensor:
        """For each joint its gate, whether the layer is frozen, and the frozen gate: (3, J)."""
        gates = self.frozen_gates
        exact = gates.to(torch.promote_types(gates.dtype, torch.float32))
        return torch.stack([self.gate_of.to(exact), torch.full_like(exact, self.frozen), exact])

    @torch.inference_mode(False)
    def set_extra_state(self, state: Tensor) -> None:
        logits = self.joint_logits  # without memory as long as they are not loaded
        gate_of, frozen, gates = state.detach().to(state if logits.is_meta else logits.device)
        if not torch.equal(self.gate_of.to(gate_of), gate_of):  # else exact, whatever the type
            self.gate_of = gate_of.round().long()  # averages of states are not whole
        self.frozen_gates = gates.to(self.frozen_gates.dtype, copy=True)
        if self.frozen != bool(frozen[0] >= 0.5):
            self.frozen = not self.frozen
            # DDP would wait for a gradient when a pruned classifier is trained further.
            logits.requires_grad_(not self.frozen)

    def _load_from_state_dict(self, state_dict, prefix, metadata, strict, missing, *rest):
        """What a checkpoint does not hold, such as one of `joint_logits` alone, stays as it is."""
        key = f"{prefix}_extra_state"
        state = state_dict.get(key)
        if state is not None and state.shape[1:] != (self.num_joints,):
            rest[-1].append(
                f"expected gates of {self.num_joints} joints, got {state.shape[-1]}: load the "
                "checkpoint into a layer of as many joints"
            )
            state_dict.pop(key)
        logits = state_dict.get(f"{prefix}joint_logits", self.joint_logits)
        if logits.shape != self.joint_logits.shape:  # torch will refuse it: nothing shall change
            state_dict.pop(key, None)
        super()._load_from_state_dict(state_dict, prefix, metadata, strict, missing, *rest)
        if key in missing:
            missing.remove(key)


def hide_closed(keypoints: Tensor, gates: Tensor) -> Tensor:
    """Keypoints (..., J, P) with 0 for NaN and infinity where `gates` (..., J) are 0.

    Otherwise 0 x NaN would be NaN, in the output and in the gates' gradient. Finite keypoints
    stay, so that hard gates, rounded to 0, still get theirs.
    """
    return torch.where((gates == 0)[..., None] & ~keypoints.isfinite(), 0, keypoints)


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

    Raises
    ------
    ValueError
        For a weight that is negative, NaN or infinite, and for something that is no layer.

    Notes
    -----
    The weight alone does not decide how many joints close. Adam moves a logit by about its
    learning rate a step, however large the gradient, and a gate starts at a logit of 0.6 and
    closes at -2.4. In a BERT classifier on synthetic data with weight 0.001, no gate had closed
    after 8,800 steps of 1e-4 or 4,400 of 1e-3, and 60 % had after 1,200 steps of 0.06: give
    `joint_logits` a learning rate of about 0.06 and no weight decay. A fixed weight has no guard
    either: with weight 1.0 and steps of 0.06 every gate closed there, while 74 % did on recordings
    of 13 signs. For a given number of joints use `jp.PruneJoints` in Lightning or `jp.JointBudget`
    in a loop of your own: they bring the learning rate and end with exactly this number open.
    """
    if not hasattr(pruning_layer, "keep_probability"):
        raise ValueError(
            f"expected a JointPruningLayer, got {type(pruning_layer).__name__}: pass the layer "
            "itself, not the model"
        )
    if not is_finite(weight) or weight < 0:
        raise ValueError(f"expected a finite weight of 0 or more, got {weight}: 0.001, for example")
    return weight * pruning_layer.keep_probability().mean()
