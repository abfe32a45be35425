"""Arguments as users give them: integers, and indices of clips or joints."""

import math
from collections.abc import Iterable, Iterator, Set

import numpy as np


def integer(value, low: int, high: int, what: str) -> int:
    """`value` as int; ValueError unless it is an integer, of Python or NumPy, in the range."""
    found = np.asarray(value)
    if found.ndim or found.dtype.kind not in "iu" or not low <= found <= high:
        raise ValueError(
            f"expected {low} to {high} {what}, got {value!r:.100}: pass an integer in this range"
        )
    return int(found)


def is_finite(value) -> bool:
    """Whether `value` is a real number, of Python, NumPy or a tensor, and finite."""
    try:
        return not isinstance(value, str) and math.isfinite(value)
    except (TypeError, ValueError, OverflowError, RuntimeError):  # of tensors with several values
        return False


def joints_to_keep(k, joints: int) -> int:
    """A number of joints to keep, K, as int from 1 to `joints`."""
    return integer(k, 1, joints, "joints to keep")


def seed_of(seed) -> int:
    """A seed as int, in the range that all libraries take."""
    return integer(seed, 0, 2**32 - 1, "as seed")


def indices(some: Iterable[int], total: int | None, what: str, at_least: int = 1) -> np.ndarray:
    """Indices, int (n,), in the given order; a bool mask of length `total` becomes indices.

    Raises ValueError for all else: another mask, an index that is out of range (`total` None: a
    negative one) or there twice, a type other than integers, fewer than `at_least`.
    """
    if hasattr(some, "tolist"):  # a tensor may lie on another device
        some = some.tolist()
    some = list(some) if isinstance(some, Set | Iterator) else some
    try:
        found = np.asarray(some)
    except ValueError as error:  # lists of several lengths
        raise ValueError(
            f"expected indices of {what}, got {some!r:.100}: pass a flat list of integers"
        ) from error
    if (
        found.dtype.kind in "iu"
        and found.ndim
        and any(isinstance(i, bool | np.bool_) for i in some)
    ):
        raise ValueError(
            f"expected indices of {what}, got True or False among them: pass integers, or a mask"
        )
    if found.dtype == bool and found.shape == (total,):
        found = np.flatnonzero(found)
    if found.size == 0:
        found = found.ravel().astype(np.int64)  # NumPy makes floats of an empty list
    if found.ndim != 1 or found.dtype.kind not in "iu":
        mask = "" if total is None else f", or a bool mask of length {total}"
        raise ValueError(
            f"expected indices of {what}, got {found.dtype} of shape {found.shape}: pass a list "
            f"of integers{mask}"
        )
    if len(found) < at_least:
        raise ValueError(f"expected {what}, got {len(found)}: pass at least {at_least}")
    outside = (found < 0) | (False if total is None else found >= total)
    if outside.any():
        last = "" if total is None else f" to {total - 1}"
        raise ValueError(
            f"expected indices of {what} from 0{last}, got {found[outside][:3].tolist()}: count "
            "from 0, in this data set"
        )
    values, counts = np.unique(found, return_counts=True)
    if len(values) < len(found):
        raise ValueError(
            f"expected {what} without repetition, got {values[counts > 1][:3].tolist()} more than "
            "once: remove duplicates"
        )
    return found.astype(np.int64)
