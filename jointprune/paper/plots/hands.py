"""Hands, drawn joint by joint."""

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import PercentFormatter

from jointprune.paper.plots.looks import COLUMN, page
from jointprune.skeleton import BONES, HANDS, JOINTS

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


def plot_kept_joints(frequency: dict[str, float], k: int) -> Figure:
    """On each hand, how often each joint was among the K kept; shares in 0..1."""
    fig, axes = page(COLUMN, 2.3, 1, 2)
    for ax, hand in zip(axes, HANDS, strict=True):
        drawn = draw_shares(ax, hand, frequency)
    bar = fig.colorbar(drawn, ax=axes, orientation="horizontal", shrink=0.7, aspect=35)
    bar.set_label(f"share of runs that keep the joint (K = {k})")
    bar.ax.xaxis.set_major_formatter(PercentFormatter(1.0))
    return fig


def draw_shares(ax: Axes, hand: str, frequency: dict[str, float]):
    """One resting hand: size and colour of a joint are its share, 0..1, by name such as
    "left.wrist"; joints without one have 0. Returns the drawn joints."""
    shares = np.array([frequency.get(f"{hand}.{joint}", 0.0) for joint in JOINTS])
    points = HAND_LAYOUT * [-1 if hand == "left" else 1, 1]
    drawn = draw_hand(ax, points, sizes=8 + 52 * shares, values=shares)
    ax.set_title(f"{hand} hand: {round(shares.sum(), 6):.1f} of 21")
    ax.margins(0.12)
    return drawn
