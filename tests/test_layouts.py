"""One hand motion comes out the same from every layout; each refusal has its damaged file."""

import json
import os
import pickle
import re
import struct
from itertools import product

import numpy as np
import pandas as pd
import pytest
from layout_sources import (
    BODY,
    FRAMES,
    SIZE,
    WRITERS,
    Motion,
    face_before_pose,
    little_memory,
    long_table,
    pose_bytes,
    read_file,
    read_found,
    sided_table,
    stack,
    table,
    vectors,
    write,
    write_asl,
    write_openpose,
)
from recordings import write_frames

from jointprune.importing.layouts import (
    LAYOUTS,
    arrays,
    asl_signs,
    mp_data,
    openpose,
    pose,
    recognise,
)
from jointprune.importing.layouts.clips import Files, NotThisLayout
from jointprune.importing.layouts.sides import told_apart
from jointprune.importing.layouts.values import hands_seen
from jointprune.importing.reading import judge
from jointprune.recordings import HAND_POINTS
from jointprune.skeleton import JOINT_NAMES, JOINTS


@pytest.fixture
def motion():
    return Motion()


@pytest.mark.parametrize("writer", WRITERS)
def test_the_same_motion_comes_out_of_every_layout(tmp_path, motion, writer):
    WRITERS[writer](tmp_path, motion)
    name, (clip,), (raw,) = read_found(tmp_path)
    assert writer.startswith(name) and clip.label == "hello"
    pixels = name in ("pose", "openpose") or "COCO" in writer
    scale = SIZE if pixels else 1
    assert raw.hands.shape == (FRAMES, 42, 3) and raw.hands.dtype == np.float32
    np.testing.assert_allclose(
        raw.hands[motion.seen, :2] / scale, motion.hands[motion.seen, :2], 1e-6
    )
    flat = pixels or "without depth" in writer
    depth = np.full_like(motion.hands[..., 2], np.nan) if flat else motion.hands[..., 2]
    np.testing.assert_array_equal(raw.hands[motion.seen, 2], depth[motion.seen])
    missing = ~hands_seen(raw.hands[..., :2], raw.confidence)
    np.testing.assert_array_equal(missing, ~motion.seen[:, ::21])
    if "126" in writer or writer.endswith("long form"):
        assert np.isnan(raw.body).all()
    else:
        body = np.where(motion.pose_seen[:, BODY, None], motion.pose[:, BODY, :2] * scale, np.nan)
        np.testing.assert_allclose(raw.body, body.astype(np.float32), 1e-6)
    assert raw.fps == (29.5 if name == "pose" else 0)


# pose


def read_pose(folder, raw):
    return read_file("pose", folder / "x.pose", raw)


def test_the_variant_that_keeps_nan_with_confidence_1_is_read(tmp_path, motion):
    sure = np.ones((FRAMES, 42), np.float32)
    raw = read_pose(tmp_path, pose_bytes(motion, motion.filled(np.nan)[0], sure))
    assert (raw.confidence == 1).all() and np.isnan(raw.hands[~motion.seen]).all()
    assert np.isfinite(raw.hands[motion.seen, :2]).all()


def test_a_file_without_a_body_has_hands_in_any_order(tmp_path, motion):
    raw = read_pose(tmp_path, pose_bytes(motion, components=("right", "left")))
    assert np.isnan(raw.body).all()
    np.testing.assert_array_equal(raw.hands, read_pose(tmp_path, pose_bytes(motion)).hands)


def body_start(raw):
    """Position of fps, frames and people: these 10 bytes come before the values."""
    return raw.index(struct.pack("<fIH", 29.5, FRAMES, 1))


def test_a_header_that_claims_too_much_is_refused_before_memory_is_allocated(tmp_path, motion):
    raw = bytearray(pose_bytes(motion))
    start = body_start(raw)
    for frames, people in ((10**6, 1), (2**32 - 1, 0)):
        struct.pack_into("<IH", raw, start + 4, frames, people)
        with little_memory(), pytest.raises(ValueError, match=r"x\.pose: expected"):
            read_pose(tmp_path, bytes(raw))


def test_version_0_1_is_read_a_truncated_one_and_version_0_0_are_refused(tmp_path, motion):
    """A reader of version 0.0 would lose further people."""
    raw = pose_bytes(motion)
    start = body_start(raw)

    def of_version(version, frames, people, values):
        size = struct.pack("<HHH", 25, frames, people)
        return struct.pack("<f", version) + raw[4:start] + size + values

    whole, person = of_version(0.1, FRAMES, 1, raw[start + 10 :]), bytes(2 + 75 * 4 * 4)
    np.testing.assert_array_equal(read_pose(tmp_path, whole).hands, read_pose(tmp_path, raw).hands)
    for broken, message in (
        (whole[: -75 * 4 * 4], "6 frames, got 5: it may be truncated"),
        (of_version(0.1, FRAMES, 0, raw[start + 10 :]), r"a whole \.pose file"),
        (of_version(0, 1, 2, 2 * person), r"version 0\.1 or 0\.2 of the format, got 0\.0"),
    ):
        with pytest.raises(ValueError, match=f"expected {message}"):
            read_pose(tmp_path, broken)


