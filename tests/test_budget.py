"""`JointBudget` and `PruneJoints` in a stranger's classifier, whatever trains it."""

import copy
import warnings
from fractions import Fraction
from functools import partial

import lightning
import numpy as np
import pytest
import pytorch_lightning
import torch
from lightning.pytorch.callbacks import (
    EarlyStopping,
    EMAWeightAveraging,
    ModelCheckpoint,
    StochasticWeightAveraging,
)
from lightning.pytorch.plugins import MixedPrecision
from strangers import (
    BATCHES,
    DECISIVE,
    JOINTS,
    KEEP,
    Batches,
    Stranger,
    Watch,
    batches,
    fit,
    loop,
    trainer_of,
)
from torch import nn
from torch.nn import functional

import jointprune as jp
from jointprune import budget as code
from jointprune.gate_variants import (
    ConcreteSubset,
    ProjectionLasso,
    QuickStartMask,
    RandomSubsets,
    StochasticGates,
)

pytestmark = [
    pytest.mark.usefixtures("one_thread"),
    pytest.mark.filterwarnings("ignore:.max_epochs. was not set"),
    pytest.mark.filterwarnings("ignore:You're resuming from a checkpoint that ended before"),
]


def same(one: nn.Module, other: nn.Module) -> bool:
    pairs = zip(one.state_dict().values(), other.state_dict().values(), strict=True)
    return all(torch.equal(a, b) for a, b in pairs)


def assert_course(course: list[list[int]], keep: int = KEEP, steps: list[int] | None = None):
    """The counts follow a straight line from all joints to K, and end at K, their lowest value.

    They are late by DELAY at most, and lack one joint while a gate opens in exchange for another.
    `steps` is the number of batches that the gates have learned from after each batch.
    """
    counts, total = np.array([len(joints) for joints in course]), len(course)
    progress = np.array(steps or range(1, total + 1)) / total
    line, later = (
        np.interp(progress - late, [code.START, code.END], [JOINTS, keep])
        for late in (0, code.DELAY)
    )
    assert (counts >= line - 1).all() and (counts <= later + 0.5 + 1e-6).all(), (counts, line)
    assert counts.min() == counts[-1] == keep


SGD = {"optimizer": torch.optim.SGD, "momentum": 0.9, "weight_decay": 0.5}
ADAMW = {"optimizer": torch.optim.AdamW, "weight_decay": 0.5, "fused": True}


@pytest.mark.parametrize(
    ("module", "loader", "trainer"),
    [
        ({"lr": 1e-6}, (12, 16), {}),
        ({"lr": 1.0, "gates_too": True}, (30, 2), {}),
        (SGD | {"gates_too": True}, (5, 64), {"max_epochs": 8}),
        (ADAMW | {"gates_too": True}, (12, 16), {"gradient_clip_val": 1e-3}),
        ({"optimizer": torch.optim.LBFGS}, (12, 16), {}),
        ({}, (12, 16), {"max_epochs": 50, "max_steps": 31}),
        ({}, (12, 16), {"max_epochs": None, "max_steps": 31}),
        ({}, (12, 16), {"max_epochs": 3, "limit_train_batches": 7}),
        *(({}, (12, 16), {"precision": kind}) for kind in ("bf16-mixed", "bf16-true", "64-true")),
    ],
)
def test_open_joints_fall_in_a_straight_line_to_exactly_k_whatever_trains(module, loader, trainer):
    stranger = Stranger(**module)
    assert_course(fit(stranger, batches(*loader), **trainer))
    assert stranger.pruning.frozen
    assert sorted(stranger.pruning.gates().tolist()) == [0.0] * (JOINTS - KEEP) + [1.0] * KEEP


def test_modules_of_pytorch_lightning_are_pruned_too():
    """The same code under its old name, whose classes are others."""

    class Module(pytorch_lightning.LightningModule):
        def __init__(self):
            super().__init__()
            self.inner = Stranger()

        def training_step(self, batch, _):
            return self.inner.training_step(batch, _)

        def configure_optimizers(self):
            return self.inner.configure_optimizers()

    other, callbacks = Module(), [watch := Watch(), jp.PruneJoints(KEEP)]
    other.pruning = other.inner.pruning  # where `Watch` looks
    quiet = dict.fromkeys(("logger", "enable_checkpointing", "enable_progress_bar"), False)
    trainer = pytorch_lightning.Trainer(
        max_epochs=2, accelerator="cpu", callbacks=callbacks, **quiet
    )
    trainer.fit(other, batches())
    assert watch.open == fit(Stranger())


@pytest.mark.parametrize(("number", "accumulate"), [(12, 3), (11, 4), (5, 4)])
def test_accumulated_gradients_move_the_gates_once_a_step(number, accumulate):
    """Also where the batches of an epoch do not divide; its last step is then of fewer."""
    course = fit(Stranger(), batches(number), max_epochs=4, accumulate_grad_batches=accumulate)
    of_epoch = [b if b == number else b - b % accumulate for b in range(1, number + 1)]
    assert_course(course, steps=[number * epoch + b for epoch in range(4) for b in of_epoch])


SHARES = [(0.55, 4), (0.01, 1), (np.float32(0.5), 4), (Fraction(1, 4), 2)]


@pytest.mark.parametrize(("keep", "number"), [*SHARES, (1, 1), (np.int64(5), 5), (8, 8), (3.0, 3)])
def test_keep_is_a_share_or_a_number(keep, number):
    assert_course(loop(Stranger(), batches(), keep), number)


