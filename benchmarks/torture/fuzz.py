"""Malformed recordings of every layout, made with a seed, read as `import` reads them.

`python benchmarks/torture/fuzz.py FOLDER SEED` prints a JSON line a recording: its name and how it
ended ("refused", "read", or what else was raised), and at last the most memory that reading took.
Videos are read by MediaPipe into `.pose` files, which are among those here.
"""

import json
import pickle
import resource
import signal
import struct
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pandas as pd

from jointprune.importing.layouts import recognise
from jointprune.importing.reading import load_recordings, read_chunk
from jointprune.workspace import ROOT

sys.path.insert(0, str(ROOT / "tests"))
from layout_sources import WRITERS, Motion

MOST = 2**30  # bytes that reading may take
LONGEST = 30  # seconds for one recording
BYTES_ROUNDS = 2  # of each damage of bytes, at other places
HUGE = (b"\xff\xff\xff\xff", b"\xff\xff\xff\x7f", b"\x00\x00\x00\x80", b"\xfe\xff")


def cut(raw: bytes, rng) -> bytes:
    return raw[: rng.integers(1, len(raw))]


def cut_late(raw: bytes, rng) -> bytes:
    return raw[: -int(rng.integers(1, min(64, len(raw))))]


def flipped(raw: bytes, rng, within: int | None = None, count: int = 8) -> bytes:
    content = bytearray(raw)
    for place in rng.integers(0, min(within or len(raw), len(raw)), count):
        content[place] ^= 1 << rng.integers(8)
    return bytes(content)


def huge_claim(raw: bytes, rng) -> bytes:
    """A number in the first bytes made as large as it can be."""
    claim, place = HUGE[rng.integers(len(HUGE))], rng.integers(4, min(96, len(raw) - 4))
    return raw[:place] + claim + raw[place + len(claim) :]


BYTES: dict[str, Callable] = {
    "empty": lambda raw, rng: b"",
    "one byte": lambda raw, rng: raw[:1],
    "cut": cut,
    "cut at its end": cut_late,
    "flipped": flipped,
    "flipped header": lambda raw, rng: flipped(raw, rng, within=96),
    "flipped end": lambda raw, rng: raw[:-96] + flipped(raw[-96:], rng),
    "huge claim": huge_claim,
    "longer": lambda raw, rng: raw + rng.bytes(64),
    "noise": lambda raw, rng: rng.bytes(len(raw)),
    "zeros": lambda raw, rng: bytes(len(raw)),
    "noise after its header": lambda raw, rng: raw[:32] + rng.bytes(len(raw) - 32),
}


def no_hand(motion: Motion) -> None:
    motion.seen[:] = False


def nan(motion: Motion) -> None:
    motion.hands[:], motion.pose[:] = np.nan, np.nan


def infinite(motion: Motion) -> None:
    motion.hands[2:, 30, 0] = np.inf


def enormous(motion: Motion) -> None:
    motion.hands[2:, 25] = 3e38


def one_point(motion: Motion) -> None:
    """Hands and body of size zero."""
    motion.hands[:], motion.pose[:] = 0.5, 0.5
    motion.hands[..., 2] = 0


VALUES = (no_hand, nan, infinite, enormous, one_point)
SHAPES = ((0,), (0, 543, 3), (6, 543), (6, 543, 1), (6, 42, 3), (1,), (1662, 1), (1661,), (6, 1, 1))


def bare_header(shape: str, kind: str = "<f4") -> bytes:
    """An `.npy` file that claims a shape and holds nothing."""
    text = f"{{'descr': {kind!r}, 'fortran_order': False, 'shape': {shape}, }}\n".encode()
    return b"\x93NUMPY\x01\x00" + struct.pack("<H", len(text)) + text


