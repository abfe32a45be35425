"""Read clips in parallel and check their units, scale, handedness and order of joints.

Clips are read in chunks; finished chunks are kept until the import ends. data/README.md describes
how the thresholds were measured.
"""

import hashlib
import json
from contextlib import suppress
from pathlib import Path

import numpy as np
import pandas as pd
from scipy import sparse

from jointprune.importing.layouts import LAYOUTS
from jointprune.importing.layouts.clips import Clip
from jointprune.importing.layouts.sides import told_apart
from jointprune.importing.layouts.values import Raw, hands_seen
from jointprune.parallel import on_every_core
from jointprune.recordings import LIMIT, PALM, Recording, leading_hand, trim
from jointprune.skeleton import BONES, HANDS, JOINT_NAMES, JOINTS
from jointprune.workspace import intact, save_arrays

# Raise it when the same files would be read differently.
VERSION = 13
CHUNK = 64  # clips per job
# Most frames kept of a clip. A longer one is thinned evenly, which bounds its memory.
LONGEST = 300
# Coordinates whose median is within this are fractions of the image, others are pixels.
LARGEST_SHARE = 2.0
# Length of a hand's bones over its extent, the median over clips: 4.8 to 4.9 in the letters and
# three sets of signs, 6.4 where only fists are shown, 7.4 or more in other orders of their joints.
LONGEST_BONES = 7.0
# Median distance of a joint's x from its y, over the hand's extent: 0.3 to 1.9 in image fractions.
# Where all x come before all y, both are numbers of one kind, and it is 0.05 to 0.15.
LEAST_APART = 0.2
# A hand measured from itself has its origin within this of 0, over its extent; rounding is less.
AT_ITSELF = 1e-3
NEARLY_ALL = 0.95  # share of the hands of a clip
WRISTS = np.array([0, len(JOINTS)])
SKETCH = 64  # frames by which a recording is known again
SHARED = 0.75  # of the longer clip's, if two clips are the same recording
COMMON = 1000  # clips; a frame that more of them show, such as a rest pose, says nothing
KNUCKLES = WRISTS + JOINTS.index("middle_mcp")
NO_FRAMES = Recording(
    np.zeros((0, len(JOINT_NAMES), 2), np.float32), np.zeros((0, len(JOINT_NAMES)), bool), fps=0.0
)


def read_chunks(
    layout: str, clips: list[Clip], aspect: float, detected: bool, folder: Path
) -> list[Path]:
    """Files of the chunks in order (see `load_rows`); chunks that exist are not read again.

    `detected`: hands are in the order of their detection (see `sides`).

    A chunk's name depends on its files, their sizes and times: a changed recording is read again.
    """
    folder.mkdir(parents=True, exist_ok=True)
    chunks = [clips[start : start + CHUNK] for start in range(0, len(clips), CHUNK)]
    paths = [folder / f"{_chunk_name(layout, chunk, aspect, detected)}.npz" for chunk in chunks]
    jobs = [
        (layout, chunk, aspect, detected, path)
        for path, chunk in zip(paths, chunks, strict=True)
        if not intact(path)
    ]
    for _ in on_every_core(read_chunk, jobs, f"chunks of {CHUNK} clips", len(paths) - len(jobs)):
        pass
    return paths


def read_chunk(layout: str, clips: list[Clip], aspect: float, detected: bool, path: Path) -> None:
    """Read and check some clips and write them to `path`; an unusable clip gets the reason."""
    rows, recordings = [], []
    for clip in clips:
        try:
            row, recording = _read(layout, clip, aspect, detected)
        except MemoryError:
            raise
        except Exception as error:  # of any library: one odd file must not end an import
            # Messages put the clip's path before the reason: only the name of a frame remains.
            reason = str(error).removeprefix(f"{clip.place}: ").removeprefix(f"{clip.place}/")
            if not isinstance(error, (ValueError, FileNotFoundError)):
                reason = f"expected a file that can be read, got {type(error).__name__}: {reason}"
            row, recording = {"reason": reason, "frames": 0, "fps": 0.0}, NO_FRAMES
        rows.append(row)
        recordings.append(recording)
    points = np.concatenate([recording.points for recording in recordings])
    present = np.concatenate([recording.present for recording in recordings])
    save_arrays(path, rows=np.array(json.dumps(rows)), points=points, present=present)


def load_rows(path: Path) -> list[dict]:
    """A row for each clip of a chunk; those with a "reason" have no frames."""
    with np.load(path, allow_pickle=False) as content:
        return json.loads(str(content["rows"]))


def load_recordings(path: Path) -> list[Recording]:
    """The recording of each row of a chunk."""
    rows = load_rows(path)
    ends = np.cumsum([row["frames"] for row in rows])[:-1]
    with np.load(path, allow_pickle=False) as content:
        points, present = np.split(content["points"], ends), np.split(content["present"], ends)
    return [
        Recording(*parts, row["fps"]) for *parts, row in zip(points, present, rows, strict=True)
    ]


