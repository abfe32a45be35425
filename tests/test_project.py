"""The project as a whole: commands, the lock file, the order of imports, the package's map."""

import ast
import contextlib
import graphlib
import json
import os
import re
import shutil
import subprocess
import sys
import tomllib
from importlib.metadata import PackageNotFoundError, packages_distributions, requires
from pathlib import Path

import pytest
import yaml
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from jointprune.paper import results
from jointprune.workspace import ROOT

PACKAGE = ROOT / "jointprune"
MODULES = {
    ".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__"): path
    for path in sorted(PACKAGE.rglob("*.py"))
}
MAP = (PACKAGE / "README.md").read_text(encoding="utf-8")
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
CITED = yaml.safe_load((ROOT / "CITATION.cff").read_text(encoding="utf-8"))
# Folders beside the core, which does not import them, except for two commands in functions.
BESIDE = ("paper", "importing", "export")
DOORS = ("jointprune.data", "jointprune.train")
LONGEST_WAY = 15  # files that a clip passes, from recording to figure 2


def run(*command, folder: Path = ROOT, **variables) -> subprocess.CompletedProcess:
    """Run a command in a folder with more variables of the environment."""
    environment = os.environ | {name: str(value) for name, value in variables.items()}
    return subprocess.run(command, capture_output=True, text=True, cwd=folder, env=environment,
                          stdin=subprocess.DEVNULL)  # fmt: skip


def make(*arguments: str, folder: Path = ROOT, **variables) -> str:
    done = run("make", "-s", *arguments, folder=folder, **variables)
    assert done.returncode == 0, done.stderr
    return done.stdout


def goals() -> list[str]:
    text = (ROOT / "Makefile").read_text(encoding="utf-8")
    declared = re.search(r"^\.PHONY: (.*)$", text, re.MULTILINE).group(1).split()
    assert set(re.findall(r"^([a-z]+):", text, re.MULTILINE)) == set(declared)
    return declared


def part_of(module: str) -> str:
    """ "paper", "importing" or "export"; "core" for all else."""
    first = module.split(".")[1:2]
    return first[0] if first and first[0] in BESIDE else "core"


def imported(path: Path, at_import_time: bool = False) -> set[str]:
    """The modules that a file imports: anywhere, or outside functions alone."""
    names, nodes = set(), [ast.parse(path.read_text(encoding="utf-8"))]
    while nodes:
        node = nodes.pop()
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: write imports out from jointprune on"
            full = {f"{node.module}.{alias.name}" for alias in node.names}
            names |= {name if name in MODULES else node.module for name in full}
        if not (at_import_time and isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)):
            nodes += ast.iter_child_nodes(node)
    return names


LOCK = (ROOT / "requirements.txt").read_text(encoding="utf-8").splitlines()
LOCKED = dict(line.split("==") for line in LOCK if not line.startswith("#"))
LOCKED = {canonicalize_name(name): version for name, version in LOCKED.items()}


def test_make_without_a_goal_lists_every_goal():
    assert re.findall(r"^  make (\S+) +\S", make(), re.MULTILINE) == goals()


def test_ci_runs_the_readmes_test_command_and_nothing_else():
    lines = (ROOT / ".ci" / "run").read_text(encoding="utf-8").splitlines()
    commands = [line for line in lines if not line.startswith(("#", "set ", "cd "))]
    assert commands == ["make test"]
    assert "make test" in (ROOT / "README.md").read_text(encoding="utf-8")


@pytest.mark.parametrize(
    "path",
    [*ROOT.glob("*.md"), *ROOT.glob("[!.]*/README.md")],
    ids=lambda path: path.relative_to(ROOT).as_posix(),
)
def test_every_command_of_a_readme_exists(path):
    code = " ".join(re.findall(r"```.*?```|`[^`]+`", path.read_text(encoding="utf-8"), re.DOTALL))
    assert set(re.findall(r"\bmake ([a-z]+)\b", code)) <= set(goals())
    modules = set(re.findall(r"python -m (jointprune[\w.]*)", code))
    commands = {m.removesuffix(".__main__") for m in MODULES if MODULES[m].name != "__init__.py"}
    assert modules <= commands
    files = re.findall(r"python ((?:benchmarks|notebooks)/[\w./]+)", code)
    assert [name for name in files if not (ROOT / name).exists()] == []


