"""Rankers that evaluate a network, against known answers, brute force and axioms."""

from dataclasses import asdict, replace

import numpy as np
import pytest
import torch
from lassonet.model import LassoNet

from jointprune.classifier import SignClassificationLightning
from jointprune.config import TrainingConfig
from jointprune.prediction import evaluation_batches
from jointprune.selection import METHODS, choose_k, importance, lassonet, rank_joints
from jointprune.selection.importance import HeldOut
from jointprune.skeleton import JOINT_NAMES
from jointprune.store import save_dataset

TINY = TrainingConfig(hidden=16, frames=4, epochs=2, batch_size=8)
SCORES = (
    importance.loss_when_shuffled,
    importance.loss_along_the_gates,
    importance.round_of_elimination,
    importance.surrogate_weights,
)
WORTH = (0.5, 3.0, 0.0, 1.0, 2.0)


def voting() -> HeldOut:
    """Clips of two classes in which each joint votes by the sign of x, times its weight."""
    labels = torch.arange(40) % 2
    noise = torch.randn(40, 3, len(WORTH), 1, generator=torch.Generator().manual_seed(0))
    poses = (labels * 2.0 - 1)[:, None, None, None] + 0.3 * noise

    def encoder(poses, weight):
        votes = (poses[..., 0] * weight).mean(1) @ torch.tensor(WORTH)
        return torch.stack([-votes, votes], -1) / 4

    return HeldOut(encoder, poses, torch.ones(40, 3, 5, dtype=torch.bool), labels)


@pytest.mark.parametrize("score", SCORES)
def test_joints_are_ranked_by_their_effect_on_the_network_and_random_state_is_kept(score):
    torch.manual_seed(5)
    scores = score(voting(), 0)
    drawn = torch.rand(1)
    torch.manual_seed(5)
    assert torch.rand(1) == drawn
    np.testing.assert_array_equal(score(voting(), 0), scores)
    assert scores.shape == (5,)
    assert np.argsort(-scores, kind="stable").tolist() == [1, 4, 3, 0, 2]
    if score in SCORES[:2]:  # a joint that the network does not read gets nothing
        assert abs(scores[2]) < 1e-6 < 0.1 < scores[1]


def test_integrated_gradients_add_up_to_the_fall_of_the_loss(toy_dataset, monkeypatch):
    """The axiom of completeness (Sundararajan et al. 2017, proposition 1); a network has kinks."""
    monkeypatch.setattr(importance, "STEPS", 300)
    torch.manual_seed(0)
    config = TrainingConfig(hidden=16, frames=4, num_classes=4)
    encoder = SignClassificationLightning(asdict(config)).eval().requires_grad_(False).encoder
    every = np.arange(len(toy_dataset))  # one-handed clips miss the left hand
    held_out = HeldOut(encoder, *next(iter(evaluation_batches(config, toy_dataset, every))))
    gates = torch.zeros(len(every), 42), torch.ones(len(every), 42)
    closed, opened = (held_out.losses(gate, torch.from_numpy(every)).mean() for gate in gates)
    parts = importance.loss_along_the_gates(held_out, 0)
    assert parts.sum() == pytest.approx((closed - opened).item(), abs=0.01)


def test_a_joints_presence_is_shuffled_with_its_coordinates():
    """The vote counts presence alone: swapping joint 0 has to swap who was seen."""
    labels, present = torch.arange(40) % 2, torch.ones(40, 2, 3, dtype=torch.bool)
    present[:, :, 0] = (labels == 1)[:, None]

    def encoder(poses, weight):
        votes = weight[..., 0].mean(1) * 4 - 2
        return torch.stack([-votes, votes], -1)

    held_out = HeldOut(encoder, torch.ones(40, 2, 3, 2), present, labels)
    scores = importance.loss_when_shuffled(held_out, 0)
    assert scores[0] > 1 and scores[1] == scores[2] == 0


def brute_force_elimination(held_out: HeldOut) -> np.ndarray:
    """The same search without its short cuts: every set is evaluated on every clip."""
    left, rounds = list(range(held_out.present.shape[2])), np.zeros(held_out.present.shape[2])
    clips = torch.arange(len(held_out.labels))
    for turn in range(len(rounds)):
        losses = {}
        for joint in left:
            gates = torch.zeros(len(rounds))
            gates[[j for j in left if j != joint]] = 1
            losses[joint] = held_out.losses(gates.expand(len(clips), -1), clips).mean().item()
        least = min(left, key=lambda j: (round(losses[j], 5), -j))
        rounds[least] = turn
        left.remove(least)
    return rounds


