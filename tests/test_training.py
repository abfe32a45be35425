"""Runs named by content, kept whole or not at all, and the same however they are resumed."""

import ast
import hashlib
import inspect
import json
import shutil
from dataclasses import asdict, replace
from pathlib import Path

import lightning
import numpy as np
import pandas as pd
import pytest
import torch
from jointprune.experiments import (
    CONTRACT,
    Run,
    Trial,
    answers,
    batches_of,
    finalise,
    gate_path,
    make_run,
    masked_predictions,
    precision_for,
    predict,
    prediction_rows,
    predictions,
    run_many,
    train,
    trained_model,
    training,
)
from jointprune.experiments import run as naming

from jointprune.classifier import SignClassificationLightning, slice_joints
from jointprune.config import TrainingConfig
from jointprune.preprocessing import FREE_SHIFT, ClipBatches
from jointprune.workspace import ROOT, Workspace

TINY = TrainingConfig(hidden=16, frames=4, epochs=2, batch_size=8)
GATED = replace(TINY, mask="hard-concrete", budget=12)


@pytest.fixture
def workspace(tmp_path) -> Workspace:
    return Workspace(str(tmp_path / "work"))


@pytest.fixture
def alone(monkeypatch):
    """One core, so that runs are trained inside this process."""
    monkeypatch.setattr("os.cpu_count", lambda: 1)


def toy_runs(data, config=GATED) -> list[Run]:
    """One run a fold of the toy, on three folds."""
    folds = enumerate(data.folds(3, seed=0))
    return [make_run(data, *clips, seed, config) for seed, clips in folds]


def content(run: Run, data, workspace: Workspace) -> tuple[bytes, str]:
    """What a run learned: its probabilities bit by bit, and its gates."""
    folder = run.folder(data, workspace)
    return np.load(folder / "probabilities.npy").tobytes(), (folder / "gates.csv").read_text()


def entries(workspace: Workspace) -> list[str]:
    return sorted(path.name for path in workspace.runs.iterdir())


@pytest.mark.parametrize(
    ("found", "expected"),
    [({"avx512_bf16": True}, "bf16-mixed"), ({"amx_bf16": True}, "bf16-mixed"),
     ({"avx2": True, "avx512_bf16": False}, "32-true"), ({}, "32-true")],
)  # fmt: skip
def test_precision_is_mixed_where_the_processor_multiplies_bfloat16(found, expected, monkeypatch):
    monkeypatch.setattr(torch.cpu, "get_capabilities", lambda: found)
    assert precision_for("auto", "cpu") == expected
    assert precision_for("32-true", "cpu") == "32-true"


def test_a_runs_name_changes_with_all_that_decides_what_it_learns(toy_dataset, workspace):
    run = Run(TINY, (0, 1, 2), (3, 4), seed=0)
    other_data = replace(toy_dataset, meta={**toy_dataset.meta, "sha256": "other"})
    folders = [
        run.folder(toy_dataset, workspace),
        run.folder(other_data, workspace),
        *(
            other.folder(toy_dataset, workspace)
            for other in (
                replace(run, seed=1),
                replace(run, train=(0, 1)),
                replace(run, test=(3, 5)),
                *(replace(run, config=config) for config in other_configs()),
            )
        ),
    ]
    assert len({folder.name for folder in folders}) == len(folders)
    assert {folder.parent for folder in folders} == {workspace.runs}


def other_configs() -> list[TrainingConfig]:
    """TINY with one setting changed, for each setting there is."""
    changed = {
        "mask": "hard-concrete",
        "tied": True,
        "precision": "32-true",
        "encoder": "graph",
    }
    names = set(asdict(TINY)) - {"num_pose_points", "joints", "budget"} - set(changed)
    settings = [{name: getattr(TINY, name) * 2} for name in sorted(names)]
    fewer = {"joints": TINY.joints[:5], "num_pose_points": 5}
    swapped = {"joints": TINY.joints[::-1]}
    single = [{name: value} for name, value in changed.items()]
    return [replace(TINY, **s) for s in (*settings, *single, {"budget": 7}, fewer, swapped)]


def test_a_runs_name_changes_with_the_training_codes_contract(toy_dataset, workspace, monkeypatch):
    run = Run(TINY, (0, 1, 2), (3, 4), seed=0)
    before = run.folder(toy_dataset, workspace)
    monkeypatch.setattr(naming, "CONTRACT", CONTRACT + 1)
    assert run.folder(toy_dataset, workspace) != before


