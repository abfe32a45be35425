"""Ways to get pruning wrong, each reproduced in seconds beside the correct version."""

from contextlib import contextmanager
from dataclasses import asdict, dataclass, replace
from functools import cache

import numpy as np
import pandas as pd
import torch

from jointprune.classifier import SignClassificationLightning
from jointprune.config import TrainingConfig
from jointprune.dataset import SignDataset
from jointprune.gate_variants import QuickStartMask
from jointprune.gates import JointPruningLayer, l0_penalty
from jointprune.prediction import evaluation_batches, predict, trained_model
from jointprune.preprocessing import normalise
from jointprune.runs import make_run
from jointprune.skeleton import FINGER_OF, LEVEL_OF, TIP, hand_index
from jointprune.training import run_many
from jointprune.workspace import Workspace

JOINTS = 42
# Loss in nats when a joint of the toy problem is closed: from far below to above 1/42 nat, which is
# the penalty for keeping one joint open.
BENEFITS = torch.logspace(-4, -1, JOINTS)
SMALL, LARGE = 16, 64  # clips per batch
SUBSETS, KEPT, HALVINGS = 200, 12, 100


@dataclass(frozen=True)
class Case:
    """One failure: the broken and the fixed version's answers to `question`, in `unit`."""

    name: str
    question: str
    unit: str
    broken: float
    fixed: float
    words: str

    def facts(self) -> dict:
        """The case as a row of failures.json; four decimals, as float32 adds noise below."""
        sides = {"broken": self.broken, "fixed": self.fixed}
        numbers = {side: {"value": round(v, 4), "words": self.unit} for side, v in sides.items()}
        return {"name": self.name, "question": self.question, "words": self.words, **numbers}


