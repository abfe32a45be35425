"""Configuration, gates inside the whole model, schedules, and safe checkpoints."""

import json
import math
import pickle
from dataclasses import asdict, replace
from pathlib import Path

import lightning
import numpy as np
import pytest
import torch
from conftest import toy_run
from strangers import trainer_of

from jointprune.budget import PruneJoints
from jointprune.classifier import SignClassificationLightning, one_cycle, slice_joints
from jointprune.config import TrainingConfig
from jointprune.preprocessing import normalise
from jointprune.training import batches_of, fit, without_noise

TINY = TrainingConfig(hidden=16, frames=4, epochs=3, batch_size=8)
GATED = replace(TINY, mask="hard-concrete")


def model_of(config: TrainingConfig) -> SignClassificationLightning:
    return SignClassificationLightning(asdict(config))


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"learning_rate": 1},
         r"expected hyperparameters, got \['learning_rate.*'skel_learning_rate'"),
        ({"num_pose_points": 21}, r"expected 21 joint names \(num_pose_points\), got 42"),
        ({"mask": "soft"}, "expected a mask, got 'soft': choose one of"),
        ({"budget": 43}, "expected a budget of 0 to 42 joints, got 43"),
        *(({"mask": mask, "budget": 12}, "a mask of .* for a budget, got")
          for mask in ("open", "any-subset", "quick-start", "group-lasso")),
        ({"exemplars": -1}, "expected 0 to 2147483647 as exemplars, got -1"),
        ({"gate_groups": "both-hands", "budget": 25},
         r"whole groups of gates add up to, got 25: use one of \[24, 26\]"),
        ({"gate_groups": "finger", "budget": 3}, r"got 3: use one of \[2, 4\]"),
        ({"gate_groups": "thumb"}, r"expected gate_groups, got 'thumb': choose one of \['joint'"),
        ({"gate_groups": "hand", "mask": "concrete"},
         "'joint' for the mask 'concrete', got 'hand'"),
        ({"hidden": 10, "heads": 4}, "expected hidden to be a multiple of 4 heads, got 10"),
        ({"heads": 0}, "expected hidden to be a multiple of 0 heads, got 256"),
        ({"epochs": 0}, "expected epochs above 0, got 0"),
        ({"num_classes": 0}, "expected num_classes above 0, got 0"),
        ({"frames": 8.0}, "as frames, got 8.0: pass an integer"),
        *(({name: value}, f"as {name}, got {value}: pass an integer")
          for name in ("budget", "epochs", "hidden") for value in (8.0, True)),
        ({"init_keep_prob": math.nan}, "expected a finite number for init_keep_prob, got nan"),
        ({"penalty": "high"}, "expected a finite number for penalty, got 'high'"),
        ({"dropout": True}, "expected a finite number for dropout, got True"),
        ({"balanced": 1}, "expected True or False for balanced, got 1"),
        ({"skel_learning_rate": math.inf}, "a finite number for skel_learning_rate, got inf"),
    ],
)  # fmt: skip
def test_an_impossible_configuration_is_refused(settings, message):
    with pytest.raises(ValueError, match=message):
        SignClassificationLightning(settings)


@pytest.mark.parametrize(
    ("shape", "message"),
    [
        ((2, 4, 21, 2), r"expected keypoints \(B, T, 42, 2\) as a tensor, got \(2, 4, 21, 2\)"),
        ((2, 4, 84), r"expected keypoints \(B, T, 42, 2\) as a tensor, got \(2, 4, 84\)"),
        ((2, 5, 42, 2), "expected clips of 4 frames, got 5: resample them first"),
    ],
)
def test_keypoints_of_another_shape_are_refused(shape, message):
    with pytest.raises(ValueError, match=message):
        model_of(TINY)(torch.zeros(shape))
    with pytest.raises(ValueError, match=r"\(B, T, 42, 2\) as a tensor, got ndarray"):
        model_of(TINY)(np.zeros((2, 4, 42, 2), np.float32))


