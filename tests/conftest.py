"""Shared fixtures: the real recordings, and a toy data set of the same form."""

import shutil
import sys
from pathlib import Path

import matplotlib
import numpy as np
import pandas as pd
import pytest

from jointprune import data as command
from jointprune.dataset import SignDataset
from jointprune.paper import fingerspelling
from jointprune.skeleton import JOINT_NAMES
from jointprune.store import save_dataset
from jointprune.workspace import ROOT, Workspace

matplotlib.use("Agg")
sys.path.append(str(ROOT / "benchmarks"))


def pytest_collection_modifyitems(items):
    """The notebooks first: they take longest, and `make test` does other files beside them."""
    items.sort(key=lambda item: item.path.name != "test_notebooks.py")


@pytest.fixture(scope="session")
def wheel() -> Path:
    """The lexicon's wheel; `make test` downloads it before it runs pytest."""
    path = Workspace().raw / fingerspelling.WHEEL
    if not path.is_file():
        pytest.fail(f"{path} is not there: run `make test`, which fetches it (96 MB) first")
    return path


@pytest.fixture(scope="session")
def dataset(wheel, tmp_path_factory) -> SignDataset:
    """The 410 fingerspelling clips, prepared once per session."""
    return fingerspelling.prepare(wheel, tmp_path_factory.mktemp("data") / "fingerspelling")


@pytest.fixture
def toy_dataset(tmp_path) -> SignDataset:
    """3 groups x 4 classes x 2 clips of 5 to 8 frames; group "both" signs with two hands."""
    return save_dataset(tmp_path / "toy", **toy_content())


def toy_content() -> dict:
    """Arguments of `save_dataset`: each class is a fixed hand shape, each clip adds some noise."""
    rng = np.random.default_rng(0)
    classes, groups = ("hello", "no", "thanks", "yes"), ("both", "one", "two")
    shapes = rng.normal(scale=0.5, size=(len(classes), len(JOINT_NAMES), 2))
    rows = [(g, c, i) for g in groups for c in range(len(classes)) for i in range(2)]
    poses = np.zeros((len(rows), 8, len(JOINT_NAMES), 2), dtype=np.float32)
    present = np.zeros(poses.shape[:3], dtype=bool)
    lengths = 5 + np.arange(len(rows)) % 4
    for clip, (group, c, _) in enumerate(rows):
        first_joint = 0 if group == "both" else 21
        present[clip, : lengths[clip], first_joint:] = True
        poses[clip] = shapes[c] + rng.normal(scale=0.05, size=poses.shape[1:])
    poses[~present] = 0
    table = {
        "clip": [f"{g}/{classes[c]}-{i}" for g, c, i in rows],
        "label": [classes[c] for _, c, _ in rows],
        "signer": [g for g, _, _ in rows],
        "group": [g for g, _, _ in rows],
        "split": "",
        "leading_hand": "right",
        "source_file": [f"{g}/{classes[c]}-{i}.pose" for g, c, i in rows],
        "frames": lengths,
        "original_frames": lengths,
        "fps": 25.0,
    }
    return {
        "poses": poses,
        "present": present,
        "clips": pd.DataFrame(table),
        "classes": classes,
        "joints": JOINT_NAMES,
        "meta": {"name": "toy", "units": "shoulder widths"},
    }


@pytest.fixture
def workspace(tmp_path) -> Workspace:
    """An empty workspace."""
    return Workspace(str(tmp_path / "work"))


@pytest.fixture
def alone(monkeypatch):
    """One core, so that jobs run in this process."""
    monkeypatch.setattr("os.cpu_count", lambda: 1)


@pytest.fixture
def one_thread():
    """One thread for torch, as in `train`."""
    import torch  # only tests that train wait for it

    torch.set_num_threads(1)


@pytest.fixture
def data_command(workspace, monkeypatch, capsys):
    """Exit code, standard output and error of `python -m jointprune.data` with some arguments."""
    monkeypatch.setattr(command, "Workspace", lambda: workspace)
    monkeypatch.setattr(command, "ROOT", workspace.path)

    def run(*arguments):
        code = 0
        try:
            command.main([*map(str, arguments)])
        except SystemExit as end:
            code = end.code
        return (code, *capsys.readouterr())

    return run


@pytest.fixture
def facts(monkeypatch) -> dict:
    """Made-up results of the notebooks; the test may change them."""
    import paper_facts  # of use to tests of the paper alone

    # How firm K* is decides no claim: a few draws are enough.
    monkeypatch.setattr("jointprune.paper.comparisons.RESAMPLES", 400)
    monkeypatch.setattr("jointprune.paper.comparisons.CROSSED", 20_000)
    return paper_facts.results()


@pytest.fixture
def slurm(monkeypatch):
    """The variables of a batch system that starts two tasks."""
    for name, value in {"JOB_ID": 1, "JOB_NAME": "train", "NTASKS": 2, "NNODES": 1, "PROCID": 0,
                        "LOCALID": 0, "NODEID": 0}.items():  # fmt: skip
        monkeypatch.setenv(f"SLURM_{name}", str(value))


def toy_run(data, config, seed: int = 0):
    """A run of the toy data set that trains on two of its three groups."""
    from jointprune.runs import make_run  # only tests that train wait for torch

    return make_run(data, *data.folds(3, seed=0)[0], seed, config)


def run_content(run, data, workspace: Workspace) -> tuple[bytes, bytes]:
    """The results of a run: its probabilities, bit by bit, and its gates."""
    folder = run.folder(data, workspace)
    return (folder / "probabilities.npy").read_bytes(), (folder / "gates.csv").read_bytes()


@pytest.fixture
def toy() -> dict:
    """The toy dataset's content before it is saved."""
    return toy_content()


@pytest.fixture(scope="module")
def browser():
    """The system's Chromium, without a window; tests are skipped where there is none."""
    from playwright.sync_api import sync_playwright  # only tests in a browser need it

    found = filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome")))
    path = next(found, None)
    if path is None:
        pytest.skip("no Chromium on this machine")
    with sync_playwright() as playwright:
        opened = playwright.chromium.launch(executable_path=path)
        yield opened
        opened.close()
