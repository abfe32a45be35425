"""What is done, from recordings to a number, and the joints that are left."""

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle
from matplotlib.ticker import PercentFormatter

from jointprune.paper.claims import percent
from jointprune.paper.plots.hands import draw_shares
from jointprune.paper.plots.looks import PAGE, mosaic
from jointprune.skeleton import HANDS, JOINT_NAMES, JOINTS

ARROW = {"arrowstyle": "-|>", "color": "#333333", "linewidth": 0.8, "shrinkA": 0, "shrinkB": 0}
BOX = {"facecolor": "#f2f2f2", "edgecolor": "#999999", "linewidth": 0.6}
GAP = 0.1  # between two steps, as a share of their distance


def plot_pipeline(results: dict[str, dict], k: int) -> Figure:
    """fig1: the steps with their counts, and both hands before and after the choice of K joints.

    `results` as `numbers.load_results` gives them. Right: size and colour of a joint are the
    share of runs that keep it.
    """
    pairs = [f"{when} {hand}" for when in ("before", "after") for hand in HANDS]
    fig, axes = mosaic(PAGE, 2.9, [["steps"] * 4, pairs], height_ratios=[2, 5])
    _steps(axes["steps"], _words(results, k))
    everything = dict.fromkeys(JOINT_NAMES, 1.0)
    for hand in HANDS:
        draw_shares(axes[f"before {hand}"], hand, everything)
        axes[f"before {hand}"].set_title(f"{hand} hand: all {len(JOINTS)}")
        drawn = draw_shares(axes[f"after {hand}"], hand, results["pruning"]["frequency"][str(k)])
    bar = fig.colorbar(drawn, ax=[axes[pair] for pair in pairs], pad=0.02, shrink=0.95)
    bar.set_label(f"runs that keep the joint (K = {k})")
    bar.ax.yaxis.set_major_formatter(PercentFormatter(1.0))
    return fig


def _words(results: dict[str, dict], k: int) -> list[tuple[str, str]]:
    """A title and two lines for each step."""
    data, total = results["dataset"], results["pruning"]["joints"]
    rows = {(row["method"], row["k"]): row for row in results["ablation"]["accuracy"]}
    learned, full, group = rows["learned", k], rows["full", total], data["group_word"]
    clips = f"{data['clips']} clips of\n{data['classes']} signs, {data['groups']} {group}s"
    accuracy = f"{percent(learned['mean'])} % (all {total}: {percent(full['mean'])} %)"
    return [
        ("recordings", clips),
        (f"{total} gates", "one a joint, learned\nwith the classifier"),
        (f"{k} joints kept", f"gates close until\n{k} joints are left"),
        ("retrained", f"from scratch on these\nin {learned['runs']} runs"),
        ("tested", f"on {group}s held out,\n{accuracy}"),
    ]


def _steps(ax: Axes, steps: list[tuple[str, str]]) -> None:
    """Boxes in a row, an arrow from each to the next."""
    ax.set_xlim(-0.01, len(steps) - GAP + 0.01)
    ax.set_ylim(-0.02, 1.02)
    ax.set_axis_off()
    for place, (title, words) in enumerate(steps):
        middle = place + (1 - GAP) / 2
        ax.text(middle, 0.88, title, ha="center", va="top", weight="bold")
        ax.text(middle, 0.55, words, ha="center", va="top", fontsize=6.5, linespacing=1.4)
        ax.add_patch(Rectangle((place, 0.0), 1 - GAP, 1, **BOX))
        if place:
            ax.annotate("", (place, 0.5), (place - GAP, 0.5), arrowprops=ARROW)
