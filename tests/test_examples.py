"""The examples run, and the one for Lightning can be read at once."""

import importlib.util

import pytest

from jointprune.store import save_dataset
from jointprune.workspace import ROOT


@pytest.mark.parametrize(
    ("name", "options", "kept"),
    [("bert_classifier", ["--keep", "0.3"], 13),
     ("plain_pytorch", ["--keep", "5"], 5)],
)  # fmt: skip
def test_an_example_trains_and_prints_the_joints_it_kept(
    name, options, kept, toy, tmp_path, monkeypatch, capsys, one_thread
):
    if name == "bert_classifier":
        pytest.importorskip("transformers", reason="of the extra `bert`")
    monkeypatch.setenv("PL_GLOBAL_SEED", "0")  # restored after it; Lightning sets it
    toy["clips"].loc[::2, "group"] += "-2"  # six groups, as the examples use four folds
    store = save_dataset(tmp_path / "toy", **toy)
    spec = importlib.util.spec_from_file_location(name, ROOT / "examples" / f"{name}.py")
    example = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(example)
    example.main(["--dataset", str(tmp_path / "toy"), "--epochs", "10", *options])
    *_, last = capsys.readouterr().out.strip().splitlines()
    names = last.split(": ")[1].split(", ")
    assert len(names) == kept
    assert set(names) <= set(store.joints)


def test_the_example_for_lightning_has_at_most_80_lines_and_names_the_three_steps():
    text = (ROOT / "examples" / "bert_classifier.py").read_text(encoding="utf-8")
    assert len(text.splitlines()) <= 80
    assert [text.count(f"Step {step} of 3") for step in (1, 2, 3)] == [1, 1, 1]
