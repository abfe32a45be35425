"""Dropout against the binomial law; sliced models against masked ones."""

import math
from dataclasses import asdict, replace

import pytest
import torch

from jointprune.classifier import SignClassificationLightning, TrainingConfig, slice_joints
from jointprune.models import Dropout

TINY = TrainingConfig(hidden=16, frames=4, num_classes=4)


@pytest.mark.parametrize("p", [0.1, 0.2, 0.5, 0.9])
def test_dropout_drops_its_share_and_keeps_the_mean(p):
    torch.manual_seed(0)
    n = 1_000_003  # no multiple of the four values in a draw
    y = Dropout(p)(torch.ones(n))
    dropped = (y == 0).float().mean().item()
    bound = 4 * math.sqrt(p * (1 - p) / n) + 2**-17
    assert abs(dropped - p) < bound
    assert abs(y.mean().item() - 1) < bound / (1 - p)
    torch.testing.assert_close(y[y != 0].unique(), torch.tensor([1 / (1 - p)]), rtol=1e-3, atol=0)


def test_neighbouring_values_are_dropped_independently():
    torch.manual_seed(0)
    kept = (Dropout(0.5)(torch.ones(400_000)) != 0).view(-1, 4).long()
    patterns = torch.bincount(kept @ torch.tensor([8, 4, 2, 1]), minlength=16) / len(kept)
    assert (patterns - 1 / 16).abs().max() < 4 * math.sqrt(1 / 16 * 15 / 16 / len(kept))


def test_dropout_is_the_identity_in_evaluation_and_at_0():
    x = torch.randn(3, 5)
    assert Dropout(0.5).eval()(x) is x
    assert Dropout(0.0).train()(x) is x


def test_dropouts_gradient_flows_through_what_was_kept():
    x = torch.randn(7, 3, requires_grad=True)
    y = Dropout(0.5)(x)
    y.sum().backward()
    torch.testing.assert_close(x.grad * x, y)


@pytest.mark.parametrize("p", [-0.1, 1.0])
def test_an_impossible_dropout_is_refused(p):
    with pytest.raises(ValueError, match=r"dropout probability in \[0, 1\)"):
        Dropout(p)


def gated_model(**settings) -> SignClassificationLightning:
    """An untrained model in evaluation mode whose gates lie anywhere between 0 and 1."""
    torch.manual_seed(1)
    model = SignClassificationLightning(asdict(replace(TINY, mask="hard-concrete", **settings)))
    torch.nn.init.uniform_(model.joint_pruning.joint_logits, -4, 4)
    return model.eval()


def clips(coords=2) -> tuple[torch.Tensor, torch.Tensor]:
    """Poses (5, 4, 42, coords) and presence, joints and whole hands missing here and there."""
    generator = torch.Generator().manual_seed(2)
    present = torch.rand(5, 4, 42, generator=generator) < 0.8
    present[0, :, :21] = False
    return torch.randn(5, 4, 42, coords, generator=generator), present


def random_kept(seed: int) -> list[int]:
    generator = torch.Generator().manual_seed(seed)
    count = int(torch.randint(1, 42, (), generator=generator))
    return sorted(torch.randperm(42, generator=generator)[:count].tolist())


@pytest.mark.parametrize("coords", [2, 3])
@pytest.mark.parametrize("tied", [False, True])
@torch.no_grad()
def test_a_sliced_model_gives_the_outputs_of_the_masked_one(tied, coords):
    model = gated_model(tied=tied, coords=coords)
    poses, present = clips(coords)
    kept = model.joint_pruning.kept_joints()
    assert 1 < len(kept) < 42
    small = slice_joints(model)
    assert small.config.joints == tuple(model.config.joints[j] for j in kept)
    torch.testing.assert_close(
        small(poses[:, :, kept], present[:, :, kept]), model(poses, present), atol=1e-5, rtol=0
    )


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize("tied", [False, True])
@torch.no_grad()
def test_any_joints_can_be_sliced_out_with_their_gates_as_they_are(seed, tied):
    """Closing a gate and never seeing its joint are the same to the masked model."""
    model, kept = gated_model(tied=tied), random_kept(seed)
    poses, present = clips()
    opened = torch.zeros(42, dtype=torch.bool)
    opened[kept] = True
    small = slice_joints(model, kept)
    torch.testing.assert_close(
        small.joint_pruning.gates(), model.joint_pruning.gates()[kept], atol=1e-6, rtol=0
    )
    torch.testing.assert_close(
        small(poses[:, :, kept], present[:, :, kept]),
        model(poses, present & opened),
        atol=1e-5,
        rtol=0,
    )


@pytest.mark.parametrize("seed", range(5))
@torch.no_grad()
def test_a_frozen_model_is_sliced_to_what_it_kept(seed):
    model, kept = gated_model(), random_kept(seed)
    model.joint_pruning.freeze(kept)
    poses, present = clips()
    small = slice_joints(model)
    assert small.joint_pruning.get_summary()["num_total"] == len(kept)
    torch.testing.assert_close(
        small(poses[:, :, kept], present[:, :, kept]), model(poses, present), atol=1e-5, rtol=0
    )


@pytest.mark.parametrize(("tied", "gates"), [(False, 42), (True, 21)])
def test_slicing_saves_each_joints_columns_and_gate_and_nothing_else(tied, gates):
    def count(model):
        return sum(p.numel() for p in model.parameters())

    model, kept = gated_model(tied=tied), [0, 4, 8, 30]
    saved = count(model) - count(slice_joints(model, kept))
    assert saved == (42 - 4) * 2 * TINY.hidden + gates - 4


@pytest.mark.parametrize("kept", [[], [3, 1], [2, 2], [-1, 3], [41, 42]])
def test_joints_that_cannot_be_kept_are_refused(kept):
    with pytest.raises(ValueError, match=r"ascending joint indices within 0\.\.41"):
        slice_joints(gated_model(), kept)


@torch.no_grad()
def test_a_clips_logits_do_not_depend_on_its_batch():
    model = gated_model()
    poses, present = clips()
    alone = torch.cat([model(p[None], s[None]) for p, s in zip(poses, present, strict=True)])
    torch.testing.assert_close(alone, model(poses, present), atol=1e-5, rtol=1e-5)
