"""Made-up results in the shape of data/results, for the tests of the paper side.

16 languages of 26 letters, 4 folds, 3 seeds. Accuracies are drawn around known values, so
the verdicts are known too. Only what figures alone show (gates in training, joints left out) is
that of the repository's results.
"""

import copy
from functools import cache

import numpy as np
import pandas as pd

from jointprune.paper import plots
from jointprune.paper.comparisons import ONE_SET, compare_declared, deciding_plan, declared, k_star
from jointprune.paper.results import read_facts, read_table, write_facts
from jointprune.paper.tables import (
    accuracy_table,
    by_group,
    calibration,
    changes_by,
    overlap_with_published,
)
from jointprune.selection import typical
from jointprune.skeleton import HANDS, JOINT_NAMES
from jointprune.workspace import ROOT, Workspace

GROUPS = tuple("ase bfi bzs cse csq dse fsl gsg hks ils ise lls pso sgg ssp tsm".split())
LETTERS = tuple("ABCDEFGHIJKLMNOPQRSTUVWXYZ")
BUDGETS = (2, 4, 6, 8, 12, 16, 21, 30)
CURVES = {
    "learned": (0.38, 0.55, 0.60, 0.63, 0.65, 0.655, 0.66, 0.66),
    "greedy": (0.36, 0.54, 0.585, 0.62, 0.64, 0.65, 0.66, 0.665),
    "anatomical": (0.30, 0.42, 0.52, 0.58, 0.62, 0.63, 0.64, 0.65),
    "stratified-random": (0.15, 0.22, 0.36, 0.45, 0.56, 0.58, 0.61, 0.64),
    ("learned", "gated"): (0.16, 0.32, 0.44, 0.52, 0.60, 0.62, 0.645, 0.66),
    ("greedy", "masked"): (0.20, 0.38, 0.48, 0.53, 0.57, 0.585, 0.59, 0.595),
    ("stratified-random", "masked"): (0.10, 0.16, 0.26, 0.36, 0.46, 0.50, 0.55, 0.58),
}
AT_TWELVE = {
    "random": 0.51, "hand-matched-random": 0.60, "l0-penalty": 0.645, "stg": 0.63,
    "concrete": 0.61, "group-lasso": 0.59, "lassonet": 0.57, "permutation": 0.62,
    "integrated-gradients": 0.615, "any-subset": 0.63, "variance": 0.40, "tied": 0.62,
    "signing-hand": 0.625, "typical": 0.65, "one-set": 0.64,
}  # fmt: skip
ACCURACY = {
    ("full", 42, "retrained"): 0.66, ("anatomical-signing-hand", 21, "retrained"): 0.63,
    ("signing-hand", 6, "retrained"): 0.59,
    ("typical", 21, "retrained"): 0.65, ("one-set", 21, "retrained"): 0.655,
    **{(curve, k, "retrained") if isinstance(curve, str) else (curve[0], k, curve[1]): mean
       for curve, means in CURVES.items() for k, mean in zip(BUDGETS, means, strict=True)},
    **{(method, 12, "retrained"): mean for method, mean in AT_TWELVE.items()},
}  # fmt: skip
TWO_HANDED = ("cse", "csq", "tsm")
STRATA = {
    f"{group}/{letter}": "two-handed" if group in TWO_HANDED else "one-handed"
    for group in GROUPS for letter in LETTERS
}  # fmt: skip
SHA, SYNTHETIC_SHA = "ab" * 32, "cd" * 32
HISTORY = ("smoke", "commit", "data_sha256", "config")
REAL = Workspace(ROOT)


