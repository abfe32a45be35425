"""The models of data/models: what they are trained and tested on, their card, stale ones."""

import copy
import json

import numpy as np
import pytest
import torch
from conftest import toy_content

from jointprune.config import TrainingConfig
from jointprune.paper import models, report, vocabularies
from jointprune.prediction import predictions
from jointprune.runs import CONTRACT, Trial, make_run
from jointprune.skeleton import JOINT_NAMES
from jointprune.store import save_dataset
from jointprune.training import run_many
from jointprune.workspace import Workspace

onnxruntime = pytest.importorskip("onnxruntime", reason="of the extra `export`")

TINY = {"hidden": 16, "frames": 4}
KEPT = JOINT_NAMES[21:27]


def test_the_joints_published_are_those_of_k_star_and_for_letters_12_21_and_all(facts):
    sets = models.joints_to_publish(facts)
    assert sets[21] == vocabularies.most_typical(facts, 21) and [*sets] == [12, 21, 42]
    facts["dataset"]["dataset"] = "words"
    assert models.joints_to_publish(facts) == {}  # K* is not established
    facts["ablation"]["k_star"][0]["k"] = 21
    assert models.joints_to_publish(facts) == {21: sets[21]}


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """A workspace with one model of six joints, its data set, results and facts."""
    root = Workspace(str(tmp_path_factory.mktemp("root")))
    data = save_dataset(root.processed / "fingerspelling", **toy_content())
    chosen = [
        {"method": "learned", "k": 6, "fold": fold, "joints": [*JOINT_NAMES[at : at + 6]]}
        for fold in range(3)
        for at in (fold, fold, 30)  # two of three agree
    ]
    rows = [{"method": "typical", "k": 6, "regime": "retrained", "mean": 0.875}]
    results = {
        "dataset": {"dataset": "fingerspelling", "config": {"folds": 3, "fold_seed": 0},
                    "data_sha256": data.sha256, "description": "toys", "groups": 3,
                    "group_word": "signer"},
        "ablation": {"config": {"settings": TINY, "epochs": 1, "seeds": 2},
                     "selections": chosen, "accuracy": rows},
    }  # fmt: skip
    (root.path / models.FOLDER).mkdir(parents=True)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(models, "joints_to_publish", lambda _: {6: [*KEPT]})
        facts = {"models": models.make_models(results, root), "commit": "abc",
                 "config": {"contract": CONTRACT}}  # fmt: skip
    return root, data, results, facts


def test_a_model_is_tested_by_folds_and_trained_on_all_groups_without_stored_clips(made):
    root, data, _, facts = made
    (model,) = facts["models"]
    config = TrainingConfig(**TINY, epochs=1, exemplars=0)
    trials = [
        Trial("typical", 6, fold, make_run(data, *clips, seed, config, range(fold, fold + 6)))
        for fold, clips in enumerate(data.folds(3, 0))
        for seed in range(2)
    ]
    run_many([trial.run for trial in trials], data, root)  # trained already
    table = predictions(trials, data, root)
    assert model["accuracy"]["mean"] == pytest.approx((table["predicted"] == table["label"]).mean())
    assert model["with_exemplars"] == 0.875
    run = make_run(data, range(len(data)), [], 0, config, range(21, 27))
    checkpoint = torch.load(run.folder(data, root) / "model.ckpt", weights_only=True)
    assert checkpoint["trained_on"]["groups"] == sorted(set(data.groups))
    file = root.path / models.FOLDER / "fingerspelling-6.onnx"
    session = onnxruntime.InferenceSession(file)
    about = json.loads(session.get_modelmeta().custom_metadata_map["model.json"])
    assert [joint["name"] for joint in about["joints"]] == [*KEPT]
    clip = {"poses": np.zeros((1, 5, 6, 2), np.float32), "present": np.ones((1, 5, 6), bool)}
    assert session.run(None, clip)[0].sum() == pytest.approx(1, abs=1e-5)


def test_the_card_shows_accuracy_strata_source_and_checksum(made):
    *_, facts = made
    (model,) = facts["models"]
    card = models.card(facts)
    shown = (model["file"], model["sha256"], "toys", "87.5", models.NO_TERMS, "3 signers", "abc")
    assert all(text in card for text in shown)
    assert f"{100 * model['accuracy']['mean']:.1f} %" in card


def test_a_stale_model_is_named_with_the_reason(made, monkeypatch, tmp_path):
    root, _, results, facts = made
    folder = root.path / models.FOLDER
    monkeypatch.setattr(models, "joints_to_publish", lambda _: {6: [*KEPT]})
    assert models.stale(facts, results, folder) == []

    def said(facts=facts, results=results, folder=folder) -> str:
        (line,) = models.stale(facts, results, folder)
        return line

    assert "expected the file that models.json describes" in said(folder=tmp_path)
    other = copy.deepcopy(results)
    other["dataset"]["data_sha256"] = "0"
    assert "expected these recordings and this code" in said(results=other)
    older = facts | {"config": {"contract": CONTRACT - 1}}
    assert "expected these recordings and this code" in said(older)
    assert models.stale(facts | {"models": []}, results, folder) == []  # an import without any
    both = {6: [*KEPT], 12: [*KEPT]}
    monkeypatch.setattr(models, "joints_to_publish", lambda _: both)
    assert "expected a model of 12 joints, got none" in said()
    monkeypatch.setattr(models, "joints_to_publish", lambda _: {6: [*KEPT[:5], "left.wrist"]})
    assert "expected the joints now published" in said()


def test_the_committed_models_are_those_that_their_facts_describe():
    assert models.main(["--check"]) == 0
    text = (Workspace().path / models.FOLDER / "README.md").read_text(encoding="utf-8")
    assert report.with_block(text, "models", "") != text
