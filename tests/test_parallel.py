"""Jobs on a cluster of two workers: the same results, in order, even if a worker dies."""

import json
import os
import pickle
import resource
import signal
import socket
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from conftest import run_content, toy_content, toy_run

from jointprune import parallel, training
from jointprune.config import TrainingConfig
from jointprune.parallel import on_every_core
from jointprune.store import save_dataset
from jointprune.training import run_many, train
from jointprune.workspace import ROOT, Workspace

distributed = pytest.importorskip("distributed", reason="of the extra `cluster`")

TINY = TrainingConfig(hidden=16, frames=4, epochs=2, batch_size=8, mask="hard-concrete", budget=12)
VARIABLE = "JOINTPRUNE_SCHEDULER"


@pytest.fixture(scope="module")
def scheduler():
    """The address of a scheduler on loopback, with two worker processes of one thread each."""
    with distributed.LocalCluster(
        n_workers=2, threads_per_worker=1, host="127.0.0.1", dashboard_address="127.0.0.1:0"
    ) as cluster:
        yield cluster.scheduler_address


@pytest.fixture
def cluster(scheduler, monkeypatch):
    monkeypatch.setenv(VARIABLE, scheduler)


@pytest.fixture
def idle(tmp_path, monkeypatch):
    """A scheduler without workers: its process and address."""
    file = tmp_path / "scheduler.json"
    start = [sys.executable, "-m", "distributed.cli.dask_scheduler", "--host", "127.0.0.1",
             "--port", "0", "--no-dashboard", "--scheduler-file", str(file)]  # fmt: skip
    with subprocess.Popen(start, stderr=subprocess.DEVNULL) as process:
        while not file.is_file() or not file.read_text():
            time.sleep(0.05)
        address = json.loads(file.read_text())["address"]
        monkeypatch.setenv(VARIABLE, address)
        yield SimpleNamespace(process=process, address=address)
        process.kill()


def test_the_death_of_the_scheduler_is_an_error(idle, monkeypatch):
    """Dask cancels the jobs and returns the error as their results."""
    wait = distributed.as_completed  # the scheduler is killed while jobs wait
    monkeypatch.setattr(parallel, "_wait_for_a_worker", lambda *_: None)
    monkeypatch.setattr(
        distributed, "as_completed", lambda *a, **b: (idle.process.kill(), wait(*a, **b))[1]
    )
    with pytest.raises(ConnectionError, match="scheduler-connection-lost"):
        list(on_every_core(later_if_even, [(1,), (2,)], "lost"))


def test_a_cluster_without_workers_is_an_error_after_a_while(idle, monkeypatch, capsys):
    monkeypatch.setattr(parallel, "WORKS_WITHIN", 0.2)
    start = f"start one with `dask worker {idle.address} --nthreads 1 --memory-limit 0`"
    with pytest.raises(ConnectionError, match=f"expected a worker at .* within 0.2 s: {start}"):
        list(on_every_core(later_if_even, [(1,)], "idle"))
    assert f"no worker at {idle.address} yet: {start}" in capsys.readouterr().err


def later_if_even(number: int) -> tuple[int, int]:
    time.sleep(0.2 if number % 2 == 0 else 0)
    return number, os.getpid()


def test_results_come_in_order_from_both_workers(cluster):
    found = list(on_every_core(later_if_even, [(n,) for n in range(6)], "numbers"))
    assert [number for number, _ in found] == [*range(6)]
    processes = {process for _, process in found}
    assert len(processes) == 2
    assert os.getpid() not in processes


def test_without_jobs_nothing_starts_and_no_bar_is_shown(monkeypatch, capfd):
    monkeypatch.setenv(VARIABLE, "no address")  # would be refused
    assert list(on_every_core(later_if_even, [], "nothing", done=3)) == []
    assert capfd.readouterr() == ("", "")


def test_a_jobs_error_reaches_the_caller(cluster):
    with pytest.raises(ValueError, match="invalid literal for int"):
        list(on_every_core(int, [("three",)], "refused"))


def test_runs_on_a_cluster_are_those_of_this_machine(cluster, toy_dataset, tmp_path, monkeypatch):
    """Byte for byte, and trained by the workers, not the client."""
    there, here = (Workspace(str(tmp_path / name)) for name in ("there", "here"))
    runs = [toy_run(toy_dataset, TINY, seed) for seed in range(3)]
    with monkeypatch.context() as patch:
        patch.setattr(training, "fit", None)
        run_many(runs, toy_dataset, there)
    for run in runs:
        train(run, toy_dataset, here)
    kept = [[run_content(run, toy_dataset, place) for run in runs] for place in (there, here)]
    assert kept[0] == kept[1]
    assert len(set(kept[0])) == len(runs)


