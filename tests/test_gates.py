"""The pruning layer: closed forms, Monte Carlo samples and odd input."""

import copy
import io
import math
import pickle
from itertools import combinations

import numpy as np
import pytest
import torch
from torch import nn
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn

from jointprune.gate_variants import ConcreteSubset, QuickStartMask, RandomSubsets, StochasticGates
from jointprune.gates import JointPruningLayer, l0_penalty
from jointprune.skeleton import FINGERS

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


@pytest.mark.parametrize("make", [JointPruningLayer, StochasticGates])
def test_each_clip_of_a_batch_has_a_sample_of_its_own_with_the_papers_distribution(make):
    """Across clips P(gate > 0) is `keep_probability`, and the gates of two clips do not correlate.

    Within a clip the joint's gate is the same in every frame and coordinate.
    """
    torch.manual_seed(0)
    clips = 40_000
    layer = make(3, init_keep_prob=0.5).train()
    layer.joint_logits.data += torch.tensor([-1.0, 0.0, 0.5])
    y = layer(torch.ones(clips, 2, 3, 2)).detach()
    gates = y[:, 0, :, 0]
    assert torch.equal(y, gates[:, None, :, None].expand_as(y))
    assert (gates[0] != gates[1]).any()
    p = layer.keep_probability().detach()
    error = (p * (1 - p) / clips).sqrt()
    assert (((gates > 0).float().mean(0) - p).abs() < 4 * error).all()
    alone = torch.stack([layer.gates().detach() for _ in range(2000)])  # one sample a call
    assert alone.shape == (2000, 3)
    for moment in (1, 2):
        values, reference = gates**moment, alone**moment
        spread = (values.var(0) / clips + reference.var(0) / 2000).sqrt()
        assert ((values.mean(0) - reference.mean(0)).abs() < 4 * spread).all()
    for one, other in ((gates[::2], gates[1::2]), (gates, gates.roll(1, 1))):
        for j in range(3):  # neighbouring clips; two joints of a clip
            r = torch.corrcoef(torch.stack([one[:, j], other[:, j]]))[0, 1]
            assert abs(r) < 4 / math.sqrt(len(one))


def test_gates_of_each_clip_follow_groups_and_are_one_set_in_evaluation_or_frozen():
    torch.manual_seed(0)
    layer = JointPruningLayer(4, init_keep_prob=0.5, gate_groups=[0, 1, 1, 0]).train()
    gates = layer.gates(50)
    assert gates.shape == (50, 4) and len(gates.unique(dim=0)) > 25
    assert torch.equal(gates[:, :2], gates[:, [3, 2]])
    assert not torch.equal(gates[:, 0], gates[:, 1])
    gates.sum().backward()
    assert layer.joint_logits.grad.shape == (2,) and (layer.joint_logits.grad > 0).all()
    layer.zero_grad()
    l0_penalty(layer, weight=1.0).backward()  # two of four joints a gate: 2/4 p (1 - p)
    torch.testing.assert_close(layer.joint_logits.grad, torch.full((2,), 0.25 / 2))
    assert torch.equal(layer.eval().gates(50), layer.gates()) and layer.gates().shape == (4,)
    layer.train().freeze([1, 2])
    assert layer.gates(50).tolist() == [0, 1, 1, 0]


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
    assert set(gates.tolist()) == {0.0, 1.0}
    assert 0 < gates.mean() < 1
    gates.sum().backward()
    assert (layer.joint_logits.grad > 0).any()
    layer.joint_logits.data = torch.linspace(-2, 2, 200)  # the estimate is 1/2 at a logit of 0
    assert layer.eval().kept_joints() == layer.gates().nonzero().flatten().tolist()
    assert len(layer.kept_joints()) == 100


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


def members(layer: JointPruningLayer) -> set[frozenset[int]]:
    """The sets of joints that share a gate."""
    gate_of = layer.gate_of.tolist()
    return {frozenset(j for j, g in enumerate(gate_of) if g == gate) for gate in gate_of}


