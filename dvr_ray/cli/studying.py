"""``dvr-ray study``: many runs that make one table."""

from __future__ import annotations

import logging
from functools import partial
from pathlib import Path
from typing import Annotated, Optional

import typer

from dvr_ray.cli.logs import logged
from dvr_ray.cli.options import Address, AsJson, More, Out, Overrides, Quiet, Resume, Verbose
from dvr_ray.cli.screen import Screen
from dvr_ray.events import Event, Warned
from dvr_ray.files import LOGS, visible

__all__ = ["study"]

LOG = logging.getLogger(__name__)


def study(
    file: Annotated[Path, typer.Argument(help="Study: run, axes, seeds, choose, metrics.")],
    more: More = None,
    out: Out = None,
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
    """Run every combination of a study's axes with every seed, and write one table.

    Example: dvr-ray study search_spaces/studies/quickstart.yaml

    What is chosen is chosen on validation-selection; test is measured once, when all runs are
    done. Finished cells are small JSON files that can be committed: with --cells a study goes on
    from them on any machine.
    """
    import ray  # noqa: F401  (its log handlers are set when it is imported)

    from dvr_ray.config.load import load_study
    from dvr_ray.errors import ConfigError
    from dvr_ray.studies.runner import StudyRequest, run_study
    from dvr_ray.studies.tables import tables_of, write_tables

    screen = Screen(as_json, quiet, verbose)
    loaded = load_study(file, list(overrides or []), more or [])
    folder = out or Path("runs") / loaded.name
    if not resume and folder.is_dir() and not set(visible(folder)) <= set(LOGS):
        raise ConfigError(str(folder), "isn't empty", "add --resume or use another --out")
    with logged(screen) as log:
        log.open(folder)
        tell = partial(_tell, screen)
        root, known = data or Path(), cells or folder / "cells"
        result = run_study(StudyRequest(loaded, folder, known, root, address, tell, verbose))
    paths = write_tables(loaded, result, folder)
    for table in tables_of(loaded, result):
        screen.table(table.title, table.columns, table.rows())
    for cell, cause in result.failures.items():
        screen.result(f"failed: {cell}: {cause}")
    screen.result(f"tables: {paths[0]}; every number: {paths[1]}")
    screen.finish({"folder": str(folder), "cells": len(result.records),
                   "failed": len(result.failures), "table": str(paths[0])})  # fmt: skip
    if result.failures:
        raise typer.Exit(1)


def _tell(screen: Screen, event: Event) -> None:
    """Show an event and write it down."""
    warned = isinstance(event, Warned)
    LOG.log(logging.WARNING if warned else logging.INFO, "%s", event)
    screen.event(event)
    (screen.warn if warned else screen.say)(str(event))
