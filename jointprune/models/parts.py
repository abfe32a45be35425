"""What all encoders are made of: dropout, a head that names signs, and what calls it."""

import math
from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional

from jointprune.preprocessing import as_given
from jointprune.skeleton import hand_index

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
            clips, signs = self.embed(tokens), functional.normalize(self.signs, dim=-1)
            if self.training:
                return SHARPNESS * functional.linear(clips, signs)
            known = torch.cat([signs[:, None], self.exemplars], 1)
            near = SHARPNESS * functional.linear(clips, known.flatten(0, 1))
            return (near.unflatten(-1, self.share.shape) + self.share).logsumexp(-1)

    def embed(self, tokens: Tensor) -> Tensor:
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

    def embed(self, poses: Tensor, weight: Tensor) -> Tensor:
        """What of each clip is compared with signs, (B, width) of length 1."""
        return self.head.embed(self.read(poses, weight))


def membership(joints: Sequence[str]) -> Tensor:
    """(J, 2) one-hot hand of each joint, left then right."""
    return torch.eye(2)[torch.as_tensor(hand_index(joints))]