def predictions(accuracy=None, groups=GROUPS, letters=LETTERS, seeds=5):
    """Predictions that share each clip's difficulty over methods; folds of 4 groups."""
    rng = np.random.default_rng(0)
    clips = pd.MultiIndex.from_product([groups, letters, range(seeds)]).to_frame(index=False)
    clips.columns = ["group", "label", "seed"]
    clips["fold"] = clips["group"].map(groups.index) % 4
    clips["clip"] = clips["group"] + "/" + clips["label"]
    ease = dict(zip(groups, rng.normal(0, 0.08, len(groups)), strict=True))
    luck = rng.random(len(clips)) - clips["group"].map(ease)
    wrong = clips["label"].map(dict(zip(letters, (*letters[1:], letters[0]), strict=True)))
    clips = clips.assign(p_predicted=0.5)
    parts = []
    for (method, k, regime), share in (accuracy or ACCURACY).items():
        # Nine in ten clips are equally hard for all methods, as with real networks.
        again = np.where(rng.random(len(clips)) < 0.9, luck, rng.random(len(clips)))
        predicted = clips["label"].where(again < share, wrong)
        parts.append(clips.assign(method=method, k=k, regime=regime, predicted=predicted))
    return pd.concat(parts, ignore_index=True)


def strata():
    """Two-handed alphabets are harder, by the same with any joints."""
    sizes = {"one-handed": (0.03, 13, 332), "two-handed": (-0.12, 3, 78)}
    return [
        {"method": method, "k": k, "regime": regime, "stratum": name, "mean": mean + ease,
         "low": mean + ease - 0.08, "high": mean + ease + 0.07, "clips": clips, "groups": groups}
        for name, (ease, groups, clips) in sizes.items()
        for (method, k, regime), mean in ACCURACY.items() if regime == "retrained"
    ]  # fmt: skip


def reduction():
    """Half of the joints that a method drops were observed."""
    return [{"method": method, "k": k, "joints": 1 - k / 42, "joint_frames": (1 - k / 42) / 2}
            for method, k, regime in ACCURACY if regime == "retrained"]  # fmt: skip


def frequency(k):
    """Shares that add up to k: tips of the right hand first, then its other joints, then left."""
    order = sorted(JOINT_NAMES, key=lambda name: (name[0] == "l", not name.endswith("tip")))
    weights = np.clip(1.6 - np.arange(len(order)) / max(k, 1), 0.02, 1.0)
    return dict(zip(order, (np.minimum(1, weights * k / weights.sum())).round(3), strict=True))


def selections():
    """Three runs for each K: two that differ in one joint, one from the other end of the order."""
    order = [*JOINT_NAMES[21:], *JOINT_NAMES[:21]]
    return [
        {"method": "learned", "k": k, "fold": 0, "seed": seed,
         "joints": sorted(kept, key=JOINT_NAMES.index)}
        for k in BUDGETS
        for seed, kept in enumerate((order[-k:], order[:k], [*order[: k - 1], order[k]]))
    ]  # fmt: skip


def merged_selections():
    """One set of 12 and one of 21 joints for 4 folds; two folds alone choose another."""
    rows = []
    for k in (12, 21):
        runs = [row["joints"] for row in selections() if row["k"] == k]
        ours = [JOINT_NAMES[j] for j in typical(map(JOINT_NAMES.index, run) for run in runs)]
        other = [*ours[:-1], JOINT_NAMES[0]]
        rows += [
            {"method": method, "k": k, "fold": fold, "seed": seed,
             "joints": other if method == "typical" and fold < 2 else ours}
            for method in ("one-set", "typical") for fold in range(4) for seed in range(3)
        ]  # fmt: skip
    return rows


def stabilities():
    """Index by method and K: learned far from chance and matched draws, random at both."""
    rows = []
    for method, start in (("learned", 0.62), ("greedy", 0.45), ("stratified-random", 0.005)):
        for step, k in enumerate(BUDGETS):
            index = start * (1 - 0.05 * step)
            rows.append({"method": method, "k": k, "index": index, "low": index - 0.04,
                         "high": index + 0.04, "selections": 12, "floor": 1.15 * index,
                         "apart": 0.9 * index, "matched": index / 2,
                         "matched_low": index / 2 - 0.02, "matched_high": index / 2 + 0.02,
                         "above_matched": index > 0.04})  # fmt: skip
    return rows


