"""Run the five notebooks in order: `python notebooks/run.py PROFILE [--dataset NAME] [--only 05]`.

A profile is `notebooks/params/PROFILE.yaml`: a section `common`, passed to every notebook, and a
section for each notebook by its stem. papermill writes the executed notebooks to `build/executed`
(smoke: `build/smoke/executed`; another data set: a folder of its name there), an HTML page beside
each. The sources stay as they are.

Cells tagged `fingerspelling` are left out for other data sets, and cells tagged `imported` for
fingerspelling. Cells tagged `live` are always left out, because they need a reader and a running
kernel.
"""

import argparse
import os
import sys
import tempfile
import time
import uuid
from pathlib import Path

import nbformat
import papermill
import yaml
from ipykernel.kernelspec import get_kernel_dict
from joblib import cpu_count
from jupyter_client.kernelspec import KernelSpec
from jupyter_client.manager import AsyncKernelManager
from nbclient.exceptions import DeadKernelError
from nbconvert import HTMLExporter
from papermill.exceptions import PapermillExecutionError
from traitlets import default

from jointprune.store import open_dataset
from jointprune.workspace import DEFAULT_DATASET, PACKAGE_ROOT, Workspace, scratch_folder

NOTEBOOKS = Path(__file__).resolve().parent
ROOT = NOTEBOOKS.parent
RESUME = "Finished work is kept: the same command resumes from here."
GENERATED = "synthetic"  # names of generated data sets start with this; names of imports must not
LONGEST_TMPDIR = 60  # letters; the path of a socket may have 107
# Minutes of a run from nothing on two cores that each make RATE matrix products a second.
MINUTES, RATE = {"default": 64, "words": 30}, 375
NO_SCRIPT = "data:text/javascript,"  # used instead of scripts that a page would fetch


class LocalKernelManager(AsyncKernelManager):
    """Starts this Python's kernel, and connects through this user's sockets, not through ports.

    The sockets' names are random, because two runs at once would share Jupyter's numbered names.
    """

    transport = "ipc"

    @property
    def kernel_spec(self) -> KernelSpec:
        """This Python's own; another one called "python3" may be on JUPYTER_PATH."""
        return KernelSpec(**get_kernel_dict())

    @default("connection_file")
    def _connection_file(self) -> str:
        folder = tempfile.gettempdir()
        if len(folder) > LONGEST_TMPDIR:
            folder = "/tmp"
        return f"{folder}/kernel-{uuid.uuid4().hex[:16]}.json"


def check_package() -> None:
    """Exit unless the package is that of this folder; PYTHONPATH may lead to another."""
    if PACKAGE_ROOT != ROOT:
        sys.exit(
            f"expected the package in {ROOT}, got the one in {PACKAGE_ROOT}: run make, or set "
            f"PYTHONPATH={ROOT}"
        )


def notebook_paths(only: str = "") -> list[Path]:
    """The numbered notebooks in order; `only` keeps those whose name starts with it."""
    paths = [p for p in sorted(NOTEBOOKS.glob("[0-9]*.ipynb")) if p.name.startswith(only)]
    if not paths:
        raise ValueError(f"expected the start of a notebook's name such as 05, got {only!r}")
    return paths


def load_profile(name: str) -> dict[str, dict]:
    """Sections of a profile: `common`, and one for each notebook with settings of its own."""
    path = NOTEBOOKS / "params" / f"{name}.yaml"
    if not path.is_file():
        known = sorted(p.stem for p in path.parent.glob("*.yaml"))
        raise ValueError(f"expected a profile, got {name!r}: choose one of {known}")
    profile = yaml.safe_load(path.read_text(encoding="utf-8"))
    unknown = set(profile) - {"common"} - {p.stem for p in notebook_paths()}
    if unknown:
        raise ValueError(f"{path.name}: sections {sorted(unknown)} belong to no notebook")
    return profile


def parameters_for(notebook: Path, profile: dict[str, dict]) -> dict:
    """Parameters of a notebook; papermill itself would only warn about an unknown name."""
    passed = {**profile["common"], **profile.get(notebook.stem, {})}
    known = papermill.inspect_notebook(str(notebook))
    unknown = sorted(set(passed) - set(known))
    if unknown:
        raise ValueError(
            f"{notebook.name}: expected parameters of {sorted(known)}, got {unknown}: "
            f"correct notebooks/params or the notebook's parameters cell"
        )
    return passed


def build_folder(workspace: Workspace) -> Path:
    """The folder of a workspace's executed notebooks and site."""
    return ROOT / "build" if workspace.path == ROOT else workspace.path


