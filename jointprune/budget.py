"""Close gates down to a number of joints, in any training: `JointBudget` and `PruneJoints`."""

import warnings
from copy import deepcopy
from itertools import accumulate
from numbers import Integral, Real

import lightning
import torch
from lightning.pytorch.utilities import rank_zero_warn
from torch import Tensor, nn
from torch.optim.swa_utils import AveragedModel

from jointprune.checks import integer
from jointprune.gate_variants import ConcreteSubset, ProjectionLasso, RandomSubsets
from jointprune.gates import JointPruningLayer
from jointprune.joint_groups import check_whole_groups, groups_of_k_joints

# Layers that choose their joints in another way.
UNSUITED = (ConcreteSubset, ProjectionLasso, RandomSubsets)

# Shares of the training between which the number of open joints falls from all to K. The last
# quarter trains the classifier on its K joints.
START, END = 0.05, 0.75
# Lengths in logits of hard-concrete gates; other gates have a `unit`.
OPEN = 7.0  # from the threshold to open gates: at temperature 2/3, 5 % of their samples are below 1
CLOSED = 1.0  # from closed gates to the threshold: 14 % of their samples are above 0, as trials
SPEED = 280.0  # of a gate in a whole training: it opens or closes in 3 % of it
DELAY = 0.03  # of the training, by which the number of open joints may be late
TRAVEL = 14.0  # that a score can move in a whole training
FINAL = 12.0  # from the threshold to a decided gate, whose samples are then 0 or 1
PRESSURE = 0.3  # on every score, over the mean gradient of all: gates without use fall first
# If the classifier is trained anew: where gates begin; margin between the threshold and the nearest
# gate; nats per unit of excess and whole training; weight of the quadratic penalty that damps the
# multiplier.
OPEN_AT_FIRST, MARGIN, MULTIPLIER_RATE, DAMPING = 5.0, 0.1, 240.0, 50.0

STOPPING = ("EarlyStopping", "Timer")  # callbacks, also those of `pytorch_lightning`
WITHOUT_GRADIENT = 0.25  # share of a training after which it is an error that none has come