def encoders():
    """The joint-graph encoder gains from joints chosen elsewhere, the recurrent one does not."""
    means = {"transformer": (0.66, 0.65, 0.56, None), "graph": (0.62, 0.60, 0.52, 0.61),
             "recurrent": (0.63, 0.54, 0.55, None)}  # fmt: skip
    return [
        {"encoder": encoder, "joints": joints, "k": 42 if joints == "full" else 12, "mean": mean,
         "low": mean - 0.08, "high": mean + 0.08, "runs": 8,
         "overlap": 0.65 if joints == "own" else None}
        for encoder, row in means.items()
        for joints, mean in zip(("full", "learned", "stratified-random", "own"), row, strict=True)
        if mean is not None
    ]  # fmt: skip


def control():
    """Shuffled labels read chance."""
    means = {("full", 42): 0.0385, ("learned", 12): 0.0412}
    rows = [{"method": method, "k": k, "regime": "retrained", "mean": mean, "low": mean - 0.0065,
             "high": mean + 0.0065, "runs": 12, "leaks": False}
            for (method, k), mean in means.items()]  # fmt: skip
    facts = {"margin": 0.02, "within_groups": True, "chance": 16 / 410, "works": False}
    return facts | {"rows": rows}


def synthetic():
    """Gates find 8 synthetic joints and stop at them; random and variance do not."""
    found = {"learned": 0.98, "greedy": 0.96, "stg": 0.94, "concrete": 0.80,
             "group-lasso": 0.75, "lassonet": 0.70, "permutation": 0.92,
             "integrated-gradients": 0.90, "any-subset": 0.95, "l0-penalty": 0.97,
             "variance": 0.15, "random": 0.19, "typical": 0.99}  # fmt: skip
    stops = {"l0-penalty": (8.3, 0.96, 1.0), "stg": (11.0, 0.72, 0.98), "lassonet": (29, 0.27, 1)}
    rows = []
    for method, share in found.items():
        k, precision, recall = stops.get(method, (None, None, None))
        rows.append({"method": method, "precision": share, "recall": share, "seeds": 5,
                     "low": max(share - 0.1, 0.0), "high": min(share + 0.1, 1.0), "stop_k": k,
                     "stop_precision": precision, "stop_recall": recall})  # fmt: skip
    informative = [*JOINT_NAMES[4:20:4], *JOINT_NAMES[22:40:5]]
    return {"clips": 320, "signs": 20, "signers": 16, "informative": informative,
            "k": len(informative), "trainings": 5, "recovery": rows}  # fmt: skip


def cost():
    """Fewer joints speed up the joint-graph encoder alone."""
    whole = {"transformer": (345_678, 13.4e6, 1.9), "graph": (61_234, 55.1e6, 7.8),
             "recurrent": (198_765, 6.2e6, 1.1)}  # fmt: skip
    part = {"transformer": (0.05, 0.02, 0.01), "graph": (0.04, 0.95, 0.85),
            "recurrent": (0.08, 0.04, 0.02)}  # fmt: skip
    rows = []
    for encoder, k in pd.MultiIndex.from_product([whole, (2, 6, 12, 21, 42)]):
        left = [1 - share * (1 - k / 42) for share in part[encoder]]
        parameters, flops, time = (a * b for a, b in zip(whole[encoder], left, strict=True))
        rows.append({"encoder": encoder, "k": k, "parameters": round(parameters),
                     "flops": round(flops), "input_bytes": 8 * k, "latency_ms": time,
                     "latency_low": 0.96 * time, "latency_high": 1.05 * time})  # fmt: skip
    return {"frames": 16, "threads": 1, "rows": rows, "projection_share": 0.012}


FAILURES = {
    "cases": [
        {"name": "softmax over joints", "broken": {"value": 0.024}, "fixed": {"value": 1.0}},
        {"name": "gates start at 0.9", "broken": {"value": 42}, "fixed": {"value": 19.5}},
    ]
}


