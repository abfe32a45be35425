"""`JointBudget` and `PruneJoints` in a stranger's classifier, whatever trains it."""

import warnings
from fractions import Fraction

import lightning
import numpy as np
import pytest
import torch
from lightning.pytorch.plugins import MixedPrecision
from torch import nn
from torch.nn import functional

import jointprune as jp
from jointprune import budget as code
from jointprune.gate_variants import ConcreteSubset, ProjectionLasso, RandomSubsets, StochasticGates
from jointprune.gates import QuickStartMask

JOINTS, KEEP = 8, 3
DECISIVE = [2, 5, 6]  # the joints that the label depends on


class Batches(list):
    """Batches; Lightning takes a plain list for several loaders."""


@pytest.fixture(autouse=True)
def one_thread():
    torch.set_num_threads(1)


def batches(number: int = 12, clips: int = 16) -> Batches:
    """Clips (B, 2, J, 2) whose label is the sign of a sum over the decisive joints."""
    poses = torch.randn(number, clips, 2, JOINTS, 2, generator=torch.Generator().manual_seed(0))
    labels = (poses[..., DECISIVE, :].sum((2, 3, 4)) > 0).long()
    return Batches(zip(poses, labels, strict=True))


class Stranger(lightning.LightningModule):
    """Somebody's classifier; `gates_too` gives the gates to its optimiser as well."""

    def __init__(self, optimizer=torch.optim.Adam, gates_too=False, layer=None, **settings):
        super().__init__()
        torch.manual_seed(0)
        self.pruning = jp.JointPruningLayer(JOINTS) if layer is None else layer
        self.head = nn.Linear(2 * JOINTS * 2, 2)
        self.make = optimizer, gates_too, {"lr": 0.01, **settings}

    def forward(self, poses):
        return self.head(self.pruning(poses).flatten(1))

    def training_step(self, batch, _):
        return functional.cross_entropy(self(batch[0]), batch[1])

    def configure_optimizers(self):
        optimizer, gates_too, settings = self.make
        return optimizer((self if gates_too else self.head).parameters(), **settings)


class Watch(lightning.Callback):
    """Records the number of open joints after each batch."""

    def __init__(self):
        self.open = []

    def on_train_batch_start(self, trainer, module, *_):
        torch.manual_seed(trainer.global_step)

    def on_train_batch_end(self, trainer, module, *_):
        self.open.append(len(module.pruning.kept_joints()))


def trainer_of(*callbacks, **options) -> lightning.Trainer:
    quiet = dict.fromkeys(
        ("logger", "enable_checkpointing", "enable_progress_bar", "enable_model_summary"), False
    )
    options = {"max_epochs": 2, "accelerator": "cpu", "devices": 1} | quiet | options
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message=".*max_epochs. was not set")
        return lightning.Trainer(callbacks=list(callbacks), **options)


def fit(module, loader=None, keep=KEEP, **options) -> list[int]:
    """Train with PruneJoints; return the number of open joints after each batch."""
    watch = Watch()
    trainer_of(watch, jp.PruneJoints(keep), **options).fit(module, loader or batches())
    return watch.open


def loop(module, loader, epochs=2, keep=KEEP) -> list[list[int]]:
    """The plain PyTorch loop; returns the open joints after each step."""
    optimizer, course, step = module.configure_optimizers(), [], 0
    budget = jp.JointBudget(module.pruning, keep, steps=epochs * len(loader))
    for batch in loader * epochs:
        torch.manual_seed(step)
        loss = module.training_step(batch, None) + budget.penalty()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        budget.step()
        course.append(module.pruning.kept_joints())
        step += 1
    return course


def same(one: nn.Module, other: nn.Module) -> bool:
    pairs = zip(one.state_dict().values(), other.state_dict().values(), strict=True)
    return all(torch.equal(a, b) for a, b in pairs)


