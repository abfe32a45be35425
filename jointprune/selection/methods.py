"""The one table of methods: everything the package knows about a way to choose joints.

To add a method, write its ranker and one row of `METHODS`: ranking, notebooks, figures, claims
and the README read the table.

A ranker is a function `(data, train_clips, seed, k, config, workspace)` that returns one score
per joint, shape (joints,), higher = keep. It reads training clips only. `config` comes with the
row's `settings` applied; `k` is None unless the row says `for_one_k`.
"""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field

import numpy as np

from jointprune.checks import joints_to_keep

Ranker = Callable[..., np.ndarray]


@dataclass(frozen=True)
class Method:
    """One way to choose joints. A function is given itself, or as "module:function" of this folder.

    Everywhere else a method is given by its name: in `rank_joints`, tables of results and figures.
    """

    name: str  # in tables of results, file names and keys of the paper's numbers
    label: str  # in figures and tables for readers
    source: str  # the paper, library or rule it comes from, with its hyperparameters
    rank: Ranker | str | None = None  # None: all joints, or merged from other selections
    settings: Mapping = field(default_factory=dict)  # fields of TrainingConfig to replace
    for_one_k: bool = False  # a ranking is made for one K; else one ranking orders all joints
    trains: bool = True  # trains a network, so its rankings are kept on disk
    holds_out: bool = False  # trains on three quarters of the training groups, scores on the rest
    seeded: bool = True  # another seed may choose other joints, so stability is of interest
    # (data, train_clips, seed, config, workspace) -> joints, if it can choose K itself.
    chooses_k: Callable | str | None = None
    # No ranking: the most typical of the `learned` selections of each "fold", or of "all" folds.
    merged_over: str | None = None
    phrase: str = "{k} joints chosen by {label}"  # in a sentence
    color: str = "#555555"  # in figures; a grey dot for methods without a curve
    marker: str = "o"
    dash: str | tuple = "none"
    budgets: tuple[int, ...] | None = (12,)  # K that notebook 04 retrains; None: the whole curve
    synthetic: bool = True  # compared on synthetic data, given the number of informative joints

    def joints(self, k: int) -> str:
        """A phrase for a sentence: "12 learned joints" for the method "learned" and K = 12."""
        return self.phrase.format(k=k, label=self.label)


def top_joints(scores: np.ndarray, k: int) -> tuple[int, ...]:
    """Indices of the `k` joints with the highest scores.

    Parameters
    ----------
    scores : array, shape (joints,)
        Higher = keep, as `rank_joints` returns them.
    k : int
        Number of joints to keep, from 1 to all.

    Returns
    -------
    tuple of int
        In ascending order; of equal scores the lower index is kept.

    Raises
    ------
    ValueError
        If `k` is no integer in this range, or `scores` is not one number per joint.
    """
    scores = np.asarray(scores)
    if scores.ndim != 1 or scores.dtype.kind not in "biuf" or np.isnan(scores).any():
        raise ValueError(
            f"expected one score per joint, got {scores!r:.100}: pass a flat array without NaN"
        )
    k = joints_to_keep(k, len(scores))
    # Ascending and read from its end, since the negative of an unsigned score is not below 0.
    order = np.lexsort((-np.arange(len(scores)), scores))[::-1]
    return tuple(sorted(order[:k].tolist()))


def typical(selections: Iterable[Iterable[int]]) -> tuple[int, ...]:
    """The selection that shares most joints with all the others; among equals the first.

    One training chose these joints as a set. The joints that occur in most selections need not
    work together: if each selection holds another one of several that can replace each other,
    none of these may occur often.
    """
    sets = [frozenset(joints) for joints in selections]
    shared = [sum(len(one & other) for other in sets) for one in sets]
    return tuple(sorted(sets[int(np.argmax(shared))]))


STUDY = "github hatch5o6/asl_classification at 635aba6, leading hand as the right"
L0_PAPER = "Louizos, Welling and Kingma 2018, arXiv 1712.01312"
# Two-handed clips are few in many data sets; without balance gates drop the hand they need.
GATES = {"mask": "hard-concrete", "balanced": True}
OPEN = {"mask": "open"}
ANY_SUBSET = {"mask": "any-subset"}

