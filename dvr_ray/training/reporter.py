"""Where a training run's reports go: a file, a progress bar, Ray Tune or Ray Train."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any, Protocol

from dvr_ray.files import patient

__all__ = ["Reporter", "RowLog", "Silent"]


class Reporter(Protocol):
    """Receives a row after every horizon; raising from it stops the run."""

    def report(self, row: dict[str, Any], checkpoint: Path | None) -> None:
        """Take one row of ``metrics.jsonl`` and the checkpoint that was just written."""


class Silent:
    """Discards everything."""

    def report(self, row: dict[str, Any], checkpoint: Path | None) -> None:
        """Do nothing."""


class RowLog:
    """Appends rows to ``metrics.jsonl``, the one file that grows in place.

    What a failed try has left of a row is cut off before the next one.

    A row is written before its epoch's checkpoint: rows beyond the newest checkpoint are dropped
    when a run goes on, but a missing one couldn't be brought back.

    Parameters
    ----------
    path : Path
        The file.
    """

    def __init__(self, path: Path) -> None:
        self._path = path

    def report(self, row: dict[str, Any], checkpoint: Path | None) -> None:
        """Append one row."""
        self._append(json.dumps(row) + "\n", self._path.stat().st_size)

    @patient
    def _append(self, line: str, size: int) -> None:
        os.truncate(self._path, size)
        with self._path.open("a", encoding="utf-8") as file:
            file.write(line)
