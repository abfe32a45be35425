"""Generate malformed recordings of every layout from a seed and read them as `import` does.

`python fuzz.py SEED FOLDER` prints a line for each recording: its name and the outcome ("refused",
"read", or any other exception). The last line holds the peak memory of reading. Videos are not
among them, because MediaPipe turns videos into `.pose` files, which are.
"""

import json
import pickle
import resource
import signal
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

MOST = 2**30  # bytes of memory for reading
LONGEST = 30  # seconds for one recording
BYTES_ROUNDS = 2  # of each damage to bytes, at different positions
HUGE = (b"\xff\xff\xff\xff", b"\xff\xff\xff\x7f", b"\x00\x00\x00\x80", b"\xfe\xff")


def flipped(raw: bytes, rng, within: int | None = None, count: int = 8) -> bytes:
    content = bytearray(raw)
    for place in rng.integers(0, min(within or len(raw), len(raw)), count):
        content[place] ^= 1 << rng.integers(8)
    return bytes(content)


def huge_claim(raw: bytes, rng) -> bytes:
    """Set a number in the first bytes to the largest value of its type."""
    claim, place = HUGE[rng.integers(len(HUGE))], rng.integers(4, min(96, len(raw) - 4))
    return raw[:place] + claim + raw[place + len(claim) :]


BYTES: dict[str, Callable] = {
    "empty": lambda raw, rng: b"",
    "one byte": lambda raw, rng: raw[:1],
    "cut": lambda raw, rng: raw[: rng.integers(1, len(raw))],
    "cut at its end": lambda raw, rng: raw[: -int(rng.integers(1, min(64, len(raw))))],
    "flipped": flipped,
    "flipped header": lambda raw, rng: flipped(raw, rng, within=96),
    "flipped end": lambda raw, rng: raw[:-96] + flipped(raw[-96:], rng),
    "huge claim": huge_claim,
    "longer": lambda raw, rng: raw + rng.bytes(64),
    "noise": lambda raw, rng: rng.bytes(len(raw)),
    "zeros": lambda raw, rng: bytes(len(raw)),
    "noise after its header": lambda raw, rng: raw[:32] + rng.bytes(len(raw) - 32),
}
# Changes to a recording: to its hands (frames, joints, 3), its pose, or the presence of hands.
VALUES: dict[str, tuple] = {
    "no hand": (("seen", ..., False),),
    "NaN": (("hands", ..., np.nan), ("pose", ..., np.nan)),
    "infinite": (("hands", np.s_[2:, 30, 0], np.inf),),
    "enormous": (("hands", np.s_[2:, 25], 3e38),),
    "one point": (("hands", ..., 0.5), ("pose", ..., 0.5), ("hands", np.s_[..., 2], 0)),
}
SHAPES = ((0,), (0, 543, 3), (6, 543), (6, 543, 1), (6, 42, 3), (1,), (1662, 1), (1661,), (6, 1, 1))


CLAIMS = ((10**12, 543, 3), (-1,), (99999999, 1662), (1662,))  # shapes of files without data
KEYPOINTS = ((0, 75, 3), (6, 75), (6, 2, 75, 3), (6, 42, 3), (75, 3))


def claim(path: Path, shape: tuple[int, ...]) -> None:
    with path.open("wb") as file:
        header = {"descr": "<f4", "fortran_order": False, "shape": shape}
        np.lib.format.write_array_header_1_0(file, header)


def wrong_contents(path: Path) -> dict[str, Callable[[Path], object]]:
    """Functions that write a file of this type with wrong content, by name."""
    if path.suffix == ".npy":
        shapes = {f"shape {s}": lambda p, s=s: np.save(p, np.zeros(s, np.float32)) for s in SHAPES}
        claims = {f"claims {s}": lambda p, s=s: claim(p, s) for s in CLAIMS}
        return shapes | claims | {"objects": lambda p: np.save(p, np.array([{}]))}
    if path.suffix == ".pkl":
        contents = {"a list": [1, 2], "a function": {"keypoints": print}}
        for shape in KEYPOINTS:
            parts = {"keypoints": np.zeros(shape), "confidences": np.zeros(shape[:-1])}
            contents[f"shape {shape}"] = parts
        return {n: lambda p, c=c: p.write_bytes(pickle.dumps(c)) for n, c in contents.items()}
    if path.suffix == ".parquet":
        table = pd.read_parquet(path)
        tables = {
            "no rows": table[:0],
            "no x": table.drop(columns="x"),
            "points twice": pd.concat([table, table]),
            "points unknown": table.assign(landmark_index=77),
            "text": table.assign(x="far"),
            "infinite y": table.assign(y=np.inf),
        }
        return {name: table.to_parquet for name, table in tables.items()}
    return {}


def recordings(folder: Path, seed: int) -> Iterator[tuple[str, Path]]:
    """The name and folder of each malformed recording."""
    rng, number = np.random.default_rng(seed), 0

    def fresh(layout: str, changes: tuple = ()) -> tuple[Path, Path]:
        """A new recording and the file to damage in it."""
        nonlocal number
        source, motion = folder / f"{number:03d}", Motion()
        number += 1
        for name, where, value in changes:
            getattr(motion, name)[where] = value
        WRITERS[layout](source, motion)
        files = sorted(p for p in source.rglob("*") if p.is_file() and p.suffix != ".csv")
        return source, files[rng.integers(len(files))]

    for layout in WRITERS:
        for name, changes in VALUES.items():
            yield f"{layout}: {name}", fresh(layout, changes)[0]
        for name, damage in list(BYTES.items()) * BYTES_ROUNDS:
            source, path = fresh(layout)
            path.write_bytes(damage(path.read_bytes(), rng))
            yield f"{layout}: {name}", source
        for name, spoil in wrong_contents(fresh(layout)[1]).items():
            source, path = fresh(layout)
            spoil(path)
            yield f"{layout}: {name}", source


def ending(source: Path) -> str:
    """The outcome of reading a recording; a refusal has to name its folder."""
    chunk = source / "chunk.npz"
    try:
        layout, clips = recognise(source)
        read_chunk(layout, clips, 1.0, chunk, strict=True)
        for recording in load_recordings(chunk):
            if not np.isfinite(recording.points).all():
                return "read values that are not finite"
    except ValueError as error:
        return "refused" if str(source) in str(error) else f"refused without its name: {error}"
    except Exception as error:  # any other exception is a bug to report
        return f"{type(error).__name__}: {error}"
    return "read"


def limit_memory() -> None:
    """Limit memory to MOST bytes more than is mapped now; a larger request raises MemoryError."""
    pages = int(Path("/proc/self/statm").read_text().split()[0])
    most = pages * resource.getpagesize() + MOST
    resource.setrlimit(resource.RLIMIT_AS, (most, resource.RLIM_INFINITY))


def main() -> None:
    seed, folder = int(sys.argv[1]), Path(sys.argv[2]).resolve()
    made = list(recordings(folder, seed))
    WRITERS["asl-signs"](folder / "whole", Motion())
    assert ending(folder / "whole") == "read"  # loads the libraries
    limit_memory()
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    for name, source in made:
        print(f"{source.name} {name}: ", end="", flush=True)
        signal.alarm(LONGEST)  # ends the process
        ended = ending(source)
        signal.alarm(0)
        print(ended.replace("\n", " "), flush=True)
    more = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before  # KiB at the peak
    print(json.dumps({"memory_mib": more / 1024}))


if __name__ == "__main__":
    main()
