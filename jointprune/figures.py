"""The pictures of the paper, each drawn at the width it is printed.

A column is 3.4 inches wide, a page 7. Functions take facts as `data/results/` holds them
and return the figure; `save` writes PDF and PNG whose bytes depend on the facts alone.
"""

from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import PercentFormatter

from jointprune.skeleton import BONES, FINGERS, HANDS, JOINTS
from jointprune.workspace import atomic_path

COLUMN, PAGE = 3.4, 7.0  # inches
STYLE = {
    "font.size": 7, "axes.labelsize": 7, "axes.titlesize": 7, "legend.fontsize": 6.5,
    "xtick.labelsize": 6.5, "ytick.labelsize": 6.5, "lines.linewidth": 1.0,
    "lines.markersize": 3.5, "axes.linewidth": 0.6, "axes.spines.top": False,
    "axes.spines.right": False, "legend.frameon": False, "figure.constrained_layout.use": True,
    "pdf.fonttype": 42, "savefig.bbox": "standard", "savefig.dpi": 300, "figure.dpi": 150,
}  # fmt: skip

# Okabe and Ito's colour-blind-safe palette; the marker tells the methods apart in grey too.
LOOKS = {
    "full": {"color": "#000000", "marker": "D", "linestyle": "-"},
    "learned": {"color": "#0072B2", "marker": "o", "linestyle": "-"},
    "stratified-random": {"color": "#D55E00", "marker": "s", "linestyle": "--"},
    "hand-matched-random": {"color": "#999999", "marker": "d", "linestyle": "none"},
    "fingertips+wrist": {"color": "#009E73", "marker": "^", "linestyle": "none"},
    "fingertips": {"color": "#56B4E9", "marker": "v", "linestyle": "none"},
    "knuckles": {"color": "#CC79A7", "marker": "X", "linestyle": "none"},
    "right hand": {"color": "#E69F00", "marker": "P", "linestyle": "none"},
}
HAND_LOOKS = {
    "both": {"color": "#000000", "marker": "D"},
    "left": {"color": "#E69F00", "marker": "o"},
    "right": {"color": "#0072B2", "marker": "s"},
}
GATE_LOOKS = {
    "active at the end": {"color": "#0072B2", "linestyle": "-"},
    "closed at the end": {"color": "#D55E00", "linestyle": (0, (3, 2))},
}

# A right hand at rest, palm to the reader, fingers up: (joint, xy) in palm lengths (wrist to
# middle knuckle), y down as in the store. Mirror x for a left hand. Schematic, not measured.
HAND_LAYOUT = np.array([
    [0.00, 0.00],
    [0.36, -0.22], [0.64, -0.48], [0.84, -0.76], [1.00, -1.02],
    [0.34, -0.97], [0.42, -1.38], [0.46, -1.66], [0.49, -1.92],
    [0.00, -1.00], [0.00, -1.48], [0.00, -1.80], [0.00, -2.08],
    [-0.29, -0.93], [-0.34, -1.36], [-0.37, -1.66], [-0.39, -1.93],
    [-0.55, -0.80], [-0.66, -1.13], [-0.73, -1.36], [-0.79, -1.58],
])  # fmt: skip


def _figure(width: float, height: float, rows: int = 1, columns: int = 1, **grid):
    """A figure in inches in the one style, and its axes."""
    plt.rcParams.update(STYLE)
    return plt.subplots(rows, columns, figsize=(width, height), **grid)


def save(fig: Figure, stem: str, folder: Path) -> list[Path]:
    """Write `folder/stem.pdf` and `.png`; drawing the same facts again changes no byte."""
    paths = []
    for kind, undated in (("pdf", {"CreationDate": None}), ("png", {"Software": None})):
        paths.append(Path(folder) / f"{stem}.{kind}")
        with atomic_path(paths[-1]) as temporary, plt.rc_context(STYLE):
            fig.savefig(temporary, format=kind, metadata=undated)
    return paths


