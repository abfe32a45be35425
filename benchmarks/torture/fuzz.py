"""Generate malformed recordings of every layout from a seed and read them as `import` does.

`python fuzz.py SEED FOLDER` prints the outcome of each: "refused", "read", or any other exception.
It fails if a recording was neither refused by name nor read as harmless. Videos are not among them,
because MediaPipe turns videos into `.pose` files, which are.
"""

import io
import pickle
import resource
import signal
import sys
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from jointprune.importing.importer import VECTORS
from jointprune.importing.layouts import LAYOUTS, recognise
from jointprune.importing.layouts.sides import in_order_of_detection
from jointprune.importing.reading import load_recordings, load_rows, read_chunk
from jointprune.workspace import ROOT

sys.path.insert(0, str(ROOT / "tests"))
from layout_sources import WRITERS, Motion, table, write


def flipped(raw: bytes, rng) -> bytes:
    """Flip a bit of up to 8 bytes."""
    content = np.frombuffer(raw, np.uint8).copy()
    content[rng.integers(len(raw), size=8)] ^= 1 << rng.integers(8, dtype=np.uint8)
    return content.tobytes()


def huge_claim(raw: bytes, rng) -> bytes:
    """Set a number in the first bytes to the largest value of its type."""
    claim = (b"\xff" * 4, b"\xff\xff\xff\x7f", b"\0\0\0\x80", b"\xfe\xff")[rng.integers(4)]
    place = rng.integers(4, min(96, len(raw) - 4))
    return raw[:place] + claim + raw[place + len(claim) :]


BYTES = {
    "empty": lambda raw, rng: b"",
    "one byte": lambda raw, rng: raw[:1],
    "cut": lambda raw, rng: raw[: rng.integers(1, len(raw))],
    "cut at its end": lambda raw, rng: raw[: -int(rng.integers(1, min(64, len(raw))))],
    "flipped": flipped,
    "flipped header": lambda raw, rng: flipped(raw[:96], rng) + raw[96:],
    "flipped end": lambda raw, rng: raw[:-96] + flipped(raw[-96:], rng),
    "huge claim": huge_claim,
    "longer": lambda raw, rng: raw + rng.bytes(64),
    "noise": lambda raw, rng: rng.bytes(len(raw)),
    "zeros": lambda raw, rng: bytes(len(raw)),
    "noise after its header": lambda raw, rng: raw[:32] + rng.bytes(len(raw) - 32),
}
# Changes to a recording: to its hands (frames, joints, 3), its pose, or the presence of hands.
VALUES = {
    "no hand": (("seen", ..., False),),
    "NaN": (("hands", ..., np.nan), ("pose", ..., np.nan)),
    "infinite": (("hands", np.s_[2:, 30, 0], np.inf),),
    "enormous": (("hands", np.s_[2:, 25], 3e38),),
    "one point": (("hands", ..., 0.5), ("pose", ..., 0.5), ("hands", np.s_[..., 2], 0)),
}


def claim(shape: tuple[int, ...]) -> bytes:
    """The header of an array file, without data."""
    file, header = io.BytesIO(), {"descr": "<f4", "fortran_order": False, "shape": shape}
    np.lib.format.write_array_header_1_0(file, header)
    return file.getvalue()


SHAPES = ((0,), (0, 543, 3), (6, 543), (6, 543, 1), (6, 42, 3), (1,), (1662, 1), (1661,), (6, 1, 1))
CLAIMS = ((10**12, 543, 3), (-1,), (99999999, 1662), (1662,))
ARRAYS = {f"shape {shape}": np.zeros(shape, np.float32) for shape in SHAPES}
ARRAYS |= {f"claims {shape}": claim(shape) for shape in CLAIMS} | {"objects": np.array([{}])}
PICKLES = {
    f"shape {shape}": {"keypoints": np.zeros(shape), "confidences": np.zeros(shape[:-1])}
    for shape in ((0, 75, 3), (6, 75), (6, 2, 75, 3), (6, 42, 3), (75, 3))
} | {"a list": pickle.dumps([1, 2]), "a function": {"keypoints": print}}
ROWS = table(Motion())
# Whole files that hold something else.
WRONG = {
    "mp-data": ARRAYS,
    "arrays": ARRAYS,
    "openhands": PICKLES,
    "asl-signs": {
        "no rows": ROWS[:0],
        "no x": ROWS.drop(columns="x"),
        "points twice": ROWS.loc[ROWS.index.repeat(2)],
        "points unknown": ROWS.assign(landmark_index=77),
        "text": ROWS.assign(x="far"),
        "infinite y": ROWS.assign(y=np.inf),
    },
}


def recordings(folder: Path, seed: int) -> Iterator[tuple[str, Path]]:
    """Write the malformed recordings; yields the name and folder of each."""
    rng = np.random.default_rng(seed)
    for layout in WRITERS:
        cases = [(name, changes, lambda raw, rng: raw) for name, changes in VALUES.items()]
        cases += [(name, (), damage) for name, damage in BYTES.items()] * 2
        for name, content in WRONG.get(layout.split()[0], {}).items():
            cases.append((name, (), lambda raw, rng, content=content: content))
        for number, (name, changes, damage) in enumerate(cases):
            source, motion = folder / layout / str(number), Motion()
            for part, where, value in changes:
                getattr(motion, part)[where] = value
            WRITERS[layout](source, motion)
            files = [p for p in source.rglob("*") if p.is_file() and p.name != "train.csv"]
            path = rng.choice(sorted(files))
            write(path, damage(path.read_bytes(), rng))
            yield f"{layout} {number}: {name}", source


def ending(source: Path) -> str:
    """The outcome of reading a recording; a refusal has to name its folder."""
    try:
        layout, clips, _ = recognise(source)
        in_order_of_detection(LAYOUTS[layout].read, clips)
        # Vectors as if their hands were in that order: each is told apart by its shape.
        read_chunk(layout, clips, 1.0, layout in VECTORS, source / "chunk.npz")
        if any("reason" in row for row in load_rows(source / "chunk.npz")):
            return "refused"
        for recording in load_recordings(source / "chunk.npz"):
            if not np.isfinite(recording.points).all():
                return "read values that are not finite"
    except ValueError as error:
        return "refused" if str(source) in str(error) else f"refused without its name: {error}"
    except Exception as error:  # any other exception is a bug to report
        return f"{type(error).__name__}: {error}"
    return "read"


def main() -> int:
    seed, folder = int(sys.argv[1]), Path(sys.argv[2]).resolve()
    made, counts = list(recordings(folder, seed)), Counter()
    WRITERS["asl-signs"](folder / "whole", Motion())
    assert ending(folder / "whole") == "read"  # loads the libraries
    mapped = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
    # Requests for more than 1 GiB raise MemoryError.
    resource.setrlimit(resource.RLIMIT_AS, (mapped + 2**30, resource.RLIM_INFINITY))
    for name, source in made:
        print(f"{name}: ", end="", flush=True)
        signal.alarm(30)  # seconds, ends the process
        ended = ending(source)
        signal.alarm(0)
        print(ended.replace("\n", " "), flush=True)
        counts[ended if ended in ("refused", "read") else "otherwise"] += 1
    print(f"{len(made)} recordings: {dict(counts)}")
    return int(counts["otherwise"] > 0 or len(made) < 200)


if __name__ == "__main__":
    sys.exit(main())