def test_the_lock_pins_torch_and_satisfies_what_the_package_declares():
    assert LOCKED["torch"] == "2.13.0"
    assert all(re.fullmatch(r"[0-9][\w.]*", version) for version in LOCKED.values())
    groups = [PROJECT["dependencies"], *PROJECT["optional-dependencies"].values()]
    declared = [Requirement(line) for group in groups for line in group]
    assert [str(r) for r in declared if LOCKED[canonicalize_name(r.name)] not in r.specifier] == []


def with_what_they_need(names: set[str]) -> set[str]:
    """Distributions with all that pip installs for them."""
    found, ahead = set(), {canonicalize_name(name) for name in names}
    while ahead:
        found.add(name := ahead.pop())
        with contextlib.suppress(PackageNotFoundError):
            needs = map(Requirement, requires(name) or ())
            needs = (r for r in needs if not r.marker or r.marker.evaluate({"extra": ""}))
            ahead |= {canonicalize_name(r.name) for r in needs} - found
    return found


def test_the_core_needs_no_package_that_only_the_notebooks_need():
    """Whoever wants the layer installs what `pip install .` installs, without Jupyter."""
    of_part = {"core": "cluster", "paper": "paper", "importing": "extract", "export": "export"}
    declared = {
        part: with_what_they_need(
            {Requirement(line).name
             for line in PROJECT["dependencies"] + PROJECT["optional-dependencies"][extra]}
        )
        for part, extra in of_part.items()
    }  # fmt: skip
    owners, missing = packages_distributions(), []
    for module, path in MODULES.items():
        first = {name.split(".")[0] for name in imported(path)}
        for name in first - {"jointprune"} - sys.stdlib_module_names:
            needed = {canonicalize_name(owner) for owner in owners.get(name, [name])}
            if not needed <= declared[part_of(module)]:
                missing.append(f"{module} imports {name}")
    assert missing == []
    assert not {"jupyterlab", "papermill", "seaborn"} & declared["core"]


def test_an_installed_copy_works_in_the_current_folder(tmp_path):
    site, here = tmp_path / "site-packages", tmp_path / "mine"
    shutil.copytree(PACKAGE, site / "jointprune")
    here.mkdir()
    code = (
        "import jointprune as jp; from jointprune.paper.results import current_commit\n"
        "print(jp.__file__, jp.Workspace().path, current_commit(), sep='\\n')"
    )
    run("git", "init", "-q", folder=here).check_returncode()  # whose commit is not noted
    done = run(sys.executable, "-c", code, folder=here, PYTHONPATH=site)
    expected = [str(site / "jointprune" / "__init__.py"), str(here), "unknown"]
    assert done.stdout.splitlines() == expected, done.stderr


def test_the_core_imports_nothing_beside_it_and_what_is_beside_it_imports_the_core_alone():
    wrong = []
    for module, path in MODULES.items():
        own = part_of(module)
        for name in imported(path, at_import_time=module in DOORS) & set(MODULES):
            if part_of(name) not in (own, "core"):
                wrong.append(f"{module} imports {name}")
    assert wrong == []


def test_no_modules_import_each_other_in_a_circle():
    graph = {
        module: imported(path, at_import_time=True) & set(MODULES)
        for module, path in MODULES.items()
    }
    tuple(graphlib.TopologicalSorter(graph).static_order())  # raises CycleError


