"""The figures of the paper, each drawn at the width in print: a column or a page.

The functions `plot_*` take facts in the form of `data/results/`; `save` writes PDF and PNG.
"""

from jointprune.paper.plots.curves import (
    draw_curves,
    plot_accuracy_against_k,
    plot_cost,
    plot_gates,
    plot_handedness,
    plot_stability,
)
from jointprune.paper.plots.hands import (
    HAND_LAYOUT,
    HAND_LOOKS,
    draw_hand,
    draw_shares,
    plot_kept_joints,
    plot_pipeline,
)
from jointprune.paper.plots.parts import (
    draw_changes,
    plot_changes,
    plot_groups,
    plot_leave_out,
    plot_synthetic,
    plot_transfer,
)
from jointprune.paper.plots.style import COLUMN, PAGE, name_ticks, save, use_style
