"""A folder becomes a store whose values are known, and a report that hides nothing."""

import shutil
import subprocess
import sys
import zipfile

import numpy as np
import pytest
from layout_sources import write
from recordings import SHOULDERS, in_shoulder_widths, motion, write_mp_data

from jointprune import data as command
from jointprune.data import load_dataset
from jointprune.importing import annotations, reading
from jointprune.importing import importer as importing
from jointprune.importing.checks import LIMIT, judge
from jointprune.importing.importer import import_recordings
from jointprune.importing.layouts.found import Clip, Raw
from jointprune.importing.report import import_report, import_summary
from jointprune.paper.fingerspelling import FOLDER
from jointprune.workspace import Workspace

SIGNS = ("merhaba", "çok güzel")


def raw(hands, confidence=None, body=True):
    wrists = np.nan_to_num(hands[:, [0, 21], :2], nan=np.nan)
    shoulders = np.broadcast_to(SHOULDERS, wrists.shape)
    whole = np.concatenate([shoulders, wrists], axis=1) if body else None
    return Raw(hands.astype(np.float32), confidence, whole, 25.0)


@pytest.fixture
def source(tmp_path):
    """Two signs, six sequences each with missing hands, and one sequence without any hand."""
    folder = tmp_path / "MP Data"
    for i, sign in enumerate(SIGNS):
        for sequence in range(6):
            hands = motion(12, seed=10 * i + sequence, missing=[(1, 0), (2, 0), (2, 1)])
            write_mp_data(folder / sign / str(sequence), hands)
    write_mp_data(folder / SIGNS[1] / "6", np.full((3, 42, 3), np.nan))
    return folder


@pytest.fixture
def workspace(tmp_path):
    return Workspace(str(tmp_path / "work"))


# One clip


def test_a_clip_is_measured_in_shoulder_widths_from_their_middle():
    hands = motion(5, missing=[(2, 1)])
    judged = judge(raw(hands))
    np.testing.assert_allclose(judged.recording.points, in_shoulder_widths(hands), atol=1e-5)
    assert (judged.unit, judged.scale) == ("share", "shoulders")
    assert (judged.swapped, judged.mirrored) == (False, False)


def test_pixels_and_shares_of_a_picture_of_known_shape_give_the_same_clip():
    hands = motion(5)
    wide = raw(hands)
    scale = np.array([640, 320, 1])
    pixels = raw(hands)._replace(hands=hands * scale, body=wide.body * scale[:2])
    one, other = judge(wide, aspect=2.0), judge(pixels)
    np.testing.assert_allclose(one.recording.points, other.recording.points, atol=1e-4)
    assert (one.unit, other.unit) == ("share", "pixel")


def test_without_shoulders_a_palm_is_the_measure():
    hands = motion(9)
    judged = judge(raw(hands, body=False))
    palm = np.linalg.norm(judged.recording.points[:, 0] - judged.recording.points[:, 9], axis=-1)
    np.testing.assert_allclose(palm, 0.27, atol=1e-3)
    np.testing.assert_allclose(judged.recording.points.mean((0, 1)), 0, atol=1e-5)
    assert (judged.scale, judged.swapped, judged.mirrored) == ("palm", None, None)


def test_a_hand_is_missing_by_nan_by_zeros_or_by_confidence():
    hands = motion(4)
    hands[0, 3] = np.nan  # one joint takes its whole hand with it
    hands[1, 21:] = 0
    hands[3, 5, 0] = 0  # one zero is a coordinate
    confidence = np.ones((4, 42), dtype=np.float32)
    confidence[2, :21] = 0
    present = judge(raw(hands, confidence)).recording.present
    assert present[:, ::21].tolist() == [[False, True], [True, False], [False, True], [True, True]]
    assert (present == np.repeat(present[:, ::21], 21, axis=1)).all()


def test_swapped_hands_and_mirrored_pictures_are_seen():
    hands = motion(5)
    swapped = raw(hands)._replace(hands=np.roll(hands, 21, axis=1).astype(np.float32))
    assert judge(swapped).swapped
    flipped = raw(hands)
    flipped = flipped._replace(body=flipped.body * [-1, 1] + [1, 0])
    assert judge(flipped).mirrored