def test_impossible_values_and_other_coordinates_are_refused(tmp_path, motion):
    with pytest.raises(ValueError, match="expected coordinates XY of LEFT_HAND_LANDMARKS"):
        read_pose(tmp_path, pose_bytes(motion).replace(b"XYZC", b"ZYXC"))
    far, confidence = np.full((FRAMES, 42, 3), np.inf), np.full((FRAMES, 42), np.inf)
    with pytest.raises(ValueError, match=r"x\.pose: .*an infinite value"):
        read_pose(tmp_path, pose_bytes(motion, far))
    with pytest.raises(ValueError, match=r"x\.pose: .*finite confidences"):
        read_pose(tmp_path, pose_bytes(motion, confidence=confidence))


# names


def names(clips):
    return [(clip.name, clip.label, clip.signer, clip.split) for clip in clips]


def test_a_path_gives_sign_signer_and_split(tmp_path):
    files = ("Train/teşekkür ederim/signer3_sample2_color", "validation/evet/x_color", "VALID/x")
    for name in (*files, "test/signer10_sample1", "train"):
        write(tmp_path / f"{name}.pose", b"")
    write(tmp_path / ".hidden" / "x.pose", b"")
    write(tmp_path / "evet" / "._x.pose", b"")
    assert names(pose.find(Files(tmp_path))) == [
        ("Train/teşekkür ederim/signer3_sample2", "teşekkür ederim", "3", "train"),
        ("VALID/x", "", "", "val"),
        ("test/signer10_sample1", "", "10", "test"),
        ("train", "", "", ""),
        ("validation/evet/x", "evet", "", "val"),
    ]


def test_a_folder_called_train_is_a_sign_beside_folders_that_are_no_splits(tmp_path):
    for name in ("evet/1", "train/1"):
        write(tmp_path / f"{name}.pose", b"")
    found = [("evet/1", "evet", "", ""), ("train/1", "train", "", "")]
    assert names(pose.find(Files(tmp_path))) == found


def test_two_clips_of_one_name_are_refused_by_both_paths(tmp_path):
    paths = [write(tmp_path / name, b"") for name in ("signer0_1.pose", "signer0_1_color.pose")]
    with pytest.raises(ValueError, match="a clip name that occurs once") as refusal:
        pose.find(Files(tmp_path))
    assert all(str(path) in str(refusal.value) for path in paths)


def test_linked_folders_are_followed_once(tmp_path):
    write(tmp_path / "elsewhere" / "1.pose", b"")
    (tmp_path / "source").mkdir()
    os.symlink(tmp_path / "elsewhere", tmp_path / "source" / "hello")
    os.symlink(tmp_path / "source", tmp_path / "elsewhere" / "back")
    files = Files(tmp_path / "source")
    assert names(pose.find(files)) == [("hello/1", "hello", "", "")]
    back = tmp_path / "source" / "hello" / "back"
    assert [*files.unread] == [back] and "is a link" in files.unread[back]


def test_a_link_to_a_folder_of_the_source_is_not_read_in_its_place(tmp_path):
    write(tmp_path / "zeynep" / "su" / "1.pose", b"")
    write(tmp_path / ".store" / "1.pose", b"")
    for junk in ("$RECYCLE.BIN/S-1/1.pose", "__MACOSX/zeynep/._1.pose"):
        write(tmp_path / junk, b"")
    os.symlink(tmp_path / "zeynep", tmp_path / "aaa")
    os.symlink(tmp_path / ".store", tmp_path / "ev")  # as programs for large files do
    files = Files(tmp_path)
    assert [clip.name for clip in pose.find(files)] == ["ev/1", "zeynep/su/1"]
    assert [*files.unread] == [tmp_path / "aaa"]


def test_a_folder_of_links_alone_names_what_they_lead_to(tmp_path):
    for number, sign in ((17, "su"), (18, "ev")):
        write(tmp_path / "raw" / str(number) / "1.pose", b"")
        (tmp_path / "labelled").mkdir(exist_ok=True)
        os.symlink(tmp_path / "raw" / str(number), tmp_path / "labelled" / sign)
    files = Files(tmp_path)
    assert {clip.name for clip in pose.find(files)} == {"labelled/su/1", "labelled/ev/1"}
    assert {*files.unread} == {tmp_path / "raw" / "17", tmp_path / "raw" / "18"}