def wrong_contents(path: Path) -> Iterator[tuple[str, Callable]]:
    """Files of the right kind with the wrong content: a name, and what writes it to a path."""
    if path.suffix == ".npy":
        for shape in SHAPES:
            yield f"shape {shape}", lambda p, s=shape: np.save(p, np.zeros(s, np.float32))
        for shape in ("(1000000000000, 543, 3)", "(-1,)", "(99999999, 1662)", "(1662,)"):
            yield f"claims {shape}", lambda p, s=shape: p.write_bytes(bare_header(s))
        yield "objects", lambda p: np.save(p, np.array([{}]), allow_pickle=True)
    elif path.suffix == ".pkl":
        for shape in ((0, 75, 3), (6, 75), (6, 2, 75, 3), (6, 42, 3), (75, 3)):
            parts = {"keypoints": np.zeros(shape), "confidences": np.zeros(shape[:-1])}
            yield f"shape {shape}", lambda p, c=parts: p.write_bytes(pickle.dumps(c))
        yield "a list", lambda p: p.write_bytes(pickle.dumps([1, 2]))
        yield "a function", lambda p: p.write_bytes(pickle.dumps({"keypoints": print}))
    elif path.suffix == ".parquet":
        table = pd.read_parquet(path)
        yield "no rows", lambda p: table[:0].to_parquet(p)
        yield "no x", lambda p: table.drop(columns="x").to_parquet(p)
        yield "points twice", lambda p: pd.concat([table, table]).to_parquet(p)
        yield "points unknown", lambda p: table.assign(landmark_index=77).to_parquet(p)
        yield "words", lambda p: table.assign(x="far").to_parquet(p)
        yield "infinite", lambda p: table.assign(y=np.inf).to_parquet(p)


def recordings(folder: Path, seed: int) -> Iterator[tuple[str, Path]]:
    """Each malformed recording's name and the folder that it was written into."""
    rng, number = np.random.default_rng(seed), 0
    for layout, write in WRITERS.items():

        def fresh(change=lambda motion: None, write=write) -> tuple[Path, Path]:
            """A whole recording and the file of it that is to be damaged."""
            nonlocal number
            source, motion = folder / f"{number:03d}", Motion()
            number += 1
            change(motion)
            write(source, motion)
            files = sorted(path for path in source.rglob("*") if path.suffix != ".csv")
            files = [path for path in files if path.is_file()]
            return source, files[rng.integers(len(files))]

        for change in VALUES:
            yield f"{layout}: {change.__name__}", fresh(change)[0]
        for name, damage in list(BYTES.items()) * BYTES_ROUNDS:
            source, path = fresh()
            path.write_bytes(damage(path.read_bytes(), rng))
            yield f"{layout}: {name}", source
        for name, spoil in wrong_contents(fresh()[1]):
            source, path = fresh()
            spoil(path)
            yield f"{layout}: {name}", source


def ending(source: Path) -> str:
    """How reading a recording ended; a refusal has to name the folder that it is in."""
    chunk = source / "chunk.npz"
    try:
        layout, clips = recognise(source)
        read_chunk(layout, clips, 1.0, chunk, strict=True)
        for recording in load_recordings(chunk):
            if not np.isfinite(recording.points).all():
                return "read values that are not finite"
    except ValueError as error:
        return "refused" if str(source) in str(error) else f"refused without its name: {error}"
    except Exception as error:  # whatever else it is, it is what is looked for
        return f"{type(error).__name__}: {error}"
    return "read"


def resident() -> int:
    """The most bytes that this process ever held."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024


def bounded() -> None:
    """No more than MOST beyond what is mapped now, so that asking for more raises MemoryError."""
    pages = int(Path("/proc/self/statm").read_text().split()[0])
    most = pages * resource.getpagesize() + MOST
    resource.setrlimit(resource.RLIMIT_AS, (most, resource.RLIM_INFINITY))


def too_long(*_) -> None:
    raise TimeoutError(f"no end within {LONGEST} s")


def main() -> None:
    folder, seed = Path(sys.argv[1]).resolve(), int(sys.argv[2])
    signal.signal(signal.SIGALRM, too_long)
    made = list(recordings(folder, seed))
    write = WRITERS["asl-signs"]
    write(folder / "whole", Motion())
    assert ending(folder / "whole") == "read"  # which loads the libraries
    bounded()
    before = resident()
    for name, source in made:
        print(json.dumps({"name": name, "folder": source.name}), flush=True)
        signal.alarm(LONGEST)
        ended = ending(source)
        signal.alarm(0)
        print(json.dumps({"ended": ended}), flush=True)
    print(json.dumps({"memory_mib": (resident() - before) / 2**20}))


if __name__ == "__main__":
    main()
