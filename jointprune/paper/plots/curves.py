"""Curves over the number of joints kept, or over training."""

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Patch
from matplotlib.ticker import PercentFormatter

from jointprune.agreement import MATCHED_KEYS
from jointprune.paper.claims import ENCODER_LABELS
from jointprune.paper.plots.style import (
    COLUMN,
    PAGE,
    STYLE,
    accuracy_axis,
    budget_axis,
    curves,
    grid_lines,
    interval,
    look,
    name_rows,
    page,
    whole_percents,
)
from jointprune.selection import method_of

ENCODER_LOOKS = {
    "transformer": {"color": "#0072B2", "marker": "o", "linestyle": "-"},
    "graph": {"color": "#D55E00", "marker": "s", "linestyle": (0, (5, 1))},
    "recurrent": {"color": "#009E73", "marker": "^", "linestyle": (0, (2, 1))},
}
# Column of cost.json: title, unit, size of the unit.
MEASURES = {
    "latency_ms": ("time of a clip", "ms", 1.0),
    "flops": ("operations of a clip", "MFLOP", 1e6),
    "parameters": ("parameters", "k", 1e3),
}
REGIMES = {  # of figure 2, middle
    "not retrained, masked": {"marker": "o", "markerfacecolor": "white"},
    "not retrained, as gated": {"marker": "x"},
}
COURSE_LOOKS = {  # of figure 3, top
    "run": {"color": "#bbbbbb", "linewidth": 0.5, "label": "one run"},
    "mean": {"color": "#000000", "linewidth": 1.4, "label": "mean of runs"},
}
WORST = 0.1  # of figure 9: K that lose more are left out
K_STAR_LINE = {"color": look("learned")["color"], "linewidth": 0.6, "linestyle": (0, (1, 1))}
GATE_LOOKS = {  # of figure 3, bottom
    True: {"color": "#0072B2", "linestyle": "-", "label": "joint open at the end"},
    False: {"color": "#D55E00", "linestyle": (0, (3, 2)), "label": "joint closed at the end"},
}


def plot_accuracy_against_k(
    accuracy: list[dict], k_star: list[dict], group: str = "language"
) -> Figure:
    """fig2: accuracy against K, retrained (left), not retrained (middle), at K = 12 (right).

    `accuracy` holds rows method, k, regime, mean, low, high; the first of `k_star` is marked.
    """
    table = pd.DataFrame(accuracy)
    retrained = table[table["regime"] == "retrained"]
    fig, axes = page(PAGE, 3.3, 1, 3, width_ratios=[5, 4, 3])
    draw_curves(axes[0], retrained, group)
    axes[0].set_title("retrained on the joints kept")
    _mark_k_star(axes[0], k_star[0])
    _not_retrained(axes[1], table)
    axes[1].sharey(axes[0])
    axes[0].autoscale(axis="y")  # to the values of both
    _every_method(axes[2], retrained, 12)
    handles, _ = axes[0].get_legend_handles_labels()
    grey = {"color": "#555555", "linestyle": "none"}
    handles += [Line2D([], [], label=label, **grey, **style) for label, style in REGIMES.items()]
    fig.legend(handles=handles, loc="outside lower left", ncols=5)
    return fig


def draw_curves(ax: Axes, table: pd.DataFrame, group: str) -> None:
    """Accuracy of retrained networks against K, 95 % CI; the band is the CI with all joints."""
    full = table[table["method"] == "full"].iloc[0]
    ax.axhspan(full["low"], full["high"], color="#000000", alpha=0.08, linewidth=0)
    ax.axhline(full["mean"], color="#000000", linewidth=0.8, label=f"all {full['k']} joints")
    shown = curves(table)
    for method, rows in shown.items():
        interval(ax, rows["x"], rows, **look(method), label=method_of(method).label)
    budget_axis(ax, [*pd.concat(shown)["k"], full["k"]])
    accuracy_axis(ax, group)


def plot_handedness(strata: list[dict], k_star: list[dict], group: str = "language") -> Figure:
    """fig9: accuracy against K, one-handed and two-handed, and the test of K* (right).

    `strata` holds the rows of `tables.strata_table`; a stratum without clips has no panel. The
    first of `k_star` is drawn.
    """
    parts = list(pd.DataFrame(strata).groupby("stratum"))
    fig, (*axes, change) = page(PAGE, 3.0, 1, len(parts) + 1)
    for ax, (name, table) in zip(axes, parts, strict=True):
        draw_curves(ax, table, group)
        ax.set_title("{}\n{groups} {}s, {clips} clips".format(name, group, **table.iloc[0]))
    for ax in axes[1:]:
        ax.sharey(axes[0])
        ax.label_outer()
    axes[0].autoscale(axis="y")  # to the values of both
    _changes(change, k_star[0])
    (handles, _), (more, _) = (ax.get_legend_handles_labels() for ax in (axes[0], change))
    fig.legend(handles=handles + more, loc="outside lower left", ncols=4)
    return fig


