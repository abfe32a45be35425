"""Run the five notebooks in order: `python notebooks/run.py PROFILE [--dataset NAME] [--only 05]`.

A profile is `notebooks/params/PROFILE.yaml`: a section `common`, given to every notebook, and a
section for each notebook by its stem. The sources stay as they are; what papermill executes goes
to `build/executed` (smoke: `build/smoke/executed`), with an HTML page beside it. Of another dataset
than the default it goes to a folder of the dataset's name there.

Cells with the tag `fingerspelling` tell of those recordings alone and are left out for other
datasets, those with the tag `imported` are left out for it. Cells with the tag `live` need a reader
at a running kernel, and are left out always.
"""

import argparse
import sys
import tempfile
import time
import uuid
from pathlib import Path

import nbformat
import papermill
import yaml
from jupyter_client.manager import AsyncKernelManager
from nbclient.exceptions import DeadKernelError
from nbconvert import HTMLExporter
from papermill.exceptions import PapermillExecutionError
from traitlets import default

from jointprune.store import open_dataset
from jointprune.workspace import DEFAULT_DATASET, Workspace, atomic_path, scratch_folder

NOTEBOOKS = Path(__file__).resolve().parent
ROOT = NOTEBOOKS.parent
RESUME = "What is trained is kept: the same command goes on from here."
GENERATED = "synthetic"  # how names begin that no import may have
TEMPLATES = NOTEBOOKS / "templates"


class LocalKernelManager(AsyncKernelManager):
    """Talks to the kernel through sockets of this user's own, not through ports open to others.

    Named by chance, among temporary files: by default they would lie in the notebooks' folder,
    numbered, where kernels of two runs that start at once take each other's.
    """

    transport = "ipc"

    @default("connection_file")
    def _of_its_own(self) -> str:
        unique = uuid.uuid4().hex[:16]  # short, as the path of a socket has to be
        return f"{tempfile.gettempdir()}/kernel-{unique}.json"


def notebook_paths(only: str = "") -> list[Path]:
    """The numbered notebooks in order; `only` keeps those whose name starts with it."""
    paths = [p for p in sorted(NOTEBOOKS.glob("[0-9]*.ipynb")) if p.name.startswith(only)]
    if not paths:
        raise ValueError(f"expected the start of a notebook's name such as 05, got {only!r}")
    return paths


def load_profile(name: str) -> dict[str, dict]:
    """Sections of a profile: `common`, and one for each notebook that needs its own settings."""
    path = NOTEBOOKS / "params" / f"{name}.yaml"
    if not path.is_file():
        known = sorted(p.stem for p in path.parent.glob("*.yaml"))
        raise ValueError(f"expected a profile out of {known}, got {name!r}")
    profile = yaml.safe_load(path.read_text(encoding="utf-8"))
    unknown = set(profile) - {"common"} - {p.stem for p in notebook_paths()}
    if unknown:
        raise ValueError(f"{path.name}: sections {sorted(unknown)} belong to no notebook")
    return profile


def parameters_for(notebook: Path, profile: dict[str, dict]) -> dict:
    """What the profile passes to a notebook, each name known to its parameters cell.

    papermill itself only warns about an unknown name and runs on with the default.
    """
    passed = {**profile["common"], **profile.get(notebook.stem, {})}
    known = papermill.inspect_notebook(str(notebook))
    unknown = sorted(set(passed) - set(known))
    if unknown:
        raise ValueError(
            f"{notebook.name}: expected parameters out of {sorted(known)}, got {unknown}: "
            f"mend notebooks/params or the notebook's parameters cell"
        )
    return passed


def cells_for(notebook: Path, dataset: str) -> nbformat.NotebookNode:
    """The notebook without the cells that tell of other datasets, or need a reader."""
    left_out = {"live", "imported" if dataset == DEFAULT_DATASET else DEFAULT_DATASET}
    source = nbformat.read(notebook, as_version=4)
    source.cells = [c for c in source.cells if not left_out & {*c.metadata.get("tags", ())}]
    return source


def page_of(notebook: nbformat.NotebookNode, title: str, **book) -> str:
    """The notebook as a page that needs no network; `book` is what templates/book asks for."""
    exporter = HTMLExporter(template_name="book", extra_template_basedirs=[str(TEMPLATES)])
    return exporter.from_notebook_node(notebook, {"metadata": {"name": title}, **book})[0]


