"""One training on two processes has the loss curve and the gates of one process."""

import os
import subprocess
import sys
from itertools import combinations
from types import SimpleNamespace

import pandas as pd
import pytest
import torch
from two_processes import CONFIGS, DATASET, course

from jointprune.classifier import SignClassificationLightning
from jointprune.distributed import BatchShare, RandomState
from jointprune.paper.synthetic import SyntheticParameters, generate
from jointprune.preprocessing import Augmentation, ClipBatches
from jointprune.workspace import ROOT, Workspace

SMALL = SyntheticParameters(signs=12, signers=6, clips=1, frames=(8, 12), informative=6)
# Largest relative difference of a step's loss: sums of the same numbers in another order (2e-7
# was measured, and 0.1 where each process sampled its own gates).
TOLERANCE = 1e-5


def batches(data, size: int = 8) -> ClipBatches:
    return ClipBatches(data, range(len(data)), 4, size, None, Augmentation(), seed=3)


def process(rank: int, world_size: int, step: int = 0) -> SimpleNamespace:
    """What is read of the trainer of one process."""
    return SimpleNamespace(global_rank=rank, world_size=world_size, global_step=step)


def shares(data, size: int, world_size: int) -> list[list]:
    """The batches of all processes in one pass."""
    processes = [process(rank, world_size) for rank in range(world_size)]
    return [list(BatchShare(batches(data, size), trainer)) for trainer in processes]


@pytest.mark.parametrize(
    ("size", "world_size", "clips"), [(8, 1, 8), (8, 2, 4), (8, 3, 2), (7, 2, 3)]
)
def test_shares_are_equal_and_together_the_batch(toy_dataset, size, world_size, clips):
    """Clips left over are dropped."""
    given = shares(toy_dataset, size, world_size)
    whole = list(batches(toy_dataset, size))
    for step, batch in enumerate(whole):
        for part, of_all in enumerate(batch):
            own = [one[step][part] for one in given]
            assert [len(share) for share in own] == [clips] * world_size
            assert torch.equal(torch.cat(own), of_all[: clips * world_size])
    assert {len(one) for one in given} == {len(whole)}


def test_a_batch_with_fewer_clips_than_processes_is_refused(toy_dataset):
    with pytest.raises(ValueError, match="a clip for each of 3 processes in a batch, got 2 clips"):
        shares(toy_dataset, 2, 3)


@pytest.mark.parametrize("mask", ["hard-concrete", "any-subset"])
def test_all_processes_sample_the_gates_of_one_and_dropout_of_their_own(mask, toy_dataset):
    def sampled(rank: int, world_size: int) -> tuple[torch.Tensor, list[torch.Tensor]]:
        torch.manual_seed(5)
        model = SignClassificationLightning({"mask": mask, "hidden": 16}).train()
        RandomState(batches(toy_dataset)).on_fit_start(process(rank, world_size), model)
        gates, dropout = [], []
        for _ in range(3):
            gates.append(model.joint_pruning.gates(8 // world_size))
            if world_size > 1:  # one process draws both from the same numbers
                dropout.append(torch.rand(100))
        return torch.stack(gates), dropout

    alone, _ = sampled(0, 1)
    shared, dropouts = zip(*(sampled(rank, 2) for rank in range(2)), strict=True)
    if mask == "any-subset":  # sampled for each clip
        assert torch.equal(torch.cat(shared, 1), alone)
    else:
        assert torch.equal(shared[0], alone) and torch.equal(shared[1], alone)
    assert all((a != b).all() for a, b in zip(*dropouts, strict=True))


def test_resumed_processes_do_not_repeat_their_first_random_numbers(toy_dataset):
    def dropout(state: dict | None, step: int) -> tuple[torch.Tensor, dict]:
        torch.manual_seed(5)
        trainer, model = process(1, 2, step), SignClassificationLightning({"hidden": 16})
        callback = RandomState(batches(toy_dataset))
        if state:
            callback.load_state_dict(state)
        callback.on_fit_start(trainer, model)
        callback.on_train_start(trainer, model)
        return torch.rand(9), callback.state_dict()

    first, state = dropout(None, 0)
    assert torch.equal(dropout(None, 0)[0], first)
    later = [dropout(state, step)[0] for step in (8, 9)]
    assert all((one != other).all() for one, other in combinations([first, *later], 2))


@pytest.fixture(scope="module")
def together(tmp_path_factory):
    """A small synthetic data set, and the courses, files and output of two CPU processes."""
    folder = tmp_path_factory.mktemp("work")
    data = generate(SMALL, Workspace(str(folder)).processed / DATASET)
    # Gloo on loopback, whatever the machine's name resolves to.
    environment = os.environ | {"PYTHONPATH": str(ROOT), "GLOO_SOCKET_IFNAME": "lo"}
    script = [sys.executable, str(ROOT / "tests" / "two_processes.py"), str(folder)]
    done = subprocess.run(script, env=environment, capture_output=True, text=True, timeout=240)
    assert done.returncode == 0, done.stderr
    paths = [folder / f"courses-{rank}.pt" for rank in range(2)]
    courses = [torch.load(path, weights_only=True) for path in paths]
    return SimpleNamespace(data=data, courses=courses, folder=folder, output=done.stdout)


@pytest.mark.parametrize("name", CONFIGS)
def test_two_processes_have_the_loss_curve_and_the_gates_of_one(together, name):
    torch.set_num_threads(1)
    alone = course(CONFIGS[name], together.data)
    losses = torch.stack([one[name]["losses"] for one in together.courses])
    torch.testing.assert_close(losses.mean(0), alone["losses"], rtol=TOLERANCE, atol=0)
    assert (losses[0] != losses[1]).all()  # each has other clips
    gates = together.courses[0][name]["path"]
    torch.testing.assert_close(gates, alone["path"], rtol=0, atol=1e-4)


def test_two_processes_resume_where_they_were_interrupted(together):
    """Without dropout they end bit by bit as those that never stopped."""
    for one in together.courses:
        unbroken, resumed = one["budget"], one["resumed"]
        last = len(unbroken["losses"]) // CONFIGS["budget"].epochs
        assert torch.equal(resumed["losses"], unbroken["losses"][-last:])
        assert resumed.keys() == unbroken.keys()
        assert all(torch.equal(resumed[k], unbroken[k]) for k in unbroken.keys() - {"losses"})


@pytest.mark.parametrize("name", CONFIGS)
def test_multiplier_gates_and_network_are_exactly_the_same_in_both_processes(together, name):
    first, second = (one[name] for one in together.courses)
    different = [key for key in first if not torch.equal(first[key], second[key])]
    assert different == ["losses"]
    if name == "budget":
        assert first["multiplier"] > 0


def test_the_command_line_on_two_processes_writes_and_prints_everything_once(together):
    *_, kept, ratio, last = together.output.strip().splitlines()
    assert (kept, ratio) == ("Kept 12/42 joints", "Pruning ratio: 71.4%")
    assert together.output.count("Kept ") == 1
    folder = together.folder / "data" / "runs" / "cli" / "pruning_experiment"
    assert not list((folder / "unfinished").iterdir())
    (folder,) = folder.glob("version_*")
    assert last == f"Checkpoint: {folder / 'checkpoints' / 'last.ckpt'}"
    curve = pd.read_csv(folder / "metrics.csv")
    assert curve["epoch"][curve["train_loss"].notna()].tolist() == [0, 1]
    assert curve["test_accuracy"].notna().sum() == 1
