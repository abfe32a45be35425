"""Arrays of numbers out of `.npy` files that nobody vouches for.

Source: https://numpy.org/doc/stable/reference/generated/numpy.lib.format.html.
"""

import io
import math
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.lib import format as npy_format

from jointprune.importing.layouts.landmarks import to_float32

_HEADERS = {
    (1, 0): npy_format.read_array_header_1_0,
    (2, 0): npy_format.read_array_header_2_0,
}


def load_npy(path: Path) -> np.ndarray:
    """The array of a file, float32 of the shape that it has there.

    Raises ValueError for a file that is no `.npy`, values that are no real numbers (Python
    objects are never opened), and a header that does not fit the bytes after it; all before
    memory is taken.
    """
    shape, fortran, dtype, start = _header(path)
    if dtype.kind not in "fiu":
        raise ValueError(
            f"{path}: expected real numbers, got {dtype}: save them as float32 "
            "(Python objects can run code, so that none is opened)"
        )
    if min(shape, default=1) < 1:
        raise ValueError(f"{path}: expected at least 1 value, got shape {shape}: remove it")
    expected, held = math.prod(shape) * dtype.itemsize, path.stat().st_size - start
    if held != expected:
        raise ValueError(
            f"{path}: expected {expected} bytes for shape {shape} of {dtype}, got {held}: "
            "it may be truncated, save it again"
        )
    values = np.fromfile(path, dtype, offset=start)
    return to_float32(values.reshape(shape, order="F" if fortran else "C"))


def some_shapes(paths: Sequence[Path], most: int = 5) -> set[tuple[int, ...]]:
    """Shapes that the headers of a few of the files say, spread over all; broken ones say none."""
    shapes = set()
    for path in paths[:: -(-len(paths) // most)]:
        try:
            shapes.add(_header(path)[0])
        except ValueError:
            continue  # for `load_npy` to refuse
    return shapes


def _header(path: Path) -> tuple[tuple[int, ...], bool, np.dtype, int]:
    """Shape, whether in Fortran's order, kind of values, and the byte where these start."""
    with open(path, "rb") as file:
        opening = io.BytesIO(file.read(2**14))  # NumPy takes headers up to 10,000 bytes
    try:
        return *_HEADERS[npy_format.read_magic(opening)](opening), opening.tell()
    except Exception as error:  # numpy evaluates a literal there, which can fail in any way
        raise ValueError(
            f"{path}: expected a .npy file of version 1 or 2, got a header that cannot be read "
            f"({error}): save it again"
        ) from error
