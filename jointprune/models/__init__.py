"""Encoders: `encoder(poses (B, T, J, P), weight (B, T, J))` returns logits (B, classes).

`encoder.copy_kept(small, kept)` copies the weights into `small`, an encoder that reads only the
joints `kept` (indices). Its outputs are those of `encoder` with the other joints missing.
"""

from jointprune.models.frames import SkeletonGRU, SkeletonTransformer
from jointprune.models.graph import SkeletonGraph

ENCODERS = {
    "transformer": SkeletonTransformer,
    "recurrent": SkeletonGRU,
    "graph": SkeletonGraph,
}