def _changes(ax: Axes, k_star: dict) -> None:
    """Change of accuracy with K joints, down to its one-sided bound; strata without intervals.

    The seeds that pass alone are counted above.
    """
    steps = [step for step in k_star["steps"] if step["difference"] > -WORST]
    color, margin = look(k_star["method"])["color"], -100 * k_star["margin"]
    ax.axhline(0, color="#000000", linewidth=0.8)
    ax.axhline(margin, color="#000000", linewidth=0.8, linestyle=":", label="margin")
    for passes, face, label in ((True, color, "passes"), (False, "white", "fails")):
        ax.plot([], [], "o", color=color, markerfacecolor=face, label=f"test of K* {label}")
        for step in (step for step in steps if step["passes"] == passes):
            ends = 100 * step["lower_bound"], 100 * step["difference"]
            ax.plot([step["k"]] * 2, ends, color=color, linewidth=0.7, marker="_", markevery=[0])
            ax.plot(step["k"], ends[1], "o", color=color, markerfacecolor=face)
            ax.annotate(str(step["seeds_alone"]), (step["k"], 1), ha="center", va="bottom",
                        xycoords=("data", "axes fraction"),
                        fontsize=STYLE["xtick.labelsize"])  # fmt: skip
    for name, marker, side in (("one-handed", "3", 0.93), ("two-handed", "4", 1.07)):
        rows = [(side * step["k"], 100 * row["difference"]) for step in steps
                for row in step["strata"] if row["stratum"] == name]  # fmt: skip
        if rows:
            ax.plot(*zip(*rows, strict=True), color="#555555", linestyle="none", marker=marker,
                    markersize=7, label=name)  # fmt: skip
    budget_axis(ax, [step["k"] for step in steps])
    ax.margins(x=0.12)
    if k_star["k"] < k_star["joints"]:
        ax.axvline(k_star["k"], label="K*", zorder=0, **K_STAR_LINE)
    seeds = len(k_star["by_seed"])
    ax.set_title(f"change against all joints, points;\nseeds of {seeds} that pass alone:", pad=14)
    grid_lines(ax)


def _mark_k_star(ax: Axes, k_star: dict) -> None:
    """K* as a line, its range over resampled groups as a bar at the foot."""
    k, joints = k_star["k"], k_star["joints"]
    style = {"transform": ax.get_xaxis_transform(), "scalex": False, "scaley": False}
    ax.plot([k, k], [0, 1], zorder=0, **K_STAR_LINE, **style)
    ends = [k_star["bootstrap"]["low"], k_star["bootstrap"]["high"]]
    style |= {"color": K_STAR_LINE["color"], "linewidth": 2.0, "solid_capstyle": "butt"}
    ax.plot(ends, [0.02, 0.02], **style)
    text = f"K* = {k}" if k < joints else f"K* = {joints}:\nno smaller set shown"
    ax.annotate(f"{text} ", (k, 0.05), xycoords=("data", "axes fraction"), ha="right")


def _not_retrained(ax: Axes, table: pd.DataFrame) -> None:
    """The same selections in a network trained on random subsets (hollow) or with gates (x)."""
    for method, rows in curves(table).items():
        style = look(method)
        regimes = {
            "retrained": {"color": style["color"], "linewidth": 0.5, "alpha": 0.6},
            "masked": {**style, "markerfacecolor": "white"},
            "gated": {**style, "marker": "x", "linewidth": 0.7},
        }
        for regime, drawn in regimes.items():
            part = rows[rows["regime"] == regime]
            ax.plot(part["k"], part["mean"], **drawn)
    masked = table[table["regime"] != "retrained"]
    budget_axis(ax, masked["k"] if len(masked) else table["k"])
    ax.set_title("not retrained (thin: retrained)")
    grid_lines(ax)
    ax.tick_params(labelleft=False)


def _every_method(ax: Axes, table: pd.DataFrame, k: int) -> None:
    """Every method at one K, sorted; all joints and the stratified random draw as lines.

    Methods that hold out training clips stand apart, below a line.
    """
    rows = table[table["k"] == k]
    held_out = rows["method"].map(lambda name: method_of(name).holds_out)
    rows = rows.assign(all_clips=~held_out).sort_values(["all_clips", "mean"])
    if held_out.any():
        ax.axhline(held_out.sum() - 0.5, color="0.6", linewidth=0.6)
    for lines in (table[table["method"] == "full"], rows[rows["method"] == "stratified-random"]):
        style = {**look(lines["method"].iloc[0]), "marker": "none"}
        ax.axvline(lines["mean"].iloc[0], linewidth=0.8, zorder=0, **style)
    for place, method in enumerate(rows["method"]):
        interval(ax, [place], rows.iloc[[place]], across=True, **look(method))
    name_rows(ax, [method_of(method).label for method in rows["method"]])
    ax.set_xlabel("accuracy")
    whole_percents(ax.xaxis, 4)
    ax.set_title(f"every method at K = {k}")


