"""Settings of Sphinx for the site; notebooks/book.py collects its pages."""

project = html_title = "jointprune"
extensions = ["myst_nb"]
exclude_patterns = ["results.md"]  # included by index.md
myst_heading_anchors = 3  # for the links of claims.md
suppress_warnings = ["mystnb.unknown_mime_type"]
nb_execution_mode = "off"  # pages show the notebooks as papermill ran them
nb_ipywidgets_js = {}  # no page asks another host for a script

html_theme = "sphinx_book_theme"
html_theme_options = {"home_page_in_toc": True, "use_fullscreen_button": False}
html_context = {"default_mode": "light"}  # figures are drawn on white
html_static_path = ["static"]
html_css_files = ["site.css"]
html_show_sphinx = False
