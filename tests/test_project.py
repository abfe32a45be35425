"""The frame of the project: goals of make, the lock, and the order of the rooms."""

import ast
import graphlib
import re
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest
from packaging.requirements import Requirement

from jointprune.workspace import ROOT

# Rooms from top to bottom (a row may import rows above it, and within itself without a circle).
ROOMS = (
    ("skeleton", "scratch", "extras", "workspace", "parallel"),
    ("store",),
    ("sources",),
    ("data",),
    ("preprocessing",),
    ("gates",),
    ("masks",),
    ("models",),
    ("config",),
    ("classifier",),
    ("experiments",),
    ("rankers",),
    ("selection", "ablation", "failures", "recovery"),
    ("train", "export"),
    ("resampling",),
    ("statistics", "verdicts", "stability", "evaluation"),
    ("cost", "transfer"),
    ("figures", "numbers", "claims"),
    ("animation", "explorer"),
    ("__init__",),
)
ROW = {room: row for row, rooms in enumerate(ROOMS) for room in rooms}


def make(*arguments: str, folder: Path = ROOT) -> str:
    command = ["make", "-s", "-C", str(folder), *arguments]
    done = subprocess.run(command, capture_output=True, text=True, stdin=subprocess.DEVNULL)
    assert done.returncode == 0, done.stderr
    return done.stdout


def room_of(path: Path) -> str:
    """The room a source file belongs to: a module, or a folder of modules."""
    return path.relative_to(ROOT / "jointprune").parts[0].removesuffix(".py")


def imported_rooms(path: Path) -> set[str]:
    """Rooms that a source file imports anywhere, its own left out."""
    names = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: imports are written out from jointprune on"
            names |= {f"{node.module}.{alias.name}" for alias in node.names}
    rooms = {name.split(".")[1] for name in names if name.startswith("jointprune.")}
    return rooms - {room_of(path)}


def locked() -> dict[str, str]:
    """Version by normalised package name."""
    lines = (ROOT / "requirements.txt").read_text(encoding="utf-8").splitlines()
    pairs = [line.split("==") for line in lines if not line.startswith("#")]
    return {normalised(name): version for name, version in pairs}


def normalised(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()


def test_make_without_a_goal_lists_every_goal():
    text = (ROOT / "Makefile").read_text(encoding="utf-8")
    goals = re.search(r"^\.PHONY: (.*)$", text, re.MULTILINE).group(1).split()
    assert set(re.findall(r"^([a-z]+):", text, re.MULTILINE)) == set(goals)
    listed = re.findall(r"^  make (\S+) +\S", make(), re.MULTILINE)
    assert listed == goals


def test_ci_runs_the_readmes_test_command_and_nothing_else():
    lines = (ROOT / ".ci" / "run").read_text(encoding="utf-8").splitlines()
    commands = [line for line in lines if not line.startswith(("#", "set ", "cd "))]
    assert commands == ["make test"]
    assert "make test" in (ROOT / "README.md").read_text(encoding="utf-8")


def test_the_lock_pins_torch_and_every_package_by_its_exact_version():
    assert locked()["torch"] == "2.13.0"
    assert all(re.fullmatch(r"[0-9][\w.]*", version) for version in locked().values())


def test_the_lock_satisfies_what_the_package_declares():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    groups = [project["dependencies"], *project["optional-dependencies"].values()]
    declared = [Requirement(line) for group in groups for line in group]
    wrong = [str(r) for r in declared if locked()[normalised(r.name)] not in r.specifier]
    assert not wrong


def test_imports_run_one_way_from_room_to_room():
    graph = {}
    for path in sorted((ROOT / "jointprune").rglob("*.py")):
        room, imports = room_of(path), imported_rooms(path)
        upward = [name for name in imports if ROW[name] > ROW[room]]
        assert not upward, f"{path.name} imports {upward}, rooms below its own"
        graph.setdefault(room, set()).update(imports)
    tuple(graphlib.TopologicalSorter(graph).static_order())  # raises CycleError


@pytest.mark.parametrize(("arguments", "kept"), [((), True), (("RUNS=yes",), False)])
def test_clean_removes_trained_runs_only_when_told(tmp_path, arguments, kept):
    shutil.copy(ROOT / "Makefile", tmp_path)
    for folder in ("data/runs/abc", "build", "jointprune", "notebooks", "tests", "benchmarks"):
        (tmp_path / folder).mkdir(parents=True)
    make("clean", *arguments, folder=tmp_path)
    assert (tmp_path / "data" / "runs" / "abc").is_dir() == kept
    assert not (tmp_path / "build").exists()


FAKE_PYTHON = """#!/bin/sh
# `-m venv --clear .venv` makes an environment whose python is this script; pip installs nothing.
if [ "$1" = -c ]; then exec REAL "$@"; fi
echo "$@" >> calls
sleep 0.1
if [ "$2" = venv ]; then mkdir -p .venv/bin; cp "$0" .venv/bin/python; fi
"""


@pytest.fixture
def bare_project(tmp_path) -> tuple[Path, tuple[str, ...]]:
    """A folder with what `make env` reads, and the arguments that make it with a fake python."""
    for name in ("Makefile", "requirements.txt", "pyproject.toml"):
        shutil.copy(ROOT / name, tmp_path)
    python = tmp_path / "python"
    python.write_text(FAKE_PYTHON.replace("REAL", sys.executable))
    python.chmod(0o755)
    return tmp_path, ("env", f"PYTHON={python}", "CONDA_PREFIX=")


def test_two_makes_at_once_make_one_environment(bare_project):
    folder, arguments = bare_project
    command = ["make", "-s", "-C", str(folder), *arguments]
    both = [subprocess.Popen(command, stdout=subprocess.DEVNULL) for _ in range(2)]
    assert [process.wait() for process in both] == [0, 0]
    made = (folder / "calls").read_text()
    assert (made.count("-m venv"), made.count("-m pip")) == (1, 2)


def test_the_environment_is_made_again_when_the_lock_changes_and_not_when_its_date_does(
    bare_project,
):
    folder, arguments = bare_project
    lock, calls = folder / "requirements.txt", folder / "calls"
    make(*arguments, folder=folder)
    made = calls.read_text()
    assert "install" in made
    lock.touch()
    make(*arguments, folder=folder)
    assert calls.read_text() == made
    lock.write_text(lock.read_text() + "another==1.0\n")
    make(*arguments, folder=folder)
    assert calls.read_text() == made * 2


def test_every_room_is_on_the_map():
    text = (ROOT / "jointprune" / "README.md").read_text(encoding="utf-8")
    on_the_map = set(re.findall(r"`(\w+)/?`", text.split("## ")[0]))
    assert set(ROW) - {"__init__"} <= on_the_map


def test_public_names_are_there_and_a_figure_does_not_wait_for_lightning():
    """`stability` is a function although a room has its name, whichever was asked for first."""
    code = (
        "import sys, jointprune.paper.report, jointprune as jp\n"
        "assert not {'torch', 'lightning'} & set(sys.modules)\n"
        "import jointprune.agreement, jointprune.paper.comparisons\n"
        "assert callable(jp.stability)\n"
        "print([name for name in dir(jp) if not hasattr(jp, name)])\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=ROOT)
    assert (done.returncode, done.stdout) == (0, "[]\n"), done.stderr