def test_far_joints_are_clipped_and_a_clip_without_hands_is_refused():
    hands = motion(3)
    hands[1, 30, :2] = 1.9
    assert judge(raw(hands)).recording.points.max() == LIMIT
    with pytest.raises(ValueError, match="expected a hand in some frame"):
        judge(raw(np.zeros((3, 42, 3))))


# Who signs what


def clips(*names, signer=""):
    return [Clip(name, name.split("/")[0], signer, "", ()) for name in names]


def test_labels_come_from_tables_with_or_without_a_header(tmp_path):
    table = tmp_path / "labels.csv"
    table.write_bytes(b"signer0_sample1,41\r\nsigner1_sample2,7\r\n")
    found = annotations.with_labels(
        clips("train/signer0_sample1", "train/other"), annotations.read_table([table], "label")
    )
    assert [clip.label for clip in found] == ["41", ""]
    table.write_text("clip,label\ntrain/signer0_sample1,3\n", encoding="utf-8")
    assert annotations.read_table([table], "label") == {"train/signer0_sample1": "3"}


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("a,1\na,2\n", "one label for the clip"),
        ("a,1,2\n", "expected clip,label"),
        ("a;1\n", "a comma"),
        ("", "got none"),
        ("a,\n", ":1:"),
    ],
)
def test_a_table_that_cannot_be_right_is_refused(tmp_path, text, said):
    (tmp_path / "t.csv").write_text(text)
    with pytest.raises(ValueError, match=said):
        annotations.read_table([tmp_path / "t.csv"], "label")


def test_labels_that_name_no_clip_are_refused():
    with pytest.raises(ValueError, match="such as 'a/1', got names such as 'x'"):
        annotations.with_labels(clips("a/1"), {"x": "1"})


def test_groups_by_signer_block_pattern_or_part(tmp_path):
    some = clips("a/0", "a/9", "a/10", "b/19")
    by = {"signer 1": ["a/0", "a/9"], "signer 2": ["a/10", "b/19"]}
    found, rule = annotations.group_rule("blocks:10")(some)
    assert rule == "signer" and found == {n: group for group, names in by.items() for n in names}
    assert annotations.group_rule("pattern:/(.)")(some)[0]["a/10"] == "1"
    (tmp_path / "g.csv").write_text("0,ann\n9,ann\n10,bo\nb/19,cy\n")
    assert annotations.group_rule(str(tmp_path / "g.csv"))(some)[0]["b/19"] == "cy"
    assert annotations.group_rule("")(clips("a/0", signer="7")) == ({"a/0": "7"}, "signer")
    found, rule = annotations.group_rule("")(clips(*(f"a/{i}" for i in range(8)), "b/0"))
    assert rule == "part" and [*found.values()] == [
        *(f"part {i}" for i in range(1, 9)), "part 1",
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("groups", "said"),
    [
        ("blocks:0", "blocks:N"),
        ("pattern:x", "a bracket"),
        ("pattern:(x)", "got 2 without"),
        ("pattern:(", "a regular expression"),
    ],
)
def test_rules_that_cannot_be_right_are_refused(groups, said):
    with pytest.raises(ValueError, match=said):
        annotations.group_rule(groups)(clips("a/1", "b/2"))


def test_labels_of_recordings_that_are_not_there_are_told():
    told = {"a/1": "yes", "2": "no", "b/3": "no", "4": "yes"}
    assert annotations.without_clip(clips("a/1", "a/2"), told) == ["b/3", "4"]


def test_names_in_two_spellings_are_one(tmp_path):
    (tmp_path / "t.csv").write_text("c\u0327ay,1\n", encoding="utf-8")
    assert annotations.read_table([tmp_path / "t.csv"], "label") == {"çay": "1"}


def test_each_side_of_a_published_split_has_parts_of_its_own():
    some = [clip._replace(split=side) for side in ("train", "test") for clip in clips("a/0", "a/1")]
    some = [clip._replace(name=f"{clip.split}/{clip.name}") for clip in some]
    assert [*annotations.parts(some).values()] == [
        "train part 1", "train part 2", "test part 1", "test part 2",
    ]  # fmt: skip


def test_signers_that_only_some_clips_have_are_refused():
    with pytest.raises(ValueError, match=r"a signer for every clip, .* such as 'b/1'"):
        annotations.group_rule("")([*clips("a/1", signer="3"), *clips("b/1")])


# The whole


