"""Sphinx: Markdown pages, filled from the code, that open from disk without a network."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parent))
sys.path.insert(0, str(Path(__file__).parents[1]))

from dvr_ray import __version__
from generators.pages import expand

project = "dvr_ray"
release = __version__
extensions = ["myst_parser"]
myst_heading_anchors = 3
exclude_patterns = ["generators"]
html_theme = "alabaster"
html_theme_options = {
    "description": "Data valuation for recommenders",
    "fixed_sidebar": True,
    "page_width": "1200px",
    "font_size": "16px",
    "font_family": "system-ui, sans-serif",
    "head_font_family": "system-ui, sans-serif",
    "show_powered_by": False,
}
html_static_path = ["_static"]
html_css_files = ["pages.css"]
html_show_sourcelink = False
html_copy_source = False
html_show_copyright = False
nitpicky = True
smartquotes = False


def setup(app: Any) -> None:
    """Fill the placeholders of a page before it is parsed."""

    def fill(app: Any, docname: str, source: list[str]) -> None:
        source[0] = expand(source[0])

    app.connect("source-read", fill)
    # Tables of fields depend on the code, which Sphinx doesn't watch.
    app.connect("env-get-outdated", lambda app, env, *_: env.all_docs if env.all_docs else [])
