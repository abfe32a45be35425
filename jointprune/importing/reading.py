"""Clips read and judged on every core, a chunk at a time, each chunk kept once it is read."""

import hashlib
import json
from pathlib import Path

import numpy as np

from jointprune.importing.checks import judge
from jointprune.importing.layouts import LAYOUTS
from jointprune.importing.layouts.found import Clip
from jointprune.parallel import on_every_core
from jointprune.recording import Recording, trim
from jointprune.skeleton import HANDS, JOINTS
from jointprune.workspace import atomic_path

# Raise it when the same files would be read differently.
VERSION = 1
CHUNK = 64  # clips in a job
# Frames kept of a clip; a longer one is thinned evenly, which bounds what one file can take.
LONGEST = 300


def read_chunks(
    layout: str, clips: list[Clip], aspect: float, folder: Path, strict: bool
) -> list[Path]:
    """One file a chunk of clips, in order, see `load_rows`; those that are there stay.

    A chunk is named by its files, their sizes and times: a changed recording is read again.
    """
    folder.mkdir(parents=True, exist_ok=True)
    chunks = [clips[start : start + CHUNK] for start in range(0, len(clips), CHUNK)]
    paths = [folder / f"{_chunk_name(layout, chunk, aspect)}.npz" for chunk in chunks]
    missing = [job for job in zip(paths, chunks, strict=True) if not job[0].is_file()]
    jobs = [(layout, chunk, aspect, path, strict) for path, chunk in missing]
    for _ in on_every_core(read_chunk, jobs, f"chunks of {CHUNK} clips", len(paths) - len(jobs)):
        pass
    return paths


def read_chunk(layout: str, clips: list[Clip], aspect: float, path: Path, strict: bool) -> None:
    """Read and judge some clips into `path`; what cannot be used leaves a row with its reason.

    With `strict` the first such clip raises its ValueError instead.
    """
    rows, recordings = [], []
    for clip in clips:
        try:
            row, recording = _read(layout, clip, aspect)
        except (ValueError, FileNotFoundError) as error:
            reason = _reason(error, clip)
            if strict:
                raise ValueError(f"{clip.place}: {reason}") from error
            rows.append({"reason": reason})
            continue
        rows.append(row)
        recordings.append(recording)
    none = np.zeros((0, len(HANDS) * len(JOINTS), 2), dtype=np.float32)
    points = np.concatenate([none, *(r.points for r in recordings)])
    present = np.concatenate([none[..., 0] > 0, *(r.present for r in recordings)])
    with atomic_path(path) as temporary, temporary.open("wb") as file:
        np.savez(file, rows=np.array(json.dumps(rows)), points=points, present=present)


def load_rows(path: Path) -> list[dict]:
    """A row for each clip of a chunk; those with a "reason" have no recording."""
    with np.load(path, allow_pickle=False) as parts:
        return json.loads(str(parts["rows"]))


def load_recordings(path: Path) -> list[Recording]:
    """The recordings of a chunk, in the order of the rows that have one."""
    with np.load(path, allow_pickle=False) as parts:
        points, present = parts["points"], parts["present"]
    recordings, start = [], 0
    for row in load_rows(path):
        if "reason" not in row:
            part = slice(start, start + row["frames"])
            recordings.append(Recording(points[part], present[part], row["fps"]))
            start = part.stop
    return recordings


def _read(layout: str, clip: Clip, aspect: float) -> tuple[dict, Recording]:
    """One clip's row and its recording, ends without hands cut off."""
    judged = judge(LAYOUTS[layout].read(clip), aspect)
    as_recorded = judged.recording
    recording = trim(as_recorded, clip.name)
    step = -(-len(recording.present) // LONGEST)
    recording = Recording(
        recording.points[::step], recording.present[::step], as_recorded.fps / step
    )
    seen = as_recorded.present[:, :: len(JOINTS)].sum(axis=0)
    content = np.ascontiguousarray(as_recorded.points).tobytes() + as_recorded.present.tobytes()
    row = {
        "frames": len(recording.present),
        "original_frames": len(as_recorded.present),
        "fps": recording.fps,
        "seen": dict(zip(HANDS, seen.tolist(), strict=True)),
        "thinned": step,
        "content": hashlib.sha256(content).hexdigest(),
        **{key: getattr(judged, key) for key in ("unit", "scale", "swapped", "mirrored")},
    }
    return row, recording


def _reason(error: Exception, clip: Clip) -> str:
    """What is wrong with a clip, to stand behind its place; of its frames the name remains."""
    return str(error).removeprefix(f"{clip.place}: ").removeprefix(f"{clip.place}/")


def _chunk_name(layout: str, clips: list[Clip], aspect: float) -> str:
    content = [VERSION, LONGEST, layout, aspect]
    for clip in clips:
        stats = [file.stat() for file in clip.files if file.exists()]
        content.append([clip.name, [[s.st_size, s.st_mtime_ns] for s in stats]])
    return hashlib.sha256(json.dumps(content).encode()).hexdigest()[:16]
