"""The harness that damages runs detects every loss that it is made to detect."""

import importlib
import sys

import numpy as np
import pytest

from jointprune.workspace import PREFIX, ROOT


@pytest.fixture(scope="module")
def harness():
    """The harness's modules, which are scripts beside one another."""
    sys.path.insert(0, str(ROOT / "benchmarks" / "torture"))
    yield {name: importlib.import_module(name) for name in ("harness", "faults", "fuzz")}
    sys.path.remove(str(ROOT / "benchmarks" / "torture"))


def fill(workspace, commit="a"):
    for name, content in {
        "data/results/baseline.json": f'{{"commit": "{commit}", "sha256": "{commit}", "runs": 3}}',
        "data/runs/0123456789abcdef/gates.csv": "x",
        "data/runs/0123456789abcdef/model.ckpt": commit,
        "figures/fig1.pdf": "drawn",
    }.items():
        (workspace / name).parent.mkdir(parents=True, exist_ok=True)
        (workspace / name).write_text(content)
    return workspace


def test_workspaces_of_two_commits_are_the_same(harness, tmp_path):
    one, other = fill(tmp_path / "one"), fill(tmp_path / "other", commit="b")
    assert harness["harness"].differences(one, other) == []


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("data/results/baseline.json", '{"commit": "a", "runs": 4}'),
        ("data/runs/0123456789abcdef/gates.csv", "y"),
        ("figures/fig1.pdf", "drawn otherwise"),
        (f"data/runs/{PREFIX}x/lock", ""),
    ],
)
def test_differences_are_named(harness, tmp_path, name, content):
    one, other = fill(tmp_path / "one"), fill(tmp_path / "other")
    (other / name).parent.mkdir(exist_ok=True)
    (other / name).write_text(content)
    assert harness["harness"].differences(one, other, every_run=False) == [name]


def test_an_absent_run_passes_only_if_it_is_declared(harness, tmp_path):
    one, other = fill(tmp_path / "one"), fill(tmp_path / "other")
    (other / "data/runs/0123456789abcdef/gates.csv").unlink()
    assert len(harness["harness"].differences(one, other)) == 1
    assert harness["harness"].differences(one, other, every_run=False) == []


def test_a_seed_makes_the_same_damage_again(harness):
    fuzz, raw = harness["fuzz"], bytes(range(256)) * 2
    for damage in fuzz.BYTES.values():
        first, second = (damage(raw, np.random.default_rng(3)) for _ in range(2))
        assert first == second != raw


def test_a_file_that_is_neither_read_nor_refused_by_name_is_reported(
    harness, tmp_path, monkeypatch
):
    fuzz = harness["fuzz"]
    fuzz.WRITERS["arrays"](tmp_path, fuzz.Motion())
    assert fuzz.ending(tmp_path) == "read"
    ends = {
        ValueError("broken"): "refused without its name: broken",
        KeyError("x"): "KeyError: 'x'",
        MemoryError(): "MemoryError: ",
    }
    for error, end in ends.items():

        def fails(*_, error=error, **__):
            raise error

        monkeypatch.setattr(fuzz, "read_chunk", fails)
        assert fuzz.ending(tmp_path) == end


def test_a_kill_also_ends_the_processes_that_a_command_started(harness, tmp_path):
    code = (
        "import subprocess, sys, time\n"
        "subprocess.Popen([sys.executable, '-c', 'import time; time.sleep(60)'],"
        " start_new_session=True)\n"
        "print(1, flush=True); time.sleep(60)\n"
    )
    child = harness["harness"].Child(("-c", code), tmp_path)
    while not child.log.read_bytes():
        pass
    family = [child, *child.children(recursive=True)]
    assert len(family) == 2
    harness["harness"].kill(child)
    assert not any(process.is_running() for process in family)


LOAD = "import sys, pathlib; assert (pathlib.Path(sys.argv[1]) / 'figures/fig1.pdf').read_text() =="
WAYS = {
    "caused and undone": ("rror", True, True),
    "another error": ("not this one", True, False),
    "not undone": ("rror", False, False),
}


@pytest.mark.parametrize("way", WAYS)
def test_a_fault_has_to_cause_its_error_and_be_gone_afterwards(harness, tmp_path, monkeypatch, way):
    words, undone, passes = WAYS[way]
    faults, reference = harness["faults"], fill(tmp_path / "reference")
    monkeypatch.setattr(faults, "FOLDER", tmp_path)
    monkeypatch.setattr(faults, "PAPER", tmp_path)
    monkeypatch.setattr(harness["harness"], "left", lambda: 60)

    def remedy(workspace, error):
        if undone:
            (workspace / "figures/fig1.pdf").write_text("drawn")

    command = ("-c", f"{LOAD} 'drawn', 'this error'")
    harm = faults.partial(faults.damage, "figures/*", faults.cut)
    fault = faults.Fault(words, command, harm, remedy, command, of=reference)
    assert fault.attempt(0)[2] is passes


def test_limits_of_disk_and_of_root_bind_a_command(harness, tmp_path):
    faults = harness["faults"]
    (tmp_path / "locked").mkdir(mode=0o555)
    code = "import sys; open(sys.argv[1] + '{}', 'wb').write(bytes(200_000))"
    for before, name, error in (
        (faults.FULL_DISK, "/large", "File too large"),
        (faults.NO_ROOT, "/locked/file", "Permission denied"),
    ):
        child = harness["harness"].Child(("-c", code.format(name)), tmp_path, before)
        assert error in child.ended()