def plot_stability(rows: list[dict]) -> Figure:
    """fig6: agreement of selections over folds and seeds against K, 95 % CI; 0 is chance.

    Bands: 95 % range of random selections with as many joints on each hand. Hollow: `floor` of
    the rows, the index between seeds on the same clips.
    """
    fig, ax = page(COLUMN, 2.6)
    values = ("index", "low", "high", "floor", *MATCHED_KEYS)
    table = pd.DataFrame(rows).astype(dict.fromkeys(values, float))
    for method, part in curves(table).items():
        band = {"color": look(method)["color"], "alpha": 0.2, "linewidth": 0}
        ax.fill_between(part["x"], part["matched_low"], part["matched_high"], **band)
        interval(ax, part["x"], part, "index", **look(method), label=method_of(method).label)
        same_clips = {**look(method), "linestyle": ":", "linewidth": 0.5}
        ax.plot(part["x"], part["floor"], markerfacecolor="white", **same_clips)
    ax.axhline(0, color="#000000", linewidth=0.8)
    budget_axis(ax, pd.concat(curves(table))["k"])
    ax.set_ylabel("stability index (0: chance)")
    grid_lines(ax)
    other = {"color": "#555555", "linestyle": ":", "linewidth": 0.5, "marker": "o"}
    handles, _ = ax.get_legend_handles_labels()
    handles += [
        Line2D([], [], markerfacecolor="white", label="same clips, other seed", **other),
        Patch(color="#555555", alpha=0.2, linewidth=0, label="random, as many on each hand"),
    ]
    fig.legend(handles=handles, loc="outside lower center", ncols=2)
    return fig


def plot_cost(facts: dict) -> Figure:
    """fig8: time, operations and parameters against K, each as a share of its value at 42."""
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
        grid_lines(ax)
        ax.legend(title=f"{title} (with 42 joints)", loc="lower center", bbox_to_anchor=(0.5, 1.0))
    axes[0].set_ylim(bottom=0)
    axes[0].set_ylabel("relative to 42 joints")
    axes[0].yaxis.set_major_formatter(PercentFormatter(1.0))
    return fig


def plot_gates(paths: pd.DataFrame) -> Figure:
    """fig3: share of joints closed (top) and keep probabilities (bottom) over training.

    Top: every run, and their mean. Bottom: a line for each joint in the first fold and seed.
    """
    methods = list(dict.fromkeys(paths["method"]))
    shared = {"sharex": "col", "sharey": "row", "squeeze": False, "height_ratios": [2, 3]}
    fig, axes = page(PAGE, 3.2, 2, len(methods), **shared)
    for (top, bottom), method in zip(axes.T, methods, strict=True):
        part = paths[paths["method"] == method]
        _closed_and_kept(top, bottom, part)
        top.set_title("quick start's mask" if method == "quick-start" else method_of(method).label)
    axes[0, 0].set_ylabel("joints closed")
    axes[0, 0].yaxis.set_major_formatter(PercentFormatter(1.0))
    axes[1, 0].set_ylabel("keep probability")
    looks = [*COURSE_LOOKS.values(), *GATE_LOOKS.values()]
    handles = [Line2D([], [], **style) for style in looks]
    fig.legend(handles=handles, loc="outside upper center", ncols=4)
    fig.supxlabel("epoch", fontsize=STYLE["axes.labelsize"])
    return fig


def _closed_and_kept(top: Axes, bottom: Axes, paths: pd.DataFrame) -> None:
    closed = 1 - paths.groupby(["fold", "seed", "epoch"])["active"].mean()
    for _, run in closed.groupby(["fold", "seed"]):
        top.plot(run.index.get_level_values("epoch"), run, **COURSE_LOOKS["run"])
    mean = closed.groupby("epoch").mean()
    top.plot(mean.index, mean, **COURSE_LOOKS["mean"])
    first = paths[(paths["fold"] == paths["fold"].min()) & (paths["seed"] == paths["seed"].min())]
    for _, path in first.sort_values("epoch").groupby("joint", sort=False):
        style = GATE_LOOKS[bool(path["active"].iloc[-1])]
        bottom.plot(path["epoch"], path["keep_probability"], linewidth=0.6, alpha=0.7, **style)
    for ax in (top, bottom):
        ax.set_ylim(-0.05, 1.05)
