"""Parts that all encoders share: dropout, the classification head and the base class."""

import math
from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional

from jointprune.preprocessing import as_given
from jointprune.skeleton import hand_index

SHARPNESS = 12.0

# Log weight of an unused place for an exemplar: exp gives 0, and unlike -inf it can be averaged.
UNUSED = -1e4


class Dropout(nn.Module):
    """Inverted dropout with 8 random bits per value: p is rounded to a multiple of 1/256.

    On a CPU it takes a tenth of the time of `nn.Dropout`, which took a third of a training step.
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
        dropped = min(round(self.p * 2**8), 2**8 - 1)  # at most 255 of 256, as p is below 1
        # Written into floats directly, which saves a pass over memory.
        keep = torch.ge(bits, dropped - 2**7, out=torch.empty_like(x))
        return x * keep.mul_(1 / (1 - dropped / 2**8))


class Head(nn.Module):
    """Classifies frame tokens (B, T, width) into logits (B, classes).

    Learned attention pools the frames. A logit is SHARPNESS times the cosine between the clip's
    embedding and the class vector (Chen et al. 2019, arXiv 1904.04232). After `remember`, it is the
    log of the mean of exp(logit) over class vector and up to `exemplars` training clips of the
    class, as in matching networks (Vinyals et al. 2016, arXiv 1606.04080).
    """

    def __init__(self, width: int, classes: int, exemplars: int):
        super().__init__()
        self.norm = nn.LayerNorm(width)
        self.attend = nn.Linear(width, 1)
        self.class_vectors = nn.Parameter(torch.randn(classes, width))
        none = torch.zeros(classes, exemplars, width)
        self.exemplars = nn.Parameter(none, requires_grad=False)
        # Log weights of the class vector, which comes first, and of the exemplars.
        share = torch.full((classes, 1 + exemplars), UNUSED)
        share[:, 0] = 0.0
        self.register_buffer("share", share)

    def forward(self, tokens: Tensor) -> Tensor:
        with as_given(tokens.device):  # bfloat16 would leave a cosine two or three digits
            clips, vectors = self.embed(tokens), functional.normalize(self.class_vectors, dim=-1)
            if self.training:
                return SHARPNESS * functional.linear(clips, vectors)
            known = torch.cat([vectors[:, None], self.exemplars], 1)
            near = SHARPNESS * functional.linear(clips, known.flatten(0, 1))
            return (near.unflatten(-1, self.share.shape) + self.share).logsumexp(-1)

    def embed(self, tokens: Tensor) -> Tensor:
        """L2-normalised clip embeddings, shape (B, width)."""
        # Mixed precision has shortened the tokens.
        tokens = self.norm(tokens.to(self.class_vectors.dtype))
        return functional.normalize((tokens * self.attend(tokens).softmax(1)).sum(1), dim=-1)

    @torch.no_grad()
    def remember(self, clips: Tensor, labels: Tensor) -> None:
        """Replace the exemplars by the embeddings `clips` (N, width) of classes `labels` (N,)."""
        self.share.fill_(UNUSED)
        for sign, (exemplars, share) in enumerate(zip(self.exemplars, self.share, strict=True)):
            own = clips[labels == sign]
            exemplars[: len(own)] = own
            share[: len(own) + 1] = -math.log(len(own) + 1)


class Encoder(nn.Module):
    """Base class: `read` turns clips into tokens (B, T, width), `head` classifies them."""

    def forward(self, poses: Tensor, weight: Tensor) -> Tensor:
        return self.head(self.read(poses, weight))

    def embed_clips(self, poses: Tensor, weight: Tensor) -> Tensor:
        """L2-normalised clip embeddings, shape (B, width)."""
        return self.head.embed(self.read(poses, weight))


def membership(joints: Sequence[str]) -> Tensor:
    """(J, 2) one-hot hand of each joint, left then right."""
    return torch.eye(2)[torch.as_tensor(hand_index(joints))]
