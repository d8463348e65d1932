"""One self-contained HTML page from a result folder.

The page loads nothing: plotly's JavaScript is written into it once and figures follow as JSON in
blocks that a browser doesn't run. All text is escaped by jinja2. As a second line of defence the
page's own policy lets only two scripts run, named by their hashes, and forbids every connection.
"""

from __future__ import annotations

import base64
import hashlib
from functools import cache
from pathlib import Path

import jinja2
from markupsafe import Markup
from plotly.offline import get_plotlyjs

from dvr_ray import __version__
from dvr_ray.errors import CheckpointError
from dvr_ray.files import placed
from dvr_ray.reports.contents import run_content, sweep_content
from dvr_ray.reports.results import SweepResults, load
from dvr_ray.reports.sections import Content, Panel

__all__ = ["NAME", "render", "write_report"]

NAME = "report.html"
HERE = Path(__file__).parent


def write_report(path: Path) -> Path:
    """Write ``report.html`` into a sweep's or a run's folder.

    Parameters
    ----------
    path : Path
        The folder.

    Returns
    -------
    Path
        The page; it was written to a temporary name and moved into place.

    Raises
    ------
    CheckpointError
        If the folder holds no results, a file is damaged, or the page can't be written.
    """
    results = load(path)
    content = sweep_content(results) if isinstance(results, SweepResults) else run_content(results)
    page = path / NAME
    try:
        with placed(page) as temporary:
            temporary.write_text(render(content), encoding="utf-8", newline="\n")
    except OSError as error:
        raise CheckpointError(
            str(page), f"can't be written ({error.strerror})", "check the folder's rights and space"
        ) from error
    return page


def render(content: Content) -> str:
    """Return the whole page as text."""
    scripts = {"plotly": _plotly(), "own": _part("script")}
    return (
        _environment()
        .get_template("report.html.jinja")
        .render(
            content=content,
            style=Markup(_part("style")),
            scripts={name: Markup(text) for name, text in scripts.items()},
            hashes=" ".join(f"'sha256-{_digest(text)}'" for text in scripts.values()),
            version=__version__,
        )
    )


def figure_json(panel: Panel) -> Markup:
    """Write a figure as JSON that no string inside can break out of.

    In JSON, ``<``, ``>`` and ``&`` occur within strings only, where their escapes by number mean
    the same; so a ``</script>`` in a name stays a part of that name.
    """
    text = str(panel.figure.to_json())
    for character in "<>&\u2028\u2029":
        text = text.replace(character, f"\\u{ord(character):04x}")
    return Markup(text)


@cache
def _environment() -> jinja2.Environment:
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(HERE),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters["figure_json"] = figure_json
    return environment


@cache
def _plotly() -> str:
    # Parsers turn \r\n into \n before a script is hashed.
    return str(get_plotlyjs()).replace("\r\n", "\n")


@cache
def _part(name: str) -> str:
    return (HERE / f"{name}.html.jinja").read_text(encoding="utf-8")


@cache
def _digest(text: str) -> str:
    return base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()
