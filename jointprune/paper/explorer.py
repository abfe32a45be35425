"""Explore the results of one method at one K: a picture, a film of a clip, and a slider.

The same results are the facts of the site's page (`page_facts`), which needs no Python.
"""

from collections.abc import Iterable
from dataclasses import dataclass, replace

import matplotlib.pyplot as plt
import pandas as pd
from IPython.display import HTML, display
from ipywidgets import Dropdown, HBox, SelectionSlider, VBox, interactive_output
from matplotlib.figure import Figure
from tqdm import tqdm

from jointprune.dataset import SignDataset
from jointprune.paper.animation import film
from jointprune.paper.claims import interval, percent
from jointprune.paper.plots import draw_changes, draw_curves, draw_shares
from jointprune.paper.plots.style import PAGE, curves, page
from jointprune.paper.results import read_facts, read_table
from jointprune.paper.tables import changes_by
from jointprune.selection import METHODS
from jointprune.skeleton import HANDS
from jointprune.statistics import shared
from jointprune.store import open_dataset
from jointprune.workspace import Workspace

CLASSES = 6  # shown among those that lose most, and among those that gain most
LETTERS = 30  # of a clip's name above a film; of longer names the end
FIRST = ("learned", 12)  # shown at first


@dataclass(frozen=True)
class Results:
    """The results of a data set's retrained networks, and (`load`) the data set."""

    accuracy: pd.DataFrame
    predictions: pd.DataFrame
    selections: pd.DataFrame
    described: dict  # the facts of dataset.json
    data: SignDataset | None = None

    @property
    def full(self) -> tuple[str, int]:
        return "full", int(of(self.accuracy, "full")["k"].iloc[0])

    def with_full(self, method: str, k: int) -> pd.DataFrame:
        """Predictions of all joints and of a selection, from the same folds and seeds."""
        return shared(self.predictions, self.full, (method, k))


def of(table: pd.DataFrame, method: str, k: int | None = None) -> pd.DataFrame:
    """The rows of a method, at one K if it is given."""
    rows = table[table["method"] == method]
    return rows if k is None else rows[rows["k"] == k]


def results_of(workspace: Workspace) -> Results:
    """The results of a workspace, without its data set."""
    facts = read_facts(workspace, "ablation.json")
    names = ("baseline_predictions.csv.xz", "ablation_predictions.csv.xz")
    predictions = pd.concat([read_table(workspace, name) for name in names], ignore_index=True)
    accuracy = pd.DataFrame(facts["accuracy"])
    return Results(
        accuracy[accuracy["regime"] == "retrained"],
        predictions[predictions["regime"] == "retrained"],
        pd.DataFrame(facts["selections"]),
        read_facts(workspace, "dataset.json"),
    )


def load(workspace: Workspace) -> Results:
    """Results and data set of a workspace; ValueError if the results are of other recordings."""
    known = read_facts(workspace, "ablation.json")["data_sha256"]
    data = open_dataset(workspace.dataset, workspace)
    if known != data.sha256:
        raise ValueError(
            f"expected results of the store {workspace.dataset!r} ({data.sha256[:12]}), got those "
            f"of {known[:12]}: run notebooks 01 to 04 again"
        )
    return replace(results_of(workspace), data=data)


def shown(found: Results, method: str, k: int) -> dict:
    """What there is to see of a method at one K.

    `share` of its runs that keep a joint, by name; mean, low and high of its accuracy; `changes`
    by class against all joints: those that lose most, then those that gain most.
    """
    kept = of(found.selections, method, k)["joints"]
    row = of(found.accuracy, method, k).iloc[0]
    rows = changes_by(found.with_full(method, k), (method, k), found.full, "class")
    return {
        "share": (kept.explode().value_counts() / len(kept)).to_dict(),
        **{name: float(row[name]) for name in ("mean", "low", "high")},
        "changes": rows if len(rows) <= 2 * CLASSES else rows[:CLASSES] + rows[-CLASSES:],
    }


