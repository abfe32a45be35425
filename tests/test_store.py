import errno
import json
import os
import pickle
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from jointprune.store import VERSION, arrays_on_disk, open_dataset, save_dataset


def folder_content(folder):
    return {path.name: path.read_bytes() for path in folder.iterdir()}


def test_what_is_saved_is_what_is_loaded(toy, tmp_path):
    toy["clips"] = toy["clips"].replace({"label": {"no": "NA", "yes": "null"}})  # stay text
    save_dataset(tmp_path / "toy", **toy | {"classes": ("hello", "NA", "thanks", "null")})
    data = open_dataset(tmp_path / "toy")
    assert np.array_equal(data.poses, toy["poses"])
    assert np.array_equal(data.present, toy["present"])
    assert [data.classes[label] for label in data.labels] == toy["clips"]["label"].tolist()
    assert data.groups.tolist() == toy["clips"]["group"].tolist()
    assert data.lengths.tolist() == toy["clips"]["frames"].tolist()
    assert data.joints == toy["joints"] and data.meta["name"] == "toy"
    assert len(data) == 24 and "24 x 8 x 42 x 2" in repr(data)
    assert isinstance(data.poses, np.memmap)
    with pytest.raises(ValueError, match="read-only"):
        data.poses[0] = 1


def test_the_checksum_follows_the_content_and_nothing_else(toy, tmp_path):
    first = save_dataset(tmp_path / "a", **toy).sha256
    assert save_dataset(tmp_path / "b", **toy).sha256 == first
    changed = [save_dataset(tmp_path / "c", **{**toy, "poses": toy["poses"] * 2}).sha256]
    toy["clips"].loc[0, "signer"] = "another"
    changed.append(save_dataset(tmp_path / "d", **toy).sha256)
    toy["present"][0, 0, 30] = False
    toy["poses"][0, 0, 30] = 0
    changed.append(save_dataset(tmp_path / "e", **toy).sha256)
    assert len({first, *changed}) == 4


def test_a_store_is_replaced_whole_while_a_reader_keeps_the_old_one(toy, toy_dataset, tmp_path):
    before = toy_dataset.poses.copy()
    save_dataset(tmp_path / "toy", **{**toy, "poses": toy["poses"] * 2})
    assert np.array_equal(toy_dataset.poses, before)
    assert np.array_equal(open_dataset(tmp_path / "toy").poses, before * 2)
    assert [path.name for path in tmp_path.iterdir()] == ["toy"]


@pytest.mark.parametrize("broken_write", ["numpy.save", "os.rename"])
def test_a_write_that_breaks_leaves_the_old_store_and_no_other(
    toy, toy_dataset, tmp_path, monkeypatch, broken_write
):
    rename = os.rename

    def full_disk(path, target):
        if Path(path).name in ("poses.npy", "new"):
            raise OSError("No space left on device")
        rename(path, target)  # the old store can be moved, only the new one cannot

    before = folder_content(tmp_path / "toy")
    with monkeypatch.context() as patch, pytest.raises(OSError, match="No space"):
        patch.setattr(broken_write, full_disk)
        save_dataset(tmp_path / "toy", **{**toy, "poses": toy["poses"] * 2})
    assert folder_content(tmp_path / "toy") == before
    assert [path.name for path in tmp_path.iterdir()] == ["toy"]


def _set(name, index, value):
    return lambda toy: toy[name].__setitem__(index, value)


def _edit(row, column, value):
    return lambda toy: toy["clips"].__setitem__(
        column, toy["clips"][column].where(toy["clips"].index != row, value)
    )


def _replace(name, change):
    return lambda toy: toy.update({name: change(toy[name])})


REFUSED = {
    "a NaN": (_set("poses", (3, 0, 30, 1), np.nan), r"finite poses.*both/no-1"),
    "a value where none is present":
        (_set("poses", (20, 0, 0), 1), r"0 where a joint is not present.*two/thanks-0"),
    "present in padding":
        (_set("present", (0, -1, 30), True),
         r"no joint present after its last frame.*both/hello-0"),
    "an unknown label": (_edit(2, "label", "goodbye"), r"label out of 4 classes.*goodbye"),
    "one class": (_replace("clips", lambda c: c.assign(label="yes")), r"2 classes .*got \['yes'\]"),
    "a clip twice": (_edit(1, "clip", "both/hello-0"), r"name that occurs once.*both/hello-0"),
    "a missing column":
        (_replace("clips", lambda clips: clips.drop(columns="fps")), "expected clip columns"),
    "doubles": (_replace("poses", np.float64), "float32, got float64"),
    "names of one hand":
        (_replace("joints", lambda j: j[:21]), r"\(24, 8, 21\), got \(24, 8, 42\)"),
    "an unknown joint":
        (_replace("joints", lambda j: ("left.elbow", *j[1:])), "got .'left.elbow'."),
}  # fmt: skip


