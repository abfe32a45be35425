"""A folder becomes a data set whose values are known, and a report that hides nothing."""

import os
import re
import shutil
import subprocess
import sys
import unicodedata
import zipfile
from itertools import product
from pathlib import Path, PurePath

import layout_sources as sources
import numpy as np
import pandas as pd
import pytest
from recordings import body_of, in_shoulder_widths, motion, write_letters, write_mp_data

from jointprune import data as command
from jointprune.data import load_dataset
from jointprune.importing import annotations, importer, naming, reading
from jointprune.importing.importer import import_recordings
from jointprune.importing.layouts.clips import Clip, clips_at
from jointprune.importing.layouts.values import Raw
from jointprune.importing.reading import LIMIT, judge
from jointprune.importing.report import import_summary
from jointprune.paper.fingerspelling import FOLDER
from jointprune.recordings import leading_hands
from jointprune.store import import_report

pytestmark = pytest.mark.usefixtures("alone")
SIGNS = ("merhaba", "çok güzel")
MISSING = [(1, 0), (2, 0), (2, 1)]


def raw(hands, confidence=None, body=True):
    whole = body_of(hands)[:, sources.BODY, :2]
    return Raw(hands.astype(np.float32), confidence, whole if body else whole * np.nan, 25.0)


def stop(*_):
    raise KeyboardInterrupt


def row_of(data, clip):
    return data.clips["clip"].tolist().index(clip)


def check_clip(data, clip, hands):
    """The data set holds these hands, in shoulder widths."""
    poses = data.poses[row_of(data, clip)]
    np.testing.assert_allclose(poses, in_shoulder_widths(hands), atol=1e-5)


def record(folder, paths, frames=6):
    """A sequence of another motion at each path."""
    for seed, path in enumerate(paths):
        write_mp_data(folder / path, motion(frames, seed=seed))


def paths(*parts):
    """Paths made of each combination of their parts."""
    return ["/".join(path) for path in product(*parts)]


def reasons(report, files="rejected"):
    return {row["source_file"]: row["reason"] for row in report[files]}


def change_frames(source, change, files="*/*/*.npy"):
    for file in source.glob(files):
        np.save(file, change(np.load(file)))


@pytest.fixture
def source(tmp_path):
    """Two signs, six sequences each with missing hands, and one sequence without any hand."""
    folder = tmp_path / "MP Data"
    for i, sign in enumerate(SIGNS):
        for sequence in range(6):
            hands = motion(12, seed=10 * i + sequence, missing=MISSING)
            write_mp_data(folder / sign / str(sequence), hands)
    write_mp_data(folder / SIGNS[1] / "6", np.full((3, 42, 3), np.nan))
    return folder


@pytest.fixture
def imported(data_command):
    """Exit code, standard output and error of the import command on a folder."""
    return lambda *arguments, name="mine": data_command("import", *arguments, "--name", name)


# One clip


def test_a_clip_is_measured_in_shoulder_widths_from_pixels_or_from_fractions():
    """Pixels, and fractions of a picture of known shape, give the same clip."""
    hands, scale = motion(5, missing=[(2, 1)]), np.array([640, 320, 1])
    shares = raw(hands)
    recording, judged = judge(shares)
    np.testing.assert_allclose(recording.points, in_shoulder_widths(hands), atol=1e-5)
    assert judged.pop("bones") < reading.LONGEST_BONES
    assert judged.pop("apart") > reading.LEAST_APART
    assert [*judged.values()] == ["share", "shoulders", False, 0, None, False, False, False]
    pixels = shares._replace(hands=hands * scale, body=shares.body * scale[:2])
    wide, (recording, judged) = judge(shares, aspect=2.0)[0], judge(pixels)
    np.testing.assert_allclose(recording.points, wide.points, atol=1e-4)
    assert judged["unit"] == "pixel"


def test_one_outlying_joint_does_not_turn_fractions_into_pixels_and_is_clipped():
    hands = motion(30)
    hands[3, 7, 1] = 2.05
    recording, judged = judge(raw(hands))
    assert judged["unit"] == "share" and recording.points.max() == LIMIT


def test_without_shoulders_the_palm_gives_the_scale():
    recording, judged = judge(raw(motion(9), body=False))
    palm = np.linalg.norm(recording.points[:, 0] - recording.points[:, 9], axis=-1)
    np.testing.assert_allclose(palm, 0.27, atol=1e-3)
    np.testing.assert_allclose(recording.points.mean((0, 1)), 0, atol=1e-5)
    assert (judged["unit"], judged["scale"]) == ("share", "palm")
    assert judged["swapped"] is judged["mirrored"] is None


def test_a_hand_is_missing_by_nan_by_zeros_or_by_confidence():
    hands = motion(4)
    hands[0, 3] = np.nan  # one missing joint makes its whole hand missing
    assert judge(raw(hands))[1]["partial"] == 1
    hands[1, 21:] = 0
    hands[3, 5, 0] = 0  # one zero is a coordinate
    confidence = np.ones((4, 42), dtype=np.float32)
    confidence[2, :21] = 0
    present = judge(raw(hands, confidence))[0].present
    assert present[:, ::21].tolist() == [[False, True], [True, False], [False, True], [True, True]]
    assert (present == np.repeat(present[:, ::21], 21, axis=1)).all()


def test_swapped_hands_and_mirrored_pictures_are_detected():
    whole = raw(motion(5))
    assert judge(whole._replace(hands=np.roll(whole.hands, 21, axis=1)))[1]["swapped"]
    assert judge(whole._replace(body=whole.body * [-1, 1] + [1, 0]))[1]["mirrored"]


# Labels and groups


def clips(*names, signer=""):
    return [Clip(name, name.split("/")[0], signer, "", ()) for name in names]


def test_labels_come_from_tables_with_or_without_a_header(tmp_path):
    table = tmp_path / "labels.csv"
    table.write_bytes(b"signer0_sample1,41\r\nsigner1_sample2,7\r\n")
    labels = annotations.read_tables([table], "label")
    found = annotations.with_labels(clips("train/signer0_sample1", "train/other"), labels)
    assert [clip.label for clip in found] == ["41", ""]
    assert annotations.without_clip(found, labels) == ["signer1_sample2"]
    table.write_text('clip,label\nc\u0327ay,"a\n b"\n', encoding="utf-8")
    # One spelling, one line.
    assert annotations.read_tables([table], "label") == {"çay": {"label": "a b"}}
    with pytest.raises(ValueError, match="such as 'a/1', got names such as 'x'"):
        annotations.with_labels(clips("a/1"), {"x": {"label": "1"}})


def test_a_table_of_labels_may_also_have_columns_of_signers_and_splits(tmp_path):
    table = tmp_path / "labels.csv"
    table.write_text("Participant ID,Video file,Gloss,Split\nP1,a.mp4,su,Training\nP2,b.mp4,,\n")
    with pytest.raises(ValueError, match=r":3: expected clip,label, got \['P2', 'b.mp4', '', ''\]"):
        annotations.read_tables([table], "label", "signer", "split")
    table.write_text("signer,clip,label,split\nP1,a,su,Training\n,b,su,\nP2,c,iyi,test\n")
    read = annotations.read_tables([table], "label", "signer", "split")
    found = annotations.with_labels(clips("a", "b", "c", "d"), read)
    facts = [(clip.label, clip.signer, clip.split) for clip in found]
    assert facts == [("su", "P1", "train"), ("su", "", ""), ("iyi", "P2", "test"), ("", "", "")]
    with pytest.raises(
        ValueError, match=r"a signer for every clip, .* 1 without, such as 'b' \('a' has"
    ):
        annotations.group_rule("")(found[:3])  # also if the name of the clip gives one
    other = tmp_path / "more.csv"
    other.write_text("clip,label,split\nb,su,fold 1\n")
    for tables in ([table, other], [other, table]):
        read = annotations.read_tables(tables, "label", "signer", "split")
        assert read["a"]["signer"] == "P1" and read["b"] == {"label": "su", "split": "fold 1"}
    assert {clip.split for clip in annotations.with_labels(clips("a", "b"), read)} == {""}
    assert annotations.read_tables([table], "label")["a"] == {"label": "su"}
    table.write_text("clip,label,split\na,su,train\na,su,test\n")
    with pytest.raises(ValueError, match="expected one split for the clip 'a', got 'train' and"):
        annotations.read_tables([table], "label", "split")


def test_signers_and_splits_of_a_table_of_labels_are_those_of_the_import(
    source, workspace, tmp_path
):
    facts = {
        f"{sign}/{i}": (sign.upper(), f"s{i % 4}", "test" if i % 4 > 1 else "train")
        for sign, i in product(SIGNS, range(6))
    }
    table = tmp_path / "labels.csv"
    rows = ["file,label,signer,split", *(",".join([name, *row]) for name, row in facts.items())]
    table.write_text("\n".join(rows), encoding="utf-8")
    data, report = import_recordings(source, "mine", workspace, labels=[table])
    assert report["groups_by"] == "signer"
    rows = data.clips[["clip", "label", "signer", "split"]].itertuples(index=False)
    assert {name: tuple(row) for name, *row in rows} == facts