# mp-data


def sequence(folder, frames, numbers=None):
    write_frames(folder / "hello" / "0", frames, numbers)
    return mp_data.find(Files(folder))[0]


def test_frames_are_in_the_order_of_their_numbers_with_gaps(tmp_path, motion):
    numbers = [9, 7, 10, 100, 23, 8]
    write_frames(tmp_path / "iyi günler" / "2", vectors(motion), numbers)
    write_frames(tmp_path / "iyi günler" / "02", vectors(motion), numbers)
    write_frames(tmp_path / "iyi günler" / "10", vectors(motion))
    clips = mp_data.find(Files(tmp_path))
    assert names(clips) == [(f"iyi günler/{n}", "iyi günler", "", "") for n in ("02", "2", "10")]
    order = np.argsort(numbers)
    *shifted, straight = (mp_data.read(clip).hands for clip in clips)
    for hands in shifted:
        np.testing.assert_array_equal(hands, straight[order])


def test_points_whose_wrist_has_a_depth_are_no_hand(tmp_path, motion):
    motion.hands[:, [0, 21], 2] = 4e-7  # rounding
    assert mp_data.read(sequence(tmp_path / "a", vectors(motion))).hands[2, 0, 2] > 0
    motion.hands[:, 21, 2] = 0.2
    clip = sequence(tmp_path / "b", vectors(motion, 258))  # tried with its hands first, too
    with pytest.raises(ValueError, match=r"expected the \w+ wrist at depth 0 .*, got z"):
        mp_data.read(clip)


def test_frames_that_do_not_belong_together_are_refused(tmp_path, motion):
    frames = [*vectors(motion)[:2], np.zeros(258)]
    with pytest.raises(ValueError, match=r"2\.npy: expected 1662 values as in 0\.npy, got 258"):
        mp_data.read(sequence(tmp_path / "a", frames))
    with pytest.raises(ValueError, match=r"1\.npy: expected a vector of 1662, 1629, 1086, 258"):
        mp_data.read(sequence(tmp_path / "b", [frames[0], np.zeros((2, 126))]))
    with pytest.raises(ValueError, match="one file per frame, got several for frame 1"):
        mp_data.read(sequence(tmp_path / "c", np.zeros((2, 126)), ["1", "01"]))


@pytest.mark.parametrize("shape", [(63,), (21, 3), (42,), (21, 2)])
def test_one_hand_of_each_frame_is_read_as_the_right_one(tmp_path, motion, shape):
    size = shape[-1] if len(shape) > 1 else shape[0] // 21
    hand = motion.filled(0)[0][:, 21:, :size].reshape(FRAMES, *shape)
    write(tmp_path / "arrays" / "hello" / "1.npy", hand)
    write_frames(tmp_path / "mp-data" / "hello" / "1", hand)
    for layout in ("arrays", "mp-data"):
        name, _, (raw,) = read_found(tmp_path / layout)
        seen = motion.seen & (np.arange(42) >= 21)
        assert name == layout
        np.testing.assert_array_equal(raw.hands[seen, :size], motion.hands[seen, :size])
        np.testing.assert_array_equal(hands_seen(raw.hands[..., :2]), seen[:, ::21])


def test_two_hands_of_one_frame_are_no_clip_of_one_hand(tmp_path, motion):
    hands = vectors(motion, 126).reshape(FRAMES, 2, 21, 3)
    write_frames(tmp_path / "hello" / "1", hands)
    assert recognise(tmp_path)[0] == "mp-data"


# arrays


def read_array(folder, values):
    return read_file("arrays", folder / "x.npy", values)


def test_swapped_hands_are_seen_where_the_face_is_left_out(tmp_path, motion):
    """A face of zeros is no body, however far the hands are from the wrists of the right one."""
    frames = vectors(motion)
    frames[:, 132:1536] = 0
    frames[:, 1536:] = np.roll(frames[:, 1536:], 63, axis=1)
    raw = read_array(tmp_path, frames)
    np.testing.assert_allclose(raw.body[0], motion.pose[0, BODY, :2], 1e-6)
    assert judge(raw)[1]["swapped"]


def test_arrays_of_another_shape_and_infinite_coordinates_are_refused(tmp_path, motion):
    for shape in ((6, 543), (6, 543, 5), (6, 553, 3)):
        with pytest.raises(
            ValueError, match=r"expected an array \(frames, 543 or 133, 2 to 4\) or frames of 1662"
        ):
            read_array(tmp_path, np.zeros(shape))
    for row, value in ((540, 1e300), (468 + 11, np.inf)):  # of a hand, of the body
        values = stack(motion)
        values[2, row, 0] = value
        with pytest.raises(ValueError, match="an infinite value"):
            read_array(tmp_path, values)


