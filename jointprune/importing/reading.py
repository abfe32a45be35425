"""Read and judge clips in parallel, in chunks; finished chunks are kept until the import ends."""

import hashlib
import json
from pathlib import Path

import numpy as np

from jointprune.importing.checks import judge
from jointprune.importing.layouts import LAYOUTS
from jointprune.importing.layouts.clips import Clip
from jointprune.parallel import on_every_core
from jointprune.recordings import Recording, trim
from jointprune.skeleton import HANDS, JOINT_NAMES, JOINTS
from jointprune.workspace import atomic_path

# Raise it when the same files would be read differently.
VERSION = 1
CHUNK = 64  # clips in a job
# Frames kept of a clip. A longer one is thinned evenly, which bounds the memory that it takes.
LONGEST = 300


def read_chunks(
    layout: str, clips: list[Clip], aspect: float, folder: Path, strict: bool
) -> list[Path]:
    """Files of the chunks in order, see `load_rows`; those that exist are not read again.

    A chunk is named by its files, their sizes and times: a changed recording is read again.
    """
    folder.mkdir(parents=True, exist_ok=True)
    chunks = [clips[start : start + CHUNK] for start in range(0, len(clips), CHUNK)]
    paths = [folder / f"{_chunk_name(layout, chunk, aspect)}.npz" for chunk in chunks]
    jobs = [
        (layout, chunk, aspect, path, strict)
        for path, chunk in zip(paths, chunks, strict=True)
        if not path.is_file()
    ]
    for _ in on_every_core(read_chunk, jobs, f"chunks of {CHUNK} clips", len(paths) - len(jobs)):
        pass
    return paths


def read_chunk(layout: str, clips: list[Clip], aspect: float, path: Path, strict: bool) -> None:
    """Read and judge some clips into `path`; an unusable clip leaves a row with the reason.

    With `strict` the first such clip raises its ValueError instead.
    """
    rows, recordings = [], []
    for clip in clips:
        try:
            row, recording = _read(layout, clip, aspect)
        except (ValueError, FileNotFoundError) as error:
            # The reason follows the clip's path in messages: of a frame only the name remains.
            reason = str(error).removeprefix(f"{clip.place}: ").removeprefix(f"{clip.place}/")
            if strict:
                raise ValueError(f"{clip.place}: {reason}") from error
            rows.append({"reason": reason})
            continue
        rows.append(row)
        recordings.append(recording)
    none = np.zeros((0, len(JOINT_NAMES), 2), dtype=np.float32)
    points = np.concatenate([none, *(r.points for r in recordings)])
    present = np.concatenate([none[..., 0] > 0, *(r.present for r in recordings)])
    with atomic_path(path) as temporary, temporary.open("wb") as file:
        np.savez(file, rows=np.array(json.dumps(rows)), points=points, present=present)


def load_rows(path: Path) -> list[dict]:
    """A row for each clip of a chunk; those with a "reason" have no recording."""
    with np.load(path, allow_pickle=False) as content:
        return json.loads(str(content["rows"]))


def load_recordings(path: Path) -> list[Recording]:
    """The recordings of a chunk, in the order of the rows that have one."""
    rows = [row for row in load_rows(path) if "reason" not in row]
    ends = np.cumsum([row["frames"] for row in rows], dtype=int)[:-1]
    with np.load(path, allow_pickle=False) as content:
        points, present = np.split(content["points"], ends), np.split(content["present"], ends)
    return [
        Recording(*parts, row["fps"]) for *parts, row in zip(points, present, rows, strict=False)
    ]


def _read(layout: str, clip: Clip, aspect: float) -> tuple[dict, Recording]:
    """One clip's row and its recording, ends without hands cut off."""
    judged = judge(LAYOUTS[layout].read(clip), aspect)
    whole = judged.recording
    points, present, fps = trim(whole, clip.name)
    step = -(-len(present) // LONGEST)
    recording = Recording(points[::step], present[::step], fps / step)
    seen = whole.present[:, :: len(JOINTS)].sum(axis=0)
    content = np.ascontiguousarray(whole.points).tobytes() + whole.present.tobytes()
    row = {
        "frames": len(recording.present),
        "original_frames": len(whole.present),
        "fps": recording.fps,
        "seen": dict(zip(HANDS, seen.tolist(), strict=True)),
        "thinned": step,
        "content": hashlib.sha256(content).hexdigest(),
        **{key: getattr(judged, key) for key in ("unit", "scale", "swapped", "mirrored")},
    }
    return row, recording


def _chunk_name(layout: str, clips: list[Clip], aspect: float) -> str:
    content = [VERSION, LONGEST, layout, aspect]
    for clip in clips:
        stats = [file.stat() for file in clip.files if file.exists()]
        content.append([clip.name, [[s.st_size, s.st_mtime_ns] for s in stats]])
    return hashlib.sha256(json.dumps(content).encode()).hexdigest()[:16]
