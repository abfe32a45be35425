"""Ways to choose joints: one table of methods, their rankers, and sets made of rankings."""

from jointprune.selection.methods import (
    METHODS,
    Method,
    Ranker,
    curve_methods,
    method_of,
    retraining_plan,
)
from jointprune.selection.ranking import (
    one_per_fold,
    rank_joints,
    rank_many,
    retraining_trials,
    select_all,
    select_many,
)
from jointprune.selection.sets import top_joints, typical, voted
