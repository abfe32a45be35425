"""One style for all figures: widths, the look of each method, axes, and files."""

from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from matplotlib import get_cachedir
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.font_manager import findfont
from matplotlib.ticker import PercentFormatter

from jointprune.workspace import atomic_path

COLUMN, PAGE = 3.4, 7.0  # inches
FONT = "DejaVu Sans"  # comes with matplotlib
STYLE = {
    "font.family": FONT, "font.size": 7, "axes.labelsize": 7, "axes.titlesize": 7,
    "legend.fontsize": 6.5, "legend.title_fontsize": 7,
    "xtick.labelsize": 6.5, "ytick.labelsize": 6.5, "lines.linewidth": 1.0,
    "lines.markersize": 3.5, "axes.linewidth": 0.6, "axes.spines.top": False,
    "axes.spines.right": False, "legend.frameon": False, "figure.constrained_layout.use": True,
    "pdf.fonttype": 42, "savefig.bbox": "standard", "savefig.dpi": 300, "figure.dpi": 150,
}  # fmt: skip

# Letters of all names together that fit beside each other across a page.
LETTERS_ABREAST = 70

# Okabe and Ito's colour-blind-safe palette; marker and dash tell methods apart in grey too.
# A method that no curve shows is named beside its dot, so one look serves all of these.
OTHER = {"color": "#555555", "marker": "o", "linestyle": "none"}
LOOKS = {
    "full": {"color": "#000000", "marker": "D", "linestyle": "-"},
    "learned": {"color": "#0072B2", "marker": "o", "linestyle": "-"},
    "greedy": {"color": "#009E73", "marker": "^", "linestyle": (0, (5, 1))},
    "anatomical": {"color": "#CC79A7", "marker": "v", "linestyle": (0, (3, 1, 1, 1))},
    "stratified-random": {"color": "#D55E00", "marker": "s", "linestyle": (0, (2, 1))},
}
LOOKS["hard-concrete-budget"] = LOOKS["learned"]  # its name before it is retrained
ENCODER_LOOKS = {
    "transformer": {"color": "#0072B2", "marker": "o", "linestyle": "-"},
    "graph": {"color": "#D55E00", "marker": "s", "linestyle": (0, (5, 1))},
    "recurrent": {"color": "#009E73", "marker": "^", "linestyle": (0, (2, 1))},
}


def page(width: float, height: float, rows: int = 1, columns: int = 1, **grid):
    """A figure in inches in the one style, and its axes."""
    plt.rcParams.update(STYLE)
    return plt.subplots(rows, columns, figsize=(width, height), **grid)


def mosaic(width: float, height: float, layout: list[list[str]], **grid):
    """The same with axes by name, each over the cells of `layout` that have its name."""
    plt.rcParams.update(STYLE)
    return plt.subplot_mosaic(layout, figsize=(width, height), **grid)


def save(fig: Figure, stem: str, folder: Path) -> list[Path]:
    """Write `folder/stem.pdf` and `.png`; drawing the same facts again changes no byte.

    Raises ValueError where the font is not found, for which matplotlib would take another.
    """
    try:
        findfont(FONT, fallback_to_default=False)
    except ValueError as error:
        raise ValueError(
            f"expected the font {FONT}, which comes with matplotlib, got none: remove matplotlib's "
            f"list of fonts in {get_cachedir()}, or install matplotlib again"
        ) from error
    paths = []
    for kind, undated in (("pdf", {"CreationDate": None}), ("png", {"Software": None})):
        paths.append(Path(folder) / f"{stem}.{kind}")
        with atomic_path(paths[-1]) as temporary, plt.rc_context(STYLE):
            fig.savefig(temporary, format=kind, metadata=undated)
    return paths


def look(method: str) -> dict:
    """Colour, marker and dash of a method."""
    return LOOKS.get(method, OTHER)


def interval(ax: Axes, x, rows: pd.DataFrame, value: str = "mean", scale: float = 1.0, **style):
    """Values of `rows` with bars from low to high at x, all times `scale`."""
    y, ends = scale * rows[value].to_numpy(), scale * rows[["low", "high"]].to_numpy().T
    ax.errorbar(x, y, yerr=np.abs(ends - y), **{"elinewidth": 0.7, **style})


def accuracy_axis(ax: Axes, group: str) -> None:
    ax.set_ylabel(f"accuracy, {group}s held out")
    ax.yaxis.set_major_formatter(PercentFormatter(1.0, decimals=0))
    lines_across(ax)


def name_ticks(ax: Axes, names: list[str]) -> None:
    """Names at 0, 1, ... along x, upright where they would run into each other."""
    upright = sum(map(len, names)) > LETTERS_ABREAST
    ax.set_xticks(range(len(names)), names, rotation=90 if upright else 0)
    ax.set_xlim(-0.6, len(names) - 0.4)


def lines_across(ax: Axes) -> None:
    ax.grid(axis="y", color="#e5e5e5", linewidth=0.5)
    ax.set_axisbelow(True)


def budget_axis(ax: Axes, budgets) -> None:
    """K from left to right in octaves, so that 2 to 42 can all be read."""
    ticks = sorted(set(budgets))
    ax.set_xscale("log", base=2)
    ax.set_xticks(ticks, ticks)
    ax.minorticks_off()
    ax.set_xlabel("joints kept, K")


def beside(place: int, count: int, octaves: float = 0.05) -> float:
    """Factor that moves the curve at `place` of `count` a little aside, around its K."""
    return 2.0 ** (octaves * (place - (count - 1) / 2))
