"""Sentences that say as much as their test allows, and no more.

Numbers are in percent and points (1 point = 0.01 accuracy).
"""

from jointprune.claims.documents import all_claims, claims_tex, claims_text
from jointprune.claims.limits import limits
from jointprune.claims.macros import latex, macro_file, macro_prefix
from jointprune.claims.measured import STAGES
from jointprune.claims.words import (
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
