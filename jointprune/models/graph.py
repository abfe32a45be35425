"""An encoder with one token per joint: a graph of joints in each frame."""

import torch
from torch import Tensor, nn

from jointprune.models.parts import Dropout, Encoder, Head, membership
from jointprune.preprocessing import centred
from jointprune.skeleton import bone_distance


class SkeletonGraph(Encoder):
    """ST-GCN (Yan et al. 2018) with the learned graph of 2s-AGCN (Shi et al. 2019).

    Each joint has its own embedding matrix; `hidden` is the width of its token. Blocks mix joints,
    then frames. A hand's token is the weighted mean of its joints' tokens, which are first
    multiplied by learned factors, one per joint and channel.
    Sources: arXiv 1801.07455 and 1805.07694.
    """

    def __init__(self, c):
        super().__init__()
        self.register_buffer("hand", membership(c.joints))
        size = len(c.joints), c.coords + 2, c.hidden  # of a joint: position, weight, constant
        self.embed = nn.Parameter(torch.randn(size) * size[1] ** -0.5)
        self.readout = nn.Parameter(1 + torch.randn(len(c.joints), c.hidden))
        far = torch.from_numpy(bone_distance(c.joints)).float()
        self.blocks = nn.ModuleList(JointBlock(far, c.hidden, c.dropout) for _ in range(c.layers))
        self.gather = nn.Linear(2 * c.hidden + 2 * c.coords + 2, 2 * c.hidden)
        self.head = Head(2 * c.hidden, c.num_classes, c.exemplars)

    def read(self, poses: Tensor, weight: Tensor) -> Tensor:
        shape, place = centred(poses, weight, self.hand)
        known = torch.cat([shape, weight[..., None], torch.ones_like(weight)[..., None]], -1)
        # In memory einsum puts joints first.
        tokens = torch.einsum("btjp,jpc->btjc", known, self.embed).contiguous()
        for block in self.blocks:
            tokens = block(tokens, weight)
        of_hand = weight[..., None] * self.hand
        share = of_hand / of_hand.sum(2, keepdim=True).clamp(min=1e-6)
        hands = (share.mT @ (tokens * self.readout)).flatten(2)
        return self.gather(torch.cat([hands, place], -1))

    def copy_kept(self, small: "SkeletonGraph", kept: list[int]) -> None:
        state = self.state_dict()
        for name in ("hand", "embed", "readout"):
            state[name] = state[name][kept]
        for block in range(len(self.blocks)):
            name = f"blocks.{block}.closeness"
            state[name] = state[name][kept][:, kept]
        small.load_state_dict(state)


class JointBlock(nn.Module):
    """A residual block on tokens (B, T, J, hidden): mixes joints, then neighbouring frames.

    Joints are weighted by exp(closeness) x weight (B, T, J). Closeness is learned and starts at
    minus the number of bones between two joints, so that every pair is linked.
    """

    def __init__(self, far: Tensor, hidden: int, dropout: float):
        super().__init__()
        self.norm = nn.LayerNorm(hidden)
        self.closeness = nn.Parameter(-far)
        self.mix = nn.Linear(hidden, hidden)
        self.along = nn.Conv2d(hidden, hidden, (3, 1), padding=(1, 0))
        self.dropout = Dropout(dropout)

    def forward(self, tokens: Tensor, weight: Tensor) -> Tensor:
        mixed = self.mix(self.neighbours(self.norm(tokens), weight)).relu()
        along = self.along(mixed.permute(0, 3, 1, 2)).permute(0, 2, 3, 1)
        return tokens + self.dropout(along)

    def neighbours(self, tokens: Tensor, weight: Tensor) -> Tensor:
        """For each joint, the weighted mean of all joints' tokens: (B, T, J, hidden)."""
        count = self.closeness.exp()
        total = (count * weight[:, :, None]) @ tokens
        mass = (weight @ count.mT).clamp(min=1e-6)
        return total * mass.reciprocal()[..., None]  # dividing takes nearly twice as long
