"""The static site: links lead somewhere, pictures are there, and no page asks the network."""

import base64
import json
import re
import sys
from pathlib import Path

import nbformat
import numpy as np
import pytest
from browsing import walk
from bs4 import BeautifulSoup
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook, new_output

from jointprune.paper.animation import film
from jointprune.skeleton import JOINTS
from jointprune.workspace import ROOT, Workspace

sys.path.insert(0, str(ROOT / "notebooks"))
import book

STEMS = [path.stem for path in book.notebook_paths()]
PAGES = ["index", *STEMS, "explorer", "figures", "figures/claims"]
CAPTIONS = (ROOT / "figures" / "README.md").read_text(encoding="utf-8")
FIGURES = re.findall(r"^\*\*(fig\w+)\.\*\*", CAPTIONS, re.MULTILINE)
DOWNLOADS = ("numbers.tex", "claims.md", "joints.json")
# A PNG of one point.
PICTURE = (
    "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAAAAAA6fptVAAAACklEQVR4nGP4DwABAQEAsTj2FAAAAABJRU5ErkJggg=="
)
HEADLINE = "21 of 42 joints.\n\n| joints | learned gates |\n| --- | --- |\n| 42 | 65.4 |\n"


def executed(stem: str) -> nbformat.NotebookNode:
    """A notebook as papermill writes it: prose, a picture, a table that is too wide, a film."""
    wide = "<table><tr>" + "<td>a wide cell</td>" * 60 + "</tr></table>"
    clip = np.random.default_rng(0).normal(size=(3, 42, 2)), np.ones((3, 42), bool)
    played = film({"clip": clip}, 25.0).data
    shown = [{"image/png": PICTURE}, {"text/html": wide}, {"text/html": played}]
    outputs = [new_output("display_data", data={**data, "text/plain": "shown"}) for data in shown]
    cells = [new_markdown_cell(f"# {stem[:2]}  {stem[3:]}\n\nText with $ and $."),
             new_code_cell("show()", outputs=outputs, execution_count=1)]  # fmt: skip
    return new_notebook(cells=cells, metadata={"papermill": {"exception": None}})


def prepare(root: Path, dataset: str = "fingerspelling") -> Workspace:
    """Downloads and pictures of a few bytes, and five executed notebooks."""
    made = Workspace(str(root), dataset)
    notebooks = root / "executed" / made.subfolder
    for folder in (made.results, made.figures, notebooks):
        folder.mkdir(parents=True)
    (made.results / "dataset.json").write_text(json.dumps({"smoke": True}))
    for name in DOWNLOADS:
        (made.figures / name).write_text(f"# {name}\n")
    for stem in FIGURES[:-1]:  # the last one only `make transfer` makes
        (made.figures / f"{stem}.png").write_bytes(base64.b64decode(PICTURE))
        (made.figures / f"{stem}.pdf").write_bytes(b"%PDF-1.4")
    for stem in STEMS:
        nbformat.write(executed(stem), notebooks / f"{stem}.ipynb")
    return made


def seen(k: int) -> dict:
    """What the explorer shows at K, with other numbers for every K."""
    return {"share": {f"right.{name}": k / 42 for name in JOINTS}, "mean": k / 100, "low": 0.01,
            "high": 0.99, "changes": [
                {"name": "<B>", "difference": -k / 200, "low": -0.5, "high": -0.01, "p_holm": 0.01},
                {"name": "A", "difference": 0.01, "low": -0.1, "high": 0.1, "p_holm": 1.0},
            ]}  # fmt: skip


def data_set(title: str, ks: tuple[int, ...]) -> dict:
    methods = [{"label": label, "at": {k: seen(k) for k in ks}} for label in ("learned", "greedy")]
    return {"title": title, "group": "language", "class": "letter", "joints": 42,
            "full": {"mean": 0.5, "low": 0.4, "high": 0.6}, "methods": methods}  # fmt: skip


@pytest.fixture(autouse=True, scope="module")
def no_report():
    """The site with made-up results, so that report and explorer are not computed."""
    run_module, patch = book.run_module, pytest.MonkeyPatch()
    patch.setattr(book, "run_module", lambda *a: run_module(*a) if a[0] == "sphinx" else HEADLINE)
    sets = [data_set("alphabets", (6, 12, 21)), data_set("words", (2, 3))]
    patch.setattr(book, "page_facts", lambda places: sets)
    yield
    patch.undo()


@pytest.fixture(scope="module")
def site(tmp_path_factory) -> Path:
    return book.build(prepare(tmp_path_factory.mktemp("site"))).parent


def links(page: Path) -> tuple[set[str], set[str]]:
    """Where a reader can go from a page, and what the page loads by itself."""
    soup = BeautifulSoup(page.read_text(encoding="utf-8"), "html.parser")
    leads = {tag["href"].split("#")[0] for tag in soup("a", href=True)}
    loaded = {tag.get("src") or tag["href"] for tag in [*soup(src=True), *soup("link", href=True)]}
    return leads, {name.split("?")[0] for name in loaded if not name.startswith("data:")}


@pytest.mark.parametrize("name", PAGES)
def test_every_link_of_a_page_leads_to_a_file_and_nothing_is_loaded_from_a_host(site, name):
    page = site / f"{name}.html"
    leads, loaded = links(page)
    assert [link for link in leads | loaded if not (page.parent / link).exists()] == []
    pages = {(site / f"{other}.html").resolve() for other in PAGES if other != name}
    assert pages <= {(page.parent / link).resolve() for link in leads}