def results(smoke=False):
    """The JSON results as `report.load_results` gives them; the caller may change them."""
    return {
        name: {"smoke": smoke, "commit": "unknown", "config": {},
               "data_sha256": SYNTHETIC_SHA if name == "synthetic" else SHA, **copy.deepcopy(part)}
        for name, part in _facts().items()
    }  # fmt: skip


def import_as_mine(facts):
    """Change results into those of recordings that somebody imported."""
    facts["dataset"] |= {"dataset": "mine", "description": "mine, Ağaç 字 (imported)",
                         "group_word": "signer", "class_word": "sign", "left_out": 3, "leaks": 0,
                         "by_palm": 0, "unseen": 0}  # fmt: skip
    return facts


@cache
def _facts():
    full = accuracy_table(every_prediction().query("method == 'full'")).iloc[0]
    closed = {"start": 0.0, "quarter": 0.12, "half": 0.33, "end": 0.714}
    course = {
        "quick-start": (0.05, dict.fromkeys(closed, 0.0)),
        "l0-penalty": (0.65, closed | {"end": 0.45}),
        "learned": (0.64, closed),
    }
    return {
        "dataset": {
            "dataset": "fingerspelling", "group_word": "language", "class_word": "letter",
            "official_split": False, "clips": 410, "groups": 16, "classes": 26,
            "description": "16 manual alphabets (fingerspelling lexicon)",
            "frames": {"min": 11, "median": 27, "max": 46},
            "missing": {"left": 0.79, "right": 0.08,
                        "stored": {"left": 0.86, "right": 0.01, "never_left": 10}},
            "two_handed": [*TWO_HANDED], "mirrored": ["ise"],
            "folds": [list(GROUPS[fold::4]) for fold in range(4)],
        },
        "baseline": {
            "accuracy": {key: float(full[key]) for key in ("mean", "low", "high")},
            "chance": 16 / 410, "p": 2**-16, "runs": 12, "seeds": 3, "folds": 4,
            "parameters": 345678,
        },
        "pruning": {
            "epochs": 100, "joints": 42, "budgets": list(BUDGETS), "selections": selections(),
            "frequency": {str(k): frequency(k) for k in BUDGETS},
            "course": {name: {"accuracy": {"mean": mean}, "pruning_ratio": ratio}
                       for name, (mean, ratio) in course.items()},
        },
        "ablation": _ablation(), "synthetic": synthetic(), "cost": cost(), "failures": FAILURES,
    }  # fmt: skip


def _ablation():
    table = every_prediction()
    learned, full = ("learned", 12), ("full", 42)
    cells = {(name, k) for name, k, _ in deciding_plan(BUDGETS, [12], 3)} | {full}
    decides = table.set_index(["method", "k"]).index.isin(cells)
    deciding = table[decides & (table["regime"] == "retrained")]
    pair = table.query(
        "regime == 'retrained' and (method == 'full' or method == 'learned' and k == 12)"
    )
    by_hand = [{hand: sum(share for name, share in frequency(k).items() if name.startswith(hand))
                for hand in HANDS} for k in BUDGETS]  # fmt: skip
    return {
        "accuracy": accuracy_table(table).to_dict("records"),
        "deciding": accuracy_table(deciding).to_dict("records"),
        "paired": compare_declared(table, declared([12])),
        "one_set": compare_declared(table, ONE_SET),
        "selections": merged_selections(),
        "overlap": overlap_with_published(
            {("learned", 12): {(0, 0): [*range(20), *range(22, 42, 4)]}}, JOINT_NAMES),
        "k_star": [k_star(table, BUDGETS, margin, strata=STRATA) for margin in (0.02, 0.01)],
        "strata": strata(), "reduction": reduction(),
        "control": control(),
        "stability": stabilities(),
        "calibration": calibration(pair).to_dict("records"),
        "changes": {by: changes_by(pair, learned, full, by) for by in ("class", "group")},
        "hands": [{"k": k, **row} for k, row in zip(BUDGETS, by_hand, strict=True)],
        "leave_out": read_facts(REAL, "ablation.json")["leave_out"], "encoders": encoders(),
    }  # fmt: skip


