"""Rows of another log, matched with the users and items of a run.

Rows of users and items that the run doesn't know are refused or left out; those rated too low are
left out, by the same rule as in the run.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from dvr_ray.config.schema import DataConfig
from dvr_ray.data.catalogue import KnownCatalogue
from dvr_ray.data.compact import CompactBuilder, CompactLog
from dvr_ray.data.rows import Rows
from dvr_ray.errors import DataError

__all__ = ["OtherLog", "ReadLog", "numbers_of"]

SKIP = (
    "train a run on a log that has them, or add --skip-unknown (in Python skip_unknown=True) to "
    "leave their rows out"
)


@dataclass
class ReadLog:
    """A log as it was read.

    Parameters
    ----------
    log : CompactLog
        Its distinct rows.
    dropped : dict of int
        Rows that were left out, by reason.
    """

    log: CompactLog
    dropped: dict[str, int] = field(default_factory=dict)


@dataclass(frozen=True)
class OtherLog(ABC):
    """A log of the run's users and items that it needn't have trained on.

    Parameters
    ----------
    config : DataConfig
        Source, path, columns, least rating.
    known : KnownCatalogue
        Users and items of the run.
    skip_unknown : bool
        Whether rows of other users and items are left out instead of refused.
    """

    config: DataConfig
    known: KnownCatalogue
    skip_unknown: bool

    @property
    @abstractmethod
    def name(self) -> str:
        """What messages call it."""

    @property
    @abstractmethod
    def about(self) -> dict[str, Any]:
        """What is written down of it: path, fingerprint, and that it isn't the training rows."""

    @abstractmethod
    def pieces(self) -> Iterator[tuple[str, Rows]]:
        """Walk the rows: where each piece is from, and its rows."""

    def read(self, folder: Path, timed: bool, told: Callable[[int], None]) -> ReadLog:
        """Read the rows into a compact log; say now and then how many.

        Raises
        ------
        DataError
            If a row can't be read, of unknown users and items, or if no row is left.
        """
        extras = {"time": "<f8"} if timed else {}
        builder = CompactBuilder(folder, len(self.known.users), len(self.known.items), extras)
        dropped: dict[str, int] = {}
        for place, rows in self.pieces():
            kept = self._kept(rows, dropped)
            users, items = numbers_of(self.known, rows)
            unknown = (users < 0) | (items < 0)
            if (unknown & kept).any():
                self._refuse(rows, users, items, kept, place)
                _note(dropped, "rows of unknown users or items", int((unknown & kept).sum()))
            kept &= ~unknown
            found = {} if not timed else {"time": _times(rows, place)[kept]}
            builder.add(users[kept], items[kept], **found)
            told(builder.taken)
        log = builder.finish()
        _note(dropped, "repeats", builder.taken - len(log))
        if not len(log):
            lost = ", ".join(f"{count} {reason}" for reason, count in dropped.items())
            raise DataError(
                self.name, f"no row is left to value ({lost or 'none'})", "check the log"
            )
        return ReadLog(log, dropped)

    def _kept(self, rows: Rows, dropped: dict[str, int]) -> np.ndarray:
        """Which rows are rated high enough."""
        least = self.config.min_rating
        if least is None or rows.ratings is None:
            return np.ones(len(rows), dtype=bool)
        kept = np.asarray(rows.ratings >= least)
        _note(dropped, f"rows rated below {least:g}", int((~kept).sum()))
        return kept

    def _refuse(
        self, rows: Rows, users: np.ndarray, items: np.ndarray, kept: np.ndarray, place: str
    ) -> None:
        """Say what isn't known, unless such rows are to be left out."""
        for ids, numbers, column in (
            (self.known.users, users, rows.users), (self.known.items, items, rows.items),
        ):  # fmt: skip
            if (numbers[kept] < 0).all():
                raise DataError(
                    place,
                    f"is of another catalogue: none of its {ids.kind}s is known to the run, "
                    f"e.g. {_texts(column, kept)[0]!r}; the run knows e.g. {ids.ids[0]!r}",
                    "give a log of the run's own users and items, or check data.columns",
                )
        if not self.skip_unknown:
            for ids, numbers, column in (
                (self.known.users, users, rows.users), (self.known.items, items, rows.items),
            ):  # fmt: skip
                ids.refuse_unknown(_texts(column, kept & (numbers < 0)), place, SKIP)


def numbers_of(known: KnownCatalogue, rows: Rows) -> tuple[np.ndarray, np.ndarray]:
    """Return the users' and items' numbers of rows, -1 where they aren't known; (r,) each."""
    return known.users.numbers(rows.users), known.items.numbers(rows.items)


def _texts(column: pa.ChunkedArray, chosen: np.ndarray) -> list[str]:
    """Ids of chosen rows as text, each once."""
    ids = pc.unique(column.filter(pa.array(chosen)).cast(pa.string()))
    return [str(each) for each in ids.to_pylist()]


def _times(rows: Rows, place: str) -> np.ndarray:
    if rows.times is None:
        raise DataError(
            place, "needs times, which features of the run read, got none",
            "name the column with --set data.columns.time=NAME",
        )  # fmt: skip
    return rows.times


def _note(dropped: dict[str, int], reason: str, count: int) -> None:
    if count:
        dropped[reason] = dropped.get(reason, 0) + count
