"""Actions of a reader in a browser: go through the site, move the explorer's slider."""

from pathlib import Path

# JupyterLab marks the red output of a cell with these.
FAILED = ", ".join(
    f'[data-mime-type="application/vnd.jupyter.{kind}"]' for kind in ("error", "stderr")
)
PICTURE = ".jupyter-widgets .jp-RenderedImage img"
PATIENCE = 100_000  # ms; a kernel starts, on a machine that may be busy


def walk(browser, first: Path) -> tuple[list[str], list[str]]:
    """Follow `next` from the first page to the last: the pages' stems, and all errors."""
    page, problems, stems = browser.new_page(), [], []
    page.on("console", lambda m: problems.append(m.text) if m.type == "error" else None)
    page.on("pageerror", lambda error: problems.append(str(error)))
    page.on("requestfailed", lambda request: problems.append(request.url[:80]))
    page.on("request", lambda r: problems.append(r.url) if r.url.startswith("http") else None)
    page.goto(first.as_uri())
    while True:
        stems.append(Path(page.url).stem)
        page.wait_for_load_state()
        empty = (
            "[...document.images].filter(i => !i.naturalWidth).map(i => i.outerHTML.slice(0, 80))"
        )
        page.wait_for_function(f"() => !({empty}).length", timeout=5000)
        wide = "document.documentElement.scrollWidth - document.documentElement.clientWidth"
        if page.evaluate(wide) > 0:
            problems.append(f"{page.url} is wider than the window")
        onward = page.locator("a.right-next")  # the theme's link to the next page
        if not onward.count():
            break
        onward.click()
    page.close()
    return stems, problems


def move_the_slider(browser, address: str) -> tuple[list[str], list[str], int]:
    """Run all cells of a notebook in JupyterLab, then move its slider one place to the right.

    Returns K as read beside it, and the picture, before and after; and how many cells failed.
    """
    page = browser.new_page(viewport={"width": 1300, "height": 1000})
    page.set_default_timeout(PATIENCE)
    page.goto(address)
    page.get_by_text("| Idle").wait_for()  # before that the menu's entries do nothing
    page.get_by_role("menuitem", name="Run", exact=True).click()
    page.get_by_role("menuitem", name="Run All Cells", exact=True).click()
    handle, readout = (page.locator(f".widget-slider {part}") for part in
                       (".noUi-handle", ".widget-readout"))  # fmt: skip
    pictures, budgets = [page.locator(PICTURE).get_attribute("src")], [readout.inner_text()]
    handle.press("ArrowRight")
    page.wait_for_function(
        "([at, old]) => ![null, old].includes(document.querySelector(at)?.src ?? null)",
        arg=[PICTURE, pictures[0]],
    )
    pictures.append(page.locator(PICTURE).get_attribute("src"))
    budgets.append(readout.inner_text())
    page.locator(".jupyter-widgets .animation img").wait_for()
    failed = page.locator(FAILED).count()
    page.close()
    return budgets, pictures, failed
