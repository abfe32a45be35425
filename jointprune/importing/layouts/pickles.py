"""Plain arrays out of pickles that nobody vouches for, without running what they ask for.

A pickle is a program that can call any function. Here it gets stand-ins for the few that NumPy's
own arrays need; these check every argument and build nothing but arrays of numbers over bytes
that the file really holds. Anything else is refused by name.

Source: https://docs.python.org/3/library/pickle.html#restricting-globals.
"""

import io
import pickle
import pickletools
import re
from collections.abc import Callable
from pathlib import Path

import numpy as np


def load_arrays(path: Path) -> dict[str, np.ndarray]:
    """The arrays of numbers in a pickled dict, by key; other plain values in it are left out.

    Raises ValueError for a pickle that needs more than that, naming what it would have called,
    and for a broken one.
    """
    raw = path.read_bytes()
    try:
        _walk(raw)
        content = _Unpickler(io.BytesIO(raw)).load()
    except Exception as error:  # "other exceptions may also be raised", says pickle's manual
        raise ValueError(
            f"{path}: expected a pickled dict of plain arrays of numbers, got {error}: nothing in "
            "it was run; save such arrays from where the file can be trusted"
        ) from error
    if not isinstance(content, dict):
        raise ValueError(f"{path}: expected a pickled dict, got {type(content).__name__}")
    return {key: held.values for key, held in content.items() if isinstance(held, _Array)}


def _walk(raw: bytes) -> None:
    """Read all opcodes and obey none: lengths must lie within the file, and so must the memo.

    The unpickler itself takes memory for both before it looks.
    """
    for opcode, argument, _ in pickletools.genops(raw):
        if "PUT" in opcode.name and argument > len(raw):
            raise pickle.UnpicklingError(f"a memo of {argument} entries in {len(raw)} bytes")


class _StandIn:
    """What a pickle holds in place of a function or type; it cannot set anything on it."""

    __slots__ = ("_function",)

    def __init__(self, function: Callable | None = None):
        self._function = function

    def __call__(self, *arguments):
        if self._function is None:
            raise pickle.UnpicklingError("one that makes arrays of its own")
        return self._function(*arguments)

    def __setstate__(self, state):
        raise pickle.UnpicklingError("one that changes functions")


class _Number:
    """Stands for a `numpy.dtype`: real numbers and nothing else."""

    __slots__ = ("dtype",)

    def __init__(self, code: str, align: bool = False, copy: bool = False):
        if not re.fullmatch("[<>|=]?[fiu][1248]", code):
            raise pickle.UnpicklingError(f"an array of type {code!r}")
        self.dtype = np.dtype(code)

    def __setstate__(self, state):
        _, order, *parts = state  # (3, "<", None, None, None, -1, -1, 0)
        if parts != [None, None, None, -1, -1, 0]:
            raise pickle.UnpicklingError("an array type with parts")
        self.dtype = self.dtype.newbyteorder(order)


class _Array:
    """Stands for a `numpy.ndarray`."""

    __slots__ = ("values",)

    def __init__(self, values: np.ndarray | None = None):
        self.values = np.empty(0) if values is None else values

    def __setstate__(self, state):
        _, shape, number, fortran, raw = state
        self.values = _from_bytes(raw, number, shape, "F" if fortran else "C").values


def _reconstruct(kind: _StandIn, shape: tuple, code: bytes) -> _Array:
    """The empty array that every pickled array starts as."""
    if kind is not _NDARRAY or shape != (0,):
        raise pickle.UnpicklingError(f"an array that starts with shape {shape}")
    return _Array()


def _from_bytes(raw: bytes, number: _Number, shape: tuple, order: str) -> _Array:
    """An array over bytes of the file (a view, so that many take no more memory than one)."""
    if not isinstance(raw, bytes | bytearray) or not isinstance(number, _Number):
        raise pickle.UnpicklingError("an array of Python objects")
    return _Array(np.frombuffer(raw, number.dtype).reshape(shape, order=order))


_NDARRAY = _StandIn()
_ALLOWED = {("numpy", "ndarray"): _NDARRAY, ("numpy", "dtype"): _StandIn(_Number)}
for _core in ("numpy.core", "numpy._core"):  # as NumPy 1 and 2 call it
    _ALLOWED[f"{_core}.multiarray", "_reconstruct"] = _StandIn(_reconstruct)
    _ALLOWED[f"{_core}.numeric", "_frombuffer"] = _StandIn(_from_bytes)


class _Unpickler(pickle.Unpickler):
    def find_class(self, module: str, name: str) -> _StandIn:
        if (module, name) not in _ALLOWED:
            raise pickle.UnpicklingError(f"one that would call {module}.{name}")
        return _ALLOWED[module, name]