def test_a_runs_name_depends_on_nothing_else(toy_dataset, workspace, tmp_path):
    """Neither on where it lies, nor on how the same clips and settings were passed."""
    train, test = np.arange(0, 8, dtype=np.int32), [8, 9]
    run = make_run(toy_dataset, train, test, 0, TINY, kept=[40, 3, 21])
    settings = TrainingConfig.from_mapping(asdict(TINY))
    same = make_run(
        toy_dataset, train.tolist(), np.array(test), 0, settings, kept=np.array([3, 21, 40])
    )
    moved = replace(toy_dataset, poses=np.array(toy_dataset.poses))
    elsewhere = Workspace(str(tmp_path / "elsewhere"))
    assert run == same
    assert run.folder(toy_dataset, workspace).name == same.folder(moved, elsewhere).name


def test_a_run_reads_its_own_joints_by_name(toy_dataset):
    run = make_run(toy_dataset, range(8), [8, 9], 0, TINY, kept=[40, 3, 21])
    assert run.config.joints == ("left.thumb_ip", "right.wrist", "right.pinky_dip")
    assert (run.config.num_pose_points, run.config.num_classes) == (3, 4)
    assert batches_of(run, toy_dataset).joints.tolist() == [3, 21, 40]


def test_clips_are_moved_about_only_where_translation_invariant(toy_dataset):
    run = toy_runs(toy_dataset, TINY)[0]
    free = replace(toy_dataset, meta={**toy_dataset.meta, "translation_invariant": True})
    assert batches_of(run, toy_dataset).augmentation.shift == 0
    assert batches_of(run, free).augmentation.shift == FREE_SHIFT > 0


@pytest.mark.parametrize(
    ("room", "mask", "known"),
    [(16, "open", [3, 2, 2, 1]), (2, "open", [0, 2, 2, 1]), (0, "open", [0] * 4),
     (16, "any-subset", [0] * 4)],
)  # fmt: skip
def test_only_signs_of_few_clips_are_known_by_them(room, mask, known, toy_dataset):
    """By their training clips alone; not by those that there is no room for."""
    labels = np.asarray(toy_dataset.labels)
    of = [np.flatnonzero(labels == sign) for sign in range(4)]
    train = np.concatenate([of[sign][:n] for sign, n in enumerate((3, 2, 2, 1))])
    config = replace(TINY, exemplars=room, mask=mask)
    run = make_run(toy_dataset, train, [of[3][1]], 0, config)
    model = SignClassificationLightning(asdict(run.config))
    finalise(model, run, toy_dataset)
    counted = model.encoder.head.share.isfinite().sum(1) - 1
    assert counted.tolist() == known


def test_clips_are_remembered_as_the_joints_kept_show_them(toy_dataset):
    """Closing joints comes first: what is remembered is what the closed network makes of them."""
    run = toy_runs(toy_dataset)[0]
    model = SignClassificationLightning(asdict(run.config))
    finalise(model, run, toy_dataset)
    assert model.joint_pruning.get_summary()["num_active"] == 12
    small = slice_joints(model)
    clips = ClipBatches(toy_dataset, run.train[:1], run.config.frames, 1)
    ((poses, present, labels),) = clips
    kept = model.joint_pruning.kept_joints()
    with torch.no_grad():
        clip = small.encoder.embed(poses[:, :, kept], present[:, :, kept].float())
    torch.testing.assert_close(small.encoder.head.exemplars[labels[0], 0], clip[0])


def test_clips_on_both_sides_are_refused():
    with pytest.raises(ValueError, match="no clip on both sides, got 2 shared"):
        Run(TINY, (0, 1, 2), (1, 2, 3), seed=0)


def test_a_trained_run_holds_a_model_that_predicts_what_was_kept(toy_dataset, workspace, alone):
    run = toy_runs(toy_dataset)[0]
    run_many([run], toy_dataset, workspace)
    model = trained_model(run, toy_dataset, workspace)
    assert model.joint_pruning.get_summary()["num_active"] == 12
    batches = ClipBatches(toy_dataset, run.test, model.config.frames, 256)
    with torch.no_grad():
        again = np.concatenate([model(p, s).softmax(-1).numpy() for p, s, _ in batches])
    kept = np.load(run.folder(toy_dataset, workspace) / "probabilities.npy")
    np.testing.assert_array_equal(kept, again)
    np.testing.assert_allclose(kept.sum(1), 1, atol=1e-5)


