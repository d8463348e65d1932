"""What the terminal shows: lines, tables, progress, or JSON."""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence
from typing import Any

from rich.console import Console
from rich.table import Table
from rich.text import Text

__all__ = ["Screen"]


class Screen:
    """Lines to stderr, results to stdout; with JSON, stdout holds one JSON object.

    Parameters
    ----------
    as_json : bool
        Whether results are printed as JSON.
    """

    def __init__(self, as_json: bool = False) -> None:
        self.as_json = as_json
        self.log = Console(file=sys.stderr, highlight=False, soft_wrap=True)
        # Without a terminal nothing is cut: whoever reads the file can scroll.
        piped = None if sys.stdout.isatty() else 200
        self._out = Console(highlight=False, width=piped)

    def say(self, line: str) -> None:
        """Print one line of progress."""
        self.log.print(Text(line))

    def warn(self, line: str) -> None:
        """Print a warning."""
        self.log.print(Text.assemble(("warning ", "yellow"), line))

    def error(self, line: str) -> None:
        """Print an error."""
        self.log.print(Text.assemble(("error ", "bold red"), line))

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

    def json(self, content: Any) -> None:
        """Print the result as JSON, where asked for."""
        if self.as_json:
            print(json.dumps(content, indent=1, default=str))
