"""The published selections: for each K the joints that most runs kept, to apply elsewhere."""

import json

from jointprune.claims import one_row
from jointprune.skeleton import JOINT_NAMES


def joints_json(results: dict[str, dict]) -> str:
    """The whole of joints.json; equal shares go to the lower index.

    Accuracy and stability are those of the runs, each with its own fold's selection.
    """
    pruning, ablation = results["pruning"], results["ablation"]
    facts = {
        "dataset": results["dataset"]["description"],
        "commit": pruning["commit"],
        "selections": [
            published(int(k), pruning["frequency"][k], ablation)
            for k in sorted(pruning["frequency"], key=int)
        ],
    }
    return json.dumps(facts, indent=1, ensure_ascii=False) + "\n"


def published(k: int, share: dict[str, float], ablation: dict) -> dict:
    """The K joints with the highest share of runs: names, indices among the 42, hands."""
    ranked = sorted(range(len(JOINT_NAMES)), key=lambda j: (-share[JOINT_NAMES[j]], j))
    indices = sorted(ranked[:k])
    names = [JOINT_NAMES[j] for j in indices]
    stability = one_row(ablation["stability"], method="learned", k=k)
    accuracy = one_row(ablation["accuracy"], method="learned", k=k)
    return {
        "k": k,
        "joints": names,
        "indices": indices,
        "hands": [name.split(".")[0] for name in names],
        "stability": {key: stability[key] for key in ("index", "low", "high")},
        "accuracy": {key: accuracy[key] for key in ("mean", "low", "high")},
        "share": {name: share[name] for name in JOINT_NAMES},
    }
