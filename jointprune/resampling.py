"""Random draws of clusters, for intervals and tests: kept while they are small, else in blocks."""

import math
from collections.abc import Callable, Iterator
from functools import lru_cache

import numpy as np

FLIPS = 2**16  # all patterns of signs of up to 16 clusters: a p value without Monte Carlo error
DRAWS = 10_000  # Monte Carlo error of a 95 % bound is then under 0.03 of its standard error
# Numbers held at a time, 16 MB: up to 200 clusters come whole, and from memory the next time.
CELLS = 2_000_000


@lru_cache(maxsize=4)  # tables have the same clusters over and over, and drawing takes longest
def cluster_draws(count: int, n: int = DRAWS, seed: int = 0) -> np.ndarray:
    """How often each of `count` clusters is drawn, (n, count); a row sums to `count`."""
    uniform = np.full(count, 1 / count)
    drawn = np.random.default_rng(seed).multinomial(count, uniform, size=n).astype(float)
    drawn.flags.writeable = False
    return drawn


@lru_cache(maxsize=4)
def sign_patterns(count: int, n: int = FLIPS, seed: int = 0) -> np.ndarray:
    """Signs, -1 or 1, of `count` clusters: all 2^count patterns if they are at most `n`, else `n`
    random ones, (patterns, count)."""
    if all_patterns(count, n):
        signs = 1.0 - 2.0 * (np.arange(2**count)[:, None] >> np.arange(count) & 1)
    else:
        signs = np.random.default_rng(seed).choice([-1.0, 1.0], size=(n, count))
    signs.flags.writeable = False
    return signs


def all_patterns(count: int, n: int = FLIPS) -> bool:
    """Does `sign_patterns` go through all of them?"""
    return count <= math.log2(n)


def in_blocks(draw: Callable, count: int, n: int, seed: int) -> Iterator[np.ndarray]:
    """The rows of `draw(count, n, seed)`, at most CELLS numbers at a time, or one row.

    `draw` is one of the two above. Thousands of clips are resampled where those of one signer are;
    their draws at once would take 80 kB a clip.
    """
    rows = max(1, CELLS // count)
    if n <= rows:
        yield draw(count, n, seed)
        return
    generator = np.random.default_rng(seed)  # a block goes on where the one before it stopped
    for start in range(0, n, rows):
        yield draw.__wrapped__(count, min(rows, n - start), generator)
