"""Accuracy lost and gained by joint, finger, hand, group and class; informative joints found."""

from itertools import product

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from jointprune.paper.claims import AT
from jointprune.paper.comparisons import ALPHA
from jointprune.paper.plots.hands import HAND_LOOKS, draw_shares
from jointprune.paper.plots.style import (
    PAGE,
    accuracy_axis,
    grid_lines,
    interval,
    look,
    mosaic,
    name_rows,
    name_ticks,
    page,
    whole_percents,
)
from jointprune.selection import method_of
from jointprune.skeleton import FINGERS, HAND_OF, HANDS, JOINTS, SHORT_NAME

# Hand and row in figure 4 of each part that is left out; a finger is left out on both hands.
PARTS = {
    **{name: (HAND_OF[name], SHORT_NAME[name]) for name in HAND_OF},
    **{finger: ("both", finger) for finger in FINGERS},
    **{hand: (hand, "hand") for hand in HANDS},
}
ENDS = (1, 2, 5, 10, 20, 50, 100)  # points, at which the colours of losses may end
SHOWN = 30  # classes in a panel of changes
GROUP_CODES = {"language": " (ISO 639-3)"}


def plot_leave_out(rows: list[dict]) -> Figure:
    """fig4: accuracy lost without each joint, finger or hand, with 95 % CI.

    Filled: the part is masked in the trained model; hollow: the model is retrained without it.
    """
    layout = [[hand, "joints", "parts"] for hand in HANDS]
    fig, axes = mosaic(PAGE, 3.6, layout, width_ratios=[5, 7, 5])
    table = pd.DataFrame(rows)
    of_joint = table["kind"] == "joint"
    _losses_on_hands(fig, axes, 100 * table[of_joint].set_index("name")["loss"])
    _losses(axes["joints"], table[of_joint], list(JOINTS))
    _losses(axes["parts"], table[~of_joint], [*FINGERS, "hand"])
    axes["joints"].set_title("a joint left out")
    axes["parts"].set_title("a finger or a hand left out")
    handles, labels = axes["parts"].get_legend_handles_labels()
    drawn = dict(sorted(zip(labels, handles, strict=True), key=lambda pair: pair[0]))
    fig.legend(drawn.values(), drawn, loc="outside lower center", ncols=6)
    return fig


def _losses_on_hands(fig: Figure, axes: dict[str, Axes], losses: pd.Series) -> None:
    """Losses in points, by joint, as size and colour; a gain is drawn as no loss."""
    most = next(end for end in ENDS if losses.max() <= end)
    shares = (losses / most).clip(0).to_dict()
    for hand in HANDS:
        drawn = draw_shares(axes[hand], hand, shares)
        axes[hand].set_title(f"{hand} hand")
    fig.colorbar(drawn, ax=[axes[hand] for hand in HANDS], location="left", shrink=0.8,
                 ticks=[0, 0.5, 1], format=lambda share, _: f"{share * most:g}",
                 label="accuracy lost, joint masked (points)")  # fmt: skip


def _losses(ax: Axes, table: pd.DataFrame, names: list[str]) -> None:
    """Losses in points, a row for each of `names`, left and right hand side by side."""
    hands, places = zip(*(PARTS[name] for name in table["name"]), strict=True)
    table = table.assign(hand=hands, y=[names.index(place) for place in places])
    table["retrained_loss"] = pd.to_numeric(table["retrained_loss"])
    ax.axvline(0, color="#999999", linewidth=0.6)
    for hand, shift in (("left", -0.17), ("both", 0.0), ("right", 0.17)):
        part, style = table[table["hand"] == hand], {**HAND_LOOKS[hand], "linestyle": "none"}
        if part.empty:
            continue
        y = part["y"] + shift
        interval(ax, y, part, "loss", 100, across=True, label=f"{hand}, masked", **style)
        if part["retrained_loss"].notna().any():  # lower, because both losses may be equal
            ax.plot(100 * part["retrained_loss"], y + 0.2, markerfacecolor="white",
                    label=f"{hand}, retrained", **style)  # fmt: skip
    name_rows(ax, [name.replace("_", " ") for name in names])
    ax.set_ylim(len(names) - 0.4, -0.6)
    ax.set_xlabel("accuracy lost (points)")


