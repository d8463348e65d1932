"""``dvr-ray study``: many runs that make one table."""

from __future__ import annotations

import logging
from functools import partial
from pathlib import Path
from typing import Annotated, Any, Optional

import typer

from dvr_ray.cli.logs import logged
from dvr_ray.cli.options import Address, AsJson, More, Out, Overrides, Quiet, Resume, Verbose
from dvr_ray.cli.places import kept
from dvr_ray.cli.screen import Screen
from dvr_ray.events import Event, Warned
from dvr_ray.files import LOGS, visible

__all__ = ["study"]

LOG = logging.getLogger(__name__)
PROBES = "probes"


def study(
    named: Annotated[
        str,
        typer.Argument(
            metavar="NAME|FILE", help="A shipped study, such as noise, or a file of one's own."
        ),
    ],
    more: More = None,
    out: Out = None,
    scale: Annotated[
        Optional[str],  # noqa: UP045
        typer.Option("--scale", help="smoke, laptop or cluster; by default the file as written."),
    ] = None,
    plan: Annotated[
        bool, typer.Option("--plan", help="Say what would be run and how long, and stop.")
    ] = False,
    data: Annotated[
        Optional[Path],  # noqa: UP045
        typer.Option("--data", help="Folder that the cells' data paths start in; default: here."),
    ] = None,
    cells: Annotated[
        Optional[Path],  # noqa: UP045
        typer.Option("--cells", help="Folder of finished cells; by default OUT/cells."),
    ] = None,
    overrides: Overrides = None,
    resume: Resume = False,
    address: Address = None,
    as_json: AsJson = False,
    quiet: Quiet = False,
    verbose: Verbose = False,
) -> None:
    """Run every combination of a study's axes with every seed; write tables and figures.

    Example: dvr-ray study quickstart

    What is chosen is chosen on validation-selection; test is measured once, when all runs are
    done. Finished cells are small JSON files that can be committed: with --cells a study goes on
    from them on any machine.
    """
    import ray  # noqa: F401  (its log handlers are set when it is imported)

    from dvr_ray.config.load import load_study
    from dvr_ray.config.shipped import study_path
    from dvr_ray.errors import ConfigError
    from dvr_ray.studies.runner import StudyRequest, run_study

    screen = Screen(as_json, quiet, verbose)
    loaded = load_study(study_path(named), list(overrides or []), more or [], scale)
    default = Path("runs") / "-".join([loaded.name, *([scale] if scale else [])])
    with kept(out, default, screen) as place:
        folder = place.folder
        if not resume and folder.is_dir() and not set(visible(folder)) <= {*LOGS, PROBES}:
            raise ConfigError(str(folder), "isn't empty", "add --resume or use another --out")
        with logged(screen) as log:
            log.open(folder)
            tell = place.told(partial(_tell, screen))
            root, known = data or Path(), cells or folder / "cells"
            request = StudyRequest(
                loaded, folder, known, root, address, tell, verbose, plan, place.mirror
            )
            result = run_study(request)
        found = {"cells": 0, "failed": 0, "table": None}
        if result is not None:
            found = _show(screen, loaded, result, folder, scale)
    screen.finish(place.about() | found)
    if result is not None and result.failures:
        raise typer.Exit(1)


def _show(
    screen: Screen, loaded: Any, result: Any, folder: Path, scale: str | None
) -> dict[str, Any]:
    """Write everything, print the tables, say where it is, and return it for programs."""
    from dvr_ray.reports.charts import can_save
    from dvr_ray.reports.study import PAGE, write_study

    for sheet in write_study(loaded, result, folder, scale):
        columns, rows = sheet.shown()
        if columns:
            screen.table(sheet.title, columns, rows)
    for cell, cause in result.failures.items():
        screen.result(f"failed: {cell}: {cause}")
    figures = "figures as files: pip install 'dvr_ray[paper]', then --resume"
    screen.result(f"figures: {folder / 'figures'}" if can_save() else figures)
    table = folder / "tables" / "all.md"
    screen.result(f"tables: {table}; every number: {folder / 'study.json'}")
    screen.result(f"page: {folder / PAGE}")
    return {
        "cells": len(result.records), "failed": len(result.failures), "table": str(table)
    }  # fmt: skip


def _tell(screen: Screen, event: Event) -> None:
    """Show an event and write it down."""
    warned = isinstance(event, Warned)
    LOG.log(logging.WARNING if warned else logging.INFO, "%s", event)
    screen.event(event)
    (screen.warn if warned else screen.say)(str(event))