def test_named_groups_are_joints_fingers_hands_or_the_same_joint_of_both_hands():
    hands = [frozenset(range(21)), frozenset(range(21, 42))]
    fingers = {frozenset(21 * h + j for j in FINGERS[finger]) for h in (0, 1) for finger in FINGERS}
    joints = {frozenset([j]) for j in range(42)}
    assert members(JointPruningLayer(42)) == members(JointPruningLayer(42, gate_groups="joint"))
    for name, expected in (
        ("joint", joints),
        ("finger", fingers | {frozenset([0]), frozenset([21])}),
        ("hand", set(hands)),
        ("both-hands", {frozenset([j, j + 21]) for j in range(21)}),
    ):
        layer = JointPruningLayer(42, gate_groups=name)
        assert members(layer) == expected
        assert layer.joint_logits.shape == (len(expected),)


@pytest.mark.parametrize(
    "groups",
    [
        ["b", "a", "b", "c"], (7, 3, 7, -1), [(1, "x"), None, (1, "x"), 2.5],
        np.array([9, 200, 9, 1], np.uint8), np.array(["b", "a", "b", "c"]),
        torch.tensor([5, 1, 5, 0]), list(torch.tensor([5, 1, 5, 0])), iter("babc"),
    ],
)  # fmt: skip
def test_labels_of_groups_may_be_anything_hashable_and_count_in_the_order_of_first_use(groups):
    assert JointPruningLayer(4, gate_groups=groups).gate_of.tolist() == [0, 1, 0, 2]


def test_freeze_top_keeps_whole_groups():
    layer = JointPruningLayer(6, gate_groups=[0, 1, 2, 0, 1, 2])
    layer.joint_logits.data = torch.tensor([0.0, 2.0, 1.0])
    layer.freeze_top(4)
    assert layer.kept_joints() == [1, 2, 4, 5]
    with pytest.raises(ValueError, match=r"whole groups .* add up to, got 3: use one of \[2, 4\]"):
        layer.freeze_top(3)
    for k in (7, 0, 2.0, True, "2", None):
        with pytest.raises(ValueError, match=f"expected 1 to 6 joints to keep, got {k!r}"):
            layer.freeze_top(k)
    assert layer.kept_joints() == [1, 2, 4, 5]


@pytest.mark.parametrize("seed", range(5))
def test_groups_of_unequal_size_are_kept_in_the_order_of_their_logits_as_far_as_k_allows(seed):
    """The kept groups, highest first, are the greatest such list of logits, by brute force."""
    draw = np.random.default_rng(seed)
    groups = draw.permutation([0] * 5 + [1] * 2 + [2] * 4 + [3] + [4] * 4 + [5]).tolist()
    layer = JointPruningLayer(17, gate_groups=groups)
    logits = draw.permutation(6).astype(float)
    layer.joint_logits.data = torch.tensor(logits)
    gate_of = layer.gate_of.tolist()
    possible = {}
    for count in range(1, 7):
        for gates in combinations(range(6), count):
            size = sum(gate in gates for gate in gate_of)
            possible.setdefault(size, []).append((sorted(logits[list(gates)])[::-1], gates))
    for k in range(1, 18):
        if k not in possible:
            with pytest.raises(ValueError, match=f"add up to, got {k}"):
                layer.freeze_top(k)
            continue
        layer.freeze_top(k)
        best = max(possible[k])[1]
        assert layer.kept_joints() == [j for j, gate in enumerate(gate_of) if gate in best]
        assert len(layer.kept_joints()) == k


KEPT = [1, 3]
MASK = [False, True, False, True, False]


@pytest.mark.parametrize(
    "kept",
    [
        KEPT, [3, 1], tuple(KEPT), {3, 1}, (j for j in KEPT), torch.tensor(KEPT), np.array(KEPT),
        np.array(KEPT, np.uint8), list(torch.tensor(KEPT)), list(np.array(KEPT)), MASK,
        torch.tensor(MASK), np.array(MASK), tuple(np.array(MASK)),
    ],
)  # fmt: skip
def test_joints_to_freeze_may_be_indices_or_a_mask_of_any_type(kept):
    layer = JointPruningLayer(5)
    layer.freeze(kept)
    assert layer.kept_joints() == KEPT
    assert layer.gates().tolist() == [0, 1, 0, 1, 0]
    assert not layer.joint_logits.requires_grad  # DDP would wait for its gradient