def plot_groups(
    table: pd.DataFrame,
    changes: dict[str, list[dict]],
    group: str = "language",
    class_word: str = "letter",
) -> Figure:
    """fig5: accuracy by group and method (of `tables.by_group`), and below as `plot_changes`.

    Groups are ordered by accuracy with all joints.
    """
    fig, (top, *below) = page(PAGE, 5.2, 3, 1, height_ratios=[3, 2, 2])
    ranked = table[table["method"] == "full"].sort_values("mean", ascending=False)
    order = list(ranked["group"])
    parts = list(table.groupby(["method", "k"], sort=False))
    shifts = np.linspace(-0.22, 0.22, len(parts))
    for ((method, k), part), shift in zip(parts, shifts, strict=True):
        label = method_of(method).label + ("" if method == "full" else f", {k} joints")
        style = {**look(method), "linestyle": "none", "label": label}
        interval(top, part["group"].map(order.index) + shift, part, **style)
    name_ticks(top, order)
    top.tick_params(labelbottom=False)  # the names stand below the next panel
    accuracy_axis(top, group)
    top.legend(ncols=len(parts), loc="lower center", bbox_to_anchor=(0.5, 1.0))
    _changes(below, changes, order, group, class_word)
    return fig


def plot_changes(
    changes: dict[str, list[dict]], group: str = "language", class_word: str = "letter"
) -> Figure:
    """Accuracy with 12 learned joints minus that with 42, by group and by class.

    Filled marks are classes that differ from 0 after Holm's correction; groups are not tested. Of
    many classes, the 30 that change most are shown. `group` and `class_word` are the words for
    both, such as "letter".
    """
    fig, axes = page(PAGE, 3.0, 2, 1)
    _changes(axes, changes, [row["name"] for row in changes["group"]], group, class_word)
    return fig


def _changes(axes, changes: dict[str, list[dict]], groups: list[str], group, label) -> None:
    """Groups in the order given, classes by their difference."""
    classes, by_class = changes["class"], f"by {label} (filled: established by a test)"
    if len(classes) > SHOWN:
        label += f" ({SHOWN} that change most, of {len(classes)})"
        classes = sorted(classes, key=lambda row: -abs(row["difference"]))[:SHOWN]
    axes[0].set_title(f"{AT} learned joints minus all joints, not tested")
    axes[1].set_title(by_class)
    by_group = sorted(changes["group"], key=lambda row: groups.index(row["name"]))
    draw_changes(axes[0], by_group, group + GROUP_CODES.get(group, ""))
    draw_changes(axes[1], sorted(classes, key=lambda row: -row["difference"]), label)


def draw_changes(ax: Axes, rows: list[dict], label: str) -> None:
    """Changes in points, in the order of `rows`; filled where a test finds them."""
    table = pd.DataFrame(rows)
    differs = table.get("p_holm", pd.Series(1.0, table.index)) < ALPHA
    style = {**look("learned"), "linestyle": "none"}
    for part, fill in ((table[differs], {}), (table[~differs], {"markerfacecolor": "white"})):
        interval(ax, part.index, part, "difference", 100, **style, **fill)
    ax.axhline(0, color="#999999", linewidth=0.6)
    name_ticks(ax, list(table["name"]))
    ax.set_xlabel(label)
    ax.set_ylabel("change (points)")
    grid_lines(ax)


