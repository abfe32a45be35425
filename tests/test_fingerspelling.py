"""The lexicon's traps are avoided: facts on the real wheel, rules on small made-up files."""

import hashlib
import subprocess
import unicodedata
import zipfile
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from layout_sources import FRAMES, SIZE, Motion, pose_bytes
from pose_format import Pose

from jointprune import data as command
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
from jointprune.recordings import read_recording
from jointprune.store import open_dataset
from jointprune.workspace import Workspace

COLUMNS = "path,spoken_language,signed_language,start,end,words,glosses,priority"


def signed(right=range(FRAMES), left=()):
    """A motion whose hands are seen in these frames alone."""
    motion = Motion()
    motion.seen[:] = False
    motion.seen[list(left), :21] = motion.seen[list(right), 21:] = True
    return motion


@pytest.fixture
def lexicon(tmp_path, monkeypatch):
    """Make a small wheel of {path: (word, file content)} and take its hash for the right one."""

    def make(files):
        rows = [f"{p},xx,{p.split('/')[0]},0,2720,{word},,0" for p, (word, _) in files.items()]
        wheel = tmp_path / WHEEL
        with zipfile.ZipFile(wheel, "w") as archive:
            archive.writestr(FOLDER + "index.csv", "\n".join([COLUMNS, *rows]))
            for path, (_, content) in files.items():
                archive.writestr(FOLDER + path, content)
        digest = hashlib.sha256(wheel.read_bytes()).hexdigest()
        monkeypatch.setattr(fingerspelling, "SHA256", digest)
        return wheel

    return make


def original(wheel, dataset, clip):
    """A clip's place, and its points in pixels and confidence as pose-format alone reads them."""
    i = dataset.clips.index[dataset.clips["clip"] == clip][0]
    with zipfile.ZipFile(wheel) as archive:
        body = Pose.read(archive.read(FOLDER + dataset.clips["source_file"][i])).body
    return i, body.data.data[:, 0], body.confidence[:, 0]


# The real recordings


def test_the_lexicon_has_410_clips_16_languages_and_26_letters(dataset):
    assert len(dataset) == 410 and len(set(dataset.groups)) == 16
    assert dataset.classes == CLASSES and set(dataset.clips["label"]) == set(CLASSES)
    counts = dataset.clips.groupby("group").size()
    assert sorted(counts[counts < 26].index) == ["lls", "tsm"]
    for group in ("lls", "tsm"):
        letters = dataset.clips.loc[dataset.groups == group, "label"]
        assert set(CLASSES) - set(letters) == {"Q", "W", "X"}
    assert np.percentile(dataset.lengths, [0, 5, 95, 100]).tolist() == [17, 21, 33, 46]
    assert dataset.clips["fps"].between(24, 30).all()


def test_no_recording_is_in_the_dataset_twice(dataset):
    assert dataset.clips["source_file"].is_unique
    contents = {hashlib.sha256(pose.tobytes()).digest() for pose in dataset.poses}
    assert len(contents) == 410
    assert "fsl" not in dataset.groups
    folders = dataset.clips["source_file"].str.split("/").str[0]
    assert (folders == dataset.clips["group"]).all()


@pytest.mark.parametrize("clip", ["ase/A", "tsm/B", "ise/L"])
def test_a_clip_is_its_files_hands_in_shoulder_widths(dataset, wheel, clip):
    """Those of the left-handed language `ise` as in a mirror."""
    i, points, confidence = original(wheel, dataset, clip)
    present = confidence[:, 511:553] == 1
    expected = (points[:, 511:553, :2] - 250) / 200 * present[..., None]
    if clip == "ise/L":
        assert present[:, :21].any() and not present[:, 21:].any()
        expected, present = np.roll(expected * [-1, 1], 21, axis=1), np.roll(present, 21, axis=1)
    length = dataset.lengths[i]
    assert length == len(points) == dataset.clips["original_frames"][i]
    np.testing.assert_allclose(dataset.poses[i, :length], expected, atol=1e-6)
    assert np.array_equal(dataset.present[i, :length], present)
    missing = dataset.poses[i][~dataset.present[i]]
    assert not missing.any() and not np.signbit(missing).any()  # no -0.0
    assert not dataset.present[i, length:].any()