def test_a_folder_becomes_a_store_and_a_report(source, workspace):
    data, report = import_recordings(source, "mine", workspace)
    assert data.classes == SIGNS and len(data) == 12
    assert list(data.clips["clip"][:2]) == ["merhaba/0", "merhaba/1"]
    expected = in_shoulder_widths(motion(12, seed=10, missing=[(1, 0), (2, 0), (2, 1)]))
    np.testing.assert_allclose(data.poses[6], expected, atol=1e-5)
    assert set(data.groups) == {f"part {i}" for i in range(1, 7)}
    assert set(data.signers) == {"unknown"} and not any("part" in s for s in data.signers)
    assert report["missing"] == {"left": pytest.approx(2 / 12), "right": pytest.approx(1 / 12)}
    assert report["rejected"] == [
        {
            "source_file": "çok güzel/6",
            "reason": "expected a hand in some frame, got none in any",
        }
    ]
    assert import_report(workspace.processed / "mine") == report
    assert not (workspace.processed / ".import-mine").exists()


def test_an_interrupted_import_goes_on_and_ends_alike(source, workspace, monkeypatch):
    monkeypatch.setattr(reading, "CHUNK", 4)
    monkeypatch.setattr(reading, "on_every_core", one_by_one)
    whole, _ = import_recordings(source, "whole", workspace)
    monkeypatch.setattr(importing, "_store", stop)
    with pytest.raises(KeyboardInterrupt):
        import_recordings(source, "again", workspace)
    monkeypatch.undo()
    monkeypatch.setattr(reading, "CHUNK", 4)
    monkeypatch.setattr(reading, "on_every_core", nothing_to_do)
    again, _ = import_recordings(source, "again", workspace)
    assert np.array_equal(again.poses, whole.poses) and again.clips.equals(whole.clips)


def test_what_a_stopped_import_read_is_gone_after_any_import_of_its_name(
    imported, source, workspace, tmp_path, monkeypatch
):
    other = tmp_path / "other"
    shutil.copytree(source, other)
    shutil.rmtree(other / SIGNS[0] / "5")
    with monkeypatch.context() as patch:
        patch.setattr(importing, "_store", stop)
        assert imported(source)[0] == 130
    kept = workspace.processed / ".import-mine"
    assert sorted(path.suffix for path in kept.iterdir()) == ["", ".npz"]  # and the lock
    imported(other, name="another")
    assert kept.is_dir()
    imported(other)
    assert {path.name for path in workspace.processed.iterdir()} == {"mine", "another"}


def test_two_imports_of_one_name_do_not_meet(source, workspace):
    """The second is told to wait; what the first has read stays; its end lets others in."""
    folder = workspace.processed / ".import-mine"
    first = "from pathlib import Path; from jointprune.workspace import held\n"
    first += f"with held(Path({str(folder)!r}), 'a test'): print('in', flush=True); input()"
    command = [sys.executable, "-c", first]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as other:
        assert other.stdout.readline() == b"in\n"
        (folder / "read.npz").touch()
        with pytest.raises(BlockingIOError, match=r"an import of 'mine' .*wait"):
            import_recordings(source, "mine", workspace)
        assert (folder / "read.npz").is_file()
        other.communicate(b"\n")
    data, _ = import_recordings(source, "mine", workspace)
    assert len(data) == 12 and not folder.exists()


def stop(*_):
    raise KeyboardInterrupt


def nothing_to_do(function, jobs, *_):
    assert not jobs
    return []


def test_a_changed_recording_is_read_again(source, workspace):
    clip = Clip("a", "a", "", "", tuple((source / SIGNS[0] / "0").iterdir()))
    before = reading._chunk_name("mp-data", [clip], 1.0)
    np.save(clip.files[0], np.ones(1662))
    shutil.copystat(source, clip.files[0])
    assert reading._chunk_name("mp-data", [clip], 1.0) != before


def test_one_recording_in_two_groups_is_reported_as_a_leak(source, workspace, monkeypatch):
    monkeypatch.setattr(reading, "on_every_core", one_by_one)
    shutil.copytree(source / SIGNS[0] / "0", source / SIGNS[1] / "7")
    _, report = import_recordings(source, "mine", workspace)
    assert report["leaks"] == [["merhaba/0", "çok güzel/7"]] == report["copies"]
    assert "A LEAK" in import_summary(report).upper()


