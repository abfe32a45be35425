"""What is lost and won: by joint, finger and hand, by group and by sign."""

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from jointprune.paper.claims import method_words
from jointprune.paper.comparisons import ALPHA
from jointprune.paper.plots.hands import draw_shares
from jointprune.paper.plots.looks import (
    PAGE,
    accuracy_axis,
    interval,
    lines_across,
    look,
    mosaic,
    name_ticks,
    page,
)
from jointprune.skeleton import FINGERS, HANDS, JOINTS

HAND_LOOKS = {
    "both": {"color": "#000000", "marker": "D"},
    "left": {"color": "#E69F00", "marker": "o"},
    "right": {"color": "#0072B2", "marker": "s"},
}

# The colours of losses end at a multiple of so many points.
STEP = 5
# Signs in a panel of changes.
SHOWN = 30
GROUP_CODES = {"language": " (ISO 639-3)"}


def plot_leave_out(rows: list[dict]) -> Figure:
    """fig4: accuracy lost without each joint, finger or hand, with 95 % intervals.

    Left: size and colour of a joint are its loss. Filled: the joint masked in the trained model;
    hollow: the model retrained without it.
    """
    layout = [[hand, "joints", "parts"] for hand in HANDS]
    fig, axes = mosaic(PAGE, 3.6, layout, width_ratios=[5, 7, 5])
    table = pd.DataFrame(rows)
    joints, parts = (table[table["kind"] == "joint"], table[table["kind"] != "joint"])
    _losses_on_hands(fig, axes, 100 * joints.set_index("name")["loss"])
    _losses(axes["joints"], joints, list(JOINTS))
    _losses(axes["parts"], parts, [*FINGERS, "hand"])
    legends = [axes[name].get_legend_handles_labels() for name in ("joints", "parts")]
    known = {label: handle for pair in legends for handle, label in zip(*pair, strict=True)}
    labels = sorted(known, key=lambda label: ("retrained" in label, label))
    fig.legend([known[label] for label in labels], labels, loc="outside lower center", ncols=6)
    return fig


def _losses_on_hands(fig: Figure, axes: dict[str, Axes], losses: pd.Series) -> None:
    """Losses in points, by joint, as size and colour; a gain is drawn as no loss."""
    most = STEP * max(np.ceil(losses.max() / STEP), 1)
    shares = (losses / most).clip(0).to_dict()
    for hand in HANDS:
        drawn = draw_shares(axes[hand], hand, shares)
        axes[hand].set_title(f"{hand} hand")
    bar = fig.colorbar(drawn, ax=[axes[hand] for hand in HANDS], location="left", shrink=0.8)
    bar.set_ticks([0, 0.5, 1], labels=[f"{share * most:g}" for share in (0, 0.5, 1)])
    bar.set_label("accuracy lost (points)")


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
        bars, style = np.abs(ends - loss), HAND_LOOKS[hand]
        ax.errorbar(loss, y, xerr=bars, linestyle="none", elinewidth=0.7,
                    label=f"{hand}, masked", **style)  # fmt: skip
        again = pd.to_numeric(of_hand["retrained_loss"])  # lower, as it may be the same loss
        if again.notna().any():
            ax.plot(100 * again, y + 0.2, linestyle="none", markerfacecolor="white",
                    label=f"{hand}, retrained", **style)  # fmt: skip
    ax.set_yticks(range(len(names)), [name.replace("_", " ") for name in names])
    ax.set_ylim(len(names) - 0.4, -0.6)
    ax.set_xlabel("accuracy lost (points)")
    ax.grid(axis="y", color="#eeeeee", linewidth=0.5)
    ax.set_axisbelow(True)


def plot_groups(
    table: pd.DataFrame, rows: dict[str, list[dict]], group: str = "language"
) -> Figure:
    """fig5: accuracy by group and method; below, who wins and loses, by group and sign.

    `table` has columns method, k, group, mean, low, high, as `evaluation.by_group` makes it;
    `rows` and `group` are as for `changes`. Groups are ordered by accuracy with all joints.
    """
    fig, (top, *below) = page(PAGE, 5.2, 3, 1, height_ratios=[3, 2, 2])
    ranked = table[table["method"] == "full"].sort_values("mean", ascending=False)
    order = list(ranked["group"])
    methods = list(dict.fromkeys(zip(table["method"], table["k"], strict=True)))
    for (method, k), shift in zip(methods, np.linspace(-0.22, 0.22, len(methods)), strict=True):
        part = table[(table["method"] == method) & (table["k"] == k)]
        label = "all joints" if method == "full" else f"{method_words(method)}, {k} joints"
        style = {**look(method), "linestyle": "none", "label": label}
        interval(top, part["group"].map(order.index) + shift, part, **style)
    name_ticks(top, order)
    accuracy_axis(top, group)
    top.legend(ncols=len(methods), loc="lower center", bbox_to_anchor=(0.5, 1.0))
    _changes(below, rows, order, group)
    return fig


def plot_changes(rows: dict[str, list[dict]], group: str = "language") -> Figure:
    """Winners and losers with 12 learned joints instead of 42, by group and by sign.

    `rows["group"]` and `rows["sign"]` hold name, difference, low, high, p_holm; a `group` is
    what folds keep apart. Filled marks: different after Holm's correction over the panel. Of
    more than SHOWN signs, those that change most are shown.
    """
    fig, axes = page(PAGE, 3.0, 2, 1)
    _changes(axes, rows, [row["name"] for row in rows["group"]], group)
    return fig


def _changes(axes, rows: dict[str, list[dict]], groups: list[str], group: str) -> None:
    """Groups in the order given, signs by their difference."""
    most = sorted(rows["sign"], key=lambda row: -abs(row["difference"]))[:SHOWN]
    signs = sorted(most, key=lambda row: -row["difference"])
    orders = {"group": groups, "sign": [row["name"] for row in signs]}
    more = len(rows["sign"]) > SHOWN
    of_all = f" ({SHOWN} that change most, of {len(rows['sign'])})" if more else ""
    labels = {"group": group + GROUP_CODES.get(group, ""), "sign": f"sign{of_all}"}
    for ax, (kind, order) in zip(axes, orders.items(), strict=True):
        table = pd.DataFrame(rows[kind]).set_index("name").loc[order].reset_index()
        shown = table["p_holm"] < ALPHA
        style = {**look("learned"), "linestyle": "none"}
        for part, fill in ((table[shown], {}), (table[~shown], {"markerfacecolor": "white"})):
            interval(ax, part.index, part, "difference", 100, **style, **fill)
        ax.axhline(0, color="#999999", linewidth=0.6)
        name_ticks(ax, order)
        ax.set_xlabel(labels[kind])
        ax.set_ylabel("change (points)")
        lines_across(ax)
