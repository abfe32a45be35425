"""Dropout against the binomial law, our block against torch's, sliced against masked models."""

import math
from dataclasses import asdict, replace

import numpy as np
import pytest
import torch
from torch.nn import functional

from jointprune.classifier import SignClassificationLightning, slice_joints
from jointprune.config import TrainingConfig
from jointprune.models import ENCODERS, SkeletonTransformer
from jointprune.models.frames import Block
from jointprune.models.parts import SHARPNESS, Dropout, Head
from jointprune.preprocessing import normalise
from jointprune.skeleton import JOINT_NAMES, bone_distance

TINY = TrainingConfig(hidden=16, layers=2, feed_forward=2, frames=4, num_classes=4)


@pytest.mark.parametrize("p", [0.2, 0.9])
def test_dropout_drops_its_share_and_keeps_the_mean(p):
    torch.manual_seed(0)
    n = 1_000_003  # no multiple of the eight values in a draw
    y = Dropout(p)(torch.ones(n))
    dropped, nearest = (y == 0).float().mean().item(), round(256 * p) / 256
    assert abs(nearest - p) <= 1 / 512
    chance = 4 * math.sqrt(p * (1 - p) / n)
    assert abs(dropped - nearest) < chance
    assert abs(y.mean().item() - 1) < chance / (1 - nearest)
    torch.testing.assert_close(y[y != 0].unique(), torch.tensor([1 / (1 - nearest)]))
    assert Dropout(p).eval()(y) is y


def test_neighbouring_values_are_dropped_independently():
    torch.manual_seed(0)
    kept = (Dropout(0.5)(torch.ones(400_000)) != 0).view(-1, 8).long()
    patterns = torch.bincount(kept @ 2 ** torch.arange(8), minlength=256) / len(kept)
    assert (patterns - 1 / 256).abs().max() < 5 * math.sqrt(1 / 256 * 255 / 256 / len(kept))


@torch.no_grad()
def test_a_block_is_torchs_encoder_layer_in_evaluation():
    torch.manual_seed(0)
    torchs = torch.nn.TransformerEncoderLayer(24, 3, 96, 0.2, batch_first=True, norm_first=True)
    ours = Block(24, heads=3, feed_forward=4, dropout=0.2)
    names = {
        "self_attn.in_proj_": "read.", "self_attn.out_proj.": "write.", "linear1.": "widen.",
        "linear2.": "narrow.", "norm1.": "norm_attention.", "norm2.": "norm_feed.",
    }  # fmt: skip
    state = {}
    for name, value in torchs.state_dict().items():
        old = next(old for old in names if name.startswith(old))
        if name.endswith("bias") and "norm" not in name:
            value.zero_()  # ours has none
        else:
            state[name.replace(old, names[old])] = value
    ours.load_state_dict(state)
    tokens = torch.randn(5, 7, 24)
    torch.testing.assert_close(ours.eval()(tokens), torchs.eval()(tokens), atol=1e-6, rtol=1e-6)


def gated_model(**settings) -> SignClassificationLightning:
    """An untrained model in evaluation mode whose gates are random numbers from 0 to 1."""
    torch.manual_seed(1)
    model = SignClassificationLightning(asdict(replace(TINY, mask="hard-concrete", **settings)))
    torch.nn.init.uniform_(model.joint_pruning.joint_logits, -4, 4)
    for name, learned in model.encoder.named_parameters():
        if name.endswith("closeness"):
            torch.nn.init.uniform_(learned, -2, 1)
    remembered = torch.randn(7, model.encoder.head.signs.shape[1])
    model.encoder.head.remember(functional.normalize(remembered), torch.arange(7) % 3)
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


@pytest.mark.parametrize(("tied", "coords"), [(False, 2), (True, 3)])
@pytest.mark.parametrize("encoder", ENCODERS)
@torch.no_grad()
def test_a_sliced_model_gives_the_outputs_of_the_masked_one(encoder, tied, coords):
    """With the joints that its gates keep, and with any others: those are missing to the masked."""
    model = gated_model(encoder=encoder, tied=tied, coords=coords)
    poses, present = clips(coords)
    own = model.joint_pruning.kept_joints()
    assert 1 < len(own) < 42
    for kept in (own, random_kept(0), random_kept(1)):
        small = slice_joints(model, None if kept is own else kept)
        opened = torch.isin(torch.arange(42), torch.tensor(kept))
        assert small.config.joints == tuple(model.config.joints[j] for j in kept)
        gates = small.joint_pruning.gates(), model.joint_pruning.gates()[kept]
        torch.testing.assert_close(*gates, atol=1e-6, rtol=0)
        seen = present if kept is own else present & opened
        outputs = small(poses[:, :, kept], present[:, :, kept]), model(poses, seen)
        torch.testing.assert_close(*outputs, atol=1e-5, rtol=0)


@pytest.mark.parametrize(("tied", "gates"), [(False, 42), (True, 21)])
def test_slicing_removes_the_weights_and_gates_of_dropped_joints_and_nothing_else(tied, gates):
    def count(model):
        return sum(p.numel() for p in model.parameters())

    model, kept = gated_model(tied=tied), [0, 4, 8, 30]
    removed = count(model) - count(slice_joints(model, kept))
    assert removed == (42 - 4) * 2 * TINY.hidden + gates - 4


