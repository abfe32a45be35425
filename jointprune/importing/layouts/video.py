"""Videos, `<anything>/<clip>.mp4`: MediaPipe looks for the hands, once, into a `.pose` file each.

The one layout whose values have to be made: `extract` comes between `find` and `read`. It needs
the extra `extract` (MediaPipe), drives it by pose-format, and keeps what it makes, since it is
the slowest step by far.
"""

import json
import os
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from pose_format import Pose

from jointprune.extras import require
from jointprune.importing.layouts import pose
from jointprune.importing.layouts.found import Clip, Raw
from jointprune.importing.layouts.naming import clips_of_files, files_below
from jointprune.parallel import on_every_core
from jointprune.workspace import Workspace, atomic_path

# The one complexity whose models lie in MediaPipe's wheel; 0 and 2 would download theirs.
HOLISTIC = {"model_complexity": 1, "static_image_mode": False}
# Of the frames that a header counts; some writers count a few that are none.
FEWEST_DECODED = 0.9
MADE_OF = "videos.json"  # beside the .pose files: the bytes of the video that each was made of


def find(source: Path) -> list[Clip]:
    """Every `.mp4` file below a folder, but for the depth videos that AUTSL has of each clip."""
    paths = files_below(source, ".mp4")
    names = {path.name for path in paths}
    return clips_of_files(source, [path for path in paths if not _is_depth(path, names)])


def poses_folder(workspace: Workspace, name: str) -> Path:
    """Where the `.pose` files of the dataset `name` are kept, in the folders of their videos."""
    return workspace.raw / f"{name}-poses"


def extract(clips: list[Clip], source: Path, folder: Path, strict: bool) -> list[Clip]:
    """The clips with a second file each, their `.pose` in `folder`, made where there is none.

    One worker a video. A video that cannot be decoded gets none, and `read` tells why; with
    `strict` the first such raises its ValueError here. Raises ValueError where a `.pose` was made
    of another video, and ModuleNotFoundError where there is work and no MediaPipe.
    """
    found = []
    for clip in clips:
        (file,) = clip.files
        made = folder / file.relative_to(source).with_suffix(".pose")
        found.append(clip._replace(files=(file, made)))
    jobs = [(*clip.files, strict) for clip in found if not clip.files[1].is_file()]
    if jobs:
        require("extract", f"to find hands in {len(jobs)} videos, {jobs[0][0]} and on")
    _note_videos(found, folder)
    for _ in on_every_core(extract_one, jobs, "videos", len(found) - len(jobs)):
        pass
    return found


def _note_videos(clips: list[Clip], folder: Path) -> None:
    """Keep how large each video is that a `.pose` is made of, and refuse one of another size."""
    path = folder / MADE_OF
    noted = json.loads(path.read_text(encoding="utf-8")) if path.is_file() else {}
    sizes = {}
    for file, made in (clip.files for clip in clips):
        name = made.relative_to(folder).as_posix()
        sizes[name] = file.stat().st_size
        if made.is_file() and noted.get(name, sizes[name]) != sizes[name]:
            raise ValueError(
                f"{file}: expected the video of {noted[name]} bytes that {made} was made of, got "
                f"one of {sizes[name]}: remove that .pose, or import under another --name"
            )
    with atomic_path(path) as temporary:
        temporary.write_text(json.dumps(noted | sizes), encoding="utf-8")


def extract_one(file: Path, made: Path, strict: bool) -> None:
    """The `.pose` of one video, whole or not at all; without `strict` none for one that is broken.

    Width, height and frames a second stand in its header, joints are in pixels.
    """
    try:
        found = _landmarks(file)
    except ValueError:
        if strict:
            raise
        return
    with atomic_path(made) as temporary, temporary.open("wb") as opened:
        found.write(opened)


def read(clip: Clip) -> Raw:
    """Hands in pixels, of the `.pose` that was made of a video; the reason if none could be."""
    file, made = clip.files
    if not made.is_file():
        extract_one(file, made, strict=True)
    return pose.read(clip._replace(files=(made,)))


def _is_depth(path: Path, names: set[str]) -> bool:
    """Is it the depth of a clip whose colours are there, `signer3_sample1_depth.mp4`?"""
    colour = path.stem.removesuffix("_depth") + "_color" + path.suffix
    return path.stem.endswith("_depth") and colour in names


def _landmarks(file: Path) -> Pose:
    """MediaPipe Holistic's landmarks of a video; ValueError if it cannot be decoded to its end."""
    # MediaPipe is an extra, and slow to load.
    from pose_format.utils.holistic import load_holistic
    from simple_video_utils.frames import read_frames_exact
    from simple_video_utils.metadata import video_metadata

    with _silence():
        try:
            seen = video_metadata(str(file))
            # Without `reuse`: a network that has seen another video smooths it into this one.
            found = load_holistic(
                read_frames_exact(str(file)), fps=seen.fps, width=seen.width, height=seen.height,
                additional_holistic_config=HOLISTIC, reuse=False)  # fmt: skip
        except (RuntimeError, ValueError) as error:  # of PyAV, wrapped; of MediaPipe; no frame
            raise ValueError(
                f"{file}: expected a video that can be decoded, got {error.__cause__ or error}: "
                "fetch it again"
            ) from error
    frames, counted = len(found.body.data), seen.nb_frames or 0
    if frames < FEWEST_DECODED * counted:  # a cut video ends like a whole one
        raise ValueError(
            f"{file}: expected {counted} frames, got {frames}: it may be truncated, fetch it again"
        )
    return found


@contextmanager
def _silence() -> Iterator[None]:
    """Keep MediaPipe's log, eight lines a video past any setting, off the progress bar."""
    standard = os.dup(2)
    try:
        with open(os.devnull, "w") as nowhere, warnings.catch_warnings():
            os.dup2(nowhere.fileno(), 2)
            # MediaPipe 0.10.14 asks protobuf 4 in an old way, at every frame.
            warnings.filterwarnings("ignore", message=r"SymbolDatabase\.GetPrototype")
            yield
    finally:
        os.dup2(standard, 2)
        os.close(standard)