def test_the_map_names_every_module_with_its_reason_and_no_other():
    """Tables of jointprune/README.md that begin with a column `module`; the last is the reason."""
    rows = re.findall(r"^\| *modules? *\|.*\n((?:\|.*\n)+)", MAP, re.MULTILINE | re.IGNORECASE)
    named = set()
    for row in "".join(rows).splitlines():
        first, *_, reason = (cell.strip() for cell in row.strip("| ").split("|"))
        names = re.findall(r"`([^`]+)`", first)
        named |= {name.removesuffix(".py").strip("/").replace(".", "/") for name in names}
        assert reason, f"expected a reason: {row}"
    paths = {path.relative_to(PACKAGE).with_suffix("") for path in MODULES.values()}
    modules = {path.as_posix() for path in paths if not path.name.startswith("__")}
    folders = {path.parent.as_posix() for path in paths}
    assert modules - named == set() and named - modules - folders == set()


def test_a_clip_passes_few_files_and_they_exist():
    section = re.search(r"^## The way of a clip$(.*?)(?=^## |\Z)", MAP, re.MULTILINE | re.DOTALL)
    assert section, "expected a section `## The way of a clip` in jointprune/README.md"
    stops = re.findall(r"^\d+\. (.*)$", section.group(1), re.MULTILINE)
    files = [re.match(r"`([^`]+)`", stop) for stop in stops]
    assert 1 <= len(stops) <= LONGEST_WAY and all(files), stops
    paths = [found.group(1) for found in files]
    assert [p for p in paths if not ((ROOT / p).exists() or (PACKAGE / p).exists())] == []


@pytest.mark.parametrize(("arguments", "kept"), [((), True), (("RUNS=yes",), False)])
def test_clean_removes_trained_runs_only_on_request(tmp_path, arguments, kept):
    shutil.copy(ROOT / "Makefile", tmp_path)
    for folder in ("data/runs/abc", "build", "jointprune", "notebooks", "tests", "benchmarks"):
        (tmp_path / folder).mkdir(parents=True)
    make("clean", *arguments, folder=tmp_path)
    assert (tmp_path / "data" / "runs" / "abc").is_dir() == kept
    assert not (tmp_path / "build").exists()


with_lock = pytest.mark.skipif(sys.version_info[:2] != (3, 11), reason="the lock is for 3.11")
FAKE_PYTHON = """#!/bin/sh
# `-m venv --clear .venv` makes an environment whose python is this script; pip installs nothing.
if [ "$1" = -c ]; then exec REAL "$@"; fi
echo "$@" >> calls
sleep 0.1
if [ "$2" = venv ]; then mkdir -p .venv/bin; cp "$0" .venv/bin/python; fi
"""


def make_env(folder: Path, begin: str = "") -> list[str]:
    """`make env` with a Python that runs a line of shell before each `-c` command."""
    for name in ("Makefile", "requirements.txt", "pyproject.toml"):
        shutil.copy(ROOT / name, folder)
    python = folder / "python"
    python.write_text(FAKE_PYTHON.replace("exec REAL", f"{begin} exec {sys.executable}"))
    python.chmod(0o755)
    return ["make", "-s", "-C", str(folder), "env", f"PYTHON={python}", "CONDA_PREFIX="]


@with_lock
def test_makes_at_once_make_one_environment_and_a_changed_lock_another(tmp_path):
    command, lock, calls = make_env(tmp_path), tmp_path / "requirements.txt", tmp_path / "calls"
    both = [subprocess.Popen(command, stdout=subprocess.DEVNULL) for _ in range(2)]
    assert [process.wait() for process in both] == [0, 0]
    made = calls.read_text()
    assert (made.count("-m venv"), made.count("-m pip")) == (1, 2)
    lock.touch()
    run(*command).check_returncode()
    assert calls.read_text() == made
    lock.write_text(lock.read_text() + "another==1.0\n")
    run(*command).check_returncode()
    assert calls.read_text() == made * 2


@with_lock
@pytest.mark.parametrize("error", ["38, 'not implemented'", "9, 'bad descriptor'"])
def test_an_environment_is_made_where_files_cannot_be_locked(tmp_path, error):
    (tmp_path / "fcntl.py").write_text(f"LOCK_EX = 2\ndef flock(*_):\n    raise OSError({error})\n")
    done = run(*make_env(tmp_path, f"PYTHONPATH={tmp_path}"))
    assert done.returncode == 0, done.stderr
    assert (tmp_path / ".venv" / "built-from").is_file()


