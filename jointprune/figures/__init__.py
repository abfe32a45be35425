"""The pictures of the paper, each drawn at the width it is printed.

A column is 3.4 inches wide, a page 7. Functions take facts as `data/results/` holds them
and return the figure; `save` writes PDF and PNG whose bytes depend on the facts alone.
"""

from jointprune.figures.curves import accuracy_against_k, cost, stability
from jointprune.figures.hands import HAND_LAYOUT, draw_hand, draw_shares, kept_joints
from jointprune.figures.looks import COLUMN, LOOKS, PAGE, STYLE, name_ticks, save
from jointprune.figures.parts import HAND_LOOKS, changes, groups, leave_out
from jointprune.figures.pipeline import pipeline
from jointprune.figures.recovery import planted
from jointprune.figures.training import gates
