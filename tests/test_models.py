"""Dropout against the binomial law, our block against torch's, sliced against masked models."""

import copy
import math
from dataclasses import asdict, replace

import numpy as np
import pytest
import torch
from torch.nn import functional
from torch.optim.swa_utils import AveragedModel

from jointprune.classifier import SignClassificationLightning, slice_joints
from jointprune.config import TrainingConfig
from jointprune.export.program import LIBRARY_NOISE
from jointprune.models import ENCODERS, SkeletonTransformer
from jointprune.models.frames import Block
from jointprune.models.parts import SHARPNESS, Dropout, Head
from jointprune.preprocessing import normalise
from jointprune.skeleton import JOINT_NAMES, bone_distance
from jointprune.training import without_noise

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
    remembered = torch.randn(7, model.encoder.head.class_vectors.shape[1])
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


@pytest.mark.parametrize(("groups", "coords"), [("joint", 2), ("both-hands", 3), ("finger", 2)])
@pytest.mark.parametrize("encoder", ENCODERS)
@torch.no_grad()
def test_a_sliced_model_gives_the_outputs_of_the_masked_one(encoder, groups, coords):
    """With the joints that its gates keep, and with any others: those are missing to the masked."""
    model = gated_model(encoder=encoder, gate_groups=groups, coords=coords)
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


@pytest.mark.parametrize(("groups", "gates"), [("joint", 42), ("both-hands", 21), ("finger", 12)])
def test_slicing_removes_the_weights_and_gates_of_dropped_joints_and_nothing_else(groups, gates):
    def count(model):
        return sum(p.numel() for p in model.parameters())

    model, kept = gated_model(gate_groups=groups), [0, 4, 8, 30]
    removed = count(model) - count(slice_joints(model, kept))
    assert removed == (42 - 4) * 2 * TINY.hidden + gates - 4


MASK = [j in (3, 7, 30) for j in range(42)]


@pytest.mark.parametrize(
    "kept",
    [
        torch.tensor([3, 7, 30]), np.array([3, 7, 30]), (3, 7, 30), iter([3, 7, 30]), MASK,
        np.array(MASK), torch.tensor(MASK), np.array([3, 7, 30], np.uint8),
    ],
)  # fmt: skip
@torch.no_grad()
def test_the_joints_of_a_slice_may_be_indices_or_a_mask_of_any_type(kept):
    model, (poses, present) = gated_model(), clips()
    small, expected = slice_joints(model, kept), slice_joints(model, [3, 7, 30])
    assert small.config == expected.config
    read = poses[:, :, [3, 7, 30]], present[:, :, [3, 7, 30]]
    assert torch.equal(small(*read), expected(*read))


@pytest.mark.parametrize(
    ("kept", "message"),
    [
        ([], "expected joints, got 0"), ([False] * 42, "expected joints, got 0"),
        ([2, 2], r"joints without repetition, got \[2\] more than once"),
        ([-1, 3], r"from 0 to 41, got \[-1\]"), ([41, 42], r"from 0 to 41, got \[42\]"),
        ([True, False], r"got bool of shape \(2,\): .* bool mask of length 42"),
        ([1.5], r"indices of joints, got float64 of shape \(1,\)"),
        (12, r"indices of joints, got int64 of shape \(\)"),
        ([3, 1], r"ascending joint indices, got \[3, 1\]"),
    ],
)  # fmt: skip
def test_joints_that_cannot_be_kept_are_refused(kept, message):
    with pytest.raises(ValueError, match=message):
        slice_joints(gated_model(), kept)


def test_another_model_is_not_sliced_and_its_owner_hears_how_to():
    with pytest.raises(ValueError, match=r"got Linear: in a network of your own pass keypoints"):
        slice_joints(torch.nn.Linear(3, 2))


def test_a_model_without_open_gates_has_no_joints_to_keep():
    model = gated_model()
    torch.nn.init.constant_(model.joint_pruning.joint_logits, -9)
    with pytest.raises(ValueError, match="model with open gates, got none: pass the joints"):
        slice_joints(model)


