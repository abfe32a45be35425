"""Runs are named by content, saved whole or not at all, and the same however they are trained."""

import ast
import hashlib
import inspect
import shutil
import sys
from dataclasses import asdict, replace
from functools import partial
from pathlib import Path

import lightning
import numpy as np
import pandas as pd
import pytest
import torch
from conftest import run_content

from jointprune import prediction, runs, training
from jointprune.classifier import SignClassificationLightning, slice_joints
from jointprune.config import TrainingConfig
from jointprune.models.parts import UNUSED
from jointprune.prediction import (
    gate_path,
    masked_predictions,
    predict,
    prediction_rows,
    predictions,
    trained_model,
)
from jointprune.preprocessing import FREE_SHIFT, ClipBatches
from jointprune.runs import CONTRACT, Run, Trial, config_for, make_run, trained_file
from jointprune.training import batches_of, finalise, precision_for, run_many, train
from jointprune.workspace import ROOT, Workspace

TINY = TrainingConfig(hidden=16, frames=4, epochs=2, batch_size=8)
GATED = replace(TINY, mask="hard-concrete", budget=12)


def toy_runs(data, config=GATED) -> list[Run]:
    """One run for each of the toy data set's three folds."""
    folds = enumerate(data.folds(3, seed=0))
    return [make_run(data, *clips, seed, config) for seed, clips in folds]


def entries(workspace: Workspace) -> list[str]:
    return sorted(path.name for path in workspace.runs.iterdir())


def test_precision_is_mixed_where_the_processor_multiplies_bfloat16(monkeypatch):
    for found, expected in (
        ({"amx_bf16": True}, "bf16-mixed"),
        ({"avx512_bf16": False}, "32-true"),
    ):
        monkeypatch.setattr(torch.cpu, "get_capabilities", lambda found=found: found)
        assert precision_for("auto", "cpu") == expected
        assert precision_for("32-true", "cpu") == "32-true"


def test_a_runs_name_changes_with_code_data_clips_seed_and_each_hyperparameter(
    toy_dataset, workspace, monkeypatch
):
    run = Run(TINY, (0, 1, 2), (3, 4), seed=0)
    poses = np.array(toy_dataset.poses)
    poses[0, 0, 0, 0] += 1
    labels = np.roll(toy_dataset.labels, 1)
    other_data = [
        replace(toy_dataset, **change)
        for change in ({"poses": poses}, {"poses": toy_dataset.poses[::-1]}, {"labels": labels},
                       {"groups": toy_dataset.groups[::-1]}, {"joints": toy_dataset.joints[::-1]},
                       {"classes": toy_dataset.classes[::-1], "labels": 3 - toy_dataset.labels},
                       {"meta": toy_dataset.meta | {"x": 1}})
    ]  # fmt: skip
    others = [replace(run, seed=1), replace(run, train=(0, 1)), replace(run, test=(3, 5))]
    others += [replace(run, config=config) for config in other_configs()]
    whole, broken = (replace(run, config=replace(TINY, penalty=two)) for two in (2, 2.0))
    assert whole.folder(toy_dataset, workspace) == broken.folder(toy_dataset, workspace)
    folders = [other.folder(toy_dataset, workspace) for other in (run, *others)]
    folders += [run.folder(other, workspace) for other in other_data]
    monkeypatch.setattr(runs, "CONTRACT", CONTRACT + 1)  # the version of the training code
    folders.append(run.folder(toy_dataset, workspace))
    assert len({folder.name for folder in folders}) == len(folders)
    assert {folder.parent for folder in folders} == {workspace.runs}


def other_configs() -> list[TrainingConfig]:
    """TINY with one hyperparameter changed, for each of them."""
    changed = {"mask": "stg", "gate_groups": "hand", "precision": "32-true", "encoder": "graph",
               "balanced": True}  # fmt: skip
    names = set(asdict(TINY)) - {"num_pose_points", "joints", "budget"} - set(changed)
    settings = [{name: getattr(TINY, name) * 2} for name in sorted(names)]
    fewer = {"joints": TINY.joints[:5], "num_pose_points": 5}
    swapped = {"joints": TINY.joints[::-1]}
    single = [{name: value} for name, value in changed.items()]
    return [replace(TINY, **s) for s in (*settings, *single, {"budget": 7}, fewer, swapped)]


