"""The trials of a sweep, from ``trials.csv``."""

from __future__ import annotations

import csv
import io
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

from dvr_ray.config.space import Distribution, SearchSpace
from dvr_ray.errors import CheckpointError
from dvr_ray.reports.stored import MEND, read_text

__all__ = ["Trial", "read_trials"]

STATUSES = ("finished", "stopped", "failed")
NEEDED = ("trial", "folder", "status")
PREFIX = "config."

NumberT = TypeVar("NumberT", int, float)


@dataclass(frozen=True)
class Trial:
    """One trial.

    Parameters
    ----------
    number : int
        Order in which trials were made; 0 is the plain run.
    folder : str
        Name of its folder below ``trials/``.
    status : str
        finished, stopped (by the scheduler or the end of the budget) or failed.
    epochs : int
        Epochs trained.
    seconds : float
        Training time.
    objectives : dict of str to float
        On validation-selection; without those that were never measured.
    best_epoch : int or None
        Epoch they were measured at.
    error : str
        Cause of a failure.
    values : dict
        Searched fields by dotted path; without those whose condition didn't hold.
    beside : dict of str to float
        Of a finished trial: reported metrics at its best epoch, and null and error of gaps.
    """

    number: int
    folder: str
    status: str
    epochs: int
    seconds: float
    objectives: dict[str, float]
    best_epoch: int | None
    error: str
    values: dict[str, Any]
    beside: dict[str, float] = field(default_factory=dict)


def read_trials(path: Path, objectives: Sequence[str], space: SearchSpace) -> tuple[Trial, ...]:
    """Return the trials of ``trials.csv``.

    Parameters
    ----------
    path : Path
        The file.
    objectives : sequence of str
        Columns of objectives.
    space : SearchSpace
        Says what kind of value a searched field has.

    Raises
    ------
    CheckpointError
        If a column is missing or a cell has another type; names file, line and column.
    """
    reader = csv.DictReader(io.StringIO(read_text(path), newline=""))
    columns = reader.fieldnames or []
    for name in (*NEEDED, *objectives):
        if name not in columns:
            raise CheckpointError(
                f"{path}:1", f"must have a column {name!r}, got {', '.join(columns)[:200]}", MEND
            )
    return tuple(
        _trial(_Row(row, f"{path}:{reader.line_num}"), objectives, space) for row in reader
    )


@dataclass(frozen=True)
class _Row:
    """Cells of one line; an empty or absent cell is None."""

    cells: dict[str, str | None]
    place: str

    def text(self, column: str) -> str:
        return self.cells.get(column) or ""

    def number(self, column: str, kind: Callable[[float], NumberT]) -> NumberT | None:
        text = self.text(column)
        try:
            return kind(float(text)) if text else None
        except (ValueError, OverflowError) as error:
            raise self.wrong(column, "must be a number") from error

    def numbers(self, columns: Sequence[str]) -> dict[str, float]:
        """Numbers of columns; without those that are blank or NaN."""
        found = {name: self.number(name, float) for name in columns}
        return {name: n for name, n in found.items() if n is not None and n == n}

    def wrong(self, column: str, rule: str) -> CheckpointError:
        return CheckpointError(
            f"{self.place}: {column}", f"{rule}, got {self.text(column)!r}", MEND
        )


def _trial(row: _Row, objectives: Sequence[str], space: SearchSpace) -> Trial:
    number = row.number("trial", int)
    if number is None:
        raise row.wrong("trial", "must be a number")
    folder, status = row.text("folder"), row.text("status")
    if not folder or Path(folder).name != folder:
        raise row.wrong("folder", "must be the name of a folder below trials/")
    if status not in STATUSES:
        raise row.wrong("status", f"must be one of {', '.join(STATUSES)}")
    scores = row.numbers(objectives)
    return Trial(
        number=number,
        folder=folder,
        status=status,
        epochs=row.number("epochs", int) or 0,
        seconds=row.number("seconds", float) or 0.0,
        objectives=scores,
        best_epoch=row.number("best_epoch", int),
        error=row.text("error"),
        values={
            name: _value(row, PREFIX + name, distribution)
            for name, distribution in space.search.items()
            if row.text(PREFIX + name) or _may_be_blank(distribution)
        },
        beside=row.numbers(space.beside),
    )


def _value(row: _Row, column: str, distribution: Distribution) -> Any:
    """Turn a cell into the value it was written from; lists are written as their labels."""
    if distribution.choice is None:
        return row.number(column, int if distribution.int_ is not None else float)
    for choice, label in zip(distribution.choice, distribution.labels, strict=True):
        if row.text(column) in _spellings(label):
            return choice
    raise row.wrong(column, f"must lie in {distribution.described}")


def _may_be_blank(distribution: Distribution) -> bool:
    """Whether an empty cell is the choice null; under a condition it means that none was made."""
    return None in (distribution.choice or ()) and not distribution.when


def _spellings(label: Any) -> set[str]:
    """Ways in which a choice may stand in a cell: 16 in a column with blanks becomes 16.0."""
    if label is None:
        return {""}
    if isinstance(label, int | float) and not isinstance(label, bool):
        return {str(label), str(float(label))}
    return {str(label)}