@pytest.mark.parametrize("before", [True, False])
def test_the_body_of_hands_measured_from_their_wrists_is_found_in_both_orders(
    tmp_path, motion, before
):
    """Their distance from the pose tells nothing, but a pose has no negative visibility."""
    hands = motion.hands.reshape(FRAMES, 2, 21, 3)
    motion.hands = (hands - hands[:, :, :1]).reshape(FRAMES, 42, 3)
    frames = face_before_pose(vectors(motion))
    if not before:
        frames = np.concatenate([frames[:, 1404:1536], frames[:, :1404], frames[:, 1536:]], axis=1)
    raw = read_array(tmp_path, frames)
    np.testing.assert_allclose(raw.body[0], motion.pose[0, BODY, :2], 1e-6)


# asl-signs


def asl_clips(folder, *rows):
    write(folder / "train.csv", "\n".join(["path,participant_id,sequence_id,sign", *rows, ""]))
    return asl_signs.find(Files(folder))


def test_the_table_names_clips_signers_and_signs(tmp_path):
    rows = ("p/2/10.parquet,2,10,thank you", "p/2/9.parquet,2,9,yes", "p/16/1.parquet,16,1,null")
    clips = asl_clips(tmp_path, *rows)
    nine, ten = ("p/2/9", "yes", "2", ""), ("p/2/10", "thank you", "2", "")
    assert names(clips) == [nine, ten, ("p/16/1", "null", "16", "")]
    with pytest.raises(ValueError, match=r"9\.parquet: expected the file that train\.csv names"):
        asl_signs.read(clips[0])


def test_a_path_that_leads_outside_is_refused(tmp_path):
    for path in ("a/../../x.parquet", "/x.parquet", "C:/x.parquet", r"..\x.parquet", "a.exe"):
        with pytest.raises(ValueError, match=r"train\.csv: expected the path .* below .* in row 3"):
            asl_clips(tmp_path, "a.parquet,1,1,yes", f"{path},1,1,yes")


def test_rows_that_lack_something_or_all_rows_are_refused(tmp_path):
    for row in ("x.parquet,1,1,", "x.parquet,1"):
        with pytest.raises(ValueError, match="in row 2, got"):
            asl_clips(tmp_path, row)
    with pytest.raises(ValueError, match="at least 1 recording, got none"):
        asl_clips(tmp_path)
    with pytest.raises(ValueError, match="a clip name that occurs once"):
        asl_clips(tmp_path, *["x.parquet,1,1,yes"] * 2)


def test_a_table_without_rows_of_a_missing_hand_is_read_as_missing(tmp_path, motion):
    path = write_asl(tmp_path, motion)
    long = table(motion)
    write(path, long[~((long["type"] == "left_hand") & long["x"].isna())])
    raw = asl_signs.read(asl_signs.find(Files(tmp_path))[0])
    np.testing.assert_array_equal(np.isnan(raw.hands[..., 0]), ~motion.seen)


BROKEN_TABLES = {
    "a column less": (lambda t: t.drop(columns="z"), "expected a parquet table with columns"),
    "a face alone": (lambda t: t[t["type"] == "face"], "at least 1 frame"),
    "a point twice": (lambda t: pd.concat([t, t[t["type"] == "pose"]]), "got one twice"),
    "22 points": (lambda t: t.replace({"landmark_index": {20: 21}}), "0 to 20 .*, got 21 of"),
    "half frames": (lambda t: t.assign(frame=t["frame"] + 0.5), "got frame float64"),
}


@pytest.mark.parametrize("fault", BROKEN_TABLES)
def test_a_damaged_table_is_refused(tmp_path, motion, fault):
    change, message = BROKEN_TABLES[fault]
    path = write_asl(tmp_path, motion)
    write(path, change(table(motion).reset_index(drop=True)))
    with pytest.raises(ValueError, match=rf"100\.parquet: .*{message}"):
        asl_signs.read(asl_signs.find(Files(tmp_path))[0])