def draw_hand(
    ax: Axes,
    points: np.ndarray,
    present: np.ndarray | None = None,
    *,
    color: str = "#555555",
    sizes: np.ndarray | float = 5.0,
    values: np.ndarray | None = None,
):
    """Draw one hand: `points` (21, 2), y down; joints not `present` (21,) and their bones left out.

    `sizes` are marker areas in points squared; `values` (21,) in 0..1 colour the joints.
    Returns the drawn joints, which a colour bar can take.
    """
    points = np.asarray(points)
    if points.shape != (len(JOINTS), 2):
        raise ValueError(f"expected points (21, 2), got {points.shape}: pass one hand's x and y")
    present = np.ones(len(JOINTS), bool) if present is None else np.asarray(present, bool)
    for child, parent in BONES:
        if present[child] and present[parent]:
            ax.plot(*points[[child, parent]].T, color="#bbbbbb", linewidth=1.0, zorder=1)
    sizes = np.broadcast_to(sizes, len(JOINTS))[present]
    shade = {"color": color} if values is None else {
        "c": np.asarray(values)[present], "cmap": "viridis_r", "vmin": 0, "vmax": 1,
        "edgecolors": "#333333", "linewidths": 0.4,
    }  # fmt: skip
    joints = ax.scatter(*points[present].T, s=sizes, zorder=2, **shade)
    ax.set_aspect("equal")
    ax.set_axis_off()
    if not ax.yaxis_inverted():
        ax.invert_yaxis()
    return joints


def kept_joints(frequency: dict[str, float], k: int) -> Figure:
    """fig1: on each hand, how often each joint was among the K kept; shares in 0..1."""
    fig, axes = _figure(COLUMN, 2.3, 1, 2)
    for ax, hand, side in zip(axes, HANDS, (-1, 1), strict=True):
        shares = np.array([frequency.get(f"{hand}.{joint}", 0.0) for joint in JOINTS])
        points = HAND_LAYOUT * [side, 1]
        drawn = draw_hand(ax, points, sizes=8 + 52 * shares, values=shares)
        ax.set_title(f"{hand} hand: {shares.sum():.1f} of 21")
        ax.margins(0.12)
    bar = fig.colorbar(drawn, ax=axes, orientation="horizontal", shrink=0.7, aspect=35)
    bar.set_label(f"share of runs that keep the joint (K = {k})")
    bar.ax.xaxis.set_major_formatter(PercentFormatter(1.0))
    return fig


def accuracy_against_k(accuracy: list[dict]) -> Figure:
    """fig2: accuracy against K with 95 % intervals; all joints as a band across.

    `accuracy` holds rows with method, k, mean, low, high.
    """
    fig, ax = _figure(COLUMN, 3.1)
    table = pd.DataFrame(accuracy)
    full = table[table["method"] == "full"].iloc[0]
    ax.axhspan(full["low"], full["high"], color="#000000", alpha=0.08, linewidth=0)
    ax.axhline(full["mean"], color="#000000", linewidth=0.8, label=f"all {full['k']} joints")
    methods = sorted(set(table["method"]) - {"full"}, key=list(LOOKS).index)
    # Methods of the same K stand beside each other, in the order of the legend.
    table["place"] = table["method"].map(list(LOOKS).index)
    shared = table.groupby("k")["place"]
    table["x"] = table["k"] + 0.5 * (shared.rank() - (shared.transform("count") + 1) / 2)
    for method in methods:
        rows = table[table["method"] == method].sort_values("k")
        _interval(ax, rows["x"], rows, label=method, **LOOKS[method])
    budgets = sorted(set(table["k"]) - {full["k"]})
    ax.set_xticks(budgets, budgets)
    ax.set_xlabel("joints kept, K")
    _accuracy_axis(ax)
    fig.legend(loc="outside lower center", ncols=2)
    return fig


def _interval(ax: Axes, x, rows: pd.DataFrame, **look) -> None:
    """Means with bars from low to high at x."""
    bars = np.abs(rows[["low", "high"]].to_numpy().T - rows["mean"].to_numpy())
    ax.errorbar(x, rows["mean"], yerr=bars, elinewidth=0.7, **look)


def _accuracy_axis(ax: Axes) -> None:
    ax.set_ylabel("accuracy, languages held out")
    ax.yaxis.set_major_formatter(PercentFormatter(1.0, decimals=0))
    ax.grid(axis="y", color="#e5e5e5", linewidth=0.5)
    ax.set_axisbelow(True)


