"""One self-contained HTML page from a result folder, and its numbers beside it.

The page loads nothing: plotly's JavaScript is written into it once and figures follow as JSON in
blocks that a browser doesn't run. All text is escaped by jinja2. As a second line of defence the
page's own policy lets only two scripts run, named by their hashes, and forbids every connection.
"""

from __future__ import annotations

import base64
import hashlib
import json
from collections.abc import Sequence
from functools import cache
from pathlib import Path
from typing import Any

import jinja2
from markupsafe import Markup
from plotly.offline import get_plotlyjs

from dvr_ray import __version__
from dvr_ray.errors import CheckpointError
from dvr_ray.files import placed
from dvr_ray.reports.comparing import compare
from dvr_ray.reports.comparison import comparison_content, comparison_digest
from dvr_ray.reports.contents import run_content, sweep_content
from dvr_ray.reports.digest import run_digest, sweep_digest
from dvr_ray.reports.figures import visible
from dvr_ray.reports.findings import find_run, find_sweep
from dvr_ray.reports.parts import Content, Panel
from dvr_ray.reports.results import SweepResults, load

__all__ = ["COMPARISON", "NAME", "SUMMARY", "render", "write_comparison", "write_report"]

NAME, SUMMARY, COMPARISON = "report.html", "summary.json", "comparison.html"
HERE = Path(__file__).parent


def write_report(folder: Path, page: Path | None = None) -> Path:
    """Write the page of a sweep or a run, and its numbers beside it.

    Parameters
    ----------
    folder : Path
        Of the sweep or the run.
    page : Path, optional
        Where the page goes, its numbers beside it with the ending ``.json``; by default
        ``report.html`` and ``summary.json`` in the folder.

    Returns
    -------
    Path
        The page. Both files were written to temporary names and moved into place.

    Raises
    ------
    CheckpointError
        If the folder holds no results, a file is damaged, or the page can't be written.
    """
    results = load(folder)
    if isinstance(results, SweepResults):
        sweep = find_sweep(results)
        content, digest = sweep_content(sweep), sweep_digest(sweep)
    else:
        run = find_run(results)
        content, digest = run_content(run), run_digest(run)
    summary = page.with_suffix(".json") if page else folder / SUMMARY
    return write_page(content, digest, page or folder / NAME, summary)


def write_comparison(folders: Sequence[Path], page: Path | None = None) -> Path:
    """Write a page that shows several sweeps side by side, and its numbers beside it.

    Parameters
    ----------
    folders : sequence of Path
        Of two or more sweeps; differences are taken against the first.
    page : Path, optional
        Where the page goes; by default ``comparison.html`` beside the first folder.

    Returns
    -------
    Path
        The page.

    Raises
    ------
    CheckpointError
        As `write_report`, and if a folder isn't a sweep's or the sweeps share no objective.
    """
    comparison = compare(folders)
    page = page or folders[0].resolve().parent / COMPARISON
    return write_page(
        comparison_content(comparison),
        comparison_digest(comparison),
        page,
        page.with_suffix(".json"),
    )


def write_page(content: Content, digest: dict[str, Any], page: Path, summary: Path) -> Path:
    """Write page and numbers; neither is moved into place before both are written."""
    numbers = json.dumps(digest, indent=1, allow_nan=False) + "\n"
    text = render(content, summary.name)
    try:
        with placed(summary) as below, placed(page) as temporary:
            below.write_text(numbers, encoding="utf-8", newline="\n")
            temporary.write_text(text, encoding="utf-8", newline="\n")
    except OSError as error:
        raise CheckpointError(
            str(page), f"can't be written ({error.strerror})", "check the folder's rights and space"
        ) from error
    return page


def render(content: Content, summary: str = SUMMARY) -> str:
    """Return the whole page as text.

    Parameters
    ----------
    content : Content
        What it shows.
    summary : str
        Name of the file beside it that holds its numbers.
    """
    scripts = {"plotly": _plotly(), "own": _part("script")}
    return (
        _environment()
        .get_template("report.html.jinja")
        .render(
            content=content,
            summary=summary,
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
        finalize=lambda value: visible(value) if type(value) is str else value,
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