def test_a_gate_path_has_a_row_for_each_joint_and_epoch(toy_dataset, workspace, alone):
    run = toy_runs(toy_dataset)[0]
    run_many([run], toy_dataset, workspace)
    path = gate_path(run, toy_dataset, workspace)
    assert list(path) == ["epoch", "joint", "keep_probability", "active"]
    assert path.joint.tolist() == list(toy_dataset.joints) * 2
    assert path.epoch.tolist() == [0] * 42 + [1] * 42
    assert path.keep_probability.between(0, 1).all()
    assert set(path.active) <= {0, 1}


@pytest.mark.parametrize("where", ["save_checkpoint", "save", "to_csv", "rename"])
def test_an_interrupted_run_leaves_nothing_behind(
    where, toy_dataset, workspace, alone, monkeypatch
):
    """Ctrl-C in any step of saving: no folder, no scratch, and the run before it is kept."""
    first, second, _ = toy_runs(toy_dataset)
    run_many([first], toy_dataset, workspace)
    owner = {"save_checkpoint": lightning.Trainer, "save": np,
             "to_csv": pd.DataFrame, "rename": Path}[where]  # fmt: skip

    def interrupt(*args, **kwargs):
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(owner, where, interrupt)
        with pytest.raises(KeyboardInterrupt):
            run_many([first, second], toy_dataset, workspace)
    assert entries(workspace) == [first.folder(toy_dataset, workspace).name]


def test_runs_are_the_same_resumed_alone_and_on_two_cores(toy_dataset, tmp_path, monkeypatch):
    runs = toy_runs(toy_dataset)
    places = {name: Workspace(str(tmp_path / name)) for name in ("resumed", "parallel", "alone")}
    monkeypatch.setattr("os.cpu_count", lambda: 1)
    run_many(runs, toy_dataset, places["alone"])
    run_many(runs[1:2], toy_dataset, places["resumed"])
    run_many(runs, toy_dataset, places["resumed"])
    monkeypatch.setattr("os.cpu_count", lambda: 2)
    run_many(runs, toy_dataset, places["parallel"])
    contents = {
        name: [content(run, toy_dataset, place) for run in runs] for name, place in places.items()
    }
    assert contents["alone"] == contents["resumed"] == contents["parallel"]
    assert len(set(contents["alone"])) == len(runs)


def test_what_is_trained_is_not_trained_again(toy_dataset, workspace, alone, monkeypatch):
    runs = toy_runs(toy_dataset, TINY)[:1]
    run_many(runs * 2, toy_dataset, workspace)
    assert entries(workspace) == [runs[0].folder(toy_dataset, workspace).name]

    def train(*_):
        raise RuntimeError("trained again")

    monkeypatch.setattr(training, "train", train)
    run_many(runs, toy_dataset, workspace)


def test_an_untrained_run_says_how_to_train_it(toy_dataset, workspace):
    run = toy_runs(toy_dataset)[0]
    for read in (trained_model, gate_path):
        with pytest.raises(FileNotFoundError, match="is not trained yet: run notebooks 02 and 03"):
            read(run, toy_dataset, workspace)


def damaged(path):
    path.write_bytes(path.read_bytes()[:-7])


@pytest.mark.parametrize("name", ["model.ckpt", "probabilities.npy", "gates.csv", "run.json"])
def test_a_truncated_file_of_a_run_is_refused_and_the_run_comes_back(
    name, toy_dataset, workspace, alone
):
    run = toy_runs(toy_dataset)[0]
    reads = {
        "model.ckpt": lambda: trained_model(run, toy_dataset, workspace),
        "probabilities.npy": lambda: predictions(
            [Trial("full", 42, 0, run)], toy_dataset, workspace
        ),
        "gates.csv": lambda: gate_path(run, toy_dataset, workspace),
    }
    reads["run.json"] = reads["gates.csv"]
    run_many([run], toy_dataset, workspace)
    before, folder = content(run, toy_dataset, workspace), run.folder(toy_dataset, workspace)
    reads[name]()
    damaged(folder / name)
    with pytest.raises(ValueError, match=rf"{folder.name}: expected .*remove that folder"):
        reads[name]()
    shutil.rmtree(folder)
    run_many([run], toy_dataset, workspace)
    reads[name]()
    assert content(run, toy_dataset, workspace) == before


