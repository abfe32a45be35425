"""Encoders that turn each frame into one token: a transformer and a GRU over frames."""

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from jointprune.models.parts import Dropout, Encoder, Head, membership
from jointprune.preprocessing import as_given, normalise


class FrameEncoder(Encoder):
    """Base class of encoders that turn each frame into one token of width `hidden`."""

    def __init__(self, joints: Sequence[str], coords: int, hidden: int):
        super().__init__()
        self.register_buffer("hand", membership(joints))
        self.coords = coords
        self.project = nn.Linear(len(joints) * coords + 2 * coords + 2, hidden)

    def tokens(self, poses: Tensor, weight: Tensor) -> Tensor:
        """Frames as tokens (B, T, hidden)."""
        return self.project(normalise(poses, weight, self.hand))

    def copy_kept(self, small: "FrameEncoder", kept: list[int]) -> None:
        columns = torch.arange(self.project.in_features)
        joints, hands = columns.split([len(self.hand) * self.coords, 2 * self.coords + 2])
        read = torch.cat([joints.view(-1, self.coords)[kept].flatten(), hands])
        state = self.state_dict() | {
            "project.weight": self.project.weight[:, read], "hand": self.hand[kept]
        }  # fmt: skip
        # Without the parts of a weight that the group lasso has standardised.
        small.load_state_dict({name: state[name] for name in small.state_dict()})


class SkeletonTransformer(FrameEncoder):
    """A transformer over frame tokens."""

    def __init__(self, c):
        super().__init__(c.joints, c.coords, c.hidden)
        self.position = nn.Parameter(torch.randn(c.frames, c.hidden) * 0.02)
        self.blocks = nn.Sequential(
            *(Block(c.hidden, c.heads, c.feed_forward, c.dropout) for _ in range(c.layers))
        )
        self.head = Head(c.hidden, c.num_classes, c.exemplars)

    def read(self, poses: Tensor, weight: Tensor) -> Tensor:
        if poses.shape[1] != len(self.position):
            raise ValueError(
                f"expected clips of {len(self.position)} frames, got {poses.shape[1]}: resample "
                "them first (jointprune.preprocessing.resample)"
            )
        return self.blocks(self.tokens(poses, weight) + self.position)


class Block(nn.Module):
    """A transformer layer on tokens (B, T, hidden): self-attention, then a feed-forward layer.

    It equals `nn.TransformerEncoderLayer(norm_first=True)` without biases and without dropout
    inside the feed-forward layer, which saves an eighth of a training step.
    """

    def __init__(self, hidden: int, heads: int, feed_forward: int, dropout: float):
        super().__init__()
        self.heads = heads
        self.norm_attention, self.norm_feed = nn.LayerNorm(hidden), nn.LayerNorm(hidden)
        self.read = nn.Linear(hidden, 3 * hidden, bias=False)  # queries, keys and values
        self.write = nn.Linear(hidden, hidden, bias=False)
        wide = feed_forward * hidden
        self.widen = nn.Linear(hidden, wide, bias=False)
        self.narrow = nn.Linear(wide, hidden, bias=False)
        self.dropout = Dropout(dropout)
        nn.init.xavier_uniform_(self.read.weight)

    def forward(self, tokens: Tensor) -> Tensor:
        tokens = tokens + self.dropout(self.attention(self.norm_attention(tokens)))
        wide = self.widen(self.norm_feed(tokens)).relu()
        return tokens + self.dropout(self.narrow(wide))

    def attention(self, tokens: Tensor) -> Tensor:
        """Multi-head self-attention over frames, (B, T, hidden)."""
        width = tokens.shape[-1] // self.heads
        split = self.read(tokens).unflatten(-1, (3, self.heads, width))
        with as_given(tokens.device):  # autocast's checks cost more than they save
            # Each (B, heads, T, width), in the precision of `read`.
            query, key, value = split.permute(2, 0, 3, 1, 4).contiguous().unbind()
            # Keys before queries: torch's softmax over the last axis takes four times as long
            # if the number of frames is not a multiple of 16.
            scores = key @ (query * query.shape[-1] ** -0.5).mT
            exact = torch.promote_types(scores.dtype, torch.float32)
            share = scores.to(exact).softmax(-2).to(value.dtype)
            mixture = (self.dropout(share).mT @ value).transpose(1, 2).flatten(2)
        return self.write(mixture)


class SkeletonGRU(FrameEncoder):
    """A bidirectional GRU (Cho et al. 2014, arXiv 1406.1078), hidden / 2 wide per direction.

    It ignores the hyperparameters heads, frames and feed_forward.
    """

    def __init__(self, c):
        super().__init__(c.joints, c.coords, c.hidden)
        if c.hidden % 2:
            raise ValueError(f"expected hidden to be even, half per direction, got {c.hidden}")
        between = c.dropout if c.layers > 1 else 0.0  # torch warns otherwise
        self.recurrent = nn.GRU(
            c.hidden, c.hidden // 2, c.layers, batch_first=True, dropout=between, bidirectional=True
        )
        self.dropout = Dropout(c.dropout)
        self.head = Head(c.hidden, c.num_classes, c.exemplars)

    def read(self, poses: Tensor, weight: Tensor) -> Tensor:
        read, _ = self.recurrent(self.dropout(self.tokens(poses, weight)))
        return self.dropout(read)
