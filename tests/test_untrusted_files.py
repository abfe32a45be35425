"""Files with false headers or with code are refused before memory is allocated for them."""

import io
import os
import pickle
import struct

import numpy as np
import pyarrow as pa
import pytest
from layout_sources import Motion, keypoints, little_memory, read_file, write
from pyarrow import parquet

from jointprune.importing.layouts import asl_signs
from jointprune.importing.layouts.clips import Clip
from jointprune.importing.layouts.values import load_npy


@pytest.fixture
def motion():
    return Motion()


# .npy


def npy_bytes(header, values=b"", version=(1, 0)):
    """A file with any header."""
    header = f"{header}\n".encode("latin1")
    length = struct.pack("<H" if version == (1, 0) else "<I", len(header))
    return b"\x93NUMPY" + bytes(version) + length + header + values


def header(shape, descr="<f4"):
    return f"{{'descr': {descr!r}, 'fortran_order': False, 'shape': {shape}, }}"


def saved(values):
    buffer = io.BytesIO()
    np.save(buffer, values)
    return buffer.getvalue()


BROKEN_NPY = {
    "empty": (b"", "version 1.0"),
    "cut in its values": (saved(np.zeros(4))[:-1], "expected 32 bytes for shape .4,. .* got 31"),
    "no literal": (npy_bytes("(" * 5000), "cannot be read"),
    "a call": (npy_bytes("__import__('os').getcwd()"), "cannot be read"),
    "a header of 4 GB": (b"\x93NUMPY\x02\x00" + b"\xff" * 4 + b"{}", "cannot be read"),
    "version 3": (npy_bytes(header((1,)), bytes(4), (3, 0)), "version 1.0"),
    "4 TB": (npy_bytes(header((10**12,)), bytes(64)), "expected 4000000000000 bytes"),
    "more than any memory": (npy_bytes(header((10**40, 3))), "expected 12000.* bytes"),
    "no frames": (saved(np.zeros((0, 543, 3))), "at least 1 value"),
    "Python objects": (saved(np.array([{}, None])), "real numbers, got object"),
    "records": (saved(np.zeros(2, [("x", "f4")])), "real numbers, got"),
}


@pytest.mark.parametrize("fault", BROKEN_NPY)
def test_a_broken_npy_is_refused_before_memory_is_allocated(tmp_path, fault):
    content, message = BROKEN_NPY[fault]
    path = write(tmp_path / "x.npy", content)
    with little_memory(), pytest.raises(ValueError, match=rf"x\.npy: .*{message}"):
        load_npy(path)


def test_every_kind_of_number_is_what_numpy_reads(tmp_path):
    for kind in ("<f8", ">f4", "<f2", "<i4", ">u2", "|u1"):
        for order in "CF":
            values = np.asarray(np.arange(24).reshape(2, 3, 4), dtype=kind, order=order)
            loaded = load_npy(write(tmp_path / "x.npy", values))
            assert loaded.dtype == values.dtype
            np.testing.assert_array_equal(loaded, values)


# OpenHands


def read_pickle(folder, raw):
    return read_file("openhands", folder / "x.pkl", raw)


def remade(*calls, state=None):
    """An object whose pickle calls something with arguments, then sets its state."""

    class Remade:
        def __reduce__(self):
            return (*calls, state) if state is not None else calls

    return Remade()


def test_a_hostile_pickle_runs_nothing_and_the_error_names_the_call(tmp_path):
    target = tmp_path / "made"
    raw = pickle.dumps({"keypoints": remade(os.mkdir, (str(target),))}, protocol=4)
    with pytest.raises(ValueError, match=r"got one that would call (posix|nt)\.mkdir: nothing"):
        read_pickle(tmp_path, raw)
    assert not target.exists()
    pickle.loads(raw)  # unpickled as usual, it does its damage
    assert target.exists()


@pytest.mark.parametrize("core", ["numpy.core", "numpy._core"])
def test_arrays_pickled_by_numpy_1_and_2_are_read(tmp_path, motion, core):
    content = {**keypoints(motion), "frames": 6, "note": ["x", 1.5, None, True]}
    raw = pickle.dumps(content, protocol=3).replace(b"numpy._core.", f"{core}.".encode())
    assert (core + ".").encode() in raw
    hands = read_pickle(tmp_path, raw).hands
    np.testing.assert_array_equal(hands[motion.seen], motion.hands[motion.seen])


def test_arrays_of_any_protocol_byte_order_and_memory_order_are_read(tmp_path, motion):
    content = keypoints(motion)
    for protocol, kind, order in ((4, ">f4", "C"), (5, "<f2", "F"), (5, "<f8", "F")):
        points = np.asarray(content["keypoints"], dtype=kind, order=order)
        raw = read_pickle(tmp_path, pickle.dumps({**content, "keypoints": points}, protocol))
        np.testing.assert_array_equal(raw.hands, points[:, 33:].astype(np.float32))