def assert_course(course: list[int], keep: int = KEEP, every: int = 1) -> None:
    """The counts are the nearest to a straight line from all joints to K, and end at K."""
    progress = np.arange(1, len(course) + 1) / len(course)
    line = np.interp(progress, [code.START, code.END], [JOINTS, keep])
    distance = np.abs(np.array(course) - line)[every - 1 :: every]
    assert distance.max() <= 0.5 + 1e-6, (course, line)
    assert min(course) == course[-1] == keep


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
        ({}, (12, 16), {"fast_dev_run": True}),
        ({}, (12, 16), {"precision": "bf16-mixed"}),
        ({}, (12, 16), {"precision": "bf16-true"}),
        ({}, (12, 16), {"precision": "64-true"}),
    ],
)
def test_open_joints_fall_in_a_straight_line_to_exactly_k_whatever_trains(module, loader, trainer):
    stranger = Stranger(**module)
    assert_course(fit(stranger, batches(*loader), **trainer))
    assert stranger.pruning.frozen
    assert sorted(stranger.pruning.gates().tolist()) == [0.0] * (JOINTS - KEEP) + [1.0] * KEEP


@pytest.mark.parametrize(("number", "accumulate"), [(12, 3), (11, 4), (5, 4)])
def test_accumulated_gradients_move_the_gates_once_a_step(number, accumulate):
    """Also where the batches of an epoch do not divide; the epoch then ends with a shorter step."""
    course = fit(Stranger(), batches(number), max_epochs=4, accumulate_grad_batches=accumulate)
    for epoch in range(4):
        of_epoch = course[epoch * number : (epoch + 1) * number]
        before = ([JOINTS] + course)[epoch * number]
        assert of_epoch[: accumulate - 1] == [before] * (accumulate - 1)
    steps = [b for b in range(1, 4 * number + 1) if b % number % accumulate == 0 or not b % number]
    line = np.interp(np.array(steps) / (4 * number), [code.START, code.END], [JOINTS, KEEP])
    assert np.abs(np.array(course)[np.array(steps) - 1] - line).max() <= 0.5 + 1e-6
    assert course[-2] >= course[-1] == KEEP


@pytest.mark.parametrize(("keep", "expected"), [(0.55, 4), (0.01, 1), (1, 1), (np.int64(5), 5),
                                                (np.float32(0.5), 4), (Fraction(1, 4), 2), (8, 8)])  # fmt: skip
def test_keep_is_a_share_or_a_number(keep, expected):
    course = loop(Stranger(), batches(), keep=keep)
    assert_course([len(joints) for joints in course], expected)


@pytest.mark.parametrize(
    "keep", [True, np.True_, 0, 1.0, 43, -1, 0.0, float("nan"), np.float64(1), "3", None]
)
def test_an_impossible_keep_is_refused(keep):
    with pytest.raises(
        ValueError, match=r"expected a share .* number from 1 to 8, got .*keep=0.55"
    ):
        jp.JointBudget(jp.JointPruningLayer(JOINTS), keep, 10)
    with pytest.raises(ValueError, match="expected a share"):
        fit(Stranger(), keep=keep)


@pytest.mark.parametrize("optimizer", [SGD, ADAMW, {"lr": 0.3}])
@pytest.mark.parametrize("train", [fit, loop])
def test_gates_in_the_users_optimiser_change_no_bit(train, optimizer):
    """Of the gates, the classifier and, under PruneJoints, the norm by which it is clipped."""
    clip = {"gradient_clip_val": 0.01} if train is fit else {}
    one, other = Stranger(**optimizer), Stranger(**optimizer, gates_too=True)
    train(one, batches(), **clip)
    train(other, batches(), **clip)
    assert same(one, other)


