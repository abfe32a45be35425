"""Hands, drawn joint by joint: a frame, shares of joints, and the steps of the method."""

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle
from matplotlib.ticker import PercentFormatter

from jointprune.paper.claims import percent
from jointprune.paper.plots.style import COLUMN, PAGE, mosaic, page
from jointprune.skeleton import BONES, HANDS, JOINT_NAMES, JOINTS

HAND_LOOKS = {
    "both": {"color": "#000000", "marker": "D"},
    "left": {"color": "#E69F00", "marker": "o"},
    "right": {"color": "#0072B2", "marker": "s"},
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
ARROW = {"arrowstyle": "-|>", "color": "#333333", "linewidth": 0.8, "shrinkA": 0, "shrinkB": 0}
BOX = {"facecolor": "#f2f2f2", "edgecolor": "#999999", "linewidth": 0.6}
GAP = 0.1  # between two steps, as a share of their distance


def draw_hand(
    ax: Axes,
    points: np.ndarray,
    present: np.ndarray | None = None,
    *,
    color: str = "#555555",
    sizes: np.ndarray | float = 5.0,
    values: np.ndarray | None = None,
):
    """Draw one hand at `points` (21, 2), y down; returns its joints, for a colour bar.

    Joints not `present` (21,) and their bones are left out. `values` (21,) in 0..1 are shown as
    colours in place of `color`; `sizes` are marker areas in points squared.
    """
    points = np.asarray(points)
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


def draw_shares(ax: Axes, hand: str, frequency: dict[str, float]):
    """One resting hand; sizes and colours of joints are shares in 0..1 by name, others have 0."""
    shares = np.array([frequency.get(f"{hand}.{joint}", 0.0) for joint in JOINTS])
    points = HAND_LAYOUT * [-1 if hand == "left" else 1, 1]
    drawn = draw_hand(ax, points, sizes=8 + 52 * shares, values=shares)
    ax.set_title(f"{hand} hand: {round(shares.sum(), 6):.2f} of 21")
    ax.margins(0.12)
    return drawn


def plot_kept_joints(frequency: dict[str, float], k: int) -> Figure:
    """Share of runs in which each joint was among the K kept, from 0 to 1, on each hand."""
    fig, axes = page(COLUMN, 2.3, 1, 2)
    for ax, hand in zip(axes, HANDS, strict=True):
        drawn = draw_shares(ax, hand, frequency)
    label = f"share of runs that keep the joint (K = {k})"
    fig.colorbar(drawn, ax=axes, orientation="horizontal", shrink=0.7, aspect=35, label=label,
                 format=PercentFormatter(1.0))  # fmt: skip
    return fig


def plot_pipeline(results: dict[str, dict], k: int) -> Figure:
    """fig1: the steps with their counts, and both hands before and after K joints are chosen."""
    panels = [f"{when} {hand}" for when in ("before", "after") for hand in HANDS]
    fig, axes = mosaic(PAGE, 2.9, [["steps"] * 4, panels], height_ratios=[2, 5])
    _draw_steps(axes["steps"], _steps(results, k))
    for hand in HANDS:
        draw_shares(axes[f"before {hand}"], hand, dict.fromkeys(JOINT_NAMES, 1.0))
        axes[f"before {hand}"].set_title(f"{hand} hand: all {len(JOINTS)}")
        drawn = draw_shares(axes[f"after {hand}"], hand, results["pruning"]["frequency"][str(k)])
    label, hands = f"runs that keep the joint (K = {k})", [axes[name] for name in panels]
    fig.colorbar(drawn, ax=hands, pad=0.02, shrink=0.95, label=label, format=PercentFormatter(1.0))
    return fig


def _steps(results: dict[str, dict], k: int) -> list[tuple[str, str]]:
    """A title and two lines for each step."""
    data, total = results["dataset"], results["pruning"]["joints"]
    rows = {(row["method"], row["k"], row["regime"]): row
            for row in results["ablation"]["accuracy"]}  # fmt: skip
    learned, full = rows["learned", k, "retrained"], rows["full", total, "retrained"]
    group, word = data["group_word"], data["class_word"]
    clips = f"{data['clips']} clips,\n{data['classes']} {word}s,\n{data['groups']} {group}s"
    star = results["ablation"]["k_star"][0]
    found = f"K* = {star['k']}" if star["k"] < total else "no K*"
    accuracy = f"{percent(learned['mean'])} % (all: {percent(full['mean'])} %);\n"
    accuracy += f"{found} (loss < {100 * star['margin']:g} pt)"
    return [
        ("recordings", clips),
        (f"{total} gates", "one per joint, learned\nwith the classifier"),
        (f"{k} joints kept", f"gates close until\n{k} joints are left"),
        ("retrained", f"from scratch on these\nin {learned['runs']} runs"),
        ("tested", f"on {group}s held out,\n{accuracy}"),
    ]


def _draw_steps(ax: Axes, steps: list[tuple[str, str]]) -> None:
    """Boxes in a row, an arrow from each to the next."""
    ax.set(xlim=(-0.01, len(steps) - GAP + 0.01), ylim=(-0.02, 1.02))
    ax.set_axis_off()
    for place, (title, lines) in enumerate(steps):
        middle = place + (1 - GAP) / 2
        ax.text(middle, 0.88, title, ha="center", va="top", weight="bold")
        ax.text(middle, 0.55, lines, ha="center", va="top", fontsize=6.5, linespacing=1.4)
        ax.add_patch(Rectangle((place, 0.0), 1 - GAP, 1, **BOX))
        if place:
            ax.annotate("", (place, 0.5), (place - GAP, 0.5), arrowprops=ARROW)
