"""jointprune: how few hand joints does skeleton-based sign recognition need?"""

from importlib import import_module

# At once, as the room of this name would stand in its place otherwise.
from jointprune.stability import stability

# The public names and their rooms. A room is entered when one of its names is first asked for: a
# figure that is drawn, or a file that is fetched, does not wait for torch and lightning.
_ROOMS = {
    "EXPERIMENTS": "experiments",
    "JointPruningLayer": "gates",
    "METHODS": "selection",
    "Run": "experiments",
    "SignClassificationLightning": "classifier",
    "SignDataset": "store",
    "TrainingConfig": "config",
    "Trial": "experiments",
    "Workspace": "workspace",
    "l0_penalty": "gates",
    "load_dataset": "sources",
    "make_run": "experiments",
    "predictions": "experiments",
    "rank_joints": "selection",
    "run_many": "experiments",
    "slice_joints": "classifier",
    "top_joints": "selection",
}


def __getattr__(name: str):
    if name not in _ROOMS:
        raise AttributeError(f"module 'jointprune' has no attribute {name!r}")
    return getattr(import_module(f"jointprune.{_ROOMS[name]}"), name)


def __dir__() -> list[str]:
    return sorted([*globals(), *_ROOMS])