@torch.no_grad()
@pytest.mark.parametrize("seed", range(3))
def test_elimination_equals_brute_force_also_with_missing_joints(seed):
    """A nonlinear network on 5 joints, some of which some clips never show."""
    generator = torch.Generator().manual_seed(seed)
    first, second = (torch.randn(shape, generator=generator) for shape in ((10, 8), (8, 3)))

    def encoder(poses, weight):
        return torch.tanh((poses * weight[..., None]).mean(1).flatten(1) @ first) @ second

    poses = torch.randn(30, 4, 5, 2, generator=generator)
    present = torch.rand(30, 1, 5, generator=generator).expand(-1, 4, -1) > 0.4
    held_out = HeldOut(encoder, poses, present, torch.arange(30) % 3)
    rounds = importance.round_of_elimination(held_out, 0)
    assert sorted(rounds) == list(range(5))
    np.testing.assert_array_equal(rounds, brute_force_elimination(held_out))


def test_the_fit_is_least_squares_with_an_intercept_per_clip():
    draw = np.random.default_rng(0)
    opened, losses = draw.random((50, 7, 5)) < 0.5, draw.random((50, 7)) + np.arange(7)
    levels = np.tile(np.eye(7), (50, 1))  # a column a clip
    design = np.hstack([opened.reshape(-1, 5), levels])
    expected = np.linalg.lstsq(design, losses.ravel())[0][:5]
    found = importance._slopes(torch.from_numpy(opened), torch.from_numpy(losses))
    np.testing.assert_allclose(found, expected, rtol=1e-10)


def test_a_quarter_of_the_training_groups_is_held_out_whole(dataset):
    train, _ = dataset.folds(4, 0)[0]
    splits = [importance.inner_split(dataset, train, seed) for seed in range(5)]
    for fit, held in splits:
        assert sorted([*fit, *held]) == train.tolist()
        groups = [set(dataset.groups[clips]) for clips in (fit, held)]
        assert groups[0].isdisjoint(groups[1])
        assert (len(groups[0]), len(groups[1])) == (9, 3)
        assert all(len(side & set(dataset.two_handed())) > 0 for side in groups)
    assert len({tuple(held) for _, held in splits}) > 1
    with pytest.raises(ValueError, match="expected training clips of 2 groups or more, got 1"):
        importance.inner_split(dataset, train[dataset.groups[train] == dataset.groups[train][0]], 0)


def test_a_class_of_two_groups_is_not_held_out_with_both(dataset):
    train, _ = dataset.folds(4, 0)[0]
    rare = dataset.labels[train][0]
    pair = np.unique(dataset.groups[train])[:2]
    kept = (dataset.labels[train] != rare) | np.isin(dataset.groups[train], pair)
    for seed in range(40):
        fit, held = importance.inner_split(dataset, train[kept], seed)
        assert set(dataset.labels[held]) <= set(dataset.labels[fit])


def test_a_single_held_out_clip_has_no_other_to_swap_with():
    every = voting()
    one = replace(
        every, **{name: getattr(every, name)[:1] for name in ("poses", "present", "labels")}
    )
    with pytest.raises(ValueError, match="expected 2 held-out clips or more to swap, got 1"):
        importance.loss_when_shuffled(one, 0)


@pytest.mark.parametrize(
    ("mask", "methods"),
    [("open", ("permutation", "integrated-gradients")), ("any-subset", ("greedy", "any-subset"))],
)
def test_rankers_of_one_network_train_it_once_on_training_groups(
    toy_dataset, workspace, mask, methods
):
    train = toy_dataset.folds(3, seed=0)[0][0]
    for method in methods:
        rank_joints(method, toy_dataset, train, 0, None, TINY, workspace)
    run = importance.held_out_run(toy_dataset, train, 0, replace(TINY, mask=mask))
    trained = {folder.name for folder in workspace.runs.iterdir()} - {"rankings"}
    assert trained == {run.folder(toy_dataset, workspace).name}
    assert set(run.train) | set(run.test) == set(train)


@pytest.fixture
def short(monkeypatch):
    """A coarse path: enough for six joints."""
    monkeypatch.setitem(lassonet.SETTINGS, "path_multiplier", 1.5)


def test_lassonet_drops_uninformative_joints_first_and_random_state_is_kept(short):
    """Only the first two of six joints carry the class."""
    draw, labels = np.random.default_rng(0), np.arange(120) % 4
    features = draw.normal(size=(120, 6, 4)).astype(np.float32)
    features[:, :2] += 2 * draw.normal(size=(4, 2, 4))[labels]
    features = lassonet.standardised(features)[0]
    torch.manual_seed(5)
    arguments = features, labels, 0, 25
    norms, accuracy = lassonet.lassonet_path(*arguments)
    drawn = torch.rand(1)
    torch.manual_seed(5)
    assert torch.rand(1) == drawn
    np.testing.assert_array_equal(lassonet.lassonet_path(*arguments)[0], norms)
    steps = (norms > 0).sum(0)
    assert min(steps[:2]) > max(steps[2:])
    assert (norms[0] > 0).all() and not norms[-1].any()
    assert accuracy[0] > 0.75 > 0.5 > accuracy[-1]


