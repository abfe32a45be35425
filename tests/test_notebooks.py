"""The five notebooks: how they are written, and that they run in the smoke profile."""

import ast
import os
import re
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

import matplotlib.pyplot as plt
import nbformat
import numpy as np
import pytest
from browsing import move_the_slider, walk
from jupyter_lab import jupyter_lab
from nbclient.exceptions import DeadKernelError
from papermill.exceptions import PapermillExecutionError
from recordings import motion, write_mp_data

from jointprune.config import TrainingConfig
from jointprune.importing.importer import import_recordings
from jointprune.paper import report
from jointprune.paper.comparisons import above_chance
from jointprune.prediction import predictions
from jointprune.runs import trials_of
from jointprune.training import run_many
from jointprune.workspace import ROOT, Workspace

sys.path.insert(0, str(ROOT / "notebooks"))
import run

STEMS = ("01_data_preparation", "02_baseline", "03_pruning_training", "04_joint_ablation",
         "05_paper_figures")  # fmt: skip
PATHS = {stem: ROOT / "notebooks" / f"{stem}.ipynb" for stem in STEMS}
PROFILES = sorted(path.stem for path in (ROOT / "notebooks" / "params").glob("*.yaml"))
STRIP = (
    'strip it: nbstripout --keep-id --extra-keys "metadata.papermill cell.metadata.papermill" '
    "notebooks/*.ipynb"
)
LONGEST_CELL = 15  # lines


def read(stem: str) -> nbformat.NotebookNode:
    return nbformat.read(PATHS[stem], as_version=4)


def code_cells(stem: str) -> list[nbformat.NotebookNode]:
    return [cell for cell in read(stem).cells if cell.cell_type == "code"]


def python(*arguments: str, **variables: str) -> subprocess.CompletedProcess:
    """Run a file of notebooks/ to its end."""
    command = [sys.executable, str(ROOT / "notebooks" / arguments[0]), *arguments[1:]]
    return subprocess.run(command, capture_output=True, text=True, env={**os.environ, **variables})


def tree_state() -> dict[str, tuple[int, int]]:
    """Size and time of every file that a smoke run must leave alone."""
    free = (".git/", ".venv/", "build/smoke/")
    caches = {"__pycache__", ".pytest_cache", ".ruff_cache"}
    files = {path.relative_to(ROOT).as_posix(): path for path in ROOT.rglob("*") if path.is_file()}
    return {
        name: (path.stat().st_size, path.stat().st_mtime_ns)
        for name, path in files.items()
        if not name.startswith(free) and not caches & {*path.parts}
    }


@pytest.fixture(scope="module")
def smoke_run() -> tuple[subprocess.CompletedProcess, dict, dict]:
    """A smoke run from nothing, with the tree's state before and after it."""
    shutil.rmtree(ROOT / "build" / "smoke", ignore_errors=True)
    before = tree_state()
    return python("run.py", "smoke", LOKY_MAX_CPU_COUNT="1"), before, tree_state()


def test_there_are_these_five_notebooks_in_this_order():
    assert [path.stem for path in run.notebook_paths()] == list(STEMS)


@pytest.mark.parametrize("stem", STEMS)
def test_a_notebook_is_prose_and_thin_cells_without_definitions_or_outputs(stem):
    notebook = read(stem)
    assert notebook.cells[0].cell_type == "markdown"
    assert not [p for p in (notebook, *notebook.cells) if "papermill" in p.metadata], STRIP
    for cell in code_cells(stem):
        assert cell.outputs == [] and cell.execution_count is None, STRIP
        assert len(cell.source.splitlines()) <= LONGEST_CELL, cell.source
        definitions = (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)
        assert not any(isinstance(n, definitions) for n in ast.walk(ast.parse(cell.source)))


@pytest.mark.parametrize("stem", STEMS)
def test_a_notebook_has_one_parameters_cell_with_every_parameter_of_every_profile(stem):
    tagged = [cell for cell in code_cells(stem) if "parameters" in cell.metadata.get("tags", ())]
    assert len(tagged) == 1
    for profile in PROFILES:
        run.parameters_for(PATHS[stem], run.load_profile(profile))


def test_a_parameter_that_a_notebook_does_not_know_is_refused():
    with pytest.raises(ValueError, match=r"02_baseline.*expected parameters of.*got \['sedes'"):
        run.parameters_for(PATHS["02_baseline"], {"common": {"sedes": 5}})