TYPES = r"expected indices of joints, got {}: pass a list of integers, or a bool mask of length 5"
NONE, RANGE = "expected joints, got 0: pass at least 1", r"joints from 0 to 4, got \[{}\]"


@pytest.mark.parametrize(
    ("kept", "message"),
    [
        ([], NONE), (torch.zeros(5, dtype=torch.bool), NONE), ([1, 5], RANGE.format(5)),
        ([-1], RANGE.format(-1)), ([1, 1], r"without repetition, got \[1\] more than once"),
        *((kept, TYPES.format(rf"float64 of shape \({n},\)"))
          for kept, n in (([1.0], 1), ([0.5], 1), (torch.tensor([1.0, 2.0]), 2), ([math.nan], 1))),
        *((kept, TYPES.format(rf"bool of shape \({shape}\)")) for kept, shape in (
            ([True, False], "2,"), (np.ones(6, bool), "6,"),
            (torch.ones(1, 5, dtype=torch.bool), "1, 5"))),
        *((kept, TYPES.format(r"\S+ of shape \(.*\)"))
          for kept in (["1"], "12", None, 1, torch.tensor(1), [[1, 2]], [None])),
        ([[1], [2, 3]], r"expected indices of joints, got \[\[1\], \[2, 3\]\]: pass a flat list"),
        ([True, 2, 3], "expected indices of joints, got True or False among them"),
    ],
)  # fmt: skip
def test_a_failing_freeze_says_what_it_expects_and_changes_nothing(kept, message):
    layer = JointPruningLayer(5)
    for frozen in (False, True):
        if frozen:
            layer.freeze([0, 1])
        before = copy.deepcopy(layer.state_dict())
        with pytest.raises(ValueError, match=message):
            layer.freeze(kept)
        after = layer.state_dict()
        assert all(torch.equal(after[name], before[name]) for name in before)
        assert layer.joint_logits.requires_grad != frozen


@pytest.mark.parametrize("mode", [True, False])
@pytest.mark.parametrize(
    "shape", [(0, 3, 5, 2), (2, 0, 5, 2), (2, 3, 5, 0), (0, 3, 10), (2, 0, 10)]
)
def test_an_empty_batch_passes_through_with_its_shape(shape, mode):
    layer, x = JointPruningLayer(5).train(mode), torch.zeros(shape, requires_grad=True)
    y = layer(x)
    assert y.shape == shape
    y.sum().backward()
    assert layer.joint_logits.grad.tolist() == [0.0] * 5


@pytest.mark.parametrize("flat", [False, True])
@pytest.mark.parametrize("case", ["evaluation", "frozen", "sampled", "hard"])
def test_a_closed_joint_is_0_whatever_it_holds_and_gradients_stay_finite(case, flat):
    """All other outputs and gradients have the same bits as with finite keypoints there."""
    found = []
    for odd in (False, True):
        torch.manual_seed(0)
        layer = layer_with([CLOSED, OPEN, 0.3, CLOSED, 1.0], hard=case == "hard")
        layer.train(case in ("sampled", "hard"))
        x = torch.randn(2, 3, 5, 2)
        if odd:
            x[:, :, 0], x[0, 1, 3, 1] = torch.nan, -torch.inf
        if case == "frozen":
            layer.freeze([1, 2, 4])
        x = (x.flatten(2) if flat else x).requires_grad_()
        torch.manual_seed(1)
        y = layer(x)
        each = y.view(2, 3, 5, 2)
        assert not each[:, :, [0, 3]].any()
        each[:, :, [1, 2, 4]].square().sum().backward()
        found.append((y.detach() + 0.0, x.grad + 0.0, layer.joint_logits.grad))
    (y, slope, gates), (odd_y, odd_slope, odd_gates) = found
    assert torch.equal(odd_y, y) and torch.equal(odd_slope, slope)
    assert (gates is odd_gates is None) if case == "frozen" else torch.equal(odd_gates, gates)