def cases(data: SignDataset, folds, config: TrainingConfig, workspace: Workspace) -> list[Case]:
    """All ten cases, on the fold that tests the first group by name; the last two train 3 runs."""
    group = min(data.groups[np.concatenate([test for _, test in folds])])
    fold = next(fold for fold in folds if group in data.groups[fold[1]])
    steps = config.epochs * max(1, len(fold[0]) // config.batch_size)
    return [
        softmax_over_joints(),
        penalty_blind_to_the_mask(),
        noise_in_evaluation(data, fold, config),
        penalty_divided_by_the_batch(config, steps),
        gates_at_the_networks_rate(config, steps),
        stopped_before_the_penalty_bites(config, steps),
        threshold_at_zero(config, steps),
        dropped_joints_that_are_read(data, fold, config),
        group_under_two_names(data, fold, config, workspace, group),
        joints_chosen_on_test_clips(data, fold, config, workspace),
    ]


@contextmanager
def seeded():
    """Seed torch with 0 inside the block and restore the caller's random state after it."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        yield


def softmax_over_joints() -> Case:
    with seeded(), torch.no_grad():
        broken, fixed = QuickStartMask(JOINTS).gates(), JointPruningLayer(JOINTS).eval().gates()
    words = (
        f"At a keep probability of 0.9 the quick start's {JOINTS} gates sum to {broken.sum():.2f} "
        f"and half of them are below {broken.median():.3f}; hard-concrete gates sum to "
        f"{fixed.sum():.1f}, each {fixed.median():.3f}."
    )
    question = "How much do all joints' gates let through?"
    sums = (gates.sum().item() for gates in (broken, fixed))
    return Case("softmax over joints", question, "sum of gates", *sums, words)


@torch.no_grad()
def penalty_blind_to_the_mask() -> Case:
    moved, paid = [], []
    for layer in (QuickStartMask(JOINTS), JointPruningLayer(JOINTS).eval()):
        gates, penalties = [], []
        for shift in (0, 4):
            layer.joint_logits.sub_(shift)
            with seeded():
                gates.append(layer.gates())
            penalties.append(l0_penalty(layer, 1.0))
        moved.append((gates[0] - gates[1]).abs().max().item())
        paid.append("from {:.2f} to {:.2f}".format(*penalties))
    words = (
        f"The quick start's penalty falls {paid[0]} nats while its gates move by at most "
        f"{moved[0]:.2f}; the hard-concrete penalty falls {paid[1]} nats and gates move by up to "
        f"{moved[1]:.2f}."
    )
    question = "All logits fall by 4: how far does a gate move?"
    return Case("penalty blind to the mask", question, "largest change of a gate", *moved, words)


def noise_in_evaluation(data: SignDataset, fold, config: TrainingConfig) -> Case:
    differ = []
    for mask in ("quick-start", "hard-concrete"):
        run = make_run(data, *fold, 0, replace(config, mask=mask))
        with seeded():
            model = SignClassificationLightning(asdict(run.config))
            first, second = (predict(model, data, run.test) for _ in range(2))
        differ.append(float(np.abs(first - second).max()))
    words = (
        f"Two evaluations of one untrained network on {len(run.test)} clips differ by up to "
        f"{differ[0]:.3f} in a class's probability with the quick start's mask, and by up to "
        f"{differ[1]:.3f} with hard-concrete gates."
    )
    question = "How far apart are two evaluations of one network?"
    return Case("noise in evaluation", question, "largest change of a probability", *differ, words)


@cache
def train_gates(config: TrainingConfig, steps: int, batch: int = LARGE):
    """The toy problem: gates trained alone on sum_j benefit_j (1 - gate_j) + l0_penalty.

    A clip's benefits are BENEFITS times exponential noise of mean 1. Returns the layer, and after
    each step `loss` (nats, without penalty and noise) and `kept` (joints).
    """
    layer = JointPruningLayer(JOINTS, init_keep_prob=config.init_keep_prob)
    optimizer = torch.optim.Adam([layer.joint_logits], lr=config.gate_learning_rate)
    course = []
    with seeded():
        for step in range(steps):
            benefits = BENEFITS * torch.empty(batch, JOINTS).exponential_().mean(0)
            ramp = min(1.0, step / steps / config.ramp_end)
            loss = (benefits * (1 - layer.train().gates())).sum()
            optimizer.zero_grad()
            (loss + l0_penalty(layer, config.penalty * ramp)).backward()
            optimizer.step()
            with torch.no_grad():
                lost = (BENEFITS * (1 - layer.eval().gates())).sum().item()
            course.append((lost, len(layer.kept_joints())))
    return layer, pd.DataFrame(course, columns=["loss", "kept"])


def kept(*settings) -> int:
    """Joints that `train_gates` with these settings keeps."""
    return len(train_gates(*settings)[0].kept_joints())


def penalty_divided_by_the_batch(config: TrainingConfig, steps: int) -> Case:
    divided = replace(config, penalty=config.penalty * LARGE / SMALL)  # set for large batches
    alike = kept(config, steps, LARGE)
    broken, fixed = kept(divided, steps, SMALL), kept(config, steps, SMALL)
    words = (
        f"With batches of {LARGE} clips {steps} steps on the toy problem keep {alike} joints; with "
        f"{SMALL} they keep {broken} if the penalty is set for {LARGE} and divided by the batch "
        f"size, {fixed} if it is not divided."
    )
    question = f"Batches of {SMALL} or {LARGE} clips: how far apart are the results?"
    name = "penalty divided by the batch size"
    return Case(name, question, "joints", abs(alike - broken), abs(alike - fixed), words)


def gates_at_the_networks_rate(config: TrainingConfig, steps: int) -> Case:
    """From 0.9 a logit has to fall by 3; Adam moves it by about its learning rate per step."""
    rates = (config.skel_learning_rate, config.gate_learning_rate)
    closed = [JOINTS - kept(replace(config, gate_learning_rate=rate), steps) for rate in rates]
    words = (
        f"In {steps} steps on the toy problem, gates with the network's learning rate of {rates[0]}"
        f" close {closed[0]} joints, with their own of {rates[1]} they close {closed[1]} joints."
    )
    start = config.init_keep_prob
    question = f"How many of {JOINTS} gates that start at {start} are closed in the end?"
    return Case("gates pinned at their start", question, "joints", *closed, words)


def stopped_before_the_penalty_bites(config: TrainingConfig, steps: int) -> Case:
    course = train_gates(config, steps)[1]
    best = int(course["loss"].argmin())
    broken, fixed = (100 * (1 - course["kept"].iloc[step] / JOINTS) for step in (best, -1))
    words = (
        f"On the toy problem the loss without penalty is lowest after {best + 1} of {steps} steps: "
        f"early stopping would keep gates with {broken:.0f} % of the joints closed, at the end "
        f"{fixed:.0f} % are."
    )
    question = "How many joints are closed where training stops?"
    return Case("stopped before the penalty bites", question, "% of joints", broken, fixed, words)


def threshold_at_zero(config: TrainingConfig, steps: int) -> Case:
    """A keep probability is never 0; a joint is kept if its gate is open in evaluation."""
    layer, _ = train_gates(config, steps)
    above, fixed = int((layer.keep_probability() > 0).sum()), len(layer.kept_joints())
    words = (
        f"After {steps} steps on the toy problem {above} joints have a keep probability above 0, "
        f"and {fixed} joints have a gate that is above 0 in evaluation."
    )
    return Case("threshold at 0", "How many joints are kept?", "joints", above, fixed, words)


@torch.no_grad()
def dropped_joints_that_are_read(data: SignDataset, fold, config: TrainingConfig) -> Case:
    settings = make_run(data, *fold, 0, config).config
    poses, present, _ = next(iter(evaluation_batches(settings, data, fold[1])))
    stays = torch.tensor([FINGER_OF[j] is None or LEVEL_OF[j] == TIP for j in data.joints])
    moved, joint = poses.clone(), data.joints.index("right.middle_mcp")
    moved[:, :, joint, 0] += present[:, :, joint]
    hand = torch.eye(2)[torch.as_tensor(hand_index(data.joints))]
    changes = []
    for weight in (present.float(), present * stays.float()):
        before, after = (
            normalise(p, weight, hand)[..., : hand.shape[0] * p.shape[-1]] for p in (poses, moved)
        )
        change = (after - before).abs().unflatten(-1, poses.shape[2:])
        changes.append(change[..., stays, :].max().item())
    words = (
        f"With {int(stays.sum())} joints kept, moving the dropped right.middle_mcp by one shoulder "
        f"width changes a kept joint's coordinate by up to {changes[0]:.2f} spreads of the clip if "
        f"all joints centre and scale, by {changes[1]:.2f} if the kept joints alone do."
    )
    question = "A dropped joint moves: how far do kept joints move?"
    name = "a normaliser that reads dropped joints"
    return Case(name, question, "spreads of the clip", *changes, words)


def group_under_two_names(
    data: SignDataset, fold, config: TrainingConfig, workspace: Workspace, group: str
) -> Case:
    """The lexicon lists `ase` a second time as `fsl`, so a split by name has it on both sides.

    Here the network trains on the group's own clips, which equal such copies.
    """
    (train, test), copies = fold, np.flatnonzero(data.groups == group)
    of_group = data.groups[test] == group
    scores = []
    for run in (make_run(data, [*train, *copies], [], 0, config),
                make_run(data, train, test, 0, config)):  # fmt: skip
        run_many([run], data, workspace, "a group under two names")
        predicted = predict(trained_model(run, data, workspace), data, test).argmax(1)
        scores.append(100 * float((predicted == data.labels[test])[of_group].mean()))
    words = (
        f"Accuracy on the {of_group.sum()} clips of {group} is {scores[0]:.1f} % when training "
        f"has their copies under another name, {scores[1]:.1f} % when it does not; one run each."
    )
    return Case("a group under two names", f"Accuracy on {group}, held out?", "%", *scores, words)


@torch.no_grad()
def joints_chosen_on_test_clips(
    data: SignDataset, fold, config: TrainingConfig, workspace: Workspace
) -> Case:
    run = make_run(data, *fold, 0, replace(config, mask="any-subset"))
    run_many([run], data, workspace, "any-subset network")
    model = trained_model(run, data, workspace)
    batches = list(evaluation_batches(model.config, data, run.test))
    generator, right = np.random.default_rng(0), []
    every = np.tile(np.arange(len(data.joints)), (SUBSETS, 1))
    for subset in generator.permuted(every, axis=1)[:, :KEPT]:
        model.joint_pruning.freeze(subset.tolist())
        right.append(torch.cat([model(p, seen).argmax(1) == label for p, seen, label in batches]))
    scores = [100 * score for score in best_on_half(torch.stack(right).numpy(), generator)]
    words = (
        f"Of {SUBSETS} random sets of {KEPT} joints, the best on a random half of {len(run.test)} "
        f"test clips is {scores[0]:.1f} % accurate on that half and {scores[1]:.1f} % on the other "
        f"(one any-subset network, not retrained; mean over {HALVINGS} halvings, both ways)."
    )
    question = "Accuracy of the set of joints that scored best?"
    return Case("joints chosen on test clips", question, "%", *scores, words)


def best_on_half(right: np.ndarray, generator: np.random.Generator) -> tuple[float, float]:
    """Accuracy of the set that is best on half of the clips: on that half, and on the other.

    `right` (sets, clips) bool. Each halving is used both ways, so that neither half is the easier.
    """
    scores = []
    for _ in range(HALVINGS):
        halves = np.array_split(generator.permutation(right.shape[1]), 2)
        for chooser, other in (halves, halves[::-1]):
            best = right[right[:, chooser].mean(1).argmax()]
            scores.append((best[chooser].mean(), best[other].mean()))
    return tuple(np.mean(scores, axis=0).tolist())