def test_another_folders_package_is_refused(tmp_path):
    other = tmp_path / "other" / "jointprune"
    shutil.copytree(ROOT / "jointprune", other, ignore=shutil.ignore_patterns("__pycache__"))
    done = python("run.py", "default", "--only", "05", PYTHONPATH=str(other.parent))
    assert done.returncode == 1 and not (other.parent / "executed").exists()
    assert done.stderr.startswith(f"expected the package in {ROOT}, got the one in {other.parent}")


def test_an_unknown_profile_is_refused_with_the_names_of_the_known_ones():
    with pytest.raises(ValueError, match=r"got 'smok': .*default.*smoke"):
        run.load_profile("smok")


def test_a_run_is_expected_to_take_as_long_as_matrix_products_do(monkeypatch, capsys):
    assert run.expected_minutes("default", run.RATE, 2) == run.MINUTES["default"]
    assert run.expected_minutes("words", run.RATE / 3, 4) == 1.5 * run.MINUTES["words"]
    assert set(run.MINUTES) <= set(PROFILES)
    monkeypatch.setattr(run, "products_a_second", lambda: 2 * run.RATE)
    monkeypatch.setattr(run, "cpu_count", lambda: 1)
    monkeypatch.setattr(run, "run_or_exit", lambda *_: None)
    for profile, only in (("default", ""), ("default", "05"), ("smoke", "")):
        run.run_all(profile, only)
    said = [line for line in capsys.readouterr().out.splitlines() if "From nothing" in line]
    assert said == ["From nothing about 64 minutes here; finished trainings are not repeated."]


def test_a_second_of_matrix_products_is_measured():
    assert run.products_a_second() > 0


def test_the_default_profile_writes_where_the_paper_reads():
    own = {"dataset": "fingerspelling"}
    assert run.load_profile("default")["common"] == {**own, "workspace": ".", "smoke": False}
    assert run.load_profile("smoke")["common"] == {**own, "workspace": "build/smoke", "smoke": True}


def test_the_figures_notebook_imports_nothing_that_reads_recordings_or_trains():
    source = "\n".join(cell.source for cell in code_cells(STEMS[-1]))
    imported = set()
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            imported |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            imported |= {f"{node.module}.{alias.name}" for alias in node.names}
    own = {name for name in imported if name.split(".")[0] == "jointprune"}
    paper = "claims|comparisons|plots|report|results|tables"
    allowed = rf"jointprune\.(workspace|statistics|paper\.({paper}))\b"
    assert {name for name in own if not re.match(allowed, name)} == set()


@pytest.mark.parametrize(
    ("error", "message"),
    [
        (DeadKernelError("Kernel died"), "its kernel stopped"),
        (OSError(28, "No space left on device"), r"No space left on device: free disk space"),
    ],
)
def test_the_message_of_a_failed_run_says_how_to_continue(monkeypatch, tmp_path, error, message):
    def fails(*_, **__):
        raise error

    monkeypatch.setattr(run.papermill, "execute_notebook", fails)
    with pytest.raises(SystemExit, match=rf"(?s)01_data.*{message}.*same command resumes"):
        run.run_all("smoke", workspace=str(tmp_path))
    assert list((tmp_path / "executed").iterdir()) == []


@pytest.mark.parametrize(("name", "message"), [("typo", "typo"), ("synthetic", "is generated")])
def test_a_data_set_without_recordings_is_refused_before_anything_runs(
    monkeypatch, tmp_path, capsys, name, message
):
    arguments = ["run.py", "smoke", "--dataset", name, "--workspace", str(tmp_path)]
    monkeypatch.setattr(sys, "argv", arguments)
    with pytest.raises(SystemExit):
        run.main()
    shown = capsys.readouterr()
    assert "error: " in shown.err and message in shown.err.splitlines()[-1]
    assert not shown.out and not list(tmp_path.iterdir())


def test_kernels_that_start_at_once_have_sockets_of_their_own():
    places = [Path(run.LocalKernelManager().ip) for _ in range(2)]  # none is open yet
    assert places[0] != places[1]
    assert all(place.is_absolute() and ROOT not in place.parents for place in places)


@pytest.mark.slow
def test_the_kernel_is_this_python_and_leaves_its_output_but_no_socket_if_a_cell_fails(tmp_path):
    source = "import ipykernel, sys; print(sys.executable, ipykernel.get_connection_file())"
    cells = [nbformat.v4.new_code_cell(text) for text in (source, "1 / 0")]
    nbformat.write(nbformat.v4.new_notebook(cells=cells), tmp_path / "which.ipynb")
    with pytest.raises(PapermillExecutionError, match="ZeroDivisionError"):
        run.execute(tmp_path / "which.ipynb", {}, tmp_path / "executed")
    executed = nbformat.read(tmp_path / "executed" / "which.ipynb", as_version=4)
    outputs = [output for cell in executed.cells for output in cell.get("outputs", ())]
    (printed,) = (output.text for output in outputs if output.output_type == "stream")
    executable, connection = printed.split()
    assert executable == sys.executable
    connection = Path(connection)
    assert list(connection.parent.glob(f"{connection.stem}*")) == []