def test_the_right_hand_leads_in_every_language(dataset):
    presence = dataset.hand_presence()
    assert (presence["right"] > presence["left"]).all()
    assert dataset.meta["mirrored"] == ["ise"]
    assert (presence.loc[["ase", "gsg", "sgg"], "left"] == 0).all()
    assert dataset.two_handed() == ["cse", "csq", "tsm"]


def test_joints_far_outside_the_canvas_are_clipped(dataset):
    reach = np.abs(dataset.poses).max(axis=(1, 2, 3))
    assert reach.max() == 2.5
    assert dataset.groups[reach == 2.5].tolist() == ["bzs"]


# The rules


def test_labels_have_one_spelling_and_other_letters_are_not_among_the_classes():
    """Of the two Turkish letters the dotless one is I. A copy under another name is left out."""
    umlaut, dotted = (unicodedata.normalize("NFD", letter) for letter in "äİ")
    words = ("a", "A ", umlaut, dotted, "\N{LATIN SMALL LETTER DOTLESS I}")
    assert [normalise_label(word) for word in words] == ["A", "A", "Ä", "İ", "I"]
    letters = (("sgg", "a"), ("sgg", umlaut), ("gss", "\N{GREEK CAPITAL LETTER ALPHA}"),
               ("svk", "CH"), ("tsm", "I"), ("tsm", dotted))  # fmt: skip
    rows = [f"{name}/{i}.pose,x,{name},0,1,{word},,0" for i, (name, word) in enumerate(letters)]
    found = read_index("\n".join([COLUMNS, *rows, "ase/9.pose,x,fsl,0,1,A,,0"]))
    assert dict(zip(found["clip"], found["source_file"], strict=True)) == {
        "sgg/A": "sgg/0.pose", "tsm/I": "tsm/4.pose"
    }  # fmt: skip


def test_only_a_hands_own_confidence_says_that_it_is_missing():
    motion = signed(left=(1, 2), right=(0, 1))
    hands = motion.filled(0)[0].astype(float)
    hands[1, 30, :2] = 250 / SIZE.astype(float)  # stored as 0, yet present
    hands[3] = 0.2  # left behind in a frame without hands
    recording = read_recording(pose_bytes(motion, hands), "x")
    assert np.array_equal(recording.points, (hands[..., :2] * SIZE).astype(np.float32))
    assert np.array_equal(recording.present, motion.seen)
    scaled = fingerspelling.to_shoulder_widths(recording).points
    assert not scaled[~recording.present].any()
    assert recording.present[1, 30] and not scaled[1, 30].any()


def test_edges_without_a_hand_are_cut_and_gaps_inside_are_kept(lexicon, tmp_path):
    file = pose_bytes(signed(right=(1, 3, 4)))
    entries = {f"ase/{letter}.pose": (letter.upper(), file) for letter in "ab"}
    data = prepare(lexicon(entries), tmp_path / "store")
    assert data.lengths.tolist() == [4, 4] and data.clips["original_frames"].tolist() == [6, 6]
    assert data.present[0, :, 21].tolist() == [True, False, True, True]


# Broken files


def whole():
    return pose_bytes(signed())


def spoiled(value):
    """A file with this value in a point of a hand that is seen."""
    hands = signed().filled(0)[0]
    hands[1, 30, 0] = value
    return pose_bytes(signed(), hands)


BROKEN = {
    "truncated in its data": (lambda: whole()[:-7], "whole .pose file"),
    "longer than its header says": (lambda: whole() + b"\0" * 8, "length does not fit"),
    "NaN": (lambda: spoiled(np.nan), "got NaN"),
    "infinite": (lambda: spoiled(np.inf), "an infinite"),
    "half a confidence": (
        lambda: pose_bytes(signed(), confidence=signed().seen / 2),
        "confidence of 0 or 1",
    ),
    "no right hand": (
        lambda: pose_bytes(signed(), components=("pose", "left")),
        "component RIGHT_HAND_LANDMARKS, got .'POSE_LANDMARKS', 'LEFT_HAND_LANDMARKS'.",
    ),
    "other points": (
        lambda: whole().replace(b"THUMB_CMC", b"THUMB_TOP"),
        "MediaPipe's order, got 21: .'WRIST', 'THUMB_TOP'",
    ),
}


