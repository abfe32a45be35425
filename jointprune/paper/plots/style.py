"""One style for all figures: sizes, the look of each method, axes, and files."""

from pathlib import Path

import matplotlib
import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.axis import Axis
from matplotlib.figure import Figure
from matplotlib.font_manager import findfont
from matplotlib.ticker import MaxNLocator, PercentFormatter

from jointprune.selection import curve_methods, method_of
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

LETTERS_AN_INCH = 13  # letters of tick labels that fit side by side
BETWEEN_NUMBERS = 0.11  # inches, from the middle of a tick's number to that of the next


def use_style() -> None:
    """Set matplotlib to its defaults and STYLE, whatever the user's own files say."""
    matplotlib.rcdefaults()
    plt.rcParams.update(STYLE)


def page(width: float, height: float, rows: int = 1, columns: int = 1, **grid):
    """A figure in this style, in inches, and its axes."""
    use_style()
    return plt.subplots(rows, columns, figsize=(width, height), **grid)


def mosaic(width: float, height: float, layout: list[list[str]], **grid):
    """A figure in this style and its axes by name; an axis fills the cells with its name."""
    use_style()
    return plt.subplot_mosaic(layout, figsize=(width, height), **grid)


def save(fig: Figure, stem: str, folder: Path) -> list[Path]:
    """Write `folder/stem.pdf` and `.png`; the same facts give the same bytes."""
    findfont(FONT, fallback_to_default=False)  # or matplotlib would replace it with a warning
    paths = []
    for kind, undated in (("pdf", {"CreationDate": None}), ("png", {"Software": None})):
        paths.append(Path(folder) / f"{stem}.{kind}")
        with atomic_path(paths[-1]) as temporary, plt.rc_context():
            use_style()
            fig.savefig(temporary, format=kind, metadata=undated)
    return paths


def look(method: str) -> dict:
    """Colour, marker and dash of a method."""
    row = method_of(method)
    return {"color": row.color, "marker": row.marker, "linestyle": row.dash}


def curves(table: pd.DataFrame) -> dict[str, pd.DataFrame]:
    """Rows by K of each method that has a curve; `x` is K, shifted so that bars do not overlap."""
    shown = [name for name in curve_methods() if (table["method"] == name).any()]
    shifts = 0.05 * (np.arange(len(shown)) - (len(shown) - 1) / 2)  # octaves
    parts = [table[table["method"] == name].sort_values("k") for name in shown]
    parts = [part.assign(x=part["k"] * 2.0**s) for part, s in zip(parts, shifts, strict=True)]
    return dict(zip(shown, parts, strict=True))


def interval(
    ax: Axes, at, rows: pd.DataFrame, value="mean", scale=1.0, across: bool = False, **style
) -> None:
    """Values of `rows` at x = `at` (or y, if `across`), bars from low to high, times `scale`."""
    values, ends = scale * rows[value].to_numpy(), scale * rows[["low", "high"]].to_numpy().T
    place = {"x": values, "y": at} if across else {"x": at, "y": values}
    bars = {"xerr" if across else "yerr": np.abs(ends - values)}
    ax.errorbar(**place, **bars, **{"elinewidth": 0.7, **style})


def whole_percents(axis: Axis, most: int | str = "auto") -> None:
    """At `most` so many ticks, at whole percents: a label must not round its value."""
    axis.set_major_locator(MaxNLocator(most, steps=[1, 2, 5, 10]))
    axis.set_major_formatter(PercentFormatter(1.0, decimals=0))


def accuracy_axis(ax: Axes, group: str) -> None:
    """Accuracy in percent from bottom to top."""
    ax.set_ylabel(f"accuracy, {group}s held out")
    whole_percents(ax.yaxis)
    grid_lines(ax)


def name_ticks(ax: Axes, names: list[str]) -> None:
    """Label x = 0, 1, ... with names, upright where they would overlap."""
    inches = ax.get_position().width * ax.figure.get_figwidth()
    upright = sum(map(len, names)) > LETTERS_AN_INCH * inches
    ax.set_xticks(range(len(names)), names, rotation=90 if upright else 0)
    ax.set_xlim(-0.6, len(names) - 0.4)


def name_rows(ax: Axes, names: list[str]) -> None:
    """Label y = 0, 1, ... with names."""
    ax.set_yticks(range(len(names)), names)
    grid_lines(ax, "#eeeeee")


def grid_lines(ax: Axes, color: str = "#e5e5e5") -> None:
    ax.grid(axis="y", color=color, linewidth=0.5)
    ax.set_axisbelow(True)


def budget_axis(ax: Axes, budgets) -> None:
    """K from left to right, on a logarithmic scale."""
    ticks, shown = sorted(set(budgets)), []
    octaves = max(np.log2(ticks[-1] / ticks[0]), 1) if ticks else 1
    octave = ax.get_position().width * ax.figure.get_figwidth() / octaves  # in inches, at least
    for k in reversed(ticks):
        if not shown or np.log2(shown[-1] / k) * octave > BETWEEN_NUMBERS:
            shown.append(k)
    ax.set_xscale("log", base=2)
    ax.set_xticks(ticks, [k if k in shown else "" for k in ticks])
    ax.minorticks_off()
    ax.set_xlabel("joints kept, K")
