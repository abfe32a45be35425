"""Failures that gates show alone, without a network.

Four of them train gates on a toy problem whose joints have known benefits (`train_gates`).
"""

from dataclasses import replace
from functools import cache

import pandas as pd
import torch

from jointprune.config import TrainingConfig
from jointprune.gates import JointPruningLayer, QuickStartMask, l0_penalty
from jointprune.paper.failures.case import Case, seeded

JOINTS = 42
# Nats lost when a joint of the toy problem is closed: from far below to above the 1/42 nat that
# keeping one costs at a penalty of 1.
BENEFITS = torch.logspace(-4, -1, JOINTS)
BATCHES = (16, 64)  # clips a batch, where a result must not depend on it


def softmax_over_joints() -> Case:
    """The quick start's mask shares one unit among all joints; gates of their own do not."""
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
    """Lower logits please the quick start's penalty and leave its mask as it was."""
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
    question = "All logits fall by 4: how far does a gate move?"
    words = (
        f"The quick start's penalty falls {paid[0]} nats while its gates move by at most "
        f"{moved[0]:.2f}; the hard-concrete penalty falls {paid[1]} nats and gates move by up to "
        f"{moved[1]:.2f}."
    )
    return Case("penalty blind to the mask", question, "largest change of a gate", *moved, words)


def penalty_divided_by_the_batch(config: TrainingConfig, steps: int) -> Case:
    """A penalty divided by the batch size makes a machine with less memory prune harder."""
    small, large = BATCHES
    divided = replace(config, penalty=config.penalty * large / small)  # set for large batches
    alike = kept(train_gates(config, steps, large))
    broken, fixed = (kept(train_gates(c, steps, small)) for c in (divided, config))
    question = f"Batches of {small} or {large} clips: how far apart are the results?"
    words = (
        f"With batches of {large} clips {steps} steps on the toy problem keep {alike} joints; with "
        f"{small} they keep {broken} if the penalty is set for {large} and divided by the batch "
        f"size, {fixed} if it is not divided."
    )
    name = "penalty divided by the batch size"
    return Case(name, question, "joints", abs(alike - broken), abs(alike - fixed), words)


def gates_at_the_networks_rate(config: TrainingConfig, steps: int) -> Case:
    """From 0.9 a gate has 3 logits to travel, and Adam goes about its learning rate a step."""
    rates = (config.skel_learning_rate, config.gate_learning_rate)
    trained = [train_gates(replace(config, gate_learning_rate=rate), steps) for rate in rates]
    closed = [JOINTS - kept(gates) for gates in trained]
    start = config.init_keep_prob
    question = f"How many of {JOINTS} gates that start at {start} are closed in the end?"
    words = (
        f"In {steps} steps on the toy problem, gates with the network's learning rate of {rates[0]}"
        f" close {closed[0]} joints, with their own of {rates[1]} they close {closed[1]} joints."
    )
    return Case("gates pinned at their start", question, "joints", *closed, words)


def stopped_before_the_penalty_bites(config: TrainingConfig, steps: int) -> Case:
    """Early stopping keeps what was best before closing joints had cost anything."""
    course = train_gates(config, steps)[1]
    best = int(course["loss"].argmin())
    counts = course["kept"].tolist()
    broken, fixed = (100 * (1 - counts[step] / JOINTS) for step in (best, -1))
    words = (
        f"On the toy problem the loss without penalty is lowest after {best + 1} of {steps} steps: "
        f"early stopping would keep gates with {broken:.0f} % of the joints closed, at the end "
        f"{fixed:.0f} % are."
    )
    question = "How many joints are closed where training stops?"
    return Case("stopped before the penalty bites", question, "% of joints", broken, fixed, words)


def threshold_at_zero(config: TrainingConfig, steps: int) -> Case:
    """A keep probability is never 0: a gate counts by what it lets through in evaluation."""
    trained = train_gates(config, steps)
    above = int((trained[0].keep_probability() > 0).sum())
    words = (
        f"After {steps} steps on the toy problem {above} joints have a keep probability above 0, "
        f"and {kept(trained)} joints have a gate that is above 0 in evaluation."
    )
    question = "How many joints are kept?"
    return Case("threshold at 0", question, "joints", above, kept(trained), words)


@cache
def train_gates(
    config: TrainingConfig, steps: int, batch: int = BATCHES[1]
) -> tuple[JointPruningLayer, pd.DataFrame]:
    """Gates trained alone by Adam on sum_j benefit_j (1 - gate_j) + l0_penalty.

    A clip's benefits are BENEFITS times exponential noise of mean 1; a step averages `batch`
    clips, draws gates once, and ramps the penalty as `SignClassificationLightning.gate_penalty`
    does. Returns the layer, and after each step `loss` (without penalty, gates and clips without
    noise, nats) and `kept` (joints).
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


def kept(trained: tuple[JointPruningLayer, pd.DataFrame]) -> int:
    """Joints that a training of `train_gates` kept."""
    return len(trained[0].kept_joints())
