"""Independent jobs on every core or on a cluster.

If the environment variable JOINTPRUNE_SCHEDULER holds the address of a Dask scheduler, such as
`tcp://10.0.0.1:8786`, its workers do the jobs; otherwise the cores of this machine do.
"""

import ctypes
import os
import pickle
import re
import sys
import warnings
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from uuid import uuid4

from joblib import Parallel, cpu_count, delayed
from tqdm import tqdm

from jointprune.extras import require
from jointprune.workspace import ROOT

# Parameters of glibc's mallopt: M_MMAP_THRESHOLD, M_TRIM_THRESHOLD, M_TOP_PAD, in bytes.
KEEP_MEMORY = {-3: 1_000_000_000, -1: 2**31 - 1, -2: 100_000_000}

ANSWERS_WITHIN = 10  # seconds to wait for the scheduler's answer
WORKS_WITHIN = 60  # seconds to wait for its first worker


def on_every_core(
    function: Callable, arguments: list[tuple], description: str, done: int = 0
) -> Iterable:
    """Results of `function` for each of `arguments`, in order, one thread each.

    The progress bar starts at `done`; without arguments there is none, and no worker starts. If a
    worker of the cluster dies, the others repeat its jobs.
    Raises ValueError if JOINTPRUNE_SCHEDULER is not an address, ConnectionError without a worker.
    """
    if not arguments:
        return []
    jobs = [partial(_on_one_thread, function, *some) for some in arguments]
    address = os.environ.get("JOINTPRUNE_SCHEDULER")
    if address:
        results = _on_a_cluster(jobs, address, description)
    else:
        # joblib replaces a worker that has grown between two jobs; nothing is lost.
        warnings.filterwarnings("ignore", message="A worker stopped while some jobs")
        workers = Parallel(n_jobs=cpu_count(), return_as="generator")
        results = workers(delayed(job)() for job in jobs)
    return tqdm(results, total=done + len(jobs), initial=done, desc=description)


def keep_memory() -> None:
    """Make this process keep freed arrays, where the C library is glibc.

    Returning them to the system and faulting them in again took a fifth of a training step.
    """
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None) if sys.platform == "linux" else None
    for parameter, value in KEEP_MEMORY.items() if mallopt else ():
        mallopt(parameter, value)


@contextmanager
def one_thread() -> Iterator[None]:
    """Torch, if it is imported, uses one thread in a block; threads and CPU random state return."""
    # Whoever trains has imported torch by now; a worker that reads files need not wait for it.
    torch = sys.modules.get("torch")
    if torch is None:
        yield
        return
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    with torch.random.fork_rng(devices=[]):
        try:
            yield
        finally:
            torch.set_num_threads(threads)


@one_thread()
def _on_one_thread(function: Callable, *arguments):
    keep_memory()
    return function(*arguments)


def _on_a_cluster(jobs: list[Callable], address: str, description: str) -> Iterator:
    """Results in order, each fetched as soon as it exists, so that no dying worker loses it."""
    # Not joblib's Dask backend, where the death of one worker ends all jobs.
    require("cluster", f"as JOINTPRUNE_SCHEDULER={address} (unset it to stay on this machine)")
    import cloudpickle  # it takes functions of a notebook as well
    import distributed

    with _client(distributed, address) as client:
        _wait_for_a_worker(client, address)
        name = f"{description} {uuid4()}"  # Dask names a job that kills its workers
        waiting = {}
        for number, job in enumerate(jobs):
            packed, key = cloudpickle.dumps(job), f"{name} {number}"
            waiting[client.submit(_on_a_worker, ROOT, packed, key=key)] = number
        ended = distributed.as_completed(list(waiting), loop=client.loop, with_results=True)
        results, following = {}, 0
        for future, result in ended:
            if future.cancelled():  # Dask passes the error as the result
                raise ConnectionError(
                    f"expected the Dask scheduler at JOINTPRUNE_SCHEDULER={address} until all jobs "
                    f"are done, got {result}: start it again; finished jobs are kept"
                )
            results[waiting.pop(future)] = result
            while following in results:
                yield results.pop(following)
                following += 1


def _client(distributed, address: str):
    # Dask reports a wrong address late, and in another thread.
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
            f"{ANSWERS_WITHIN} s ({error}): start one with `dask scheduler`, or unset the variable"
        ) from error


def _wait_for_a_worker(client, address: str) -> None:
    """Wait until a worker has started, as jobs without one would wait forever."""
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


def _on_a_worker(root: Path, job: bytes):
    """Do a packed job if this worker has the same folder and one thread."""
    from distributed import get_worker

    worker = get_worker()
    if root != ROOT:
        raise ValueError(
            f"expected jointprune in {root} on {worker.address} too, got {ROOT}: work in one "
            "folder that all machines share under the same path"
        )
    if worker.state.nthreads != 1:  # a run uses its process's random generator
        raise ValueError(
            f"expected workers of one thread each, got {worker.state.nthreads} on "
            f"{worker.address}: start them with --nthreads 1"
        )
    return pickle.loads(job)()