@pytest.mark.parametrize("stem", STEMS[1:])
def test_a_notebook_without_its_input_names_the_one_that_makes_it(stem, tmp_path):
    passed = {"workspace": str(tmp_path / "empty"), "smoke": True}
    names = {}
    with pytest.raises(FileNotFoundError) as failure, plt.rc_context():
        for cell in code_cells(stem):  # in this process, as starting a kernel takes seconds
            exec(cell.source, names)
            names |= passed
    named = re.search(r"notebook(?:s/| )(0[1-4])", str(failure.value))
    assert named and named.group(1) < stem, failure.value


def test_a_notebook_runs_the_same_on_a_machine_with_settings_of_its_own(tmp_path, monkeypatch):
    kernel = tmp_path / "jupyter" / "kernels" / "python3" / "kernel.json"
    start = tmp_path / "ipython" / "profile_default" / "startup" / "00.py"
    deep = tmp_path / ("d" * 80)
    for file, text in (
        (kernel, '{"argv": ["/bin/false", "{connection_file}"], "display_name": "another"}'),
        (start, "import matplotlib.pyplot as plt; plt.style.use('dark_background')"),
        (deep / "file", ""),
    ):
        file.parent.mkdir(parents=True)
        file.write_text(text)
    for name, value in (
        ("JUPYTER_PATH", kernel.parents[2]), ("IPYTHONDIR", tmp_path / "ipython"),
        ("MPLBACKEND", "agg"), ("TMPDIR", deep),
    ):  # fmt: skip
        monkeypatch.setenv(name, str(value))
    monkeypatch.setattr(tempfile, "tempdir", None)  # read TMPDIR again
    code = (
        "import sys, matplotlib.pyplot as plt\n"
        "print(sys.executable, plt.rcParams['axes.facecolor'])\n"
        "plt.plot([0, 1]);"
    )
    source = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(code)])
    nbformat.write(source, tmp_path / "small.ipynb")
    executed = nbformat.read(run.execute(tmp_path / "small.ipynb", {}, tmp_path / "out"), 4)
    said, drawn = executed.cells[-1].outputs
    assert said.text == f"{sys.executable} white\n"
    assert "image/png" in drawn.data


@pytest.mark.slow
def test_the_five_run_in_the_smoke_profile_and_write_only_under_build_smoke(smoke_run):
    done, before, after = smoke_run
    assert done.returncode == 0, done.stdout[-2000:] + done.stderr[-4000:]
    assert {name for name in {*before, *after} if before.get(name) != after.get(name)} == set()
    for stem in STEMS:
        assert (ROOT / "build" / "smoke" / "executed" / f"{stem}.html").is_file()