def test_strict_stops_at_the_first_clip_that_is_left_out(source, workspace):
    with pytest.raises(ValueError, match=r"çok güzel/6: expected a hand"):
        import_recordings(source, "mine", workspace, strict=True)
    assert not (workspace.processed / "mine").exists()


def test_strict_holds_for_clips_that_an_attempt_before_had_let_pass(source, workspace, monkeypatch):
    monkeypatch.setattr(reading, "on_every_core", one_by_one)
    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr(importing, "_store", stop)
        import_recordings(source, "mine", workspace)
    with pytest.raises(ValueError, match=r"çok güzel/6: expected a hand"):
        import_recordings(source, "mine", workspace, strict=True)


@pytest.mark.parametrize(
    ("groups", "said"), [("blocks:6", "at least 3 signers .* got 2"), ("blocks:9", "got 1")]
)
def test_too_few_signers_are_refused(source, workspace, monkeypatch, groups, said):
    monkeypatch.setattr(reading, "on_every_core", one_by_one)
    for sign in SIGNS:
        (source / sign / "5").rename(source / sign / "7")
    with pytest.raises(ValueError, match=said):
        import_recordings(source, "mine", workspace, groups=groups)


def test_a_signer_on_both_sides_of_a_published_split_is_refused(tmp_path, workspace, monkeypatch):
    monkeypatch.setattr(reading, "on_every_core", one_by_one)
    for split in ("train", "test"):
        for sequence in range(4):
            write_mp_data(tmp_path / "s" / split / "a" / str(sequence), motion(4, seed=sequence))
    with pytest.raises(ValueError, match=r"\['signer 1', 'signer 2', .* in both"):
        import_recordings(tmp_path / "s", "mine", workspace, groups="blocks:1")


def test_one_wild_joint_does_not_make_a_clip_one_of_pixels():
    hands = motion(30)
    hands[3, 7, 1] = 2.05
    assert judge(raw(hands)).unit == "share"


def test_long_clips_are_thinned_and_said_to_be(source, workspace, monkeypatch):
    monkeypatch.setattr(reading, "LONGEST", 5)
    monkeypatch.setattr(reading, "on_every_core", one_by_one)
    data, report = import_recordings(source, "mine", workspace)
    expected = in_shoulder_widths(motion(12, missing=[(1, 0), (2, 0), (2, 1)]))[::3]
    np.testing.assert_allclose(data.poses[0], expected, atol=1e-5)
    assert len(report["thinned"]) == 12


def one_by_one(function, jobs, *_):
    return [function(*job) for job in jobs]


def test_units_are_not_mixed(source, workspace, monkeypatch):
    monkeypatch.setattr(reading, "on_every_core", one_by_one)
    write_mp_data(source / SIGNS[0] / "8", motion(4) * [500, 500, 1], width=126)
    with pytest.raises(ValueError, match=r"expected one unit, got .* pixels in merhaba/8"):
        import_recordings(source, "mine", workspace)


def test_a_source_whose_hands_are_swapped_is_refused(tmp_path, workspace, monkeypatch):
    monkeypatch.setattr(reading, "on_every_core", one_by_one)
    for sequence in range(3):
        write_mp_data(tmp_path / "s" / "a" / str(sequence), motion(4, seed=sequence))
    for file in (tmp_path / "s").glob("*/*/*.npy"):
        frame = np.load(file)
        frame[1536:] = np.roll(frame[1536:], 63)
        np.save(file, frame)
    with pytest.raises(
        ValueError, match="the wrists of their own side, got the opposite in 3 of 3"
    ):
        import_recordings(tmp_path / "s", "mine", workspace)


@pytest.mark.parametrize("name", ["", "a/b", "..", "fingerspelling", "Synthetic-2", "é"])
def test_names_that_are_no_folder_or_taken_are_refused(source, workspace, name):
    with pytest.raises(ValueError, match="expected a name"):
        import_recordings(source, name, workspace)


def test_the_command_says_what_was_found(source, workspace, monkeypatch, capsys):
    monkeypatch.setattr(reading, "on_every_core", one_by_one)
    monkeypatch.setattr(command, "Workspace", lambda: workspace)
    monkeypatch.setattr(command, "ROOT", workspace.path)
    command.main(["import", str(source), "--name", "mine", "--groups", "blocks:2"])
    said = capsys.readouterr().out
    assert "12 clips, 2 signs, signers: 3" in said and "left out: 1" in said
    with pytest.raises(SystemExit) as end:
        command.main(["import", str(source / "none"), "--name", "mine"])
    assert end.value.code == 1 and "none" in capsys.readouterr().err


