"""Encoders: from skeleton clips and joint weights to class logits.

Each encoder is made from a `config.TrainingConfig` and called as
`encoder(poses (B, T, J, P), weight (B, T, J))`, which returns logits (B, classes). A joint of
weight 0 has no influence. `encoder.copy_kept(small, kept)` copies the weights into an encoder of
the joints `kept` (indices) alone, which computes the same function without the others.
"""

from jointprune.models.frames import SkeletonGRU, SkeletonTransformer
from jointprune.models.graph import SkeletonGraph

ENCODERS = {
    "transformer": SkeletonTransformer,
    "recurrent": SkeletonGRU,
    "graph": SkeletonGraph,
}