def test_a_runs_name_depends_on_nothing_else(toy_dataset, workspace, tmp_path):
    """Neither on its folder, nor on the types of the arguments; its joints are names."""
    run = make_run(toy_dataset, range(8), [8, 9], 0, TINY, kept=[40, 3, 21])
    train, test, kept = map(np.array, (range(8), [8, 9], [3, 21, 40]))
    settings = TrainingConfig.from_mapping(asdict(TINY))
    same = make_run(toy_dataset, train.astype(np.int32), test, 0, settings, kept=kept)
    moved = replace(toy_dataset, poses=np.array(toy_dataset.poses))
    elsewhere = Workspace(str(tmp_path / "elsewhere"))
    assert run == same
    assert run.folder(toy_dataset, workspace).name == same.folder(moved, elsewhere).name
    assert run.config.joints == ("left.thumb_ip", "right.wrist", "right.pinky_dip")
    assert (run.config.num_pose_points, run.config.num_classes) == (3, 4)
    assert batches_of(run, toy_dataset).joints.tolist() == [3, 21, 40]


def test_clips_are_shifted_only_where_signs_are_translation_invariant(toy_dataset):
    run = toy_runs(toy_dataset, TINY)[0]
    free = replace(toy_dataset, meta={**toy_dataset.meta, "translation_invariant": True})
    assert batches_of(run, toy_dataset).augmentation.shift == 0
    assert batches_of(run, free).augmentation.shift == FREE_SHIFT > 0


@pytest.mark.parametrize(
    ("exemplars", "mask", "remembered"),
    [(16, "open", [3, 2, 2, 1]), (2, "open", [0] * 4), (0, "open", [0] * 4),
     (16, "any-subset", [0] * 4)],
)  # fmt: skip
def test_training_clips_are_remembered_only_if_every_class_has_few(
    exemplars, mask, remembered, toy_dataset
):
    labels = np.asarray(toy_dataset.labels)
    of = [np.flatnonzero(labels == sign) for sign in range(4)]
    train = np.concatenate([of[sign][:n] for sign, n in enumerate((3, 2, 2, 1))])
    config = replace(TINY, exemplars=exemplars, mask=mask)
    run = make_run(toy_dataset, train, [of[3][1]], 0, config)
    model = SignClassificationLightning(asdict(run.config))
    finalise(model, run, toy_dataset)
    counted = (model.encoder.head.share > UNUSED).sum(1) - 1
    assert counted.tolist() == remembered


def test_remembered_clips_are_embedded_from_the_kept_joints(toy_dataset):
    run = toy_runs(toy_dataset)[0]
    model = SignClassificationLightning(asdict(run.config))
    finalise(model, run, toy_dataset)
    assert model.joint_pruning.get_summary()["num_active"] == 12
    small = slice_joints(model)
    clips = ClipBatches(toy_dataset, run.train[:1], run.config.frames, 1)
    ((poses, present, labels),) = clips
    kept = model.joint_pruning.kept_joints()
    with torch.no_grad():
        clip = small.encoder.embed_clips(poses[:, :, kept], present[:, :, kept].float())
    torch.testing.assert_close(small.encoder.head.exemplars[labels[0], 0], clip[0])


@pytest.mark.parametrize(("steps", "epochs"), [(260, 52), (12, 2), (1, 1)])
def test_a_length_in_steps_does_not_depend_on_the_number_of_clips(steps, epochs):
    """The smaller fold trains 345 clips: 5 steps of 64 an epoch."""
    folds = [(range(345), range(9)), (range(400), range(9))]
    assert config_for(folds, 0, steps, {"hidden": 128}) == TrainingConfig(hidden=128, epochs=epochs)
    small = [(range(10), range(9))]  # a step an epoch
    assert config_for(small, 0, steps, {}).epochs == steps
    assert config_for(small, 7, 0, {}).epochs == 7
    for both_or_neither in ((7, steps), (0, 0)):
        with pytest.raises(ValueError, match="a length in epochs or in steps, got epochs"):
            config_for(small, *both_or_neither, {})


def test_clips_on_both_sides_are_refused():
    with pytest.raises(ValueError, match="no clip on both sides, got 2 shared"):
        Run(TINY, (0, 1, 2), (1, 2, 3), seed=0)


def test_a_trained_model_reproduces_its_saved_probabilities_and_gates(
    toy_dataset, workspace, alone
):
    run = toy_runs(toy_dataset)[0]
    run_many([run], toy_dataset, workspace)
    model = trained_model(run, toy_dataset, workspace)
    assert model.joint_pruning.get_summary()["num_active"] == 12
    kept = np.load(run.folder(toy_dataset, workspace) / "probabilities.npy")
    np.testing.assert_array_equal(kept, predict(model, toy_dataset, run.test))
    np.testing.assert_allclose(kept.sum(1), 1, atol=1e-5)
    path = gate_path(run, toy_dataset, workspace)
    assert list(path) == ["epoch", "joint", "keep_probability", "active"]
    assert path.joint.tolist() == list(toy_dataset.joints) * 2
    assert path.epoch.tolist() == [0] * 42 + [1] * 42


