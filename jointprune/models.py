"""Encoders: skeleton clips and the weight of each joint to class logits, by one call.

`ENCODERS` names them. All are called as `encoder(poses (B, T, J, P), weight (B, T, J))` and
return logits (B, classes); all are made from the same arguments:

    joints: names of the input's joints, J of them, in order; coords: coordinates of each, P.
    frames: frames a clip, T.
    classes, exemplars: signs, and the clips of each that its head has room for.
    hidden, layers, heads, feed_forward, dropout: sizes, with their meaning at each encoder.

A joint of weight 0 has no influence. `encoder.copy_kept(small, kept)` hands the weights to
the encoder of the joints `kept` (indices) alone: the same function with the rest gone.
"""

import math
from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional

from jointprune.preprocessing import as_given, centred, normalise
from jointprune.skeleton import bone_distance, hand_index

SHARPNESS = 12.0


class Dropout(nn.Module):
    """Inverted dropout like `nn.Dropout`, its mask drawn 8 bits a value.

    On a CPU `bernoulli_` draws a 32-bit word and does float work for each value and took a
    third of a training step; eight values out of one 64-bit draw cost a tenth of it. The
    probability is rounded to a multiple of 1/256, and what is kept is scaled by the rounded one.
    """

    def __init__(self, p: float):
        super().__init__()
        if not 0 <= p < 1:
            raise ValueError(f"expected a dropout probability in [0, 1), got {p}")
        self.p = p

    def forward(self, x: Tensor) -> Tensor:
        if not self.training or self.p == 0:
            return x
        words = torch.empty(-(-x.numel() // 8), dtype=torch.int64, device=x.device)
        bits = words.random_(-(2**63), None).view(torch.int8)[: x.numel()].view(x.shape)
        dropped = min(round(self.p * 2**8), 2**8 - 1)  # something is kept, as p is below 1
        # Written as 0 and 1 in floats at once: a pass over memory less than bool, then float.
        keep = torch.ge(bits, dropped - 2**7, out=torch.empty_like(x))
        return x * keep.mul_(1 / (1 - dropped / 2**8))


class Head(nn.Module):
    """Frame tokens (B, T, width) to logits (B, classes), the same for all encoders.

    Frames are pooled by learned attention, since a sign is held in some frames and approached
    in others. A logit is SHARPNESS times the cosine between the clip and the sign's own vector
    (Chen et al. 2019, arXiv 1904.04232): bounded logits are less sure of signers never seen.

    In evaluation a sign that was learned from few clips is known by them as well, as in matching
    networks (Vinyals et al. 2016, arXiv 1606.04080): signers form it in ways of their own, which
    one vector averages. The logit is then that of the mean of the exponentials. Nothing is
    remembered before `remember`.

    Args:
        exemplars: clips of a sign that there is room for; 0: each sign by its vector alone.
    """

    def __init__(self, width: int, classes: int, exemplars: int):
        super().__init__()
        self.norm = nn.LayerNorm(width)
        self.attend = nn.Linear(width, 1)
        self.signs = nn.Parameter(torch.randn(classes, width))
        room = torch.zeros(classes, exemplars, width)
        self.exemplars = nn.Parameter(room, requires_grad=False)
        # Logs of what each counts: a sign's own vector, which comes first, and its exemplars.
        share = torch.full((classes, 1 + exemplars), -math.inf)
        share[:, 0] = 0.0
        self.register_buffer("share", share)

    def forward(self, tokens: Tensor) -> Tensor:
        with as_given(tokens.device):  # bfloat16 would leave a cosine two or three digits
            clips, signs = self.clips(tokens), functional.normalize(self.signs, dim=-1)
            if self.training:
                return SHARPNESS * functional.linear(clips, signs)
            known = torch.cat([signs[:, None], self.exemplars], 1)
            near = SHARPNESS * functional.linear(clips, known.flatten(0, 1))
            return (near.unflatten(-1, self.share.shape) + self.share).logsumexp(-1)

    def clips(self, tokens: Tensor) -> Tensor:
        """What of each clip is compared with signs, (B, width) of length 1."""
        tokens = self.norm(tokens.float())
        return functional.normalize((tokens * self.attend(tokens).softmax(1)).sum(1), dim=-1)

    @torch.no_grad()
    def remember(self, clips: Tensor, labels: Tensor) -> None:
        """Know signs by clips of theirs too, (N, width) as `clips` makes them, and no others.

        Labels (N,) name no sign more often than there is room for.
        """
        self.share.fill_(-math.inf)
        for sign, (exemplars, share) in enumerate(zip(self.exemplars, self.share, strict=True)):
            own = clips[labels == sign]
            exemplars[: len(own)] = own
            share[: len(own) + 1] = -math.log(len(own) + 1)


class Encoder(nn.Module):
    """What all encoders share: `read` makes tokens (B, T, width) of clips, `head` reads those."""

    def forward(self, poses: Tensor, weight: Tensor) -> Tensor:
        return self.head(self.read(poses, weight))

    def clips(self, poses: Tensor, weight: Tensor) -> Tensor:
        """What of each clip is compared with signs, (B, width) of length 1."""
        return self.head.clips(self.read(poses, weight))


class FrameEncoder(Encoder):
    """What encoders share that flatten a frame into one token of width `hidden`."""

    def __init__(self, joints: Sequence[str], coords: int, hidden: int):
        super().__init__()
        self.register_buffer("hand", _membership(joints))
        self.coords = coords
        self.project = nn.Linear(len(joints) * coords + 2 * coords + 2, hidden)

    def tokens(self, poses: Tensor, weight: Tensor) -> Tensor:
        """Frames as tokens (B, T, hidden)."""
        return self.project(normalise(poses, weight, self.hand))

    def copy_kept(self, small: "FrameEncoder", kept: list[int]) -> None:
        state, columns = self.state_dict(), torch.arange(self.project.in_features)
        own, rest = columns.split([len(self.hand) * self.coords, 2 * self.coords + 2])
        read = torch.cat([own.view(-1, self.coords)[kept].flatten(), rest])
        state |= {"project.weight": self.project.weight[:, read], "hand": self.hand[kept]}
        small.load_state_dict(state)


class SkeletonTransformer(FrameEncoder):
    """A transformer over frame tokens; hidden 512, heads 4, feed_forward 4 is the paper's size.

    Dropout comes after attention, after the feed-forward layer and on attention weights: the
    places of BERT, less the one on the input embedding.
    """

    def __init__(
        self,
        joints,
        coords,
        frames,
        classes,
        exemplars,
        hidden,
        layers,
        heads,
        feed_forward,
        dropout,
    ):
        super().__init__(joints, coords, hidden)
        self.position = nn.Parameter(torch.randn(frames, hidden) * 0.02)
        self.blocks = nn.Sequential(
            *(Block(hidden, heads, feed_forward, dropout) for _ in range(layers))
        )
        self.head = Head(hidden, classes, exemplars)

    def read(self, poses: Tensor, weight: Tensor) -> Tensor:
        if poses.shape[1] != len(self.position):
            raise ValueError(
                f"expected clips of {len(self.position)} frames, got {poses.shape[1]}: resample "
                "them first (jointprune.preprocessing.resample)"
            )
        return self.blocks(self.tokens(poses, weight) + self.position)


class Block(nn.Module):
    """Self-attention, then a feed-forward layer: normalised before, dropped out and added after.

    Tokens (B, T, hidden) to the same shape. In function and starting weights this is
    `nn.TransformerEncoderLayer(norm_first=True)`. That one drops out inside the feed-forward layer
    too, where values are most: it took a tenth of a step and changed no accuracy that was seen.
    """

    def __init__(self, hidden: int, heads: int, feed_forward: int, dropout: float):
        super().__init__()
        self.heads = heads
        self.norm_attention, self.norm_feed = nn.LayerNorm(hidden), nn.LayerNorm(hidden)
        self.read = nn.Linear(hidden, 3 * hidden)  # queries, keys and values
        self.write = nn.Linear(hidden, hidden)
        wide = feed_forward * hidden
        self.widen, self.narrow = nn.Linear(hidden, wide), nn.Linear(wide, hidden)
        self.dropout = Dropout(dropout)
        nn.init.xavier_uniform_(self.read.weight)
        for linear in (self.read, self.write):
            nn.init.zeros_(linear.bias)

    def forward(self, tokens: Tensor) -> Tensor:
        tokens = tokens + self.dropout(self.attention(self.norm_attention(tokens)))
        wide = self.widen(self.norm_feed(tokens)).relu()
        return tokens + self.dropout(self.narrow(wide))

    def attention(self, tokens: Tensor) -> Tensor:
        """Every frame's mixture of all frames, by heads of equal width (B, T, hidden)."""
        split = self.read(tokens).unflatten(-1, (3, self.heads, -1))
        with as_given(tokens.device):  # what autocast asks of each costs more than itself
            # Each (B, heads, T, width), in the precision that `read` answers in.
            query, key, value = split.permute(2, 0, 3, 1, 4).contiguous().unbind()
            # Keys before queries: along the last axis torch's softmax takes four times as long
            # where frames are not a multiple of 16.
            scores = key @ (query * query.shape[-1] ** -0.5).mT
            share = scores.float().softmax(-2).to(value.dtype)
            mixture = (self.dropout(share).mT @ value).transpose(1, 2).flatten(2)
        return self.write(mixture)


class SkeletonGRU(FrameEncoder):
    """A GRU (Cho et al. 2014, arXiv 1406.1078) over frame tokens, both ways, each hidden / 2 wide.

    Heads, frames and feed_forward are not used.
    """

    def __init__(
        self,
        joints,
        coords,
        frames,
        classes,
        exemplars,
        hidden,
        layers,
        heads,
        feed_forward,
        dropout,
    ):
        super().__init__(joints, coords, hidden)
        if hidden % 2:
            raise ValueError(f"expected hidden to be even, a half a direction, got {hidden}")
        between = dropout if layers > 1 else 0.0  # torch warns of one that has no place
        self.recurrent = nn.GRU(
            hidden, hidden // 2, layers, batch_first=True, dropout=between, bidirectional=True
        )
        self.dropout = Dropout(dropout)
        self.head = Head(hidden, classes, exemplars)

    def read(self, poses: Tensor, weight: Tensor) -> Tensor:
        read, _ = self.recurrent(self.dropout(self.tokens(poses, weight)))
        return self.dropout(read)


class SkeletonGraph(Encoder):
    """A graph of joints in each frame: work and memory grow with the joints.

    Each joint is embedded by a matrix of its own; blocks mix joints, then frames; a hand is the
    weighted mean of its joints, each scaled by channel. `hidden` is the width of a joint, `heads`
    the graphs a block learns. In the line of ST-GCN (Yan et al. 2018, arXiv 1801.07455) with the
    learned graph of 2s-AGCN (Shi et al. 2019, arXiv 1805.07694).
    """

    def __init__(
        self,
        joints,
        coords,
        frames,
        classes,
        exemplars,
        hidden,
        layers,
        heads,
        feed_forward,
        dropout,
    ):
        super().__init__()
        self.register_buffer("hand", _membership(joints))
        size = len(joints), coords + 2, hidden  # of a joint: place, weight and a constant
        self.embed = nn.Parameter(torch.randn(size) * size[1] ** -0.5)
        self.readout = nn.Parameter(1 + torch.randn(len(joints), hidden))
        far = torch.from_numpy(bone_distance(joints)).float()
        self.blocks = nn.ModuleList(JointBlock(far, hidden, heads, dropout) for _ in range(layers))
        self.gather = nn.Linear(2 * hidden + 2 * coords + 2, 2 * hidden)
        self.head = Head(2 * hidden, classes, exemplars)

    def read(self, poses: Tensor, weight: Tensor) -> Tensor:
        shape, place = centred(poses, weight, self.hand)
        known = torch.cat([shape, weight[..., None], torch.ones_like(weight)[..., None]], -1)
        # Joints come first from here on: mixing them is then a plain matrix product.
        tokens = torch.einsum("btjp,jpc->jbtc", known, self.embed)
        mass = weight.permute(2, 0, 1)
        for block in self.blocks:
            tokens = block(tokens, mass)
        tokens = tokens * self.readout[:, None, None]
        membership = weight[..., None] * self.hand
        share = membership / membership.sum(2, keepdim=True).clamp(min=1e-6)
        hands = torch.einsum("btjh,jbtc->bthc", share, tokens).flatten(2)
        return self.gather(torch.cat([hands, place], -1))

    def copy_kept(self, small: "SkeletonGraph", kept: list[int]) -> None:
        state = self.state_dict()
        for name in ("hand", "embed", "readout"):
            state[name] = state[name][kept]
        for name in (name for name in state if name.endswith("closeness")):
            state[name] = state[name][:, kept][:, :, kept]
        small.load_state_dict(state)


class JointBlock(nn.Module):
    """Joints read each other, then each its neighbouring frames; the result is added.

    Tokens (J, B, T, hidden) and weight (J, B, T) to new tokens. A joint reads the weighted mean
    of all joints, each counted by exp(closeness) x weight. Closeness starts at minus the bones
    between and is learned, one graph for each of `heads` groups of channels. It links every
    pair, so that a dropped joint cuts nothing off.
    """

    def __init__(self, far: Tensor, hidden: int, heads: int, dropout: float):
        super().__init__()
        self.norm = nn.LayerNorm(hidden)
        self.closeness = nn.Parameter(-far.repeat(heads, 1, 1))
        self.mix = nn.Linear(hidden, hidden)
        self.along = nn.Conv2d(hidden, hidden, (3, 1), padding=(1, 0))
        self.dropout = Dropout(dropout)

    def forward(self, tokens: Tensor, weight: Tensor) -> Tensor:
        mixed = self.mix(self.neighbours(self.norm(tokens), weight)).relu()
        # (J x B, hidden, T, 1) with channels last in memory: convolved without a copy.
        image = mixed.flatten(0, 1).unsqueeze(2).permute(0, 3, 1, 2)
        moved = self.along(image).permute(0, 2, 3, 1).reshape(tokens.shape)
        return tokens + self.dropout(moved)

    def neighbours(self, tokens: Tensor, weight: Tensor) -> Tensor:
        """Each joint's weighted mean of all joints, (J, B, T, hidden)."""
        count = self.closeness.exp()
        groups = (tokens * weight[..., None]).unflatten(-1, (len(count), -1))
        total = torch.einsum("hij,jbthc->ibthc", count, groups)
        mass = torch.einsum("hij,jbt->ibth", count, weight).clamp(min=1e-6)
        return (total / mass[..., None]).flatten(-2)


def _membership(joints: Sequence[str]) -> Tensor:
    """(J, 2) one-hot hand of each joint, left then right."""
    return torch.eye(2)[torch.as_tensor(hand_index(joints))]


ENCODERS = {
    "transformer": SkeletonTransformer,
    "recurrent": SkeletonGRU,
    "graph": SkeletonGraph,
}
