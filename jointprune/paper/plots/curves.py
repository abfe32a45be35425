"""What changes with the number of joints kept: accuracy, stability, cost."""

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import PercentFormatter

from jointprune.paper.claims import ENCODER_LABELS, MAIN, method_words, retrained
from jointprune.paper.plots.looks import (
    COLUMN,
    ENCODER_LOOKS,
    LOOKS,
    PAGE,
    accuracy_axis,
    beside,
    budget_axis,
    interval,
    lines_across,
    look,
    page,
)

# Column of the cost sheet: title, unit, size of the unit.
MEASURES = {
    "latency_ms": ("time of a clip", "ms", 1.0),
    "flops": ("operations of a clip", "MFLOP", 1e6),
    "parameters": ("parameters", "k", 1e3),
}


def plot_accuracy_against_k(
    accuracy: list[dict], k_star: list[dict], group: str = "language"
) -> Figure:
    """fig2: accuracy against K, retrained (left), not retrained (middle), at K = 12 (right).

    `accuracy` holds rows with method, k, mean, low, high; `k_star` as `verdicts.k_star` gives it,
    whose first record is marked; a `group` is what folds keep apart. Bars are 95 % intervals, the
    band is that of all joints.
    """
    table = pd.DataFrame(accuracy)
    fig, axes = page(PAGE, 3.3, 1, 3, width_ratios=[5, 4, 3])
    _retrained(axes[0], table, k_star[0], group)
    _not_retrained(axes[1], table)
    axes[1].sharey(axes[0])
    _selectors(axes[2], table, 12)
    fig.legend(*axes[0].get_legend_handles_labels(), loc="outside lower left", ncols=5)
    return fig


def _retrained(ax: Axes, table: pd.DataFrame, k_star: dict, group: str) -> None:
    full = table[table["method"] == "full"].iloc[0]
    ax.axhspan(full["low"], full["high"], color="#000000", alpha=0.08, linewidth=0)
    ax.axhline(full["mean"], color="#000000", linewidth=0.8, label=f"all {full['k']} joints")
    for place, method in enumerate(MAIN):
        rows = table[table["method"] == method].sort_values("k")
        style = {**LOOKS[method], "label": method_words(method)}
        interval(ax, rows["k"] * beside(place, len(MAIN)), rows, **style)
    _mark_k_star(ax, k_star)
    budget_axis(ax, [*table.loc[table["method"].isin(MAIN), "k"], full["k"]])
    ax.set_title("retrained on the joints kept")
    accuracy_axis(ax, group)


def _mark_k_star(ax: Axes, k_star: dict) -> None:
    """K* as a line, its range over resampled groups as a bar at the foot."""
    k, joints = k_star["k"], k_star["joints"]
    style = {"color": "#0072B2", "transform": ax.get_xaxis_transform()}
    ax.plot([k, k], [0, 1], linewidth=0.6, linestyle=(0, (1, 1)), zorder=0, **style)
    ends = [k_star["bootstrap"]["low"], k_star["bootstrap"]["high"]]
    ax.plot(ends, [0.02, 0.02], linewidth=2.0, solid_capstyle="butt", **style)
    words = f"K* = {k}" if k < joints else f"K* = {joints}:\nno smaller set shown"
    ax.annotate(f"{words} ", (k, 0.05), xycoords=("data", "axes fraction"), ha="right")


def _not_retrained(ax: Axes, table: pd.DataFrame) -> None:
    """The same selections in a network of random subsets (hollow), or as gates left it (x)."""
    masked = table[~table["method"].map(retrained)]
    for method in MAIN:
        again = table[table["method"] == method].sort_values("k")
        ax.plot(again["k"], again["mean"], color=LOOKS[method]["color"], linewidth=0.5, alpha=0.6)
        hollow = {**LOOKS[method], "markerfacecolor": "white"}
        gated = {**LOOKS[method], "marker": "x", "linewidth": 0.7}
        for ending, style in (("masked", hollow), ("not retrained", gated)):
            rows = masked[masked["method"] == f"{method}, {ending}"].sort_values("k")
            ax.plot(rows["k"], rows["mean"], **style)
    budget_axis(ax, masked["k"] if len(masked) else table["k"])
    ax.set_title("not retrained (x: as gated; thin: retrained)")
    lines_across(ax)
    ax.tick_params(labelleft=False)


