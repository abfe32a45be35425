"""Made-up results in the shape of data/results, for the tests of the paper side.

16 languages of 26 letters, 4 folds, 5 seeds. Accuracies are drawn around known values, so
the verdicts are known too; none of the numbers comes from a recording.
"""

import numpy as np
import pandas as pd

from jointprune.evaluation import accuracy_table, by_group
from jointprune.skeleton import FINGERS, HANDS, JOINT_NAMES
from jointprune.statistics import compare
from jointprune.workspace import Workspace

GROUPS = tuple("ase bfi bzs cse csq dse fsl gsg hks ils ise lls pso sgg ssp tsm".split())
LETTERS = tuple("ABCDEFGHIJKLMNOPQRSTUVWXYZ")
ACCURACY = {
    ("full", 42): 0.66, ("learned", 25): 0.66, ("learned", 12): 0.65, ("learned", 6): 0.55,
    ("stratified-random", 25): 0.62, ("stratified-random", 12): 0.56,
    ("stratified-random", 6): 0.43, ("hand-matched-random", 12): 0.60,
    ("fingertips+wrist", 12): 0.64, ("fingertips", 10): 0.60,
    ("knuckles", 12): 0.45, ("right hand", 21): 0.63,
}  # fmt: skip
SHA = "ab" * 32


def predictions(accuracy=None, groups=GROUPS, letters=LETTERS, seeds=5, rng_seed=0):
    """Predictions that share each clip's difficulty over methods; folds of 4 groups."""
    rng = np.random.default_rng(rng_seed)
    clips = pd.MultiIndex.from_product([groups, letters, range(seeds)]).to_frame(index=False)
    clips.columns = ["group", "label", "seed"]
    clips["fold"] = clips["group"].map(groups.index) % 4
    clips["clip"] = clips["group"] + "/" + clips["label"]
    ease = dict(zip(groups, rng.normal(0, 0.08, len(groups)), strict=True))
    luck = rng.random(len(clips)) - clips["group"].map(ease)
    parts = []
    for (method, k), share in (accuracy or ACCURACY).items():
        # Nine clips in ten keep their luck, so methods pair as trained models do.
        again = np.where(rng.random(len(clips)) < 0.9, luck, rng.random(len(clips)))
        wrong = clips["label"].map(dict(zip(letters, (*letters[1:], letters[0]), strict=True)))
        predicted = clips["label"].where(again < share, wrong)
        part = clips.assign(method=method, k=k, predicted=predicted, p_true=0.5, p_predicted=0.5)
        parts.append(part)
    return pd.concat(parts, ignore_index=True)


def gate_paths(epochs=60):
    """Two masks over training: one that never closes a joint, one that closes 30 of 42."""
    rows = []
    for mask, fold, epoch in pd.MultiIndex.from_product(
        [("quick start", "corrected"), range(4), range(0, epochs, 3)]
    ):
        for index, joint in enumerate(JOINT_NAMES):
            leaves = mask == "corrected" and index >= 12
            middle = epochs * (0.2 + 0.6 * index / len(JOINT_NAMES)) + fold
            keep = 0.98 / (1 + np.exp((epoch - middle) / 3)) if leaves else 0.9
            rows.append((mask, fold, 0, epoch, joint, round(keep, 4), int(keep > 0.31)))
    columns = ["mask", "fold", "seed", "epoch", "joint", "keep_probability", "active"]
    return pd.DataFrame(rows, columns=columns)


def left_out():
    """Losses for 42 joints, 10 fingers and 2 hands; the larger parts also retrained."""
    rng = np.random.default_rng(1)
    names = [("joint", name) for name in JOINT_NAMES]
    names += [("finger", f"{hand}.{finger}") for hand in HANDS for finger in FINGERS]
    names += [("hand", hand) for hand in HANDS]
    rows = []
    for kind, name in names:
        scale = {"joint": 0.01, "finger": 0.05, "hand": 0.3}[kind]
        loss = abs(rng.normal(0, scale)) * (1.0 if name.startswith("right") else 0.2)
        again = None if kind == "joint" else loss / 2
        rows.append({"kind": kind, "name": name, "loss": loss, "low": loss - 0.01,
                     "high": loss + 0.01, "retrained_loss": again})  # fmt: skip
    return rows


def results(smoke=False, table=None):
    """The four JSON results as `numbers.load_results` gives them."""
    table = predictions() if table is None else table
    full = accuracy_table(table[table["method"] == "full"]).iloc[0]
    languages = by_group(table[table["method"] == "full"]).set_index("group")
    course = {"start": 0.0, "quarter": 0.12, "half": 0.33, "end": 0.714}
    shares = {name: (0.9 if name.endswith("tip") else 0.1) for name in JOINT_NAMES}
    facts = {
        "dataset": {
            "dataset": "fingerspelling", "clips": 410, "groups": 16, "classes": 26,
            "description": "16 manual alphabets (fingerspelling lexicon)",
            "frames": {"min": 11, "p5": 21, "median": 27, "p95": 33, "max": 46},
            "missing": {"left": 0.79, "right": 0.08, "by_group": {}},
            "two_handed": ["cse", "csq", "tsm"], "mirrored": ["ise"],
            "folds": [list(GROUPS[fold::4]) for fold in range(4)],
        },
        "baseline": {
            "accuracy": {key: float(full[key]) for key in ("mean", "low", "high")},
            "chance": 1 / 26, "by_group": languages[["mean", "low", "high"]].to_dict("index"),
            "runs": 20, "seeds": 5, "folds": 4, "parameters": 345678,
        },
        "pruning": {
            "epochs": 100, "joints": 42, "frequency": {"12": shares},
            "quick_start": {"accuracy": {"mean": 0.05},
                            "pruning_ratio": dict.fromkeys(course, 0.0)},
            "corrected": {"accuracy": {"mean": 0.64}, "pruning_ratio": course},
            "penalty": {"accuracy": {"mean": 0.65}, "pruning_ratio": {**course, "end": 0.45}},
        },
        "ablation": {
            "accuracy": accuracy_table(table).to_dict("records"),
            "paired": compare(table), "leave_out": left_out(),
        },
    }  # fmt: skip
    history = {"smoke": smoke, "commit": "unknown", "data_sha256": SHA, "config": {}}
    return {name: {**history, **part} for name, part in facts.items()}


def write(workspace: Workspace, smoke=False):
    """Write every results file that notebook 05 and `numbers` read; returns the results."""
    table = predictions()
    facts = results(smoke, table)
    for name, part in facts.items():
        content = {key: part[key] for key in part if key not in ("smoke", "commit", "config")}
        content.pop("data_sha256")
        workspace.write_json(f"{name}.json", content, data_sha256=SHA, config={}, smoke=smoke)
    workspace.write_csv("baseline_predictions.csv", table[table["method"] == "full"])
    workspace.write_csv("ablation_predictions.csv", table[table["method"] != "full"])
    workspace.write_csv("gate_paths.csv", gate_paths())
    return facts