@pytest.mark.parametrize("encoder", ENCODERS)
@pytest.mark.parametrize("mode", [True, False])
def test_what_a_closed_or_missing_joint_holds_changes_no_output_and_no_gradient(encoder, mode):
    """NaN and infinity against random numbers; sampled gates are closed in training."""
    model = gated_model(encoder=encoder, dropout=0.0).train(mode)
    torch.nn.init.constant_(model.joint_pruning.joint_logits[:5], -30)
    poses, present = clips()
    hidden = ~present
    hidden[:, :, :5] = True
    found = []
    for value in (None, torch.nan, torch.inf, -torch.inf):
        model.zero_grad()
        torch.manual_seed(0)
        read = poses if value is None else torch.where(hidden[..., None], value, poses)
        logits = model(read, present)
        logits.square().sum().backward()
        slopes = [p.grad.clone() for p in model.parameters() if p.grad is not None]
        found.append((logits.detach(), *slopes))
        assert all(part.isfinite().all() for part in found[-1])
    for odd in found[1:]:
        for one, other in zip(odd, found[0], strict=True):
            torch.testing.assert_close(one, other, atol=1e-6, rtol=1e-5)


@pytest.mark.parametrize("mode", [True, False])
@pytest.mark.parametrize("encoder", ENCODERS)
def test_other_precisions_keep_theirs_and_give_the_same_logits(encoder, mode):
    """In forward and sliced; keypoints may come in any precision. bfloat16 has three digits."""
    model = gated_model(encoder=encoder, dropout=0.0).train(mode)
    model.joint_pruning.freeze([1, 2, 22, 25, 29, 33])  # nothing is sampled in training
    poses, present = clips()
    expected = model(poses, present)
    for kind, near in ((torch.float64, 1e-4), (torch.bfloat16, 0.5)):
        other = copy.deepcopy(model).to(kind)
        kept = other.joint_pruning.kept_joints()
        small = slice_joints(other)
        assert {p.dtype for p in small.parameters()} == {kind}
        assert small.training == mode
        for given in (poses, poses.to(kind)):
            for logits in (
                other(given, present),
                small(given[:, :, kept], present[:, :, kept].float()),
            ):
                assert logits.dtype == kind
                torch.testing.assert_close(logits.float(), expected, atol=near, rtol=0)
        other(poses, present).sum().backward()
        assert all(p.grad.isfinite().all() for p in other.parameters() if p.grad is not None)


@pytest.mark.parametrize("mode", [True, False])
@pytest.mark.parametrize("encoder", ENCODERS)
def test_a_batch_without_clips_gives_no_logits_and_clips_without_frames_are_refused(encoder, mode):
    model, (poses, present) = gated_model(encoder=encoder).train(mode), clips()
    assert model(poses[:0], present[:0]).shape == (0, 4)
    with pytest.raises(ValueError, match="expected clips of one frame or more, got none"):
        model(poses[:, :0], present[:, :0])
    for wrong in (present[:, :, :21], present[:1], present[:, 0]):
        with pytest.raises(ValueError, match=r"expected presence \(5, 4, 42\), one value a joint"):
            model(poses, wrong)


@pytest.mark.parametrize("encoder", ENCODERS)
@torch.no_grad()
def test_a_gated_model_is_exported_for_any_number_of_clips(encoder):
    model, (poses, present) = gated_model(encoder=encoder), clips()
    free = {0: torch.export.Dim("clips")}
    with without_noise(LIBRARY_NOISE):
        program = torch.export.export(model, (poses[:2], present[:2]), dynamic_shapes=(free, free))
    torch.testing.assert_close(program.module()(poses, present), model(poses, present))


@torch.no_grad()
def test_averaging_equal_models_with_their_buffers_changes_no_logit():
    model, (poses, present) = gated_model(gate_groups="finger"), clips()
    averaged = AveragedModel(model, use_buffers=True)
    for _ in range(3):
        averaged.update_parameters(model)
    torch.testing.assert_close(averaged.eval()(poses, present), model(poses, present))


@pytest.mark.parametrize("encoder", ENCODERS)
@torch.no_grad()
def test_a_closed_or_missing_joint_reaches_no_logit_and_every_other_one_does(encoder):
    """Not through a hand's centre or the clip's scale either. Without presence all are present."""
    model, (poses, present) = gated_model(encoder=encoder), clips()
    model.joint_pruning.joint_logits[::5] = -10
    present[:, :, 7] = False
    opened, logits = model.joint_pruning.gates() > 0, model(poses, present)
    for joint in range(42):
        moved = poses.clone()
        moved[:, :, joint] = 100 * torch.randn(5, 4, 2)
        same = torch.equal(model(moved, present), logits)
        assert same == (joint == 7 or not opened[joint]), JOINT_NAMES[joint]
    elsewhere = torch.where(present[..., None], poses, 100.0)
    assert torch.equal(model(elsewhere, present), logits)
    assert torch.equal(model(poses), model(poses, torch.ones_like(present)))


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
    vectors, clips = functional.normalize(head.class_vectors, dim=-1), head.embed(tokens)
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