def _selectors(ax: Axes, table: pd.DataFrame, k: int) -> None:
    """Every method retrained on k joints, sorted; all joints and stratified random as lines."""
    rows = table[(table["k"] == k) & table["method"].map(retrained)]
    rows = rows.sort_values("mean").reset_index(drop=True)
    for reference in ("full", "stratified-random"):
        mean = table.loc[(table["method"] == reference) & table["k"].isin([k, 42]), "mean"]
        ax.axvline(mean.iloc[0], linewidth=0.8, zorder=0, color=LOOKS[reference]["color"],
                   linestyle=LOOKS[reference]["linestyle"])  # fmt: skip
    for place, row in rows.iterrows():
        ends = [[row["mean"] - row["low"]], [row["high"] - row["mean"]]]
        ax.errorbar(row["mean"], place, xerr=ends, elinewidth=0.7, **look(row["method"]))
    ax.set_yticks(range(len(rows)), rows["method"].map(method_words))
    ax.set_xlabel("accuracy")
    ax.xaxis.set_major_formatter(PercentFormatter(1.0, decimals=0))
    ax.set_title(f"every method at K = {k}")
    ax.grid(axis="y", color="#eeeeee", linewidth=0.5)
    ax.set_axisbelow(True)


def plot_stability(rows: list[dict]) -> Figure:
    """fig6: agreement of selections over folds and seeds against K, 95 % intervals.

    `rows` hold method, k, index, low, high and floor: the same between seeds on the same clips,
    drawn hollow. 0 is chance.
    """
    fig, ax = page(COLUMN, 2.6)
    table = pd.DataFrame(rows).astype(dict.fromkeys(("index", "low", "high", "floor"), float))
    methods = [method for method in MAIN if method in set(table["method"])]
    for place, method in enumerate(methods):
        part = table[table["method"] == method].sort_values("k")
        x = part["k"] * beside(place, len(methods))
        interval(ax, x, part, "index", **LOOKS[method], label=method_words(method))
        same_clips = {**LOOKS[method], "linestyle": ":", "linewidth": 0.5}
        ax.plot(x, part["floor"], markerfacecolor="white", **same_clips)
    ax.axhline(0, color="#000000", linewidth=0.8)
    ax.annotate("chance", (2.7, 0), (0, -2), textcoords="offset points", va="top")
    ax.plot([], [], color="#555555", marker="o", markerfacecolor="white", linestyle=":",
            linewidth=0.5, label="same clips, other seed")  # fmt: skip
    budget_axis(ax, table["k"])
    ax.set_ylabel("stability index")
    lines_across(ax)
    fig.legend(loc="outside lower center", ncols=2)
    return fig


def plot_cost(facts: dict) -> Figure:
    """fig8: time, operations and parameters against K, each as a share of its value at 42.

    `facts` as in cost.json; the legend of a panel gives the values at 42.
    """
    fig, axes = page(PAGE, 2.5, 1, len(MEASURES), sharey=True)
    table = pd.DataFrame(facts["rows"])
    for ax, (column, (title, unit, size)) in zip(axes, MEASURES.items(), strict=True):
        for encoder, part in table.groupby("encoder", sort=False):
            part = part.sort_values("k")
            whole = part[column].iloc[-1]
            label = f"{ENCODER_LABELS[encoder]}: {whole / size:.3g} {unit}"
            ax.plot(part["k"], part[column] / whole, **ENCODER_LOOKS[encoder], label=label)
            if column == "latency_ms":
                ends = (part[f"latency_{end}"] / whole for end in ("low", "high"))
                ax.fill_between(part["k"], *ends, color=ENCODER_LOOKS[encoder]["color"],
                                alpha=0.15, linewidth=0)  # fmt: skip
        ax.axhline(1, color="#000000", linewidth=0.5)
        budget_axis(ax, table["k"])
        lines_across(ax)
        ax.legend(title=title, loc="lower center", bbox_to_anchor=(0.5, 1.0))
    axes[0].set_ylim(bottom=0)
    axes[0].set_ylabel("relative to 42 joints")
    axes[0].yaxis.set_major_formatter(PercentFormatter(1.0))
    return fig
