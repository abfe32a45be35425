"""jointprune: how few hand joints does skeleton-based sign recognition need?"""

from importlib import import_module

# The module of each public name. It is imported when the name is first used, so that drawing a
# figure does not wait for torch.
_MODULES = {
    "EXPERIMENTS": "runs",
    "JointBudget": "budget",
    "JointPruningLayer": "gates",
    "JointSelector": "selection",
    "METHODS": "selection",
    "Method": "selection",
    "PruneJoints": "budget",
    "Run": "runs",
    "SignClassificationLightning": "classifier",
    "SignDataset": "dataset",
    "TrainingConfig": "config",
    "Trial": "runs",
    "Workspace": "workspace",
    "l0_penalty": "gates",
    "load_dataset": "data",
    "make_run": "runs",
    "predictions": "prediction",
    "rank_joints": "selection",
    "run_many": "training",
    "slice_joints": "classifier",
    "stability": "agreement",
    "top_joints": "selection",
}


def __getattr__(name: str):
    if name not in _MODULES:
        raise AttributeError(f"module 'jointprune' has no attribute {name!r}")
    return getattr(import_module(f"jointprune.{_MODULES[name]}"), name)


def __dir__() -> list[str]:
    return sorted([*globals(), *_MODULES])