@pytest.mark.parametrize("fault", BROKEN)
def test_a_broken_recording_is_named(fault):
    content, message = BROKEN[fault]
    with pytest.raises(ValueError, match=f"ase/b.pose: expected .*{message}"):
        read_recording(content(), "ase/b.pose")


def test_a_recording_without_hands_is_named_and_leaves_no_store(lexicon, tmp_path):
    wheel = lexicon({"ase/a.pose": ("A", whole()),
                     "ase/b.pose": ("B", pose_bytes(signed(right=())))})  # fmt: skip
    with pytest.raises(ValueError, match=r"ase/b\.pose: expected a hand .* got none in any"):
        prepare(wheel, tmp_path / "store")
    assert list(tmp_path.iterdir()) == [wheel]


def test_a_wheel_with_another_hash_is_refused(lexicon, tmp_path):
    wheel = lexicon({"ase/a.pose": ("A", whole())})
    content = wheel.read_bytes() + b"\0"
    wheel.write_bytes(content)
    got = hashlib.sha256(content).hexdigest()
    message = rf"{WHEEL}: expected SHA-256 {fingerspelling.SHA256}, got {got}.*fetch it again"
    for use in (lambda: prepare(wheel, tmp_path / "store"), lambda: fetch(tmp_path)):
        with pytest.raises(ValueError, match=message):
            use()
    assert list(tmp_path.iterdir()) == [wheel]


# Fetching


def pip_that_writes(content: bytes):
    def run(command, **_):
        assert command[2:5] == ["pip", "download", "--no-deps"]  # and no install
        assert {"--only-binary=:all:", "spoken-to-signed==0.4.0"} < set(command)
        (Path(command[command.index("-d") + 1]) / WHEEL).write_bytes(content)
        return SimpleNamespace(returncode=0)

    return run


def test_pip_downloads_the_wheel_once(tmp_path, monkeypatch):
    monkeypatch.setattr(fingerspelling, "SHA256", hashlib.sha256(b"wheel").hexdigest())
    monkeypatch.setattr(subprocess, "run", pip_that_writes(b"wheel"))
    assert fetch(tmp_path / "raw").read_bytes() == b"wheel"
    assert [path.name for path in (tmp_path / "raw").iterdir()] == [WHEEL]
    monkeypatch.setattr(subprocess, "run", None)
    assert fetch(tmp_path / "raw") == tmp_path / "raw" / WHEEL


def test_a_failed_download_or_another_file_leaves_nothing(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(subprocess, "run", pip_that_writes(b"another wheel"))
    with pytest.raises(ValueError, match="expected SHA-256 10570745"):
        fetch(tmp_path)
    failed = SimpleNamespace(returncode=1, stderr="no route to host")
    monkeypatch.setattr(subprocess, "run", lambda *_, **__: failed)
    monkeypatch.setattr(Workspace, "raw", tmp_path)
    with pytest.raises(SystemExit, match="1"):
        command.main(["fetch", "fingerspelling"])
    assert capsys.readouterr().err.endswith("yourself. pip said:\nno route to host\n")
    assert not list(tmp_path.iterdir())


def test_the_command_keeps_a_whole_store_and_repairs_a_damaged_one(
    dataset, wheel, workspace, monkeypatch, capsys
):
    arguments = ["fetch", "fingerspelling"]
    monkeypatch.setattr(command, "Workspace", lambda: workspace)
    monkeypatch.setattr(command, "_short", lambda path: path)
    command.main(arguments)
    table = workspace.processed / "fingerspelling" / "clips.csv"
    (line,) = capsys.readouterr().out.splitlines()
    counts = "fingerspelling: 410 clips, 26 letters, 16 languages"
    assert line.startswith(f"{counts}, ready in {table.parent}; recordings: ")
    before = table.stat()
    command.main(arguments)
    assert (table.stat().st_ino, table.stat().st_mtime_ns) == (before.st_ino, before.st_mtime_ns)
    table.write_text("clip\n")
    command.main(arguments)
    assert open_dataset("fingerspelling", workspace).sha256 == dataset.sha256