def execute(notebook: Path, parameters: dict, folder: Path) -> Path:
    """Run one notebook into `folder`, with a page beside it; returns the executed notebook."""
    dataset = parameters.get("dataset", DEFAULT_DATASET)
    left_out = {"live", "imported" if dataset == DEFAULT_DATASET else DEFAULT_DATASET}
    source = nbformat.read(notebook, as_version=4)
    source.cells = [c for c in source.cells if not left_out & {*c.metadata.get("tags", ())}]
    executed, page = folder / notebook.name, folder / f"{notebook.stem}.html"
    page.unlink(missing_ok=True)  # so that after a failure no page of an earlier run is left
    with scratch_folder(folder) as scratch:  # another run may execute the same notebook
        result = scratch / notebook.name
        os.environ["IPYTHONDIR"] = str(scratch / "ipython")  # without the user's start-up files
        os.environ.pop("MPLBACKEND", None)  # pictures go into the notebook
        try:
            papermill.execute_notebook(
                source,
                str(result),
                parameters,
                kernel_name="python3",
                start_timeout=600,  # seconds; a kernel on a busy machine takes over a minute
                cwd=str(NOTEBOOKS),
                progress_bar=False,  # notebooks show progress bars of their own
                stdout_file=sys.stdout,
                stderr_file=sys.stderr,
                coalesce_streams=True,  # of a progress bar only the last state is saved
                kernel_manager_class=LocalKernelManager,
            )
            exporter = HTMLExporter(require_js_url=NO_SCRIPT, mathjax_url=NO_SCRIPT)
            text = exporter.from_filename(str(result))[0]
            (scratch / page.name).write_text(text, encoding="utf-8")
            (scratch / page.name).replace(page)
        finally:
            if result.exists():
                result.replace(executed)
    return executed


def products_a_second() -> float:
    """Products of two 512-square matrices that one core makes in a second, measured for one."""
    import torch  # only here, as loading it takes seconds

    torch.set_num_threads(1)
    matrix, count, start = torch.randn(512, 512), 0, time.perf_counter()
    while (passed := time.perf_counter() - start) < 1:
        matrix @ matrix
        count += 1
    return count / passed


def expected_minutes(profile_name: str, rate: float, cores: int) -> float:
    """How long a run from nothing takes, if trainings take as long as matrix products do."""
    return MINUTES[profile_name] * (RATE / rate) * (2 / cores)


def run_all(profile_name: str, only: str = "", dataset: str = "", workspace: str = "") -> None:
    """Run the notebooks of a profile in order; `dataset` and `workspace` replace its own."""
    profile = load_profile(profile_name)
    common = profile["common"]
    common["dataset"] = dataset or common["dataset"]
    common["workspace"] = workspace or common["workspace"]
    if common["dataset"].startswith(GENERATED):
        raise ValueError(
            f"expected recordings, got {common['dataset']!r}, which is generated: the notebooks "
            "describe people's hands; use it with python -m jointprune.train --dataset"
        )
    place = Workspace(common["workspace"], common["dataset"])
    if place.subfolder and not only:
        open_dataset(place.dataset, place)  # an unknown name fails here, before any notebook runs
    jobs = [(path, parameters_for(path, profile)) for path in notebook_paths(only)]
    if profile_name in MINUTES and not only:
        minutes = expected_minutes(profile_name, products_a_second(), cpu_count())
        print(
            f"From nothing about {minutes:.0f} minutes here; finished trainings are not repeated."
        )
    for notebook, parameters in jobs:
        print(f"== {notebook.stem}", flush=True)
        start = time.perf_counter()
        run_or_exit(notebook, parameters, build_folder(place) / "executed" / place.subfolder)
        print(f"== {notebook.stem}: {(time.perf_counter() - start) / 60:.1f} minutes", flush=True)


def run_or_exit(notebook: Path, parameters: dict, folder: Path) -> None:
    """Run one notebook; a failure becomes one message that says how to continue."""
    failed = f"{notebook.name} failed:"
    try:
        execute(notebook, parameters, folder)
    except PapermillExecutionError as error:
        sys.exit(
            f"{error}\n{failed} {error.ename}: {error.evalue}\n"
            f"Its output up to there: {folder / notebook.name}\n{RESUME}"
        )
    except DeadKernelError:
        sys.exit(f"{failed} its kernel stopped: it was killed, or had too little memory.\n{RESUME}")
    except OSError as error:
        sys.exit(f"{failed} {error}: free disk space for {folder} or make it writable.\n{RESUME}")


def main() -> None:
    parser = argparse.ArgumentParser(description="Run the notebooks in order through papermill.")
    parser.add_argument("profile", help="a file of notebooks/params, without .yaml")
    parser.add_argument("--only", default="", help="start of a notebook's name, such as 05")
    parser.add_argument("--dataset", default="", help="in place of the profile's")
    parser.add_argument("--workspace", default="", help="in place of the profile's")
    options = parser.parse_args()
    check_package()
    try:
        run_all(options.profile, options.only, options.dataset, options.workspace)
    except (ValueError, FileNotFoundError) as error:
        parser.error(str(error))
    except KeyboardInterrupt:
        sys.exit(f"Stopped. {RESUME}")


if __name__ == "__main__":
    main()
