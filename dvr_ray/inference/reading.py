"""The log that is valued: a run's own training rows, or files of rows of the same catalogue.

Files are read in pieces where their format has a row per interaction, else as a whole. All rows of
all parts count, held-out ones too.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import pyarrow as pa

from dvr_ray.data.catalogue import Ids
from dvr_ray.data.compact import CompactBuilder
from dvr_ray.data.interactions import Dataset
from dvr_ray.data.reading.parquet import batches_of
from dvr_ray.data.rows import Rows
from dvr_ray.data.sources import SOURCES
from dvr_ray.data.sources.source import FileSource, LogSource
from dvr_ray.errors import DataError
from dvr_ray.inference.matching import OtherLog, ReadLog
from dvr_ray.training.opened import OpenedRun
from dvr_ray.training.stored import VALUES

__all__ = ["FilesLog", "TrainingLog"]

PIECE_ROWS = 1 << 18


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
class FilesLog(OtherLog):
    """A log in files."""

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
        return {"path": str(Path(self.name).absolute()), "training": False,
                "fingerprint": self.source.fingerprint()}  # fmt: skip

    @property
    def name(self) -> str:
        """Their path."""
        return str(self.config.path)

    def pieces(self) -> Iterator[tuple[str, Rows]]:
        """Walk the rows: where each piece is from, and its rows."""
        source = self.source
        files = source.log_files() if isinstance(source, LogSource) else None
        if files is None:
            yield self.name, _all_rows(source.load())
            return
        for file in files:
            for piece in file.pieces():
                yield str(file.path), piece.rows


def _all_rows(dataset: Dataset) -> Rows:
    """All rows of a log that was read as a whole; times where all of them have one."""
    parts = [dataset.interactions, dataset.reward, dataset.selection, dataset.test]
    there = [part for part in parts if part is not None]
    ids = Ids("user", dataset.user_ids), Ids("item", dataset.item_ids)
    users = [ids[0].take(part.users) for part in there]
    items = [ids[1].take(part.items) for part in there]
    times = dataset.times if len(there) == 1 else None
    return Rows(pa.chunked_array(users), pa.chunked_array(items), None, times)