@cache
def every_prediction():
    return predictions(seeds=3)


def write(workspace: Workspace, smoke=False):
    """Write the JSON results; returns them."""
    facts = results(smoke)
    for name, part in facts.items():
        content = {key: value for key, value in part.items() if key not in HISTORY}
        history = {"data_sha256": part["data_sha256"], "config": {}, "smoke": smoke}
        write_facts(workspace, f"{name}.json", content, **history)
    return facts


# Figures from these results.

CARRIED = {
    "learned": "its own", "letters": "letters", "words": "words",
    "stratified-random": "stratified random",
}  # fmt: skip


def carried():
    """Two data sets; with the other's joints accuracy is .8, with random ones .7, with all .95."""
    rows = []
    for data, other in (("letters", "words"), ("words", "letters")):
        found = {"learned": 0.9, other: 0.8, "stratified-random": 0.7}
        rows.append((data, "full", 42, 0.95))
        rows += [(data, origin, k, mean) for k in (6, 12) for origin, mean in found.items()]
    table = pd.DataFrame(rows, columns=["tested_on", "origin", "k", "mean"])
    return table.assign(low=table["mean"] - 0.02, high=table["mean"] + 0.03).to_dict("records")


FIGURES = {
    "fig1_pipeline": lambda facts: plots.plot_pipeline(facts, 12),
    "fig2_accuracy_against_k": lambda facts: plots.plot_accuracy_against_k(
        facts["ablation"]["accuracy"], facts["ablation"]["k_star"]
    ),
    "fig3_gates": lambda _: plots.plot_gates(read_table(REAL, "gate_paths.csv")),
    "fig4_leave_out": lambda facts: plots.plot_leave_out(facts["ablation"]["leave_out"]),
    "fig5_groups": lambda facts: plots.plot_groups(by_language(), facts["ablation"]["changes"]),
    "fig6_stability": lambda facts: plots.plot_stability(facts["ablation"]["stability"]),
    "fig7_synthetic": lambda facts: plots.plot_synthetic(
        facts["synthetic"]["recovery"], facts["synthetic"]["k"]
    ),
    "fig8_cost": lambda facts: plots.plot_cost(facts["cost"]),
    "fig9_handedness": lambda facts: plots.plot_handedness(
        facts["ablation"]["strata"], facts["ablation"]["k_star"]
    ),
    "fig10_transfer": lambda _: plots.plot_transfer(carried(), CARRIED),
    "changes": lambda facts: plots.plot_changes(facts["ablation"]["changes"]),
    "kept": lambda facts: plots.plot_kept_joints(facts["pruning"]["frequency"]["12"], 12),
}


def with_firm_k_star(facts, **changed):
    """The record of the first K*: 21, with its p, bounds, power and spread; others `changed`."""
    star = facts["ablation"]["k_star"][0]
    step = next(step for step in star["steps"] if step["k"] == 21)
    step |= {"p": 0.0498, "lower_bound": -0.0189, "crossed_bound": -0.0208, "equal_groups": -0.004}
    step |= {"power_at_0": 0.7123, "power_at_1": 0.2341, "seeds_alone": 2}
    star |= {"k": 21, "by_test": 21, "bootstrap": {"low": 16, "median": 21, "high": 30},
             "leave_one_group_out": [21, 30, 30, 21, 21, 21], **changed}  # fmt: skip
    return star


def by_language():
    table = every_prediction()
    table = table[table["regime"] == "retrained"]
    shown = [("full", 42), ("learned", 12), ("stratified-random", 12)]
    return by_group(table[table.set_index(["method", "k"]).index.isin(shown)])