@pytest.mark.parametrize("where", ["save_checkpoint", "rename"])
def test_an_interrupted_run_leaves_nothing_behind(
    where, toy_dataset, workspace, alone, monkeypatch
):
    """Ctrl-C in the first or the last step of saving."""
    first, second, _ = toy_runs(toy_dataset)
    run_many([first], toy_dataset, workspace)
    owner = {"save_checkpoint": lightning.Trainer, "rename": Path}[where]

    def interrupt(*args, **kwargs):
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(owner, where, interrupt)
        with pytest.raises(KeyboardInterrupt):
            run_many([first, second], toy_dataset, workspace)
    assert entries(workspace) == [first.folder(toy_dataset, workspace).name]


def test_runs_are_the_same_trained_alone_in_two_calls_and_on_two_cores(
    toy_dataset, tmp_path, monkeypatch
):
    runs = toy_runs(toy_dataset)
    places = {name: Workspace(str(tmp_path / name)) for name in ("twice", "parallel", "alone")}
    monkeypatch.setattr("os.cpu_count", lambda: 1)
    run_many(runs, toy_dataset, places["alone"])
    run_many(runs[1:2], toy_dataset, places["twice"])
    run_many(runs, toy_dataset, places["twice"])
    monkeypatch.setattr("os.cpu_count", lambda: 2)
    run_many(runs, toy_dataset, places["parallel"])
    contents = {
        name: [run_content(run, toy_dataset, place) for run in runs]
        for name, place in places.items()
    }
    assert contents["alone"] == contents["twice"] == contents["parallel"]
    assert len(set(contents["alone"])) == len(runs)


def test_a_trained_run_is_not_trained_again(toy_dataset, workspace, alone, monkeypatch):
    runs = toy_runs(toy_dataset, TINY)[:1]
    run_many(runs * 2, toy_dataset, workspace)
    assert entries(workspace) == [runs[0].folder(toy_dataset, workspace).name]

    def train(*_):
        raise RuntimeError("trained again")

    monkeypatch.setattr(training, "train", train)
    run_many(runs, toy_dataset, workspace)


def test_variables_of_a_batch_system_change_nothing(toy_dataset, workspace, alone, slurm):
    run = make_run(toy_dataset, range(8), range(8, 12), 7, TINY)
    train(run, toy_dataset, workspace)
    assert run.folder(toy_dataset, workspace).is_dir()


def test_an_untrained_run_and_a_truncated_file_are_refused(toy_dataset, workspace, alone):
    run = toy_runs(toy_dataset)[0]
    with pytest.raises(FileNotFoundError, match="is not trained yet: run notebooks 02 and 03"):
        trained_model(run, toy_dataset, workspace)
    run_many([run], toy_dataset, workspace)
    trial, folder = Trial("full", 42, 0, run), run.folder(toy_dataset, workspace)
    for name, read, what in (
        ("model.ckpt", trained_model, run),
        ("probabilities.npy", predictions, [trial]),
        ("gates.csv", gate_path, run),
        ("run.json", gate_path, run),
    ):
        whole = (folder / name).read_bytes()
        read(what, toy_dataset, workspace)
        (folder / name).write_bytes(whole[:-7])
        with pytest.raises(ValueError, match=rf"{folder.name}: expected .*remove that folder"):
            read(what, toy_dataset, workspace)
        (folder / name).write_bytes(whole)
    for content in ("null", "[]", '{"files": null}', '{"files": []}'):
        (folder / "run.json").write_text(content)
        with pytest.raises(ValueError, match=rf"{folder.name}: expected .*remove that folder"):
            gate_path(run, toy_dataset, workspace)


def test_prediction_rows_written_out_by_hand(toy_dataset):
    """Clips 2 and 23 of the toy data set sign "no" and "yes"."""
    trial = Trial("learned", 12, 3, Run(TINY, (0, 1), (2, 23), seed=5))
    table = prediction_rows(trial, np.array([1, 2]), np.array([0.7, 0.66666]), toy_dataset)
    columns = "method k regime fold seed clip group label predicted p_predicted"
    assert list(table) == columns.split()
    same = ["learned", 12, "retrained", 3, 5]
    assert table.to_numpy().tolist() == [
        [*same, "both/no-0", "both", "no", "no", 0.7],
        [*same, "two/yes-1", "two", "yes", "thanks", 0.66666],
    ]


def test_predictions_have_a_row_for_every_test_clip_of_every_trial(toy_dataset, workspace, alone):
    trials = [Trial("full", 42, *run) for run in enumerate(toy_runs(toy_dataset, TINY))]
    run_many([trial.run for trial in trials], toy_dataset, workspace)
    table = predictions(trials, toy_dataset, workspace)
    expected = [toy_dataset.clips["clip"][list(trial.run.test)].tolist() for trial in trials]
    assert table.groupby("fold")["clip"].apply(list).tolist() == expected
    first = trained_file(trials[0].run, toy_dataset, workspace, "probabilities.npy")
    assert table.query("fold == 0")["p_predicted"].tolist() == np.load(first).max(1).tolist()


