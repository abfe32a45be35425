"""The pruning layer against closed forms, Monte Carlo samples, and the quick start's usage."""

import math

import pytest
import torch
from torch import nn

from jointprune.gates import JointPruningLayer, QuickStartMask, l0_penalty

OPEN, CLOSED = 10.0, -10.0  # logits far beyond the stretch: gates exactly 1 and exactly 0


def layer_with(logits, **kwargs) -> JointPruningLayer:
    """A layer of one gate a joint whose logits are given."""
    layer = JointPruningLayer(len(logits), **kwargs)
    layer.joint_logits.data = torch.as_tensor(logits, dtype=torch.float32)
    return layer


@pytest.mark.parametrize(("logit", "beta"), [(-3, 2 / 3), (0.4, 2 / 3), (0.0, 0.3)])
def test_sampled_gates_are_the_distribution_of_the_paper(logit, beta):
    """P(gate <= s) = sigma(beta log(t/(1-t)) - logit) with t the unstretched s."""
    torch.manual_seed(0)
    samples = 200_000
    layer = layer_with(torch.full((samples,), logit), temperature=beta).train()
    gates, expected = layer.gates(), {0.0: 1 - layer.keep_probability()[0].item()}
    for s in (0.1, 0.5, 0.9):
        t = (s + 0.1) / 1.2
        expected[s] = 1 / (1 + math.exp(-(beta * math.log(t / (1 - t)) - logit)))
    for s, p in expected.items():
        share = (gates <= s).float().mean().item()
        assert abs(share - p) < 4 * math.sqrt(p * (1 - p) / samples)


def test_the_penaltys_gradient_is_weight_p_1_minus_p_over_joints():
    logits = torch.linspace(-4, 4, 21)
    layer = layer_with(logits)
    l0_penalty(layer, weight=0.7).backward()
    p = torch.sigmoid(logits - 2 / 3 * math.log(0.1 / 1.1))
    torch.testing.assert_close(layer.joint_logits.grad, 0.7 * p * (1 - p) / 21)


def test_the_penalty_depends_on_neither_batch_nor_number_of_joints():
    values = []
    for joints, batch in ((5, 1), (42, 1), (42, 64), (543, 2)):
        layer = JointPruningLayer(joints, init_keep_prob=0.8)
        layer(torch.ones(batch, 3, joints, 2))
        torch.testing.assert_close(layer.keep_probability(), torch.full((joints,), 0.8))
        values.append(l0_penalty(layer, weight=2.0).item())
    assert values == pytest.approx([1.6] * 4, rel=1e-5)


def test_each_gate_scales_its_own_joint_in_both_input_shapes():
    layer = layer_with(torch.linspace(-3, 3, 42)).eval()
    for coords in (2, 3):
        x = torch.randn(2, 4, 42, coords)
        y = layer(x)
        assert torch.equal(y, x * layer.gates()[:, None])
        assert torch.equal(layer(x.flatten(2)), y.flatten(2))


def test_gates_reach_exactly_0_and_1_in_evaluation_and_in_training():
    layer = layer_with([CLOSED, 0.0, OPEN])
    assert layer.eval().gates().tolist() == [0.0, 0.5, 1.0]
    samples = layer_with(torch.zeros(1000)).train().gates()
    assert (samples == 0).any() and (samples == 1).any()
    assert ((samples > 0) & (samples < 1)).any()


def test_a_gate_counts_as_active_exactly_when_it_lets_something_through():
    threshold = math.log(0.1 / 1.1)
    logits = [threshold - 1e-3, threshold + 1e-3, 0.0, CLOSED, OPEN]
    layer = layer_with(logits).eval()
    assert layer.kept_joints() == layer.gates().nonzero().flatten().tolist() == [1, 2, 4]
    summary = layer.get_summary()
    assert (summary["num_active"], summary["num_total"]) == (3, 5)
    assert summary["pruning_ratio"] == pytest.approx(2 / 5)


def test_hard_gates_are_0_or_1_and_still_have_a_gradient():
    torch.manual_seed(0)
    layer = JointPruningLayer(200, hard=True, init_keep_prob=0.6).train()
    gates = layer.gates()
    # The straight-through sum rounds in the last place.
    assert torch.all(torch.minimum(gates.abs(), (gates - 1).abs()) < 1e-6)
    assert 0 < gates.mean() < 1
    gates.sum().backward()
    assert (layer.joint_logits.grad > 0).any()


def test_tied_joints_share_one_gate_and_one_gradient():
    tied = [0, 1, 2, 0, 1, 2]
    layer = JointPruningLayer(6, init_keep_prob=0.5, tied=tied).train()
    assert layer.joint_logits.shape == (3,)
    gates = layer.gates()
    assert torch.equal(gates[:3], gates[3:])
    l0_penalty(layer, weight=1.0).backward()
    # Two of six joints hang on each gate: 2/6 p (1 - p).
    torch.testing.assert_close(layer.joint_logits.grad, torch.full((3,), 0.25 / 3))


@pytest.mark.parametrize("k", [1, 12, 42])
def test_freeze_top_opens_exactly_the_k_highest_logits(k):
    logits = torch.randperm(42, generator=torch.Generator().manual_seed(k)).float()
    layer = layer_with(logits).train()
    layer.freeze_top(k)
    assert layer.kept_joints() == sorted(logits.topk(k).indices.tolist())
    assert layer.get_summary()["num_active"] == k
    assert sorted(layer.gates().tolist()) == [0.0] * (42 - k) + [1.0] * k
    assert l0_penalty(layer, weight=1.0).item() == pytest.approx(k / 42)
    ties = JointPruningLayer(42)
    ties.freeze_top(k)
    assert ties.kept_joints() == [*range(k)]


