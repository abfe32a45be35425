"""The published selections: for each K the most typical of all runs', to apply elsewhere."""

import json

from jointprune.paper.claims import one_row
from jointprune.selection import typical
from jointprune.skeleton import JOINT_NAMES


def joints_json(results: dict[str, dict]) -> str:
    """The whole of joints.json.

    Accuracy and stability are those of the runs, each with its own selection; the one
    published is a run's own too, and not a vote of all, see `typical`.
    """
    pruning, ablation = results["pruning"], results["ablation"]
    facts = {
        "dataset": results["dataset"]["description"],
        "commit": pruning["commit"],
        "selections": [
            published(int(k), pruning, ablation) for k in sorted(pruning["frequency"], key=int)
        ],
    }
    return json.dumps(facts, indent=1, ensure_ascii=False) + "\n"


def published(k: int, pruning: dict, ablation: dict) -> dict:
    """The most typical selection of K joints: names, indices among the 42, hands."""
    share = pruning["frequency"][str(k)]
    runs = [row["joints"] for row in pruning["selections"] if row["k"] == k]
    indices = typical(map(JOINT_NAMES.index, joints) for joints in runs)
    names = [JOINT_NAMES[j] for j in indices]
    stability = one_row(ablation["stability"], method="learned", k=k)
    accuracy = one_row(ablation["accuracy"], method="learned", k=k)
    return {
        "k": k,
        "joints": names,
        "indices": list(indices),
        "hands": [name.split(".")[0] for name in names],
        "stability": {key: stability[key] for key in ("index", "low", "high")},
        "accuracy": {key: accuracy[key] for key in ("mean", "low", "high")},
        "share": {name: share[name] for name in JOINT_NAMES},
    }