def test_groups_follow_the_names_of_the_joints_that_a_model_reads():
    """Three joints of one finger, another hand's, and a wrist, out of order."""
    names = ("left.index_tip", "right.wrist", "left.index_pip", "right.index_tip", "left.index_mcp")
    for mask in ("hard-concrete", "stg"):
        for groups, expected in (
            ("joint", [0, 1, 2, 3, 4]), ("finger", [0, 1, 0, 2, 0]), ("hand", [0, 1, 0, 1, 0]),
            ("both-hands", [0, 1, 2, 0, 3]),
        ):  # fmt: skip
            config = {"joints": names, "num_pose_points": 5, "mask": mask, "gate_groups": groups}
            layer = SignClassificationLightning(config).joint_pruning
            assert layer.gate_of.tolist() == expected


def test_a_configuration_of_numpys_numbers_and_strings_is_the_same(tmp_path):
    numbers = {"hidden": np.int64(16), "dropout": np.float32(0.25), "encoder": np.str_("recurrent")}
    config = replace(TINY, **numbers, joints=np.array(TINY.joints))
    plain = replace(TINY, hidden=16, dropout=0.25, encoder="recurrent")
    assert config == plain and json.dumps(asdict(config)) == json.dumps(asdict(plain))
    trainer = lightning.Trainer(barebones=True, max_steps=0)
    trainer.strategy.connect(model_of(config))
    trainer.save_checkpoint(tmp_path / "x.ckpt")
    loaded = SignClassificationLightning.load_from_checkpoint(tmp_path / "x.ckpt")
    assert loaded.config == plain


@torch.no_grad()
def test_in_training_each_clip_of_a_batch_gets_gates_of_its_own_constant_over_its_frames():
    """But the quick start's mask is one for the whole batch, and evaluation has one for all."""
    for mask, expected in (
        ("hard-concrete", 8), ("stg", 8), ("concrete", 8), ("any-subset", 8), ("quick-start", 1),
        ("open", 1), ("group-lasso", 1),
    ):  # fmt: skip
        torch.manual_seed(0)
        model = model_of(replace(TINY, mask=mask, budget=12 if mask == "concrete" else 0))
        if mask in ("hard-concrete", "stg"):
            model.joint_pruning.joint_logits.fill_(0.3)
        seen = []
        model.encoder.register_forward_pre_hook(lambda _, given, seen=seen: seen.append(given[1]))
        for training in (True, False):
            model.train(training)(torch.ones(8, 4, 42, 2))
        for weight, different in zip(seen, (expected, 1), strict=True):
            assert torch.equal(weight, weight[:, :1].expand(8, 4, 42))
            assert len(weight[:, 0].unique(dim=0)) == different, mask


@pytest.mark.parametrize(("progress", "share"), [(0, 0), (0.3, 0.4), (1, 1)])
def test_the_penalty_rises_linearly_until_ramp_end(progress, share, monkeypatch):
    model = model_of(replace(GATED, penalty=3.0, init_keep_prob=0.8, ramp_end=0.75))
    monkeypatch.setattr(model, "progress", lambda: progress)
    assert model.gate_penalty().item() == pytest.approx(3.0 * share * 0.8, rel=1e-5)


@pytest.mark.parametrize(
    ("budget", "given", "kept"), [(12, None, 12), (12, 12, 12), (0, 20, 20), (0, 0.5, 21)]
)
def test_a_budget_or_the_trainers_callback_decides_the_number_of_joints(budget, given, kept):
    """Lightning would replace the given callback by the configuration's without a word."""
    callback = PruneJoints(given, retrain=True)
    trainer = train_tiny(replace(GATED, budget=budget), [callback] if given else [])
    assert trainer.lightning_module.joint_pruning.get_summary()["num_active"] == kept
    assert trainer.callback_metrics["num_active_joints"] == kept
    assert trainer.callbacks.count(callback) == (given is not None)


@pytest.mark.parametrize("given", [(0.5, True), (12, False)])
def test_two_ways_to_prune_are_refused(given):
    message = r"got budget=12 in the .* and PruneJoints\({}, retrain={}\): leave".format(*given)
    with pytest.raises(ValueError, match=message):
        train_tiny(replace(GATED, budget=12), [PruneJoints(*given)])


def train_tiny(config: TrainingConfig, callbacks) -> lightning.Trainer:
    """Train for a step an epoch on random clips."""
    poses, present = torch.randn(1, 8, 4, 42, 2), torch.ones(1, 8, 4, 42, dtype=torch.bool)
    labels = torch.arange(8)[None]
    trainer = trainer_of(*callbacks, max_epochs=config.epochs)
    with without_noise():
        loader = torch.utils.data.DataLoader([*zip(poses, present, labels, strict=True)], None)
        trainer.fit(model_of(config), loader)
    return trainer


