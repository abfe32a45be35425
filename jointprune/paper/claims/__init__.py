"""Sentences that say as much as their test allows, and no more.

Numbers are in percent and points (1 point = 0.01 accuracy).
"""

from jointprune.paper.claims.documents import all_claims, claims_tex, claims_text
from jointprune.paper.claims.limits import limits
from jointprune.paper.claims.macros import latex, macro_file, macro_prefix
from jointprune.paper.claims.measured import STAGES
from jointprune.paper.claims.words import (
    ENCODER_WORDS,
    MAIN,
    Claim,
    letters,
    method_words,
    one_row,
    percent,
    points,
    retrained,
)

ENCODER_LABELS = ENCODER_WORDS
