"""The synthetic data set of AUTSL's size has AUTSL's counts, and no signer is in two splits."""

import subprocess
import sys

import numpy as np
import pytest

from jointprune import data as command
from jointprune.paper import autsl_sized
from jointprune.paper.autsl_sized import AUTSL, SIGNERS, SIGNS, autsl_like
from jointprune.workspace import ROOT, Workspace


@pytest.mark.parametrize("name", AUTSL)
def test_signs_have_the_published_counts(name):
    split = AUTSL[name]
    counts = autsl_sized._clips_per_sign(split.clips, *split.clips_per_sign)
    assert len(counts) == SIGNS and counts.sum() == split.clips
    assert (counts.min(), np.median(counts), counts.max()) == split.clips_per_sign


def test_every_signer_is_in_one_split():
    signers = [signer for split in AUTSL.values() for signer in split.signers]
    assert sorted(signers) == list(range(SIGNERS))
    assert [len(split.signers) for split in AUTSL.values()] == [31, 6, 6]


def test_a_small_share_has_the_same_shape_and_the_command_says_where(tmp_path, monkeypatch, capsys):
    workspace = Workspace(str(tmp_path))
    monkeypatch.setattr(command, "Workspace", lambda: workspace)
    monkeypatch.setattr(command, "ROOT", tmp_path)
    command.main(["synthetic", "--like", "autsl", "--share", "0.004"])
    *_, where, use = capsys.readouterr().out.splitlines()
    assert where.endswith(": data/processed/synthetic-autsl-0.004")
    assert use.startswith("for: python -m jointprune.train --dataset synthetic-autsl-0.004 ")
    data = command.load_dataset("synthetic-autsl-0.004", workspace)
    assert set(data.clips["split"]) == set(AUTSL) and data.clips["clip"].is_unique
    assert data.informative.sum() == 10
    ((train, test),) = data.folds(4, seed=0)
    assert not set(data.signers[train]) & set(data.signers[test])
    assert set(data.labels[test]) == set(data.labels[train]) == set(range(SIGNS))


@pytest.mark.parametrize("share", [0, 1.5])
def test_a_share_out_of_range_is_refused(tmp_path, share):
    with pytest.raises(ValueError, match="a share of the clips above 0 and up to 1"):
        autsl_like(Workspace(str(tmp_path)), share)


def test_the_notebooks_refuse_synthetic_data_before_anything_is_run(tmp_path):
    name = "synthetic-autsl-0.004"
    notebooks = [sys.executable, "notebooks/run.py", "smoke", "--dataset", name]
    notebooks += ["--workspace", str(tmp_path)]
    done = subprocess.run(notebooks, cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 2 and not done.stdout and not list(tmp_path.iterdir())
    assert f"error: expected recordings, got '{name}', which is generated" in done.stderr