def test_tables_of_labels_and_signers_among_tables_of_hands_are_no_clips(tmp_path, workspace):
    source = tmp_path / "poses"
    for i in range(12):
        sources.write(source / f"{i}.csv", sources.long_table(sources.Motion(i)))
    labels = "".join(f"{i},{'su' if i < 6 else 'iyi'}\n" for i in range(12))
    sources.write(source / "labels.csv", labels)
    sources.write(source / "signers.csv", "".join(f"{i},p{i % 3}\n" for i in range(12)))
    tables = {"labels": [source / "labels.csv"], "groups": str(source / "signers.csv")}
    data, report = import_recordings(source, "mine", workspace, **tables)
    assert sorted(data.clips["clip"], key=int) == [*map(str, range(12))]
    assert (report["rejected"], report["unmatched"], report["other_kinds"]) == ([], [], {})


@pytest.mark.parametrize("text", [
    "Kişi;Dosya;Kelime\nayşe;a;evet, tabii\ncan;b;çay\n",
    "dosya ad\u0131\tişaret\tKATILIMCI\na\tevet, tabii\tayşe\nb\tçay\tcan\n",
    'clip,label,signer\na,"evet, tabii",ayşe\nb,çay,can\n',
])  # fmt: skip
def test_tables_have_any_common_mark_and_columns_in_turkish(tmp_path, text):
    table = tmp_path / "etiketler.csv"
    table.write_text(text, encoding="utf-8-sig")
    assert annotations.read_tables([table], "label", "signer") == {
        "a": {"label": "evet, tabii", "signer": "ayşe"}, "b": {"label": "çay", "signer": "can"},
    }  # fmt: skip


def test_a_sign_with_a_comma_does_not_divide_a_row_by_commas(tmp_path):
    table = tmp_path / "labels.csv"
    table.write_text("a;evet, tabii\nb;çay\nc;su\n", encoding="utf-8")
    labels = annotations.read_tables([table], "label")
    assert [labels[clip]["label"] for clip in "abc"] == ["evet, tabii", "çay", "su"]
    wide = [",".join([*row, *40_000 * ["0.1"]]) for row in (("clip", "label"), ("a", "su"))]
    table.write_text("\n".join(wide))
    assert annotations.read_tables([table], "label") == {"a": {"label": "su"}}


def test_a_table_that_cannot_be_right_is_refused(tmp_path):
    table = tmp_path / "t.csv"
    with pytest.raises(ValueError, match=r"t\.csv: expected a CSV file .* No such file"):
        annotations.read_tables([table], "label")
    for text, message in (
        ("a,1\na,2\n", ":2: expected one label for the clip 'a'"),
        ("a 1\n", ":1: expected clip,label"),
        ("clip,label\n\n", ": expected rows of clip,label, got none"),
        ("a/1,Bjørn\n", ": expected a CSV file in UTF-8"),
    ):
        table.write_text(text, encoding="latin-1")
        with pytest.raises(ValueError, match=rf"t\.csv{message}"):
            annotations.read_tables([table], "label")


def test_a_name_in_a_table_means_one_clip(tmp_path):
    table = tmp_path / "labels.csv"

    def labelled(text, *names):
        table.write_text(text)
        labels = annotations.read_tables([table], "label")
        found = annotations.with_labels(clips(*names), labels)
        return {clip.name: clip.label for clip in found}, annotations.without_clip(found, labels)

    of_one = labelled("path,label\nayşe/000.npy,su\n", "ali/000", "ayşe/000")
    assert of_one == ({"ali/000": "", "ayşe/000": "su"}, [])
    of_both = "path,label\ndata\\ali\\000.npy,su\ndata\\can\\000.npy,iyi\n"
    assert labelled(of_both, "ali/000", "can/000")[0] == {"ali/000": "su", "can/000": "iyi"}
    assert labelled(of_both, "ali/000") == ({"ali/000": "su"}, ["data/can/000"])
    deeper = labelled("path,label\nali/000.npy,su\n", "poses/ali/000", "poses/can/000")
    assert deeper[0] == {"poses/ali/000": "su", "poses/can/000": ""}
    # Folders of other names: the last part is enough where it occurs once on both sides.
    other = "path,label\nvideos/{}/a1.mp4,su\n"
    assert labelled(other.format("x"), "poses/a1", "poses/a2")[0]["poses/a1"] == "su"
    assert labelled(other.format("train"), "poses/train/a1")[0] == {"poses/train/a1": "su"}
    # But not if other names in the table have the same folders, or those of another split.
    missing = labelled("ali/1,su\nveli/9,iyi\n", "ali/1", "ali/9")
    assert missing == ({"ali/1": "su", "ali/9": ""}, ["veli/9"])
    with pytest.raises(ValueError, match="expected labels for clips such as 'poses/test/a1'"):
        labelled(other.format("train"), "poses/test/a1")
    # Dots are no suffixes, and names may have the suffix of a recording, in tables of any kind.
    for text in ("{},su\n", "clip,label\n{},su\n", "path,label\nx/{}.npy,su\n"):
        assert labelled(text.format("01.03.2024_a"), "01.03.2024_a")[0] == {"01.03.2024_a": "su"}
        assert labelled(text.format("a1_color.mp4"), "a1")[0] == {"a1": "su"}
    with pytest.raises(ValueError, match="got '000' for 'test/000' and 'train/000': write paths"):
        labelled("000,su\n", "test/000", "train/000")
    with pytest.raises(ValueError, match="expected one name for the clip '000'"):
        labelled("path,label\na/000.npy,su\nb/000.npy,iyi\n", "000")


def test_groups_are_signers_by_layout_block_pattern_or_table(tmp_path):
    some = clips("a/0", "a/9", "a/10", "b/19")

    def groups(rule, clips=some):
        found, kind = annotations.group_rule(rule)(clips)
        assert kind == "signer"
        return [*found.values()]

    assert groups("blocks:10") == ["signer 1", "signer 1", "signer 2", "signer 2"]
    assert groups("pattern:/(.)") == ["0", "9", "1", "1"]
    (tmp_path / "g.csv").write_text("0,ann\n9,ann\n10,bo\nb/19,cy\n")
    assert groups(str(tmp_path / "g.csv")) == ["ann", "ann", "bo", "cy"]
    assert groups("", clips("a/0", signer="7")) == ["7"]
    for rule, mixed in (("pattern:(a)", some), ("", [*clips("a/1", signer="3"), *some[3:]])):
        with pytest.raises(
            ValueError, match=r"a signer for every clip, .* 1 without, such as 'b/19'"
        ):
            groups(rule, mixed)


def test_without_signers_groups_are_parts_and_each_side_of_a_split_has_its_own():
    found, kind = annotations.group_rule("")(clips(*(f"a/{i}" for i in range(24)), "b/0"))
    assert kind == "part"
    assert [*found.values()] == [f"part {1 + i // 2}" for i in range(24)] + ["part 1"]
    some = [Clip(f"{s}/{i}", "a", "", s, ()) for s in ("train", "test") for i in range(2)]
    assert [*annotations.parts(some).values()] == [
        f"{side} part {i}" for side in ("train", "test") for i in (1, 2)
    ]


@pytest.mark.parametrize("form", ["good ({})", "{}/pose", "copy ({})", "original{}"])
def test_clips_that_differ_by_a_number_alone_are_no_copies(form):
    """As several files are renamed in Windows, or folders that hold a file of one name each."""
    found = annotations.parts(clips(*("a/" + form.format(i) for i in range(1, 13))))
    assert len({*found.values()}) == annotations.PARTS


@pytest.mark.parametrize("ends", [("_flipped",), ("_noise", "_rotated2", "_scaled"), (" (1)",)])
def test_a_clip_and_its_altered_copies_are_in_one_part(ends):
    names = [f"a/{i}{end}" for i in range(40) for end in ("", *ends)]
    found = annotations.parts(clips(*names))
    assert len({*found.values()}) == annotations.PARTS
    for name in names[:: 1 + len(ends)]:
        assert {found[f"{name}{end}"] for end in ends} == {found[name]}
    groups = {
        clip.group for clip in found_at(names + [name.replace("a", "b", 1) for name in names])
    }
    assert groups == {""}  # no persons called "noise"


def test_a_rule_is_refused_before_any_recording_is_looked_for(imported, tmp_path, monkeypatch):
    monkeypatch.setattr(importer, "recognise", stop)
    for groups, message in (
        ("blocks:0", "expected blocks:N"),
        ("pattern:(", "expected a regular expression, got '('"),
        ("none.csv", "clip,signer, blocks:N or pattern:REGEX, got 'none.csv'"),
    ):
        code, _, said = imported(tmp_path, "--groups", groups)
        assert code == 1 and message in said


# The whole


