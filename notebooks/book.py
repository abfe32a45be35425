"""Make a static site of the executed notebooks: `python notebooks/book.py [--dataset NAME]`.

`build/book` gets a first page with the results, a page for each notebook, one of figures, and the
files to take away; another dataset's goes to `build/book-NAME`. Every page is a notebook that went
through nbconvert and `templates/book`: the first page and the figures are notebooks of prose alone.
Read, it needs no network.
"""

import argparse
import re
import shutil
import sys
from pathlib import Path

import nbformat
from nbformat import NotebookNode
from run import ROOT, build_folder, notebook_paths, page_of

from jointprune.paper.numbers import headline, load_results
from jointprune.workspace import DEFAULT_DATASET, Workspace, scratch_folder

OPENING = """\
# jointprune

How few hand joints does sign recognition need? One gate a joint is learned together with a skeleton
transformer, gates that do not pay are closed, and the network is retrained on what is left. These
pages are the notebooks as they ran.
"""
DOWNLOADS = {
    "numbers.tex": "every number as a macro, its source beside it",
    "claims.md": "every sentence with its numbers, test and verdict",
    "claims.tex": "the same sentences as macros",
    "joints.json": "for each K the joints that most runs kept",
}
# A caption of figures/README.md: the figure's stem in bold, then one paragraph.
CAPTION = re.compile(r"^\*\*(fig\w+)\.\*\* (.+?)(?:\n\n|\Z)", re.MULTILINE | re.DOTALL)


def build(workspace: Workspace) -> Path:
    """Write the site of a workspace's dataset, whole or not at all; returns its first page.

    Raises FileNotFoundError if a notebook was not executed, ValueError if one failed.
    """
    chapters = {path.stem: _executed(path.name, workspace) for path in notebook_paths()}
    titles = {"index": "Results", **{s: _title(n) for s, n in chapters.items()}}
    titles["figures"] = "Figures"
    pages = {"index": _prose(_opening(workspace, titles)), **chapters}
    pages["figures"] = _prose(_figures(workspace))
    folder = build_folder(workspace) / f"book-{workspace.subfolder}".rstrip("-")
    with scratch_folder(folder.parent) as new:
        shutil.copytree(workspace.figures, new / "figures", ignore=_folders_and_hidden)
        (new / "notebooks").mkdir()
        for stem, notebook in chapters.items():
            nbformat.write(notebook, new / "notebooks" / f"{stem}.ipynb")
        _write_pages(pages, titles, new)
        shutil.rmtree(folder, ignore_errors=True)
        new.rename(folder)
    return folder / "index.html"


def _executed(name: str, workspace: Workspace) -> NotebookNode:
    path = build_folder(workspace) / "executed" / workspace.subfolder / name
    command = "make reproduce"
    if workspace.subfolder:
        command += f" DATASET={workspace.dataset}"
    if not path.is_file():
        raise FileNotFoundError(f"{path} is not there yet: run `{command}` first")
    notebook = nbformat.read(path, as_version=4)
    if notebook.metadata.get("papermill", {}).get("exception"):
        raise ValueError(f"expected {path} to have run through, got a failure: `{command}` again")
    return notebook


def _title(notebook: NotebookNode) -> str:
    """The notebook's first heading."""
    return " ".join(notebook.cells[0].source.splitlines()[0].lstrip("# ").split())


def _prose(text: str) -> NotebookNode:
    return nbformat.v4.new_notebook(cells=[nbformat.v4.new_markdown_cell(text)])


def _opening(workspace: Workspace, titles: dict[str, str]) -> str:
    """The first page: results, chapters, downloads."""
    chapters = [f"- [{title}]({stem}.html)" for stem, title in titles.items() if stem != "index"]
    notebooks = [f"[{stem}](notebooks/{stem}.ipynb)" for stem in titles if stem[0].isdigit()]
    files = [f"- [{name}](figures/{name}): {what}" for name, what in DOWNLOADS.items()]
    results = load_results(workspace)
    warning = (
        "**A smoke run: it says nothing about joints.**\n" if results["dataset"]["smoke"] else ""
    )
    parts = [OPENING, *chapters, "\n## Results\n", warning, headline(results),
             "\n## Downloads\n", *files, "- notebooks with their outputs: " + ", ".join(notebooks),
             "- figures as PDF: see [Figures](figures.html)"]  # fmt: skip
    return "\n".join(parts)


def _figures(workspace: Workspace) -> str:
    """Each figure with its caption and its PDF."""
    captions = CAPTION.findall((ROOT / "figures" / "README.md").read_text(encoding="utf-8"))
    parts = ["# Figures"]
    for stem, caption in captions:
        heading = stem.replace("fig", "Figure ", 1).replace("_", ": ", 1).replace("_", " ")
        parts += [f"## {heading}", f"![{heading}](figures/{stem}.png)",
                  f"{caption} [PDF](figures/{stem}.pdf)"]  # fmt: skip
    return "\n\n".join(parts)


def _write_pages(pages: dict[str, NotebookNode], titles: dict[str, str], folder: Path) -> None:
    stems = [None, *pages, None]
    for before, stem, after in zip(stems, stems[1:], stems[2:], strict=False):
        turn = {"here": stem, "previous": before, "next": after, "contents": titles}
        text = page_of(pages[stem], titles[stem], **turn)
        (folder / f"{stem}.html").write_text(text, encoding="utf-8")


def _folders_and_hidden(folder: str, names: list[str]) -> list[str]:
    """Other datasets' figures, half-written files and the README stay where they are."""
    return [n for n in names if Path(folder, n).is_dir() or n.startswith(".") or n == "README.md"]


def main() -> None:
    parser = argparse.ArgumentParser(description="Make the static site of the executed notebooks.")
    parser.add_argument("--dataset", default=DEFAULT_DATASET, help="whose notebooks")
    parser.add_argument("--workspace", default=".", help="build/smoke for a smoke run's")
    arguments = parser.parse_args()
    try:
        print(build(Workspace(arguments.workspace, arguments.dataset)))
    except (FileNotFoundError, ValueError) as error:
        sys.exit(str(error))


if __name__ == "__main__":
    main()
