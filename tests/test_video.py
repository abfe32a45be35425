"""Videos become `.pose` files and a store; MediaPipe runs on a film made from a real photograph."""

import sys
from importlib.util import find_spec

import av
import numpy as np
import pytest
from layout_sources import FRAMES, MISSING, Motion, pose_bytes, write
from matplotlib.cbook import get_sample_data
from PIL import Image
from pose_format import Pose
from recordings import in_shoulder_widths, motion

from jointprune.importing.importer import import_recordings
from jointprune.importing.layouts import recognise, video
from jointprune.importing.layouts.clips import Files
from jointprune.importing.layouts.values import hands_seen
from jointprune.importing.report import import_summary
from jointprune.workspace import Workspace

with_mediapipe = pytest.mark.skipif(not find_spec("mediapipe"), reason="needs the extra `extract`")

# A small AUTSL: its folders, some of its signers, two of its classes.
SIGNERS = {"train": (0, 2, 3), "val": (1,), "test": (6, 14)}
CLASSES = ("5", "41")
TALL = (192, 256)  # pixels of the films, width and height
NOSE = np.array([224, 126]) / 512  # the tip of the astronaut's, found by looking


@pytest.fixture
def autsl(tmp_path, monkeypatch, alone):
    """AUTSL in small: videos that nobody can decode, since their poses are there, and labels."""
    monkeypatch.setattr(Workspace, "raw", tmp_path / "raw")
    source, tables = tmp_path / "AUTSL", []
    for split, signers in SIGNERS.items():
        rows = [(f"signer{s}_sample{i}", c) for s in signers for i, c in enumerate(CLASSES)]
        for seed, (clip, sign) in enumerate(rows):
            write(source / split / f"{clip}_color.mp4", b"colour")
            write(source / split / f"{clip}_depth.mp4", b"depth")
            path = tmp_path / "raw" / "mine-poses" / split / f"{clip}_color.pose"
            write(path, pose_bytes(Motion(int(sign) + 100 * seed)))
        lines = [f"{clip},{sign}\r\n" for clip, sign in rows]  # no header
        tables.append(write(source / split / "labels.csv", "".join(lines).encode()))
    return source, tables


def film(path, photograph):
    """A slow zoom into a photograph (height, width, 3): 10 frames at 24 a second."""
    still = Image.fromarray(photograph)
    # With its index at the start a film that is cut ends early, without error.
    with av.open(path, "w", options={"movflags": "faststart"}) as file:
        stream = file.add_stream("mpeg4", rate=24)
        stream.width, stream.height, stream.pix_fmt = *TALL, "yuv420p"
        for frame in range(10):
            edge = np.array(still.size) * 0.005 * frame
            shot = still.resize(TALL, box=(*edge, *(still.size - edge)))
            file.mux(stream.encode(av.VideoFrame.from_image(shot)))
        file.mux(stream.encode())
    return path


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """The film of an astronaut, whose hands are outside, and the `.pose` file made of it."""
    astronaut = pytest.importorskip("skimage.data").astronaut()
    folder = tmp_path_factory.mktemp("astronaut")
    path = film(folder / "signer0_sample1_color.mp4", astronaut)
    video.extract_one(path, folder / "x.pose")
    return path, folder / "x.pose"


# Files


def test_a_depth_video_beside_its_colour_video_is_no_clip(autsl, tmp_path):
    name, clips, _ = recognise(autsl[0])
    assert name == "video" and len(clips) == 12
    assert all(clip.files[0].name.endswith("_color.mp4") for clip in clips)
    for name in ("water/deep_depth", "color/signer1_1_color", "depth/signer1_1_depth"):
        write(tmp_path / "other" / f"{name}.mp4", b"")
    found = [clip.name for clip in video.find(Files(tmp_path / "other"))]
    assert found == ["color/signer1_1", "water/deep_depth"]


def test_autsl_becomes_a_data_set_with_its_split_its_signers_and_its_class_ids(autsl, workspace):
    source, tables = autsl
    data, report = import_recordings(source, "mine", workspace, labels=tables)
    assert data.official_split and data.classes == CLASSES
    ((train, test),) = data.folds(4, seed=0)
    assert {*data.signers[train]} == {"0", "2", "3"} and {*data.signers[test]} == {"6", "14"}
    assert report["splits"] == {"train": 6, "val": 2, "test": 4} and report["rejected"] == []
    assert report["layout"] == "video" and report["signers"] == 6
    (row,) = np.flatnonzero(data.clips["source_file"] == "test/signer14_sample1_color.mp4")
    hands = motion(FRAMES, 41 + 100 * 3, MISSING)
    expected = in_shoulder_widths(hands) * [1, 480 / 640]  # pixels of 640 x 480
    np.testing.assert_allclose(data.poses[row], expected, atol=1e-4)


@with_mediapipe
def test_poses_of_another_video_are_refused(autsl, workspace):
    source, tables = autsl
    import_recordings(source, "mine", workspace, labels=tables)
    replaced = source / "test" / "signer14_sample1_color.mp4"
    replaced.write_bytes(b"another film")
    with pytest.raises(ValueError, match=r"signer14_sample1_color.*or import under another --name"):
        import_recordings(source, "mine", workspace, labels=tables)
    (video.poses_folder(workspace, "mine") / "test" / "signer14_sample1_color.pose").unlink()
    import_recordings(source, "mine", workspace, labels=tables)


