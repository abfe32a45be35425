"""The results to look at by hand: one method at one K, as a picture, a film, and with a slider.

Reads `data/results/` and the dataset's store; nothing is trained. Notebook 04 shows it.
"""

from dataclasses import dataclass

import matplotlib.pyplot as plt
import pandas as pd
from IPython.display import HTML, display
from ipywidgets import Dropdown, HBox, SelectionSlider, VBox, interactive_output
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from jointprune.dataset import SignDataset
from jointprune.paper.animation import film
from jointprune.paper.claims import MAIN, method_words, one_row, percent
from jointprune.paper.comparisons import ALPHA
from jointprune.paper.plots import draw_shares
from jointprune.paper.plots.looks import PAGE, accuracy_axis, budget_axis, interval, look, page
from jointprune.paper.results import read_facts, read_table
from jointprune.paper.tables import changes_by
from jointprune.skeleton import HANDS
from jointprune.statistics import shared
from jointprune.store import open_dataset
from jointprune.workspace import Workspace

SIGNS = 6  # of those that lose most and of those that gain most
FIRST = ("learned", 12)  # what is shown before anyone chooses


@dataclass(frozen=True)
class Results:
    """What there is to look at: `load` reads it.

    `accuracy` and `predictions` are tables as in `evaluation`, `selections` has one row a method,
    k, fold and seed with the names of its `joints`; `group` is what folds keep apart.
    """

    data: SignDataset
    accuracy: pd.DataFrame
    predictions: pd.DataFrame
    selections: pd.DataFrame
    group: str

    @property
    def methods(self) -> list[str]:
        """Methods that were followed over every K."""
        return [method for method in MAIN if method in set(self.accuracy["method"])]

    @property
    def budgets(self) -> list[int]:
        return sorted(self.of(self.accuracy, self.methods[0])["k"])

    def of(self, table: pd.DataFrame, method: str, k: int | None = None) -> pd.DataFrame:
        """The rows of a method, at one K if it is given."""
        rows = table[table["method"] == method]
        return rows if k is None else rows[rows["k"] == k]

    def pair(self, method: str, k: int) -> pd.DataFrame:
        """Predictions of all joints and of a selection by the same runs' folds and seeds."""
        return shared(self.predictions, ("full", len(self.data.joints)), (method, k))


def load(workspace: Workspace) -> Results:
    """Results and store of a workspace; ValueError if they are not of the same recordings."""
    facts, data = read_facts(workspace, "ablation.json"), open_dataset(workspace.dataset, workspace)
    if facts["data_sha256"] != data.sha256:
        raise ValueError(
            f"expected results of the store {workspace.dataset!r} ({data.sha256[:12]}), got those "
            f"of {facts['data_sha256'][:12]}: run notebooks 01 to 04 again"
        )
    names = ("baseline_predictions.csv", "ablation_predictions.csv")
    return Results(
        data,
        pd.DataFrame(facts["accuracy"]),
        pd.concat([read_table(workspace, name) for name in names], ignore_index=True),
        pd.DataFrame(facts["selections"]),
        read_facts(workspace, "dataset.json")["group_word"],
    )


def picture(found: Results, method: str, k: int) -> Figure:
    """The joints kept on each hand, accuracy with its interval, signs that lose and gain."""
    fig, axes = page(PAGE, 2.6, 1, 4, width_ratios=[3, 3, 5, 5])
    kept = found.of(found.selections, method, k)["joints"]
    shares = kept.explode().value_counts() / len(kept)
    for ax, hand in zip(axes, HANDS, strict=False):
        draw_shares(ax, hand, shares.to_dict())
    _accuracy(axes[2], found, method, k)
    _signs(axes[3], changes_by(found.pair(method, k), (method, k), _full(found), "sign"))
    fig.suptitle(f"{method_words(method)}, {k} of {len(found.data.joints)} joints")
    return fig


def _full(found: Results) -> tuple[str, int]:
    return "full", len(found.data.joints)