# which layout


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (
            {"hello/1.npy": np.zeros((2, 7))},
            r"mp-data: expected <sign>.*got hello/1\.npy\n *arrays: .* got shapes \[\(2, 7\)\]",
        ),
        ({"hello/1/0.npy": np.zeros(7)}, r"mp-data: expected vectors .* got shapes \[\(7,\)\]"),
        ({"hello/1/0.npy": b"no header"}, r"mp-data: .*a header that cannot be read"),
        (  # a picture a file
            {f"letters/{letter}/{i}.npy": np.ones(63) for letter in "AB" for i in range(3)},
            r"mp-data: expected <sign>/<number of the clip>/.*, got letters/A/0\.npy",
        ),
        (
            {"hello/1.pkl": pickle.dumps(np.ones((5, 126)))},
            r"openhands: .* got an array: save it as \.npy",
        ),
        ({"hello/1.pkl": {"keypoints": np.ones((5, 75, 3))}}, "openhands: .* save both"),
        ({"models/scaler.pkl": {"scale": np.ones(3)}}, r"openhands: .* keypoints and confidences"),
        ({"a/1.avi": b""}, r"  pose: expected \.pose files, got 1 \.avi"),
        ({"train.csv": "path,sign\n"}, r"asl-signs: .* got path, sign"),
        ({"train.csv": b"\xff\xfe"}, r"asl-signs: expected a CSV table in UTF-8"),
        (
            {"labels.csv": "clip,label\na,b\n"},
            "hand-tables: expected tables of columns frame, landmark, x, y or face_x",
        ),
        (
            {"train/1_color.mp4.npy": np.ones((5, 27, 3))},
            "27 of the body and hands, the packed form of SAM-SLR",
        ),
    ],
)
def test_the_reason_of_a_layout_says_what_it_found(tmp_path, content, reason):
    for name, values in content.items():
        write(tmp_path / name, values)
    with pytest.raises(ValueError, match=reason):
        recognise(tmp_path)


def test_clips_may_be_called_by_persons_alone(tmp_path, motion):
    for sign, person in product(("su", "iyi"), ("ali", "can")):
        write_frames(tmp_path / sign / person, vectors(motion))
    name, clips, _ = recognise(tmp_path)
    assert name == "mp-data" and {clip.label for clip in clips} == {"su", "iyi"}


def test_models_beside_recordings_are_no_recordings(tmp_path, motion):
    write(tmp_path / "hello" / "1.npy", stack(motion))
    write(tmp_path / "model.pkl", {"weights": np.ones(3)})
    assert recognise(tmp_path)[0] == "arrays"


def test_a_damaged_file_or_two_hide_no_layout(tmp_path, motion):
    write(tmp_path / "hello" / "0.npy", b"")
    write(tmp_path / "labels.npy", np.zeros(7))
    write(tmp_path / "hello" / "1.npy", stack(motion))
    name, clips, _ = recognise(tmp_path)
    assert name == "arrays" and len(clips) == 3
    for broken in ("hello/0", "labels"):
        with pytest.raises(ValueError, match=f"{broken}.npy: expected"):
            arrays.read(next(clip for clip in clips if clip.name == broken))


@pytest.mark.parametrize("width", [126, 225, 258])
def test_clips_of_uneven_length_are_arrays_also_if_some_have_one_frame(tmp_path, motion, width):
    whole = vectors(motion, 258)
    flat = {126: whole[:, 132:], 225: np.delete(whole, np.arange(3, 132, 4), axis=1), 258: whole}
    lengths = {"hello/0": 1, "hello/1": 1, "hello/2": 3, "hello/3": 6, "bye/0": 5}
    for name, length in lengths.items():
        values = flat[width][:length]
        write(tmp_path / f"{name}.npy", values[None] if name == "bye/0" else values)
    layout, clips, found = read_found(tmp_path)
    raws = {clip.name: raw for clip, raw in zip(clips, found, strict=True)}
    assert layout == "arrays" and {name: len(raw.hands) for name, raw in raws.items()} == lengths
    hands = flat[126].astype(np.float32).reshape(6, 42, 3)
    np.testing.assert_array_equal(raws["hello/3"].hands, hands)
    body = raws["bye/0"].body
    assert np.isfinite(body).any() == (width != 126)


def test_a_folder_of_two_layouts_needs_one_named(tmp_path, motion):
    WRITERS["pose"](tmp_path, motion)
    WRITERS["arrays"](tmp_path, motion)
    with pytest.raises(ValueError, match="got pose and arrays: choose one with --layout"):
        recognise(tmp_path)
    assert recognise(tmp_path, "arrays")[0] == "arrays"
    with pytest.raises(ValueError, match=r"a layout, got 'mp_data': choose one of auto, pose"):
        recognise(tmp_path, "mp_data")
    with pytest.raises(NotADirectoryError, match="which is none: check the path"):
        recognise(tmp_path / "nowhere")
    with pytest.raises(NotThisLayout, match=r"expected \.pkl files, got 1 \.(npy|pose), 1 "):
        recognise(tmp_path, "openhands")


# hand-tables and openpose


