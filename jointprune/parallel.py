"""Independent jobs on every core: the one way in which work is spread."""

import os
import warnings
from collections.abc import Callable, Iterable

import torch
from joblib import Parallel, cpu_count, delayed
from tqdm import tqdm

# Told to glibc's allocator in worker processes: keep freed arrays instead of giving them back to
# the system and faulting them in again at the next step, which took a fifth of its time.
KEEP_MEMORY = {
    "MALLOC_MMAP_THRESHOLD_": "1000000000",
    "MALLOC_TRIM_THRESHOLD_": "10000000000",
    "MALLOC_TOP_PAD_": "100000000",
}


def on_every_core(
    function: Callable, arguments: list[tuple], description: str, done: int = 0
) -> Iterable:
    """Results of `function` for each of `arguments`, in order, one thread each, with one bar.

    The bar starts at `done`, what there was before.
    """
    os.environ.update(KEEP_MEMORY)  # workers read it when they start
    # A worker that has grown is replaced between two jobs, and nothing is lost.
    warnings.filterwarnings("ignore", message="A worker stopped while some jobs")
    jobs = [delayed(_on_one_thread)(function, *some) for some in arguments]
    results = Parallel(n_jobs=cpu_count(), return_as="generator")(jobs)
    return tqdm(results, total=done + len(jobs), initial=done, desc=description)


def _on_one_thread(function: Callable, *arguments):
    torch.set_num_threads(1)
    return function(*arguments)