@pytest.mark.parametrize(("epochs", "passes"), [(50, (200, 20)), (1, (4, 1))])
def test_lassonet_is_trained_as_long_as_the_epochs_say(epochs, passes, monkeypatch):
    made = {}

    class Recorded(lassonet.JointLassoNet):
        def path(self, *_, **__):
            made["passes"] = self.n_iters

    monkeypatch.setattr(lassonet, "JointLassoNet", Recorded)
    lassonet.lassonet_path(np.zeros((4, 3, 2), np.float32), np.arange(4) % 2, 0, epochs)
    assert made["passes"] == passes


def test_the_proximal_step_for_all_joints_equals_the_librarys_loop():
    torch.manual_seed(0)
    net = lassonet.JointLassoNet(3, hidden_dims=(5,), device="cpu")
    net._init_model(torch.zeros(2, 6), torch.tensor([0, 3]))
    with torch.no_grad():
        net.model.skip.weight[:, 2:4] *= 0.01  # so that this joint leaves in one step
    reference = LassoNet(6, 5, 4, groups=[[0, 1], [2, 3], [4, 5]], dropout=0)
    reference.load_state_dict(net.model.state_dict())
    for model in (net.model, reference):
        model.prox(lambda_=0.2, M=0.01)
    for name, weight in reference.state_dict().items():
        torch.testing.assert_close(net.model.state_dict()[name], weight)
    left = (reference.skip.weight == 0).all(0)
    assert left.tolist() == [False, False, True, True, False, False]


def test_pooled_features_are_mean_and_deviation_over_the_frames_that_show_a_joint():
    poses = torch.zeros(1, 4, 2, 2)
    poses[0, :, 0, 0] = torch.tensor([1.0, 3.0, 9.0, 9.0])
    poses[0, :, 1, 0] = torch.tensor([-1.0, -3.0, 9.0, 9.0])
    seen = torch.tensor([1.0, 1.0, 0.0, 0.0])[None, :, None].expand(1, 4, 2)
    features = lassonet._pooled(poses, seen, torch.tensor([[1.0, 0.0], [1.0, 0.0]]))
    # Both frames have their centre at 0; the clip's spread is the root of (1 + 9) / 2.
    scale = np.sqrt(5 + 0.01**2)
    expected = np.array([[2, 0, 1, 0], [-2, 0, 1, 0]]) / scale
    np.testing.assert_allclose(features[0], expected, atol=1e-6)


def test_lassonet_chooses_some_joints_by_itself_and_once(
    toy_dataset, short, workspace, monkeypatch
):
    config = replace(TINY, epochs=25)
    where = ("lassonet", toy_dataset, toy_dataset.folds(3, seed=0)[0][0], 0, config, workspace)
    kept = choose_k(*where)
    assert 0 < len(set(kept)) < 42 and set(kept) < set(range(42))
    monkeypatch.setattr(lassonet, "lassonet_path", None)  # another fit would fail
    assert choose_k(*where) == kept


BITS = ("left.index_tip", "right.thumb_tip")


@pytest.fixture
def two_bits(toy, tmp_path):
    """Four signs that two joints tell apart, each by going one way or the other; 4 signers."""
    draw = np.random.default_rng(0)
    signer, sign, _ = np.indices((4, 4, 5)).reshape(3, -1)
    poses = draw.normal(0, 0.5, (42, 2)) + draw.normal(0, 0.05, (len(sign), 6, 42, 2))
    for bit, name in enumerate(BITS):
        poses[:, :, JOINT_NAMES.index(name), 0] += 0.6 * (sign >> bit & 1)[:, None] - 0.3
    names, groups = np.array(toy["classes"])[sign], np.array([*"abcd"])[signer]
    clips = toy["clips"].iloc[[0] * len(sign)].assign(
        clip=np.arange(len(sign)).astype(str), label=names, signer=groups, group=groups,
        frames=6, original_frames=6,
    )  # fmt: skip
    present = np.ones(poses.shape[:3], dtype=bool)
    content = {"poses": poses.astype(np.float32), "present": present, "clips": clips}
    return save_dataset(tmp_path / "bits", **(toy | content))


TRAINED = [
    method.name for method in METHODS.values() if method.rank and method.trains and method.synthetic
]


@pytest.mark.parametrize("method", TRAINED)
def test_after_training_every_method_finds_the_two_joints_that_carry_the_sign(
    two_bits, workspace, short, method
):
    """Among its first four of 42, as a draw would with a chance of 6 / 861."""
    config = TrainingConfig(hidden=32, frames=4, epochs=80, batch_size=12)
    scores = rank_joints(method, two_bits, range(60), 0, 4, config, workspace)
    assert {two_bits.joints[j] for j in np.argsort(-scores)[:4]} > set(BITS)