class JointBudget:
    """Closes a layer's gates, one after another, until K joints are open.

    The gates are trained apart from the classifier, by an Adam optimiser of their own whose step
    size follows from the number of steps, so that neither the classifier's optimiser nor its
    learning rate matters. The number of open joints falls along a line from all joints to K: the
    gates with the lowest scores close and all others open; a closed gate that gains on the others
    opens again. A gate takes about 3 % of the training to open or close, so that exchanges soon
    taken back do not disturb the classifier; if the number of open joints is that late, gates close
    at once. In some clips closed gates are open, to learn what they are worth. All scores are
    pressed down a little, so that those of joints without use fall first. After three quarters of
    the steps the K joints are decided, soon after no other gate is open, and after the last step
    the layer is frozen. Joints that share a gate close together; K joints have to be whole groups.

    Parameters
    ----------
    layer : JointPruningLayer
        The layer in the classifier.
    keep : float or int
        Joints to keep: a share in (0, 1), or a number.
    steps : int
        Optimiser steps of the whole training.
    retrain : bool
        Whether another classifier will be trained on the K joints, so that the accuracy of this
        one does not matter. Open gates then come near the threshold as well, under a penalty
        whose Lagrange multiplier holds the expected share of open joints to the line (CoFiPruning:
        Xia et al. 2022, arXiv 2204.00408). This is how the notebooks choose joints.

    Raises
    ------
    ValueError
        For another kind of layer, a frozen one, and numbers that are impossible.

    Notes
    -----
    Make the budget on the very layer that is trained, not on a copy, and train in training mode.
    At the end of your loop `done` has to be true: a budget of more steps leaves more joints open,
    until you call `finish`. Save the model then: earlier states, such as the best one by validation
    (`load_best_model_at_end`), and averages of weights have more joints open. Close these by
    `averaged.freeze(layer.kept_joints())`. Do the same to the layer itself before you train it
    further under DDP.

    Examples
    --------
    >>> budget = JointBudget(model.joint_pruning, keep=12, steps=epochs * len(loader))
    >>> for poses, labels in loader:
    ...     loss = loss_fn(model(poses), labels) + budget.penalty()
    ...     optimizer.zero_grad()
    ...     loss.backward()
    ...     budget.step()
    ...     optimizer.step()
    """

    def __init__(self, layer: JointPruningLayer, keep: float, steps: int, retrain: bool = False):
        if not isinstance(layer, JointPruningLayer) or isinstance(layer, UNSUITED):
            raise ValueError(
                f"expected a JointPruningLayer or StochasticGates, got {type(layer).__name__}: "
                "pass the layer itself, not the model; other gates choose their joints themselves"
            )
        logits = layer.joint_logits.detach().float()
        wrong = {
            "a frozen layer: make a new layer or call its reset_parameters(), or fine-tune without "
            "a budget": layer.frozen,
            "joint_logits without a gradient: call layer.joint_logits.requires_grad_(True) after "
            "freezing the rest of a model": not layer.joint_logits.requires_grad,
            "NaN or infinity in joint_logits: make a new layer": not logits.isfinite().all(),
        }
        for got, is_wrong in wrong.items():
            if is_wrong:
                raise ValueError(f"expected gates that can learn, got {got}")
        steps = integer(steps, 1, 2**63 - 1, "optimiser steps")
        self.layer, self.keep = layer, number_to_keep(keep, layer.num_joints)
        self._sizes = torch.bincount(layer.gate_of)  # joints of each gate
        check_whole_groups(self.keep, self._sizes.tolist())
        self.steps, self.retrain = steps, retrain
        self.progress, self.multiplier = 0.0, 0.0
        # Scores order the gates. The layer's logits are these, held to the number of open joints.
        # They are float32, as steps are too small for half precision.
        start = layer.threshold + (OPEN_AT_FIRST if retrain else OPEN) * layer.unit
        self._scores = nn.Parameter(logits - logits.mean() + start)
        self._adam = torch.optim.Adam([self._scores], foreach=False)
        self._held = self._goal()  # the layer's logits
        self._hold()

    @property
    def done(self) -> bool:
        """Whether all steps are done and the layer is frozen."""
        return self.progress >= 1

    @property
    def target(self) -> float:
        """Number of joints that may be open now; it falls linearly from J to K."""
        return self._target(self.progress)

    def _target(self, progress: float) -> float:
        fallen = min(1.0, max(0.0, (progress - START) / (END - START)))
        return self.layer.num_joints - fallen * (self.layer.num_joints - self.keep)

    def penalty(self) -> Tensor:
        """Penalty for open gates, a scalar in nats to add to the loss; 0 without `retrain`."""
        if self.done:
            return 0.0 * self.layer.joint_logits.sum()  # DDP waits for a gradient
        if not self.retrain:  # a gradient from here would hide that none comes from the loss
            return self.layer.joint_logits.new_zeros(())
        share = self.layer.keep_probability().mean()
        excess = share - self.target / self.layer.num_joints
        return self.multiplier * share + DAMPING * excess.clamp(min=0) ** 2

    def step(self) -> None:
        """Move the gates by the gradient of the last `backward`, once an optimiser step.

        Raises
        ------
        RuntimeError
            If the first step finds no gradient: call it after `backward`, before `zero_grad`. (With
            `retrain` the penalty has one, so that a layer outside the loss is not noticed.) If
            the layer is in evaluation mode, in which gates are not sampled and do not learn.
        """
        self.advance((round(self.progress * self.steps) + 1) / self.steps)

    @torch.no_grad()
    def advance(self, progress: float) -> None:
        """Do a step that ends at this share of the training."""
        logits = self.layer.joint_logits
        gradient, logits.grad = logits.grad, None  # no other optimiser shall use it
        if self.done:
            return
        if self.layer.frozen:
            raise RuntimeError(
                "expected gates that can learn, got a layer frozen by other code: drop the budget"
            )
        if gradient is None and not self.progress:
            raise RuntimeError(
                "expected a gradient of joint_logits, got none: call loss.backward() before "
                "budget.step(), and optimizer.zero_grad() after it or before backward; call the "
                "layer in forward, and make the budget on this very layer, not on a copy"
            )
        if not self.layer.training:
            raise RuntimeError(
                "expected the layer in training mode, got evaluation mode, in which gates do not "
                "learn: call model.train() before training (from_pretrained returns a model in "
                "evaluation mode)"
            )
        if gradient is None:  # of a loss that does not depend on the gates
            gradient = torch.zeros_like(logits)
        logits.copy_(self._held)  # another optimiser may have moved them
        # A training that is resumed with more steps has done a smaller share of them.
        progress = min(1.0, max(progress, self.progress))
        share = progress - self.progress
        if not self.progress:  # the first gradient may be late
            share = min(share, 1 / self.steps)
        self.progress = progress
        if progress < END and gradient.isfinite().all():  # else mixed precision skips the step
            self._adam.param_groups[0]["lr"] = TRAVEL * self.layer.unit * share
            self._scores.grad = gradient.to(self._scores)
            if not self.retrain:
                self._scores.grad += PRESSURE * self._scores.grad.abs().mean()
            self._adam.step()
            if self.retrain:
                open_share = self.layer.keep_probability().mean().item()
                excess = open_share - self.target / self.layer.num_joints
                self.multiplier = max(0.0, self.multiplier + MULTIPLIER_RATE * share * excess)
        if self.done:
            self.finish()
        else:
            self._hold(share)

    def finish(self) -> None:
        """Decide now: freeze the layer with the K joints that have the highest scores open."""
        self.progress = 1.0
        self._hold()
        learns = self.layer.joint_logits.requires_grad
        self.layer.freeze_top(self.keep)
        self.layer.joint_logits.requires_grad_(learns)  # a running DDP waits for its gradient

    @torch.no_grad()
    def _hold(self, share: float = 0.0) -> None:
        """Move the layer's logits towards their goal, as far as they may in a share of training."""
        held = goal = self._goal()
        if not self.retrain and not self.done:
            way, threshold = SPEED * self.layer.unit * share, self.layer.open_above
            held = self._held + (goal - self._held).clamp(-way, way)
            closing = (held > threshold) & (goal <= threshold)
            most_open = round(self._target(self.progress - DELAY))
            for gate in self._scores.argsort().tolist():  # if it is late, the lowest close at once
                if closing[gate] and self._sizes[held > threshold].sum() > most_open:
                    held[gate] = goal[gate]
            if self._sizes[held > threshold].sum() < self.keep:
                held = held.maximum(self._held)  # none closes before others have opened
        self._held = held
        self.layer.joint_logits.copy_(held)

    @torch.no_grad()
    def _goal(self) -> Tensor:
        """Logits by the scores: above the threshold for the gates to open, else below it."""
        scores, threshold, unit = self._scores, self.layer.open_above, self.layer.unit
        opened = torch.zeros_like(scores, dtype=torch.bool)
        opened[self._opened()] = True
        if self.progress >= END:  # far from the threshold, in the order of the scores
            far = FINAL * unit
            above, below = far + scores - scores.min(), scores - scores.max() - far
            return threshold + torch.where(opened, above, below)
        if self.retrain:
            high, low = threshold + MARGIN * unit, threshold - MARGIN * unit
        else:
            high, low = self.layer.threshold + OPEN * unit, threshold - CLOSED * unit
        return torch.where(opened, scores.clamp(min=high), scores.clamp(max=low))

    def _opened(self) -> list[int]:
        """Gates to open: the highest scores that hold as many joints as the target."""
        order = self._scores.argsort(descending=True, stable=True).tolist()
        sizes = self._sizes[order].tolist()
        if self.progress >= END:
            return [*groups_of_k_joints(order, sizes, self.keep)]
        before = (total - size for total, size in zip(accumulate(sizes), sizes, strict=True))
        return [g for g, joints in zip(order, before, strict=True) if joints < round(self.target)]

    def state_dict(self) -> dict:
        """What a resumed training needs; the layer's own state is saved with the model."""
        return {
            "keep": self.keep,
            "retrain": self.retrain,
            "progress": self.progress,
            "multiplier": self.multiplier,
            "scores": self._scores.detach().clone(),
            "held": self._held,
            "adam": self._adam.state_dict(),
        }

    def load_state_dict(self, state: dict) -> None:
        """Continue from `state_dict`; ValueError if it is of another keep, `retrain` or layer."""
        own = self.keep, self.retrain, len(self._scores)
        other = state["keep"], state["retrain"], len(state["scores"])
        if other != own:
            raise ValueError(
                "expected the state of a budget of {} joints, retrain={} and {} gates, got {}, {} "
                "and {}: resume with the same arguments and layer".format(*own, *other)
            )
        self.progress, self.multiplier = state["progress"], state["multiplier"]
        with torch.no_grad():
            self._scores.copy_(state["scores"])
        self._held = state["held"].to(self._scores)
        self._adam.load_state_dict(state["adam"])
        self.finish() if self.done else self._hold()


