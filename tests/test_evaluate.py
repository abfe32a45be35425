"""`python -m jointprune.evaluate`: which clips are tested, and what is printed."""

import numpy as np
import pytest
import torch

from jointprune import evaluate
from jointprune.config import TrainingConfig
from jointprune.parallel import one_thread
from jointprune.prediction import predict
from jointprune.runs import make_run
from jointprune.store import save_dataset
from jointprune.training import train

TINY = TrainingConfig(hidden=16, frames=4, epochs=1, batch_size=8)


@pytest.fixture
def checkpoint(toy_dataset, workspace):
    """Trained on two of three groups, "both" held out."""
    held_out = toy_dataset.groups == "both"
    run = make_run(toy_dataset, ~held_out, held_out, 0, TINY)
    with one_thread():
        return train(run, toy_dataset, workspace) / "model.ckpt"


def printed(capsys, checkpoint, data):
    evaluate.main([str(checkpoint), "--dataset", str(data.folder)])
    return " ".join(capsys.readouterr().out.split())


def refused(capsys, checkpoint, data):
    with pytest.raises(SystemExit, match="1"):
        printed(capsys, checkpoint, data)
    return capsys.readouterr().err


def test_only_groups_that_took_no_part_in_the_training_are_tested(checkpoint, toy_dataset, capsys):
    model = evaluate.load_checkpoint(checkpoint)
    tables = evaluate.evaluate(model, toy_dataset)
    clips = np.flatnonzero(toy_dataset.groups == "both")
    right = predict(model, toy_dataset, clips).argmax(1) == toy_dataset.labels[clips]
    (row,) = tables["all"].to_dict("records")
    assert (row["clips"], row["groups"], row["accuracy"]) == (8, 1, pytest.approx(right.mean()))
    assert row["low"] <= row["accuracy"] <= row["high"]  # from clips, as there is one group
    assert [*tables["group"].index] == ["both"]
    for index, name in enumerate(toy_dataset.classes):
        own = right[toy_dataset.labels[clips] == index]
        assert tables["class"].loc[name, "accuracy"] == pytest.approx(own.mean())
    out = printed(capsys, checkpoint, toy_dataset)
    assert f"all clips 8 1 {100 * right.mean():.1f}" in out
    assert "another data set" not in out


@pytest.mark.parametrize("word", ["clips", "accuracy"])
def test_groups_may_be_called_like_a_column(toy, workspace, tmp_path, capsys, word):
    toy["meta"]["groups_by"] = word
    data = save_dataset(tmp_path / "own", **toy)
    run = make_run(data, data.groups != "both", data.groups == "both", 0, TINY)
    with one_thread():
        checkpoint = train(run, data, workspace) / "model.ckpt"
    assert f"{word} clips groups accuracy low high both 8" in printed(capsys, checkpoint, data)


@pytest.mark.parametrize("change", [
    lambda content: content.pop("pytorch-lightning_version"),
    lambda content: content.update(state_dict=[]),
    lambda content: content["hyper_parameters"]["config"].update(joints=None),
    lambda content: next(iter(content["state_dict"].values())).fill_(torch.nan),
    lambda content: content.update(trained_on=[]),
    lambda content: content["trained_on"].pop("sha256"),
])  # fmt: skip
def test_odd_checkpoints_are_refused_in_a_line(checkpoint, toy_dataset, capsys, tmp_path, change):
    content = torch.load(checkpoint, weights_only=True)
    change(content)
    torch.save(content, odd := tmp_path / "odd.ckpt")
    error = refused(capsys, odd, toy_dataset)
    assert error.startswith("expected a checkpoint") and error.count("\n") == 1


def test_another_data_set_of_the_same_classes_is_tested_whole(checkpoint, toy, tmp_path, capsys):
    toy["poses"] = toy["poses"] * np.float32(1.1)
    toy["meta"]["name"] = "other"
    other = save_dataset(tmp_path / "other", **toy)
    out = printed(capsys, checkpoint, other)
    assert out.startswith("Trained on toy, another data set; all clips are tested.")
    assert "all clips 24 3" in out


def test_what_cannot_be_tested_is_refused_with_the_reason(
    checkpoint, toy, toy_dataset, workspace, tmp_path, capsys
):
    clips = toy["clips"].assign(label=toy["clips"]["label"].replace("yes", "maybe"))
    classes = ("hello", "maybe", "no", "thanks")
    other = save_dataset(tmp_path / "other", **toy | {"clips": clips, "classes": classes})
    assert "with ['maybe', 'yes'] in one of the two alone" in refused(capsys, checkpoint, other)
    turned = save_dataset(tmp_path / "turned", **toy | {"classes": toy_dataset.classes[::-1]})
    assert "in another order, from 'yes' on: name the one" in refused(capsys, checkpoint, turned)
    fewer = {key: toy[key][:, :, 1:] for key in ("poses", "present")}
    joints = toy["joints"][1:]
    fewer = save_dataset(tmp_path / "fewer", **toy | fewer | {"joints": joints})
    assert "without ['left.wrist']: name the one of" in refused(capsys, checkpoint, fewer)
    changed = save_dataset(tmp_path / "toy again", **toy | {"poses": toy["poses"] * np.float32(2)})
    error = refused(capsys, checkpoint, changed)  # imported again, with other content
    assert "as it was when the model was trained, got other content" in error
    everything = make_run(toy_dataset, range(len(toy_dataset)), [], 0, TINY)
    whole = train(everything, toy_dataset, workspace) / "model.ckpt"
    assert "was trained on 3 groups" in refused(capsys, whole, toy_dataset)
    content = torch.load(checkpoint, weights_only=True)
    del content["trained_on"]["groups"]
    torch.save(content, old := tmp_path / "old.ckpt")
    assert "got one of older code" in refused(capsys, old, toy_dataset)
    assert "no such file" in refused(capsys, tmp_path / "nothing", toy_dataset)


def test_of_a_published_split_the_test_part_alone_is_tested(toy, workspace, tmp_path):
    torch.set_num_threads(1)
    toy["clips"]["split"] = ["train"] * 8 + ["val"] * 8 + ["test"] * 8
    data = save_dataset(tmp_path / "split", **toy)
    run = make_run(data, *data.folds(2, 0)[0], 0, TINY)
    model = evaluate.load_checkpoint(train(run, data, workspace) / "model.ckpt")
    assert evaluate.clips_to_test(model, data).tolist() == list(range(16, 24))