def build_folder(workspace: Workspace) -> Path:
    """Where what is executed goes, and the site made of it."""
    return ROOT / "build" if workspace.path == ROOT else workspace.path


def execute(notebook: Path, parameters: dict, folder: Path) -> Path:
    """Run one notebook into `folder` and export its HTML page; returns the executed notebook.

    The kernel is the Python that runs this: `python3` is looked up under `sys.prefix` first. Text
    that cells print, progress bars included, passes through as it comes.
    """
    folder.mkdir(parents=True, exist_ok=True)
    executed, page = folder / notebook.name, folder / f"{notebook.stem}.html"
    page.unlink(missing_ok=True)  # after a failure, no page of an earlier run is left beside it
    with scratch_folder(folder) as scratch:  # another run may be at the same notebook
        made = scratch / notebook.name
        try:
            papermill.execute_notebook(
                cells_for(notebook, parameters.get("dataset", DEFAULT_DATASET)),
                str(made),
                parameters,
                kernel_name="python3",
                start_timeout=600,  # seconds; a kernel on a busy machine takes over a minute
                cwd=str(NOTEBOOKS),
                progress_bar=False,  # the notebooks' own bars say more
                stdout_file=sys.stdout,
                stderr_file=sys.stderr,
                coalesce_streams=True,  # a progress bar leaves its last state, not every one
                kernel_manager_class=LocalKernelManager,
            )
            text = page_of(nbformat.read(made, as_version=4), notebook.stem)
        finally:
            if made.exists():
                made.replace(executed)
    with atomic_path(page) as temporary:
        temporary.write_text(text, encoding="utf-8")
    return executed


def run_all(profile_name: str, only: str = "", dataset: str = "", workspace: str = "") -> None:
    """Run the notebooks of a profile; the first failure ends it with the notebook's own error.

    `dataset` and `workspace` take the place of the profile's own.
    """
    profile = load_profile(profile_name)
    common = profile["common"]
    common["dataset"] = dataset or common["dataset"]
    common["workspace"] = workspace or common["workspace"]
    if common["dataset"].startswith(GENERATED):
        raise ValueError(
            f"expected recordings, got {common['dataset']!r}, which is generated: the notebooks "
            "speak of people's hands; use it with python -m jointprune.train --dataset"
        )
    place = Workspace(common["workspace"], common["dataset"])
    folder = build_folder(place) / "executed" / place.subfolder
    if common["dataset"] != DEFAULT_DATASET and not only:
        open_dataset(common["dataset"], place)  # a name mistyped is said here, in one line
    # All parameters are compared before the first minute is spent.
    jobs = [(path, parameters_for(path, profile)) for path in notebook_paths(only)]
    for notebook, parameters in jobs:
        print(f"== {notebook.stem}", flush=True)
        start = time.perf_counter()
        try:
            execute(notebook, parameters, folder)
        except PapermillExecutionError as error:
            sys.exit(
                f"{error}\n{notebook.name} failed: {error.ename}: {error.evalue}\n"
                f"Its output up to there: {folder / notebook.name}\n{RESUME}"
            )
        except DeadKernelError:
            sys.exit(
                f"{notebook.name} failed: its kernel stopped, as one does that is killed or finds "
                f"no memory.\n{RESUME}"
            )
        except OSError as error:
            sys.exit(
                f"{notebook.name} failed: {error}: give {folder} space and leave to write.\n"
                f"{RESUME}"
            )
        print(f"== {notebook.stem}: {(time.perf_counter() - start) / 60:.1f} minutes", flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description="Run the notebooks in order through papermill.")
    parser.add_argument("profile", help="a file of notebooks/params, without .yaml")
    parser.add_argument("--only", default="", help="start of the name of the one to run, as 05")
    parser.add_argument("--dataset", default="", help="in place of the profile's")
    parser.add_argument("--workspace", default="", help="in place of the profile's")
    a = parser.parse_args()
    try:
        run_all(a.profile, a.only, a.dataset, a.workspace)
    except (ValueError, FileNotFoundError) as error:
        parser.error(str(error))
    except KeyboardInterrupt:
        sys.exit(f"Stopped. {RESUME}")


if __name__ == "__main__":
    main()