def test_a_folder_becomes_a_data_set_and_a_report(source, workspace):
    data, report = import_recordings(source, "mine", workspace)
    assert set(data.classes) == set(SIGNS) and len(data) == 12
    check_clip(data, "çok güzel/0", motion(12, seed=10, missing=MISSING))
    assert set(data.groups) == {f"part {i}" for i in range(1, 7)}
    assert set(data.signers) == {"unknown"}
    assert report["missing"] == {"left": pytest.approx(2 / 12), "right": pytest.approx(1 / 12)}
    assert reasons(report) == {
        "çok güzel/6": "expected a whole hand in some frame, got none in any"
    }
    assert import_report(workspace.processed / "mine") == report
    assert not (workspace.processed / ".import-mine").exists()


def test_an_interrupted_import_continues_and_ends_alike(source, workspace, monkeypatch):
    monkeypatch.setattr(reading, "CHUNK", 4)
    whole, _ = import_recordings(source, "whole", workspace)
    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr(importer, "_store", stop)
        import_recordings(source, "again", workspace)
    jobs_left = []
    monkeypatch.setattr(reading, "on_every_core", lambda f, jobs, *_: jobs_left.extend(jobs) or [])
    again, _ = import_recordings(source, "again", workspace)
    assert not jobs_left
    assert np.array_equal(again.poses, whole.poses) and again.clips.equals(whole.clips)


def test_a_changed_recording_is_read_again(source):
    clip = Clip("a", "a", "", "", tuple((source / SIGNS[0] / "0").iterdir()))
    before = reading._chunk_name("mp-data", [clip], 1.0, False)
    assert reading._chunk_name("mp-data", [clip], 1.0, True) != before
    np.save(clip.files[0], np.ones(1662))
    shutil.copystat(source, clip.files[0])
    assert reading._chunk_name("mp-data", [clip], 1.0, False) != before