def test_closed_gates_equal_missing_joints(toy_dataset, workspace, alone):
    run = toy_runs(toy_dataset, replace(TINY, mask="open"))[0]
    train(run, toy_dataset, workspace)
    trial, right = Trial("full", 42, 0, run), tuple(range(21, 42))
    sets = [("all", tuple(range(42))), ("right", right)]
    found = masked_predictions([(trial, sets)], toy_dataset, workspace)
    kept = predictions([trial], toy_dataset, workspace)
    assert found[found["method"] == "all"]["p_predicted"].tolist() == kept["p_predicted"].tolist()
    present = np.array(toy_dataset.present)
    present[:, :, :21] = False
    unseen = replace(toy_dataset, present=present, poses=toy_dataset.poses * present[..., None])
    expected = predict(trained_model(run, toy_dataset, workspace), unseen, run.test)
    closed = found[found["method"] == "right"]
    assert closed["k"].unique().tolist() == [21]
    assert found["regime"].unique().tolist() == ["masked"]
    np.testing.assert_allclose(closed["p_predicted"], expected.max(1), atol=1e-6)


def test_masked_predictions_are_made_once_and_again_when_they_or_the_model_changed(
    toy_dataset, workspace, alone, monkeypatch
):
    run = toy_runs(toy_dataset, replace(TINY, mask="open"))[0]
    folder = train(run, toy_dataset, workspace)
    whole = [("all", tuple(range(42)))], [("right", tuple(range(21, 42))), ("few", (3, 30))]
    ask = partial(masked_predictions, data=toy_dataset, workspace=workspace)
    both = [ask([(Trial("full", 42, 0, run), sets)]) for sets in whole]
    made, evaluated = [], prediction._probabilities
    monkeypatch.setattr(
        prediction, "_probabilities", lambda *batches: made.append(1) or evaluated(*batches)
    )
    together = ask([(Trial("full", 42, 0, run), sets) for sets in whole])
    pd.testing.assert_frame_equal(together, pd.concat(both, ignore_index=True))
    renamed = ask([(Trial("other", 42, 3, run), [("again", whole[0][0][1])])])
    kept = [table.drop(columns=["method", "fold"]) for table in (renamed, both[0])]
    pd.testing.assert_frame_equal(*kept)
    assert not made
    for file in (workspace.runs / "masked").iterdir():
        file.write_bytes(file.read_bytes()[:-30])
    pd.testing.assert_frame_equal(ask([(Trial("full", 42, 0, run), whole[0])]), both[0])
    assert made == [1]
    other = train(toy_runs(toy_dataset, replace(TINY, mask="open", epochs=3))[0], toy_dataset,
                  workspace)  # fmt: skip
    for name in ("model.ckpt", "run.json"):  # as of a training on another processor
        (folder / name).write_bytes((other / name).read_bytes())
    made.clear()
    again = ask([(Trial("full", 42, 0, run), whole[0])])
    assert made == [1] and (again["p_predicted"] != both[0]["p_predicted"]).all()
    shutil.rmtree(folder)
    with pytest.raises(FileNotFoundError, match="is not trained yet"):
        ask([(Trial("full", 42, 0, run), whole[0])])


@pytest.mark.skipif(sys.version_info[:2] != (3, 11), reason="others print code otherwise")
def test_changed_training_code_raises_the_contract():
    """A digest of the code that decides what a run learns; comments and docstrings do not count.

    If this fails and the change alters what a run learns, raise CONTRACT in runs.py, so that no
    run of older code is reused as one of the new code. Then write the new digest here.
    """
    modules = ("gates", "joint_groups", "gate_variants", "budget", "preprocessing", "models/*")
    modules += ("config", "classifier")
    files = [file for name in modules for file in sorted(ROOT.glob(f"jointprune/{name}.py"))]
    assert len(files) == 11
    texts = [file.read_text() for file in files]
    texts += map(inspect.getsource, (batches_of, finalise))
    digest = hashlib.sha256("".join(map(bare_code, texts)).encode()).hexdigest()[:16]
    assert (CONTRACT, digest) == (10, "27fbaba1cd7f15be")


def bare_code(text: str) -> str:
    tree = ast.parse(text)
    for node in ast.walk(tree):
        match node:
            case ast.AST(body=[ast.Expr(value=ast.Constant()), *rest]):
                node.body = rest
    return ast.dump(tree)
