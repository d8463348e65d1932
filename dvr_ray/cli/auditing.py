"""``dvr-ray audit``: whether the values of a log can be trusted, and its least valued rows."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Optional

import typer

from dvr_ray.cli.bar import RunBar
from dvr_ray.cli.folders import check_folder
from dvr_ray.cli.logs import LogFile, logged
from dvr_ray.cli.options import (
    AsJson,
    More,
    Out,
    Overrides,
    Quiet,
    Resume,
    Source,
    Verbose,
)
from dvr_ray.cli.places import kept, stored
from dvr_ray.cli.screen import Screen
from dvr_ray.events import Note, Started
from dvr_ray.files import claimed
from dvr_ray.registry import canonical

if TYPE_CHECKING:
    from dvr_ray.auditing import Setting
    from dvr_ray.reports.parts import Table

__all__ = ["audit"]


def audit(
    path: Annotated[
        Optional[Path],  # noqa: UP045
        typer.Argument(
            parser=stored,
            metavar="[PATH]",
            help="Folder or file of the log; none for --source synthetic.",
        ),
    ] = None,
    source: Source = None,
    more: More = None,
    out: Out = None,
    overrides: Overrides = None,
    resume: Resume = False,
    as_json: AsJson = False,
    quiet: Quiet = False,
    verbose: Verbose = False,
) -> None:
    """Check on a log of your own whether values find bad rows, and list the least valued ones.

    Example: dvr-ray audit ratings.csv --set data.min_rating=4

    10% of noise is planted in the training part, random pairs in one run and a push attack in
    another. The values are trusted only where they find both. The folder gets audit.html,
    audit.json, least-valued-*.csv with your own ids, values.parquet, and a folder for each run.
    """
    from dvr_ray.auditing import AuditRequest, setting
    from dvr_ray.auditing import audit as run_audit
    from dvr_ray.auditing.audit import CONFIG

    screen = Screen(as_json, quiet, verbose)
    found = setting(path, source, overrides or [], more or [])
    name = path.resolve().stem if path else found.config.data.source
    with kept(out, Path("runs") / f"audit-{name}", screen) as place:
        folder = place.folder
        check_folder(folder, found.config, resume, "audit", CONFIG)
        with logged(screen) as log, claimed(folder):
            check_folder(folder, found.config, resume, "audit", CONFIG)
            bars = _Bars(screen, log, found, folder)
            result = run_audit(AuditRequest(found, folder), bars.opened)
        ended = _show(result, folder, screen)
    screen.finish(ended | place.about())


class _Bars:
    """Shows the runs one after the other."""

    def __init__(self, screen: Screen, log: LogFile, setting: Setting, folder: Path) -> None:
        self._screen, self._log = screen, log
        self._setting, self._folder, self._runs = setting, folder, 0

    @contextmanager
    def opened(self, name: str, config: Any, data: Any) -> Iterator[RunBar]:
        """Show one run while it lasts."""
        from dvr_ray.auditing.strength import trials
        from dvr_ray.metrics import parse

        with RunBar(self._screen, self._log, config, run=name) as bar:
            if not self._runs:
                metric = canonical(config.training.metric)
                direction = "max" if parse(metric).higher_is_better else "min"
                runs = [*trials(self._setting).values()]
                runs += [self._setting.config] * len(self._setting.kinds)
                epochs = sum(run.training.epochs for run in runs)
                target = {metric: direction}
                bar.tell(Started("audit", data.name, str(self._folder), epochs, target))
            self._runs += 1
            train, planted = data.train, 0 if data.planted is None else int(data.planted.sum())
            rows = f"{len(train)} training rows, {planted} of them planted"
            bar.tell(Note(f"{name}: {rows}; {train.num_users} users, {train.num_items} items"))
            yield bar


def _show(found: Any, folder: Path, screen: Screen) -> dict[str, Any]:
    """Print tables and verdict, say where everything is, and return it for programs."""
    from dvr_ray.auditing.content import planted_rows, selections, separations
    from dvr_ray.auditing.findings import digest

    _table("AUC of real against planted rows (.5 is chance)", separations(found), screen)
    _table("where the planted rows lie, by value", planted_rows(found), screen)
    compared = selections(found)
    if compared is not None:
        _table("validation-selection, best report", compared, screen)
    for line in found.advice:
        screen.result(line)
    lists = found.listing
    screen.result(
        f"least valued: {len(lists.interactions)} interactions, {len(lists.users)} users and "
        f"{len(lists.items)} items in {folder}/least-valued-*.csv"
    )
    screen.result(f"report: {folder}/audit.html")
    return {**digest(found), "report": f"{folder}/audit.html"}


def _table(title: str, table: Table, screen: Screen) -> None:
    screen.table(title, table.columns, table.rows)
