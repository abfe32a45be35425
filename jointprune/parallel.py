"""Independent jobs on every core, or on a cluster: the one way in which work is spread.

The environment variable JOINTPRUNE_SCHEDULER, a Dask scheduler's address such as
`tcp://10.0.0.1:8786`, sends the jobs to its workers; without it they stay on this machine.
"""

import ctypes
import os
import pickle
import re
import sys
import warnings
from collections.abc import Callable, Iterable, Iterator
from functools import partial
from pathlib import Path
from uuid import uuid4

import torch
from joblib import Parallel, cpu_count, delayed
from tqdm import tqdm

from jointprune.extras import require
from jointprune.workspace import ROOT

# Told to glibc's allocator in worker processes: keep freed arrays instead of giving them back to
# the system and faulting them in again at the next step, which took a fifth of its time.
KEEP_MEMORY = {
    "MALLOC_MMAP_THRESHOLD_": "1000000000",
    "MALLOC_TRIM_THRESHOLD_": "10000000000",
    "MALLOC_TOP_PAD_": "100000000",
}
# The same settings' numbers in malloc.h, for a process that has started already.
MALLOC_H = {"MALLOC_MMAP_THRESHOLD_": -3, "MALLOC_TRIM_THRESHOLD_": -1, "MALLOC_TOP_PAD_": -2}
LARGEST_INT = 2**31 - 1

ANSWERS_WITHIN = 10  # seconds in which a scheduler has to answer
WORKS_WITHIN = 60  # seconds in which a scheduler has to have a worker


def on_every_core(
    function: Callable, arguments: list[tuple], description: str, done: int = 0
) -> Iterable:
    """Results of `function` for each of `arguments`, in order, one thread each, with one bar.

    The bar starts at `done`, what there was before. Where JOINTPRUNE_SCHEDULER names a cluster
    the jobs run there, and those of a worker that dies are done again by the others; raises
    ValueError for what is no address, ConnectionError if no scheduler answers or has a worker.
    """
    jobs = [partial(_on_one_thread, function, *some) for some in arguments]
    address = os.environ.get("JOINTPRUNE_SCHEDULER")
    if jobs and address:
        results = _on_a_cluster(jobs, address, description)
    else:
        results = _on_this_machine(jobs)
    return tqdm(results, total=done + len(jobs), initial=done, desc=description)


def _on_this_machine(jobs: list[Callable]) -> Iterable:
    os.environ.update(KEEP_MEMORY)  # workers read it when they start
    # A worker that has grown is replaced between two jobs, and nothing is lost.
    warnings.filterwarnings("ignore", message="A worker stopped while some jobs")
    return Parallel(n_jobs=cpu_count(), return_as="generator")(delayed(job)() for job in jobs)


def _on_one_thread(function: Callable, *arguments):
    torch.set_num_threads(1)
    return function(*arguments)


def _on_a_cluster(jobs: list[Callable], address: str, description: str) -> Iterator:
    """Results in order; each is fetched once it is there, so that no dying worker takes it along.

    joblib's own way to Dask keeps what jobs share on one worker, and its death ends them all.
    """
    require("cluster", f"as JOINTPRUNE_SCHEDULER={address} (unset it to stay on this machine)")
    import distributed

    with _client(distributed, address) as client:
        _wait_for_a_worker(client, address)
        sweep = f"{description} {uuid4()}"  # Dask names the job that no worker survives
        waiting = {
            client.submit(_on_a_worker, ROOT, _packed(job), key=f"{sweep} {number}"): number
            for number, job in enumerate(jobs)
        }
        ended = distributed.as_completed(list(waiting), loop=client.loop, with_results=True)
        results, given = {}, 0
        for future, result in ended:
            if future.cancelled():  # Dask hands on the error as if it were a result
                raise ConnectionError(
                    f"expected the Dask scheduler at JOINTPRUNE_SCHEDULER={address} until all jobs "
                    f"are done, got {result}: start it again, what is done is kept"
                )
            results[waiting.pop(future)] = result
            while given in results:
                yield results.pop(given)
                given += 1


def _client(distributed, address: str):
    # Dask finds this out late, and in a thread of its own.
    if not re.fullmatch(r"(\w+://)?[^\s/:]\S*:\d+", address):
        raise ValueError(
            f"expected JOINTPRUNE_SCHEDULER to be an address such as tcp://host:8786, got "
            f"{address!r}: take the one that `dask scheduler` prints"
        )
    try:
        return distributed.Client(address, timeout=ANSWERS_WITHIN, set_as_default=False)
    except (OSError, ValueError) as error:
        raise ConnectionError(
            f"expected a Dask scheduler at JOINTPRUNE_SCHEDULER={address}, got no answer within "
            f"{ANSWERS_WITHIN} s ({error}): start one with `dask scheduler`, take the address it "
            "prints, or unset the variable to stay on this machine"
        ) from error


def _wait_for_a_worker(client, address: str) -> None:
    """Without any worker jobs would wait for ever; one may be starting, though."""
    if client.nthreads():
        return
    start = f"start one with `dask worker {address} --nthreads 1 --memory-limit 0`"
    tqdm.write(f"no worker at {address} yet: {start} ({WORKS_WITHIN} s)", file=sys.stderr)
    try:
        client.wait_for_workers(1, timeout=WORKS_WITHIN)
    except TimeoutError as error:
        raise ConnectionError(
            f"expected a worker at JOINTPRUNE_SCHEDULER={address}, got none within "
            f"{WORKS_WITHIN} s: {start}"
        ) from error


def _packed(job: Callable) -> bytes:
    """A job as bytes, which the scheduler hands on unread; functions of a notebook included."""
    import cloudpickle

    return cloudpickle.dumps(job)


def _on_a_worker(root: Path, job: bytes):
    """A packed job's result, under the conditions that hold on the client's machine."""
    from distributed import get_worker

    worker = get_worker()
    if root != ROOT:
        raise ValueError(
            f"expected jointprune in {root} on {worker.address} too, got {ROOT}: work in one "
            "folder that all machines share under the same path"
        )
    if worker.state.nthreads != 1:  # runs draw from their process's random numbers
        raise ValueError(
            f"expected workers of one thread each, got {worker.state.nthreads} on "
            f"{worker.address}: start them with --nthreads 1"
        )
    _keep_memory()
    return pickle.loads(job)()


def _keep_memory() -> None:
    """KEEP_MEMORY for this process; where the C library has no mallopt nothing is told."""
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
    for name, value in KEEP_MEMORY.items() if mallopt else ():
        mallopt(MALLOC_H[name], min(int(value), LARGEST_INT))
