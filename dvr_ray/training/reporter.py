"""Where a training run's reports go: a file, a progress bar, Ray Tune or Ray Train."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Protocol

__all__ = ["Reporter", "Silent"]


class Reporter(Protocol):
    """Receives a row after every horizon; raising from it stops the run."""

    def report(self, row: dict[str, Any], checkpoint: Path | None) -> None:
        """Take one row of ``metrics.jsonl`` and the checkpoint that was just written."""


class Silent:
    """Discards everything."""

    def report(self, row: dict[str, Any], checkpoint: Path | None) -> None:
        """Do nothing."""
