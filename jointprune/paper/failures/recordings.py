"""Failures that need recordings: the noise of a mask, a normaliser, and two leaks of test clips."""

import hashlib
from dataclasses import asdict, replace

import numpy as np
import pandas as pd
import torch

from jointprune.classifier import SignClassificationLightning
from jointprune.config import TrainingConfig
from jointprune.dataset import SignDataset
from jointprune.paper.failures.case import Case, seeded
from jointprune.prediction import evaluation_batches, predict, trained_model
from jointprune.preprocessing import normalise
from jointprune.runs import make_run
from jointprune.skeleton import hand_index
from jointprune.training import run_many
from jointprune.workspace import Workspace

SUBSETS, KEPT, HALVINGS = 200, 12, 100


def noise_in_evaluation(data: SignDataset, fold, config: TrainingConfig) -> Case:
    """The quick start draws its mask in evaluation too."""
    differ = []
    for mask in ("quick-start", "hard-concrete"):
        run = make_run(data, *fold, 0, replace(config, mask=mask))
        with seeded():
            model = SignClassificationLightning(asdict(run.config))
            first, second = (predict(model, data, run.test) for _ in range(2))
        differ.append(float(np.abs(first - second).max()))
    question = "How far apart are two evaluations of one network?"
    words = (
        f"Two evaluations of one untrained network on {len(run.test)} clips differ by up to "
        f"{differ[0]:.3f} in a class's probability with the quick start's mask, and by up to "
        f"{differ[1]:.3f} with hard-concrete gates."
    )
    return Case("noise in evaluation", question, "largest change of a probability", *differ, words)


@torch.no_grad()
def dropped_joints_that_are_read(data: SignDataset, fold, config: TrainingConfig) -> Case:
    """A normaliser over all joints lets a dropped joint into the features of the kept."""
    settings = make_run(data, *fold, 0, config).config
    poses, present, _ = next(iter(evaluation_batches(settings, data, fold[1])))
    stays = torch.tensor([name.endswith(("_tip", ".wrist")) for name in data.joints])
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
    question = "A dropped joint moves: how far do kept joints move?"
    words = (
        f"With {int(stays.sum())} joints kept, moving the dropped right.middle_mcp by one shoulder "
        f"width changes a kept joint's coordinate by up to {changes[0]:.2f} spreads of the clip if "
        f"all joints centre and scale, by {changes[1]:.2f} if the kept joints alone do."
    )
    name = "a normaliser that reads dropped joints"
    return Case(name, question, "spreads of the clip", *changes, words)


def group_under_two_names(
    data: SignDataset, fold, config: TrainingConfig, workspace: Workspace, group: str
) -> Case:
    """The lexicon's index lists `ase` a second time as `fsl`: a split by name lets it through."""
    leaking = with_copy(data, group)
    train, test = fold
    copies = np.arange(len(data), len(leaking))
    asked = data.groups[test] == group
    scores = []
    for source, clips in ((leaking, [*train, *copies]), (data, train)):
        run = make_run(source, clips, test, 0, config)
        run_many([run], source, workspace, "a group under two names")
        named = predict(trained_model(run, source, workspace), source, test).argmax(1)
        scores.append(100 * float((named == data.labels[test])[asked].mean()))
    question = f"Accuracy on {group}, held out?"
    words = (
        f"Accuracy on the {asked.sum()} clips of {group} is {scores[0]:.1f} % when training "
        f"has their copies under another name, {scores[1]:.1f} % when it does not; one run each."
    )
    return Case("a group under two names", question, "%", *scores, words)


@torch.no_grad()
def joints_chosen_on_test_clips(
    data: SignDataset, fold, config: TrainingConfig, workspace: Workspace
) -> Case:
    """The best of many sets looks better on the clips that chose it than on any others."""
    run = make_run(data, *fold, 0, replace(config, mask="any-subset"))
    run_many([run], data, workspace, "any-subset network")
    model = trained_model(run, data, workspace)
    batches = list(evaluation_batches(model.config, data, run.test))
    generator = np.random.default_rng(0)
    every = np.tile(np.arange(len(data.joints)), (SUBSETS, 1))
    right = []
    for subset in generator.permuted(every, axis=1)[:, :KEPT]:
        model.joint_pruning.freeze(subset.tolist())
        right.append(torch.cat([model(p, seen).argmax(1) == sign for p, seen, sign in batches]))
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

    `right` (sets, clips) bool. Means over HALVINGS random halvings, each used both ways, so that
    one half being the easier favours neither number.
    """
    scores = []
    for _ in range(HALVINGS):
        halves = np.array_split(generator.permutation(right.shape[1]), 2)
        for chooser, other in (halves, halves[::-1]):
            best = right[right[:, chooser].mean(1).argmax()]
            scores.append((best[chooser].mean(), best[other].mean()))
    return tuple(np.mean(scores, axis=0).tolist())


class Rows:
    """Rows of a dataset's array in another order, read as they are asked for.

    Indexed like an array, by rows alone or by an array of rows beside other indices.
    Like the dataset it travels to other processes by its path.
    """

    def __init__(self, data: SignDataset, name: str, order: np.ndarray):
        self.data, self.name, self.order = data, name, order

    @property
    def shape(self) -> tuple[int, ...]:
        return (len(self.order), *getattr(self.data, self.name).shape[1:])

    def __len__(self) -> int:
        return len(self.order)

    def __getitem__(self, place) -> np.ndarray:
        rows, *rest = place if isinstance(place, tuple) else (place,)
        return getattr(self.data, self.name)[(self.order[rows], *rest)]


def with_copy(data: SignDataset, group: str, name: str = "fsl") -> SignDataset:
    """The dataset with the clips of `group` a second time at its end, as if of group `name`."""
    copied = np.flatnonzero(data.groups == group)
    order = np.append(np.arange(len(data)), copied)
    table = data.clips.iloc[copied]
    table = table.assign(clip=f"{name}/" + table["clip"], signer=name, group=name)
    content = f"{data.sha256} and {group} again as {name}"  # all that decides what it holds
    return replace(
        data,
        poses=Rows(data, "poses", order),
        present=Rows(data, "present", order),
        labels=data.labels[order],
        signers=np.append(data.signers, [name] * len(copied)),
        groups=np.append(data.groups, [name] * len(copied)),
        clips=pd.concat([data.clips, table], ignore_index=True),
        meta={**data.meta, "sha256": hashlib.sha256(content.encode()).hexdigest()},
    )
