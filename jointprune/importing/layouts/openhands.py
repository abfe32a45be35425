"""Pickles of OpenHands: `<anything>/<clip>.pkl`, a dict of keypoints and confidences.

Points are 33 of the pose, 21 of the left hand, 21 of the right, in image fractions; a missing
hand has values 0 and confidence 0. Source: https://github.com/AI4Bharat/OpenHands,
pipelines/generate_pose.py.

A pickle is a program that can call any function. Here it gets stand-ins for the few that NumPy's
own arrays need; these check every argument and build only arrays of numbers from bytes that the
file really holds. For anything else the error gives its name. Source:
https://docs.python.org/3/library/pickle.html#restricting-globals.
"""

import io
import pickle
import pickletools
import re
from collections.abc import Callable
from pathlib import Path
from pickle import UnpicklingError

import numpy as np

from jointprune.importing.layouts.clips import Clip, Files, NotThisLayout, some_of
from jointprune.importing.layouts.values import Raw, body_of, checked

POINTS = 75
MOST_BYTES = 10_000_000  # of a file that is looked into to recognise the layout: 4,000 frames
POSE, HANDS = slice(0, 33), slice(33, 75)


def find(files: Files) -> list[Clip]:
    """Every `.pkl` file below a folder, if some of them hold keypoints; models are pickles too."""
    paths, reasons = files.of(".pkl"), []
    for path in some_of(paths):
        try:
            if path.stat().st_size < MOST_BYTES:
                _keypoints(path)
            return files.clips(paths)
        except (ValueError, OSError) as reason:
            reasons.append(reason)
    raise NotThisLayout(str(reasons[0]))


def read(clip: Clip) -> Raw:
    """Hands and body in image fractions, of one person."""
    path = clip.place
    points, confidence = _keypoints(path)
    if points.ndim == 4 and points.shape[1] != 1:
        raise ValueError(f"{path}: expected 1 person, got {points.shape[1]}: keep only the signer")
    if points.ndim not in (3, 4) or points.shape[-2:] != (POINTS, 3):
        raise ValueError(
            f"{path}: expected keypoints (frames, {POINTS}, 3), got {points.shape}: "
            "extract it again"
        )
    points = points.reshape(-1, POINTS, 3)
    if confidence.size != points[..., 0].size:
        raise ValueError(
            f"{path}: expected confidences {points.shape[:2]}, got {confidence.shape}: "
            "extract it again"
        )
    confidence = confidence.reshape(-1, POINTS)[:, HANDS]
    return checked(path, points[:, HANDS], body_of(points[:, POSE]), confidence)


def _keypoints(path: Path) -> tuple[np.ndarray, np.ndarray]:
    """Keypoints and confidences as the file holds them."""
    arrays = load_arrays(path)
    if not {"keypoints", "confidences"} <= set(arrays):
        raise ValueError(
            f"{path}: expected arrays keypoints and confidences, got {sorted(map(str, arrays))}: "
            "save both, or move files that are not recordings elsewhere"
        )
    return arrays["keypoints"], arrays["confidences"]


def load_arrays(path: Path) -> dict[str, np.ndarray]:
    """The arrays of numbers in a pickled dict, by key, without its other plain values.

    Raises ValueError for any other pickle, naming what it would have called.
    """
    raw = path.read_bytes()
    try:
        # The unpickler allocates whatever lengths and memo entries claim: check them first, without
        # executing anything.
        for opcode, argument, _ in pickletools.genops(raw):
            if "PUT" in opcode.name and argument > len(raw):
                raise UnpicklingError(f"a memo of {argument} entries in {len(raw)} bytes")
        content = _Unpickler(io.BytesIO(raw)).load()
    except Exception as error:  # pickle's manual: "other exceptions may also be raised"
        raise ValueError(
            f"{path}: expected a pickled dict of plain arrays of numbers, got {error}: nothing in "
            "it was run; save such arrays on a machine where the file can be trusted"
        ) from error
    if isinstance(content, _Array):
        raise ValueError(f"{path}: expected a pickled dict, got an array: save it as .npy")
    if not isinstance(content, dict):
        raise ValueError(
            f"{path}: expected a pickled dict, got {type(content).__name__}: save it again"
        )
    return {key: held.values for key, held in content.items() if isinstance(held, _Array)}


class _StandIn:
    """Stands in for a function or type that a pickle names; the pickle cannot change it."""

    __slots__ = ("_function",)

    def __init__(self, function: Callable):
        self._function = function

    def __call__(self, *arguments):
        return self._function(*arguments)

    def __setstate__(self, state):
        raise UnpicklingError("one that changes functions")


class _Number:
    """Stands in for `numpy.dtype`; it accepts only real numbers."""

    __slots__ = ("dtype",)

    def __init__(self, code: str, align: bool = False, copy: bool = False):
        if not re.fullmatch("[<>|=]?[fiu][1248]", code):
            raise UnpicklingError(f"an array of type {code!r}")
        self.dtype = np.dtype(code)

    def __setstate__(self, state):
        _, order, *parts = state  # (3, "<", None, None, None, -1, -1, 0)
        if parts != [None, None, None, -1, -1, 0]:
            raise UnpicklingError("an array type with parts")
        self.dtype = self.dtype.newbyteorder(order)


class _Array:
    """Stands in for `numpy.ndarray`."""

    __slots__ = ("values",)

    def __init__(self, values: np.ndarray):
        self.values = values

    def __setstate__(self, state):
        _, shape, number, fortran, raw = state
        self.values = _from_bytes(raw, number, shape, "F" if fortran else "C").values


def _ndarray(*arguments):
    raise UnpicklingError("one that makes arrays of its own")


def _reconstruct(kind: _StandIn, shape: tuple, code: bytes) -> _Array:
    """The empty array that every pickled array starts as."""
    if kind is not _NDARRAY or shape != (0,):
        raise UnpicklingError(f"an array that starts with shape {shape}")
    return _Array(np.empty(0))


def _from_bytes(raw: bytes, number: _Number, shape: tuple, order: str) -> _Array:
    """An array over bytes of the file (a view, so that many take no more memory than one)."""
    if not isinstance(raw, bytes | bytearray) or not isinstance(number, _Number):
        raise UnpicklingError("an array of Python objects")
    return _Array(np.frombuffer(raw, number.dtype).reshape(shape, order=order))


_NDARRAY = _StandIn(_ndarray)
_ALLOWED = {("numpy", "ndarray"): _NDARRAY, ("numpy", "dtype"): _StandIn(_Number)}
for _core in ("numpy.core", "numpy._core"):  # its names in NumPy 1 and 2
    _ALLOWED[f"{_core}.multiarray", "_reconstruct"] = _StandIn(_reconstruct)
    _ALLOWED[f"{_core}.numeric", "_frombuffer"] = _StandIn(_from_bytes)


class _Unpickler(pickle.Unpickler):
    def find_class(self, module: str, name: str) -> _StandIn:
        if (module, name) not in _ALLOWED:
            raise UnpicklingError(f"one that would call {module}.{name}")
        return _ALLOWED[module, name]