def test_another_python_version_is_refused_before_anything_is_installed(tmp_path):
    (tmp_path / "sitecustomize.py").write_text("import sys\nsys.version_info = (3, 13, 0)\n")
    done = run(*make_env(tmp_path, f"PYTHONPATH={tmp_path}"))
    assert done.returncode != 0 and "expected Python 3.11, got" in done.stderr
    assert not (tmp_path / ".venv").exists()


def test_commands_import_the_package_of_their_own_folder_also_with_spaces(tmp_path):
    here, conda, other = (tmp_path / name for name in ("my checkout", "my conda", "other"))
    for folder in (here, other):
        (folder / "jointprune" / "paper").mkdir(parents=True)
        (folder / "jointprune" / "paper" / "report.py").write_text("print(__file__)")
    shutil.copy(ROOT / "Makefile", here)
    python = conda / "bin" / "python"
    python.parent.mkdir(parents=True)
    python.write_text(f'#!/bin/sh\ncd /\nexec {sys.executable} "$@"\n')
    python.chmod(0o755)
    printed = make("numbers", folder=here, CONDA_PREFIX=conda, PYTHONPATH=other)
    assert printed.strip() == str(here / "jointprune" / "paper" / "report.py")


def test_git_changes_no_line_ends():
    names = ["README.md", "data/results/published.json", "notebooks/run.py"]
    done = run("git", "check-attr", "text", "--", *names)
    assert done.stdout.splitlines() == [f"{name}: text: unset" for name in names]


def test_the_commit_of_a_repository_around_this_folder_is_not_noted(tmp_path, monkeypatch):
    identity = ("-c", "user.name=a", "-c", "user.email=a@b.c")
    inside = tmp_path / "inside"
    inside.mkdir()
    for arguments in (("init", "-q"), (*identity, "commit", "-q", "--allow-empty", "-m", "x")):
        run("git", *arguments, folder=tmp_path).check_returncode()
    monkeypatch.setattr(results, "PACKAGE_ROOT", inside)
    assert results.current_commit() == "unknown"
    monkeypatch.setattr(results, "PACKAGE_ROOT", tmp_path)
    assert re.fullmatch("[0-9a-f]{12}", results.current_commit())


def test_public_names_figures_claims_and_imports_do_not_wait_for_torch():
    code = (
        "import sys, jointprune as jp, jointprune.paper.plots, jointprune.paper.report\n"
        "import jointprune.data, jointprune.importing.importer\n"
        "assert not {'torch', 'lightning'} & set(sys.modules)\n"
        "print([name for name in dir(jp) if not hasattr(jp, name)])\n"
    )
    done = run(sys.executable, "-c", code)
    assert (done.returncode, done.stdout) == (0, "[]\n"), done.stderr


def test_the_citation_is_valid_and_of_this_version():
    check = (sys.executable, "-m", "check_jsonschema", "--builtin-schema")
    checked = run(*check, "vendor.citation-file-format", "CITATION.cff")
    assert checked.returncode == 0, checked.stdout + checked.stderr
    assert (CITED["version"], CITED["license"]) == (PROJECT["version"], PROJECT["license"])


def test_metadata_for_archives_say_what_the_citation_says():
    zenodo, meta = (
        json.loads((ROOT / name).read_text(encoding="utf-8"))
        for name in (".zenodo.json", "codemeta.json")
    )
    for key in ("version", "keywords"):
        assert zenodo[key] == meta[key] == CITED[key]
    assert zenodo["title"] == meta["name"] == CITED["title"]
    assert zenodo["description"] == meta["description"] == CITED["abstract"]
    assert zenodo["license"] == meta["license"].split("/")[-1] == CITED["license"]
    names = [author["name"] for author in CITED["authors"]]
    assert [a["name"] for a in zenodo["creators"]] == [a["name"] for a in meta["author"]] == names
