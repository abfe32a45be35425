"""The one table of methods: all that is known of a way to choose joints, in one row.

To add a method write its ranker and one row here: ranking, notebooks, figures, claims and README
read the table. A ranker is a function `(data, train_clips, seed, k, config, workspace)` that
returns one score a joint, (J,), higher = keep, and looks at training clips only.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

import numpy as np

from jointprune.selection import baselines, importance, lassonet, sets
from jointprune.selection.gated import by_cascade, by_gates, hand_matched, kept_by_gates

Ranker = Callable[..., np.ndarray]


@dataclass(frozen=True)
class Method:
    """One way to choose joints.

    Parameters
    ----------
    name : str
        In tables of results, file names and keys of numbers.
    label : str
        In figures and tables for readers.
    source : str
        The paper, library or rule that it comes from, and its settings.
    rank : callable, optional
        The ranker. None for what ranks no joints: all joints, or a set merged from others.
    merge : callable, optional
        `(selections, k) -> joints`: one set out of the `learned` selections of a fold's seeds.
    phrase : str
        K joints chosen so, in a sentence; `{k}` and `{label}` are filled in.
    color, marker, dash
        In figures; grey dots for a method that no curve shows.
    for_one_k : bool
        The ranking is made for one K; otherwise one ranking orders all joints.
    trains : bool
        Whether it trains something, so that its ranking is kept on disk.
    settings : mapping
        `TrainingConfig` fields in which its training differs from the network's.
    budgets : tuple of int or None
        The K at which notebook 04 retrains; None for every K of the curve.
    all_seeds : bool
        Whether it is retrained with all seeds, or with the profile's `few_seeds`.
    synthetic : bool
        Whether it is compared on synthetic data, told the number of informative joints.
    chooses_k : callable, optional
        `(data, train_clips, seed, config, workspace) -> joints` where it chooses K itself.
    """

    name: str
    label: str
    source: str
    rank: Ranker | None = None
    merge: Callable | None = None
    phrase: str = "{k} joints chosen by {label}"
    color: str = "#555555"
    marker: str = "o"
    dash: str | tuple = "none"
    for_one_k: bool = False
    trains: bool = True
    settings: Mapping = field(default_factory=dict)
    budgets: tuple[int, ...] | None = (12,)
    all_seeds: bool = False
    synthetic: bool = True
    chooses_k: Callable | None = None

    def joints(self, k: int) -> str:
        """K joints chosen by this method, in the words of a sentence."""
        return self.phrase.format(k=k, label=self.label)


L0 = "Louizos, Welling and Kingma 2018, arXiv 1712.01312"
GATES = {"mask": "hard-concrete"}

# Colours: Okabe and Ito's palette, safe for colour-blind readers; marker and dash tell methods
# apart in grey too.
_ROWS = (
    Method("full", "all joints", "no selection", phrase="all {k} joints", color="#000000",
           marker="D", dash="-", budgets=(), all_seeds=True, synthetic=False, trains=False),
    Method("learned", "learned gates",
           f"hard-concrete gates ({L0}); the number of open joints is held to K by dual ascent "
           "(CoFiPruning, Xia et al. 2022, arXiv 2204.00408)",
           by_gates(GATES, budget=True), phrase="{k} learned joints", settings=GATES,
           color="#0072B2", dash="-", for_one_k=True, budgets=None, all_seeds=True),
    Method("stratified-random", "stratified random",
           "a random draw, spread evenly over hands and finger levels", baselines.stratified,
           phrase="{k} stratified random joints", color="#D55E00", marker="s", dash=(0, (2, 1)),
           trains=False, budgets=None, all_seeds=True),
    Method("anatomical", "anatomical order",
           "fingertips, wrist, knuckles, then the rest, both hands; written before any result",
           baselines.anatomical, phrase="the first {k} joints in anatomical order",
           color="#CC79A7", marker="v", dash=(0, (3, 1, 1, 1)), trains=False, budgets=None,
           all_seeds=True),
    Method("greedy", "greedy elimination",
           "backward elimination on the any-subset network; Guyon and Elisseeff 2003",
           importance.greedy, color="#009E73", marker="^", dash=(0, (5, 1)), budgets=None,
           all_seeds=True),
    Method("hand-matched-random", "hand-matched random",
           "a stratified draw with as many joints on each hand as the learned gates keep",
           hand_matched(GATES), phrase="{k} hand-matched random joints", for_one_k=True,
           all_seeds=True, synthetic=False),
    Method("l0-penalty", "L0 penalty", f"hard-concrete gates under a fixed penalty of 1 nat; {L0}",
           by_gates(GATES), settings=GATES, chooses_k=kept_by_gates(GATES)),
    Method("stg", "stochastic gates (STG)",
           "Yamada et al. 2020, arXiv 1810.04247; sigma 1/2, a fixed penalty of 1 nat",
           by_gates({"mask": "stg"}), settings={"mask": "stg"},
           chooses_k=kept_by_gates({"mask": "stg"})),
    Method("concrete", "concrete top-K",
           "Balin, Abid and Zou 2019, arXiv 1901.09346, no joint picked twice (Xie and Ermon "
           "2019, arXiv 1901.10517); temperature 10 to 0.1",
           by_gates({"mask": "concrete"}, budget=True), settings={"mask": "concrete"},
           for_one_k=True),
    Method("group-lasso", "group lasso",
           "a joint's block of the input projection shrinks to 0; Yuan and Lin 2006",
           by_gates({"mask": "group-lasso"}), settings={"mask": "group-lasso"},
           chooses_k=kept_by_gates({"mask": "group-lasso"})),
    Method("lassonet", "LassoNet",
           "a sparse MLP's path over lambda, on pooled features; Lemhadri et al. 2021, "
           "arXiv 1907.12207, library lassonet",
           lassonet.lassonet, chooses_k=lassonet.kept_by_lassonet),
    Method("permutation", "permutation importance",
           "loss when a joint is shuffled between clips; Breiman 2001, library captum",
           importance.permutation),
    Method("integrated-gradients", "integrated gradients",
           "loss along the path from no joint to all; Sundararajan, Taly and Yan 2017, "
           "arXiv 1703.01365, library captum",
           importance.integrated_gradients),
    Method("any-subset", "any-subset surrogate",
           "a linear fit to the losses of 256 random subsets a clip, on a network trained on "
           "random subsets",
           importance.any_subset),
    Method("variance", "variance", "joints that move most about their hand's mean",
           baselines.variance, trains=False),
    Method("random", "uniform random", "a uniform draw", baselines.random, trains=False),
    Method("knuckles", "knuckles first", "the joints at the wrist's side first",
           baselines.knuckles, trains=False),
    Method("tied", "learned gates, tied over hands", "learned gates, each shared by both hands",
           by_gates(GATES | {"tied": True}, budget=True), settings=GATES | {"tied": True},
           for_one_k=True, synthetic=False),
    Method("cascade", "learned gates, in rounds", "learned gates from 42 to 21 to 12 to 6 joints",
           by_cascade(GATES, (21, 12, 6)), settings=GATES, budgets=(6, 12), synthetic=False),
    Method("signing-hand", "learned gates, signing hand",
           "learned gates on the 21 joints of the right hand, which leads",
           by_gates(GATES, budget=True, hand=1), settings=GATES, for_one_k=True,
           budgets=(4, 8, 12), synthetic=False),
    Method("anatomical-signing-hand", "anatomical order, signing hand",
           "the anatomical order, the right hand's joints first", baselines.right_hand_first,
           trains=False, budgets=(12, 21)),
    Method("typical", "most typical selection",
           "of the selections of a fold's seeds the one that shares most joints with the others",
           merge=lambda selections, k: sets.typical(selections),
           phrase="the most typical selection of {k} joints", all_seeds=True),
    Method("vote", "vote of the selections",
           "the joints that most selections of a fold's seeds hold", merge=sets.voted,
           phrase="the {k} joints of a vote", all_seeds=True),
)  # fmt: skip

METHODS: dict[str, Method] = {method.name: method for method in _ROWS}


def method_of(name: str) -> Method:
    """The row of a method; ValueError for an unknown name."""
    if name not in METHODS:
        raise ValueError(f"expected a method out of {sorted(METHODS)}, got {name!r}")
    return METHODS[name]


def curve_methods() -> list[str]:
    """Names of the methods that are retrained at every K of the curve."""
    return [method.name for method in METHODS.values() if method.budgets is None]


def retraining_plan(curve: list[int], seeds: int, few_seeds: int) -> list[tuple[str, int, int]]:
    """What notebook 04 retrains: (method, K, number of seeds), rankers before merged sets."""
    plan = [
        (method.name, k, seeds if method.all_seeds else few_seeds)
        for method in METHODS.values()
        for k in (curve if method.budgets is None else method.budgets)
    ]
    return sorted(plan, key=lambda entry: METHODS[entry[0]].merge is not None)
