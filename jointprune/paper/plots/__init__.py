"""The figures of the paper, each drawn at the width it is printed.

A column is 3.4 inches wide, a page 7. A function `plot_*` takes facts as `data/results/` holds
them and returns the figure; `save` writes PDF and PNG whose bytes depend on the facts alone.
"""

from jointprune.paper.plots.curves import (
    draw_curves,
    plot_accuracy_against_k,
    plot_cost,
    plot_gates,
    plot_stability,
)
from jointprune.paper.plots.hands import (
    HAND_LAYOUT,
    HAND_LOOKS,
    clip_limits,
    draw_hand,
    draw_hands,
    draw_shares,
    plot_kept_joints,
    plot_pipeline,
)
from jointprune.paper.plots.parts import (
    plot_changes,
    plot_groups,
    plot_leave_out,
    plot_synthetic,
)
from jointprune.paper.plots.style import COLUMN, PAGE, STYLE, name_ticks, save
