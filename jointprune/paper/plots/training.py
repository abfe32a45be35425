"""What the gates do over training."""

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import PercentFormatter

from jointprune.paper.plots.looks import PAGE, STYLE, page

GATE_LOOKS = {
    "active at the end": {"color": "#0072B2", "linestyle": "-"},
    "closed at the end": {"color": "#D55E00", "linestyle": (0, (3, 2))},
}


def plot_gates(paths: pd.DataFrame) -> Figure:
    """fig3: share of joints closed (top) and keep probabilities (bottom) over training.

    `paths` has one row a mask, fold, seed, epoch and joint. On top every run and their mean;
    below the first fold and seed, joints that end active drawn solid, the others dashed.
    """
    masks = list(dict.fromkeys(paths["mask"]))
    fig, axes = page(
        PAGE, 3.2, 2, len(masks), sharex="col", sharey="row", squeeze=False, height_ratios=[2, 3]
    )
    for (top, bottom), mask in zip(axes.T, masks, strict=True):
        chosen = paths[paths["mask"] == mask]
        closed = 1 - chosen.groupby(["fold", "seed", "epoch"])["active"].mean()
        for _, run in closed.groupby(["fold", "seed"]):
            top.plot(run.index.get_level_values("epoch"), run, color="#bbbbbb", linewidth=0.5)
        mean = closed.groupby("epoch").mean()
        top.plot(mean.index, mean, color="#0072B2", linewidth=1.4)
        top.set(title=mask, ylim=(-0.05, 1.05))
        _keep_probabilities(bottom, chosen)
    axes[0, 0].set_ylabel("joints closed")
    axes[0, 0].yaxis.set_major_formatter(PercentFormatter(1.0))
    axes[1, 0].set_ylabel("keep probability")
    handles = [Line2D([], [], label=label, **look) for label, look in GATE_LOOKS.items()]
    fig.legend(handles=handles, loc="outside upper center", ncols=2)
    fig.supxlabel("epoch", fontsize=STYLE["axes.labelsize"])
    return fig


def _keep_probabilities(ax: Axes, paths: pd.DataFrame) -> None:
    """One line a joint of the first run."""
    first = paths[(paths["fold"] == paths["fold"].min()) & (paths["seed"] == paths["seed"].min())]
    for _, path in first.sort_values("epoch").groupby("joint", sort=False):
        active = bool(path["active"].iloc[-1])
        look = GATE_LOOKS["active at the end" if active else "closed at the end"]
        ax.plot(path["epoch"], path["keep_probability"], linewidth=0.6, alpha=0.7, **look)
    ax.set_ylim(-0.05, 1.05)
