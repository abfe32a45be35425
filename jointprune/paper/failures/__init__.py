"""A failures of failures: ways to get pruning wrong, each reproduced in seconds beside its mend.

`cases` makes them all; `Case.facts` is a case as a row of failures.json.
"""

from jointprune.config import TrainingConfig
from jointprune.dataset import SignDataset
from jointprune.paper.failures.case import Case
from jointprune.paper.failures.gates_alone import (
    gates_at_the_networks_rate,
    penalty_blind_to_the_mask,
    penalty_divided_by_the_batch,
    softmax_over_joints,
    stopped_before_the_penalty_bites,
    threshold_at_zero,
)
from jointprune.paper.failures.recordings import (
    dropped_joints_that_are_read,
    group_under_two_names,
    joints_chosen_on_test_clips,
    noise_in_evaluation,
)
from jointprune.workspace import Workspace


def cases(data: SignDataset, folds, config: TrainingConfig, workspace: Workspace) -> list[Case]:
    """All ten, under 2 s on two cores but for the three runs that the last two train.

    `folds` are pairs (train_clips, test_clips); the one that tests the first group by name, of
    those that are tested at all, is used. The settings `config` are those of an ungated network.
    """
    group, fold = min(
        ((group, fold) for fold in folds for group in set(data.groups[fold[1]])),
        key=lambda tested: tested[0],
    )
    steps = config.epochs * max(1, len(fold[0]) // config.batch_size)
    return [
        softmax_over_joints(),
        penalty_blind_to_the_mask(),
        noise_in_evaluation(data, fold, config),
        penalty_divided_by_the_batch(config, steps),
        gates_at_the_networks_rate(config, steps),
        stopped_before_the_penalty_bites(config, steps),
        threshold_at_zero(config, steps),
        dropped_joints_that_are_read(data, fold, config),
        group_under_two_names(data, fold, config, workspace, group),
        joints_chosen_on_test_clips(data, fold, config, workspace),
    ]