@pytest.mark.parametrize("name", REFUSED)
def test_broken_content_is_refused_before_anything_is_written(toy, tmp_path, name):
    spoil, message = REFUSED[name]
    spoil(toy)
    with pytest.raises(ValueError, match=message):
        save_dataset(tmp_path / "toy", **toy)
    assert list(tmp_path.iterdir()) == []


def test_a_store_of_another_version_says_what_to_do(toy_dataset, tmp_path):
    meta = tmp_path / "toy" / "meta.json"
    meta.write_text(json.dumps({**json.loads(meta.read_text()), "version": 99}))
    with pytest.raises(ValueError, match=rf"version {VERSION}, got 99: prepare it again"):
        open_dataset(tmp_path / "toy")


def test_hand_presence_counts_frames_without_padding(toy_dataset):
    presence = toy_dataset.hand_presence()
    assert presence.loc["both"].tolist() == [1, 1, 1]
    assert presence.loc["one"].tolist() == [0, 1, 0]
    assert toy_dataset.two_handed() == ["both"]


def test_letters_go_by_their_alphabet_and_signs_by_their_own_frames(toy, tmp_path):
    """A clip of "one" shows both hands, and one of "both" a single hand."""
    shows_both, shows_one = 8, 0  # clips
    toy["present"][shows_both, :2] = True  # 2 of 5 frames, more than a quarter
    toy["present"][shows_one, 1:, :21] = False  # 1 of 5 frames is not
    toy["poses"][~toy["present"]] = 0
    own = np.repeat(["two-handed", "one-handed", "one-handed"], 8)
    data = save_dataset(tmp_path / "signs", **toy)
    toy["meta"]["translation_invariant"] = True
    assert save_dataset(tmp_path / "letters", **toy).handedness.tolist() == own.tolist()
    own[[shows_both, shows_one]] = "two-handed", "one-handed"
    assert data.handedness.tolist() == own.tolist()


@pytest.mark.parametrize("seed", range(3))
def test_folds_keep_languages_apart_and_spread_the_two_handed(dataset, seed):
    folds = dataset.folds(4, seed)
    two_handed = set(dataset.two_handed())
    assert two_handed == {"cse", "csq", "tsm"}
    for train, test in folds:
        assert not set(dataset.groups[train]) & set(dataset.groups[test])
        assert len(set(dataset.groups[test])) == 4
        assert len(two_handed & set(dataset.groups[test])) <= 1
        assert sorted([*train, *test]) == list(range(410))
    assert sorted(np.concatenate([test for _, test in folds])) == list(range(410))


def test_a_seed_fixes_the_folds_and_another_changes_them(dataset):
    tests = [[test.tolist() for _, test in dataset.folds(4, seed)] for seed in (0, 0, 1)]
    assert tests[0] == tests[1] != tests[2]


def test_folds_train_every_class_they_test_where_groups_allow_it(toy, tmp_path):
    """Two groups of six alone hold "yes"; drawn into one of three folds, it would be untrained."""
    clips = toy["clips"]
    clips["group"] = [f"{group}{clip % 2}" for clip, group in enumerate(clips["group"])]
    rare = clips["group"].isin(["one0", "two1"])
    clips["label"] = np.where(rare, "yes", np.where(clips.index % 4 < 2, "no", "hello"))
    data = save_dataset(tmp_path / "rare", **toy)
    for seed in range(5):
        for train, test in data.folds(3, seed):
            assert set(data.labels[test]) <= set(data.labels[train])


def test_one_group_cannot_be_held_out(toy_dataset):
    with pytest.raises(ValueError, match="expected 2 groups or more to hold one out, got 1: name"):
        replace(toy_dataset, groups=np.full(len(toy_dataset), "a")).folds(2, 0)


@pytest.mark.parametrize("n", [0, 1, 4, 2.0, True])
def test_folds_that_groups_cannot_fill_are_refused(toy_dataset, n):
    with pytest.raises(ValueError, match=f"2 to 3 folds for 3 groups, got {n}"):
        toy_dataset.folds(n, 0)


@pytest.mark.parametrize(
    ("labels", "got"),
    [(("no", "yes", "hello"), "2 trained, 0 of them"), (("no", "no", "yes"), "1 trained, ")],
)
def test_folds_in_which_nothing_can_be_recognised_are_refused(toy, tmp_path, labels, got):
    """Each class in one group only; two groups of one class."""
    toy["clips"]["label"] = toy["clips"]["group"].map(
        dict(zip(("both", "one", "two"), labels, strict=True))
    )
    data = save_dataset(tmp_path / "apart", **toy)
    with pytest.raises(ValueError, match=rf"train 2 classes or more .*got {got}.*--groups"):
        data.folds(3, seed=0)
    data.clips["split"] = ["train"] * 16 + ["test"] * 8
    with pytest.raises(ValueError, match=rf"got {got}"):
        data.folds(3, seed=0)


def test_informative_joints_are_those_of_synthetic_data(toy, toy_dataset, tmp_path):
    toy["meta"]["informative"] = ["right.index_tip", "left.wrist"]
    informative = save_dataset(tmp_path / "other", **toy).informative
    assert np.flatnonzero(informative).tolist() == [0, 29]
    with pytest.raises(ValueError, match=r"expected a synthetic dataset.*got 'toy'"):
        _ = toy_dataset.informative