@pytest.mark.parametrize("layer", [jp.JointPruningLayer, StochasticGates])
def test_the_callback_and_the_plain_loop_learn_the_same_joints_which_decide_the_label(layer):
    by_loop, by_callback = (Stranger(layer=layer(JOINTS)) for _ in range(2))
    course = loop(by_loop, batches(60))
    fit(by_callback, batches(60))
    assert same(by_loop, by_callback)
    assert course[-1] == DECISIVE
    # A joint without influence closes before one that decides the label.
    for joints in course[len(course) // 4 :]:
        assert set(DECISIVE) <= set(joints)


def test_a_closed_gate_opens_again_when_it_gains_on_the_others():
    layer = jp.JointPruningLayer(4)
    budget, seen = jp.JointBudget(layer, 2, steps=400), []
    while budget.progress < code.END:
        first = -1.0 if [1, 2, 3] in seen else 1.0  # falls until it is closed, then rises
        layer.joint_logits.grad = torch.tensor([first, -first, -1.0, 0.0])
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
    torch.testing.assert_close(
        moved, torch.full((4,), code.TRAVEL * 100 / 20_000), rtol=1e-3, atol=0
    )
    assert layer.joint_logits.dtype == dtype


def test_every_joint_is_open_at_first_even_if_gates_start_closed():
    layer = jp.JointPruningLayer(JOINTS, init_keep_prob=0.1)
    assert layer.kept_joints() == []
    jp.JointBudget(layer, KEEP, 100)
    assert len(layer.kept_joints()) == JOINTS


@pytest.mark.parametrize("weight", [0.001, 100.0])
def test_the_quick_start_runs_as_printed_beside_the_callback(weight, tmp_path):
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
    trainer = trainer_of(jp.PruneJoints(0.55), logger=logger, log_every_n_steps=1)
    model = Printed()
    trainer.fit(model, batches())
    assert model.joint_pruning.get_summary()["num_active"] == 4
    assert trainer.logged_metrics["num_active_joints"] == 4
    assert trainer.logged_metrics["pruning_ratio"] == 0.5


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
    scaler = torch.amp.GradScaler("cpu", init_scale=2.0**12)
    half = MixedPrecision("16-mixed", "cpu", scaler)
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
        parts = (self.head, self.other)
        return [torch.optim.SGD(part.parameters(), lr=0.1) for part in parts]

    def training_step(self, batch, _):
        losses = (super().training_step(batch, _),
                  functional.cross_entropy(self.other(batch[0].flatten(1)), batch[1]))  # fmt: skip
        pairs = zip(self.optimizers(use_pl_optimizer=not self.raw), losses, strict=True)
        for optimizer, loss in pairs:
            optimizer.zero_grad()
            self.manual_backward(loss)
            optimizer.step()


@pytest.mark.parametrize("options", [{}, {"max_epochs": None, "max_steps": 48}])
def test_two_optimisers_under_manual_optimisation_count_one_training(options):
    course = fit(TwoOptimisers(), **options)
    assert course == sorted(course, reverse=True)
    assert (len(course), course[-1]) == (24, KEEP)


def test_raw_optimisers_are_told_to_go_through_lightning():
    with pytest.raises(RuntimeError, match=r"step the optimisers of self.optimizers\(\)"):
        fit(TwoOptimisers(raw=True))


def test_a_layer_that_is_never_called_is_told_after_the_first_epoch():
    module = Stranger()
    module.forward = lambda poses: module.head(poses.flatten(1))
    with pytest.raises(RuntimeError, match="call the layer in the forward pass"):
        fit(module)
    budget = jp.JointBudget(module.pruning, KEEP, 5)
    with pytest.raises(RuntimeError, match="before budget.step"):
        budget.step()


def test_a_training_that_stops_early_warns_and_still_ends_with_k():
    class Stop(lightning.Callback):
        def on_train_epoch_end(self, trainer, module):
            trainer.should_stop = True

    module = Stranger()
    trainer = trainer_of(jp.PruneJoints(KEEP), Stop(), max_epochs=4)
    with pytest.warns(UserWarning, match="after 25% of the planned steps with [4-8] joints open"):
        trainer.fit(module, batches())
    assert module.pruning.get_summary()["num_active"] == KEEP


class Endless:
    def __iter__(self):
        return iter(batches())


@pytest.mark.parametrize(
    ("loader", "epochs"), [(batches(), -1), (Endless(), 3)], ids=["endless", "no length"]
)
def test_a_training_of_unknown_length_is_refused(loader, epochs):
    with pytest.raises(ValueError, match="expected a training of known length"):
        fit(Stranger(), loader, max_epochs=epochs)


def test_layers_that_a_budget_cannot_prune_are_refused_by_name():
    frozen, twice = jp.JointPruningLayer(JOINTS), Stranger()
    frozen.freeze_top(KEEP)
    twice.second = jp.JointPruningLayer(JOINTS)
    for module, message in (
        (Stranger(layer=nn.Identity()), "one JointPruningLayer in Stranger, got none: make one"),
        (Stranger(layer=QuickStartMask(JOINTS)), "got none"),
        (twice, "one JointPruningLayer in Stranger, got pruning, second: keep one"),
        (Stranger(layer=frozen), "got a frozen layer: make a new one"),
        (Stranger(layer=ConcreteSubset(JOINTS, 3)), "StochasticGates, got ConcreteSubset"),
        (Stranger(layer=ProjectionLasso(JOINTS, 2)), "StochasticGates, got ProjectionLasso"),
        (Stranger(layer=RandomSubsets(JOINTS)), "StochasticGates, got RandomSubsets"),
    ):
        with pytest.raises(ValueError, match=message):
            fit(module)
    for steps in (0, 2.5, None):
        with pytest.raises(ValueError, match="expected 1 step or more"):
            jp.JointBudget(jp.JointPruningLayer(JOINTS), KEEP, steps)


class Save(lightning.Callback):
    def __init__(self, file, step):
        self.file, self.step = file, step

    def on_train_batch_end(self, trainer, *_):
        if trainer.global_step == self.step and self.step % 12:
            trainer.save_checkpoint(self.file)

    def on_train_epoch_end(self, trainer, _):
        if trainer.global_step == self.step:
            trainer.save_checkpoint(self.file)


@pytest.mark.filterwarnings("ignore:You're resuming from a checkpoint that ended before")
@pytest.mark.parametrize("step", [12, 29, 45])
def test_a_resumed_training_ends_with_the_same_bits(step, tmp_path):
    """After an epoch, within one, and after the joints are decided."""
    loader = Batches(batches(1) * 12)  # Lightning resumes within an epoch at its first batch
    straight, resumed, file = Stranger(), Stranger(), tmp_path / "x.ckpt"
    trainer = trainer_of(Watch(), jp.PruneJoints(KEEP), Save(file, step), max_epochs=4)
    trainer.fit(straight, loader)
    trainer = trainer_of(Watch(), jp.PruneJoints(KEEP), max_epochs=4)
    trainer.fit(resumed, loader, ckpt_path=file, weights_only=True)
    assert same(straight, resumed)


def test_a_finished_training_goes_on_with_the_same_joints_and_a_longer_one_with_its_own_course(
    tmp_path,
):
    module, trainer = Stranger(), trainer_of(jp.PruneJoints(KEEP), Save(tmp_path / "half.ckpt", 12))
    trainer.fit(module, batches())
    kept = module.pruning.kept_joints()
    trainer.save_checkpoint(tmp_path / "x.ckpt")
    more, callback = Stranger(), jp.PruneJoints(KEEP)
    trainer = trainer_of(callback, max_epochs=4)
    trainer.fit(more, batches(), ckpt_path=tmp_path / "x.ckpt", weights_only=True)
    assert more.pruning.kept_joints() == kept
    trainer.save_checkpoint(tmp_path / "x.ckpt")
    trainer_of(jp.PruneJoints(KEEP), max_epochs=5).fit(
        more, batches(), ckpt_path=tmp_path / "x.ckpt", weights_only=True
    )
    # Half of a training is a quarter of one that is twice as long: the gates wait.
    watch = Watch()
    trainer = trainer_of(watch, callback, max_epochs=4)
    trainer.fit(
        longer := Stranger(), batches(), ckpt_path=tmp_path / "half.ckpt", weights_only=True
    )
    assert len(set(watch.open[:12])) == 1
    assert watch.open == sorted(watch.open, reverse=True)
    assert longer.pruning.get_summary()["num_active"] == KEEP
    with pytest.raises(ValueError, match="budget of 2 joints, got one of 3: resume with"):
        trainer_of(jp.PruneJoints(2)).fit(
            Stranger(), batches(), ckpt_path=tmp_path / "half.ckpt", weights_only=True
        )
    # The callback starts anew with another module.
    fresh = Stranger()
    trainer_of(watch := Watch(), callback).fit(fresh, batches())
    assert_course(watch.open)