def page_facts(places: Iterable[Workspace]) -> list[dict]:
    """For each data set everything that `shown` gives for the methods with a curve."""
    facts = []
    for found in map(results_of, places):
        methods = [
            {"label": METHODS[name].label, "at": {int(k): shown(found, name, k) for k in row["k"]
                                                  if k != found.full[1]}}
            for name, row in tqdm(curves(found.accuracy).items(), found.described["description"])
        ]  # fmt: skip
        full = of(found.accuracy, "full").iloc[0]
        facts.append({
            "title": found.described["description"],
            "group": found.described["group_word"], "class": found.described["class_word"],
            "joints": found.full[1], "methods": methods,
            "full": {name: float(full[name]) for name in ("mean", "low", "high")},
        })  # fmt: skip
    return facts


def picture(found: Results, method: str, k: int) -> Figure:
    """The joints kept on each hand, accuracy with its interval, classes that lose and gain."""
    fig, axes = page(PAGE, 2.6, 1, 4, width_ratios=[3, 3, 5, 5])
    seen = shown(found, method, k)
    for ax, hand in zip(axes[:2], HANDS, strict=True):
        draw_shares(ax, hand, seen["share"])
    table = found.accuracy[found.accuracy["method"].isin(["full", method])]
    draw_curves(axes[2], table, found.described["group_word"])
    full = of(table, *found.full).iloc[0]
    ring = {"markersize": 9, "markerfacecolor": "none", "color": "#000000", "clip_on": False}
    axes[2].plot(k, seen["mean"], "o", **ring)
    reached = f"{percent(seen['mean'])} % {interval(seen)}"
    axes[2].set_title(f"{reached}; all joints {percent(full['mean'])} %")
    word = found.described["class_word"]
    draw_changes(axes[3], seen["changes"], f"{word}s that lose and gain most")
    fig.suptitle(f"{METHODS[method].label}, {k} of {found.full[1]} joints")
    return fig


def most_changed(found: Results, method: str, k: int) -> str:
    """The clip that loses most correct predictions against all joints; of equals the first name."""
    both = found.with_full(method, k)
    right = (both["predicted"] == both["label"]).astype(float)
    means = right.groupby([both["clip"], both["method"]]).mean().unstack()
    return (means[method] - means["full"]).idxmin()


def clip_film(found: Results, method: str, k: int, clip: str) -> HTML:
    """A clip with all joints, beside the same clip with the K joints that a network read.

    The K joints are those of the run that was tested on the clip, with the first seed.
    """
    data, both = found.data, found.with_full(method, k)
    i = int((data.clips["clip"] == clip).argmax())
    tested = both[both["clip"] == clip]
    runs = of(found.selections, method, k)
    runs = runs[runs["fold"] == tested["fold"].iloc[0]]
    kept = runs.sort_values("seed")["joints"].iloc[0]
    poses, present = (array[i, : data.lengths[i]] for array in (data.poses, data.present))
    panels, short = {}, clip if len(clip) <= LETTERS else f"…{clip[-LETTERS:]}"
    for (name, joints), seen in (
        (found.full, present), ((method, k), present & pd.Index(data.joints).isin(kept))
    ):  # fmt: skip
        right = of(tested, name).eval("predicted == label")
        title = f"{short}\n{joints} joints: {right.sum()} of {len(right)} runs are right"
        panels[title] = (poses, seen)
    return film(panels, data.clips["fps"].iloc[i])


def controls(found: Results) -> VBox:
    """A slider over K and menus for method and clip; below, their picture and film."""
    tested = of(found.predictions, "full")["clip"].unique()
    with_curve = curves(found.accuracy)
    budgets = sorted(next(iter(with_curve.values()))["k"])
    chosen = {
        "method": Dropdown(options=[(METHODS[name].label, name) for name in with_curve]),
        "k": SelectionSlider(options=budgets, value=FIRST[1], continuous_update=False),
        "clip": Dropdown(options=sorted(tested), value=most_changed(found, *FIRST)),
    }
    for name, widget in chosen.items():
        widget.description = "K" if name == "k" else name

    def show(method: str, k: int, clip: str) -> None:
        fig = picture(found, method, k)
        display(fig)
        plt.close(fig)  # or the notebook shows it a second time
        display(clip_film(found, method, k, clip))

    return VBox([HBox(list(chosen.values())), interactive_output(show, chosen)])