@pytest.fixture
def imported(source, workspace, monkeypatch, capsys):
    """What the import command says of `source`: code, standard output and error."""
    monkeypatch.setattr(reading, "on_every_core", one_by_one)
    monkeypatch.setattr(command, "Workspace", lambda: workspace)
    monkeypatch.setattr(command, "ROOT", workspace.path)

    def run(*arguments, name="mine"):
        code = 0
        try:
            command.main(["import", *map(str, arguments), "--name", name])
        except SystemExit as end:
            code = end.code
        said = capsys.readouterr()
        return code, said.out, said.err

    return run


@pytest.mark.parametrize(
    "text",
    ["16:0", "-16:9", "-16:-9", "nan:9", "16:inf", "16", "16:9:1", "a:b", "1e300:1e-300", ""],
)
def test_an_aspect_that_no_picture_has_is_refused(imported, source, text):
    code, _, said = imported(source, f"--aspect={text}")
    assert code == 2
    assert f"expected WIDTH:HEIGHT such as 16:9, got {text!r}" in said


def test_a_sequence_with_a_broken_frame_is_left_out_by_name_and_says_which_frame(imported, source):
    broken = source / SIGNS[0] / "3" / "10.npy"
    broken.write_bytes(broken.read_bytes()[:-8])
    code, said, _ = imported(source)
    assert code == 0
    (line,) = [line for line in said.splitlines() if "merhaba/3" in line]
    assert line.startswith("  merhaba/3: 10.npy: expected 13296 bytes for shape (1662,)")
    code, _, said = imported(source, "--strict")
    assert code == 1 and said.startswith(f"{broken.parent}: 10.npy: expected 13296 bytes")


def test_a_file_that_is_left_out_is_named_once(imported, tmp_path):
    source = tmp_path / "arrays"
    for i in range(4):
        values = np.full((5, 543, 3), np.nan, dtype=np.float32)
        values[:, 501:] = motion(5, seed=i)
        write(source / "a" / f"{i}.npy", values if i else values[:, :10])
    code, said, _ = imported(source)
    assert code == 0
    (line,) = [line for line in said.splitlines() if "0.npy" in line]
    assert line.startswith("  a/0.npy: expected an array (frames, 543, 2 to 4), got (5, 10, 3)")
    code, _, said = imported(source, "--strict")
    assert code == 1 and said.startswith(f"{source}/a/0.npy: expected") and said.count("0.npy") == 1


@pytest.mark.parametrize(
    ("option", "text", "said"),
    [
        ("--groups", "block:4", "clip,signer, blocks:N or pattern:REGEX, got 'block:4'"),
        ("--groups", "none.csv", "clip,signer, blocks:N or pattern:REGEX, got 'none.csv'"),
        ("--groups", "blocks:²", "expected blocks:N with a number of recordings, got 'blocks:²'"),
        ("--groups", "pattern:(", "expected a regular expression, got '('"),
        ("--groups", "wide.csv", "wide.csv:1: expected clip,signer in a row"),
        ("--groups", "latin.csv", "latin.csv: expected CSV in UTF-8"),
        ("--labels", "wide.csv", "wide.csv:1: expected clip,label in a row"),
        ("--labels", "header.csv", "header.csv: expected rows of clip,label, got none"),
        ("--labels", "none.csv", "expected a CSV file of clip,label, got none.csv: No such file"),
        ("--labels", ".", "expected a CSV file of clip,label, got .: Is a directory"),
    ],
)
def test_what_an_option_says_is_judged_before_any_recording_is_looked_for(
    imported, tmp_path, monkeypatch, option, text, said
):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "wide.csv").write_text("a/1,1,ann\n")
    (tmp_path / "header.csv").write_text("clip,label\n\n")
    (tmp_path / "latin.csv").write_bytes("a/1,Bjørn\n".encode("latin-1"))
    monkeypatch.setattr(importing, "recognise", stop)
    code, _, error = imported(tmp_path, option, text)
    assert code == 1 and said in error


@pytest.mark.parametrize("groups", ["blocks:6", "pattern:([x/])"])
def test_too_few_signers_are_refused_before_any_recording_is_read(
    source, workspace, monkeypatch, groups
):
    monkeypatch.setattr(importing, "read_chunks", stop)
    with pytest.raises(ValueError, match="expected at least 3 signers"):
        import_recordings(source, "mine", workspace, groups=groups)