def test_hard_gates_rounded_to_0_keep_the_gradient_of_finite_keypoints():
    """Straight through: the slope of the unrounded gate, times the keypoints."""
    torch.manual_seed(0)
    layer, x = layer_with([-0.5] * 50, hard=True).train(), torch.rand(4, 2, 50, 2)
    torch.manual_seed(1)
    closed = (layer.gates(4) == 0).all(0)
    torch.manual_seed(1)
    layer(x).sum().backward()
    got = layer.joint_logits.grad.clone()
    layer.zero_grad()
    layer.hard = False
    torch.manual_seed(1)
    (layer.gates(4) * x.sum((1, 3))).sum().backward()
    torch.testing.assert_close(got, layer.joint_logits.grad)
    assert got[closed].any()


def test_nan_in_an_open_joint_is_not_hidden():
    layer, x = layer_with([CLOSED, OPEN]).eval(), torch.full((1, 1, 2, 2), torch.nan)
    assert layer(x)[0, 0].isnan().tolist() == [[False, False], [True, True]]


@pytest.mark.parametrize("kind", [torch.float64, torch.bfloat16])
@pytest.mark.parametrize(
    "make", [JointPruningLayer, StochasticGates, lambda n: ConcreteSubset(n, 2)]
)
@pytest.mark.parametrize("move", [nn.Module.to, nn.Module.type])
def test_a_layer_in_another_precision_keeps_it(make, kind, move):
    torch.manual_seed(0)
    layer = move(make(5), kind)
    x = torch.randn(2, 3, 5, 2, dtype=kind)
    for _ in ("open", "frozen"):
        for mode in (True, False):
            assert layer.train(mode)(x).dtype == layer.keep_probability().dtype == kind
        if not layer.frozen:
            l0_penalty(layer).backward()
            assert layer.joint_logits.grad.isfinite().all()
        layer.freeze_top(2)
    assert layer.kept_joints() == [0, 1]


class Net(nn.Module):
    """A stranger's network with a layer in it."""

    def __init__(self, **kwargs):
        super().__init__()
        self.gates, self.head = JointPruningLayer(42, **kwargs), nn.Linear(84, 3)

    def forward(self, x):
        return self.head(self.gates(x).flatten(2)).mean(1)


@pytest.fixture
def net() -> Net:
    torch.manual_seed(0)
    net = Net(gate_groups="finger")
    nn.init.uniform_(net.gates.joint_logits, -3, 3)
    return net


@pytest.mark.parametrize("frozen", [False, True])
def test_a_net_with_the_layer_is_exported_for_any_number_of_clips(net, frozen):
    if frozen:
        net.gates.freeze_top(12)
    free = {0: torch.export.Dim("clips"), 1: torch.export.Dim("frames")}
    net.eval()
    program = torch.export.export(net, (torch.randn(2, 3, 42, 2),), dynamic_shapes=(free,))
    file = io.BytesIO()
    torch.export.save(program, file)
    file.seek(0)
    loaded, x = torch.export.load(file).module(), torch.randn(5, 7, 42, 2)
    x[:, :, net.gates.gates() == 0] = torch.nan
    torch.testing.assert_close(loaded(x), net(x), atol=1e-6, rtol=1e-6)
    assert loaded(x).isfinite().all()


def test_a_compiled_net_is_one_graph_and_follows_freezing(net):
    torch._dynamo.reset()
    compiled, x = torch.compile(net, backend="aot_eager", fullgraph=True), torch.randn(4, 3, 42, 2)
    for mode in (True, False):
        net.train(mode)
        results = []
        for model in (compiled, net):
            torch.manual_seed(0)
            net.zero_grad()
            y = model(x)
            y.square().sum().backward()
            results.append((y.detach(), net.gates.joint_logits.grad.clone()))
        torch.testing.assert_close(*results)
    before = compiled(x)
    net.gates.freeze_top(4)
    torch.testing.assert_close(compiled(x), net(x))
    assert not torch.equal(compiled(x), before)