@pytest.mark.parametrize(
    ("row", "got"),
    [("5,left.wrist,0.1,0.1,0", "left.wrist"), ("6,elbow,0.1,0.1,0", "elbow"),
     ("x,3,0.1,0.1,0", "'x'"), ("99999,3,0.1,0.1,0", r"\[\]")],
)  # fmt: skip
def test_a_long_table_names_the_row_that_is_repeated_or_unknown(tmp_path, motion, row, got):
    lines = ["frame,landmark,x,y,z", "5,left.wrist,0.2,0.2,0", row]
    with pytest.raises(ValueError, match=rf"x.csv: expected one row .* got .*{got}"):
        read_file("hand-tables", tmp_path / "x.csv", "\n".join(lines))


def test_a_long_table_may_have_decimal_commas_or_spaces_and_must_have_a_row(tmp_path, motion):
    text = long_table(motion)
    german = re.sub(r"(\d)\.(\d)", r"\1,\2", text.replace(",", ";"))
    tables = text, german, text.replace(",", ", ")
    raws = [read_file("hand-tables", tmp_path / f"{i}.csv", table)
            for i, table in enumerate(tables)]  # fmt: skip
    for raw in raws[1:]:
        np.testing.assert_array_equal(raws[0].hands, raw.hands)
    with pytest.raises(ValueError, match=r"x\.csv: expected a row for each landmark, got none"):
        read_file("hand-tables", tmp_path / "x.csv", text.splitlines()[0])


@pytest.mark.parametrize(
    ("column", "sides", "names"),
    [("hand", ("Left", "Right"), range(21)), ("Handedness", (" LEFT", "right_hand"), HAND_POINTS),
     ("side", ("left", "right"), JOINTS), ("type", ("left_hand", "right_hand"), range(21))],
)  # fmt: skip
def test_a_long_table_may_name_the_hand_beside_its_landmarks(
    tmp_path, motion, column, sides, names
):
    table = sided_table(motion, column, sides, names)
    if column == "type":  # other points; the pose is seen in one frame more
        others = table.assign(type="face", landmark=400)
        pose = table.tail(1).assign(frame=FRAMES, type="pose", landmark=32)
        table = pd.concat([table, others, pose])
    raw = read_file("hand-tables", tmp_path / "x.csv", table.to_csv(index=False))
    hands = raw.hands[:FRAMES]
    np.testing.assert_allclose(hands[motion.seen], motion.hands[motion.seen], 1e-6)
    assert np.isnan(hands[~motion.seen]).all() and len(raw.hands) == FRAMES + (column == "type")


def test_hands_by_number_of_a_long_table_are_in_the_order_of_their_detection(tmp_path, motion):
    table = sided_table(motion, "hand", (0, 1)).to_csv(index=False)
    raw = read_file("hand-tables", tmp_path / "x.csv", table)
    hands = np.where(motion.seen[..., None], motion.hands, np.nan)
    np.testing.assert_allclose(raw.hands, told_apart(raw._replace(hands=hands)).hands, 1e-6)


@pytest.mark.parametrize(("change", "known"), [
    ({"hand": "both"}, "a name such as 'left.wrist', or 0 to 41"),
    ({"landmark": 21}, "0 to 20, .* hand left or right, or 0 or 1"),
])  # fmt: skip
def test_a_long_table_of_other_hands_or_landmarks_is_refused(tmp_path, motion, change, known):
    table = sided_table(motion).assign(**change).to_csv(index=False)
    with pytest.raises(ValueError, match=rf"\({known}\).* got"):
        read_file("hand-tables", tmp_path / "x.csv", table)


def test_other_columns_of_a_long_table_do_not_count(tmp_path, motion):
    """Nor one of hands beside landmarks that name theirs."""
    for landmark, columns in ((np.arange(42), {"type": "hand", "side": "front", "handedness": 0.9}),
                              (JOINT_NAMES, {"hand": "left"})):  # fmt: skip
        table = pd.DataFrame({"frame": 0, "landmark": landmark, **columns})
        table[["x", "y", "z"]] = motion.hands[0]
        raw = read_file("hand-tables", tmp_path / "x.csv", table.to_csv(index=False))
        np.testing.assert_allclose(raw.hands[0], motion.hands[0], 1e-6)


@pytest.mark.parametrize(
    ("content", "got"),
    [('{"people": [{}, {}]}', "2 people"), ('{"people": [{}]}', "hand_left_keypoints_2d"),
     ("[", "Expecting value"), ("[]", "list indices"), ('{"people": 3}', "object of type 'int'"),
     ('{"people": [{"hand_left_keypoints_2d": [1, 2, 3], "hand_right_keypoints_2d": []}]}',
      "1 points of hands")],
)  # fmt: skip
def test_a_frame_of_openpose_without_one_persons_hands_is_named(tmp_path, content, got):
    with pytest.raises(ValueError, match=rf"0_keypoints.json: expected one person .*{got}"):
        read_file("openpose", tmp_path / "0_keypoints.json", content)