def plot_transfer(rows: list[dict], labels: dict[str, str]) -> Figure:
    """fig10: accuracy on each data set (columns) with the joints of each origin, by K (rows).

    `rows` are those of `transfer.transfer`; `labels` names origins and data sets, in their order
    from the top. Lines: all joints, and (dotted) stratified random ones.
    """
    table = pd.DataFrame(rows)
    titles = table["tested_on"].unique()
    few = table[table["origin"] != "full"]
    ks, names = sorted(few["k"].unique()), [*reversed(labels)]
    fig, axes = page(PAGE, 2.2 * len(ks), len(ks), len(titles), sharey="row", squeeze=False)
    for (line, k), (column, data) in product(enumerate(ks), enumerate(titles)):
        ax, own = axes[line, column], table[table["tested_on"] == data]
        shown = own[own["k"] == k].set_index("origin")
        places = [name for name in names if name in set(few.loc[few["k"] == k, "origin"])]
        full, drawn = own[own["origin"] == "full"], shown.loc[["stratified-random"]]
        for line_of, dash, name in ((full, "-", "all joints"), (drawn, ":", "stratified random")):
            style = {"color": "0.4", "linewidth": 0.8, "linestyle": dash, "zorder": 0}
            ax.axvline(line_of["mean"].iloc[0], label=name, **style)
        for place, origin in enumerate(places):
            if origin in shown.index:
                style = look("learned" if origin == "learned" else "random")
                interval(ax, [place], shown.loc[[origin]], across=True, **style)
        name_rows(ax, [labels[origin] for origin in places])
        whole_percents(ax.xaxis, 4)
        if line == 0:
            ax.set_title(labels[data])
    for ax, k in zip(axes[:, 0], ks, strict=True):
        ax.set_ylabel(f"{k} joints (or as given) from")
    for ax in axes[-1]:
        ax.set_xlabel("accuracy")
    fig.align_ylabels(axes[:, 0])
    fig.legend(*axes[0, 0].get_legend_handles_labels(), loc="outside upper right", ncols=2)
    return fig


def plot_synthetic(rows: list[dict], k: int) -> Figure:
    """fig7: share of the `k` informative joints found in synthetic data, with its range over seeds.

    Left: K is given. Right: methods that choose K themselves.
    """
    table = pd.DataFrame(rows).sort_values("precision", kind="stable", ignore_index=True)
    fig, axes = page(PAGE, 0.9 + 0.16 * len(table), 1, 2)
    _k_given(axes[0], table)
    _k_chosen(axes[1], table.dropna(subset="stop_k").reset_index(), k)
    return fig


def _k_given(ax: Axes, table: pd.DataFrame) -> None:
    for y, method in enumerate(table["method"]):  # precision equals recall
        style = {**look(method), "linestyle": "none"}
        interval(ax, [y], table.iloc[[y]], "precision", across=True, **style)
    name_rows(ax, [method_of(method).label for method in table["method"]])
    ax.set_ylim(-0.6, len(table) - 0.4)
    ax.axvline(1, color="#999999", linewidth=0.6)
    ax.set_xlim(-0.03, 1.06)
    ax.set_xlabel("share found, synthetic data, K given")


def _k_chosen(ax: Axes, table: pd.DataFrame, k: int) -> None:
    ax.axvline(k, color="#000000", linewidth=0.8)
    ax.annotate(f"{k} informative", (k, 1), xycoords=("data", "axes fraction"), ha="center",
                va="bottom")  # fmt: skip
    names = []
    for y, row in table.iterrows():
        ax.plot(row["stop_k"], y, **{**look(row["method"]), "linestyle": "none"})
        found = f"precision {row['stop_precision']:.2f}, recall {row['stop_recall']:.2f}"
        names.append(f"{method_of(row['method']).label}\n{found}")
    name_rows(ax, names)
    ax.set_ylim(-0.6, len(table) - 0.4)
    ax.set_xlim(0, 43)
    ax.set_xticks([0, 10, 20, 30, 42])
    ax.set_xlabel("joints kept; the method chooses K itself")