def _read(layout: str, clip: Clip, aspect: float, detected: bool) -> tuple[dict, Recording]:
    """One clip's row and its recording, without the frames at its ends that show no hand."""
    raw = LAYOUTS[layout].read(clip)
    raw = told_apart(raw) if detected else raw
    whole, judged = judge(raw, aspect)
    points, present, fps = trim(whole, clip.name)
    step = -(-len(present) // LONGEST)
    recording = Recording(points[::step], present[::step], fps / step)
    left, right = whole.present[:, WRISTS].sum(axis=0).tolist()  # frames in which each is seen
    content = np.ascontiguousarray(whole.points).tobytes() + whole.present.tobytes()
    row = {
        "frames": len(recording.present),
        "original_frames": len(whole.present),
        "fps": recording.fps,
        "left": left,
        "right": right,
        "leads": leading_hand(whole),
        "gaps": raw.gaps,
        "thinned": step,
        "content": hashlib.sha256(content).hexdigest(),
        "sketch": _sketch(raw, whole.present),
        **judged,
    }
    return row, recording


def _sketch(raw: Raw, present: np.ndarray) -> str:
    """The smallest hashes of frames with a hand (Broder 1997), joined: copies share most of them.

    Also copies in half precision, or with other first and last frames, repeated or empty ones.
    """
    shown = np.where(present[..., None], raw.hands[..., :2], 0)[present.any(axis=1)] + 0.0  # no -0
    with np.errstate(over="ignore"):
        halves = shown.astype(np.float16)  # infinite above 65504
    frames = (half if np.isfinite(half).all() else whole
              for half, whole in zip(halves, shown, strict=True))  # fmt: skip
    hashes = {hashlib.blake2b(frame.tobytes(), digest_size=8).digest() for frame in frames}
    return b"".join(sorted(hashes)[:SKETCH]).hex()


def same_recording(sketches: pd.Series) -> sparse.csr_array:
    """For each pair of clips, in the order of `sketches`, whether they share most frames."""
    found = [np.frombuffer(bytes.fromhex(sketch), np.uint64) for sketch in sketches]
    clips = np.repeat(np.arange(len(found)), [*map(len, found)])
    _, frames, clips_of = np.unique(np.concatenate(found), return_inverse=True, return_counts=True)
    rare = clips_of[frames] <= COMMON
    clips, frames = clips[rare], frames[rare]
    ones = np.ones(len(clips), np.int16)
    shown = sparse.csr_array((ones, (clips, frames)), (len(found), len(clips_of)))
    shared, sizes = (shown @ shown.T).tocoo(), np.bincount(clips, minlength=len(found))
    most = shared.data >= SHARED * np.maximum(sizes[shared.row], sizes[shared.col])
    return sparse.csr_array((most[most], (shared.row[most], shared.col[most])), shared.shape)


def _chunk_name(layout: str, clips: list[Clip], aspect: float, detected: bool) -> str:
    content = [VERSION, LONGEST, layout, aspect, detected]
    for clip in clips:
        stats = []
        for file in clip.files:
            with suppress(OSError):  # a broken link; the clip is left out with its reason
                stats.append((found := file.stat()).st_size)
                stats.append(found.st_mtime_ns)
        content.append([clip.name, stats])
    return hashlib.sha256(json.dumps(content).encode()).hexdigest()[:16]


def judge(raw: Raw, aspect: float = 1.0) -> tuple[Recording, dict]:
    """A clip in shoulder widths, and facts about its values; ValueError if no hand is seen.

    `aspect` is the image's width over its height; x in image fractions is multiplied by it. The
    dict has `unit`: "share" of the image or "pixel"; `scale`: "shoulders", or "palm" if no
    shoulders are seen; `bones`, `apart` and `place_lost` (see `_shape`); `partial`: frames in which
    some joints of a hand are missing, which is then taken as missing; `crossed`: without shoulders,
    whether the left hand is left of the right one; `swapped`: whether left and right hand are
    exchanged; `astray`: whether another joint than the wrist is nearest to the arm's end; and
    `mirrored`: whether the signer's left is on the picture's left. The last four are None if
    unknown.
    """
    points, body = raw.hands[..., :2], raw.body
    present = np.repeat(hands_seen(points, raw.confidence), len(JOINTS), axis=1)
    if not present.any():
        raise ValueError("expected a whole hand in some frame, got none in any")
    missing = np.isnan(points).any(axis=-1)
    if raw.confidence is not None and raw.confidence.shape == missing.shape:
        missing |= raw.confidence <= 0
    missing = missing.reshape(len(points), len(HANDS), -1)
    unit = "share" if np.median(np.abs(points[present])) <= LARGEST_SHARE else "pixel"
    if unit == "share":
        points, body = points * (aspect, 1), body * (aspect, 1)
    shoulders = _shoulder_frame(body)
    width, middle = shoulders or _palm_frame(points, present)
    scaled = ((points - middle) / width).clip(-LIMIT, LIMIT)
    scaled = np.where(present[..., None], scaled, 0).astype(np.float32)
    return Recording(scaled, present, raw.fps), {
        "unit": unit,
        "scale": "shoulders" if shoulders else "palm",
        **_shape(points, present),
        "partial": int((missing.any(axis=-1) & ~missing.all(axis=-1)).any(axis=1).sum()),
        "crossed": None if shoulders else _crossed(points, present),
        "swapped": _swapped(points, present, body),
        "astray": _astray(points, present, body),
        "mirrored": _mostly_negative(body[:, 0, 0] - body[:, 1, 0]),
    }


def _shoulder_frame(body: np.ndarray) -> tuple[float, np.ndarray] | None:
    """Median width and middle (2,) of the shoulders; None if they are never seen."""
    left, right = body[:, 0], body[:, 1]
    seen = np.isfinite(left).all(-1) & np.isfinite(right).all(-1)
    width = np.median(np.linalg.norm(left - right, axis=-1)[seen]) if seen.any() else 0.0
    if width <= 0:
        return None
    return float(width), np.median(((left + right) / 2)[seen], axis=0)


def _palm_frame(points: np.ndarray, present: np.ndarray) -> tuple[float, np.ndarray]:
    """The same from hands alone: a palm is PALM long, the middle is the mean of the joints."""
    palms = np.linalg.norm(points[:, WRISTS] - points[:, KNUCKLES], axis=-1)
    width = np.median(palms[present[:, WRISTS]]) / PALM
    if width <= 0:
        raise ValueError("expected wrist and knuckle apart, got hands of size 0 in most frames")
    return float(width), points[present].mean(0)


def _shape(points: np.ndarray, present: np.ndarray) -> dict[str, float | bool]:
    """Medians over present hands, relative to the longer side of a hand's box.

    `bones`: total length of the bones; `apart`: distance of a joint's x from its y. And
    `place_lost`: whether nearly all hands are measured from themselves: their own wrist, the mean
    of their joints, or the corner of their box.
    """
    hands = points[present].reshape(-1, len(JOINTS), 2)
    lengths = np.linalg.norm(np.diff(hands[:, BONES], axis=2), axis=-1).sum(axis=(1, 2))
    extent = np.maximum(np.ptp(hands, axis=1).max(axis=1), np.finfo(np.float32).tiny)
    apart = np.median(np.abs(hands[..., 0] - hands[..., 1]), axis=1)
    origins = np.abs([hands[:, 0], hands.mean(axis=1), hands.min(axis=1)]).max(axis=-1)
    return {
        "bones": float(np.median(lengths / extent)),
        "apart": float(np.median(apart / extent)),
        "place_lost": bool(((origins < AT_ITSELF * extent).mean(axis=1) > NEARLY_ALL).any()),
    }


def _crossed(points: np.ndarray, present: np.ndarray) -> bool | None:
    """Whether the left hand is left of the right one in the median frame that shows both."""
    both = present[:, WRISTS].all(axis=1)
    return _mostly_negative((points[:, WRISTS[0], 0] - points[:, WRISTS[1], 0])[both])


def _swapped(points: np.ndarray, present: np.ndarray, body: np.ndarray) -> bool | None:
    """Whether the hands are nearer to the body's wrist of the other side, in the median frame."""
    far = np.linalg.norm(points[:, WRISTS, None] - body[:, None, 2:], axis=-1)  # (T, hand, side)
    nearer = np.stack([far[:, 0, 1] - far[:, 0, 0], far[:, 1, 0] - far[:, 1, 1]], axis=1)
    return _mostly_negative(nearer[present[:, WRISTS]])


def _astray(points: np.ndarray, present: np.ndarray, body: np.ndarray) -> bool | None:
    """Whether the joint nearest to the body's wrist, by the median over frames, is not the first.

    None without a frame that shows both.
    """
    hands = points.reshape(len(points), len(HANDS), len(JOINTS), 2)
    far = np.linalg.norm(hands - body[:, 2:, None], axis=-1)[present[:, WRISTS]]
    far = far[np.isfinite(far).all(axis=1)]
    return bool(np.median(far, axis=0).argmin()) if len(far) else None


def _mostly_negative(values: np.ndarray) -> bool | None:
    """Whether the median of the finite values is negative; None if there are none."""
    finite = values[np.isfinite(values)]
    return bool(np.median(finite) < 0) if len(finite) else None