def test_frames_in_which_openpose_saw_nobody_are_without_hands(tmp_path, motion):
    WRITERS["openpose"](tmp_path, motion)
    file = next((tmp_path / "hello" / "1").glob("*_000000000002_keypoints.json"))
    file.write_text('{"people": []}')
    _, _, (raw,) = read_found(tmp_path)
    assert not hands_seen(raw.hands[..., :2], raw.confidence)[2].any()
    assert np.isnan(raw.body[2]).all() and np.isfinite(raw.body[1]).all()


def test_a_folder_of_several_videos_is_a_clip_for_each_and_missing_frames_are_gaps(tmp_path):
    motions = {"ali_1": Motion(1), "ali_2": Motion(2)}
    for name, motion in motions.items():
        write_openpose(tmp_path, motion, name)
    (tmp_path / "hello" / "ali_2_000000000003_keypoints.json").unlink()
    _, clips, raws = read_found(tmp_path)
    assert [(clip.name, clip.label) for clip in clips] == [(f"hello/{n}", "hello") for n in motions]
    assert [(len(raw.hands), raw.gaps) for raw in raws] == [(FRAMES, 0), (FRAMES, 1)]
    seen = hands_seen(raws[1].hands[..., :2], raws[1].confidence)
    expected = motions["ali_2"].seen[:, ::21].copy()
    expected[3] = False
    np.testing.assert_array_equal(seen, expected)


@pytest.mark.parametrize("folder", ["keypoint/01", "01", "9.sad", "."])
def test_views_of_ai_hub_have_their_sign_and_signer(tmp_path, folder):
    """One person is no list there."""
    for form in ("WORD0001_REAL01_F", "WORD0001_REAL01_U", "WORD0002_REAL02_L"):
        write_openpose(tmp_path, Motion(), f"{folder}/NIA_SL_{form}/x")
    source = tmp_path / "hello"
    for file in source.rglob("*.json"):
        content = json.loads(file.read_text())
        file.write_text(json.dumps({"people": content["people"][0]}))
    _, clips, raws = read_found(source)
    words = ["9.sad"] * 3 if folder == "9.sad" else ["WORD0001", "WORD0001", "WORD0002"]
    assert [clip.label for clip in clips] == words
    assert [clip.signer for clip in clips] == ["REAL01", "REAL01", "REAL02"]
    assert all(len(raw.hands) == FRAMES for raw in raws)
    astray = clips[0]._replace(name="augmented/01/NIA_SL_WORD0001_REAL01_F", label="")
    assert openpose._by_name(astray).label == ""


def test_a_hand_of_openpose_with_a_joint_not_found_is_missing(tmp_path, motion):
    """Such a joint is at 0, 0."""
    write_openpose(tmp_path, motion)
    file = tmp_path / "hello" / "1" / "x_000000000002_keypoints.json"
    content = json.loads(file.read_text())
    content["people"][0]["hand_right_keypoints_2d"][15:18] = [0, 0, 0]
    file.write_text(json.dumps(content))
    _, _, (raw,) = read_found(tmp_path)
    recording, facts = judge(raw)
    assert facts["partial"] == 1
    assert recording.present[2].tolist() == [True] * 21 + [False] * 21


@pytest.mark.parametrize("layout", ["asl-signs", "hand-tables"])
def test_frames_without_a_row_keep_their_time(tmp_path, motion, layout):
    if layout == "asl-signs":
        path = write_asl(tmp_path, motion)
        rows = table(motion)
        write(path, rows[rows["frame"] != 22].reset_index(drop=True))
    else:
        header, *rows = long_table(motion).splitlines()
        left = [row for row in rows if not row.startswith("7,")]
        (tmp_path / "hello").mkdir()
        # As spreadsheets save it.
        (tmp_path / "hello" / "1.csv").write_text("\n".join([header, *left]), "utf-8-sig")
    name, _, (raw,) = read_found(tmp_path)
    assert (name, len(raw.hands), raw.gaps) == (layout, FRAMES, 1)
    assert not hands_seen(raw.hands[..., :2])[2].any()
    np.testing.assert_allclose(raw.hands[5, :, :2], motion.hands[5, :, :2], 1e-6)


def test_the_depth_of_a_wrist_is_judged_by_the_hand_in_pixels_too(tmp_path, motion):
    """Rounding leaves up to 5e-5 image widths."""
    for size in (1, 1920):
        hands = motion.hands.copy()
        hands[:, ::21, 2] = 5e-5
        raw = read_array(tmp_path, hands * size)
        assert np.isfinite(raw.hands).all()
        hands[:, 0, 2] = 0.05
        with pytest.raises(ValueError, match="expected the left wrist at depth 0"):
            read_array(tmp_path, hands * size)


