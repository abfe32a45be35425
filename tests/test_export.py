"""Exported files give the model's probabilities, describe themselves, and need no jointprune."""

import json
import runpy
import shutil
import sys
import zipfile
from dataclasses import asdict, replace
from pathlib import Path

import numpy as np
import pytest
import torch
from conftest import toy_run
from pose_format import Pose
from pose_format.numpy import NumPyPoseBody
from recordings import write_letters

from jointprune.classifier import SignClassificationLightning
from jointprune.config import TrainingConfig
from jointprune.dataset import SignDataset
from jointprune.export import __main__, export_model
from jointprune.export.program import TOLERANCE, Recogniser, largest_difference, programs, write
from jointprune.importing.importer import import_recordings
from jointprune.prediction import load_checkpoint, predict
from jointprune.preprocessing import EVALUATION_CROP, resample
from jointprune.recordings import LIMIT
from jointprune.runs import make_run
from jointprune.skeleton import JOINT_NAMES
from jointprune.store import save_dataset
from jointprune.training import train
from jointprune.workspace import ROOT, Workspace

for name in ("onnx", "onnxruntime", "onnxscript"):
    pytest.importorskip(name, reason="of the extra `export`")

TINY = TrainingConfig(
    hidden=16, frames=4, layers=1, epochs=2, batch_size=8, mask="hard-concrete", budget=12,
    num_classes=3, precision="32-true")  # fmt: skip
FILES = ["model.json", "model.onnx", "model.pt2", "read_a_clip.py"]
LANGUAGES, LETTERS = ("ase", "ise", "tsm"), ("A", "B", "C")  # a signer each; ise is left-handed


@pytest.fixture(scope="module")
def recordings(wheel, tmp_path_factory) -> Path:
    """A folder of `.pose` files of three letters in three languages: A/ase.pose."""
    return write_letters(wheel, tmp_path_factory.mktemp("recordings"), LETTERS, LANGUAGES)


@pytest.fixture(scope="module")
def workspace(tmp_path_factory) -> Workspace:
    return Workspace(str(tmp_path_factory.mktemp("workspace")))


@pytest.fixture(scope="module")
def few(recordings, workspace) -> SignDataset:
    """The recordings as the importer reads them."""
    data, _ = import_recordings(
        recordings, "few", workspace, groups="pattern:([a-z]+)", leading_hand="signer")  # fmt: skip
    assert len(data) == 9 and data.classes == LETTERS
    return data


@pytest.fixture(scope="module")
def checkpoint(few, workspace) -> Path:
    """A tiny run on them; its gates leave 12 joints of 42."""
    torch.set_num_threads(1)
    train_clips, test = few.folds(3, seed=0)[0]
    return train(make_run(few, train_clips, test, 0, TINY), few, workspace) / "model.ckpt"


