"""``dvr-ray report``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from dvr_ray.cli.options import AsJson
from dvr_ray.cli.screen import Screen

__all__ = ["report"]


def report(
    folder: Annotated[Path, typer.Argument(help="Folder of a sweep or of one run.")],
    as_json: AsJson = False,
) -> None:
    """Write report.html from stored results: one self-contained page, nothing is trained.

    Example: dvr-ray report runs/quickstart
    """
    from dvr_ray.reports.page import write_report

    screen = Screen(as_json)
    page = write_report(folder)
    screen.result(f"report: {page}")
    screen.finish({"report": str(page)})
