"""Several processes share each batch and end with the same model."""

import os
import subprocess
import sys
from types import SimpleNamespace

import pandas as pd
import pytest
import torch
from strangers import KEEP

from jointprune.preprocessing import Augmentation, ClipBatches
from jointprune.store import save_dataset
from jointprune.training import BatchShare
from jointprune.workspace import ROOT


@pytest.mark.parametrize(("world_size", "clips"), [(1, 8), (2, 4), (3, 2)])
def test_shares_are_equal_and_together_make_up_the_batch(toy_dataset, world_size, clips):
    """Clips left over are dropped."""

    def batches() -> ClipBatches:
        return ClipBatches(toy_dataset, range(24), 4, 8, None, Augmentation(), seed=3)

    shares = [
        BatchShare(batches(), SimpleNamespace(global_rank=rank, world_size=world_size))
        for rank in range(world_size)
    ]
    assert [len(share) for share in shares] == [3] * world_size
    for whole, *parts in zip(batches(), *shares, strict=True):
        for name in range(3):  # poses, presence, labels
            own = [part[name] for part in parts]
            assert [len(share) for share in own] == [clips] * world_size
            assert torch.equal(torch.cat(own), whole[name][: clips * world_size])


def test_two_processes_train_resume_and_end_with_the_same_model_of_12_joints(toy, tmp_path):
    """Their clips and sampled gates differ; the command line prints and writes everything once."""
    save_dataset(tmp_path / "data" / "processed" / "toy", **toy)
    # Gloo on loopback, whatever the machine's name resolves to.
    environment = os.environ | {"PYTHONPATH": str(ROOT), "GLOO_SOCKET_IFNAME": "lo"}
    script = [sys.executable, str(ROOT / "tests" / "two_processes.py"), str(tmp_path)]
    done = subprocess.run(script, env=environment, capture_output=True, text=True, timeout=240)
    assert done.returncode == 0, done.stderr
    first, second = (
        torch.load(tmp_path / f"found-{rank}.pt", weights_only=True) for rank in range(2)
    )
    different = {key for key in first if not torch.equal(first[key], second[key])}
    assert different == {"losses", "gates"}
    assert len(first["losses"]) == 2 * 2  # the last two epochs, of two batches
    assert first["joint_pruning._extra_state"][2].sum() == 12
    # A stranger's module, whose gates no optimiser of its own holds.
    assert first["stranger.pruning._extra_state"][2].sum() == KEEP
    assert len(first["scores"].unique()) > 1

    *_, kept, ratio, last = done.stdout.strip().splitlines()
    assert (kept, ratio) == ("Kept 12/42 joints", "Pruning ratio: 71.4%")
    assert done.stdout.count("Kept ") == 1
    folder = tmp_path / "data" / "runs" / "cli" / "pruning_experiment"
    assert not list((folder / "unfinished").glob("*"))
    (folder,) = folder.glob("version_*")
    assert last == f"Checkpoint: {folder / 'checkpoints' / 'last.ckpt'}"
    curve = pd.read_csv(folder / "metrics.csv")
    assert curve["epoch"][curve["train_loss"].notna()].tolist() == [0, 1]
    assert curve["test_accuracy"].notna().sum() == 1