@pytest.mark.parametrize("average", [None, get_ema_multi_avg_fn(0.9)])
@pytest.mark.parametrize("use_buffers", [False, True])
def test_weight_averaging_averages_the_logits_and_leaves_groups_and_selection_alone(
    net, average, use_buffers
):
    averaged = AveragedModel(net, multi_avg_fn=average, use_buffers=use_buffers)
    seen = []
    for step in range(3):
        net.gates.joint_logits.data += step
        averaged.update_parameters(net)
        seen.append(net.gates.joint_logits.detach().clone())
    own = averaged.module.gates
    mean = seen[0]
    for new in seen[1:]:
        mean = mean * 0.9 + new * 0.1 if average else mean
    expected = mean if average else torch.stack(seen).mean(0)
    torch.testing.assert_close(own.joint_logits.detach(), expected)
    assert own.gate_of.tolist() == net.gates.gate_of.tolist()
    own.freeze_top(8)
    net.gates.freeze_top(4)
    averaged.update_parameters(net)
    assert len(own.kept_joints()) == 8 and set(own.gates().tolist()) == {0.0, 1.0}


def test_a_checkpoint_of_the_logits_alone_loads_strictly_and_the_rest_stays(net):
    logits = torch.linspace(-5, 5, 12)
    content = {"joint_logits": logits}
    for layer in (JointPruningLayer(42, gate_groups="finger"), net.gates):
        groups = layer.gate_of.clone()
        assert not any(layer.load_state_dict(content))  # no key missing or unexpected
        assert torch.equal(layer.joint_logits, logits) and torch.equal(layer.gate_of, groups)
        assert not layer.frozen
    assert content == {"joint_logits": logits}
    state = {f"gates.{key}": value for key, value in content.items()}
    state |= {key: value for key, value in net.state_dict().items() if "head" in key}
    assert not any(net.load_state_dict(state))
    layer.freeze([4, 7])
    layer.load_state_dict(content)
    assert layer.kept_joints() == [4, 7]
    with pytest.raises(RuntimeError, match=r'Missing key.*"joint_logits"'):
        layer.load_state_dict({})
    with pytest.raises(RuntimeError, match=r'Unexpected key.*"gamma"'):
        layer.load_state_dict(content | {"gamma": logits})


def test_a_layer_made_without_memory_takes_everything_from_its_checkpoint():
    """Built on the device "meta" and loaded with assign=True, as large models are."""
    layer = JointPruningLayer(42, gate_groups="finger")
    layer.freeze_top(9)
    with torch.device("meta"):
        other = JointPruningLayer(42, gate_groups="finger")
    other.load_state_dict(layer.state_dict(), assign=True)
    assert torch.equal(other.gates(), layer.gates())
    assert other.to("meta").gates().is_meta  # everything moves with the layer


def test_averages_of_whole_states_keep_each_joints_gate_and_whether_it_is_frozen():
    layer, other = JointPruningLayer(42), JointPruningLayer(42)
    blended = {key: value.clone() for key, value in layer.state_dict().items()}
    for _ in range(30):
        for key, value in layer.state_dict().items():
            blended[key].mul_(0.9).add_(value, alpha=0.1)
    assert not torch.equal(blended["_extra_state"], layer.state_dict()["_extra_state"])
    other.load_state_dict(blended)
    assert other.gate_of.tolist() == [*range(42)]
    layer.freeze_top(12)
    few = {key: 0.9 * other.state_dict()[key] + 0.1 * value
           for key, value in layer.state_dict().items()}  # fmt: skip
    other.load_state_dict(few)
    assert not other.frozen


def test_more_gates_than_half_precision_can_count_stay_apart():
    """bfloat16 has no 257. Source: Holistic's 543 points."""
    layer = JointPruningLayer(543).type(torch.bfloat16)
    assert layer.gate_of.tolist() == [*range(543)] and layer.eval().gates().shape == (543,)
    rounded = {key: value.bfloat16() for key, value in JointPruningLayer(543).state_dict().items()}
    layer.load_state_dict(rounded)
    assert layer.gate_of.tolist() == [*range(543)]


