"""Failures: each broken number is wrong in the direction that its case claims."""

import json
import math
from dataclasses import replace

import numpy as np
import pytest
import torch

from jointprune.config import TrainingConfig
from jointprune.paper import failures

CONFIG, STEPS = TrainingConfig(), 400
TINY = TrainingConfig(hidden=16, frames=4, epochs=2, batch_size=8)
# Louizos et al. 2018: the logit of keep probability 0.9, and its gate in evaluation.
LOGIT = math.log(9) + 2 / 3 * math.log(0.1 / 1.1)
GATE = 1.2 / (1 + math.exp(-LOGIT)) - 0.1

pytestmark = pytest.mark.usefixtures("alone")


def fold_of(data, group: str) -> tuple[np.ndarray, np.ndarray]:
    """All other groups to train on, `group` to test on."""
    return np.flatnonzero(data.groups != group), np.flatnonzero(data.groups == group)


def test_a_softmax_shares_one_unit_and_separate_gates_do_not():
    case = failures.softmax_over_joints()
    assert case.broken == pytest.approx(1, abs=1e-5)
    assert case.fixed == pytest.approx(42 * GATE, rel=1e-5)


def test_a_common_shift_moves_hard_concrete_gates_and_no_gate_of_the_quick_start():
    case = failures.penalty_blind_to_the_mask()
    assert case.broken == pytest.approx(0, abs=1e-6)
    assert case.fixed == pytest.approx(GATE, rel=1e-5)  # 4 logits lower a gate is closed
    penalty = 1 / (1 + math.exp(4) / 9)  # a sigmoid in both
    assert case.words.count(f"from 0.90 to {penalty:.2f} nats") == 2


def test_a_penalty_divided_by_the_batch_size_depends_on_the_batch_size():
    case = failures.penalty_divided_by_the_batch(CONFIG, STEPS)
    assert case.broken > 4 * case.fixed


def test_at_the_networks_learning_rate_no_gate_can_close():
    case = failures.gates_at_the_networks_rate(CONFIG, STEPS)
    way = LOGIT - math.log(0.1 / 1.1)
    # Adam moves a parameter by about its learning rate a step at most.
    assert STEPS * CONFIG.skel_learning_rate < way < STEPS * CONFIG.gate_learning_rate
    assert case.broken == 0 < case.fixed


def test_the_best_loss_comes_before_most_joints_are_closed_and_a_threshold_of_0_keeps_all():
    layer, course = failures.train_gates(CONFIG, STEPS)
    kept = course["kept"].iloc[-1]
    early = failures.stopped_before_the_penalty_bites(CONFIG, STEPS)
    assert early.broken < early.fixed / 2
    assert early.fixed == pytest.approx(100 - 100 * kept / 42)
    zero = failures.threshold_at_zero(CONFIG, STEPS)
    assert zero.broken == 42
    assert zero.fixed == (layer.gates() > 0).sum() == kept < 42


def test_the_toy_problem_keeps_the_joints_worth_most_and_without_penalty_all():
    layer, _ = failures.train_gates(CONFIG, STEPS)
    assert layer.joint_logits[-5:].min() > 0 > layer.joint_logits[:5].max()
    free, _ = failures.train_gates(replace(CONFIG, penalty=0.0), STEPS)
    assert free.kept_joints() == list(range(42))


def test_only_a_normaliser_over_all_joints_reads_a_dropped_one(toy_dataset):
    case = failures.dropped_joints_that_are_read(toy_dataset, fold_of(toy_dataset, "one"), TINY)
    assert case.fixed == 0 < 0.01 < case.broken
    assert "12 joints kept" in case.words


def test_a_group_is_recognised_better_if_training_has_its_copies(toy_dataset, workspace):
    """Here the group has hand shapes of its own, which no other group predicts."""
    train, test = fold_of(toy_dataset, "one")
    poses = np.array(toy_dataset.poses)
    shapes = np.random.default_rng(1).normal(scale=0.5, size=(4, 1, 42, 2))
    poses[test] = shapes[toy_dataset.labels[test]] * toy_dataset.present[test][..., None]
    data = replace(toy_dataset, poses=poses)
    config = replace(TINY, epochs=60, hidden=32, dropout=0.0)
    case = failures.group_under_two_names(data, (train, test), config, workspace, "one")
    assert case.fixed < 60 < 80 < case.broken


def test_the_best_of_many_equal_sets_is_better_only_on_the_half_that_chose_it():
    generator = np.random.default_rng(0)
    tables = [generator.random((200, 100)) < 0.5 for _ in range(20)]
    chosen, other = np.mean([failures.best_on_half(t, generator) for t in tables], axis=0)
    # The best of 200 means of 50 coins is about 2.75 standard errors of 0.071 up; one table's
    # number has a standard deviation of 0.009 and 0.029.
    assert chosen == pytest.approx(0.5 + 2.75 * 0.071, abs=0.01)
    assert other == pytest.approx(0.5, abs=0.03)


def test_there_are_ten_cases_and_they_leave_the_callers_random_state_alone(toy_dataset, workspace):
    folds = toy_dataset.folds(3, seed=0)
    torch.manual_seed(7)
    expected = torch.rand(3)
    torch.manual_seed(7)
    failures.softmax_over_joints()
    failures.penalty_blind_to_the_mask()
    noise = failures.noise_in_evaluation(toy_dataset, folds[0], TINY)
    failures.train_gates.__wrapped__(TINY, 3)
    assert torch.equal(torch.rand(3), expected)
    assert noise.fixed == 0 < 0.01 < noise.broken
    cases = failures.cases(toy_dataset, folds, TINY, workspace)
    assert "clips of both is" in cases[-2].words
    assert len({case.name for case in cases}) == len(cases) == 10
    rows = json.loads(json.dumps([case.facts() for case in cases], allow_nan=False))
    assert [row["broken"]["words"] for row in rows] == [case.unit for case in cases]
    assert len(list(workspace.runs.iterdir())) == 3
