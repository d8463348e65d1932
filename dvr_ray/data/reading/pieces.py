"""Files of rows read in pieces, and written with some rows left out or with a column more.

A piece keeps what the file says of its rows, so that whoever leaves rows out changes nothing else:
lines stay as they are, and so do the columns of Parquet.
"""

from __future__ import annotations

import gzip
import io
from abc import ABC, abstractmethod
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from itertools import compress
from pathlib import Path
from typing import IO, Any

import numpy as np
import pyarrow as pa
from pyarrow import parquet

from dvr_ray.data.reading.columns import Chosen
from dvr_ray.data.reading.delimited import complain, id_kinds, parsed, rows_in, time_kinds
from dvr_ray.data.reading.files import MARK, opened
from dvr_ray.data.reading.layout import Layout
from dvr_ray.data.reading.parquet import batches_of, rows_of, schema_of
from dvr_ray.data.rows import Rows
from dvr_ray.files import placed

__all__ = ["LogFile", "ParquetFile", "Piece", "TextFile", "Writer"]

PIECE_BYTES, PIECE_ROWS = 1 << 24, 1 << 18


@dataclass(frozen=True)
class Piece:
    """Some rows of a file.

    Parameters
    ----------
    rows : Rows
        What was read of them.
    raw : list of bytes or RecordBatch
        The rows as they are in the file.
    """

    rows: Rows
    raw: Any


class Writer(ABC):
    """Writes rows of pieces in the format of the file that they come from."""

    @abstractmethod
    def write(self, piece: Piece, kept: np.ndarray, weights: np.ndarray | None) -> None:
        """Write the kept rows, bool (r,), of a piece, with a weight each where there are any."""


class LogFile(ABC):
    """A file that holds a row per interaction.

    Parameters
    ----------
    path : Path
        The file, perhaps gzipped.
    """

    def __init__(self, path: Path) -> None:
        self.path = path

    @abstractmethod
    def pieces(self) -> Iterator[Piece]:
        """Read the file from its beginning to its end.

        Raises
        ------
        DataError
            At the first row that can't be read.
        """

    @abstractmethod
    def writer(self, path: Path, weight: str | None) -> Any:
        """Open a file of this format for writing, as a context.

        Parameters
        ----------
        path : Path
            Appears when the context ends without an error; gzipped where it ends in ``.gz``.
        weight : str or None
            Name of a column of weights, where one is to be added.
        """


class TextFile(LogFile):
    """Delimited text.

    Parameters
    ----------
    path : Path
        The file.
    layout : Layout
        How it is written.
    number : str
        What follows the name of a column of numbers in the header.
    """

    def __init__(self, path: Path, layout: Layout, number: str = "") -> None:
        super().__init__(path)
        self._layout, self._number = layout, number

    def pieces(self) -> Iterator[Piece]:
        """Read some megabytes at a time."""
        ids = id_kinds(self.path, self._layout)
        with opened(self.path) as file:
            _skip(file, self._layout.header)
            while lines := file.readlines(PIECE_BYTES):
                lines[0] = lines[0].removeprefix(MARK)
                raw = [line for line in lines if line.strip()]
                if raw:
                    yield Piece(self._rows(b"".join(raw), ids, len(raw)), raw)

    def _rows(self, text: bytes, ids: list[pa.DataType], count: int) -> Rows:
        reason = ""
        for kind in ids:
            for time in time_kinds(self._layout):
                try:
                    table = parsed(io.BytesIO(text), self._layout, kind, time, 0)
                except pa.ArrowInvalid as error:
                    reason = str(error)
                    continue
                if table.num_rows == count:
                    return rows_in(table, self.path, self._layout)
                reason = "a quoted field goes over several lines"
        complain(self.path, self._layout, reason)

    @contextmanager
    def writer(self, path: Path, weight: str | None) -> Iterator[Writer]:
        """Write lines as they are; a header gets the name of the added column."""
        with ExitStack() as stack:
            file = stack.enter_context(_written(path))
            separator = self._layout.separator.encode()
            if self._layout.header:
                with opened(self.path) as source:
                    head = _skip(source, self._layout.header)
                added = b"" if weight is None else separator + f"{weight}{self._number}".encode()
                file.write(head.removeprefix(MARK).rstrip(b"\r\n") + added + b"\n")
            yield _TextWriter(file, separator)


class _TextWriter(Writer):
    def __init__(self, file: IO[bytes], separator: bytes) -> None:
        self._file, self._separator = file, separator

    def write(self, piece: Piece, kept: np.ndarray, weights: np.ndarray | None) -> None:
        lines = compress(piece.raw, kept.tolist())
        if weights is None:
            self._file.writelines(line.rstrip(b"\r\n") + b"\n" for line in lines)
            return
        added = (f"{weight:.6g}".encode() for weight in weights[kept].tolist())
        self._file.writelines(
            line.rstrip(b"\r\n") + self._separator + weight + b"\n"
            for line, weight in zip(lines, added, strict=True)
        )


class ParquetFile(LogFile):
    """Parquet.

    Parameters
    ----------
    path : Path
        The file.
    chosen : Chosen
        Which columns hold what.
    """

    def __init__(self, path: Path, chosen: Chosen) -> None:
        super().__init__(path)
        self._chosen = chosen

    def pieces(self) -> Iterator[Piece]:
        """Read some rows at a time."""
        first = 0
        for batch in batches_of(self.path, None, PIECE_ROWS):
            table = pa.Table.from_batches([batch])
            if table.num_rows:
                yield Piece(rows_of(table, self._chosen, str(self.path), first), batch)
            first += table.num_rows

    @contextmanager
    def writer(self, path: Path, weight: str | None) -> Iterator[Writer]:
        """Write all columns as they are, and perhaps the weights after them."""
        schema = schema_of(self.path)
        if weight is not None:
            schema = schema.append(pa.field(weight, pa.float64()))
        with _written(path) as file, parquet.ParquetWriter(file, schema) as written:
            yield _ParquetWriter(written)


class _ParquetWriter(Writer):
    def __init__(self, file: parquet.ParquetWriter) -> None:
        self._file = file

    def write(self, piece: Piece, kept: np.ndarray, weights: np.ndarray | None) -> None:
        columns = list(piece.raw.filter(pa.array(kept)).columns)
        if weights is not None:
            columns.append(pa.array(weights[kept].astype(np.float64)))
        self._file.write_batch(pa.RecordBatch.from_arrays(columns, schema=self._file.schema))


@contextmanager
def _written(path: Path) -> Iterator[IO[bytes]]:
    with placed(path) as temporary, temporary.open("wb") as file:
        if path.suffix != ".gz":
            yield file
            return
        # No name and no time in it: the same rows make the same file.
        with gzip.GzipFile("", "wb", 6, file, mtime=0) as packed:
            yield packed  # type: ignore[misc]


def _skip(file: IO[bytes], lines: int) -> bytes:
    """Read so many lines and return the last of them."""
    line = b""
    for _ in range(lines):
        line = file.readline()
    return line