def test_the_learning_rate_rises_over_the_warmup_and_falls_to_0():
    values = [one_cycle(p) for p in (0, 0.15, 0.3, 0.65, 1)]
    assert values == pytest.approx([0.04, 0.52, 1, 0.5, 0], abs=1e-12)
    assert one_cycle(1.1) == one_cycle(1)
    assert one_cycle(0.1, warmup=0.1) == 1


@pytest.fixture
def trained(toy_dataset) -> SignClassificationLightning:
    """A tiny model trained towards a budget of 12 joints."""
    return fit(toy_run(toy_dataset, replace(GATED, budget=12)), toy_dataset)[0]


def test_the_gates_of_the_penalty_learn_at_their_own_rate_without_weight_decay(toy_dataset):
    trained, _ = fit(toy_run(toy_dataset, GATED), toy_dataset)
    others, gates = trained.trainer.optimizers[0].param_groups
    assert gates["params"] == [trained.joint_pruning.joint_logits]
    assert (gates["lr"], gates["weight_decay"]) == (GATED.gate_learning_rate, 0.0)
    assert len(trained.joint_pruning.joint_logits.unique()) > 1  # they moved
    assert others["weight_decay"] == GATED.weight_decay
    assert others["lr"] == pytest.approx(0, abs=1e-6)  # one cycle has ended
    assert len(others["params"]) == len(list(trained.parameters())) - 1


def test_the_group_lasso_reads_inputs_of_unit_deviation_and_can_be_sliced(toy_dataset):
    """Sliced, it is the plain projection of the same outputs, also as a checkpoint holds it."""
    run = toy_run(toy_dataset, replace(TINY, mask="group-lasso", shrinkage=0.9, epochs=3))
    model = fit(run, toy_dataset)[0].eval()
    features = torch.cat([
        normalise(poses, present.float(), model.encoder.hand).flatten(0, 1)[:, :84]
        for poses, present, _ in batches_of(run, toy_dataset)  # the first pass, from the same seed
    ])  # fmt: skip
    deviation = features.view(-1, 42, 2).var(0, correction=0).mean(1).sqrt()
    assert (deviation[:21] == 0).all()  # no left hand in these clips: not scaled
    deviation[:21] = 1
    found = model.encoder.project.parametrizations.weight[0].scale[:84].view(42, 2)
    torch.testing.assert_close(found, deviation[:, None].expand(42, 2))
    model.joint_pruning.freeze(range(21, 42))
    small, poses = slice_joints(model), torch.randn(3, 4, 42, 2)
    assert "project.weight" in small.encoder.state_dict()
    with torch.no_grad():
        torch.testing.assert_close(small(poses[:, :, 21:]), model(poses))


class Trespass:
    """Unpickling it creates a file."""

    def __init__(self, path: Path):
        self.path = path

    def __reduce__(self):
        return Path.touch, (self.path,)


def test_a_checkpoint_that_would_run_code_is_refused(tmp_path):
    model = model_of(TINY)
    marker, checkpoint = tmp_path / "trespassed", tmp_path / "evil.ckpt"
    content = {"state_dict": model.state_dict(), "hyper_parameters": dict(model.hparams)}
    torch.save({**content, "extra": Trespass(marker)}, checkpoint)
    with pytest.raises(pickle.UnpicklingError, match="Weights only load failed"):
        SignClassificationLightning.load_from_checkpoint(checkpoint)
    assert not marker.exists()


def test_a_trained_classifier_can_be_fitted_again(trained, toy_dataset):
    kept = trained.joint_pruning.kept_joints()
    before = [parameter.clone() for parameter in trained.parameters() if parameter.requires_grad]
    run = toy_run(toy_dataset, trained.config)
    trainer_of(max_epochs=1).fit(trained, batches_of(run, toy_dataset))
    assert trained.joint_pruning.frozen and trained.joint_pruning.kept_joints() == kept
    assert len(kept) == 12
    after = [parameter for parameter in trained.parameters() if parameter.requires_grad]
    assert not any(map(torch.equal, before, after))