def gates(paths: pd.DataFrame) -> Figure:
    """fig3: share of joints closed (top) and keep probabilities (bottom) over training.

    `paths` has one row a mask, fold, seed, epoch and joint. On top every run and their mean;
    below the first fold and seed, joints that end active drawn solid, the others dashed.
    """
    masks = list(dict.fromkeys(paths["mask"]))
    fig, axes = _figure(
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


def leave_out(rows: list[dict]) -> Figure:
    """fig4: accuracy lost without each joint, finger or hand, with 95 % intervals.

    Filled: the joint masked in the trained model; hollow: the model retrained without it.
    """
    fig, axes = _figure(PAGE, 3.6, 1, 2, width_ratios=[3, 2])
    table = pd.DataFrame(rows)
    joints, parts = (table[table["kind"] == "joint"], table[table["kind"] != "joint"])
    _losses(axes[0], joints, list(JOINTS))
    _losses(axes[1], parts, [*FINGERS, "hand"])
    legends = [ax.get_legend_handles_labels() for ax in axes]
    known = {label: handle for pair in legends for handle, label in zip(*pair, strict=True)}
    fig.legend(known.values(), known.keys(), loc="outside lower center", ncols=4)
    return fig


def _losses(ax: Axes, table: pd.DataFrame, names: list[str]) -> None:
    """Losses in points, one line a name of `names`, left and right hand beside each other.

    A name is "left.index_tip", "left.index" or "left"; without a hand it is of both.
    """
    split = (
        table["name"].str.extract(r"^(?:(left|right)\.?)?(.*)$").replace("", "hand").fillna("both")
    )
    ax.axvline(0, color="#999999", linewidth=0.6)
    for hand, shift in (("left", -0.17), ("both", 0.0), ("right", 0.17)):
        of_hand = table[split[0] == hand]
        if of_hand.empty:
            continue
        y = split.loc[of_hand.index, 1].map(names.index).to_numpy(dtype=float) + shift
        loss, ends = 100 * of_hand["loss"].to_numpy(), 100 * of_hand[["low", "high"]].to_numpy().T
        bars, look = np.abs(ends - loss), HAND_LOOKS[hand]
        ax.errorbar(loss, y, xerr=bars, linestyle="none", elinewidth=0.7,
                    label=f"{hand}, masked", **look)  # fmt: skip
        again = pd.to_numeric(of_hand["retrained_loss"])
        if again.notna().any():
            ax.plot(100 * again, y, linestyle="none", markerfacecolor="white",
                    label=f"{hand}, retrained", **look)  # fmt: skip
    ax.set_yticks(range(len(names)), [name.replace("_", " ") for name in names])
    ax.set_ylim(len(names) - 0.4, -0.6)
    ax.set_xlabel("accuracy lost (points)")
    ax.grid(axis="y", color="#eeeeee", linewidth=0.5)
    ax.set_axisbelow(True)


def languages(table: pd.DataFrame) -> Figure:
    """fig5: accuracy by language and method, ordered by accuracy with all joints.

    `table` has columns method, k, group, mean, low, high, as `evaluation.by_group` makes it.
    """
    fig, ax = _figure(PAGE, 2.5)
    ranked = table[table["method"] == "full"].sort_values("mean", ascending=False)
    order = list(ranked["group"])
    methods = list(dict.fromkeys(zip(table["method"], table["k"], strict=True)))
    for (method, k), shift in zip(methods, np.linspace(-0.22, 0.22, len(methods)), strict=True):
        rows = table[(table["method"] == method) & (table["k"] == k)]
        x = rows["group"].map(order.index) + shift
        look = {**LOOKS[method], "linestyle": "none"}
        _interval(ax, x, rows, label=f"{method}, {k} joints", **look)
    ax.set_xticks(range(len(order)), order)
    ax.set_xlabel("language (ISO 639-3)")
    _accuracy_axis(ax)
    ax.legend(ncols=len(methods), loc="lower center", bbox_to_anchor=(0.5, 1.0))
    return fig