@pytest.mark.parametrize(
    "keep", [True, np.True_, 0, 1.0, 43, -1, 0.0, float("nan"), np.float64(1), "3", None]
)
def test_an_impossible_keep_is_refused(keep):
    message = r"expected a share .* number from 1 to 8, got .*: keep=0.55"
    with pytest.raises(ValueError, match=message):
        jp.JointBudget(jp.JointPruningLayer(JOINTS), keep, 10)
    with pytest.raises(ValueError, match=message):
        fit(Stranger(), keep=keep)


@pytest.mark.parametrize("optimizer", [SGD, ADAMW, {"lr": 0.3}])
@pytest.mark.parametrize("train", [partial(fit, gradient_clip_val=0.01), loop,
                                   partial(loop, late=True)])  # fmt: skip
def test_gates_in_the_users_optimiser_change_no_bit(train, optimizer):
    """Of the gates, the classifier and, under PruneJoints, the norm by which it is clipped."""
    one, other = Stranger(**optimizer), Stranger(**optimizer, gates_too=True)
    train(one, batches())
    train(other, batches())
    assert same(one, other)


@pytest.mark.parametrize(
    "layer",
    [
        jp.JointPruningLayer,
        partial(jp.JointPruningLayer, hard=True),
        StochasticGates,
    ],
)
def test_the_callback_and_the_plain_loop_learn_the_same_joints_which_decide_the_label(layer):
    by_loop, by_callback = (Stranger(layer=layer(JOINTS)) for _ in range(2))
    course = loop(by_loop, batches(60))
    assert fit(by_callback, batches(60)) == course
    assert same(by_loop, by_callback)
    for joints in course[len(course) // 4 :]:  # one without influence closes before these
        assert set(DECISIVE) <= set(joints)
    assert course[-1] == DECISIVE


def test_a_closed_gate_opens_again_when_it_gains_on_the_others():
    layer = jp.JointPruningLayer(4)
    budget, seen = jp.JointBudget(layer, 2, steps=400), []
    while budget.progress < code.END:
        first = -1.0 if [1, 2, 3] in seen else 1.0  # falls until it is closed, then rises
        layer.joint_logits.grad = torch.tensor([first, -first, -1.0, -first])
        budget.step()
        seen.append(layer.kept_joints())
    assert [1, 2, 3] in seen
    assert seen[-1] == [0, 2]


@pytest.mark.parametrize("size", [1e-4, 1e4])
@pytest.mark.parametrize("dtype", [torch.float64, torch.bfloat16])
def test_gates_move_by_the_share_of_the_training_whatever_the_gradients_size(size, dtype):
    """Adam with a constant gradient moves by its step size; bfloat16 would round such steps off."""
    layer = jp.JointPruningLayer(4).to(dtype)
    budget = jp.JointBudget(layer, 4, steps=20_000)
    before = budget.state_dict()["scores"]
    for _ in range(100):
        layer.joint_logits.grad = torch.full_like(layer.joint_logits, -size)
        budget.step()
    moved = budget.state_dict()["scores"] - before
    expected = torch.full_like(moved, code.TRAVEL * 100 / 20_000)
    torch.testing.assert_close(moved, expected, rtol=1e-3, atol=0)
    assert layer.joint_logits.dtype == dtype


@pytest.mark.parametrize("hard", [False, True])
def test_every_joint_is_open_at_first_even_if_gates_start_closed(hard):
    """The mean score is `OPEN` above the threshold and differences stay; no gate is lower."""
    edge, spread = np.log(0.1 / 1.1), torch.linspace(-1, 1, JOINTS)
    for retrain, start in ((False, code.OPEN), (True, code.OPEN_AT_FIRST)):
        layer = jp.JointPruningLayer(JOINTS, init_keep_prob=0.1, hard=hard)
        layer.joint_logits.data += spread
        assert layer.kept_joints() == []
        budget = jp.JointBudget(layer, KEEP, 100, retrain)
        gates = layer.eval().gates()
        assert layer.kept_joints() == gates.nonzero().flatten().tolist() == [*range(8)]
        torch.testing.assert_close(budget.state_dict()["scores"], edge + start + spread)
        least = -torch.inf if retrain else edge + start
        held = (edge + start + spread).clamp(min=least)
        torch.testing.assert_close(layer.joint_logits.detach(), held)


@pytest.mark.parametrize("retrain", [False, True])
def test_gates_that_are_open_hardly_disturb_a_classifier_that_is_kept(retrain):
    """Samples of nine in ten are 1 on average, unless another classifier will be trained."""
    torch.manual_seed(0)
    module, loader = Stranger(), batches(60)
    layer, optimizer = module.pruning.train(), module.configure_optimizers()
    budget, means = jp.JointBudget(layer, KEEP, steps=2 * len(loader), retrain=retrain), []
    for batch in loader * 2:
        loss = module.training_step(batch, None) + budget.penalty()
        optimizer.zero_grad()
        loss.backward()
        budget.step()
        optimizer.step()
        gates = layer.gates(2000).detach().reshape(-1, JOINTS)  # one row, once they are frozen
        means += gates.mean(0)[layer.kept_joints()].tolist()
    assert (np.mean(np.array(means) > 0.97) > 0.9) != retrain
    assert layer.kept_joints() == DECISIVE


def driven(budget: jp.JointBudget, gradients) -> tuple[torch.Tensor, np.ndarray]:
    """Logits before and after each step (steps + 1, gates), and open joints after each step."""
    layer = budget.layer
    course, opened = [layer.joint_logits.detach().clone()], []
    for gradient in gradients:
        layer.joint_logits.grad = gradient
        budget.step()
        course.append(layer.joint_logits.detach().clone())
        opened.append(len(layer.kept_joints()))
    return torch.stack(course), np.array(opened)


def in_turns(steps: int, each: int, rest: float, turn: float):
    """Gradients of 8 gates; each has `turn` in place of `rest` for some steps."""
    for step in range(steps):
        gradient = torch.full((8,), rest)
        gradient[step // each % 8] = turn
        yield gradient


@pytest.mark.parametrize(
    ("hard", "kind"),
    [(False, jp.JointPruningLayer), (True, jp.JointPruningLayer), (False, StochasticGates)],
)
def test_gates_move_slowly_and_at_no_step_fewer_than_k_joints_are_open(hard, kind):
    """Joints take turns in being the best ones, so that gates turn back on their way."""
    layer, steps = kind(8, hard=hard), 600
    budget = jp.JointBudget(layer, 1, steps)
    course, opened = driven(budget, in_turns(steps - 1, 15, 1.0, -40.0))
    assert min(opened) == 1
    assert np.diff(opened).min() >= -2
    most, moved = code.SPEED * layer.unit / steps, course.diff(dim=0)
    assert moved.max() == pytest.approx(most, rel=1e-3)
    assert moved.min() == pytest.approx(-most, rel=1e-3)
    decided = course[round(code.END * steps) - 1]
    closed = decided[decided < layer.open_above].max().item()
    assert closed == pytest.approx(layer.open_above - code.CLOSED * layer.unit, abs=2 * most)


def test_gates_close_at_once_where_they_are_late_because_their_order_changes_all_the_time():
    layer, steps = jp.JointPruningLayer(8), 600
    budget = jp.JointBudget(layer, 3, steps)
    course, opened = driven(budget, in_turns(steps - 1, 8, -1.0, 40.0))
    allowed = np.interp(np.arange(1, steps) / steps - code.DELAY, [code.START, code.END], [8, 3])
    most = code.SPEED / steps
    jumps = (course.diff(dim=0) < -1.001 * most).any(dim=1).numpy()
    assert jumps.any()
    assert (opened <= allowed.round()).all()
    assert (opened == allowed.round())[jumps].all()


def test_gates_jump_if_they_are_late_or_a_network_is_trained_anew():
    layers = [jp.JointPruningLayer(4) for _ in range(2)]
    slow, fast = (jp.JointBudget(layer, 3, 100, retrain) for layer, retrain in
                  zip(layers, (False, True), strict=True))  # fmt: skip
    for budget in (slow, fast):
        state = budget.state_dict() | {"progress": 0.41}
        state["scores"][0] -= 20
        budget.load_state_dict(state)
        budget.layer.joint_logits.grad = torch.zeros(4)
        budget.step()
    assert (layers[0].kept_joints(), layers[1].kept_joints()) == ([0, 1, 2, 3], [1, 2, 3])
    layers[0].joint_logits.grad = torch.zeros(4)
    slow.advance(0.41 + code.DELAY)
    assert layers[0].kept_joints() == [1, 2, 3]


def test_a_gate_closes_slowly_and_turns_back_when_another_is_lower():
    layer = jp.JointPruningLayer(4)
    budget, course = jp.JointBudget(layer, 3, steps=400), []
    while layer.joint_logits[0] > layer.threshold + 3:  # joint 0 falls, and still is open
        layer.joint_logits.grad = torch.tensor([1.0, -1.0, -1.0, -1.0])
        budget.step()
        course.append(layer.joint_logits.detach().clone())
    moved = torch.stack(course).diff(dim=0).abs().max().item()
    assert moved == pytest.approx(code.SPEED / 400, rel=1e-4)
    assert 0.5 < layer.gates(20_000)[:, 0].mean() < 0.9  # in some clips, and not in others
    state = budget.state_dict()
    state["scores"][0] += 20
    budget.load_state_dict(state)
    layer.joint_logits.grad = torch.zeros(4)
    budget.step()
    assert layer.joint_logits[0] > course[-1][0]
    assert layer.kept_joints() == [0, 1, 2, 3]


@pytest.mark.parametrize(("scale", "accumulated"), [(1.0, 1), (65536.0, 1), (1.0, 8)])
def test_a_plain_loop_may_scale_its_loss_and_accumulate_gradients(scale, accumulated):
    module, loader = Stranger(), batches(60)
    layer, optimizer = module.pruning, module.configure_optimizers()
    budget = jp.JointBudget(layer, KEEP, steps=4 * len(loader) // accumulated)
    for step, batch in enumerate(loader * 4, start=1):
        torch.manual_seed(step)
        (scale * (module.training_step(batch, None) + budget.penalty())).backward()
        if step % accumulated == 0:
            budget.step()
            for parameter in module.parameters():
                if parameter.grad is not None:
                    parameter.grad /= scale * accumulated
            optimizer.step()
            optimizer.zero_grad()
    assert layer.kept_joints() == DECISIVE


UNEQUAL = [0, 0, 0, 1, 1, 1, 1, 2]  # 3, 4 and 1 joints; the label hangs on 2, 5 and 6


@pytest.mark.parametrize("train", [fit, loop])
@pytest.mark.parametrize("keep", [1, 3, 4, 5, 7, 8])
def test_groups_of_unequal_size_close_as_a_whole_and_never_below_the_target(train, keep):
    """Exactly K joints once they are decided, also where the best group is too large for K."""
    layer = jp.JointPruningLayer(JOINTS, gate_groups=UNEQUAL)
    course = train(Stranger(layer=layer), batches(), keep)
    progress = np.arange(1, len(course) + 1) / len(course)
    line = np.interp(progress, [code.START, code.END], [JOINTS, keep])
    for joints, done, target in zip(course, progress, line, strict=True):
        opened = {UNEQUAL[j] for j in joints}
        assert joints == [j for j in range(JOINTS) if UNEQUAL[j] in opened]
        if done < code.END:  # the target, rounded, needs every open group
            assert len(joints) >= target - 0.5 - 1e-6
            largest = max(UNEQUAL.count(group) for group in opened)
            assert len(joints) - largest < target + 0.5 + 1e-6
        else:
            assert len(joints) == keep
    assert layer.frozen and layer.kept_joints() == course[-1]


@pytest.mark.parametrize(("keep", "near"), [(2, [1, 3]), (6, [5, 7]), (0.25, [1, 3])])
def test_k_joints_that_are_no_whole_groups_are_refused_before_the_training(keep, near):
    layer = jp.JointPruningLayer(JOINTS, gate_groups=UNEQUAL)
    before = layer.joint_logits.detach().clone()
    number = 2 if keep == 0.25 else keep
    message = rf"whole groups .* add up to, got {number}: use one of \[{near[0]}, {near[1]}\]"
    with pytest.raises(ValueError, match=message):
        jp.JointBudget(layer, keep, 10)
    assert torch.equal(layer.joint_logits, before)
    with pytest.raises(ValueError, match=message):
        fit(Stranger(layer=layer), keep=keep)


@pytest.mark.parametrize(("weight", "pruned"), [(0.001, True), (100.0, True), (0.001, False)])
def test_the_quick_start_runs_as_printed_with_and_without_the_callback(weight, pruned, tmp_path):
    from jointprune import JointPruningLayer, l0_penalty

    class Printed(Stranger):
        def __init__(self):
            super().__init__(layer=nn.Identity())
            self.config = {"num_pose_points": JOINTS, "skel_learning_rate": 0.5}
            self.joint_pruning = JointPruningLayer(
                num_joints=self.config["num_pose_points"], init_keep_prob=0.9
            )

        def forward(self, skeleton_keypoints):
            B, T, J, P = skeleton_keypoints.shape
            skeleton_keypoints = self.joint_pruning(skeleton_keypoints)
            return self.head(skeleton_keypoints.view(B, T, J * P).flatten(1))

        def training_step(self, batch, _):
            loss = super().training_step(batch, _)
            loss = loss + l0_penalty(self.joint_pruning, weight=weight)
            summary = self.joint_pruning.get_summary()
            self.log("pruning_ratio", summary["pruning_ratio"], on_epoch=True)
            self.log("num_active_joints", summary["num_active"], on_epoch=True)
            return loss

        def configure_optimizers(self):
            group = {
                "params": [self.joint_pruning.joint_logits],
                "lr": self.config["skel_learning_rate"],
                "weight_decay": 0.0,
            }
            return torch.optim.AdamW([{"params": self.head.parameters()}, group])

    logger = lightning.pytorch.loggers.CSVLogger(tmp_path)
    callbacks = [jp.PruneJoints(0.55)] if pruned else []
    trainer = trainer_of(*callbacks, logger=logger, log_every_n_steps=1, max_epochs=2)
    trainer.fit(model := Printed(), batches(12 if pruned else 1))
    assert (model.joint_pruning.joint_logits != JointPruningLayer(JOINTS).joint_logits).all()
    summary = model.joint_pruning.get_summary()
    # Lightning adds "_epoch" to the names of what the printed lines log.
    logged = trainer.logged_metrics if pruned else trainer.callback_metrics
    found = f"{summary['num_active']}/{summary['num_total']} {summary['pruning_ratio']:.1%}"
    assert found == ("4/8 50.0%" if pruned else "8/8 0.0%")
    assert logged["num_active_joints"] == summary["num_active"]
    assert logged["pruning_ratio"] == summary["pruning_ratio"]


class StopsWithinEpochs(lightning.Callback):
    def on_train_batch_start(self, trainer, module, batch, batch_idx):
        return -1 if batch_idx == 7 else None


@pytest.mark.parametrize(
    ("limits", "callbacks"),
    [
        ({"max_epochs": 4}, ()),
        ({"max_epochs": -1, "max_steps": 43}, ()),
        ({"max_epochs": 4}, (StopsWithinEpochs(),)),
    ],
)
@pytest.mark.parametrize("too", [False, True])
def test_the_open_joints_of_every_epoch_are_logged_even_if_the_module_logs_them_too(
    limits, callbacks, too
):
    """Lightning refuses one name with two arguments in one hook."""
    seen = []

    class Logs(Stranger):
        def on_train_epoch_end(self):
            if too and not callbacks:
                self.log("pruning_ratio", 0.25, prog_bar=True)

    class Reads(lightning.Callback):
        def on_train_epoch_start(self, trainer, module):
            if trainer.current_epoch:
                logged = trainer.callback_metrics
                seen.append((logged["num_active_joints"], logged["pruning_ratio"]))
                opened.append(module.pruning.get_summary()["num_active"])

    opened = []
    trainer = trainer_of(jp.PruneJoints(4), Reads(), *callbacks, **limits)
    trainer.fit(Logs(), batches(12))
    shares = [0.25 if too and not callbacks else 1 - n / JOINTS for n in opened]
    assert seen == list(zip(opened, shares, strict=True))
    assert len(seen) == 3 and len({*opened}) > 1
    if not callbacks:
        assert trainer.callback_metrics["num_active_joints"] == 4


@pytest.mark.parametrize("optimizer", [{"optimizer": torch.optim.AdamW}, ADAMW])
@pytest.mark.parametrize("gates_too", [True, False])
def test_scaled_gradients_of_half_precision_are_unscaled_once(gates_too, optimizer, monkeypatch):
    """A fused optimiser unscales inside its step, others before it, and foreign gradients never."""
    seen, advance = [], jp.JointBudget.advance

    def spy(budget, progress):
        seen.append(budget.layer.joint_logits.grad.clone())
        advance(budget, progress)

    monkeypatch.setattr(jp.JointBudget, "advance", spy)
    fit(Stranger(**optimizer, gates_too=gates_too), max_steps=1)
    half = MixedPrecision("16-mixed", "cpu", torch.amp.GradScaler("cpu", init_scale=2.0**12))
    course = fit(Stranger(**optimizer, gates_too=gates_too), plugins=[half])
    torch.testing.assert_close(seen[1], seen[0], rtol=0.02, atol=1e-5)
    assert_course(course)


class TwoOptimisers(Stranger):
    """Manual optimisation: a second head, trained without the gates, has its own optimiser."""

    def __init__(self, raw=False):
        super().__init__()
        self.automatic_optimization, self.raw = False, raw
        self.other = nn.Linear(2 * JOINTS * 2, 2)

    def configure_optimizers(self):
        return [torch.optim.SGD(part.parameters(), 0.1) for part in (self.head, self.other)]

    def training_step(self, batch, _):
        other = functional.cross_entropy(self.other(batch[0].flatten(1)), batch[1])
        losses = (super().training_step(batch, _), other)
        optimizers = self.optimizers(use_pl_optimizer=not self.raw)
        for optimizer, loss in zip(optimizers, losses, strict=True):
            optimizer.zero_grad()
            self.manual_backward(loss)
            optimizer.step()


def test_two_optimisers_under_manual_optimisation_count_one_training():
    assert_course(fit(TwoOptimisers()))
    steps = fit(TwoOptimisers(), max_epochs=None, max_steps=48)  # two a batch, the first with gates
    assert_course(steps, steps=[*np.arange(0.5, 23), 24])


def test_gates_that_get_no_gradient_are_told_after_the_first_epoch():
    with pytest.raises(RuntimeError, match=r"step the optimisers of self.optimizers\(\)"):
        fit(TwoOptimisers(raw=True))
    module = Stranger()
    module.forward = lambda poses: module.head(poses.flatten(1))
    with pytest.raises(RuntimeError, match="call the layer in the forward pass"):
        fit(module)
    with pytest.raises(RuntimeError, match=r"call loss.backward\(\) before"):
        jp.JointBudget(module.pruning, KEEP, 5).step()


def test_optimisers_that_are_toggled_may_step_every_other_batch():
    """While another optimiser is toggled, the gates keep their gradient and want no other."""

    class Toggled(TwoOptimisers):
        def training_step(self, batch, number):
            for optimizer, head in zip(self.optimizers(), (self.other, self.head), strict=True):
                self.toggle_optimizer(optimizer)
                poses = self.pruning(batch[0]).flatten(1)
                self.manual_backward(functional.cross_entropy(head(poses), batch[1]))
                if number % 2:
                    optimizer.step()
                    optimizer.zero_grad()
                self.untoggle_optimizer(optimizer)

        def configure_optimizers(self):
            gates = [*self.head.parameters(), self.pruning.joint_logits]
            return torch.optim.SGD(self.other.parameters(), 0.1), torch.optim.SGD(gates, 0.1)

    fit(module := Toggled())
    assert module.pruning.frozen and len(module.pruning.kept_joints()) == KEEP


@pytest.mark.parametrize("hard", [False, True])
def test_absent_joints_that_are_filled_after_the_layer_leave_the_gates_their_gradient(hard):
    class Filled(Stranger):
        def forward(self, poses):
            return self.head(self.pruning(poses).nan_to_num().flatten(1))

    loader, generator = batches(120), torch.Generator().manual_seed(1)
    for poses, _ in loader:
        absent = torch.rand(len(poses), 1, JOINTS, 1, generator=generator) < 0.5
        poses.masked_fill_(absent, torch.nan)
    fit(module := Filled(layer=jp.JointPruningLayer(JOINTS, hard=hard)), loader)
    assert module.pruning.kept_joints() == DECISIVE


def test_a_training_that_stops_early_warns_and_still_ends_with_k():
    class Stop(Watch):
        def on_train_epoch_end(self, trainer, module):
            trainer.should_stop = True

    with pytest.warns(UserWarning, match="after 25% of the planned steps with [4-8] joints open"):
        fit(module := Stranger(), watch=Stop(), max_epochs=4)
    assert module.pruning.get_summary()["num_active"] == KEEP


class Standardised(Stranger):
    """The averaging of weights makes its batch normalisation anew, in an epoch without steps."""

    def __init__(self):
        super().__init__()
        self.standardise = nn.BatchNorm1d(2 * JOINTS * 2, affine=False)

    def forward(self, poses):
        return super().forward(self.standardise(poses.flatten(1)).view_as(poses))


@pytest.mark.filterwarnings("error:training stopped")
@pytest.mark.parametrize("epochs", [2, 4])
def test_an_epoch_that_another_callback_adds_is_no_part_of_the_course(epochs):
    watch, pruned = Watch(), jp.PruneJoints(KEEP)
    average = StochasticWeightAveraging(0.01, swa_epoch_start=0.5)
    trainer = trainer_of(average, pruned, watch, max_epochs=epochs)
    trainer.fit(model := Standardised(), batches(12))
    assert len(watch.open) == (epochs + 1) * 12
    assert_course(watch.open[: epochs * 12])
    assert model.pruning.frozen and model.pruning.get_summary()["num_active"] == KEEP


@pytest.mark.parametrize("lengths", [[16, 12, 8, 4], [4, 8, 12, 16]])
def test_every_epoch_is_as_large_a_part_of_the_course_whatever_its_length(lengths):
    class Changing(Stranger):
        def train_dataloader(self):
            return batches(lengths[self.trainer.current_epoch])

    options = {"max_epochs": len(lengths), "reload_dataloaders_every_n_epochs": 1}
    trainer_of(jp.PruneJoints(KEEP), watch := Watch(), **options).fit(model := Changing())
    ends = np.cumsum(lengths) - 1
    targets = [JOINTS - max(0, n / 4 - code.START) / (code.END - code.START) * (JOINTS - KEEP)
               for n in (1, 2)]  # fmt: skip
    counts = [len(joints) for joints in watch.open]
    np.testing.assert_allclose([counts[end] for end in ends[:2]], targets, atol=1)
    assert counts[ends[2]] == counts[-1] == KEEP
    assert model.pruning.frozen


@pytest.mark.parametrize("first", [True, False])
def test_averaged_copies_in_other_callbacks_and_in_what_they_save_hold_k_joints(first, tmp_path):
    callbacks = [jp.PruneJoints(KEEP), EMAWeightAveraging(decay=0.99)]
    callbacks = callbacks if first else callbacks[::-1]
    saved = ModelCheckpoint(tmp_path, save_last=True)
    trainer = trainer_of(*callbacks, saved, enable_checkpointing=True)
    trainer.fit(model := Stranger(), batches(12))
    trainer.save_checkpoint(tmp_path / "x.ckpt")
    for name in ("x.ckpt", "last.ckpt"):
        state = torch.load(tmp_path / name, weights_only=False)["state_dict"]
        (loaded := Stranger()).load_state_dict(state)
        assert loaded.pruning.frozen
        assert loaded.pruning.kept_joints() == model.pruning.kept_joints()
        assert len(loaded.pruning.kept_joints()) == KEEP


def test_testing_a_checkpoint_of_an_earlier_epoch_warns(tmp_path):
    class Tested(Stranger):
        def test_step(self, batch, _):
            self.log("loss", self.training_step(batch, _))

        def predict_step(self, batch, _):
            return self(batch[0])

    watch = Watch(tmp_path / "x.ckpt", 12)
    trainer = trainer_of(jp.PruneJoints(KEEP), watch)
    trainer.fit(model := Tested(), batches(12))
    with warnings.catch_warnings():
        warnings.filterwarnings("error", "expected .* open joints")
        trainer.test(model, batches(2), verbose=False)
    for again in (trainer.test, trainer.predict):
        with pytest.warns(UserWarning, match=f"expected {KEEP} open joints, got [4-8]: this model"):
            again(model, batches(2), ckpt_path=tmp_path / "x.ckpt", weights_only=False)
    with pytest.warns(UserWarning, match=f"expected {KEEP} open joints, got {JOINTS}"):
        trainer.test(Tested(), batches(2), verbose=False)
    with warnings.catch_warnings():
        warnings.filterwarnings("error", "expected .* open joints")
        trainer.test(Tested(layer=nn.Identity()), batches(2), verbose=False)  # one without gates


def test_a_trainer_that_was_interrupted_does_not_begin_again_and_changes_no_gate():
    class Interrupt(lightning.Callback):
        def on_train_batch_end(self, trainer, module, outputs, batch, number):
            if number == 8:
                raise KeyboardInterrupt

    trainer = trainer_of(jp.PruneJoints(KEEP), Interrupt(), max_epochs=1)
    with pytest.raises(SystemExit), pytest.warns(UserWarning, match="training stopped"):
        trainer.fit(Stranger(), batches(12))
    other = copy.deepcopy(module := Stranger())
    with pytest.raises(ValueError, match=r"or a trainer that has trained before: .* new trainer"):
        trainer.fit(module, batches(12))
    assert same(module, other)


def test_a_training_of_unknown_length_is_refused():
    class Endless:
        def __iter__(self):
            return iter(batches())

    for loader, epochs in ((batches(), -1), (Endless(), 3)):
        with pytest.raises(ValueError, match="expected a training of known length"):
            fit(Stranger(), loader, max_epochs=epochs)
    for steps in (0, 2.5, None):
        with pytest.raises(ValueError, match=f"optimiser steps, got {steps}: pass an integer"):
            jp.JointBudget(jp.JointPruningLayer(JOINTS), KEEP, steps)


def test_layers_that_a_budget_cannot_prune_are_refused_by_name():
    frozen, fixed, broken = (jp.JointPruningLayer(JOINTS) for _ in range(3))
    frozen.freeze_top(KEEP + 1)
    fixed.joint_logits.requires_grad_(False)
    broken.joint_logits.data[0] = torch.nan
    twice = Stranger()
    twice.second = jp.JointPruningLayer(JOINTS)
    for module, message in (
        (Stranger(layer=nn.Identity()), "one JointPruningLayer in Stranger, got none: make one"),
        (Stranger(layer=QuickStartMask(JOINTS)), "got none"),
        (twice, "one JointPruningLayer in Stranger, got pruning, second: the callback prunes one"),
        (Stranger(layer=frozen), "can learn, got a frozen layer: make a new layer or call"),
        (Stranger(layer=fixed), r"without a gradient: call layer.joint_logits.requires_grad_"),
        (Stranger(layer=broken), "got NaN or infinity in joint_logits: make a new layer"),
        (Stranger(layer=ConcreteSubset(JOINTS, 3)), "StochasticGates, got ConcreteSubset"),
        (Stranger(layer=ProjectionLasso(JOINTS, 2)), "StochasticGates, got ProjectionLasso"),
        (Stranger(layer=RandomSubsets(JOINTS)), "StochasticGates, got RandomSubsets"),
    ):  # fmt: skip
        with pytest.raises(ValueError, match=message):
            fit(module)


@pytest.mark.parametrize("step", [12, 29, 45])
def test_a_resumed_training_ends_with_the_same_bits(step, tmp_path):
    """After an epoch, within one, and after the joints are decided."""
    loader = Batches(batches(1) * BATCHES)  # Lightning resumes within an epoch at its first batch
    straight, resumed, file = Stranger(), Stranger(), tmp_path / "x.ckpt"
    fit(straight, loader, watch=Watch(file, step), max_epochs=4)
    fit(resumed, loader, resume=file, max_epochs=4)
    assert same(straight, resumed)


def test_a_finished_training_goes_on_with_its_joints(tmp_path):
    """And its checkpoint can be resumed again; the callback starts anew with another module."""
    file, again, callback = tmp_path / "x.ckpt", tmp_path / "y.ckpt", jp.PruneJoints(KEEP)
    *_, kept = fit(Stranger(), watch=Watch(file, 24))
    more = fit(Stranger(), keep=callback, watch=Watch(again, 36), resume=file, max_epochs=3)
    assert more == [kept] * BATCHES
    assert fit(Stranger(), resume=again, max_epochs=4) == [kept] * BATCHES
    assert_course(fit(Stranger(), keep=callback))


def test_a_resumed_training_may_be_longer_but_not_keep_another_number(tmp_path):
    """Half of a training is a quarter of one that is twice as long: meanwhile the gates wait."""
    fit(Stranger(), watch=Watch(file := tmp_path / "half.ckpt", 12))
    course = fit(Stranger(), resume=file, max_epochs=4)
    counts = [len(joints) for joints in course]
    assert counts == sorted(counts, reverse=True)
    assert counts[0] == counts[11] > counts[-1] == KEEP
    message = "budget of 2 joints, retrain=False and 8 gates, got 3, False and 8: resume with"
    with pytest.raises(ValueError, match=message):
        fit(Stranger(), keep=2, resume=file)
    trainer_of(Watch(file, 12)).fit(Stranger(), batches())
    with pytest.raises(ValueError, match="expected the checkpoint of a training with PruneJoints"):
        fit(Stranger(), resume=file)


def test_a_pruned_classifier_can_be_trained_further_with_the_same_callback():
    """Its layer stays frozen; another number of joints is refused."""
    model = Stranger()
    fit(model, batches())
    kept = model.pruning.kept_joints()
    before = {name: value.clone() for name, value in model.state_dict().items()}
    with pytest.warns(UserWarning, match=f"is frozen with {KEEP} joints, which stay: to choose"):
        fit(model, batches())
    assert model.pruning.frozen and model.pruning.kept_joints() == kept
    assert not all(torch.equal(before[name], value) for name, value in model.state_dict().items())
    assert not model.pruning.joint_logits.requires_grad  # DDP would wait for its gradient
    with pytest.raises(ValueError, match="fine-tune without a budget"):
        fit(model, batches(), keep=KEEP + 1)


def learned(budget: jp.JointBudget) -> None:
    """Do a step whose loss is the sum of the gates."""
    budget.layer.train()
    (budget.layer.gates(4).sum() + budget.penalty()).backward()
    budget.step()


def test_after_the_last_step_the_penalty_is_0_and_still_has_a_gradient():
    budget = jp.JointBudget(jp.JointPruningLayer(JOINTS), KEEP, steps=1)
    assert budget.penalty() == 0
    learned(budget)
    for _ in range(2):
        budget.penalty().backward()
        assert budget.layer.joint_logits.grad is not None
        budget.step()
    assert budget.penalty() == 0 and len(budget.layer.kept_joints()) == KEEP


def test_a_layer_that_other_code_freezes_during_training_is_not_changed():
    layer = jp.JointPruningLayer(JOINTS)
    budget = jp.JointBudget(layer, KEEP, steps=10)
    learned(budget)
    layer.freeze([0, 1])
    with pytest.raises(RuntimeError, match="frozen by other code"):
        budget.step()
    assert layer.kept_joints() == [0, 1]


@pytest.mark.parametrize(
    ("joints", "keep", "retrain"),
    [(JOINTS, KEEP - 1, False), (JOINTS + 1, KEEP, False), (JOINTS, KEEP, True)],
)
def test_a_state_of_another_budget_is_refused_and_changes_nothing(joints, keep, retrain):
    other = jp.JointBudget(jp.JointPruningLayer(joints), keep, steps=4, retrain=retrain)
    learned(other)
    budget = jp.JointBudget(jp.JointPruningLayer(JOINTS), KEEP, steps=4)
    with pytest.raises(ValueError, match=f"budget of {KEEP} joints, retrain=False and"):
        budget.load_state_dict(other.state_dict())
    assert budget.progress == 0


def test_a_finished_state_freezes_the_layer_it_is_loaded_for():
    done = jp.JointBudget(jp.JointPruningLayer(JOINTS), KEEP, steps=1)
    learned(done)
    other = jp.JointPruningLayer(JOINTS)
    jp.JointBudget(other, KEEP, steps=1).load_state_dict(done.state_dict())
    assert other.frozen and other.kept_joints() == done.layer.kept_joints()


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        (lambda module: setattr(module.pruning, "forward", lambda x: x), "call the layer in forw"),
        (lambda module: setattr(module, "pruning", jp.JointPruningLayer(JOINTS)), "not on a copy"),
        (lambda module: module.eval(), r"in training mode, .*: call model.train\(\) before"),
        (lambda module: module.pruning.eval(), "training mode, got evaluation mode, in which gate"),
    ],
    ids=["not called", "replaced", "evaluated", "layer evaluated"],
)
def test_a_loop_as_documented_whose_gates_do_not_learn_fails_at_its_first_step(wrong, message):
    module, batch = Stranger(), batches(1)[0]
    budget = jp.JointBudget(module.pruning, KEEP, steps=20)
    wrong(module)
    (module.training_step(batch, None) + budget.penalty()).backward()
    with pytest.raises(RuntimeError, match=message):
        budget.step()
    assert budget.progress == 0 and len(budget.layer.kept_joints()) == JOINTS


@pytest.mark.parametrize("late", [0, 3])
def test_the_first_gradient_moves_scores_by_one_step_however_late_it_comes(late):
    layer = jp.JointPruningLayer(4)
    budget = jp.JointBudget(layer, 2, steps=20)
    before = budget.state_dict()["scores"]
    layer.joint_logits.grad = torch.ones(4)
    budget.advance((1 + late) / 20)
    moved = (before - budget.state_dict()["scores"]).tolist()
    assert moved == pytest.approx([code.TRAVEL / 20] * 4, rel=1e-4)
    assert budget.progress == (1 + late) / 20


def test_steps_whose_loss_does_not_depend_on_the_gates_may_follow_others():
    layer = jp.JointPruningLayer(JOINTS)
    budget = jp.JointBudget(layer, KEEP, steps=40)
    for step in range(40):
        if step % 2 == 0:
            (layer(torch.ones(2, 1, JOINTS, 2)).sum() + budget.penalty()).backward()
        budget.step()
    assert budget.done and len(layer.kept_joints()) == KEEP


def test_a_module_in_evaluation_mode_is_not_pruned():
    """`from_pretrained` of transformers returns one, and Lightning leaves it."""
    with (
        pytest.warns(UserWarning, match="in eval mode at the start"),  # Lightning's own
        pytest.raises(RuntimeError, match="expected the layer in training mode, got evaluation"),
    ):
        fit(Stranger().eval())


def test_gates_are_open_again_after_a_reset_so_that_another_fold_chooses_anew():
    module = Stranger()
    fit(module)
    module.apply(lambda part: part.reset_parameters() if hasattr(part, "reset_parameters") else 0)
    fresh = jp.JointPruningLayer(JOINTS)
    assert not module.pruning.frozen and module.pruning.joint_logits.requires_grad
    assert same(module.pruning, fresh)
    assert_course(fit(module))


def test_a_trial_of_a_few_batches_decides_no_joint():
    module, callback = Stranger(), jp.PruneJoints(KEEP)
    fit(module, keep=callback, fast_dev_run=True)
    assert callback.budget is None  # so that a test of the module does not warn
    assert not module.pruning.frozen and same(module.pruning, jp.JointPruningLayer(JOINTS))
    assert_course(fit(module))


def test_a_first_epoch_without_a_gradient_is_said_and_a_quarter_of_the_training_is_an_error():
    class Late(Stranger):
        def training_step(self, batch, number):
            if self.current_epoch < self.late:
                return self.head.weight.sum()
            return super().training_step(batch, number)

    module = Late()
    module.late = 1
    watch, callback = Watch(), jp.PruneJoints(KEEP)
    with pytest.warns(UserWarning, match="expected a gradient of joint_logits, got none in 1 epoc"):
        fit(module, keep=callback, watch=watch, max_epochs=8)
    assert callback.budget is not None and len(module.pruning.kept_joints()) == KEEP
    assert len(watch.open[BATCHES]) == JOINTS  # no leap at a late first gradient
    module = Late()
    module.late = 9
    with (
        pytest.warns(UserWarning, match="none in 1 epochs"),
        pytest.raises(RuntimeError, match="got none in 2 epochs: call the layer in the forward"),
    ):
        fit(module, max_epochs=8)


def test_a_callback_that_may_stop_the_training_is_named_before_it():
    stop = EarlyStopping("num_active_joints", mode="max", patience=99)
    with pytest.warns(UserWarning, match="Leave out EarlyStopping and max_time"):
        trainer_of(jp.PruneJoints(KEEP), stop).fit(Stranger(), batches(12))