class PruneJoints(lightning.Callback):
    """Prunes the joints of any Lightning module that holds one `JointPruningLayer`.

    A `JointBudget` trains the gates during `trainer.fit`. Their course depends on the share of the
    training that is done, not on the module's optimisers, learning rate or batch size. After the
    last step exactly the chosen number of joints is open and the layer is frozen. `pruning_ratio`
    and `num_active_joints` are logged after each epoch; a module may log these names as well, but
    not in `on_train_batch_end` with other arguments.

    The gates are still open in checkpoints of earlier epochs, and a `ModelCheckpoint` with a
    monitor need not write one of the last: save the model after `fit` (`trainer.save_checkpoint`).
    Averaged copies of the weights are frozen as well if another callback holds them; freeze your
    own by `averaged.freeze(layer.kept_joints())`. A layer that is frozen with this number of
    joints, as in fine-tuning, stays as it is.

    Parameters
    ----------
    keep : float or int
        Joints to keep: a share in (0, 1), or a number.
    retrain : bool
        Whether another classifier will be trained on these joints: see `JointBudget`.

    Raises
    ------
    ValueError
        When the training starts: if the module holds no such layer, several, or a frozen one, for
        an impossible `keep`, if the length of the training is unknown, and if it resumes another.
    RuntimeError
        If no gradient reached the gates in a quarter of the training (at least an epoch; a warning
        comes after the first), and if the layer is in evaluation mode.

    Examples
    --------
    >>> trainer = lightning.Trainer(max_epochs=20, callbacks=[PruneJoints(keep=0.55)])
    >>> trainer.fit(model, loader)
    """

    def __init__(self, keep: float, retrain: bool = False):
        self.keep, self.retrain = keep, retrain
        self.budget: JointBudget | None = None
        self._resumed: dict | None = None
        self._before: dict | None = None  # the layer's state, if this is a trial of a few batches
        self._logged = False  # in this epoch

    def setup(self, trainer, module, stage) -> None:
        if stage == "fit":  # before a checkpoint is loaded
            self.budget = self._resumed = None
            # Afterwards StochasticWeightAveraging adds an epoch in which no step is done.
            self._epochs = trainer.max_epochs

    def on_train_start(self, trainer, module) -> None:
        layer = pruning_layer(module)
        keep = number_to_keep(self.keep, layer.num_joints)
        if layer.frozen and len(layer.kept_joints()) == keep:
            if not self._resumed:
                rank_zero_warn(
                    f"the layer is frozen with {keep} joints, which stay: to choose others make a "
                    "new one, or call its reset_parameters()"
                )
            return
        if any(type(other).__name__ in STOPPING for other in trainer.callbacks):
            rank_zero_warn(
                "joints close over the whole planned training: if it stops early, those that are "
                "open above the number to keep close at once. Leave out EarlyStopping and max_time"
            )
        self._before = deepcopy(layer.state_dict()) if trainer.fast_dev_run else None
        if trainer.global_step and not self._resumed:
            raise ValueError(
                "expected the checkpoint of a training with PruneJoints, got one of a training "
                "without, or a trainer that has trained before: train from the beginning with a "
                "new trainer, or pass ckpt_path"
            )
        self.budget = JointBudget(layer, keep, planned_steps(trainer), self.retrain)
        if self._resumed:
            self.budget.load_state_dict(self._resumed)

    def on_before_optimizer_step(self, trainer, module, optimizer) -> None:
        budget = self.budget
        logits = budget.layer.joint_logits if budget else None
        if logits is None or logits.grad is None or not logits.requires_grad:
            return  # this one of several optimisers belongs to a loss without gates
        logits.grad /= _loss_scale(trainer, optimizer, logits)
        if budget.retrain:
            with torch.enable_grad():
                budget.penalty().backward()
        budget.advance(_progress(trainer, self._epochs, steps_now=1))

    def on_train_batch_end(self, trainer, module, *_) -> None:
        # With several optimisers the last step need not be one that moved the gates.
        ends = _progress(trainer, self._epochs) >= 1
        if self.budget and self.budget.progress and ends:
            self.budget.finish()
            self._freeze_averaged(trainer)  # before a checkpoint of the last epoch
        if ends or trainer.is_last_batch:
            # Not at the epoch's end, where a module may log the same names in its own way.
            self._log(pruning_layer(module))

    def on_train_epoch_end(self, trainer, module) -> None:
        if self.budget and not self.budget.progress:
            message = (
                f"expected a gradient of joint_logits, got none in {trainer.current_epoch + 1} "
                "epochs: call the layer in the forward pass, and with manual optimisation step the "
                "optimisers of self.optimizers()"
            )
            if _progress(trainer, self._epochs) >= WITHOUT_GRADIENT:
                raise RuntimeError(message)
            rank_zero_warn(message)
        if not self._logged:  # the epoch ended early
            self._log(pruning_layer(module))
        self._logged = False

    def _log(self, layer: JointPruningLayer) -> None:
        summary, self._logged = layer.get_summary(), True
        options = {"on_step": False, "on_epoch": True, "batch_size": 1}
        self.log("pruning_ratio", summary["pruning_ratio"], **options)
        self.log("num_active_joints", float(summary["num_active"]), **options)

    def on_train_end(self, trainer, module) -> None:
        if not self.budget:
            return
        layer, keep = self.budget.layer, self.budget.keep
        if not self.budget.done:
            if (count := len(layer.kept_joints())) > keep:
                warnings.warn(
                    f"training stopped after {self.budget.progress:.0%} of the planned steps with "
                    f"{count} joints open: all but {keep} are closed now, without further "
                    "training, and checkpoints hold more. Train to the end (no early stopping), or "
                    "save the model again",
                    stacklevel=2,
                )
            self.budget.finish()
        layer.freeze(layer.kept_joints())
        self._freeze_averaged(trainer)
        if self._before is not None:  # a trial of a few batches decides nothing
            layer.load_state_dict(self._before)
            self.budget = None

    def _freeze_averaged(self, trainer) -> None:
        """Freeze the layers of averaged copies of the model with the joints of the model's own."""
        for value in (value for other in trainer.callbacks for value in vars(other).values()):
            if isinstance(value, AveragedModel):
                pruning_layer(value.module).freeze(self.budget.layer.kept_joints())

    def on_test_start(self, trainer, module) -> None:
        budget, layers = self.budget, filter(is_pruning_layer, module.modules())
        count = max((len(layer.kept_joints()) for layer in layers), default=0)  # of any model
        if budget and count > budget.keep:
            warnings.warn(
                f"expected {budget.keep} open joints, got {count}: this model is of an earlier "
                "epoch; test the one of the last (without ckpt_path)",
                stacklevel=2,
            )

    on_predict_start = on_test_start

    def state_dict(self) -> dict:
        return self.budget.state_dict() if self.budget else self._resumed or {}

    def load_state_dict(self, state_dict: dict) -> None:
        self._resumed = state_dict


