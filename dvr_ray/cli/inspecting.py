"""``dvr-ray report``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from dvr_ray.cli.options import AsJson
from dvr_ray.cli.places import stored
from dvr_ray.cli.screen import Screen
from dvr_ray.errors import ConfigError

__all__ = ["report"]


def report(
    folders: Annotated[
        list[Path],
        typer.Argument(
            metavar="DIR|URI",
            parser=stored,
            help="Folder of a sweep or a run; or of several sweeps.",
        ),
    ],
    out: Annotated[
        Path | None,
        typer.Option(
            "--out",
            "-o",
            metavar="FILE",
            help="The page, FILE.html; its numbers go to FILE.json. By default DIR/report.html and "
            "DIR/summary.json; of several sweeps comparison.html beside the first DIR.",
        ),
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Write one self-contained page from stored results, and its numbers as JSON beside it.

    Example: dvr-ray report runs/quickstart

    Several sweeps are shown side by side, differences are taken against the first, as in dvr-ray
    report runs/before runs/after. Nothing is trained and no test part is looked at.
    """
    from dvr_ray.reports.page import write_comparison, write_report

    if out is not None and out.suffix != ".html":
        mend = "name a page FILE.html; its numbers go to FILE.json"
        raise ConfigError("--out", f"must end in .html, got {out}", mend)
    screen = Screen(as_json)
    page = write_report(folders[0], out) if len(folders) == 1 else write_comparison(folders, out)
    screen.result(f"report: {page}")
    screen.finish({"report": str(page)})