def test_a_run_of_before_checksums_were_noted_is_read(toy_dataset, workspace, alone):
    run = toy_runs(toy_dataset)[0]
    run_many([run], toy_dataset, workspace)
    path = run.folder(toy_dataset, workspace) / "run.json"
    facts = json.loads(path.read_text())
    del facts["files"]
    path.write_text(json.dumps(facts))
    assert len(gate_path(run, toy_dataset, workspace)) == 2 * 42


def test_prediction_rows_are_those_written_out_by_hand(toy_dataset):
    """Clips 2, 8 and 23 of the toy sign "no", "hello" and "yes"."""
    trial = Trial("learned", 12, 3, Run(TINY, (0, 1), (2, 8, 23), seed=5))
    probabilities = np.array(
        [[0.1, 0.7, 0.2, 0.0], [0.25, 0.0, 0.0, 0.75], [0, 0, 0.66666, 0.33334]]
    )
    table = prediction_rows(trial, probabilities, toy_dataset)
    assert table.to_dict("list") == {
        "method": ["learned"] * 3,
        "k": [12] * 3,
        "fold": [3] * 3,
        "seed": [5] * 3,
        "clip": ["both/no-0", "one/hello-0", "two/yes-1"],
        "group": ["both", "one", "two"],
        "label": ["no", "hello", "yes"],
        "predicted": ["no", "yes", "thanks"],
        "p_true": [0.7, 0.25, 0.3333],
        "p_predicted": [0.7, 0.75, 0.6667],
    }


def test_predictions_have_a_row_for_every_test_clip_of_every_trial(toy_dataset, workspace, alone):
    runs = toy_runs(toy_dataset, TINY)
    run_many(runs, toy_dataset, workspace)
    table = predictions(
        [Trial("full", 42, f, r) for f, r in enumerate(runs)], toy_dataset, workspace
    )
    assert sorted(table["clip"]) == sorted(toy_dataset.clips["clip"])
    assert table.groupby("fold")["clip"].apply(list).tolist() == [
        toy_dataset.clips["clip"][list(run.test)].tolist() for run in runs
    ]
    assert (table.p_true <= table.p_predicted).all()
    assert ((table.label == table.predicted) == (table.p_true == table.p_predicted)).all()


def test_closed_gates_are_joints_that_the_data_had_not(toy_dataset, workspace, monkeypatch):
    """With none closed the answers are those kept; closing a hand equals its never being seen."""
    monkeypatch.setattr(answers, "on_every_core", lambda function, jobs, _: (
        function(*job) for job in jobs))  # fmt: skip
    run = toy_runs(toy_dataset, replace(TINY, mask="open"))[0]
    train(run, toy_dataset, workspace)
    trial, right = Trial("full", 42, 0, run), tuple(range(21, 42))
    sets = [("all", tuple(range(42))), ("right", right)]
    found = masked_predictions([(trial, sets)], toy_dataset, workspace)
    kept = predictions([trial], toy_dataset, workspace)
    everything = found[found["method"] == "all"]
    assert (everything["p_true"].to_numpy() == kept["p_true"].to_numpy()).all()
    present = np.array(toy_dataset.present)
    present[:, :, :21] = False
    unseen = replace(toy_dataset, present=present, poses=toy_dataset.poses * present[..., None])
    expected = predict(trained_model(run, toy_dataset, workspace), unseen, run.test)
    closed = found[found["method"] == "right"]
    assert closed["k"].unique().tolist() == [21]
    np.testing.assert_allclose(closed["p_predicted"], expected.max(1), atol=1e-4)


def test_changed_training_code_raises_the_contract():
    """The code a run's name does not hold, less comments and docstrings, as of CONTRACT.

    If this fails and the change alters what a run learns, raise CONTRACT in experiments/run.py, so
    that no older run is taken for one of the new code; then note the new digest here.
    """
    rooms = ("gates", "masks", "preprocessing", "models/*", "config", "classifier")
    files = [file for room in rooms for file in sorted(ROOT.glob(f"jointprune/{room}.py"))]
    texts = [file.read_text() for file in files]
    texts += map(inspect.getsource, (batches_of, finalise))
    digest = hashlib.sha256("".join(map(bare_code, texts)).encode()).hexdigest()[:16]
    assert (CONTRACT, digest) == (7, "10fc635794fc62bd")


def bare_code(text: str) -> str:
    tree = ast.parse(text)
    for node in ast.walk(tree):
        body = getattr(node, "body", None)
        if isinstance(body, list) and body and isinstance(body[0], ast.Expr):
            if isinstance(body[0].value, ast.Constant):
                del body[0]
    return ast.dump(tree)