def number_to_keep(keep: float, total: int) -> int:
    """Number of joints for a share in (0, 1) of `total` or a number; ValueError otherwise."""
    whole = isinstance(keep, Integral) and not isinstance(keep, bool)
    parsed = isinstance(keep, float) and 1 < keep <= total and keep == int(keep)  # 12.0
    if (whole and 1 <= keep <= total) or parsed:
        return int(keep)
    if not whole and isinstance(keep, Real) and 0 < keep < 1:
        return max(1, round(float(keep) * total))
    raise ValueError(
        f"expected a share of joints above 0 and below 1, or a number from 1 to {total}, got "
        f"{keep!r}: keep=0.55 or keep=12, for example"
    )


def is_pruning_layer(module: nn.Module) -> bool:
    return isinstance(module, JointPruningLayer)


def pruning_layer(module: nn.Module) -> JointPruningLayer:
    """The only `JointPruningLayer` of a module; ValueError if it holds none or several."""
    found = {n: m for n, m in module.named_modules() if is_pruning_layer(m)}
    if len(found) != 1:
        raise ValueError(
            f"expected one JointPruningLayer in {type(module).__name__}, got "
            f"{', '.join(found) or 'none'}: "
            + (
                "the callback prunes one layer; hold that of a teacher in a list, or give each a "
                "JointBudget in a loop of your own"
                if found
                else "make one in __init__ and call it in forward"
            )
        )
    return next(iter(found.values()))


