"""The static site: links lead somewhere, pictures are there, and no page asks the network."""

import base64
import importlib.util
import io
import sys
from functools import cache
from html.parser import HTMLParser
from pathlib import Path

import matplotlib

matplotlib.use("Agg")

import matplotlib.pyplot as plt
import nbformat
import numpy as np
import paper_facts
import pytest
from browsing import walk
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook, new_output

from jointprune.paper.animation import film
from jointprune.paper.report import write_paper
from jointprune.workspace import ROOT, Workspace

NOTEBOOKS = ROOT / "notebooks"
STEMS = [path.stem for path in sorted(NOTEBOOKS.glob("[0-9]*.ipynb"))]
PAGES = ["index", *STEMS, "figures"]


@pytest.fixture(scope="module")
def book():
    """notebooks/book.py, which stands beside run.py and not in the package."""
    sys.path.insert(0, str(NOTEBOOKS))
    spec = importlib.util.spec_from_file_location("book", NOTEBOOKS / "book.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    yield module
    sys.path.remove(str(NOTEBOOKS))


def picture() -> bytes:
    file = io.BytesIO()
    plt.imsave(file, np.zeros((4, 6, 3)), format="png")
    return file.getvalue()


@cache
def short_film() -> str:
    clip = np.random.default_rng(0).normal(size=(3, 42, 2)), np.ones((3, 42), bool)
    return film({"clip": clip}, 25.0).data


def executed(stem: str) -> nbformat.NotebookNode:
    """A chapter as papermill leaves it: prose, a picture, a table too wide, a film."""
    wide = "<table><tr>" + "<td>a wide cell</td>" * 60 + "</tr></table>"
    shown = [{"image/png": base64.b64encode(picture()).decode()}, {"text/html": wide},
             {"text/html": short_film()}]  # fmt: skip
    outputs = [new_output("display_data", data={**data, "text/plain": "shown"}) for data in shown]
    cells = [new_markdown_cell(f"# {stem[:2]}  {stem[3:]}\n\nText."),
             new_code_cell("show()", outputs=outputs, execution_count=1)]  # fmt: skip
    return new_notebook(cells=cells, metadata={"papermill": {"exception": None}})


def prepare(folder: Path) -> Workspace:
    """Results, the paper's files, pictures of a few bytes, and five executed notebooks."""
    made = Workspace(str(folder))
    write_paper(paper_facts.write(made, smoke=True), made)
    for stem in ("fig1_pipeline", "fig2_accuracy_against_k", "fig3_gates", "fig4_leave_out",
                 "fig5_groups", "fig6_stability", "fig7_synthetic", "fig8_cost"):  # fmt: skip
        (made.figures / f"{stem}.png").write_bytes(picture())
        (made.figures / f"{stem}.pdf").write_bytes(b"%PDF-1.4")
    (folder / "executed").mkdir()
    for stem in STEMS:
        nbformat.write(executed(stem), folder / "executed" / f"{stem}.ipynb")
    return made


@pytest.fixture(scope="module")
def workspace(tmp_path_factory) -> Workspace:
    return prepare(tmp_path_factory.mktemp("site"))


@pytest.fixture(scope="module")
def site(workspace, book) -> Path:
    return book.build(workspace).parent


class Links(HTMLParser):
    """What a page loads by itself, and where a reader can go from it."""

    def __init__(self, page: Path):
        super().__init__()
        self.loaded, self.leads = [], []
        self.feed(page.read_text(encoding="utf-8"))

    def handle_starttag(self, tag, attributes):
        found = dict(attributes)
        self.loaded += [found["src"]] if "src" in found else []
        if "href" in found:
            (self.leads if tag == "a" else self.loaded).append(found["href"])


def test_there_is_a_page_for_each_notebook_the_results_and_the_figures(site):
    assert sorted(path.stem for path in site.glob("*.html")) == sorted(PAGES)


@pytest.mark.parametrize("name", PAGES)
def test_every_link_of_a_page_leads_to_a_file_and_nothing_is_loaded_from_a_site(site, name):
    links = Links(site / f"{name}.html")
    local = [link.split("#")[0] for link in links.leads if not link.startswith("#")]
    assert [link for link in local if not (site / link).is_file()] == []
    files = [link for link in links.loaded if not link.startswith("data:")]
    assert [link for link in files if not (site / link).is_file()] == []
    assert {f"{stem}.html" for stem in PAGES} <= set(local)


def test_the_first_page_offers_every_file_to_take_away(site):
    leads = set(Links(site / "index.html").leads) | set(Links(site / "figures.html").leads)
    files = {p.relative_to(site).as_posix() for p in site.rglob("*") if p.is_file()}
    assert {name for name in files if not name.endswith((".html", ".png"))} <= leads
    assert {"figures/numbers.tex", "figures/joints.json", f"notebooks/{STEMS[0]}.ipynb"} <= leads


def test_the_first_page_holds_the_headline_and_the_figures_their_captions(site):
    index = (site / "index.html").read_text(encoding="utf-8")
    assert "A smoke run: it says nothing" in index
    assert "learned gates" in index and "95 % interval in brackets" in index and "<table" in index
    assert "Figure 8: cost" in (site / "figures.html").read_text(encoding="utf-8")
    assert len(Links(site / "figures.html").loaded) == 8


def test_a_notebook_that_was_not_executed_is_named_with_the_command(book, tmp_path):
    made = prepare(tmp_path)
    (tmp_path / "executed" / "03_pruning_training.ipynb").unlink()
    with pytest.raises(FileNotFoundError, match=r"03_pruning.*run `make reproduce` first"):
        book.build(made)
    assert not (tmp_path / "book").exists()


def test_a_notebook_that_failed_is_refused_and_the_old_site_stays(book, tmp_path):
    made = prepare(tmp_path)
    first = book.build(made)
    path = tmp_path / "executed" / f"{STEMS[1]}.ipynb"
    failed = nbformat.read(path, as_version=4)
    failed.metadata.papermill.exception = True
    nbformat.write(failed, path)
    with pytest.raises(ValueError, match="got a failure: `make reproduce` again"):
        book.build(made)
    assert first.is_file()


def test_a_site_made_again_leaves_nothing_of_the_old_one(book, tmp_path):
    made = prepare(tmp_path)
    stale = book.build(made).parent / "stale.html"
    stale.touch()
    book.build(made)
    assert not stale.exists() and sorted(p.name for p in tmp_path.iterdir()) == [
        "book", "data", "executed", "figures",
    ]  # fmt: skip


def test_a_browser_goes_from_page_to_page_without_errors_or_requests(browser, site):
    assert walk(browser, site / "index.html") == (PAGES, [])


def test_a_film_plays_in_a_browser(browser, site):
    page = browser.new_page()
    page.goto((site / f"{STEMS[0]}.html").as_uri())
    frames = {page.locator(".animation img").get_attribute("src")}
    for _ in range(2):
        page.get_by_title("Next frame").click()
        frames.add(page.locator(".animation img").get_attribute("src"))
    assert len(frames) == 3
    page.get_by_title("First frame").click()
    assert page.locator(".animation img").get_attribute("src") in frames
    page.get_by_title("Play", exact=True).click()
    page.wait_for_function("() => document.querySelector('.anim-slider').value !== '0'")
    page.close()