def test_a_published_split_is_the_only_fold(toy, tmp_path):
    toy["clips"]["split"] = ["train"] * 8 + ["val"] * 8 + ["test"] * 8
    data = save_dataset(tmp_path / "split", **toy)
    ((train, test),) = data.folds(4, seed=3)
    assert train.tolist() == list(range(8)) and test.tolist() == list(range(16, 24))
    assert data.tested_without(train).tolist() == test.tolist()


@pytest.mark.parametrize("splits", [["train", "test"] * 12, ["val"] * 16 + ["test"] * 8])
def test_a_published_split_with_a_group_on_both_sides_or_no_training_is_refused(
    toy, tmp_path, splits
):
    toy["clips"]["split"] = splits
    data = save_dataset(tmp_path / "split", **toy)
    with pytest.raises(ValueError, match="a published split that keeps groups apart"):
        data.folds(4, seed=0)


def _flip(path):
    content = path.read_bytes()
    path.unlink()  # the old file may be mapped
    path.write_bytes(content[:-1] + bytes([content[-1] ^ 1]))


def _cut(path):
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])


def _edit_text(old, new):
    return lambda path: path.write_text(path.read_text().replace(old, new, 1))


def _claim(shape):
    """An array's header that claims another shape."""

    def write(path):
        with path.open("r+b") as file:
            header = {"descr": "<f4", "fortran_order": False, "shape": shape}
            np.lib.format.write_array_header_1_0(file, header)

    return write


DAMAGES = {
    "a value flipped": ("poses.npy", _flip),
    "values cut": ("poses.npy", _cut),
    "a terabyte claimed": ("poses.npy", _claim((10**9, 8, 42, 2))),
    "a shape beyond 64 bits": ("poses.npy", _claim((10**30, 8, 42, 2))),
    "pickled": ("poses.npy", lambda path: np.save(path, np.array([{}]), allow_pickle=True)),
    "a signer edited": ("clips.csv", _edit_text(",two,", ",one,")),
    "a table cut": ("clips.csv", _cut),
    "meta cut": ("meta.json", _cut),
    "units edited": ("meta.json", _edit_text("shoulder", "palm")),
}


@pytest.mark.parametrize("damage", DAMAGES)
def test_a_damaged_store_is_refused_and_can_be_saved_anew(toy, tmp_path, damage):
    name, spoil = DAMAGES[damage]
    saved = save_dataset(tmp_path / "toy", **toy)
    del saved  # its arrays are mapped
    before = folder_content(tmp_path / "toy")
    spoil(tmp_path / "toy" / name)
    with pytest.raises(ValueError, match=r"toy: expected .*(prepare it again|, got)"):
        open_dataset(tmp_path / "toy")
    save_dataset(tmp_path / "toy", **toy)
    assert folder_content(tmp_path / "toy") == before
    assert len(open_dataset(tmp_path / "toy")) == 24


def test_damage_is_found_by_a_process_that_had_opened_the_store_before(toy_dataset, tmp_path):
    open_dataset(tmp_path / "toy")
    _flip(tmp_path / "toy" / "present.npy")
    with pytest.raises(ValueError, match="content of checksum"):
        open_dataset(tmp_path / "toy")


def test_jobs_in_a_row_share_the_data_set_that_they_receive(toy_dataset):
    packed = pickle.dumps(toy_dataset)
    assert pickle.loads(packed) is pickle.loads(packed)


def test_a_store_saved_again_with_the_same_content_is_not_replaced(toy, tmp_path):
    save_dataset(tmp_path / "toy", **toy)
    before = (tmp_path / "toy").stat().st_ino
    save_dataset(tmp_path / "toy", **toy)
    assert (tmp_path / "toy").stat().st_ino == before


def test_a_store_that_another_process_saves_meanwhile_is_used(toy, tmp_path, monkeypatch):
    """The same store appears between the check and the rename."""
    rename = os.rename

    def too_late(path, target):
        if Path(path).name == "new" and not target.exists():
            shutil.copytree(path, target)
        rename(path, target)

    monkeypatch.setattr(os, "rename", too_late)
    assert len(save_dataset(tmp_path / "toy", **toy)) == 24
    assert [path.name for path in tmp_path.iterdir()] == ["toy"]


def test_arrays_of_a_new_store_have_their_disk_space_and_a_full_disk_is_an_error(
    tmp_path, monkeypatch
):
    """Writing into a mapped file on a full disk would kill the process."""
    with arrays_on_disk(tmp_path / "new", 5, 40, 42) as arrays:
        for array in arrays:
            stat = Path(array.filename).stat()
            assert stat.st_blocks * 512 >= stat.st_size > 5 * 40 * 42 and not array.any()

    def full(*_):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, "posix_fallocate", full)
    with pytest.raises(OSError, match="No space"), arrays_on_disk(tmp_path / "new", 5, 40, 42):
        pass
    assert not any(tmp_path.iterdir())