def planned_steps(trainer: lightning.Trainer) -> int:
    """Optimiser steps of the whole training; ValueError if they are unknown."""
    steps = trainer.estimated_stepping_batches
    if not 0 < steps < float("inf"):
        raise ValueError(
            "expected a training of known length, got one without end: set max_steps, or "
            "max_epochs with a loader that has a length"
        )
    return steps


def _progress(trainer: lightning.Trainer, epochs: int, steps_now: int = 0) -> float:
    """Share of the training that is done after this batch, whichever limit is reached first."""
    each = trainer.num_training_batches  # of this epoch: loaders may differ in length
    done = trainer.current_epoch * each + trainer.fit_loop.batch_idx + 1
    by_batches = done / (epochs * each) if epochs > 0 and each < float("inf") else 0.0
    by_steps = (trainer.global_step + steps_now) / trainer.max_steps
    return min(1.0, max(by_batches, by_steps))  # max_steps is -1 without such a limit


def _loss_scale(trainer: lightning.Trainer, optimizer, parameter: Tensor) -> float:
    """Factor by which mixed precision has scaled this parameter's gradient."""
    scaler = getattr(trainer.precision_plugin, "scaler", None)
    if scaler is None:
        return 1.0
    owned = any(p is parameter for group in optimizer.param_groups for p in group["params"])
    later = getattr(optimizer, "_step_supports_amp_scaling", False)  # unscaled inside its step
    return 1.0 if owned and not later else scaler.get_scale()
