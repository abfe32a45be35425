"""Alternative gates: closed forms, exact samples, proximal steps."""

import math
from functools import partial

import numpy as np
import pytest
import torch
from torch.nn.utils import parametrize

from jointprune.classifier import BUDGETED, SignClassificationLightning
from jointprune.config import MASKS
from jointprune.gate_variants import (
    ConcreteSubset,
    InputScale,
    ProjectionLasso,
    RandomSubsets,
    StochasticGates,
)
from jointprune.gates import JointPruningLayer, l0_penalty
from jointprune.skeleton import JOINT_NAMES


def logits_of(layer, values):
    with torch.no_grad():
        layer.joint_logits.copy_(torch.as_tensor(values, dtype=torch.float32))
    return layer


def test_stochastic_gates_start_at_init_keep_prob():
    layer = StochasticGates(5, init_keep_prob=0.1)
    assert layer.keep_probability().detach().tolist() == pytest.approx([0.1] * 5, abs=1e-5)


@pytest.mark.parametrize("mu", [-0.8, 0.3])
def test_stochastic_gates_are_clipped_normals(mu):
    """P(gate > 0) and P(gate = 1) against the normal distribution, 20,000 gates."""
    layer = logits_of(StochasticGates(20_000), torch.full((20_000,), mu)).train()
    gates = layer.gates().detach()
    above = [0.5 * math.erfc((edge - mu - 0.5) / 0.5 / math.sqrt(2)) for edge in (0, 1)]
    assert (gates > 0).float().mean().item() == pytest.approx(above[0], abs=0.015)
    assert (gates == 1).float().mean().item() == pytest.approx(above[1], abs=0.015)
    assert layer.keep_probability()[0].item() == pytest.approx(above[0], abs=1e-5)


def test_stochastic_gates_in_evaluation_are_clipped_means_and_their_open_joints_agree():
    layer = logits_of(StochasticGates(4), [-0.6, -0.4, 0.2, 0.9]).eval()
    assert layer.gates().detach().tolist() == pytest.approx([0.0, 0.1, 0.7, 1.0])
    assert layer.kept_joints() == [1, 2, 3]


def test_a_cold_concrete_sample_is_k_different_joints():
    torch.manual_seed(0)
    layer = logits_of(ConcreteSubset(10, 4), [3.0, 3.0, 0, 0, 0, 0, 0, 0, 0, 0]).train()
    layer.anneal(1.0)
    draws = torch.stack([layer.gates().detach() for _ in range(200)])
    assert draws.sum(1).mean().item() == pytest.approx(4, abs=0.3)  # near ties are shared
    assert draws.max() <= 1
    assert ((draws > 0.5).sum(1) == 4).float().mean() > 0.65


@pytest.mark.parametrize("at_once", [True, False])
def test_the_first_selection_follows_the_softmax(at_once):
    """With budget 1 a cold sample selects joint j with probability softmax(logits)_j.

    As well where each clip of a batch gets its own sample.
    """
    torch.manual_seed(1)
    layer = logits_of(ConcreteSubset(3, 1), np.log([0.5, 0.3, 0.2])).train()
    layer.anneal(1.0)
    gates = layer.gates(4000) if at_once else torch.stack([layer.gates() for _ in range(4000)])
    picks = gates.argmax(1)
    shares = torch.bincount(picks, minlength=3) / 4000
    assert shares.tolist() == pytest.approx([0.5, 0.3, 0.2], abs=0.035)


def test_a_concrete_evaluation_opens_exactly_the_k_highest():
    layer = logits_of(ConcreteSubset(5, 2), [0.1, 0.9, 0.3, 0.8, 0.8]).eval()
    assert layer.gates().tolist() == [0, 1, 0, 1, 0]
    assert layer.kept_joints() == [1, 3]
    with pytest.raises(ValueError, match="expected a budget of 1 to 5 joints, got 6"):
        ConcreteSubset(5, 6)


