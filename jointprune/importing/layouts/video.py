"""Videos, `<anything>/<clip>.mp4`: MediaPipe finds the hands once, into one `.pose` file per video.

Only this layout has to compute its values: `extract` runs between `find` and `read`. It needs the
extra `extract` (MediaPipe), which it runs through pose-format. It keeps the `.pose` files, because
this is by far the slowest step.
"""

import json
import os
import warnings
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from importlib.metadata import version
from importlib.util import find_spec
from pathlib import Path

from jointprune.extras import require
from jointprune.importing.layouts import pose
from jointprune.importing.layouts.clips import Clip, Files
from jointprune.importing.layouts.values import Raw
from jointprune.parallel import on_every_core
from jointprune.workspace import Workspace, atomic_path

# MediaPipe's wheel holds the models of complexity 1 only; 0 and 2 would download theirs.
HOLISTIC = {"model_complexity": 1, "static_image_mode": False}
UNKNOWN = "unknown"
# Share of the frames that a header counts; some programs count a few that do not exist.
FEWEST_DECODED = 0.9
# Beside the .pose files: the size in bytes of the video that each was made from, and the version of
# MediaPipe that made it ("unknown" if it was made elsewhere).
MADE_FROM = "videos.json"


def find(files: Files) -> list[Clip]:
    """Every `.mp4` file below a folder, except the depth videos that AUTSL has of each clip."""
    paths = files.of(".mp4")
    # signer3_sample1_depth.mp4 is the depth of signer3_sample1_color.mp4.
    colours = {path.name for path in paths}
    depths = {name.replace("_color.", "_depth.") for name in colours if "_color." in name}
    return files.clips(path for path in paths if path.name not in depths)


def poses_folder(workspace: Workspace, name: str) -> Path:
    """Where the `.pose` files of the data set `name` are kept, in the folders of their videos."""
    return workspace.raw / f"{name}-poses"


def extract(clips: list[Clip], source: Path, folder: Path) -> tuple[list[Clip], list[str]]:
    """The clips, each with its `.pose` file in `folder` added, and the versions of MediaPipe.

    Missing files are made. A video that cannot be decoded gets none, and `read` gives the reason.
    """
    found = []
    for clip in clips:
        made = folder / clip.place.relative_to(source).with_suffix(".pose")
        found.append(clip._replace(files=(clip.place, made)))
    jobs = [clip.files for clip in found if not clip.files[1].is_file()]
    if jobs:
        require("extract", f"to find hands in {len(jobs)} videos, starting with {jobs[0][0]}")
    versions = _record(found, folder)
    for _ in on_every_core(try_to_extract, jobs, "videos", len(found) - len(jobs)):
        pass
    return found, versions


def _record(clips: list[Clip], folder: Path) -> list[str]:
    """Record what each `.pose` is, or will be, made from; returns the versions of MediaPipe.

    Called before `.pose` files are made: those that are missing come from the present version.
    Raises ValueError for a video of another size.
    """
    path, now = folder / MADE_FROM, {}
    recorded = json.loads(path.read_text(encoding="utf-8")) if path.is_file() else {}
    # Older files hold the number of bytes alone.
    recorded = {n: {"bytes": e} if isinstance(e, int) else e for n, e in recorded.items()}
    present = version("mediapipe") if find_spec("mediapipe") else UNKNOWN
    for file, made in (clip.files for clip in clips):
        name, size = made.relative_to(folder).as_posix(), file.stat().st_size
        before = recorded.get(name, {}) if made.is_file() else {"mediapipe": present}
        if before.get("bytes", size) != size:
            raise ValueError(
                f"{file}: expected the video of {before['bytes']} bytes that {made} was made from, "
                f"got one of {size}: remove that .pose, or import under another --name"
            )
        now[name] = {"bytes": size, "mediapipe": before.get("mediapipe", UNKNOWN)}
    with atomic_path(path) as temporary:
        temporary.write_text(json.dumps(recorded | now), encoding="utf-8")
    return sorted({entry["mediapipe"] for entry in now.values()})


def try_to_extract(file: Path, made: Path) -> None:
    with suppress(ValueError):
        extract_one(file, made)


def read(clip: Clip) -> Raw:
    """Hands in pixels, from the `.pose` of a video; raises ValueError if there is none."""
    file, made = clip.files
    if not made.is_file():
        extract_one(file, made)
    return pose.read(clip._replace(files=(made,)))


def extract_one(file: Path, made: Path) -> None:
    """Write the `.pose` of one video, in pixels; ValueError if it cannot be decoded to its end."""
    # MediaPipe is an extra, and slow to load.
    from pose_format.utils.holistic import load_holistic
    from simple_video_utils.frames import read_frames_exact
    from simple_video_utils.metadata import video_metadata

    with _silence():
        try:
            seen = video_metadata(str(file))
            # `reuse` would carry the smoothing of the previous video into this one.
            found = load_holistic(
                read_frames_exact(str(file)), fps=seen.fps, width=seen.width, height=seen.height,
                additional_holistic_config=HOLISTIC, reuse=False)  # fmt: skip
        # Errors of PyAV (wrapped) or of MediaPipe, or a video without any frame.
        except (RuntimeError, ValueError) as error:
            reason = error.__cause__ or error
            raise ValueError(f"{file}: expected a whole video, got {reason}") from error
    frames, counted = len(found.body.data), seen.nb_frames or 0
    if frames < FEWEST_DECODED * counted:  # decoding a truncated video raises no error
        raise ValueError(
            f"{file}: expected {counted} frames, got {frames}: it may be truncated, fetch it again"
        )
    with atomic_path(made) as temporary, temporary.open("wb") as opened:
        found.write(opened)


@contextmanager
def _silence() -> Iterator[None]:
    """Hide MediaPipe's log, which no setting turns off: eight lines per video."""
    standard = os.dup(2)
    try:
        with open(os.devnull, "w") as nowhere, warnings.catch_warnings():
            os.dup2(nowhere.fileno(), 2)
            # MediaPipe 0.10.14 calls a method that protobuf 4 deprecates, at every frame.
            warnings.filterwarnings("ignore", message=r"SymbolDatabase\.GetPrototype")
            yield
    finally:
        os.dup2(standard, 2)
        os.close(standard)