def write_signs(folder: Path, shuffled: bool) -> None:
    """Five signs of nine signers, two recordings each, in a published split; one has no hands.

    If `shuffled`, each signer's ten recordings lie in the signs' folders in random order.
    """
    rng, names = np.random.default_rng(0), ("ağaç", "yeşil ev", "kuş", "su", "at")
    for signer in range(9):
        signs = np.arange(10) // 2
        for place, sign in enumerate(rng.permutation(signs) if shuffled else signs):
            hands = motion(8, seed=sign)
            hands[..., :2] += rng.normal(scale=0.002, size=(8, 42, 2))
            split, number = "train" if signer < 4 else "test", 2 * signer + place % 2
            write_mp_data(folder / split / names[place // 2] / str(number), hands)
    write_mp_data(folder / "test" / "su" / "18", np.full((3, 42, 3), np.nan))


@pytest.mark.slow
def test_imported_recordings_go_through_the_same_five_and_shuffled_labels_are_refused(
    smoke_run, tmp_path, monkeypatch
):
    monkeypatch.setenv("LOKY_MAX_CPU_COUNT", "1")  # jobs run in the kernels, without workers
    write_signs(tmp_path / "mine", shuffled=True)
    workspace = Workspace("build/smoke", "mine")
    import_recordings(tmp_path / "mine", "mine", workspace, groups="blocks:2")
    done = python("run.py", "smoke_words", "--dataset", "mine")
    assert done.returncode == 0, done.stdout[-2000:] + done.stderr[-4000:]
    claims = (workspace.figures / "claims.md").read_text(encoding="utf-8")
    assert "mine (5 signs, imported)" in claims and "one fold: 9 signers in all" in claims
    page = (ROOT / "build" / "smoke" / "executed" / "mine" / "05_paper_figures.html").read_text()
    assert "language" not in claims
    assert page.count("manual alphabets") == page.count("<td>16 manual alphabets") == 1  # its row

    # Five test groups could pass every test: the true labels are recognised after one epoch.
    write_signs(tmp_path / "true", shuffled=False)
    data, _ = import_recordings(tmp_path / "true", "true", workspace, groups="blocks:2")
    trials = trials_of("full", data, data.folds(4, 0), [0], TrainingConfig(epochs=1))
    run_many([trial.run for trial in trials], data, workspace)
    found = predictions(trials, data, workspace)
    assert above_chance(found["predicted"] == found["label"], found, 0.02)["works"]

    results = report.load_results(workspace)
    verdicts, numbers = report.verdicts(results), report.numbers(results)
    stars = {key for key in verdicts if key.startswith("kstar.")}
    assert stars == {"kstar.42.2", "kstar.42.1", "kstar.42.2.step.12"}
    assert {verdicts[key] for key in (*stars, "paper")} == {"refused"}
    assert verdicts["baseline"] == "not established"
    assert {verdicts[key] for key in verdicts if key.startswith("paired.")} == {"not established"}
    works = [value.value for key, value in numbers.items() if key.endswith((".works", ".passes"))]
    assert len(works) > 8 and not any(works)
    assert verdicts["control"] != "opposite established"
    sentences = re.findall(r"^- (.*) \(\[", claims, re.MULTILINE)
    said = "\n".join([*sentences, report.headline(results)])
    assert not re.search("suffice|falls by|margin is established", said)
    assert said.count("No smaller number of joints is reported: ") == 2 + 1  # claims and README
    assert "no K* is reported for them" in said


@pytest.mark.slow
def test_the_figures_are_drawn_from_results_alone(smoke_run, tmp_path):
    made = Workspace("build/smoke")
    shutil.copytree(made.results, tmp_path / "data" / "results")
    parameters = {"workspace": str(tmp_path), "smoke": True}
    run.execute(PATHS["05_paper_figures"], parameters, tmp_path / "executed")
    names = {path.name for path in made.figures.iterdir() if path.is_file()}
    assert {path.name for path in (tmp_path / "figures").iterdir()} == names
    pictures = [p for p in made.figures.iterdir() if p.suffix in (".pdf", ".png")]
    assert pictures
    for picture in pictures:
        assert picture.read_bytes() == (tmp_path / "figures" / picture.name).read_bytes()


@pytest.mark.slow
def test_the_site_of_a_smoke_run_is_whole_and_holds_no_dead_slider(smoke_run, browser):
    done = python("book.py", "--workspace", "build/smoke")
    assert done.returncode == 0, done.stderr
    site = ROOT / "build" / "smoke" / "book"
    assert walk(browser, site / "index.html") == (
        ["index", *STEMS, "explorer", "figures", "claims"], [],
    )  # fmt: skip
    page = (site / "04_joint_ablation.html").read_text(encoding="utf-8")
    assert 'class="animation"' in page
    assert "jupyter.widget-view" not in page and ">controls<" not in page


@pytest.mark.slow
def test_the_slider_of_notebook_04_answers_in_jupyterlab(smoke_run, browser, tmp_path):
    """Only the cells that its text names run: those up to `ws`, then from `explorer.load` on."""
    stem = "04_joint_ablation"
    notebook, cells = read(stem), code_cells(stem)
    before = next(i for i, cell in enumerate(cells) if "\nws = " in cell.source)
    first = next(i for i, cell in enumerate(cells) if "explorer.load" in cell.source)
    smoke = run.parameters_for(PATHS[stem], run.load_profile("smoke"))
    cells[0].source = "\n".join(f"{name} = {value!r}" for name, value in smoke.items())
    notebook.cells = [*cells[: before + 1], *cells[first:]]
    (tmp_path / "notebooks").mkdir()
    nbformat.write(notebook, tmp_path / "notebooks" / "04.ipynb")
    with jupyter_lab(tmp_path / "notebooks", tmp_path) as address_of:
        budgets, pictures, failed = move_the_slider(browser, address_of("04.ipynb"))
    assert budgets == ["12", "21"] and failed == 0
    assert pictures[0] != pictures[1] and all(p.startswith("data:image/png") for p in pictures)
