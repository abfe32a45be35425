"""Public data sets: archives are checked before anything is kept, and become data sets."""

import hashlib
import io
import tarfile
import urllib.error

import numpy as np
import pandas as pd
import pytest
from layout_sources import read_found, write
from recordings import motion, write_mp_data

from jointprune.data import load_dataset
from jointprune.importing import public
from jointprune.importing.layouts import hand_tables
from jointprune.importing.layouts.sides import told_apart
from jointprune.importing.layouts.values import checked
from jointprune.importing.public import download, fetch, public_data_sets

pytestmark = pytest.mark.usefixtures("alone")
ABOUT = {
    "title": "two signs", "repository": "ann/signs", "commit": "0" * 40, "licence": "MIT",
    "folder": "MP_Data", "suffix": ".npy", "classes": ["hello", "no"], "layout": "mp-data",
    "groups": "", "group_word": "session", "sha256": "",
}  # fmt: skip


@pytest.fixture
def archive(tmp_path, monkeypatch, workspace):
    """An archive of four sessions with three signs, one of which is not kept."""
    root = tmp_path / "signs-0000"
    kept = []
    for session in range(4):
        for i, sign in enumerate(("hello", "no", "idle")):
            folder = root / "MP_Data" / f"day {session}" / sign / "0"
            write_mp_data(folder, motion(6, seed=10 * session + i))
            kept += [*folder.iterdir()] if sign != "idle" else []
    (root / "model.npy").write_bytes(b"a model")
    paths = {file.relative_to(root).as_posix(): file.read_bytes() for file in kept}
    lines = [f"{hashlib.sha256(paths[path]).hexdigest()}  {path}\n"
             for path in sorted(paths, key=str.encode)]  # fmt: skip
    about = ABOUT | {"sha256": hashlib.sha256("".join(lines).encode()).hexdigest()}
    monkeypatch.setattr(public, "public_data_sets", lambda: {"two": about})
    monkeypatch.setattr(type(workspace), "raw", property(lambda self: self.path / "data" / "raw"))
    return packed(root, tmp_path / "a.tar.gz")


def packed(root, file, *members):
    """An archive of a folder and further members: (name, content), or (name, target) of a link."""
    with tarfile.open(file, "w:gz") as tar:
        tar.add(root, root.name)
        for name, content in members:
            info = tarfile.TarInfo(name)
            if isinstance(content, str):
                info.type, info.linkname, content = tarfile.SYMTYPE, content, b""
            info.size = len(content)
            tar.addfile(info, io.BytesIO(content))
    return file


def test_an_archive_becomes_a_data_set_of_the_classes_kept(archive, workspace):
    data, report = fetch("two", workspace, archive)
    assert set(data.classes) == {"hello", "no"} and report["unmatched"] == []
    assert set(data.groups) == {f"day {i}" for i in range(4)}
    assert data.meta["groups_by"] == "session"
    origin = f"https://github.com/ann/signs at {'0' * 40}"
    assert data.meta["origin"] == {"title": "two signs", "licence": "MIT", "source": origin}
    archive.unlink()  # a second time the files are there
    assert fetch("two", workspace)[0].sha256 == data.sha256
    next((workspace.raw / "two").rglob("*.npy")).unlink()
    with pytest.raises(ValueError, match=r"two: expected files of checksum .*: they were changed"):
        fetch("two", workspace)
    assert load_dataset("two", workspace).sha256 == data.sha256


@pytest.mark.parametrize(
    ("members", "message"),
    [
        ([("s/MP_Data/day 0/no/0/99.npy", b"more")], "expected files of checksum"),
        ([("s/../../evil.npy", b"x")], r"paths inside a folder, got s/\.\./"),
        ([("/evil.npy", b"x")], "paths inside a folder, got /evil"),
        ([("s/MP_Data/day 0/no/0/99.npy", "/etc/passwd")], "plain files .* a link"),
    ],
)
def test_other_content_links_and_paths_out_of_the_folder_are_refused(
    archive, workspace, tmp_path, members, message
):
    file = packed(tmp_path / "signs-0000", tmp_path / "more.tar.gz", *members)
    with pytest.raises(ValueError, match=message):
        fetch("two", workspace, file)
    assert not (workspace.raw / "two").exists()
    assert not list(workspace.path.rglob("evil.npy"))


def test_a_cut_archive_an_absent_one_and_one_too_large_are_refused(archive, workspace, monkeypatch):
    whole = archive.read_bytes()
    for content in (whole[: len(whole) // 2], b"", b"no archive"):
        archive.write_bytes(content)
        with pytest.raises(ValueError, match=r"expected a whole \.tar\.gz of ann/signs"):
            fetch("two", workspace, archive)
    archive.write_bytes(whole)
    with monkeypatch.context() as patch, pytest.raises(ValueError, match="or more bytes"):
        patch.setattr(public, "MOST_BYTES", 100)
        fetch("two", workspace, archive)
    archive.unlink()
    with pytest.raises(ValueError, match="No such file"):
        fetch("two", workspace, archive)
    assert not (workspace.raw / "two").exists()


def test_without_a_network_the_error_says_how_to_go_on(tmp_path, monkeypatch):
    def offline(*_, **__):
        raise urllib.error.URLError("no network")

    monkeypatch.setattr(public.urllib.request, "urlopen", offline)
    address = f"https://codeload.github.com/ann/signs/tar.gz/{'0' * 40}"
    with pytest.raises(RuntimeError, match=rf"fetch {address} .*no network.*pass --archive FILE"):
        download(ABOUT, tmp_path / "a")


def test_the_command_says_source_and_licence(archive, data_command):
    _, said, _ = data_command("fetch", "two", "--archive", archive)
    assert "8 clips, 2 classes, signers: unknown, groups: 4 (by session)" in said
    assert said.endswith(f"cite https://github.com/ann/signs at {'0' * 40}, licence MIT\n")


def test_the_letters_have_no_archive(data_command):
    code, _, said = data_command("fetch", "fingerspelling", "--archive", "x.whl")
    assert code == 1 and "expected no --archive for fingerspelling, got x.whl: put" in said


def test_every_record_is_complete():
    for about in public_data_sets().values():
        assert set(about) == set(ABOUT)
        assert len(about["commit"]) == 40 and len(about["sha256"]) == 64
        assert not about["groups"] or (public.HERE / about["groups"]).is_file()


# Hands in the order of detection


def table(hands):
    """The rows of (T, 2, 21, 3) hands, NaN where missing, beside a face in the middle."""
    values = np.concatenate([np.full((len(hands), 2), 0.5), hands.reshape(len(hands), -1)], 1)
    return pd.DataFrame(values, columns=hand_tables.COLUMNS).to_csv(sep=";", index=False)


def test_tables_in_the_order_of_detection_have_their_hands_told_apart(tmp_path):
    hands = motion(12).reshape(12, 2, 21, 3).astype(np.float32)
    hands[5:7, 1] = np.nan
    write(tmp_path / "s" / "Bär" / "0.csv", table(hands))
    layout, (clip,), (raw,) = read_found(tmp_path / "s")
    assert (layout, clip.label) == ("hand-tables", "Bär")
    as_found = checked(clip.place, hands.reshape(12, 42, 3))
    np.testing.assert_allclose(raw.hands, told_apart(as_found).hands, atol=1e-6)
    assert np.isnan(raw.body).all()
