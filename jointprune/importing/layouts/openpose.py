"""OpenPose's files, `<sign>/<clip>/<...>_keypoints.json`, one per frame, in pixels.

Or `<sign>/<clip>_<number>_keypoints.json`, if a folder holds several videos. A hand is 21 triples
x, y, confidence in MediaPipe's order; a missing joint has confidence 0. AI-Hub's Korean signs have
the sign and the signer in the names of clips, and one person without a list around it.
Source: https://github.com/CMU-Perceptual-Computing-Lab/openpose, doc/02_output.md.
"""

import json
import re
from collections import Counter
from pathlib import Path

import numpy as np

from jointprune.importing.layouts.clips import Clip, Files, NotThisLayout
from jointprune.importing.layouts.values import Raw, checked, in_time
from jointprune.skeleton import JOINT_NAMES

END = "_keypoints.json"
NUMBER = re.compile(r"(.*?)_?(\d+)", re.ASCII)  # a video and the frame's number, before END
# AI-Hub's names: the sign, the signer, and one of five views.
AI_HUB = re.compile(r"NIA_SL_([A-Z]+\d+)_([A-Z]+\d+)_[A-Z]", re.ASCII)
HANDS = ("hand_left_keypoints_2d", "hand_right_keypoints_2d")
BODY_25 = (5, 2, 7, 4)  # left, right shoulder, left, right wrist
MOST_BYTES = 2**20  # of a file: a frame of one person has a few kilobytes


def find(files: Files) -> list[Clip]:
    """Every folder of files that OpenPose wrote, or every video in it."""
    paths = files.of(".json")
    frames = [path for path in paths if path.name.endswith(END) and path.parent != files.source]
    if not frames:
        raise NotThisLayout(f"expected <sign>/<clip>/<frame>{END}, got other .json files")
    names = {path: numbered[0] if (numbered := _numbered(path)) else "" for path in frames}
    videos = Counter(folder for folder, _ in {(path.parent, name) for path, name in names.items()})
    several = 2 * sum(count > 1 for count in videos.values()) > len(videos)
    places = {path: path.parent / name if several else path.parent for path, name in names.items()}
    return [*map(_by_name, files.clips_of_frames(places))]


def _by_name(clip: Clip) -> Clip:
    """The clip with AI-Hub's signer, and its sign where the folder above is a number, or none."""
    if not (match := AI_HUB.fullmatch(clip.last_part)):
        return clip
    number = clip.label.isdecimal() or "/" not in clip.name
    return clip._replace(label=match[1] if number else clip.label, signer=match[2])


def read(clip: Clip) -> Raw:
    """Hands and body in pixels, frames in the order of their names."""
    points, gaps = np.stack([_frame(path) for path in clip.files]), 0
    if all(numbered := [*map(_numbered, clip.files)]):
        videos, numbers = zip(*numbered, strict=True)
        if len({*videos}) > 1:
            raise ValueError(
                f"{clip.place}: expected frames of one video, got those of {sorted({*videos})}: "
                "give each a folder"
            )
        points, gaps = in_time(points, [*map(int, numbers)])
    seen = points[..., 2] > 0
    points = np.where(seen[..., None], points[..., :2], np.nan)
    hands, body = np.split(points, [len(JOINT_NAMES)], axis=1)
    return checked(clip.place, hands, body, seen[:, : len(JOINT_NAMES)], gaps=gaps)


def _numbered(path: Path) -> tuple[str, str] | None:
    """The video's name and the frame's number in the name of a file; None without a number."""
    match = NUMBER.fullmatch(path.name.removesuffix(END))
    return match and match.groups()


def _frame(path: Path) -> np.ndarray:
    """Hands, shoulders and wrists of a frame, (46, 3); 0 where nobody is."""
    try:
        if path.stat().st_size > MOST_BYTES:
            raise ValueError(f"more than {MOST_BYTES} bytes")
        people = json.loads(path.read_bytes())["people"]
        people = [people] if isinstance(people, dict) else people
        if len(people) > 1:
            raise ValueError(f"{len(people)} people")
        if not people:
            return np.zeros((len(JOINT_NAMES) + len(BODY_25), 3))
        hands = np.concatenate([np.array(people[0][hand], float).reshape(-1, 3) for hand in HANDS])
        body = np.array(people[0].get("pose_keypoints_2d", []), float).reshape(-1, 3)
        body = body[list(BODY_25)] if len(body) else np.zeros((len(BODY_25), 3))
        if len(hands) != len(JOINT_NAMES):
            raise ValueError(f"{len(hands)} points of hands")
    except (ValueError, KeyError, TypeError, IndexError, RecursionError) as error:
        raise ValueError(
            f"{path}: expected one person with {' and '.join(HANDS)} of 21 points, got {error}: "
            "keep only the signer, and write hands"
        ) from error
    return np.concatenate([hands, body])