def array_state(shape, dtype, raw):
    return remade(RECONSTRUCT, (np.ndarray, (0,), b"b"), state=(1, shape, dtype, False, raw))


RECONSTRUCT = np.zeros(0).__reduce__()[0]
WITH_PARTS = (3, "<", None, ("x",), {}, 8, 8, 0)
HOSTILE_ARRAYS = {
    "ndarray of 8 TB": (lambda: remade(np.ndarray, ((10**12,),)), "makes arrays of its own"),
    "8 TB in 8 bytes": (lambda: array_state((10**12,), np.dtype("f8"), bytes(8)), "cannot reshape"),
    "a list for bytes": (lambda: array_state((1,), np.dtype("f8"), [1.0]), "Python objects"),
    "objects": (lambda: np.array([{}, None]), "an array of type 'O8'"),
    "records": (lambda: np.zeros(2, [("x", "f4")]), "an array of type 'V4'"),
    "parts": (lambda: remade(np.dtype, ("f8", False, True), state=WITH_PARTS), "type with parts"),
    "eval": (lambda: remade(eval, ("1",)), r"would call builtins\.eval"),
    "a name with dots": (lambda: remade(np.ndarray.tofile, ()), "would call|getattr"),
}


@pytest.mark.parametrize("fault", HOSTILE_ARRAYS)
def test_a_pickle_gets_nothing_but_plain_arrays(tmp_path, fault):
    make, message = HOSTILE_ARRAYS[fault]
    with pytest.raises(
        ValueError, match=rf"x\.pkl: expected a pickled dict of .* got .*({message})"
    ):
        read_pickle(tmp_path, pickle.dumps({"keypoints": make()}, protocol=4))


def test_a_pickle_cannot_change_what_it_is_given(tmp_path):
    kind = pickle.dumps(np.ndarray, protocol=4).removesuffix(b".")
    set_a_to_b = b"}\x8c\x01a\x8c\x01bsb."  # EMPTY_DICT, "a", "b", SETITEM, BUILD, STOP
    with pytest.raises(ValueError, match="got one that changes functions"):
        read_pickle(tmp_path, kind + set_a_to_b)


HUGE_STRING = b"\x80\x04\x8e" + struct.pack("<Q", 2**40) + b"x."  # claims 1 TB, holds 1 byte
BROKEN_PICKLES = {
    "empty": (lambda c: b"", "pickle exhausted"),
    "truncated": (lambda c: pickle.dumps(c)[:-50], "only [0-9]+ remain"),
    "memo": (lambda c: b"\x80\x04]r\xff\xff\xff\x7f.", "a memo of 2147483647 entries"),  # 32 GB
    "a huge string": (lambda c: HUGE_STRING, "only 2 remain"),
    "a list": (lambda c: [1], "a pickled dict, got list"),
    "lists for arrays": (lambda c: {k: v.tolist() for k, v in c.items()}, "confidences, got ..:"),
    "two people": (lambda c: c | {"keypoints": np.zeros((6, 2, 75, 3))}, "1 person, got 2"),
    "no frames": (lambda c: {k: v[:0] for k, v in c.items()}, "at least 1 frame, got 0"),
}


@pytest.mark.parametrize("fault", BROKEN_PICKLES)
def test_a_broken_pickle_is_refused_before_memory_is_allocated(tmp_path, motion, fault):
    make, message = BROKEN_PICKLES[fault]
    content = make(keypoints(motion))
    raw = content if isinstance(content, bytes) else pickle.dumps(content)
    with little_memory(), pytest.raises(ValueError, match=rf"x\.pkl: .*{message}"):
        read_pickle(tmp_path, raw)


def test_a_small_table_that_unpacks_to_gigabytes_is_refused_before_memory_is_allocated(tmp_path):
    """Equal values take next to nothing on disk: 30 million rows in under a megabyte."""
    group = pa.table(
        {"frame": np.zeros(10**6, np.int16), "type": ["left_hand"] * 10**6,
         "landmark_index": np.zeros(10**6, np.int16), **dict.fromkeys("xyz", np.zeros(10**6))}
    )  # fmt: skip
    path = tmp_path / "x.parquet"
    with parquet.ParquetWriter(path, group.schema) as writer:
        for _ in range(30):
            writer.write_table(group)
    assert path.stat().st_size < 2**20
    with pytest.raises(ValueError, match=r"x\.parquet: .*30000000 rows"):
        asl_signs.read(Clip("x", "yes", "", "", (path,)))
