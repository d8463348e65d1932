"""What the terminal shows: lines and tables for people, or events as lines of JSON."""

from __future__ import annotations

import json
import sys
import threading
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table
from rich.text import Text

from dvr_ray.events import Event, Finished

__all__ = ["Screen"]


class Screen:
    """Progress to stderr, results to stdout; with JSON, stdout holds one event a line.

    Parameters
    ----------
    as_json : bool
        Whether stdout holds events instead of tables.
    quiet : bool
        Whether only the result is shown: no progress, no warnings, no other events.
    verbose : bool
        Whether debugging messages, and Ray's own, are shown too.
    """

    def __init__(self, as_json: bool = False, quiet: bool = False, verbose: bool = False) -> None:
        self.as_json, self.quiet, self.verbose = as_json, quiet, verbose
        self.log = Console(file=sys.stderr, highlight=False, soft_wrap=True)
        # Without a terminal nothing is cut: whoever reads the file can scroll.
        piped = None if sys.stdout.isatty() else 200
        self._out = Console(highlight=False, width=piped)
        self._lock = threading.Lock()

    @property
    def live(self) -> bool:
        """Whether a table may redraw itself; messages of others would tear it."""
        return self.log.is_terminal and not self.quiet and not self.verbose

    def say(self, line: str) -> None:
        """Print one line of progress."""
        if not self.quiet:
            self.log.print(Text(line))

    def warn(self, line: str) -> None:
        """Print a warning."""
        if not self.quiet:
            self.log.print(Text.assemble(("warning ", "yellow"), line))

    def error(self, line: str) -> None:
        """Print an error."""
        self.log.print(Text.assemble(("error ", "bold red"), line))

    def details(self, path: Path) -> None:
        """Say where the log of a failure lies."""
        self.log.print(Text(f"details: {path}"))

    def table(self, title: str, columns: Sequence[str], rows: Sequence[Sequence[Any]]) -> None:
        """Print a table, unless results are JSON."""
        if self.as_json:
            return
        self._out.print(Text(title, style="bold"), soft_wrap=True)
        table = Table(header_style="bold", box=None)
        for number, column in enumerate(columns):
            table.add_column(column, justify="left" if number == 0 else "right", no_wrap=True)
        for row in rows:
            table.add_row(*(Text(str(cell)) for cell in row))
        self._out.print(table)

    def result(self, line: str) -> None:
        """Print a line of the result, unless results are JSON."""
        if not self.as_json:
            self._out.print(Text(line), soft_wrap=True)

    def event(self, event: Event) -> None:
        """Print an event as a line of JSON, where asked for."""
        ends = event.kind in ("finished", "failed")
        if self.as_json and (ends or not self.quiet):
            with self._lock:
                print(json.dumps(event.row(), default=str), flush=True)

    def finish(self, result: dict[str, Any]) -> None:
        """Print the event that holds the result, where asked for."""
        self.event(Finished(result))
