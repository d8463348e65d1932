"""The log that is valued: a run's own training rows, or files of rows of the same catalogue.

Files are read in pieces where their format has a row per interaction, else as a whole. All rows of
all parts count, held-out ones too; rows rated too low don't, by the same rule as in the run.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from dvr_ray.config.schema import DataConfig
from dvr_ray.data.catalogue import Ids, KnownCatalogue
from dvr_ray.data.compact import CompactBuilder, CompactLog
from dvr_ray.data.interactions import Dataset
from dvr_ray.data.reading.parquet import batches_of
from dvr_ray.data.rows import Rows
from dvr_ray.data.sources import SOURCES
from dvr_ray.data.sources.source import FileSource, LogSource
from dvr_ray.errors import DataError
from dvr_ray.training.opened import OpenedRun
from dvr_ray.training.stored import VALUES

__all__ = ["FilesLog", "ReadLog", "TrainingLog", "numbers_of"]

PIECE_ROWS = 1 << 18
SKIP = "train a run on a log that has them, or add --skip-unknown to leave their rows out"


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
class TrainingLog:
    """The training rows of a run, planted ones too, with the losses that the run measured.

    Parameters
    ----------
    run : OpenedRun
        Has ``values.parquet``.
    """

    run: OpenedRun

    @property
    def about(self) -> dict[str, Any]:
        """What is written down of it."""
        path = (self.run.folder / VALUES).absolute()
        return {"path": str(path), "fingerprint": self.run.identity,
                "training": True}  # fmt: skip

    def read(self, folder: Path, timed: bool, told: Callable[[int], None]) -> ReadLog:
        """Read the rows into a compact log; say now and then how many."""
        known, path = self.run.catalogue, self.run.folder / VALUES
        extras = {"loss": "<f8"} | ({"time": "<f8"} if timed else {})
        columns = ["user", "item", "mean_loss", *(["time"] if timed else [])]
        builder = CompactBuilder(folder, len(known.users), len(known.items), extras)
        for batch in batches_of(path, columns, PIECE_ROWS):
            users, items = known.users.numbers(batch["user"]), known.items.numbers(batch["item"])
            if min(users.min(), items.min()) < 0:
                raise DataError(
                    str(path), "holds users or items that the run doesn't know", "train again"
                )
            found = {"loss": batch["mean_loss"].to_numpy()}
            if timed:
                found["time"] = batch["time"].to_numpy()
            builder.add(users, items, **found)
            told(builder.taken)
        return ReadLog(builder.finish())


@dataclass(frozen=True)
class FilesLog:
    """A log in files.

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

    @cached_property
    def source(self) -> FileSource:
        """What reads it; it hashes its files once.

        Raises
        ------
        DataError
            If its rows aren't in files.
        """
        found = SOURCES.get(self.config.source, "data.source")(self.config)
        if not isinstance(found, FileSource):
            raise DataError(
                "--data", f"must be files, got source {self.config.source}", "give their path"
            )
        return found

    @property
    def about(self) -> dict[str, Any]:
        """What is written down of it."""
        return {"path": str(Path(str(self.config.path)).absolute()), "training": False,
                "fingerprint": self.source.fingerprint()}  # fmt: skip

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
            raise DataError(str(self.config.path), f"no row is left to value ({lost or 'none'})",
                            "check --data")  # fmt: skip
        return ReadLog(log, dropped)

    def pieces(self) -> Iterator[tuple[str, Rows]]:
        """Walk the rows: where each piece is from, and its rows."""
        source = self.source
        files = source.log_files() if isinstance(source, LogSource) else None
        if files is None:
            yield str(self.config.path), _all_rows(source.load())
            return
        for file in files:
            for piece in file.pieces():
                yield str(file.path), piece.rows

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


def _all_rows(dataset: Dataset) -> Rows:
    """All rows of a log that was read as a whole; times where all of them have one."""
    parts = [dataset.interactions, dataset.reward, dataset.selection, dataset.test]
    there = [part for part in parts if part is not None]
    ids = Ids("user", dataset.user_ids), Ids("item", dataset.item_ids)
    users = [ids[0].take(part.users) for part in there]
    items = [ids[1].take(part.items) for part in there]
    times = dataset.times if len(there) == 1 else None
    return Rows(pa.chunked_array(users), pa.chunked_array(items), None, times)


def _note(dropped: dict[str, int], reason: str, count: int) -> None:
    if count:
        dropped[reason] = dropped.get(reason, 0) + count
