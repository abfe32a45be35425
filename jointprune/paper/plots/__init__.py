"""The figures of the paper, each drawn at the width it is printed.

A column is 3.4 inches wide, a page 7. Functions take facts as `data/results/` holds them
and return the figure; `save` writes PDF and PNG whose bytes depend on the facts alone.
"""

from jointprune.paper.plots.curves import plot_accuracy_against_k, plot_cost, plot_stability
from jointprune.paper.plots.hands import HAND_LAYOUT, draw_hand, draw_shares, plot_kept_joints
from jointprune.paper.plots.looks import COLUMN, PAGE, STYLE, name_ticks, save
from jointprune.paper.plots.parts import HAND_LOOKS, plot_changes, plot_groups, plot_leave_out
from jointprune.paper.plots.pipeline import plot_pipeline
from jointprune.paper.plots.recovery import plot_synthetic
from jointprune.paper.plots.training import plot_gates