def test_files_of_one_name_in_two_spellings_of_their_suffix_are_refused(tmp_path, motion):
    for suffix in ("npy", "NPY"):
        with (tmp_path / f"1.{suffix}").open("wb") as file:
            np.save(file, stack(motion))
    with pytest.raises(ValueError, match="a clip name that occurs once, got '1' for"):
        recognise(tmp_path)


def test_a_folder_that_cannot_be_read_is_named(tmp_path, motion, monkeypatch):
    write(tmp_path / "hello" / "1.npy", stack(motion))
    listed = os.scandir

    def refused(folder):
        if str(folder).endswith("hello"):
            raise PermissionError(13, "Permission denied", str(folder))
        return listed(folder)

    monkeypatch.setattr(os, "scandir", refused)
    with pytest.raises(ValueError, match="hello: expected a folder that can be read"):
        Files(tmp_path)


@pytest.mark.parametrize("name", ["signer3-1_take", "signer3_sample1_color", "signer3 1"])
def test_the_signer_in_a_name_ends_at_any_sign_that_is_no_letter(tmp_path, name):
    write(tmp_path / "hello" / f"{name}.pose", b"")
    assert [clip.signer for clip in pose.find(Files(tmp_path))] == ["3"]


@pytest.mark.parametrize("order", ["MediaPipe", "Kaggle", "TSSI"])
@pytest.mark.parametrize("columns", [2, 3])
def test_a_hand_that_is_never_seen_does_not_decide_the_order_of_points(tmp_path, columns, order):
    motion = Motion(missing=[(frame, 0) for frame in range(FRAMES)])
    points = stack(motion, 3, order == "Kaggle", nothing=0)
    if order == "TSSI":
        points = np.concatenate([points[:, 468:501], points[:, :468], points[:, 501:]], axis=1)
    raw = read_array(tmp_path, points[..., :columns])
    np.testing.assert_allclose(raw.hands[:, 21:, :2], motion.hands[:, 21:, :2], 1e-6)
    assert not hands_seen(raw.hands[..., :2])[:, 0].any()
    np.testing.assert_allclose(raw.body[0], motion.pose[0, BODY, :2], 1e-6)


def test_another_videos_frames_in_a_folder_of_one_cost_that_clip_alone(tmp_path):
    for sign, clip in product(("hello", "bye"), "12"):
        write_openpose(tmp_path / sign, Motion(), f"{clip}/x")
    write_openpose(tmp_path / "hello", Motion(), "1/second")
    layout, clips, _ = recognise(tmp_path)
    labels = [(clip.name, clip.label) for clip in clips]
    assert labels == [(f"{s}/hello/{c}", "hello") for s in ("bye", "hello") for c in "12"]
    with pytest.raises(ValueError, match=r"of one video, got those of \['second', 'x'\]"):
        LAYOUTS[layout].read(clips[2])
    assert len(LAYOUTS[layout].read(clips[3]).hands) == FRAMES


def test_frames_of_openpose_without_numbers_are_one_clip_in_the_order_of_their_names(tmp_path):
    write_openpose(tmp_path, Motion())
    for file in (tmp_path / "hello" / "1").iterdir():
        file.rename(file.with_name(file.name.replace("_keypoints", "_a_keypoints")))
    _, _, (raw,) = read_found(tmp_path)
    assert len(raw.hands) == FRAMES


@pytest.mark.parametrize("numbers", [range(0, 12, 2), [1, 4, 7, 13, 16, 19]])
def test_frames_of_which_only_every_second_or_third_was_kept_have_no_gaps_between(
    tmp_path, motion, numbers
):
    raw = mp_data.read(sequence(tmp_path, vectors(motion), [*numbers]))
    gaps = (max(numbers) - min(numbers)) // (numbers[1] - numbers[0]) + 1 - FRAMES
    assert (len(raw.hands), raw.gaps) == (FRAMES + gaps, gaps)


def test_a_face_is_no_body_where_the_pose_was_not_found(tmp_path, motion):
    """Points of a face are finite and near to a hand that is raised."""
    points = stack(motion)
    points[:, 468:501] = np.nan
    points[:, :468, :2] = motion.hands[:, 21:22, :2] + np.linspace(0, 0.05, 468)[:, None]
    raw = read_array(tmp_path, points)
    assert np.isnan(raw.body).all()
    np.testing.assert_array_equal(raw.hands[motion.seen], motion.hands[motion.seen])
