"""Encoders: `encoder(poses (B, T, J, P), weight (B, T, J))` returns logits (B, classes).

`encoder.copy_kept(small, kept)` copies the weights into an encoder of the joints `kept` (indices)
alone, which computes the same function without the others.
"""

from jointprune.models.frames import SkeletonGRU, SkeletonTransformer
from jointprune.models.graph import SkeletonGraph

ENCODERS = {
    "transformer": SkeletonTransformer,
    "recurrent": SkeletonGRU,
    "graph": SkeletonGraph,
}
