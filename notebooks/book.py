"""Build the site of the executed notebooks: `python notebooks/book.py [--dataset NAME]`.

Sphinx turns `notebooks/site`, the executed notebooks and the figures into `build/book`, whole or
not at all (another data set's: `build/book-NAME`). Readers need no network.
"""

import argparse
import json
import re
import shutil
import subprocess
import sys
from pathlib import Path

import nbformat
from run import NOTEBOOKS, ROOT, build_folder, check_package, notebook_paths

from jointprune.paper.explorer import page_facts
from jointprune.paper.plots.hands import HAND_LAYOUT
from jointprune.paper.vocabularies import with_results
from jointprune.skeleton import BONES, JOINTS
from jointprune.workspace import DEFAULT_DATASET, Workspace, scratch_folder, told

# A caption in figures/README.md: the figure's stem in bold, then one paragraph.
CAPTION = re.compile(r"^\*\*(fig(\d+)_(\w+))\.\*\* (.+?)(?:\n\n|\Z)", re.MULTILINE | re.DOTALL)
SMOKE = "**This is a smoke run: its numbers mean nothing.**\n\n"


def build(workspace: Workspace) -> Path:
    """Write the site of a workspace's data set; returns its first page.

    Raises FileNotFoundError if a notebook was not executed, ValueError if one failed.
    """
    folder = build_folder(workspace) / f"book-{workspace.subfolder}".rstrip("-")
    with scratch_folder(folder.parent) as scratch:
        source, site = scratch / "source", scratch / "site"
        collect_pages(workspace, source)
        run_module("sphinx", "-q", "-d", str(scratch / "cache"), str(source), str(site))
        shutil.rmtree(folder, ignore_errors=True)
        site.rename(folder)
    return folder / "index.html"


def collect_pages(workspace: Workspace, folder: Path) -> None:
    """Put everything that Sphinx reads into `folder`."""
    shutil.copytree(NOTEBOOKS / "site", folder)
    for notebook in notebook_paths():
        shutil.copy(executed(notebook.name, workspace), folder)
    (folder / "figures").mkdir()
    for path in workspace.figures.glob("[!.]*.*"):
        shutil.copy(path, folder / "figures")
    captions = (ROOT / "figures" / "README.md").read_text(encoding="utf-8")
    (folder / "figures.md").write_text(figures_page(captions, folder), encoding="utf-8")
    (folder / "results.md").write_text(results(workspace), encoding="utf-8")
    facts = json.dumps(explorer_facts(workspace), ensure_ascii=False)
    text = f"const EXPLORER = {facts};\n"  # a script, because a page of a file may read no JSON
    (folder / "static" / "explorer_data.js").write_text(text, encoding="utf-8")


def explorer_facts(workspace: Workspace) -> dict:
    """What the page `explorer` shows: hands to draw, and the results of every data set."""
    return {
        "hand": HAND_LAYOUT.tolist(), "bones": BONES, "names": JOINTS,
        "data": page_facts(with_results(workspace)),
    }  # fmt: skip


def executed(name: str, workspace: Workspace) -> Path:
    """The executed notebook `name`; raises ValueError if it did not run to its end."""
    path = build_folder(workspace) / "executed" / workspace.subfolder / name
    command = "make reproduce"
    if workspace.subfolder:
        command += f" DATASET={workspace.dataset}"
    if not path.is_file():
        raise FileNotFoundError(f"{path} is not there yet: run `{command}` first")
    if nbformat.read(path, as_version=4).metadata.get("papermill", {}).get("exception"):
        raise ValueError(
            f"expected {path} to have run to its end, got a failure: run `{command}` again"
        )
    return path


def figures_page(captions: str, folder: Path) -> str:
    """Each figure that is in `folder`, with its PDF and its caption of figures/README.md."""
    parts = ["# Figures"]
    for stem, number, title, caption in CAPTION.findall(captions):
        if not (folder / "figures" / f"{stem}.png").is_file():
            continue  # no run makes all: transfer and synthetic data belong to the default one
        heading = f"Figure {number}: {title.replace('_', ' ')}"
        parts += [f"## {heading}", f"![{heading}](figures/{stem}.png)",
                  f"{caption} [PDF](figures/{stem}.pdf)"]  # fmt: skip
    return "\n\n".join(parts)


def results(workspace: Workspace) -> str:
    """The results as Markdown, as `make reproduce` prints them."""
    facts = json.loads((workspace.results / "dataset.json").read_text(encoding="utf-8"))
    of_whom = ("--dataset", workspace.dataset, "--workspace", workspace.root)
    text = run_module("jointprune.paper.report", "--show", *of_whom)
    return SMOKE + text if facts["smoke"] else text


def run_module(*arguments: str) -> str:
    """Run a module as a command; returns what it prints."""
    done = subprocess.run([sys.executable, "-m", *arguments], capture_output=True, text=True)
    print(done.stderr, end="", file=sys.stderr)
    if done.returncode:
        raise RuntimeError(
            f"expected {arguments[0]} to run, got exit status {done.returncode}: see above"
        )
    return done.stdout


def main() -> None:
    parser = argparse.ArgumentParser(description="Build the site of the executed notebooks.")
    parser.add_argument("--dataset", default=DEFAULT_DATASET, help="whose notebooks")
    parser.add_argument("--workspace", default=".", help="build/smoke for a smoke run's")
    options = parser.parse_args()
    check_package()
    try:
        print(build(Workspace(options.workspace, options.dataset)))
    except (OSError, ValueError, RuntimeError) as error:
        sys.exit(told(error))


if __name__ == "__main__":
    main()
