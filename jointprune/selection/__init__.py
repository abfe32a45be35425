"""Ways to choose joints: one table of methods, their rankers, and selections made from rankings."""

from importlib import import_module

# The module of each public name, imported at first use: figures and claims read the table of
# methods without waiting for torch.
_MODULES = {
    "JointSelector": "selector",
    "METHODS": "methods",
    "Method": "methods",
    "choose_k": "ranking",
    "curve_methods": "methods",
    "is_made": "ranking",
    "method_of": "methods",
    "rank_joints": "ranking",
    "retraining_plan": "methods",
    "retraining_trials": "ranking",
    "select_all": "ranking",
    "select_many": "ranking",
    "top_joints": "methods",
    "typical": "methods",
}


def __getattr__(name: str):
    if name not in _MODULES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_MODULES[name]}"), name)
