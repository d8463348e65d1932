"""Columns of Parquet files and Arrow tables."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
from pyarrow import parquet

from dvr_ray.data.ids import encoded, shown
from dvr_ray.data.reading.columns import Chosen
from dvr_ray.data.reading.files import opened, whole
from dvr_ray.data.rows import Rows
from dvr_ray.errors import DataError

__all__ = ["batches_of", "frame_of", "names_of", "rows_of", "schema_of", "table_of"]


def names_of(path: Path) -> list[str]:
    """Return the names of a Parquet file's columns.

    Parameters
    ----------
    path : Path
        The file, perhaps gzipped.

    Raises
    ------
    DataError
        If it isn't a whole Parquet file.
    """
    return list(_open(path).schema_arrow.names)


def table_of(path: Path, columns: Sequence[str] | None = None) -> pa.Table:
    """Read columns of a Parquet file.

    Parameters
    ----------
    path : Path
        The file, perhaps gzipped.
    columns : sequence of str, optional
        Which; by default all.

    Returns
    -------
    Table
        The columns, with all rows.

    Raises
    ------
    DataError
        If it isn't a whole Parquet file.
    """
    file = _open(path)
    try:
        return file.read(columns=columns)
    except (pa.ArrowException, OSError) as error:
        raise _not_whole(path, error) from error


def frame_of(path: Path) -> pd.DataFrame:
    """Read a Parquet file as a frame.

    Parameters
    ----------
    path : Path
        The file, perhaps gzipped.

    Returns
    -------
    DataFrame
        All columns; rows are numbered from 0.

    Raises
    ------
    DataError
        If it isn't a whole Parquet file.
    """
    return table_of(path).to_pandas(ignore_metadata=True)


def batches_of(path: Path, columns: Sequence[str] | None, rows: int) -> Iterator[pa.RecordBatch]:
    """Read columns of a Parquet file, so many rows at a time.

    Parameters
    ----------
    path : Path
        The file, perhaps gzipped.
    columns : sequence of str or None
        Which; None for all.
    rows : int
        The most of a batch.

    Raises
    ------
    DataError
        If it isn't a whole Parquet file.
    """
    file = _open(path)
    try:
        yield from file.iter_batches(batch_size=rows, columns=columns)
    except (pa.ArrowException, OSError) as error:
        raise _not_whole(path, error) from error


def schema_of(path: Path) -> pa.Schema:
    """Return the schema of a Parquet file; errors as `names_of`."""
    return _open(path).schema_arrow


def rows_of(table: pa.Table, chosen: Chosen, place: str, first: int = 0) -> Rows:
    """Take the rows of a table.

    Parameters
    ----------
    table : Table
        Holds the chosen columns.
    chosen : Chosen
        Which hold what.
    place : str
        The file, for messages.
    first : int
        Rows of the file before the table's first.

    Returns
    -------
    Rows
        In the order of the table; dates in microseconds.

    Raises
    ------
    DataError
        At the first row that can't be read: rows count from 1.
    """
    if not table.num_rows:
        raise DataError(place, "the table holds no interactions", "get it again")
    users, items = (_ids(table[name], name, place, first) for name in (chosen.user, chosen.item))
    ratings = (
        None
        if chosen.rating is None
        else _numbers(table[chosen.rating], chosen.rating, place, first)
    )
    if ratings is not None:
        ratings = ratings.astype(np.float64)
    times = None if chosen.time is None else _numbers(table[chosen.time], chosen.time, place, first)
    return Rows(users, items, ratings, times)


def _open(path: Path) -> parquet.ParquetFile:
    try:
        if path.suffix == ".gz":
            return parquet.ParquetFile(pa.BufferReader(whole(path)))
        with opened(path):
            # Not mapped into memory: what was read of a long file would stay there.
            return parquet.ParquetFile(str(path), memory_map=False, pre_buffer=False)
    except pa.ArrowException as error:
        raise _not_whole(path, error) from error


def _not_whole(path: Path, error: Exception) -> DataError:
    reason = " ".join(str(error).split())[:120]
    return DataError(str(path), f"must be a whole Parquet file, got: {reason}", "get it again")


def _ids(column: pa.ChunkedArray, name: str, place: str, first: int) -> pa.ChunkedArray:
    """Return whole numbers as int64 and text in Arrow's dictionaries."""
    kind = column.type.value_type if pa.types.is_dictionary(column.type) else column.type
    _refuse_at(column.is_null(), column, f"{name} must hold an id", place, first)
    if pa.types.is_integer(kind) and kind != pa.uint64():
        return column.cast(pa.int64())
    if not (pa.types.is_string(kind) or pa.types.is_large_string(kind) or kind == pa.uint64()):
        raise DataError(
            place, f"ids in {name} must be whole numbers or text, got {kind}", "convert the column"
        )
    text = column.cast(pa.string())
    _refuse_at(pc.equal(text, ""), column, f"{name} must hold an id", place, first)
    return encoded(text)


def _numbers(column: pa.ChunkedArray, name: str, place: str, first: int) -> np.ndarray:
    """Return numbers as int64 or float64; dates in microseconds."""
    kind = column.type
    if pa.types.is_date(kind) or pa.types.is_timestamp(kind):
        column = column.cast(pa.timestamp("us"), safe=False).cast(pa.int64())
    elif not (pa.types.is_integer(kind) or pa.types.is_floating(kind) or pa.types.is_decimal(kind)):
        raise DataError(
            place, f"{name} must hold numbers or dates, got {kind}", "convert the column"
        )
    elif not pa.types.is_integer(kind):
        column = column.cast(pa.float64())
        _refuse_at(
            pc.invert(pc.is_finite(column)), column, f"{name} must be a finite number", place, first
        )
    _refuse_at(column.is_null(), column, f"{name} must be a finite number", place, first)
    return np.asarray(column.cast(pa.int64()).to_numpy() if pa.types.is_integer(column.type)
                      else column.to_numpy())  # fmt: skip


def _refuse_at(
    wrong: pa.ChunkedArray, column: pa.ChunkedArray, rule: str, place: str, first: int
) -> None:
    """Raise at the first row that is wrong."""
    row = pc.index(wrong, True).as_py()
    if row >= 0:
        value = column[row].as_py()
        got = "nothing" if value is None else shown(str(value))
        raise DataError(f"{place}: row {first + row + 1}", f"{rule}, got {got}", "mend the row")
