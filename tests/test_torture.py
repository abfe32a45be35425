"""The harness that damages runs detects every loss that it is made to detect."""

import re
from unittest.mock import Mock

import numpy as np
import pytest
from torture import __main__ as torture
from torture import fuzz

from jointprune.workspace import PREFIX

RUN = "0123456789abcdef"


def fill(workspace, commit="a"):
    for name, content in {
        "data/results/baseline.json": f'{{"commit": "{commit}", "sha256": "{commit}", "runs": 3}}',
        f"data/runs/{RUN}/gates.csv": "x",
        f"data/runs/{RUN}/model.ckpt": commit,
        "figures/fig1.pdf": "drawn",
    }.items():
        (workspace / name).parent.mkdir(parents=True, exist_ok=True)
        (workspace / name).write_text(content)
    return workspace


def test_workspaces_of_two_commits_are_the_same(tmp_path):
    torture.compare(fill(tmp_path / "one"), fill(tmp_path / "other", commit="b"))


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("data/results/baseline.json", '{"commit": "a", "runs": 4}'),
        (f"data/runs/{RUN}/gates.csv", "y"),
        ("figures/fig1.pdf", "drawn otherwise"),
        (f"data/runs/{PREFIX}x/lock", ""),
    ],
)
def test_differences_are_named(tmp_path, name, content):
    one, other = fill(tmp_path / "one"), fill(tmp_path / "other")
    (other / name).parent.mkdir(exist_ok=True)
    (other / name).write_text(content)
    with pytest.raises(AssertionError, match=re.escape(f"1 files differ: ['{name}']")):
        torture.compare(one, other, every_run=False)


def test_an_absent_run_passes_only_if_it_is_declared(tmp_path):
    one, other = fill(tmp_path / "one"), fill(tmp_path / "other")
    (other / f"data/runs/{RUN}/gates.csv").unlink()
    with pytest.raises(AssertionError, match="1 files differ"):
        torture.compare(one, other)
    torture.compare(one, other, every_run=False)


def test_a_seed_makes_the_same_damage_again():
    raw = bytes(range(256)) * 2
    for damage in fuzz.BYTES.values():
        first, second = (damage(raw, np.random.default_rng(3)) for _ in range(2))
        assert first == second != raw


def test_a_file_of_every_layout_is_damaged(tmp_path, monkeypatch):
    for kinds, one in (("BYTES", {"cut": lambda raw, rng: raw[:9]}), ("VALUES", {}), ("WRONG", {})):
        monkeypatch.setattr(fuzz, kinds, one)
    damaged = {name.rsplit(" ", 2)[0]: fuzz.ending(at) for name, at in fuzz.recordings(tmp_path, 0)}
    assert damaged == dict.fromkeys(fuzz.WRITERS, "refused")


def test_a_file_that_is_neither_read_nor_refused_by_name_is_reported(tmp_path, monkeypatch):
    fuzz.WRITERS["arrays"](tmp_path, fuzz.Motion())
    assert fuzz.ending(tmp_path) == "read"
    ends = {
        ValueError("broken"): "refused without its name: broken",
        KeyError("x"): "KeyError: 'x'",
        MemoryError(): "MemoryError: ",
    }
    for error, end in ends.items():
        monkeypatch.setattr(fuzz, "read_chunk", Mock(side_effect=error))
        assert fuzz.ending(tmp_path) == end


def test_a_kill_also_ends_the_processes_that_a_command_started(tmp_path):
    code = (
        "import subprocess, sys, time\n"
        "subprocess.Popen([sys.executable, '-c', 'import time; time.sleep(60)'],"
        " start_new_session=True)\n"
        "print(1, flush=True); time.sleep(60)\n"
    )
    child = torture.Child(("-c", code), tmp_path)
    while not child.log.read_bytes():
        pass
    family = [child, *child.children(recursive=True)]
    assert len(family) == 2
    torture.kill(child)
    assert not any(process.is_running() for process in family)


LOAD = "import sys, pathlib; assert (pathlib.Path(sys.argv[1]) / 'figures/fig1.pdf').read_text() =="
WAYS = {
    "caused and undone": ("this error", {"fig1.pdf": "drawn"}, "then exit 0, the same files"),
    "another error": ("not this one", {"fig1.pdf": "drawn"}, "expected an error with 'not this"),
    "not undone": ("this error", {"fig1.pdf": "cut"}, "AssertionError: exit 1: "),
    "another file": ("this error", {"fig1.pdf": "drawn", "fig2.pdf": ""},
                     "AssertionError: 1 files differ: ['figures/fig2.pdf']"),
    "other content": ("this error", {"fig1.pdf": "drawn", f"../data/runs/{RUN}/gates.csv": ""},
                      f"AssertionError: 1 files differ: ['data/runs/{RUN}/gates.csv']"),
}  # fmt: skip


@pytest.mark.parametrize("way", WAYS)
def test_a_fault_has_to_cause_its_error_and_be_gone_without_a_trace(tmp_path, monkeypatch, way):
    words, repaired, happened = WAYS[way]

    def repair(workspace, error):
        for name, content in repaired.items():
            (workspace / "figures" / name).write_text(content)

    monkeypatch.setattr(torture, "FOLDER", tmp_path)
    monkeypatch.setattr(torture, "REFERENCE", fill(tmp_path / "reference"))
    cut = torture.damage("figures/*", lambda raw: raw[:2])
    trial = torture.fault(words, cut, repair, ("-c", f"{LOAD} 'drawn', 'this error'"))
    monkeypatch.setitem(torture.TRIALS, way, trial)
    result = torture.attempt(way, 0)
    assert result["ok"] is (way == "caused and undone") and happened in result["happened"]


def test_damage_that_changes_nothing_is_an_error(tmp_path):
    harm = torture.damage("figures/*", lambda raw: raw.replace(b"absent", b""))
    with pytest.raises(AssertionError, match="nothing to change"):
        harm(fill(tmp_path))


def test_a_trial_leaves_no_process_and_its_error_is_recorded(tmp_path, monkeypatch):
    other = torture.Child(("-c", "import time; time.sleep(60)"), tmp_path)  # not the trial's
    children = []

    def trial(workspace, seed):
        children.append(torture.Child(("-c", "import time; time.sleep(60)"), workspace))
        raise KeyError("x")

    monkeypatch.setattr(torture, "FOLDER", tmp_path)
    monkeypatch.setitem(torture.TRIALS, "a trial", trial)
    result = torture.attempt("a trial", 0)
    assert (result["ok"], result["happened"]) == (False, "KeyError: 'x'")
    assert children[0].poll() is not None
    assert other.poll() is None
    torture.kill(other)


def test_limits_of_disk_and_of_root_bind_a_command(tmp_path):
    (tmp_path / "locked").mkdir(mode=0o555)
    code = "import sys; open(sys.argv[1] + '{}', 'wb').write(bytes(200_000))"
    for before, name, error in (
        (torture.FULL_DISK, "/large", "File too large"),
        (torture.NO_ROOT, "/locked/file", "Permission denied"),
    ):
        child = torture.Child(("-c", code.format(name)), tmp_path, before)
        assert error in child.ended()