def test_the_first_page_shows_the_results_and_offers_the_downloads(site):
    index = (site / "index.html").read_text(encoding="utf-8")
    assert "a smoke run" in index and "21 of 42 joints." in index and "<table" in index
    assert set(DOWNLOADS) <= {Path(link).name for link in links(site / "index.html")[0]}


def test_each_figure_has_its_caption_and_its_pdf_and_each_notebook_a_download(site):
    figures = (site / "figures.html").read_text(encoding="utf-8")
    pdfs = {Path(link).name for link in links(site / "figures.html")[0]}
    assert len(FIGURES) == 10 and {f"{stem}.pdf" for stem in FIGURES[:-1]} <= pdfs
    assert FIGURES[-1] not in figures
    assert "Figure 8: cost" in figures and "Time, floating-point operations" in figures
    assert f"_sources/{STEMS[0]}.ipynb" in links(site / f"{STEMS[0]}.html")[0]


def test_a_notebook_that_was_not_executed_is_named_with_the_command(tmp_path):
    made = prepare(tmp_path, "mine")
    (tmp_path / "executed" / "mine" / f"{STEMS[2]}.ipynb").unlink()
    with pytest.raises(FileNotFoundError, match=r"03_pruning.*run `make reproduce DATASET=mine`"):
        book.build(made)
    assert sorted(p.name for p in tmp_path.iterdir()) == ["data", "executed", "figures"]


def test_a_notebook_that_failed_is_refused_and_the_old_site_stays(tmp_path):
    made = prepare(tmp_path)
    old = tmp_path / "book" / "index.html"
    old.parent.mkdir()
    old.touch()
    path = tmp_path / "executed" / f"{STEMS[1]}.ipynb"
    failed = nbformat.read(path, as_version=4)
    failed.metadata.papermill.exception = True
    nbformat.write(failed, path)
    with pytest.raises(ValueError, match="got a failure: run `make reproduce` again"):
        book.build(made)
    assert old.is_file()


def test_the_site_of_another_data_set_replaces_its_own_old_one_and_no_other(tmp_path):
    made = prepare(tmp_path, "mine")
    for folder in ("book", "book-mine"):
        (tmp_path / folder).mkdir()
        (tmp_path / folder / "stale.html").touch()
    assert book.build(made) == tmp_path / "book-mine" / "index.html"
    assert (tmp_path / "book" / "stale.html").exists()
    assert not (tmp_path / "book-mine" / "stale.html").exists()
    assert sorted(p.name for p in tmp_path.iterdir()) == [
        "book", "book-mine", "data", "executed", "figures",
    ]  # fmt: skip


def test_a_browser_goes_from_page_to_page_without_errors_or_requests(browser, site):
    assert walk(browser, site / "index.html") == ([Path(page).name for page in PAGES], [])


def test_the_explorer_is_used_by_keyboard_and_says_what_it_shows(browser, site):
    page, problems = browser.new_page(), []
    page.on("pageerror", lambda error: problems.append(str(error)))
    page.goto((site / "explorer.html").as_uri())
    slider, said = page.get_by_label("K", exact=True), page.get_by_role("status")
    accuracy = "learned, 12 joints: 12.0 % [1.0, 99.0]; all joints 50.0 % [40.0, 60.0]"
    assert accuracy in said.inner_text()
    slider.focus()
    page.keyboard.press("ArrowRight")
    assert "learned, 21 joints: 21.0 %" in said.inner_text()
    assert slider.get_attribute("aria-valuetext") == "21 of 42 joints"
    for hand, shown in (("left", "no joint"), ("right", "wrist 50 %, thumb cmc 50 %")):
        name = page.get_by_role("img", name=f"{hand} hand").get_attribute("aria-label")
        assert name.startswith(f"{hand} hand: {shown}")
    worst, best = (page.locator(f"#explorer-{which} tr").first for which in ("losers", "winners"))
    assert worst.inner_text().split() == ["<B>", "-10.5", "[-50.0,", "-1.0]"]
    assert worst.get_attribute("class") == "differs" and best.get_attribute("class") == ""
    page.get_by_label("recordings").select_option("words")
    page.get_by_label("method").select_option("greedy")
    assert "greedy, 2 joints: 2.0 %" in said.inner_text() and problems == []
    page.close()


def test_no_page_is_wider_than_a_phone(browser, site):
    page = browser.new_page(viewport={"width": 390, "height": 800})
    for name in PAGES:
        page.goto((site / f"{name}.html").as_uri())
        assert page.evaluate("document.documentElement.scrollWidth") == 390, name
    page.close()


def test_a_film_plays_in_a_browser(browser, site):
    page = browser.new_page()
    page.goto((site / f"{STEMS[0]}.html").as_uri())
    frames = {page.locator(".animation img").get_attribute("src")}
    for _ in range(2):
        page.get_by_title("Next frame").click()
        frames.add(page.locator(".animation img").get_attribute("src"))
    assert len(frames) == 3
    page.get_by_title("Play", exact=True).click()
    page.wait_for_function("() => document.querySelector('.anim-slider').value !== '0'")
    page.close()