# Colours: Okabe and Ito's palette, which colour-blind readers can tell apart; marker and dash
# do so in grey. The five methods with a colour come first, in the order of the figures.
_ROWS = (
    Method(
        "full", "all joints", "no selection",
        trains=False, seeded=False,
        phrase="all {k} joints", color="#000000", marker="D", dash="-",
        budgets=(), synthetic=False,
    ),
    Method(
        "learned", "learned gates",
        f"hard-concrete gates ({L0_PAPER}); the number of open joints is held to K by dual "
        "ascent (CoFiPruning, Xia et al. 2022, arXiv 2204.00408)",
        "gated:down_to_k", GATES, for_one_k=True,
        phrase="{k} learned joints", color="#0072B2", dash="-",
        budgets=None,
    ),
    Method(
        "stratified-random", "stratified random",
        "a random draw, spread evenly over hands and finger levels",
        "baselines:stratified", trains=False,
        phrase="{k} stratified random joints", color="#D55E00", marker="s", dash=(0, (2, 1)),
        budgets=None,
    ),
    Method(
        "anatomical", "anatomical order",
        "fingertips, wrist, knuckles, then the rest, on both hands; fixed before any result",
        "baselines:anatomical", trains=False, seeded=False,
        phrase="the first {k} joints in anatomical order",
        color="#CC79A7", marker="v", dash=(0, (3, 1, 1, 1)),
        budgets=None,
    ),
    Method(
        "greedy", "greedy elimination",
        "backward elimination on the any-subset network; Guyon and Elisseeff 2003",
        "importance:greedy", ANY_SUBSET, holds_out=True,
        color="#009E73", marker="^", dash=(0, (5, 1)),
        budgets=None,
    ),
    Method(
        "hand-matched-random", "hand-matched random",
        "a stratified random draw with as many joints on each hand as the learned gates keep",
        "gated:hand_matched", GATES, for_one_k=True,
        phrase="{k} hand-matched random joints",
        budgets=(10, 12), synthetic=False,
    ),
    Method(
        "l0-penalty", "L0 penalty",
        f"hard-concrete gates under a fixed penalty of 1 nat; {L0_PAPER}",
        "gated:under_penalty", GATES, chooses_k="gated:kept",
    ),
    Method(
        "stg", "stochastic gates (STG)",
        "Yamada et al. 2020, arXiv 1810.04247; sigma 1/2, a fixed penalty of 1 nat",
        "gated:under_penalty", GATES | {"mask": "stg"}, chooses_k="gated:kept",
    ),
    Method(
        "concrete", "concrete top-K",
        "Balin, Abid and Zou 2019, arXiv 1901.09346, no joint picked twice (Xie and Ermon "
        "2019, arXiv 1901.10517); temperature 10 to 0.1",
        "gated:down_to_k", GATES | {"mask": "concrete"}, for_one_k=True,
    ),
    Method(
        "group-lasso", "group lasso",
        "each joint's block of the input projection shrinks to 0; Yuan and Lin 2006",
        "gated:under_penalty", GATES | {"mask": "group-lasso"}, chooses_k="gated:kept",
    ),
    Method(
        "lassonet", "LassoNet",
        "the path over lambda of a sparse MLP on pooled features; Lemhadri et al. 2021, "
        "arXiv 1907.12207, library lassonet",
        "lassonet:order_of_leaving", chooses_k="lassonet:kept",
    ),
    Method(
        "permutation", "permutation importance",
        "rise of the loss when a joint is shuffled between clips; Breiman 2001, library captum",
        "importance:permutation", OPEN, holds_out=True,
    ),
    Method(
        "integrated-gradients", "integrated gradients",
        "loss along the path from no joint to all; Sundararajan, Taly and Yan 2017, "
        "arXiv 1703.01365, library captum",
        "importance:integrated_gradients", OPEN, holds_out=True,
    ),
    Method(
        "any-subset", "any-subset surrogate",
        "a linear fit to the losses of 256 random subsets per clip, on a network trained with "
        "random subsets",
        "importance:any_subset", ANY_SUBSET, holds_out=True,
    ),
    Method(
        "variance", "variance", "the joints that move most about their hand's mean",
        "baselines:variance", trains=False, seeded=False,
    ),
    Method(
        "random", "uniform random", "a uniform random draw",
        "baselines:random", trains=False,
    ),
    Method(
        "tied", "learned gates, tied over hands", "learned gates, each shared by both hands",
        "gated:down_to_k", GATES | {"gate_groups": "both-hands"}, for_one_k=True,
        synthetic=False,
    ),
    Method(
        "finger", "learned gates, one a finger",
        "learned gates, each shared by the joints of a finger; a wrist has its own",
        "gated:down_to_k", GATES | {"gate_groups": "finger"}, for_one_k=True,
        synthetic=False,
    ),
    Method(
        "signing-hand", "learned gates, leading hand",
        "learned gates on the 21 joints of the leading hand, the right",
        "gated:signing_hand", GATES, for_one_k=True, budgets=(8, 12, 16, 18), synthetic=False,
    ),
    Method(
        "anatomical-signing-hand", "leading hand, untrained",
        "the anatomical order, with the right hand first: at K = 21 all joints of this hand",
        "baselines:right_hand_first", trains=False, seeded=False,
        phrase="{k} of 21 joints of the leading hand, untrained", budgets=(12, 21),
    ),
    *(
        Method(
            f"published-{name}", f"published, {words}",
            f"the hand joints among the ten best of 543 landmarks on {words}; {STUDY}",
            f"baselines:published_{name.replace('-', '_')}", trains=False, seeded=False,
            phrase=f"{{k}} joints published for {words}",
            budgets=(k,), synthetic=False,
        )
        for name, words, k in (
            ("autsl", "AUTSL", 10), ("asl-citizen", "ASL Citizen", 10),
            ("gsl", "GSL", 9), ("multilingual", "several languages", 10),
        )
    ),
    Method(
        "typical", "most typical selection",
        "of the learned selections of a fold's seeds, the one that shares most joints with the "
        "others",
        seeded=False, merged_over="fold",
        phrase="the most typical selection of {k} joints", budgets=(12, 21),
    ),
    Method(
        "one-set", "one set, test clips seen",
        "of the learned selections of all folds and seeds, the one that shares most joints with "
        "the others; some of these trainings saw a fold's test clips",
        seeded=False, merged_over="all",
        phrase="one set of {k} joints for all folds",
        budgets=(12, 21), synthetic=False,
    ),
)  # fmt: skip