@pytest.mark.parametrize("groups", ["joint", "finger"])
def test_a_state_that_does_not_fit_is_refused_and_changes_nothing(groups):
    layer = JointPruningLayer(42, gate_groups=groups)
    other = JointPruningLayer(42, gate_groups={"joint": "finger", "finger": "joint"}[groups])
    other.freeze_top(8)
    before = copy.deepcopy(layer.state_dict())
    with pytest.raises(RuntimeError, match="size mismatch for joint_logits"):
        layer.load_state_dict(other.state_dict())
    assert all(torch.equal(value, before[key]) for key, value in layer.state_dict().items())
    assert not layer.frozen


def test_groups_outlive_a_layer_without_memory():
    with torch.device("meta"):
        layer = JointPruningLayer(4, gate_groups=[0, 0, 1, 1])
    layer = layer.to_empty(device="cpu")
    layer.load_state_dict({"joint_logits": torch.tensor([OPEN, CLOSED])})
    assert layer.kept_joints() == [0, 1]


@pytest.mark.parametrize("act", [
    lambda layer: layer.freeze([0, 2]),
    lambda layer: layer.load_state_dict(copy.deepcopy(layer.state_dict())),
])  # fmt: skip
def test_a_layer_changed_in_inference_mode_can_be_trained_through(act):
    layer, embedding = JointPruningLayer(3), nn.Linear(2, 2)
    with torch.inference_mode():
        act(layer)
    layer(embedding(torch.ones(1, 1, 3, 2))).sum().backward()
    assert embedding.weight.grad is not None


def test_a_replica_whose_parameters_alone_are_elsewhere_finds_its_gates():
    """As DataParallel makes them; the device "meta" stands for a second GPU."""
    for frozen in (False, True):
        layer = JointPruningLayer(3)
        if frozen:
            layer.freeze([0, 2])
        replica = layer._replicate_for_data_parallel()
        replica.joint_logits = torch.empty_like(layer.joint_logits, device="meta")
        assert replica(torch.empty(2, 4, 3, 2, device="meta")).is_meta


@pytest.mark.parametrize("kind", [JointPruningLayer, RandomSubsets])
def test_what_a_frozen_layer_returns_is_the_callers_own(kind):
    layer = kind(4)
    layer.freeze([0, 2])
    layer.keep_probability().mul_(0)
    layer.gates().mul_(0)
    assert layer.kept_joints() == [0, 2]


def test_a_penalty_of_a_model_asks_for_its_layer():
    with pytest.raises(ValueError, match="JointPruningLayer, got Sequential: pass the layer itse"):
        l0_penalty(torch.nn.Sequential(JointPruningLayer(4)))


def test_gates_of_as_many_groups_of_other_joints_are_refused():
    wrong = JointPruningLayer(2).state_dict()
    with pytest.raises(RuntimeError, match=r"expected gates of 3 joints, got 2: load"):
        JointPruningLayer(3, gate_groups=["a", "b", "a"]).load_state_dict(wrong)


def test_a_model_of_transformers_is_saved_and_loaded_with_its_gates(tmp_path):
    """`from_pretrained` builds the model without memory and takes known kinds of state alone."""
    transformers = pytest.importorskip("transformers")

    class Sign(transformers.PreTrainedModel):
        config_class = transformers.PretrainedConfig

        def __init__(self, config):
            super().__init__(config)
            self.pruning = JointPruningLayer(8, gate_groups=[0, 0, 1, 1, 2, 2, 3, 3])
            self.head = torch.nn.Linear(16, 2)
            self.post_init()

        def forward(self, poses):
            return self.head(self.pruning(poses).flatten(2)).mean(1)

    model, poses = Sign(transformers.PretrainedConfig()).eval(), torch.randn(2, 3, 8, 2)
    for kept in (range(8), [0, 1, 6, 7]):
        if len(kept) < 8:
            model.pruning.freeze(kept)
        model.save_pretrained(tmp_path / "saved")
        loaded = Sign.from_pretrained(tmp_path / "saved").eval()
        assert loaded.pruning.kept_joints() == [*kept]
        assert loaded.pruning.gate_of.tolist() == model.pruning.gate_of.tolist()
        assert torch.equal(loaded(poses), model(poses))