def test_freeze_top_with_tied_gates_keeps_whole_gates():
    layer = JointPruningLayer(6, tied=[0, 1, 2, 0, 1, 2])
    layer.joint_logits.data = torch.tensor([0.0, 2.0, 1.0])
    layer.freeze_top(4)
    assert layer.kept_joints() == [1, 2, 4, 5]
    with pytest.raises(ValueError, match="whole tied gates add up to, got 3"):
        layer.freeze_top(3)
    with pytest.raises(ValueError, match="expected 1 to 6 joints to keep, got 7"):
        layer.freeze_top(7)


def test_a_state_dict_holds_frozen_gates():
    layer, other = JointPruningLayer(8), JointPruningLayer(8)
    layer.freeze([2, 5])
    other.load_state_dict(layer.state_dict())
    assert other.kept_joints() == [2, 5]


def test_a_wrong_joint_count_and_impossible_gates_are_refused():
    for shape, message in (
        ((2, 3, 21, 2), "expected 42 joints, got 21"),
        ((2, 3, 43), "multiple of 42 joints, got 43"),
        ((42, 2), r"expected \(B, T, J, P\) or \(B, T, J\*P\), got \(42, 2\)"),
    ):
        with pytest.raises(ValueError, match=message):
            JointPruningLayer(42)(torch.zeros(shape))
    for name, value, message in (
        ("init_keep_prob", 1.0, "init_keep_prob between 0 and 1, got 1.0"),
        ("temperature", 0.0, "temperature above 0, got 0.0"),
        ("tied", [0, 1], "one gate index for each of 4 joints"),
        ("tied", [0, 2, 2, 0], r"gate indices 0\.\.2, each used at least once"),
    ):
        with pytest.raises(ValueError, match=message):
            JointPruningLayer(4, **{name: value})


class QuickStartClassifier(nn.Module):
    """A classifier with the lines of QUICK_START.md, step 2, as printed there."""

    def __init__(self):
        super().__init__()
        self.config = {"num_pose_points": 42, "skel_learning_rate": 0.01}
        self.logged = {}
        self.skel_head = nn.Linear(84, 3)
        self.loss_fn = nn.CrossEntropyLoss()
        # fmt: off
        # Skeleton pruning layer
        self.joint_pruning = JointPruningLayer(
            num_joints=self.config["num_pose_points"],
            init_keep_prob=0.9
        )
        # fmt: on

    def log(self, name, value, on_epoch):
        self.logged[name] = value

    def forward(self, skeleton_keypoints):
        if skeleton_keypoints is not None:
            B, T, J, P = skeleton_keypoints.shape
            assert P == 2
            skeleton_keypoints = self.joint_pruning(skeleton_keypoints)  # <-- ADD THIS LINE
            skeleton_keypoints = skeleton_keypoints.view(B, T, J * P)
        return self.skel_head(skeleton_keypoints).mean(1)

    def training_step(self, x, labels):
        loss = self.loss_fn(self(x), labels)
        # Add L0 penalty
        loss = loss + l0_penalty(self.joint_pruning, weight=0.001)

        # Log pruning progress (optional)
        summary = self.joint_pruning.get_summary()
        self.log("pruning_ratio", summary["pruning_ratio"], on_epoch=True)
        self.log("num_active_joints", summary["num_active"], on_epoch=True)
        return loss

    def configure_optimizers(self):
        return torch.optim.AdamW(
            [
                {"params": self.skel_head.parameters()},
                {
                    "params": [self.joint_pruning.joint_logits],
                    "lr": self.config["skel_learning_rate"],
                    "weight_decay": 0.0,
                },
            ]
        )


def test_the_printed_quick_start_usage_runs_unchanged(capsys):
    torch.manual_seed(0)
    model = QuickStartClassifier()
    before = model.joint_pruning.joint_logits.detach().clone()
    optimizer = model.configure_optimizers()
    loss = model.training_step(torch.randn(4, 6, 42, 2), torch.tensor([0, 1, 2, 0]))
    loss.backward()
    optimizer.step()
    assert (model.joint_pruning.joint_logits != before).all()
    assert model.logged == {"pruning_ratio": 0.0, "num_active_joints": 42}
    summary = model.joint_pruning.get_summary()
    print(f"Kept {summary['num_active']}/{summary['num_total']} joints")
    print(f"Pruning ratio: {summary['pruning_ratio']:.1%}")
    assert capsys.readouterr().out == "Kept 42/42 joints\nPruning ratio: 0.0%\n"


def test_the_quick_starts_mask_sums_to_1_and_closes_no_joint():
    torch.manual_seed(0)
    mask = QuickStartMask(42).eval()  # sampling continues in evaluation
    assert not torch.equal(mask.gates(), mask.gates())
    for shift in (0, 5):  # which moves the penalty and the summary alone
        mask.joint_logits.data -= shift
        torch.manual_seed(3)
        gates = mask.gates()
        assert gates.sum().item() == pytest.approx(1, abs=1e-5)
        assert gates.min() > 0
        assert (
            (l0_penalty(mask, 1.0) < 0.1) == (mask.get_summary()["num_active"] == 0) == (shift > 0)
        )