METHODS: dict[str, Method] = {method.name: method for method in _ROWS}


def method_of(name: str) -> Method:
    """The row of a method ("hard-concrete" means "learned"); ValueError for an unknown name."""
    name = "learned" if name == "hard-concrete" else name
    if not isinstance(name, str) or name not in METHODS:
        raise ValueError(f"expected a method, got {name!r:.100}: choose one of {sorted(METHODS)}")
    return METHODS[name]


def curve_methods() -> list[str]:
    """Names of the methods that are retrained at every K of the curve."""
    return [method.name for method in METHODS.values() if method.budgets is None]


def retraining_plan(
    curve: list[int], seeds: int, budgets: Mapping[str, list[int]] | None = None
) -> list[tuple[str, int, int]]:
    """What notebook 04 retrains: (method, K, number of seeds), merged selections last.

    Methods without budgets of their own at every K of the curve, the others at their budgets;
    `budgets` names these others and their K in place of `METHODS`.
    """
    own = {method.name: method.budgets for method in METHODS.values() if method.budgets is not None}
    given = {method_of(name).name: ks for name, ks in (budgets or own).items()}
    ks_of = dict.fromkeys(curve_methods(), curve) | given
    plan = [(name, k, seeds) for name in METHODS for k in ks_of.get(name, ())]
    return sorted(plan, key=lambda entry: METHODS[entry[0]].merged_over is not None)