def test_random_subsets_have_every_size_and_every_joint_alike():
    torch.manual_seed(0)
    layer = RandomSubsets(6).train()
    gates = layer.gates(12_000)
    sizes = torch.bincount(gates.sum(1).long(), minlength=7)
    assert sizes[0] == 0
    assert (sizes[1:] / 12_000).tolist() == pytest.approx([1 / 6] * 6, abs=0.02)
    assert gates.mean(0).tolist() == pytest.approx([3.5 / 6] * 6, abs=0.02)
    assert layer.eval().gates(7).tolist() == [1.0] * 6
    layer.freeze([2, 4])
    assert layer.train().gates(7).tolist() == [0, 0, 1, 0, 1, 0]


def test_the_proximal_step_solves_its_problem():
    """argmin |x - w|^2 / 2 + step |x| of one block, on a grid along w; small blocks become 0."""
    layer = ProjectionLasso(3, coords=2)
    weight = torch.tensor([[3.0, 4.0, 0.3, 0.4, 0.0, 1.0, 9.0, 9.0]])
    before = weight.clone()
    layer.shrink(weight, 0.75)
    for j, norm in enumerate((5.0, 0.5, 1.0)):
        share = np.linspace(0, 1, 100_001)
        best = share[np.argmin(((1 - share) * norm) ** 2 / 2 + 0.75 * share * norm)]
        block = before[:, 2 * j : 2 * j + 2] * best
        torch.testing.assert_close(weight[:, 2 * j : 2 * j + 2], block, atol=1e-4, rtol=0)
    assert weight[0, 6:].tolist() == [9.0, 9.0]  # these belong to the hands' centres
    assert layer.joint_logits.tolist() == pytest.approx([4.25, 0.0, 0.25])
    assert layer.kept_joints() == [0, 2]


def optimum_of_the_group_lasso(features, target, coords, penalty):
    """Blocks (joints, coords) that least squares with proximal steps ends at, on scaled inputs."""
    joints = features.shape[-1] // coords
    layer, project = ProjectionLasso(joints, coords), torch.nn.Linear(joints * coords, 1)
    scale = InputScale(joints, coords, rest=0)
    parametrize.register_parametrization(project, "weight", scale)
    scale.standardise(features[None].split(50, dim=1))
    trained = project.parametrizations.weight.original
    for _ in range(600):
        project.zero_grad()
        ((project(features).squeeze(-1) - target) ** 2).mean().div(2).backward()
        with torch.no_grad():
            for weight in (trained, project.bias):
                weight -= 0.2 * weight.grad
        layer.shrink(trained.data, 0.2 * penalty)
    blocks = trained.detach().view(joints, coords)
    assert layer.joint_logits.tolist() == pytest.approx(blocks.norm(dim=1).tolist(), abs=1e-6)
    effective = project.weight.detach().view(joints, coords)
    np.testing.assert_allclose(effective * scale.scale.view(joints, coords), blocks, atol=1e-6)
    return blocks


def waves(count):
    """Orthogonal columns of mean 0 and variance 1, (100, count)."""
    angle = torch.arange(100) * 2 * math.pi / 100
    return torch.stack([(angle * (1 + wave)).sin() * 2**0.5 for wave in range(count)], -1)


@pytest.mark.parametrize(("penalty", "each"), [(0.3, 0.35), (0.99, 0.005), (1.1, 0.0)])
def test_the_group_lasso_treats_two_equal_features_alike_whatever_their_scale(penalty, each):
    """The second is three times the first and shifted; only their sum matters: 1 - penalty."""
    wave = waves(1)
    found = optimum_of_the_group_lasso(torch.cat([wave, 3 * wave + 2], -1), wave[:, 0], 1, penalty)
    # Their start decides how they share; a difference between them stays as it was.
    assert found.sum().item() == pytest.approx(2 * each, abs=1e-3)
    assert (found == 0).all() == (each == 0)


