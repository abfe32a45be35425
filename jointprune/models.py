"""The encoder: a frame becomes one token, a transformer reads them, one head names the sign."""

import torch
from torch import Tensor, nn
from torch.nn import functional

from jointprune.preprocessing import normalise

SHARPNESS = 12.0


class Dropout(nn.Module):
    """Inverted dropout like `nn.Dropout`, its mask drawn 16 bits a value.

    On a CPU `bernoulli_` draws a 32-bit word and does float work for each value and took a
    third of a training step; four values out of one 64-bit draw cost about a sixth of it.
    The probability is rounded to a multiple of 1/65536.
    """

    def __init__(self, p: float):
        super().__init__()
        if not 0 <= p < 1:
            raise ValueError(f"expected a dropout probability in [0, 1), got {p}")
        self.p = p

    def forward(self, x: Tensor) -> Tensor:
        if not self.training or self.p == 0:
            return x
        words = torch.empty(-(-x.numel() // 4), dtype=torch.int64, device=x.device)
        bits = words.random_(-(2**63), None).view(torch.int16)[: x.numel()].view(x.shape)
        dropped = round(self.p * 2**16)
        keep = (bits >= dropped - 2**15).to(x.dtype)
        return x * keep.mul_(1 / (1 - dropped / 2**16))


class SkeletonTransformer(nn.Module):
    """Skeleton clips to class logits.

    Args:
        hand: (J, 2) one-hot hand membership of the input's joints, left then right.
        coords: coordinates a joint, P.
        frames: frames a clip, T; the position embedding has this length.
        hidden, layers, heads: of the transformer; 512, 2, 4 is the paper's size.
        dropout: after attention, inside and after the feed-forward block, on attention
            weights: the places of BERT, less the one on the input embedding.

    Blocks normalise first; frames are pooled by learned attention, since a sign is held
    in some frames and approached in others. A logit is SHARPNESS times the cosine between the
    clip and the sign's own vector (Chen et al. 2019, arXiv 1904.04232): bounded logits are
    less sure of signers that they never saw.
    """

    def __init__(
        self,
        hand: Tensor,
        coords: int,
        frames: int,
        classes: int,
        hidden: int,
        layers: int,
        heads: int,
        dropout: float,
    ):
        super().__init__()
        self.register_buffer("hand", hand)
        self.coords = coords
        self.project = nn.Linear(len(hand) * coords + 2 * coords + 2, hidden)
        self.position = nn.Parameter(torch.randn(frames, hidden) * 0.02)
        self.blocks = nn.Sequential(*(_block(hidden, heads, dropout) for _ in range(layers)))
        self.norm = nn.LayerNorm(hidden)
        self.attend = nn.Linear(hidden, 1)
        self.signs = nn.Parameter(torch.randn(classes, hidden))

    def forward(self, poses: Tensor, weight: Tensor) -> Tensor:
        """Logits (B, classes) of poses (B, T, J, P) whose joints count by weight (B, T, J)."""
        tokens = self.project(normalise(poses, weight, self.hand)) + self.position
        tokens = self.norm(self.blocks(tokens))
        clip = (tokens * self.attend(tokens).softmax(1)).sum(1)
        return SHARPNESS * functional.linear(
            functional.normalize(clip, dim=-1), functional.normalize(self.signs, dim=-1)
        )


def _block(hidden: int, heads: int, dropout: float) -> nn.TransformerEncoderLayer:
    block = nn.TransformerEncoderLayer(
        hidden, heads, 4 * hidden, dropout, activation="relu", batch_first=True, norm_first=True
    )
    block.dropout, block.dropout1, block.dropout2 = (Dropout(dropout) for _ in range(3))
    return block


@torch.no_grad()
def slice_projection(encoder: SkeletonTransformer, small: SkeletonTransformer, kept: list[int]):
    """Copy `encoder`'s weights into `small`, which reads only the joints `kept`."""
    joints, coords = len(encoder.hand), encoder.coords
    columns = torch.arange(joints * coords).view(joints, coords)[kept].flatten()
    rest = torch.arange(joints * coords, encoder.project.in_features)
    state = encoder.state_dict()
    state["project.weight"] = state["project.weight"][:, torch.cat([columns, rest])]
    state["hand"] = state["hand"][kept]
    small.load_state_dict(state)