@pytest.fixture(scope="module")
def exported(checkpoint, few, tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("out") / "model"
    out, difference = export_model(checkpoint, few.folder, folder)
    assert difference <= TOLERANCE
    return out


@pytest.fixture
def model(checkpoint) -> SignClassificationLightning:
    return load_checkpoint(checkpoint)


def random_clips(clips: int, frames: int, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Poses (clips, frames, 42, 2) and what is present; hands are often missing."""
    rng = np.random.default_rng(seed)
    present = np.repeat(rng.random((clips, frames, 2)) < 0.6, 21, axis=2)
    poses = rng.normal(size=(clips, frames, 42, 2)).clip(-LIMIT, LIMIT).astype(np.float32)
    return poses * present[..., None], present


@torch.no_grad()
def by_the_package(model: SignClassificationLightning, poses, present) -> torch.Tensor:
    """Probabilities by the package's own resampling and the model with its gates."""
    cut = torch.full((len(poses),), EVALUATION_CROP)
    window, lengths = np.stack([cut, 1 - cut], -1), np.full(len(poses), poses.shape[1])
    return model(*resample(poses, present, lengths, window, model.config.frames)).softmax(-1)


def test_both_files_give_the_gated_models_probabilities_for_any_clips_and_frames(exported, model):
    kept, both = model.joint_pruning.kept_joints(), programs(exported)
    assert len(both) == 2
    for clips, frames in ((1, 1), (1, 33), (3, 2), (3, 20)):
        poses, present = random_clips(clips, frames)
        present[-1, :, :21] = False  # a hand that is never there
        present[0] &= clips == 1  # and a clip without hands
        expected = by_the_package(model, poses * present[..., None], present)
        for name, program in both.items():
            got = program(poses[:, :, kept], present[:, :, kept])
            assert got == pytest.approx(expected.numpy(), abs=TOLERANCE), name


@torch.no_grad()
@pytest.mark.parametrize("mask", ["hard-concrete", "open"])
def test_the_program_resamples_as_evaluation_does_at_any_length(mask):
    """Half-open gates keep their values; without gates all 42 joints are read."""
    torch.manual_seed(0)
    config = replace(TINY, mask=mask, budget=0, frames=16)
    model = SignClassificationLightning(asdict(config)).eval()
    if mask == "hard-concrete":
        model.joint_pruning.joint_logits.copy_(torch.linspace(-4, 1, 42))
    recogniser, kept = Recogniser(model).eval(), model.joint_pruning.kept_joints()
    assert (len(kept) == 42) == (mask == "open")
    for frames in range(1, 70):
        poses, present = random_clips(2, frames, seed=frames)
        got = recogniser(torch.from_numpy(poses[:, :, kept]), torch.from_numpy(present[:, :, kept]))
        expected = by_the_package(model, poses, present)
        torch.testing.assert_close(got, expected, atol=TOLERANCE, rtol=0)


@torch.no_grad()
def test_values_of_a_missing_hand_and_beyond_the_limit_do_not_matter(model):
    recogniser, kept = Recogniser(model).eval(), model.joint_pruning.kept_joints()
    poses, present = random_clips(3, 12)
    poses[0, 5, 21:], present[0, 5, 21:] = LIMIT, True
    far, present = torch.from_numpy(poses[:, :, kept]), torch.from_numpy(present[:, :, kept])
    expected = recogniser(far, present)
    far = torch.where(far == LIMIT, 100.0, far).masked_fill(~present[..., None], torch.nan)
    torch.testing.assert_close(recogniser(far, present), expected, atol=0, rtol=0)


def test_all_files_hold_the_same_description(exported, few, model):
    import onnxruntime

    text = (exported / "model.json").read_text(encoding="utf-8")
    session = onnxruntime.InferenceSession(exported / "model.onnx")
    assert session.get_modelmeta().custom_metadata_map == {"model.json": text}
    extra = {"model.json": ""}
    torch.export.load(exported / "model.pt2", extra_files=extra)
    assert extra["model.json"] == text
    about = json.loads(text)
    assert about["labels"] == ["A", "B", "C"]
    assert about["dataset"]["sha256"] == few.sha256
    assert (about["inside"]["frames"], about["coords"]) == (4, ["x", "y"])
    kept = model.joint_pruning.kept_joints()
    assert [joint["name"] for joint in about["joints"]] == [JOINT_NAMES[j] for j in kept]
    inputs = {put.name: put.shape for put in session.get_inputs()}
    assert inputs == {"poses": ["clips", "frames", 12, 2], "present": ["clips", "frames", 12]}


def test_no_file_names_a_path_of_this_machine(exported):
    parts = [(exported / name).read_bytes() for name in ("model.onnx", "model.json")]
    with zipfile.ZipFile(exported / "model.pt2") as archive:
        parts += map(archive.read, archive.namelist())
    assert str(ROOT).encode() not in b"\n".join(parts)


def as_array(file: Path, target: Path) -> Path:
    """A `.pose` file as an array of Holistic, (frames, 543, 3), NaN where a point is missing."""
    names = ["FACE_LANDMARKS", "POSE_LANDMARKS", "LEFT_HAND_LANDMARKS", "RIGHT_HAND_LANDMARKS"]
    body = Pose.read(file.read_bytes()).get_components(names).body
    points = np.where(body.confidence[:, 0, :, None] > 0, body.data.data[:, 0, :, :3], np.nan)
    np.save(target, np.delete(points, np.s_[468:478], axis=1))  # without the irises
    return target


@pytest.fixture(scope="module", params=[LANGUAGES, LANGUAGES[:2]], ids=["all", "some"])
def without_bodies(request, recordings, workspace, tmp_path_factory):
    """The recordings, some languages without bodies; their data set; the export of its model."""
    source = tmp_path_factory.mktemp("hands") / "-".join(request.param)
    for file in recordings.rglob("*.pose"):
        pose = Pose.read(file.read_bytes())
        if file.stem in request.param:
            hands = [c.name for c in pose.header.components if "HAND" in c.name]
            pose = pose.get_components(hands)
        target = source / file.relative_to(recordings)
        target.parent.mkdir(exist_ok=True, parents=True)
        with target.open("wb") as opened:
            pose.write(opened)
    options = {"groups": "pattern:([a-z]+)", "leading_hand": "signer"}
    data, _ = import_recordings(source, source.name, workspace, **options)
    checkpoint = train(toy_run(data, TINY), data, workspace) / "model.ckpt"
    return source, data, export_model(checkpoint, data.folder)[0]


def read_by_the_example(monkeypatch, exported, file, *hand) -> np.ndarray:
    monkeypatch.setattr("sys.argv", ["", str(exported / "model.onnx"), str(file), *hand])
    return runpy.run_path(str(exported / "read_a_clip.py"))["probabilities"]


@pytest.mark.parametrize("form", ["as recorded", "pose", "array"])
def test_the_example_scales_a_clip_as_the_import_did(
    form, without_bodies, recordings, monkeypatch, tmp_path
):
    """If no training clip shows shoulders, those that a clip shows do not count."""
    source, data, exported = without_bodies
    expected = predict(load_checkpoint(exported.parent / "model.ckpt"), data, np.arange(len(data)))
    ways = json.loads((exported / "model.json").read_text(encoding="utf-8"))["scale"]["by"]
    everywhere = source.name == "-".join(LANGUAGES)
    assert ways == (["palms"] if everywhere else ["shoulders", "palms"])
    for clip, own in zip(data.clips.itertuples(), expected, strict=True):
        hand = ["left"] * (clip.leading_hand == "left")
        file = (recordings if everywhere and form != "as recorded" else source) / clip.source_file
        if form == "array" and everywhere:
            file = as_array(file, tmp_path / "clip.npy")
        got = read_by_the_example(monkeypatch, exported, file, *hand)
        assert got == pytest.approx(own, abs=TOLERANCE), file


@pytest.mark.parametrize("content", [None, "", "[]", '{"clips": 3}'])
def test_an_import_without_its_report_is_not_exported(without_bodies, capsys, tmp_path, content):
    """The report says what gives clips their scale."""
    _, data, exported = without_bodies
    folder = shutil.copytree(data.folder, tmp_path / data.folder.name)
    report = folder / "report.json"
    report.unlink() if content is None else report.write_text(content)
    checkpoint = exported.parent / "model.ckpt"
    error = refused(capsys, checkpoint, folder, "--out", tmp_path / "out")
    assert "report.json: expected the report of the import, got" in error
    assert "give the command of the import again" in error and not (tmp_path / "out").exists()


def test_a_hand_of_which_a_joint_is_missing_is_not_found(
    without_bodies, recordings, monkeypatch, tmp_path
):
    file = as_array(next(recordings.rglob("*ase.pose")), tmp_path / "clip.npy")
    points, found = np.load(file), []
    frame = len(points) // 2
    for missing in (slice(522 + 20, 522 + 21), slice(522, 522 + 21)):  # a tip, the right hand
        changed = points.copy()
        changed[frame, missing] = np.nan
        np.save(file, changed)
        found.append(read_by_the_example(monkeypatch, without_bodies[2], file))
    assert np.isfinite(points[frame, 522:]).all() and np.isfinite(found[0]).all()
    np.testing.assert_array_equal(*found)


def test_the_example_says_which_file_it_cannot_read(exported, recordings, tmp_path, monkeypatch):
    whole = Pose.read(next(recordings.rglob("*.pose")).read_bytes())
    with (tmp_path / "body.pose").open("wb") as file:
        whole.get_components(["POSE_LANDMARKS"]).write(file)
    (tmp_path / "text.pose").write_text("no pose")
    np.save(tmp_path / "objects.npy", np.array([{}], dtype=object))
    np.save(tmp_path / "number.npy", 3.0)
    for name in ("body.pose", "text.pose", "missing.pose", "objects.npy", "number.npy"):
        with pytest.raises(SystemExit, match=f"^expected MediaPipe's points .*{name}, got"):
            read_by_the_example(monkeypatch, exported, tmp_path / name)
    (tmp_path / "model.onnx").write_text("no model")
    shutil.copy(exported / "read_a_clip.py", tmp_path)
    with pytest.raises(SystemExit, match=r"^expected a model.onnx of jointprune, got .*model.onnx"):
        read_by_the_example(monkeypatch, tmp_path, tmp_path / "number.npy")


MODELS = sorted((ROOT / "data" / "models").glob("*.onnx"))


@pytest.mark.parametrize("model", MODELS, ids=lambda file: file.stem)
def test_the_example_reads_a_clip_with_every_committed_model(model, recordings, monkeypatch):
    monkeypatch.setattr("sys.argv", ["", str(model), str(next(recordings.rglob("*.pose")))])
    found = runpy.run_path(str(ROOT / "jointprune" / "export" / "read_a_clip.py"))
    assert found["probabilities"].sum() == pytest.approx(1, abs=1e-5)
    assert len(found["probabilities"]) == len(found["about"]["labels"])


@pytest.mark.parametrize("form", ["pose", "array"])
def test_the_example_prints_the_packages_own_sign_of_every_recording_without_the_package(
    form, exported, recordings, few, model, monkeypatch, capsys, tmp_path
):
    assert set(few.groups[few.clips["leading_hand"] == "left"]) == {"ise"}
    expected = predict(model, few, np.arange(len(few)))
    monkeypatch.setitem(sys.modules, "jointprune", None)  # it cannot be imported
    for clip, own in zip(few.clips.itertuples(), expected, strict=True):
        hand = ["left"] * (clip.signer == "ise")
        file = recordings / clip.source_file
        file = file if form == "pose" else as_array(file, tmp_path / "clip.npy")
        got = read_by_the_example(monkeypatch, exported, file, *hand)
        assert got == pytest.approx(own, abs=TOLERANCE), file
        assert capsys.readouterr().out == f"{LETTERS[own.argmax()]} {own.max():.3f}\n"


def test_the_example_refuses_two_people_and_a_file_without_a_body(
    exported, recordings, tmp_path, monkeypatch
):
    whole = Pose.read(next(recordings.rglob("*.pose")).read_bytes())
    hands = [c.name for c in whole.header.components if "HAND" in c.name]
    nobody = whole.get_components(hands)
    twice = (np.repeat(part, 2, axis=1) for part in (whole.body.data, whole.body.confidence))
    two = NumPyPoseBody(whole.body.fps, *twice)
    for name, pose in (("nobody", nobody), ("two", Pose(whole.header, two))):
        with (tmp_path / f"{name}.pose").open("wb") as file:
            pose.write(file)
        with pytest.raises(SystemExit, match="expected one person with POSE_LANDMARKS"):
            read_by_the_example(monkeypatch, exported, tmp_path / f"{name}.pose")


def test_the_example_takes_zeros_as_missing_and_refuses_other_arrays(
    exported, recordings, tmp_path, monkeypatch
):
    file = as_array(next(recordings.rglob("*.pose")), tmp_path / "clip.npy")
    points, read = np.load(file), []
    for nothing in (np.nan, 0):
        np.save(file, np.nan_to_num(points, nan=nothing))
        read.append(read_by_the_example(monkeypatch, exported, file))
    np.testing.assert_array_equal(*read)
    np.save(file, points[:, :75])
    with pytest.raises(SystemExit, match=r"expected an array \(frames, 543, 2 or more\), got"):
        read_by_the_example(monkeypatch, exported, file)


def test_a_recurrent_encoder_can_be_exported_too(few, tmp_path):
    torch.manual_seed(0)
    model = SignClassificationLightning(asdict(replace(TINY, encoder="recurrent", budget=0))).eval()
    model.joint_pruning.freeze([0, 8, 21, 25, 29])
    recogniser = Recogniser(model).eval()
    write(recogniser, {}, tmp_path)
    assert largest_difference(tmp_path, recogniser.config, model, few) <= TOLERANCE


def test_a_file_with_other_probabilities_is_refused(exported, model, few):
    config = Recogniser(model).config
    with torch.no_grad():
        model.encoder.head.class_vectors[0, 0] += 0.01  # too little to change a sign
    with pytest.raises(ValueError, match=r"model.pt2: expected the model's probabilities within"):
        largest_difference(exported, config, model, few)


def test_a_failure_leaves_nothing_behind(checkpoint, few, tmp_path, monkeypatch):
    def half(recogniser, about, folder):
        (folder / "model.pt2").write_text("half")
        raise OSError("disk full")

    monkeypatch.setattr("jointprune.export.program.write", half)
    with pytest.raises(OSError, match="disk full"):
        export_model(checkpoint, few.folder, tmp_path / "out")
    assert not list(tmp_path.iterdir())


def test_the_command_lists_what_it_wrote(checkpoint, few, exported, tmp_path, monkeypatch, capsys):
    def copy(recogniser, about, folder):
        assert about == json.loads((exported / "model.json").read_text(encoding="utf-8"))
        shutil.copytree(exported, folder, dirs_exist_ok=True)

    monkeypatch.setattr("jointprune.export.program.write", copy)
    (tmp_path / "empty").mkdir()
    arguments = [str(checkpoint), "--dataset", str(few.folder)]
    __main__.main([*arguments, "--out", str(tmp_path / "empty")])
    printed = capsys.readouterr().out
    assert printed.startswith("12 joints, 3 classes\n")
    assert all(f"{tmp_path / 'empty' / name} (" in printed for name in FILES)
    __main__.main(arguments)
    assert sorted(path.name for path in (checkpoint.parent / "export").iterdir()) == FILES


def refused(capsys, checkpoint, dataset, *options) -> str:
    with pytest.raises(SystemExit, match="1"):
        __main__.main([str(part) for part in (checkpoint, "--dataset", dataset, *options)])
    return capsys.readouterr().err


def test_another_data_set_with_as_many_classes_is_refused(checkpoint, few, tmp_path, capsys):
    """Its labels would be given to the classes of the training."""
    clips = few.clips.assign(label=few.clips["label"].map(dict(zip("ABC", "XYZ", strict=True))))
    meta = {key: value for key, value in few.meta.items() if key != "sha256"}
    arrays = {"poses": few.poses, "present": few.present, "joints": few.joints}
    where = tmp_path / "other"
    other = save_dataset(where, **arrays, clips=clips, classes=("X", "Y", "Z"), meta=meta)
    error = refused(capsys, checkpoint, other.folder, "--out", tmp_path / "out")
    assert f"data set of the training, 'few' of checksum {few.sha256[:12]}, got" in error
    known = torch.load(checkpoint, weights_only=True)["trained_on"]
    groups = sorted(set(few.groups[few.folds(3, seed=0)[0][0]]))
    about = {"name": "few", "sha256": few.sha256, "classes": ["A", "B", "C"], "groups": groups}
    assert known == about
    assert not (tmp_path / "out").exists()


def test_a_data_set_of_other_labels_is_refused(checkpoint, toy, tmp_path, capsys):
    """Also by a checkpoint of older code, which does not know its data set."""
    content = torch.load(checkpoint, weights_only=True)
    del content["trained_on"]
    torch.save(content, checkpoint := tmp_path / "old.ckpt")
    save_dataset(tmp_path / "toy", **toy)
    out = ["--out", tmp_path / "out"]
    error = refused(capsys, checkpoint, tmp_path / "toy", *out)
    assert "expected a data set of 3 classes in 2 coordinates" in error
    assert "of 4 in 2: name the one" in error  # no joint is lacking
    toy |= {key: toy[key][:, :, 1:] for key in ("poses", "present")}
    save_dataset(tmp_path / "fewer", **toy | {"joints": JOINT_NAMES[1:]})
    error = refused(capsys, checkpoint, tmp_path / "fewer", *out)
    assert "of 4 in 2, without ['left.wrist']: name the one" in error
    assert not (tmp_path / "out").exists()


def test_a_missing_model_a_full_folder_and_a_missing_extra_are_refused(
    checkpoint, tmp_path, capsys, monkeypatch
):
    assert "nothing (no such file)" in refused(capsys, tmp_path / "nothing", "few")
    (tmp_path / "a file").touch()
    error = refused(capsys, checkpoint, "few", "--out", tmp_path)
    assert "expected a new or empty folder" in error
    monkeypatch.setitem(sys.modules, "onnxscript", None)
    error = refused(capsys, checkpoint, "few", "--out", tmp_path / "out")
    assert "got no onnxscript: pip install -e '.[export]'" in error


OTHER_MODEL = {"state_dict": {}, "pytorch-lightning_version": "2.5.0"}


@pytest.mark.filterwarnings("ignore:Using a non-tuple sequence")  # torch, of a tensor
@pytest.mark.parametrize(
    "content", [b"# notes", b"\x80\x04}\x94.", Path("x"), torch.zeros(2), OTHER_MODEL]
)
def test_other_files_are_refused_in_one_line(content, tmp_path, capsys):
    file = tmp_path / "odd.ckpt"
    if isinstance(content, bytes):
        file.write_bytes(content)
    else:
        torch.save(content, file)
    assert refused(capsys, file, "few") == (
        f"expected a checkpoint, got {file} (not a model of this package, or damaged): name the "
        "file that training printed, or the model.ckpt of a run in data/runs\n"
    )


def test_a_checkpoint_with_one_damaged_byte_is_refused(checkpoint, tmp_path, capsys):
    content = bytearray(checkpoint.read_bytes())
    content[len(content) // 2] ^= 1  # of a weight
    damaged = tmp_path / "damaged.ckpt"
    damaged.write_bytes(content)
    assert "not a model of this package, or damaged" in refused(capsys, damaged, "few")


def test_a_model_of_another_version_is_refused_in_one_line(checkpoint, tmp_path, capsys):
    """Of one more hyperparameter, of fewer weights."""
    more, fewer = (torch.load(checkpoint, weights_only=True) for _ in range(2))
    more["hyper_parameters"]["config"]["magic"] = 1
    fewer["state_dict"].popitem()
    file = tmp_path / "odd.ckpt"
    for content in (more, fewer):
        torch.save(content, file)
        (line,) = refused(capsys, file, "few").splitlines()
        assert f"got {file} (made by another version of this package: " in line


def test_the_quick_starts_mask_is_refused_as_it_closes_no_joint():
    model = SignClassificationLightning(asdict(replace(TINY, mask="quick-start", budget=0)))
    with pytest.raises(ValueError, match="got the quick start's mask"):
        Recogniser(model)