def test_the_group_lasso_ends_at_the_known_optimum_of_orthonormal_features():
    """Blocks shrink to (1 - penalty / norm) of least squares (Yuan and Lin 2006, eq. 2.4)."""
    columns = waves(6)
    slopes = torch.tensor([[0.6, 0.8], [0.3, 0.0], [-0.24, 0.32]])
    scales = torch.tensor([0.2, 1.0, 5.0]).repeat_interleave(2)
    found = optimum_of_the_group_lasso(columns * scales, columns @ slopes.flatten(), 2, 0.35)
    kept = (1 - 0.35 / slopes.norm(dim=1)).clamp(min=0)
    np.testing.assert_allclose(found, slopes * kept[:, None], atol=1e-4)
    assert (found[1] == 0).all() and not (found[[0, 2]] == 0).any()


def test_a_joint_that_never_moves_is_not_scaled_and_the_last_inputs_never_are():
    scale = InputScale(2, coords=1, rest=1)
    scale.standardise([torch.tensor([[[1.0, 5.0, 4.0]], [[3.0, 5.0, 0.0]]])])
    assert scale.scale.tolist() == [1.0, 1.0, 1.0]
    scale.standardise([torch.tensor([[[0.0, 5.0, 4.0]]]), torch.tensor([[[6.0, 5.0, 0.0]]])])
    assert scale.scale.tolist() == [3.0, 1.0, 1.0]


@pytest.mark.parametrize(
    "layer",
    [JointPruningLayer(6, init_keep_prob=0.5), StochasticGates(6), ConcreteSubset(6, 3)],
    ids=lambda layer: type(layer).__name__,
)
def test_trained_gates_keep_exactly_the_joints_that_are_worth_the_penalty(layer):
    """Closing joint j costs its worth, keeping it costs 1; the concrete top-K keeps the best 3."""
    torch.manual_seed(0)
    worth = torch.tensor([2.5, 0.0, 0.3, 2.0, 0.5, 3.0])
    optimizer = torch.optim.Adam([layer.joint_logits], 0.06)
    for step in range(400):
        layer.anneal(step / 400)
        cost = (worth * (1 - layer.gates(64)) ** 2).sum(1).mean()
        if not isinstance(layer, ConcreteSubset):
            cost = cost + l0_penalty(layer, weight=6)
        optimizer.zero_grad()
        cost.backward()
        optimizer.step()
    assert layer.kept_joints() == [0, 3, 5]
    assert layer.eval().gates().detach().tolist() == [1, 0, 0, 1, 0, 1]


@pytest.mark.parametrize("mask", [mask for mask in MASKS if mask != "quick-start"])
def test_with_every_mask_a_frozen_closed_joint_has_no_influence(mask):
    torch.manual_seed(0)
    config = {"hidden": 16, "heads": 2, "frames": 4, "mask": mask}
    if mask in BUDGETED:
        config["budget"] = 12
    model = SignClassificationLightning(config).eval()
    model.joint_pruning.freeze([3, 30])
    poses = torch.randn(2, 4, len(JOINT_NAMES), 2)
    moved = poses + torch.randn(2, 4, len(JOINT_NAMES), 2)
    moved[:, :, [3, 30]] = poses[:, :, [3, 30]]
    with torch.no_grad():
        torch.testing.assert_close(model(poses), model(moved), rtol=0, atol=0)


@pytest.mark.parametrize(
    "make",
    [partial(StochasticGates, 5), partial(ConcreteSubset, 5, 2), partial(RandomSubsets, 5),
     partial(ProjectionLasso, 5, 2)],
)  # fmt: skip
def test_a_reset_makes_a_layer_as_a_new_one(make):
    layer, new = make().train(), make().train()
    layer.anneal(1.0)
    layer.joint_logits.data += 1
    layer.freeze([1])
    layer.reset_parameters()
    assert layer.kept_joints() == new.kept_joints() and layer.frozen == new.frozen
    assert layer.joint_logits.requires_grad == new.joint_logits.requires_grad
    assert torch.equal(layer.joint_logits, new.joint_logits)
    assert layer.temperature == new.temperature