def test_an_import_says_which_dataset_it_replaced_and_only_if_it_did(imported, source, tmp_path):
    other = tmp_path / "other"
    shutil.copytree(source, other)
    write_mp_data(other / SIGNS[0] / "6", motion(9, seed=99))
    replaced = "replaced: the dataset mine of {} clips, from {}\n"
    assert "replaced" not in imported(source)[1]
    assert "replaced" not in imported(source)[1]
    assert replaced.format(12, source) in imported(other)[1]
    assert "replaced" not in imported(source, name="another")[1]
    assert replaced.format(13, other) in imported(other, "--groups", "blocks:2")[1]


def test_a_damaged_or_half_made_dataset_is_replaced(imported, source, workspace):
    imported(source)
    folder = workspace.processed / "mine"
    (folder / "report.json").unlink()
    assert (
        "of 12 clips, from a folder that was not noted" in imported(source, "--groups=blocks:2")[1]
    )
    (folder / "clips.csv").write_text("")
    code, said, _ = imported(source)
    assert code == 0 and "replaced" not in said
    assert len(load_dataset("mine", workspace)) == 12


def test_a_dataset_that_was_made_otherwise_is_not_replaced(
    imported, source, workspace, toy_dataset, monkeypatch
):
    shutil.copytree(toy_dataset.folder, workspace.processed / "mine")
    monkeypatch.setattr(importing, "recognise", stop)
    code, _, said = imported(source)
    assert code == 1 and "expected a name that is free or an import's, got 'mine'" in said
    with pytest.raises(ValueError, match="made otherwise"):
        import_recordings(source, "mine", workspace)
    assert load_dataset("mine", workspace).sha256 == toy_dataset.sha256
    (workspace.processed / "mine" / "poses.npy").write_bytes(b"")  # damaged, and still another's
    with pytest.raises(ValueError, match="made otherwise"):
        import_recordings(source, "mine", workspace)


def test_an_aspect_is_the_width_over_the_height():
    assert command._aspect("16:9") == pytest.approx(1.7778, abs=1e-4)


def test_labels_are_given_a_file_at_a_time_before_or_after_the_folder(
    imported, source, workspace, tmp_path
):
    for i, sign in enumerate(SIGNS):
        rows = [f"{sign}/{sequence},{'ab'[i]}" for sequence in range(7)]
        (tmp_path / f"{i}.csv").write_text("\n".join(rows), encoding="utf-8")
    code, said, _ = imported("--labels", tmp_path / "0.csv", source, "--labels", tmp_path / "1.csv")
    assert code == 0 and "12 clips, 2 signs" in said
    assert set(load_dataset("mine", workspace).classes) == {"a", "b"}


def test_the_lexicon_imported_as_files_is_the_lexicon(wheel, dataset, tmp_path, monkeypatch):
    """Its source scales by the canvas, an import by each clip's shoulders: alike to 0.04."""
    monkeypatch.setattr(reading, "on_every_core", one_by_one)
    with zipfile.ZipFile(wheel) as archive:
        for path in dataset.clips["source_file"]:
            archive.extract(FOLDER + path, tmp_path)
    table = dataset.clips.assign(clip=dataset.clips["source_file"].str.removesuffix(".pose"))
    table[["clip", "label"]].to_csv(tmp_path / "labels.csv", index=False)
    data, report = import_recordings(
        tmp_path / FOLDER, "lexicon", Workspace(str(tmp_path)),
        labels=[tmp_path / "labels.csv"], groups="pattern:^([a-z]+)/")  # fmt: skip
    assert (report["clips"], report["signs"], report["signers"]) == (410, 26, 16)
    assert report["missing"] == {"left": pytest.approx(0.791, abs=5e-4),
                                 "right": pytest.approx(0.081, abs=5e-4)}  # fmt: skip
    assert report["left_handed"] == dataset.meta["mirrored"] == ["ise"]
    own = data.clips.reset_index().set_index("source_file").loc[dataset.clips["source_file"]]
    where = own["index"].to_numpy()
    assert np.array_equal(data.present[where], dataset.present)
    assert np.abs(data.poses[where] - dataset.poses)[dataset.present].mean() < 0.04