def _accuracy(ax: Axes, found: Results, method: str, k: int) -> None:
    """The method over K, this K ringed; the band is that of all joints."""
    full = found.of(found.accuracy, *_full(found)).iloc[0]
    ax.axhspan(full["low"], full["high"], color="#000000", alpha=0.08, linewidth=0)
    ax.axhline(full["mean"], color="#000000", linewidth=0.8)
    rows = found.of(found.accuracy, method).sort_values("k")
    interval(ax, rows["k"], rows, **look(method))
    row = one_row(rows.to_dict("records"), k=k)
    ring = {"markersize": 9, "markerfacecolor": "none", "color": "#000000", "clip_on": False}
    ax.plot(k, row["mean"], "o", **ring)
    ends = f"[{percent(row['low'])}, {percent(row['high'])}]"
    ax.set_title(f"{percent(row['mean'])} % {ends}; all joints {percent(full['mean'])} %")
    budget_axis(ax, [*rows["k"], full["k"]])
    accuracy_axis(ax, found.group)


def _signs(ax: Axes, rows: list[dict]) -> None:
    """The signs that lose most (top) and gain most; filled marks as Holm's correction leaves."""
    shown = rows if len(rows) <= 2 * SIGNS else rows[:SIGNS] + rows[-SIGNS:]
    for place, row in enumerate(shown):
        ends = [[100 * (row["difference"] - row["low"])], [100 * (row["high"] - row["difference"])]]
        fill = {} if row["p_holm"] < ALPHA else {"markerfacecolor": "white"}
        style = {**look("learned"), **fill}
        ax.errorbar(100 * row["difference"], place, xerr=ends, elinewidth=0.7, **style)
    ax.axvline(0, color="#999999", linewidth=0.6)
    ax.set_yticks(range(len(shown)), [row["name"] for row in shown])
    ax.invert_yaxis()
    ax.set_xlabel("change against all joints (points)")
    ax.set_title("signs that lose and gain most")


def most_changed(found: Results, method: str, k: int) -> str:
    """The clip that loses most right answers against all joints; ties go to the first by name."""
    pair = found.pair(method, k)
    right = (pair["predicted"] == pair["label"]).astype(float)
    means = right.groupby([pair["clip"], pair["method"]]).mean().unstack()
    return (means[method] - means["full"]).idxmin()


def clip_film(found: Results, method: str, k: int, clip: str) -> HTML:
    """A clip with all joints beside what a network of K joints saw of it.

    These are the joints of the run that was tested on the clip, the first of its seeds.
    """
    data = found.data
    i = int((data.clips["clip"] == clip).argmax())
    pair = found.pair(method, k)
    tested = pair[pair["clip"] == clip]
    runs = found.of(found.selections, method, k)
    runs = runs[runs["fold"] == tested["fold"].iloc[0]]
    kept = runs.sort_values("seed")["joints"].iloc[0]
    length = data.lengths[i]
    poses, present = data.poses[i, :length], data.present[i, :length]
    views = {"full": present, method: present & pd.Index(data.joints).isin(kept)}
    counts = {"full": len(data.joints), method: k}
    panels = {}
    for name, seen in views.items():
        right = tested.loc[tested["method"] == name].eval("predicted == label")
        title = f"{clip}, {counts[name]} joints: read by {right.sum()} of {len(right)} runs"
        panels[title] = (poses, seen)
    return film(panels, data.clips["fps"].iloc[i])


def controls(found: Results) -> VBox:
    """A slider over K, a choice of method and of clip; below, what these show."""
    tested = found.of(found.predictions, "full")["clip"].unique()
    chosen = {
        "method": Dropdown(options=[(method_words(name), name) for name in found.methods]),
        "k": SelectionSlider(options=found.budgets, value=FIRST[1], continuous_update=False),
        "clip": Dropdown(options=sorted(tested), value=most_changed(found, *FIRST)),
    }
    for name, widget in chosen.items():
        widget.description = "K" if name == "k" else name
    return VBox([HBox(list(chosen.values())), interactive_output(_show(found), chosen)])


def _show(found: Results):
    """What `interactive_output` calls with the values chosen."""

    def show(method: str, k: int, clip: str) -> None:
        fig = picture(found, method, k)
        display(fig)
        plt.close(fig)  # or the notebook shows it a second time
        display(clip_film(found, method, k, clip))

    return show