def test_the_versions_of_mediapipe_are_named_and_a_mixture_is_warned_of(
    autsl, workspace, monkeypatch
):
    source, tables = autsl
    data, report = import_recordings(source, "mine", workspace, labels=tables)
    assert data.meta["mediapipe"] == ["unknown"]  # the .pose files were there
    assert "MediaPipe unknown\n" in import_summary(report)

    monkeypatch.setattr(video, "find_spec", lambda name: True)
    monkeypatch.setattr(video, "require", lambda *_: None)
    poses = video.poses_folder(workspace, "mine")
    contents = {path: path.read_bytes() for path in poses.rglob("*.pose")}
    monkeypatch.setattr(video, "try_to_extract", lambda _, path: path.write_bytes(contents[path]))
    for number, clip in enumerate(("signer0_sample0", "signer2_sample1")):
        (poses / "train" / f"{clip}_color.pose").unlink()
        monkeypatch.setattr(video, "version", lambda _, number=number: f"0.10.{number}")
        data, report = import_recordings(source, "mine", workspace, labels=tables)
    assert data.meta["mediapipe"] == ["0.10.0", "0.10.1", "unknown"]
    assert "MediaPipe 0.10.0, 0.10.1, unknown; MIXED VERSIONS" in import_summary(report)


def test_sizes_of_an_older_list_still_count(autsl, workspace):
    source, tables = autsl
    made_from = video.poses_folder(workspace, "mine") / "videos.json"
    made_from.write_text('{"test/signer14_sample1_color.pose": 5}')
    with pytest.raises(ValueError, match="expected the video of 5 bytes"):
        import_recordings(source, "mine", workspace, labels=tables)


def test_without_mediapipe_the_error_says_what_to_install(
    autsl, workspace, monkeypatch, data_command
):
    source, tables = autsl
    monkeypatch.setitem(sys.modules, "mediapipe", None)
    import_recordings(source, "mine", workspace, labels=tables)  # nothing has to be extracted
    labels = [word for table in tables for word in ("--labels", table)]
    code, _, said = data_command("import", source, "--name", "new", *labels)
    assert code == 1 and "in 12 videos" in said and "pip install -e '.[extract]'" in said


# MediaPipe


@with_mediapipe
def test_a_person_is_found_where_the_photograph_has_them_with_hands_outside(made):
    path, poses = made
    pose = Pose.read(poses.read_bytes())
    assert (pose.header.dimensions.width, pose.header.dimensions.height) == TALL
    assert pose.body.fps == 24 and len(pose.body.data) == 10
    nose = pose.body.data[:, 0, pose.header.get_point_index("POSE_LANDMARKS", "NOSE"), :2]
    zoom = 1 - 0.01 * np.arange(10)[:, None]
    expected = ((NOSE - 0.5) / zoom + 0.5) * TALL
    assert np.linalg.norm(nose - expected, axis=1).max() < 0.02 * TALL[1]
    (clip,) = video.find(Files(path.parent))
    raw = video.read(clip._replace(files=(path, poses)))
    assert not hands_seen(raw.hands[..., :2], raw.confidence).any()
    left, right = raw.body[:, 0, 0], raw.body[:, 1, 0]
    assert np.isfinite(raw.body[:, :2]).all() and (left > right).all() and raw.fps == 24


@with_mediapipe
def test_landmarks_do_not_depend_on_the_previous_video(made, tmp_path, capfd):
    with get_sample_data("grace_hopper.jpg") as file:
        other = film(tmp_path / "other.mp4", np.asarray(Image.open(file)))
    for path in (other, made[0]):
        video.extract_one(path, tmp_path / f"{path.stem}.pose")
    assert (tmp_path / f"{made[0].stem}.pose").read_bytes() == made[1].read_bytes()
    assert capfd.readouterr().err == ""  # which the progress bar shares


@with_mediapipe
def test_videos_without_hands_or_end_are_reported_and_the_rest_is_kept(
    autsl, made, workspace, monkeypatch
):
    source, tables = autsl
    poses = video.poses_folder(workspace, "mine")
    whole = made[0].read_bytes()
    broken = {
        "val/signer1_sample0_color": (whole, "a whole hand in some frame, got none"),
        "train/signer0_sample0_color": (whole[: len(whole) // 2], "expected 10 frames, got "),
        "train/signer2_sample1_color": (b"no video", "Invalid data"),
    }
    for clip, (raw, _) in broken.items():
        write(source / f"{clip}.mp4", raw)
        (poses / f"{clip}.pose").unlink()
    data, report = import_recordings(source, "mine", workspace, labels=tables)
    reasons = {row["source_file"].removesuffix(".mp4"): row["reason"] for row in report["rejected"]}
    assert len(data) == 9 and reasons.keys() == broken.keys()
    assert all(reason in reasons[clip] for clip, (_, reason) in broken.items())
    assert (poses / "val/signer1_sample0_color.pose").read_bytes() == made[1].read_bytes()
    assert len(list(poses.rglob("*.pose"))) == 10  # no broken one left
