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
            help="Folder of a sweep, a run or a study; or of several sweeps.",
        ),
    ],
    out: Annotated[
        Path | None,
        typer.Option(
            "--out",
            "-o",
            metavar="FILE",
            help="The page, FILE.html; its numbers go to FILE.json. By default DIR/report.html and "
            "DIR/summary.json; of a study DIR/study.html; of several sweeps comparison.html beside "
            "the first DIR.",
        ),
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Write one self-contained page from stored results, and its numbers as JSON beside it.

    Example: dvr-ray report runs/quickstart

    Several sweeps are shown side by side, differences are taken against the first, as in dvr-ray
    report runs/before runs/after. Of a study, tables and figures are written anew as well. Nothing
    is trained and no test part is looked at.
    """
    from dvr_ray.reports.page import write_comparison, write_report
    from dvr_ray.reports.study import PAGE, SUMMARY

    if out is not None and out.suffix != ".html":
        mend = "name a page FILE.html; its numbers go to FILE.json"
        raise ConfigError("--out", f"must end in .html, got {out}", mend)
    screen = Screen(as_json)
    if len(folders) > 1:
        page = write_comparison(folders, out)
    elif (folders[0] / SUMMARY).exists():
        from dvr_ray.reports.study_stored import rewrite_study

        rewrite_study(folders[0], out)
        page = out or folders[0] / PAGE
    else:
        page = write_report(folders[0], out)
    screen.result(f"report: {page}")
    screen.finish({"report": str(page)})
