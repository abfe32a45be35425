"""Encoders: skeleton clips and the weight of each joint to class logits, by one call.

`ENCODERS` names them. All are called as `encoder(poses (B, T, J, P), weight (B, T, J))` and
return logits (B, classes); all are made of one record of settings, `config.TrainingConfig`, whose
sizes have their meaning at each encoder.

A joint of weight 0 has no influence. `encoder.copy_kept(small, kept)` hands the weights to
the encoder of the joints `kept` (indices) alone: the same function with the rest gone.
"""

from jointprune.models.frames import SkeletonGRU, SkeletonTransformer
from jointprune.models.graph import SkeletonGraph

ENCODERS = {
    "transformer": SkeletonTransformer,
    "recurrent": SkeletonGRU,
    "graph": SkeletonGraph,
}