@pytest.mark.parametrize("content", [b"", b"PK", None])
def test_a_damaged_part_of_an_interrupted_import_is_read_again(
    source, workspace, monkeypatch, content
):
    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr(importer, "_check_source", stop)
        import_recordings(source, "mine", workspace)
    (part,) = (workspace.processed / ".import-mine").glob("*.npz")
    whole = bytearray(part.read_bytes())
    whole[len(whole) // 2] ^= 1
    part.write_bytes(whole if content is None else content)
    assert import_recordings(source, "mine", workspace)[1]["clips"] == 12


def test_two_imports_under_one_name_exclude_each_other(source, workspace):
    """The second gets an error and changes nothing; it may start when the first has ended."""
    folder = workspace.processed / ".import-mine"
    first = "from pathlib import Path; from jointprune.workspace import held\n"
    first += f"with held(Path({str(folder)!r}), 'a test'): print('in', flush=True); input()"
    arguments = [sys.executable, "-c", first]
    with subprocess.Popen(arguments, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as other:
        assert other.stdout.readline() == b"in\n"
        (folder / "read.npz").touch()
        with pytest.raises(BlockingIOError, match=r"an import of 'mine' .*wait"):
            import_recordings(source, "mine", workspace)
        assert (folder / "read.npz").is_file()
        other.communicate(b"\n")
    data, _ = import_recordings(source, "mine", workspace)
    assert len(data) == 12 and not folder.exists()


def in_half_precision(folder):
    for file in folder.iterdir():
        np.save(file, np.load(file).astype(np.float16))


def with_an_empty_frame(folder):
    np.save(folder / "12.npy", np.zeros(1662))


def with_its_last_frame_again(folder):
    shutil.copy(folder / "11.npy", folder / "12.npy")


def without_an_end(folder):
    (folder / "11.npy").unlink()
    (folder / "0.npy").unlink()


@pytest.mark.parametrize(
    "change",
    [None, in_half_precision, with_an_empty_frame, with_its_last_frame_again, without_an_end],
)
def test_one_recording_in_two_groups_is_reported_as_a_leak(source, workspace, change):
    copy = shutil.copytree(source / SIGNS[0] / "0", source / SIGNS[0] / "7")
    if change:
        change(copy)
    _, report = import_recordings(source, "mine", workspace)
    (leak,) = report["leaks"]
    assert set(leak) == {"merhaba/0", "merhaba/7"} and report["copies"] == [leak]
    assert "A LEAK" in import_summary(report).upper()


def test_a_recording_under_two_labels_is_left_out_unless_wanted(source, workspace):
    without_an_end(shutil.copytree(source / SIGNS[0] / "0", source / SIGNS[1] / "7"))
    data, report = import_recordings(source, "mine", workspace)
    left_out = reasons(report)
    assert len(data) == 11 and set(left_out) == {"merhaba/0", "çok güzel/6", "çok güzel/7"}
    assert left_out["çok güzel/7"] == f"the same recording has the labels {sorted(SIGNS)}"
    # Behind the clip that left:
    check_clip(data, "çok güzel/0", motion(12, seed=10, missing=MISSING))
    data, report = import_recordings(source, "mine", workspace, keep_contradictions=True)
    assert len(data) == 13 and set(report["leaks"][0]) == {"merhaba/0", "çok güzel/7"}


@pytest.mark.parametrize(("cut", "same"), [(8, True), (15, True), (20, False), (30, False)])
def test_a_cut_of_a_recording_is_the_same_if_it_holds_three_quarters_of_its_frames(
    tmp_path, workspace, cut, same
):
    """Takes that were cut from one long recording, and share less, are two."""
    for i, sign in enumerate(SIGNS):
        for person in range(3):
            hands = motion(60, seed=10 * i + person)
            write_mp_data(tmp_path / "own" / f"p{person}" / sign / "0", hands)
    write_mp_data(tmp_path / "own" / "p0" / SIGNS[1] / "1", motion(60, seed=0)[cut:])
    _, report = import_recordings(tmp_path / "own", "own", workspace)
    assert len(reasons(report)) == 2 * same


def test_a_clip_of_the_frame_from_which_all_others_start_is_no_copy(tmp_path, workspace):
    """As those of an avatar at rest."""
    rest = motion(1, seed=99)
    for i, sign in enumerate(SIGNS):
        for person in range(3):
            hands = np.concatenate([rest, motion(5, seed=10 * i + person)])
            write_mp_data(tmp_path / "own" / f"p{person}" / sign / "0", hands)
    write_mp_data(tmp_path / "own" / "p0" / SIGNS[1] / "1", rest)
    data, report = import_recordings(tmp_path / "own", "own", workspace)
    assert len(data) == 7 and report["copies"] == []


def test_a_frame_that_many_clips_show_says_nothing(monkeypatch):
    """Otherwise memory would grow with the square of the number of clips."""
    sketches = pd.Series(["".join(f"{i:016x}" for i in (0, n, n + 1)) for n in (1, 2, 7, 7)])
    assert reading.same_recording(sketches).nnz == 4 + 2  # each itself, and the last two
    monkeypatch.setattr(reading, "COMMON", 3)
    assert reading.same_recording(sketches).nnz == 4 + 2
    monkeypatch.setattr(reading, "COMMON", 1)
    assert reading.same_recording(sketches).nnz == 2  # of what only one clip shows


def lead(hand, seed, still=None):
    """A motion in which a hand is seen alone, or in which the other one, `still`, hardly moves."""
    hands = motion(12, seed=seed)
    side = slice(21, 42) if hand == "left" else slice(0, 21)
    hands[:, side] = np.nan if still is None else hands[:1, side]
    return hands


def test_the_leading_hand_is_put_on_the_right_clip_by_clip(tmp_path, workspace):
    """By presence or by motion; a clip that shows neither follows its signer's other clips."""
    known = {
        "signer1_0": (lead("right", 0), "right"), "signer1_1": (lead("left", 1), "left"),
        "signer1_2": (lead("left", 2, still=True), "left"),
        "signer2_0": (lead("right", 3, still=True), "right"),
        "signer3_0": (lead("right", 4), "right"),
    }  # fmt: skip
    for sign in SIGNS:
        for name, (hands, _) in known.items():
            write_mp_data(tmp_path / "s" / sign / name, hands * (1.01 if sign == SIGNS[0] else 1))
    where = {"groups": r"pattern:(signer\d)"}
    data, report = import_recordings(tmp_path / "s", "mine", workspace, **where)
    found = dict(zip(data.clips["clip"], data.clips["leading_hand"], strict=True))
    for name, (hands, leading) in known.items():
        assert found[f"{SIGNS[0]}/{name}"] == leading
        clip = row_of(data, f"{SIGNS[0]}/{name}")
        seen = np.isfinite(hands[:, ::21, 0]).mean(0)
        assert (
            data.present[clip, :12, ::21].mean(0).tolist()
            == (seen[::-1] if leading == "left" else seen).tolist()
        )
    assert report["leading_hand"] == {"clip": 10} and report["mirrored"] == 4
    as_it_is, report = import_recordings(
        tmp_path / "s", "mine", workspace, leading_hand="recorded", **where
    )
    assert set(as_it_is.clips["leading_hand"]) == {""} and report["mirrored"] == 0
    assert "leading hand: 10 by recorded" in import_summary(report)


def test_a_clip_that_shows_no_leading_hand_follows_its_signer():
    clips = pd.DataFrame({
        "signer": ["a", "a", "a", "b", "b", "unknown", "unknown"], "left": 1, "right": 1,
        "leads": ["left", "left", "", "right", "left", "left", ""],
    })  # fmt: skip
    found = leading_hands(clips)
    assert found["leads"].tolist() == ["left", "left", "left", "right", "left", "left", ""]
    assert found["by"].tolist() == ["clip", "clip", "signer", "clip", "clip", "clip", "recorded"]
    by_signer = leading_hands(clips.assign(left=[3, 0, 1, 1, 1, 9, 9]), "signer")
    assert by_signer["leads"].tolist() == ["left"] * 3 + ["right"] * 2 + ["", ""]
    with pytest.raises(ValueError, match="way to find the leading hand, got 'hand'"):
        leading_hands(clips, "hand")


def test_a_folder_above_the_sign_is_the_group(source, workspace, tmp_path):
    """In a project's folder, beside a README, a script and a model; of sessions if called so."""
    project = tmp_path / "project"
    for i in range(4):
        shutil.copytree(source, project / "data" / f"day {i}")
        change_frames(project / "data" / f"day {i}", lambda frame, i=i: frame * (1 + 0.01 * i))
    for name in ("README.md", "train.py", "models/weights.npy"):
        (project / name).parent.mkdir(exist_ok=True)
        (project / name).write_bytes(b"")
    data, report = import_recordings(project, "mine", workspace, group_word="session")
    assert set(data.groups) == {f"day {i}" for i in range(4)} and set(data.signers) == {"unknown"}
    assert report["groups_by"] == data.meta["groups_by"] == "session"
    assert [row["source_file"] for row in report["unmatched"]] == ["models/weights.npy"]
    assert set(data.classes) == set(SIGNS) and len(data) == 48


def found_at(names):
    return clips_at({PurePath(name): [Path("x")] for name in names})


def groups_and_labels(clips):
    return {(clip.group, clip.label) for clip in clips}


def check_a_stray_file(others, stray, expected):
    """It has no label, and costs no other clip its group and sign."""
    found = found_at([*others, stray])
    assert [clip.name for clip in found if not clip.label] == [stray]
    assert groups_and_labels(clip for clip in found if clip.label) == expected


def test_folders_in_a_signs_folder_are_no_signs():
    """Copies beside the clips, and a few files above many."""
    whole = paths("abc", ["1", "2", "augmented/1"])
    found = found_at(whole)
    assert {clip.name for clip in found if not clip.label} == {f"{s}/augmented/1" for s in "abc"}
    assert {clip.label for clip in found if clip.label} == {*"abc"}
    people = paths("abc", ["x/1", "x/2", "x/3", "y/1", "y/2", "y/3", "mean"])
    found = found_at(people)
    assert {clip.name for clip in found if not clip.label} == {f"{p}/mean" for p in "abc"}
    assert groups_and_labels(c for c in found if c.label) == {*product("abc", "xy")}


def test_kinds_of_signs_above_the_signs_are_no_groups():
    found = found_at(paths(["food/tea", "food/milk", "home/door"], "012"))
    assert {clip.group for clip in found} == {""}
    assert groups_and_labels(found_at(paths("ab", "xy", "0"))) == {*product("ab", "xy")}


@pytest.mark.parametrize("other", ["dev", "extra"])
def test_a_published_split_is_seen_under_other_names(other):
    parts = ("Training", "TEST", other)
    found = found_at(f"{part}/{sign}/{part}" for part, sign in product(parts, "ab"))
    splits = {"train", "test", "val" if other == "dev" else other}
    assert {clip.split for clip in found} == splits and {clip.label for clip in found} == {*"ab"}


@pytest.mark.parametrize("form", ["{}", "{}_keypoints", "{}_npy", "autsl_{}_mediapipe", "{}_data"])
def test_splits_without_signs_below_are_seen_beside_a_few_other_files(form):
    names = [f"{form.format(split)}/{i}" for split in ("train", "val", "test") for i in range(10)]
    found = found_at([*names, "stats/mean_std"])
    assert {clip.split for clip in found} == {"train", "val", "test", "stats"}
    assert {clip.split for clip in found_at(names)} == {"train", "val", "test"}


@pytest.mark.parametrize("form", ["{} seti", "01_{}", "{}set", "{}Data", "{}_split"])
def test_splits_are_seen_under_names_of_several_words(form):
    names = map(form.format, ("train", "test", "val"))
    found = found_at(paths(names, ("ali", "berna", "can"), "ab", "12"))
    assert {clip.split for clip in found} == {"train", "test", "val"}
    assert {clip.label for clip in found} == {*"ab"}


@pytest.mark.parametrize("names", [
    ("MP_Data_Train", "MP_Data_Val", "MP_Data_Test"), ("X_train", "X_test"),
    ("wlasl100_test", "wlasl100_train"), ("train_processed", "val_raw", "test_processed"),
    ("train_augmented", "val", "test"),
])  # fmt: skip
def test_words_beside_all_splits_do_not_hide_them(names):
    splits = {re.search("train|val|test", name.lower())[0] for name in names}
    for parts in ((names, "ab", "12"), (["data"], names, ("ali", "can", "ece"), "ab", "12")):
        found = found_at(paths(*parts))
        assert {clip.split for clip in found} == splits
        assert {clip.group for clip in found} == {""} if len(parts) == 3 else {"ali", "can", "ece"}
    persons = found_at(paths(names, ("su", "iyi"), ("p1", "p2"), "12"))
    assert groups_and_labels(persons) == {*product(("p1", "p2"), ("su", "iyi"))}


@pytest.mark.parametrize("names", [
    ("ali_train", "ali_test", "can"), ("ali_train", "can_test", "ece_test"), ("my_train", "my_val"),
])  # fmt: skip
def test_words_beside_some_splits_are_names_of_groups(names):
    found = found_at(paths(names, "ab", "12"))
    assert {clip.group for clip in found} == {*names} and {clip.split for clip in found} == {""}


def test_sessions_called_test_by_number_are_no_split():
    for names in (("test1", "test2", "test3"), ("dev1", "dev2", "dev3", "dev4")):
        found = found_at(paths(names, "ab", "12"))
        assert {clip.split for clip in found} == {""} and {clip.group for clip in found} == {*names}


@pytest.mark.parametrize("days", [("day1", "day2"), ("Gün 1", "Gün 2", "Gün 3"), ("cam1", "cam2")])
def test_days_or_cameras_beside_persons_are_not_the_groups(days):
    persons = ("ali", "berna", "can")
    for parts in ((days, persons), (persons, days)):
        assert {clip.group for clip in found_at(paths(*parts, "ab", "12"))} == {*persons}
    assert {clip.group for clip in found_at(paths(days, "ab", "12"))} == {*days}


@pytest.mark.parametrize("below", [("take1", "take2", "take3"), ("front", "left", "right")])
def test_two_persons_are_the_groups_whatever_lies_below_them(below):
    found = found_at(paths(("ali", "veli"), below, "ab", "12"))
    assert {clip.group for clip in found} == {"ali", "veli"}


def test_spaces_in_folders_of_persons_and_numbers_of_takes_make_no_other_person():
    found = found_at([*paths(("ali", "berna", "can"), "ab", "12"), *paths(["ali "], "ab", "3")])
    assert {clip.group for clip in found} == {"ali", "berna", "can"}
    assert annotations.group_rule("")(found)[1] == "folder"
    takes = [f"{name}_take{i}_v{i}" for name in ("ali", "berna", "can") for i in (1, 2)]
    assert {clip.group for clip in found_at(paths("ab", takes))} == {"ali", "berna", "can"}


def test_folders_of_augmented_copies_are_left_out_beside_others(tmp_path):
    names = paths(("ali", "berna", "can"), "ab", "12")
    copies = [f"augmented/{name}" for name in names]
    found = found_at([*names, *copies])
    assert {clip.name for clip in found if not clip.label} == {*copies}
    assert {clip.group for clip in found if clip.label} == {"ali", "berna", "can"}
    assert all(clip.label for clip in found_at(copies))
    assert [clip.name for clip in found_at([*copies, "misc"]) if not clip.label] == ["misc"]
    months = found_at(paths(("jul", "aug", "sep"), "ab", "12"))
    assert {clip.group for clip in months} == {"jul", "aug", "sep"}


def test_folders_that_hold_everything_hide_neither_splits_nor_groups():
    found = found_at(paths(["data"], ["poses"], ["train", "test"], "ab", "xy", "12"))
    assert {clip.split for clip in found} == {"train", "test"}
    assert groups_and_labels(found) == {*product("ab", "xy")}
    assert {clip.name.count("/") for clip in found} == {5}


@pytest.mark.parametrize(
    "people",
    [["signer1", "signer02"], ["P1", "P2"], ["Session 1", "session_2"], ["Kişi 1", "Kişi 02"]],
)
def test_folders_called_person_by_number_are_groups_below_signs_too(people):
    expected = {*product(people, ("su", "iyi"))}
    for order in ([people, ("su", "iyi")], [("su", "iyi"), people]):
        for parts in (order, [["data"], *order], [("train", "test"), *order]):
            assert groups_and_labels(found_at(paths(*parts, "12"))) == expected
        for stray in ("mean", "su/mean", "su/x/old/mean"):
            check_a_stray_file(paths(*order, "123456789"), stray, expected)


@pytest.mark.parametrize("last", ["landmarks", "npy_data"])
def test_a_last_folder_of_all_clips_is_their_form_and_no_sign(last):
    for above in (["ab"], [["all"], "ab"], [("train", "test"), "ab"]):
        found = found_at(paths(*above, [last], "12"))
        assert {clip.label for clip in found} == {*"ab"} and {clip.group for clip in found} == {""}
    found = found_at(paths(("ali", "can"), "ab", [last], "12"))
    assert groups_and_labels(found) == {*product(("ali", "can"), "ab")}
    for above, sign in (("ab", "hello"), ("ab", "1"), ("ab", "clean"), (("train", "test"), last)):
        assert {clip.label for clip in found_at(paths(above, [sign], "12"))} == {sign}


def test_signs_called_as_persons_stay_signs():
    people = ["p1", "p2"]
    for parts in ([people, "12"], [["data"], people, "12"], [("train", "test"), people, "12"]):
        assert {clip.label for clip in found_at(paths(*parts))} == {*people}
    both = found_at(paths(["user1", "user2"], people, "12"))
    assert groups_and_labels(both) == {*product(["user1", "user2"], people)}


def test_a_stray_file_costs_no_other_clip_its_group():
    whole = paths("abc", "xy", "123")
    for stray in ("mean", "a/mean", "a/x/old/1"):
        check_a_stray_file(whole, stray, {*product("abc", "xy")})
    beside = paths("def", "123456")  # two depths: neither is astray
    assert all(clip.label for clip in found_at(whole + beside))
    deeper = whole + paths("d", ["day 1"], "xy", "123")
    assert groups_and_labels(found_at(deeper)) == {*product("abcd", "xy")}


@pytest.mark.parametrize(
    "pattern",
    ["{person}_{number}", "{person}-{sign}-{number}", "{sign} {person} {number}",
     "{number}_{person}", "{person}_{number}_{number}", "{person}_{number}_flip",
     "{person}_{number} - Kopya", "{person}{number}", "{number} {person} aug2"],
)  # fmt: skip
def test_names_before_the_numbers_of_clips_are_groups(pattern):
    names = [
        f"{sign}/{pattern.format(person=person, sign=sign, number=number)}"
        for person, sign, number in product(["ayşe", "ali b", "can"], ["su", "iyi"], "12")
    ]
    groups, rule = annotations.group_rule("")(found_at(names))
    assert rule == "name"
    assert {group.replace("_", " ") for group in groups.values()} == {"ayşe", "ali b", "can"}
    assert all(group.replace("_", " ") in name for name, group in groups.items())
    split = found_at(paths(("train", "test"), names))
    assert {clip.group for clip in split} == {""}  # which may have the same names on both sides


@pytest.mark.parametrize("people", [("ayşe", "ali", "su"), ("p1", "p2", "p3")])
def test_persons_called_like_a_sign_or_by_number_stay_apart(people):
    names = [f"{sign}/{person}_{number}" for person, sign, number
             in product(people, ("su", "iyi", "çay"), "12")]  # fmt: skip
    names.append(f"iyi/{people[0].upper()}_3")
    assert {clip.name: clip.group for clip in found_at(names)} == {
        name: name.split("/")[1].split("_")[0].lower() for name in names
    }


@pytest.mark.parametrize(
    ("form", "group"),
    [("User_{0}_00{1}", "user_{}"), ("subject-{0}-trial-{1}", "subject-{}"),
     ("{2}_signer_{0}_{1}", "signer_{}")],
)  # fmt: skip
def test_a_word_for_a_person_and_its_number_are_a_group_beside_other_numbers(form, group):
    expected = {
        f"{sign}/{form.format(person, take, sign)}": group.format(person)
        for sign, person, take in product(("su", "iyi"), "1234", "12")
    }
    assert {clip.name: clip.group for clip in found_at(expected)} == expected


@pytest.mark.parametrize("form", ["{code}_{person}_{take}", "{sign}_w{code}_{person}_{take}"])
def test_codes_of_signs_in_the_names_of_clips_hide_no_person(form):
    """Nor are numbers of recordings that go on from sign to sign such codes."""
    expected = {
        f"{sign}/{form.format(sign=sign, code=f'{code:03d}', person=person, take=take)}": person
        for (code, sign), person, take in product(
            enumerate(("red", "blue", "green"), 1), ("001", "002", "003"), "12"
        )
    }
    assert {clip.name: clip.group for clip in found_at(expected)} == expected
    beside = {f"{sign}/00{i}_{person}": person for i, sign in enumerate(("red", "blue"))
              for person in ("s1", "s2", "s3")}  # fmt: skip
    assert {clip.name: clip.group for clip in found_at(beside)} == beside
    ends = {f"{sign}/{person}_{i}": person for i, sign in enumerate(("red", "blue"))
            for person in ("01", "02", "03")}  # fmt: skip
    assert {clip.name: clip.group for clip in found_at(ends)} == ends


@pytest.mark.parametrize(
    "names",
    [
        *([f"{sign}/{take.format(sign=sign, n=n)}" for sign, n in product(("su", "iyi"), "1234")]
          for take in ("video{n}", "{sign}{n}", "{sign}_v{n}", "take {n}", "clip0{n}", "{n}")),
        *(paths(("su", "iyi"), two) for two in (["ali_1", "can_1"], ["clip_1", "clip_2"])),
        ["su/a1_1", "iyi/b2_1", "yok/c3_1"],
    ],
)  # fmt: skip
def test_takes_and_other_names_are_no_groups(names):
    """Two names may be versions of one recording; a name of one sign is no person's."""
    found = found_at(names)
    assert {clip.group for clip in found} == {""}
    assert annotations.group_rule("")(found)[1] == "part"


@pytest.mark.parametrize("mark", [",", ";"])
@pytest.mark.parametrize(
    "name", ["{sign}_{person}_{n}", "{person}/{sign}{n}", "egitim/{person}/{sign}{n}"]
)
def test_groups_follow_from_names_and_folders_after_a_table_has_given_the_labels(
    tmp_path, name, mark
):
    known = {name.format(sign=s, person=p, n=n): (s, p)
             for s, p, n in product(("su", "iyi"), ("ayşe", "ali", "can"), "12")}  # fmt: skip
    table = tmp_path / "labels.csv"
    lines = [f"clip{mark}label", *(f"{clip}{mark}{sign}" for clip, (sign, _) in known.items())]
    table.write_text("\n".join(lines), encoding="utf-8")
    labels = annotations.read_tables([table], "label")
    labelled = annotations.with_labels(found_at(known), labels)
    assert {clip.name: (clip.label, clip.group) for clip in labelled} == known


def test_folders_that_a_table_gives_one_label_are_no_groups():
    found = found_at(paths(["sua", "sub", "iyia", "iyib"], "12"))
    labels = {clip.name: {"label": clip.name.split("/")[0][:-1]} for clip in found}
    assert {clip.group for clip in annotations.with_labels(found, labels)} == {""}


def test_odd_names_among_those_of_persons_have_groups_of_their_own():
    """A guest with one sign, a copy by Windows, a number alone; signs in other letters."""
    names = [f"{sign}/{person}_{word}_{number}" for person in ("ali", "berna", "can")
             for sign, word in (("İyi", "iyi"), ("çay", "cay")) for number in range(5)]  # fmt: skip
    found = found_at([*names, "çay/ali_2 (1)", "çay/guest_1", "çay/7"])
    groups = {clip.name: clip.group for clip in found}
    assert set(groups.values()) == {"ali", "berna", "can", "guest", "çay/7"}
    assert groups["çay/ali_2 (1)"] == "ali"


def test_signs_that_differ_in_capitals_accents_or_marks_are_in_the_report(source, workspace):
    record(source, paths(["Merhaba", "cok_guzel", "?", "!"], "012"))
    report = import_recordings(source, "mine", workspace)[1]
    assert {*map(frozenset, report["alike"])} == {
        frozenset({"Merhaba", "merhaba"}), frozenset({"cok_guzel", "çok güzel"}),
    }  # fmt: skip
    assert "Merhaba and merhaba" in import_summary(report)


def test_patterns_find_signs_and_groups_in_any_order_of_folders(source, workspace, tmp_path):
    """<sign>/<person> in place of <person>/<sign>."""
    record(tmp_path / "turned", paths("xyz", ("ali", "berna", "can"), "12"))
    options = {"labels": ["pattern:^([^/]+)/"], "groups": "pattern:^[^/]+/([^/]+)/"}
    data, report = import_recordings(tmp_path / "turned", "turned", workspace, **options)
    assert data.classes == ("x", "y", "z") and set(data.groups) == {"ali", "berna", "can"}
    assert "\nsigns: x, y, z\nsigners: ali, berna, can\n" in import_summary(report)
    plain = import_recordings(tmp_path / "turned", "turned", workspace)[1]
    assert (
        "\nsigns: ali, berna, can\nfolders: x, y, z (if these are the signs: --labels "
        "'pattern:^([^/]+)/' --groups 'pattern:^[^/]+/([^/]+)/')\n"
    ) in import_summary(plain)
    for labels, message in (
        (["pattern:x("], "expected a regular expression"),
        (["pattern:x"], "expected a bracket around the sign"),
        (["pattern:(x)", "a.csv"], "or one pattern"),
    ):
        with pytest.raises(ValueError, match=message):
            import_recordings(tmp_path / "turned", "turned", workspace, labels=labels)


def test_links_that_lead_nowhere_leave_their_clips_out(source, workspace):
    """Also if they cannot even be looked at."""
    for i, target in enumerate(("0.npy", "1.npy/0.npy", "x" * 300)):
        frame = source / SIGNS[0] / str(i) / "0.npy"
        frame.unlink()
        os.symlink(target, frame)
    report = import_recordings(source, "mine", workspace)[1]
    files = [f"{SIGNS[0]}/{i}" for i in range(3)]
    assert {*files} <= reasons(report).keys() and report["clips"] == 9


@pytest.fixture
def by_persons(tmp_path):
    """Writes two takes of four signs, each of its own shape, at paths made of sign and person."""

    def write(form, persons=("ali", "berna", "can")):
        rng = np.random.default_rng(0)
        for seed, sign in enumerate(("su", "iyi", "çay", "ev")):
            for person, take in product(persons, "12"):
                hands = motion(seed=seed) + rng.normal(scale=2e-4, size=(6, 42, 3)) * (1, 1, 0)
                path = form.format(sign=sign, person=person, take=take)
                write_mp_data(tmp_path / "own" / path, hands)
        return tmp_path / "own"

    return write


@pytest.mark.parametrize("form, exchanged", [
    ("{person}/{sign}/{take}", False),
    ("all/{sign}/{person}/{take}", True),
    ("{sign}/{person}_{take}", False),
    ("{person}/{sign}_{take}", True),
])  # fmt: skip
def test_hands_tell_signs_from_persons_where_both_are_in_a_path(
    by_persons, workspace, form, exchanged
):
    """The options for the other order are exact, and printed only if hands say that it is wrong."""
    source = by_persons(form)
    data, report = import_recordings(source, "own", workspace, group_word="person")
    assert set(data.classes) == {"su", "iyi", "çay", "ev"}
    assert set(data.groups) == set(data.clips["signer"]) == {"ali", "berna", "can"}
    assert report["exchanged"] == ("told from the groups" in import_summary(report)) == exchanged
    options = re.findall("'(.+?)'", report["other_order"])
    assert bool(options) == exchanged
    if options:
        turned, _ = import_recordings(
            source, "turned", workspace, labels=options[:1], groups=options[1]
        )
        assert turned.classes == ("ali", "berna", "can") and "çay" in turned.groups


@pytest.mark.parametrize(("form", "signs"), [
    ("{person}/{sign}", {"a", "b", "c"}), ("{person}/{sign}_{take}", {"a", "b", "c"}),
    ("{person}/{take}", None), ("{person}/{person}_{sign}_{take}", None),
    ("{person}/p{take}/{sign}", None),
])  # fmt: skip
def test_folders_called_person_by_number_are_no_signs(tmp_path, workspace, form, signs):
    """Even where each has one clip of a sign, so that the hands are not asked."""
    persons = ("user1", "User 2", "user_3")
    record(tmp_path / "own", {
        form.format(person=person, sign=sign, take=take)
        for person, sign, take in product(persons, "abc", "12")
    })  # fmt: skip
    if signs is None:
        with pytest.raises(ValueError, match=r"expected signs, got .*, names of persons: name"):
            import_recordings(tmp_path / "own", "own", workspace)
        return
    data, report = import_recordings(tmp_path / "own", "own", workspace)
    assert set(data.classes) == signs and set(data.groups) == {*persons}
    assert report["exchanged"] and "--labels" in report["other_order"]
    options = [*re.findall("'(.+?)'", report["other_order"])]
    data, report = import_recordings(
        tmp_path / "own", "own", workspace, labels=options[:1], groups=options[1]
    )
    assert set(data.classes) == {*persons} and set(data.groups) == signs


def test_words_of_one_handshape_are_told_by_their_movement(workspace, tmp_path):
    """Each person has an own shape of hand: the folders above do not become signs by it."""
    for (seed, person), (i, sign) in product(
        enumerate(("ali", "berna", "can")), enumerate(("su", "iyi", "ev"))
    ):
        for take in (1, 2):
            hands = np.repeat(motion(1, seed=seed), 8, axis=0)
            angle = 2 * np.pi * i / 3
            hands[..., 0] += np.linspace(0, 0.1 * np.cos(angle) + take / 1000, 8)[:, None]
            hands[..., 1] += np.linspace(0, 0.1 * np.sin(angle) + take / 1000, 8)[:, None]
            write_mp_data(tmp_path / "own" / person / sign / str(take), hands)
    data, report = import_recordings(tmp_path / "own", "own", workspace)
    assert set(data.classes) == {"su", "iyi", "ev"} and not report["exchanged"]


def test_a_sign_too_rare_to_be_looked_at_is_no_fault(by_persons, workspace, monkeypatch):
    monkeypatch.setattr(naming, "LOOKED_AT", 3)
    source = by_persons("{person}/{sign}/{take}")
    for sign in ("iyi", "çay", "ev"):
        for place in source.glob(f"*/{sign}"):
            if sign != "ev" or place.parent.name != "can":
                shutil.rmtree(place)
    data, report = import_recordings(source, "own", workspace)
    assert data.classes == ("ev", "su") and not report["exchanged"]


def test_labels_of_a_table_are_never_exchanged(by_persons, workspace, tmp_path):
    source, table = by_persons("{person}/{sign}/{take}"), tmp_path / "labels.csv"
    rows = [f"{'/'.join(p.parts[-3:])},{p.parts[-3]}" for p in source.glob("*/*/*")]
    table.write_text("\n".join(["clip,label", *rows]), encoding="utf-8")
    data, report = import_recordings(source, "own", workspace, labels=[table])
    assert set(data.classes) == {"ali", "berna", "can"} and not report["exchanged"]


def test_signs_by_two_persons_are_too_few_in_either_order_of_folders(by_persons, workspace):
    with pytest.raises(ValueError, match=r"expected at least 3 folders .*, got 2"):
        import_recordings(by_persons("{sign}/{person}/{take}", ("ali", "can")), "own", workspace)


def test_groups_that_separate_a_known_signers_clips_are_refused():
    some = [*clips("a/1", "a/2", signer="ann"), *clips("b/1", signer="bo")]
    with pytest.raises(ValueError, match=r"together, got signer 'ann' in \['1', '2'\]: leave out"):
        annotations.group_rule("pattern:/(.)")(some)


def test_one_word_in_two_forms_of_unicode_is_one_class(tmp_path, workspace):
    forms = [unicodedata.normalize(form, "gö") for form in ("NFC", "NFD")]
    record(tmp_path / "in", [*paths(forms, "012"), *paths(["su"], "012345")])
    data, _ = import_recordings(tmp_path / "in", "mine", workspace)
    assert data.clips["label"].value_counts().to_dict() == {"gö": 6, "su": 6}


def write_arrays(folder, change):
    """Four clips of each sign, arrays that a function makes of hands (frames, 42, 3)."""
    for seed, path in enumerate(paths(SIGNS, "0123")):
        sources.write(folder / f"{path}.npy", change(motion(8, seed=seed)))
    return folder


def test_coordinates_in_turn_are_accepted(tmp_path, workspace):
    in_turn = write_arrays(tmp_path / "a", lambda hands: hands[..., :2])
    assert len(import_recordings(in_turn, "mine", workspace)[0]) == 8


def test_hands_in_each_others_place_are_in_the_summary(tmp_path, workspace):
    kept = write_arrays(tmp_path / "a", lambda hands: hands)
    assert "LEFT HAND" not in import_summary(import_recordings(kept, "mine", workspace)[1])
    exchanged = write_arrays(tmp_path / "b", lambda hands: np.roll(hands, 21, axis=1))
    warning = "LEFT HAND LEFT OF THE RIGHT ONE: hands exchanged or pictures mirrored?: 8"
    assert warning in import_summary(import_recordings(exchanged, "mine", workspace)[1])


def test_what_belongs_to_no_clip_is_listed(source, workspace):
    """Folders made beforehand, other videos, archives, an odd file among the sequences."""
    (source / SIGNS[0] / "9").mkdir()
    archives = ("elif.zip", "more.rar", "day.tar.gz")
    for name in ("merhaba/9/.DS_Store", "merhaba/mean.npy", "take.MOV", "notes.txt", *archives):
        (source / name).write_bytes(b"x")
    _, report = import_recordings(source, "mine", workspace)
    assert reasons(report, "unmatched") == {
        "merhaba/9": "is an empty folder",
        "merhaba/mean.npy": "is not where the layout mp-data expects recordings",
        "take.MOV": "is not where the layout mp-data expects recordings",
        **dict.fromkeys(archives, "is an archive: unpack it and import again"),
    }
    assert "not read, as they belong to no clip: 6" in import_summary(report)
    assert "files of other kinds, not read: 1\n  1 .txt" in import_summary(report)


def test_missing_frames_keep_their_time_and_are_listed(source, workspace):
    (source / SIGNS[0] / "0" / "5.npy").unlink()
    data, report = import_recordings(source, "mine", workspace)
    where = row_of(data, "merhaba/0")
    assert report["gaps"] == ["merhaba/0"] and data.lengths[where] == 12
    assert not data.present[where, 5].any() and data.present[where, 6].any()


def test_an_error_of_any_library_leaves_one_clip_out(source, workspace, monkeypatch):
    read = reading.judge

    def judge(raw, aspect):
        if len(raw.hands) == 11:
            raise ZeroDivisionError("by zero")
        return read(raw, aspect)

    monkeypatch.setattr(reading, "judge", judge)
    (source / SIGNS[0] / "0" / "11.npy").unlink()
    data, report = import_recordings(source, "mine", workspace)
    reason = "expected a file that can be read, got ZeroDivisionError: by zero"
    assert len(data) == 11 and reasons(report)["merhaba/0"] == reason


def test_names_in_other_bytes_and_with_line_breaks_are_readable():
    (clip,) = found_at([os.fsdecode(b"g\xfcn\nler/0")])
    assert clip.label == r"g\xfcn ler"
    clip.name.encode()


ORIGINS = {
    "wrist": lambda hands: hands[:, :1],
    "mean": lambda hands: hands.mean(axis=1, keepdims=True),
    "corner of the box": lambda hands: hands.min(axis=1, keepdims=True),
}


@pytest.mark.parametrize("origin", ORIGINS)
def test_clips_of_one_frame_and_hands_without_a_place_are_listed(source, workspace, origin):
    def at_themselves(frame):
        hands = frame[1536:].reshape(2, 21, 3)
        moved = (hands - ORIGINS[origin](hands)) * (1, 1, 0) + hands * (0, 0, 1)
        return np.concatenate([frame[:1536], moved.ravel()])

    change_frames(source, at_themselves, f"{SIGNS[0]}/*/*.npy")
    record(source, [f"{SIGNS[1]}/8"], frames=1)
    summary = import_summary(report := import_recordings(source, "mine", workspace)[1])
    assert report["short"] == [f"{SIGNS[1]}/8"]
    assert report["place_lost"] == [f"{SIGNS[0]}/{i}" for i in range(6)]
    assert f"clips of fewer than 3 frames: 1\n  {SIGNS[1]}/8" in summary
    assert "their place is lost: 6\n" in summary


def test_splits_below_signers_are_said_not_to_be_used(workspace, tmp_path):
    """As in KArSL: every signer is on both sides, so that no fold could keep signers apart."""
    record(tmp_path / "s", paths(["01", "02", "03"], ["train", "test"], SIGNS, "12"))
    data, report = import_recordings(tmp_path / "s", "mine", workspace)
    assert set(data.groups) == {"01", "02", "03"} and set(data.clips["split"]) == {""}
    assert report["unused_splits"] == ["test", "train"]
    assert "not used as splits: 2\n  test\n  train" in import_summary(report)


@pytest.mark.parametrize(("word", "signer"), [("person", "{}"), ("session", "unknown")])
def test_groups_called_persons_are_signers_and_sessions_are_not(source, workspace, word, signer):
    options = {"groups": "pattern:([0-6])$", "group_word": word}
    data, _ = import_recordings(source, "mine", workspace, **options)
    assert list(data.signers) == [signer.format(group) for group in data.groups]


def test_long_clips_are_thinned_and_listed(source, workspace, monkeypatch):
    monkeypatch.setattr(reading, "LONGEST", 5)
    data, report = import_recordings(source, "mine", workspace)
    check_clip(data, "merhaba/0", motion(12, missing=MISSING)[::3])
    assert len(report["thinned"]) == 12


def test_too_few_signers_or_signs_are_refused_before_any_recording_is_read(
    source, workspace, monkeypatch
):
    monkeypatch.setattr(reading, "read_chunks", stop)
    with pytest.raises(ValueError, match="expected at least 3 signers"):
        import_recordings(source, "mine", workspace, groups="blocks:6")
    shutil.rmtree(source / SIGNS[1])
    with pytest.raises(ValueError, match=rf"at least 2 signs .*got \['{SIGNS[0]}'\]: record"):
        import_recordings(source, "mine", workspace)


def test_a_signer_on_both_sides_of_a_published_split_is_refused(tmp_path, workspace):
    record(tmp_path / "s", paths(("train", "test"), SIGNS, "0123"))
    with pytest.raises(ValueError, match=r"\['signer 1', 'signer 2', .* in both"):
        import_recordings(tmp_path / "s", "mine", workspace, groups="blocks:1")


def with_swapped_hands(source):
    change_frames(source, lambda frame: np.concatenate([frame[:1536], np.roll(frame[1536:], 63)]))


def with_one_sign_that_shows_hands(source):
    for sequence in range(6):
        shutil.rmtree(source / SIGNS[1] / str(sequence))


def with_splits_below_the_signs(source):
    shutil.rmtree(source)
    record(source, paths(SIGNS, ["train", "val", "test"], "123"))


def with_a_file_for_each_hand(source):
    shutil.rmtree(source)
    for sign, part in product("123", ("lh_keypoints", "rh_keypoints")):
        sources.write(source / sign / part / "x.npy", np.ones((5, 63)))


@pytest.mark.parametrize(("parts", "whole"), [
    ((["su", "ev"], "12", ["left", "right"]), False),
    ((["su", "ev"], ["1_left_hand", "1_right_hand", "2_LeftHand", "2_righthand"]), False),
    ((["su", "ev"], ["lh_1", "rh_1", "pose_1", "lh_2", "rh_3"]), False),
    ((["hands", "face_landmarks"], ["su", "ev"], "12"), False),
    ((["left", "right"], "123"), True),
    ((["ali", "can"], ["left_1", "right_1", "up_1"]), True),
    ((["left hand", "face", "body", "mother"], "123"), True),
    ((["left_hand_wave", "right_hand_wave"], "12"), True),
    ((["ali", "can"], ["left", "right"], ["su", "ev"], "12"), True),
])  # fmt: skip
def test_parts_of_a_body_in_files_of_their_own_are_no_recordings(parts, whole):
    """Left and right may be signs or cameras, and so may be others beside more signs."""
    found = found_at(paths(*parts))
    if whole:
        return importer._check_whole(found, False, part)
    for clips in (found, [clip._replace(label="su") for clip in found]):
        with pytest.raises(ValueError, match="expected both hands of a recording in one file"):
            importer._check_whole(clips, clips is not found, part)
    importer._check_whole(found, False, lambda clip: raw(motion(2)))  # views, which show both hands
    own = [clip._replace(label=clip.name) for clip in found]
    importer._check_whole(own, True, part)  # as a table says that these are signs


def part(clip):
    raise ValueError("a vector of the pose alone")


def test_parts_of_a_body_are_seen_by_folder_and_file_together():
    found = found_at([f"{side}_keypoints/{i}_{side}" for side in ("lh", "rh") for i in range(4)])
    with pytest.raises(ValueError, match="got lh_keypoints/0_lh, rh_keypoints/0_rh: save"):
        importer._check_whole(found, False, part)


def with_two_folders(source):
    for name in ("MP_Data", "MP_Data2"):
        shutil.copytree(source / SIGNS[0], source / "data" / name / SIGNS[0])
        shutil.copytree(source / SIGNS[1], source / "data" / name / SIGNS[1])
    for sign in SIGNS:
        shutil.rmtree(source / sign)


def with_the_same_recordings_of_both_signs(source):
    shutil.rmtree(source / SIGNS[1])
    shutil.copytree(source / SIGNS[0], source / SIGNS[1])


def with_all_x_before_all_y(source):
    shutil.rmtree(source)
    write_arrays(source, lambda hands: hands[..., :2].swapaxes(1, 2))


def with_joints_in_order(order, body=True):
    """A function that replaces a folder by MediaPipe's points, hands in another order of joints."""

    def holistic(hands):
        rest = np.full((8, 501, 2), np.nan)
        if body:
            rest[:, 468:] = body_of(hands)[..., :2]
        hands = hands.reshape(8, 2, 21, 3)[:, :, order, :2].reshape(8, 42, 2)
        return np.concatenate([rest, hands], axis=1)

    def fault(source):
        shutil.rmtree(source)
        write_arrays(source, holistic)

    return fault


WRIST_LAST = np.roll(np.arange(21), -1)
BY_LEVEL = [0, *(1 + 4 * finger + level for level in range(4) for finger in range(5))]
IMPOSSIBLE = {
    "no hands": (lambda source: change_frames(source, np.zeros_like),
                 r"got none of 13; the first, .*: expected a whole hand in some"),
    "hands exchanged": (with_swapped_hands, "of their own side, got the opposite in 12 of 12"),
    "pixels, too": (lambda s: write_mp_data(s / SIGNS[0] / "8", motion(4) * [500, 500, 1], 126),
                    r"expected one unit, got .* pixels in merhaba/8"),
    "one sign": (with_one_sign_that_shows_hands,
                 rf"at least 2 signs .*got \['{SIGNS[0]}'\]: record"),
    "splits as signs": (with_splits_below_the_signs,
                        r"expected signs, got \['test', 'train', 'val'\]"),
    "hands as signs": (with_a_file_for_each_hand, "expected both hands of a recording in one file"),
    "two folders": (with_two_folders,
                    "at least 3 folders .* got 2: .*; or import 'data/MP_Data2?' alone"),
    "contradictions": (with_the_same_recordings_of_both_signs,
                       r"none of 12; .*the same recording has the labels"),
    "x before y": (with_all_x_before_all_y, "expected x and y of each joint in turn, got numbers"),
    "wrist last": (with_joints_in_order(WRIST_LAST), "at the arm's end, got the opposite in 8"),
    "by level": (with_joints_in_order(BY_LEVEL), "a hand's joints in MediaPipe's order"),
    "without a body": (with_joints_in_order(BY_LEVEL, body=False),
                       "a hand's joints in MediaPipe's order"),
}  # fmt: skip


@pytest.mark.parametrize("name", IMPOSSIBLE)
def test_a_source_that_cannot_be_right_is_refused(source, workspace, name):
    fault, message = IMPOSSIBLE[name]
    fault(source)
    with pytest.raises(ValueError, match=message):
        import_recordings(source, "mine", workspace)
    assert not (workspace.processed / "mine").exists()


def test_fists_are_no_joints_in_another_order(wheel, workspace, tmp_path):
    """Their bones are long for their extent."""
    letters = write_letters(wheel, tmp_path / "s", "AO")
    data, _ = import_recordings(letters, "fists", workspace, groups="pattern:([a-z]+)$")
    assert data.classes == ("A", "O") and len(data) == 32


def test_names_that_are_no_folder_or_taken_are_refused(source, workspace):
    for name in ("", "a/b", "..", "fingerspelling", "Synthetic-2", "é"):
        with pytest.raises(ValueError, match="expected a name"):
            import_recordings(source, name, workspace)


def test_an_aspect_is_the_width_over_the_height(imported, source):
    assert command._aspect("16:9") == pytest.approx(1.7778, abs=1e-4)
    for text in ("16:0", "-16:9", "nan:9", "16:inf", "16", "16:9:1", "a:b", "1e300:1e-300", ""):
        code, _, said = imported(source, f"--aspect={text}")
        assert code == 2 and f"expected WIDTH:HEIGHT such as 16:9, got {text!r}" in said


def test_a_damaged_frame_is_named_once_behind_its_sequence(imported, source):
    broken = source / SIGNS[1] / "3" / "10.npy"
    broken.write_bytes(broken.read_bytes()[:-8])
    code, said, _ = imported(source)
    (line,) = [line for line in said.splitlines() if "güzel/3" in line]
    assert code == 0
    assert line.startswith("  çok güzel/3: 10.npy: expected 13296 bytes for shape (1662,)")


def test_the_command_says_that_it_replaced_another_import(imported, source):
    assert "replaced" not in imported(source)[1] + imported(source)[1]
    shutil.rmtree(source / SIGNS[0] / "5")
    assert "replaced: another import of the name mine" in imported(source)[1]
    assert "replaced" not in imported(source, name="another")[1]


def test_a_damaged_import_is_replaced(imported, source, workspace):
    imported(source)
    for file in ("report.json", "clips.csv", "meta.json"):
        (workspace.processed / "mine" / file).write_text("")
        assert imported(source)[0] == 0
        assert len(load_dataset("mine", workspace)) == 12


def test_a_data_set_that_is_no_import_is_not_replaced(
    imported, source, workspace, toy_dataset, monkeypatch
):
    shutil.copytree(toy_dataset.folder, workspace.processed / "mine")
    monkeypatch.setattr(importer, "recognise", stop)
    code, _, said = imported(source)
    assert code == 1 and "expected a name that is free or an import's, got 'mine'" in said
    assert load_dataset("mine", workspace).sha256 == toy_dataset.sha256
    (workspace.processed / "mine" / "poses.npy").write_bytes(b"")  # damaged, and still no import
    with pytest.raises(ValueError, match="made otherwise"):
        import_recordings(source, "mine", workspace)


def test_the_lexicon_imported_as_files_is_the_lexicon(wheel, dataset, workspace, tmp_path):
    """The paper scales by the canvas, an import by each clip's shoulders: equal within 0.04."""
    with zipfile.ZipFile(wheel) as archive:
        for path in dataset.clips["source_file"]:
            archive.extract(FOLDER + path, tmp_path)
    table = dataset.clips.assign(clip=dataset.clips["source_file"].str.removesuffix(".pose"))
    table[["clip", "label"]].to_csv(tmp_path / "labels.csv", index=False)
    data, report = import_recordings(
        tmp_path / FOLDER, "lexicon", workspace,
        labels=[tmp_path / "labels.csv"], groups="pattern:^([a-z]+)/",
        leading_hand="signer")  # fmt: skip
    assert (report["clips"], report["classes"], report["signers"]) == (410, 26, 16)
    assert report["missing"] == {"left": pytest.approx(0.791, abs=5e-4),
                                 "right": pytest.approx(0.081, abs=5e-4)}  # fmt: skip
    left = set(data.groups[data.clips["leading_hand"] == "left"])
    assert left == set(dataset.meta["mirrored"]) == {"ise"} and report["mirrored"] == 26
    assert report["leading_hand"] == {"signer": 410}
    own = data.clips.reset_index().set_index("source_file").loc[dataset.clips["source_file"]]
    where = own["index"].to_numpy()
    assert np.array_equal(data.present[where], dataset.present)
    assert np.abs(data.poses[where] - dataset.poses)[dataset.present].mean() < 0.04


# AUTSL as people have it: splits, names and labels of each release, on made-up motion

RELEASES = {
    "openhands": ("{0}_poses/{1}_color.pkl", sources.keypoints),
    "sign-language-datasets": ("{0}/{1}.pose", sources.pose_bytes),
    "study": ("{0}_skel/{1}_color_landmarks.npy", sources.stack),
    "TSSI": ("pose_{0}/{1}.npy", sources.tssi),
    "SAM-SLR": ("{0}/{1}_color.mp4.npy", sources.whole_body),
    "columns first": ("{0}/{1}_color.mp4.npy", lambda m: np.asfortranarray(sources.whole_body(m))),
}


def release(root, form):
    """Two signs by two signers in each part of the split, in the form of a release; its labels."""
    place, content = RELEASES[form]
    splits = ("train", "validation" if form == "sign-language-datasets" else "val", "test")
    labels = []
    for (part, split), signer, sign in product(enumerate(splits), range(2), range(2)):
        name = f"signer{10 * part + signer}_sample{sign}"
        made = sources.Motion(100 * part + 10 * signer + sign, missing=())
        sources.write(root / place.format(split, name), content(made))
        labels.append((name, sign))
    if form == "study":
        rows = [f"a/{name}_color.mp4,b,c/{name}_color_landmarks.npy,{s}" for name, s in labels]
        text = "\n".join(["rgb_path,depth_path,skel_path,label", *rows])
    else:
        text = "".join(f"{name},{sign}\r\n" for name, sign in labels)
    return sources.write(root.parent / "labels.csv", text.encode())


@pytest.mark.parametrize("form", RELEASES)
def test_every_release_of_autsl_is_one_import(tmp_path, workspace, form):
    labels = release(tmp_path / "AUTSL", form)
    data, report = import_recordings(tmp_path / "AUTSL", "autsl", workspace, labels=[labels])
    assert data.official_split and report["splits"] == {"test": 4, "train": 4, "val": 4}
    assert data.classes == ("0", "1") and len(set(data.signers)) == 6
    assert report["labels_unused"] == report["rejected"] == report["unmatched"] == []
    where = data.clips["clip"].str.endswith("signer11_sample1").to_numpy().argmax()
    leads = data.clips["leading_hand"][where]
    expected = in_shoulder_widths(motion(6, seed=111))
    if leads == "left":
        expected = np.roll(expected, 21, axis=1) * [-1, 1]
    # Pixels of a picture of 640 x 480, in which y is as much shorter.
    in_pixels = ("sign-language-datasets", "SAM-SLR", "columns first")
    squeezed = 480 / 640 if form in in_pixels else 1
    np.testing.assert_allclose(data.poses[where], expected * [1, squeezed], atol=0.02)