@pytest.mark.parametrize("kept", [[], [3, 1], [2, 2], [-1, 3], [41, 42]])
def test_joints_that_cannot_be_kept_are_refused(kept):
    with pytest.raises(ValueError, match=r"ascending joint indices within 0\.\.41"):
        slice_joints(gated_model(), kept)


@pytest.mark.parametrize("encoder", ENCODERS)
@torch.no_grad()
def test_a_closed_or_missing_joint_has_no_influence(encoder):
    model = gated_model(encoder=encoder)
    poses, present = clips()
    hidden = ~(present & (model.joint_pruning.gates() > 0))
    moved = torch.where(hidden[..., None], 7 - 3 * poses, poses)
    torch.testing.assert_close(model(moved, present), model(poses, present), atol=0, rtol=0)
    elsewhere = torch.where(hidden[..., None], poses, 7 - 3 * poses)
    assert not torch.equal(model(elsewhere, present), model(poses, present))


@pytest.mark.parametrize("encoder", ENCODERS)
def test_every_weight_of_an_encoder_learns(encoder):
    model = gated_model(encoder=encoder).train()
    model(*clips()).square().mean().backward()
    learned = [(name, p) for name, p in model.encoder.named_parameters() if p.requires_grad]
    still = [name for name, p in learned if not p.grad.any()]
    # A shift of all frames' scores changes no softmax.
    assert set(still) <= {"head.attend.bias"}
    assert model.joint_pruning.joint_logits.grad.any()


@torch.no_grad()
def test_a_class_is_recognised_by_its_vector_and_its_exemplars():
    """Against the sum written out; without exemplars, and in training, the vector alone counts."""
    torch.manual_seed(0)
    head, tokens = Head(8, 3, exemplars=4), torch.randn(5, 6, 8)
    vectors, clips = functional.normalize(head.signs, dim=-1), head.embed(tokens)
    by_vector = SHARPNESS * clips @ vectors.T
    torch.testing.assert_close(head.eval()(tokens), by_vector)
    for labels in ([0, 0, 0, 0], [0, 0, 0, 2]):  # the second call replaces the first
        others = functional.normalize(torch.randn(4, 8), dim=-1)
        head.remember(others, torch.tensor(labels))
    near = (SHARPNESS * clips @ others.T).exp()
    first = ((by_vector[:, 0].exp() + near[:, :3].sum(1)) / 4).log()
    last = ((by_vector[:, 2].exp() + near[:, 3]) / 2).log()
    expected = torch.stack([first, by_vector[:, 1], last], 1)
    torch.testing.assert_close(head(tokens), expected)
    torch.testing.assert_close(head.train()(tokens), by_vector)


@torch.no_grad()
def test_the_untrained_graph_weighs_joints_by_bone_distance():
    encoder = ENCODERS["graph"](replace(TINY, hidden=8, layers=1))
    tokens, weight = torch.randn(1, 1, 42, 8), torch.ones(1, 1, 42)
    count = torch.from_numpy(np.exp(-bone_distance(JOINT_NAMES))).float()
    expected = (count / count.sum(1, keepdim=True)) @ tokens[0, 0]
    mixed = encoder.blocks[0].neighbours(tokens, weight)[0, 0]
    torch.testing.assert_close(mixed, expected, atol=1e-5, rtol=1e-5)


@pytest.mark.parametrize("encoder", ENCODERS)
@torch.no_grad()
def test_a_clips_logits_do_not_depend_on_its_batch(encoder):
    model = gated_model(encoder=encoder)
    poses, present = clips()
    present[1] = False  # a clip without any joint
    alone = torch.cat([model(p[None], s[None]) for p, s in zip(poses, present, strict=True)])
    assert alone.isfinite().all()
    torch.testing.assert_close(alone, model(poses, present), atol=1e-5, rtol=1e-5)


@pytest.mark.parametrize("encoder", ENCODERS)
def test_mixed_precision_gives_nearly_the_gradients_of_full_precision(encoder):
    """Logits and gradients agree to bfloat16's three digits; both are float32."""
    torch.manual_seed(0)
    model = SignClassificationLightning(asdict(replace(TINY, encoder=encoder, dropout=0.0)))
    poses, labels = torch.randn(16, 4, 42, 2), torch.arange(16) % 4
    found = []
    for mixed in (False, True):
        with torch.autocast("cpu", torch.bfloat16, enabled=mixed):
            logits = model(poses)
        model.zero_grad()
        functional.cross_entropy(logits, labels).backward()
        slopes = [p.grad.flatten() for p in model.encoder.parameters() if p.grad is not None]
        assert logits.dtype == torch.float32
        found.append((logits.detach(), torch.cat(slopes)))
    for full, mixed in zip(*found, strict=True):
        assert 0 < (mixed - full).norm() < 0.05 * full.norm()


def test_the_normaliser_stays_in_full_precision():
    torch.manual_seed(0)
    poses, weight = torch.randn(2, 4, 42, 2), torch.rand(2, 4, 42)
    hand = SkeletonTransformer(TINY).hand
    expected = normalise(poses, weight, hand)
    with torch.autocast("cpu", torch.bfloat16):
        assert torch.equal(normalise(poses, weight, hand), expected)