def test_a_layer_that_loads_its_selection_needs_no_gradient():
    """DDP waits for the gradient of every parameter that wants one."""
    frozen, other = JointPruningLayer(4), JointPruningLayer(4)
    frozen.freeze([1, 2])
    fresh = other.state_dict()
    other.load_state_dict(frozen.state_dict())
    assert not other.joint_logits.requires_grad
    other.load_state_dict(fresh)
    assert other.joint_logits.requires_grad and not other.frozen


@pytest.mark.parametrize("twin", [copy.deepcopy, lambda layer: pickle.loads(pickle.dumps(layer))])
def test_a_copy_is_equal_and_independent(net, twin):
    net.gates.freeze_top(8)
    other = twin(net)
    x = torch.randn(2, 3, 42, 2)
    assert torch.equal(other(x), net(x))
    assert other.gates.kept_joints() == net.gates.kept_joints()
    kept = net.gates.kept_joints()
    other.gates.freeze_top(4)
    assert net.gates.kept_joints() == kept


def test_a_wrong_joint_count_and_impossible_gates_are_refused():
    for shape, message in (
        ((2, 3, 21, 2), r"\(clips, frames, 42 joints, coordinates\), got \(2, 3, 21, 2\): pass"),
        ((8, 2, 16, 42), r"got \(8, 2, 16, 42\): .* x.permute\(0, 2, 3, 1\)"),
        ((2, 3, 43), "multiple of 42 joints, got 43"),
        ((42, 2), r"expected a tensor \(B, T, J, P\) or \(B, T, J\*P\), got \(42, 2\)"),
    ):
        with pytest.raises(ValueError, match=message):
            JointPruningLayer(42)(torch.zeros(shape))
    for name, value, message in (
        ("init_keep_prob", 1.0, "init_keep_prob between 0 and 1, got 1.0"),
        ("temperature", 0.0, "temperature above 0, got 0.0"),
        ("init_keep_prob", math.nan, "init_keep_prob between 0 and 1, got nan"),
        ("temperature", math.nan, "finite temperature above 0, got nan"),
        ("temperature", math.inf, "finite temperature above 0, got inf"),
        *(
            (name, value, f"got {value}")
            for name in ("init_keep_prob", "temperature")
            for value in (None, "0.5")
        ),
        ("gate_groups", [0, 1], "flat list of 4 labels, one per joint, got"),
        ("gate_groups", np.zeros((4, 2)), "flat list of 4 labels, one per joint, got"),
        ("gate_groups", [[0], [0], [1], [1]], "flat list of 4 labels, one per joint, got"),
        ("gate_groups", 3, "flat list of 4 labels, one per joint, got 3"),
        ("gate_groups", dict.fromkeys("abcd", 0), "flat list of 4 labels, one per joint, got"),
        ("gate_groups", {0, 1, 2, 3}, "flat list of 4 labels, one per joint, got"),
        ("gate_groups", "finger", "42 joints for gate_groups='finger', got 4: pass a list"),
        ("gate_groups", "thumb", r"one of \['joint', 'finger', .* or a list, got 'thumb'"),
        ("num_joints", 0, "1 to 2147483647 as num_joints, got 0"),
        ("num_joints", -3, "1 to 2147483647 as num_joints, got -3"),
        ("num_joints", 4.0, "1 to 2147483647 as num_joints, got 4.0"),
        ("num_joints", True, "1 to 2147483647 as num_joints, got True"),
        ("num_joints", None, "1 to 2147483647 as num_joints, got None"),
    ):
        with pytest.raises(ValueError, match=message):
            JointPruningLayer(**{"num_joints": 4, name: value})
    with pytest.raises(ValueError, match=r"expected a tensor \(B, T, J, P\) .*, got ndarray"):
        JointPruningLayer(4)(np.zeros((2, 3, 4, 2)))


def test_a_penalty_that_is_no_penalty_is_refused():
    for weight in (-1.0, math.nan, math.inf, None, "0.1", 10**400):
        with pytest.raises(ValueError, match=f"finite weight of 0 or more, got {weight}"):
            l0_penalty(JointPruningLayer(4), weight)
    assert l0_penalty(JointPruningLayer(4), 0).item() == 0
    assert l0_penalty(JointPruningLayer(4), torch.tensor(2.0)).item() == pytest.approx(1.8)


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