def faults() -> tuple[int, int]:
    """Threads, and pages faulted in while 20 arrays of 8 MB (1954 pages) come and go."""
    before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
    for _ in range(20):
        np.ones(1_000_000)
    pages = resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before
    threads = torch.get_num_threads()
    torch.set_num_threads(2)  # the next job must not inherit these
    return threads, pages


def test_each_job_has_one_thread_and_keeps_freed_memory(cluster):
    """Dask's workers would return it to the system."""
    for threads, pages in on_every_core(faults, [()] * 3, "memory"):
        assert threads == 1
        assert pages < 3 * 1954


def train_unless_killed(run, data, workspace: Workspace, notes: Path, victim: int) -> Path:
    """`train`, recorded; the first process to train the victim dies before saving it."""
    tries = notes.read_text().split() if notes.exists() else []
    with notes.open("a") as file:
        file.write(f"{run.seed}\n")
    if run.seed == victim and str(victim) not in tries:
        training.predict = lambda *_: os.kill(os.getpid(), signal.SIGKILL)
    return train(run, data, workspace)


def test_a_killed_worker_costs_its_own_run_only(cluster, toy_dataset, workspace, tmp_path):
    notes, runs = tmp_path / "notes", [toy_run(toy_dataset, TINY, seed) for seed in range(6)]
    jobs = [(run, toy_dataset, workspace, notes, 2) for run in runs]
    folders = list(on_every_core(train_unless_killed, jobs, "training"))
    assert folders == [run.folder(toy_dataset, workspace) for run in runs]
    assert sorted(map(int, notes.read_text().split())) == [0, 1, 2, 2, 3, 4, 5]
    left = {path.name for path in workspace.runs.iterdir()} - {path.name for path in folders}
    assert not left  # another worker removed what the dead one had begun


def test_a_worker_of_several_threads_or_another_folder_is_refused(monkeypatch):
    worker = SimpleNamespace(address="tcp://10.0.0.2:1", state=SimpleNamespace(nthreads=4))
    monkeypatch.setattr(distributed, "get_worker", lambda: worker)
    with pytest.raises(ValueError, match=r"one thread each, got 4 on tcp://10.*--nthreads 1"):
        parallel._on_a_worker(ROOT, b"")
    with pytest.raises(ValueError, match=r"expected jointprune in /elsewhere on tcp://10.*, got /"):
        parallel._on_a_worker(Path("/elsewhere"), b"")


def test_a_malformed_address_is_refused_before_connecting(monkeypatch):
    monkeypatch.setattr(distributed, "Client", None)
    monkeypatch.setenv(VARIABLE, "127.0.0.1")
    with pytest.raises(ValueError, match=r"such as tcp://host:8786, got '127\.0\.0\.1'"):
        list(on_every_core(later_if_even, [(0,)], "numbers"))


def test_a_missing_scheduler_is_an_error(monkeypatch):
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        address = f"tcp://127.0.0.1:{unused.getsockname()[1]}"
    monkeypatch.setenv(VARIABLE, address)
    monkeypatch.setattr(parallel, "ANSWERS_WITHIN", 0.2)
    with pytest.raises(ConnectionError, match=f"Dask scheduler at {VARIABLE}={address}, got no"):
        list(on_every_core(later_if_even, [(0,)], "numbers"))


def test_a_stored_data_set_is_pickled_as_its_path_and_a_changed_one_whole(toy_dataset):
    packed = pickle.dumps(toy_dataset)
    assert len(packed) < 1000
    again = pickle.loads(packed)
    assert isinstance(again.poses, np.memmap)
    assert np.array_equal(again.poses, toy_dataset.poses)
    changed = replace(toy_dataset, poses=toy_dataset.poses * 2)
    assert np.array_equal(pickle.loads(pickle.dumps(changed)).poses, toy_dataset.poses * 2)


def test_a_store_replaced_after_pickling_is_refused(toy_dataset):
    packed, content = pickle.dumps(toy_dataset), toy_content()
    save_dataset(toy_dataset.folder, **content | {"poses": content["poses"] * 2})
    with pytest.raises(ValueError, match=r"expected the store of checksum .* it was replaced"):
        pickle.loads(packed)
