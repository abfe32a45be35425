"""How well methods find joints that are known to matter."""

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from jointprune.paper.claims import method_words
from jointprune.paper.plots.looks import PAGE, look, page


def plot_synthetic(rows: list[dict], k: int) -> Figure:
    """fig7: synthetic joints found when told their number (left), and joints kept untold (right).

    `rows` as `recovery` in synthetic.json, `k` the true number. Left: precision with its range over
    data seeds, and recall as a ring. Right: methods that stop by themselves, with precision and
    recall there.
    """
    table = pd.DataFrame(rows).sort_values("precision", kind="stable")
    table = table.reset_index(drop=True)
    fig, axes = page(PAGE, 0.9 + 0.16 * len(table), 1, 2, sharey=True, width_ratios=[4, 5])
    _told(axes[0], table)
    _untold(axes[1], table, k)
    for ax in axes:
        ax.set_yticks(range(len(table)), table["method"].map(method_words))
        ax.set_ylim(-0.6, len(table) - 0.4)
        ax.grid(axis="y", color="#eeeeee", linewidth=0.5)
        ax.set_axisbelow(True)
    axes[1].tick_params(labelleft=False)
    fig.legend(*axes[0].get_legend_handles_labels(), loc="outside lower left", ncols=3)
    return fig


def _told(ax: Axes, table: pd.DataFrame) -> None:
    for y, row in table.iterrows():
        style = {**look(row["method"]), "linestyle": "none"}
        ends = np.abs(row[["low", "high"]].to_numpy(float) - row["precision"])
        ax.errorbar(row["precision"], y, xerr=ends[:, None], elinewidth=0.7, **style)
    ax.plot(table["recall"], table.index, "o", markersize=6, markerfacecolor="none",
            markeredgecolor="#000000", markeredgewidth=0.5, label="recall")  # fmt: skip
    ax.plot([], [], linestyle="none", marker="o", color="#555555", label="precision, its range")
    ax.axvline(1, color="#999999", linewidth=0.6)
    ax.set_xlim(-0.03, 1.06)
    ax.set_xlabel("share found, told their number")


def _untold(ax: Axes, table: pd.DataFrame, k: int) -> None:
    ax.axvline(k, color="#000000", linewidth=0.8)
    ax.annotate(
        f"{k} synthetic", (k, 1), xycoords=("data", "axes fraction"), ha="center", va="bottom"
    )
    for y, row in table.dropna(subset="stop_k").iterrows():
        ax.plot(row["stop_k"], y, **{**look(row["method"]), "linestyle": "none"})
        words = f"precision {row['stop_precision']:.2f}, recall {row['stop_recall']:.2f}"
        ax.annotate(words, (75, y), va="center", ha="right", color="#333333")
    ax.set_xlim(0, 75)  # room for the words beside 42 joints
    ax.set_xticks([0, 10, 20, 30, 42])
    ax.set_xlabel("joints kept, stopping by itself; the others have to be told")
