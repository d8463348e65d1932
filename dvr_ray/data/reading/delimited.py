"""Columns of delimited text, parsed by Arrow; ids stay in Arrow's dictionaries.

No Python object is made per row. Only a file that Arrow can't parse is walked line by line, to
say which line is wrong. A quoted field may not go over several lines.
"""

from __future__ import annotations

import itertools
import math
import re
from collections.abc import Sequence
from pathlib import Path
from typing import BinaryIO, NoReturn

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from pyarrow import csv as arrow_csv

from dvr_ray.data.ids import ENCODED, LARGEST_ID, read_id, shown
from dvr_ray.data.reading.exact import looks_whole, parses_exactly
from dvr_ray.data.reading.files import lines, opened
from dvr_ray.data.reading.layout import Layout, fields
from dvr_ray.data.rows import Rows
from dvr_ray.errors import DataError

__all__ = ["id_kinds", "parsed", "read_rows", "rows_in", "time_kinds"]

BLOCK = 4 << 20
# Tried in this order; Arrow reads ISO 8601 as a timestamp.
TIMES = (pa.int64(), pa.float64(), pa.timestamp("us"), pa.timestamp("us", "UTC"))
# As Arrow reads it: not 1_000.
NUMBER = re.compile(r"\s*[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?\s*", re.ASCII)


def read_rows(path: Path, layout: Layout) -> Rows:
    """Read the wanted columns.

    Parameters
    ----------
    path : Path
        The file.
    layout : Layout
        How it is written.

    Returns
    -------
    Rows
        In the order of the file; dates in microseconds.

    Raises
    ------
    DataError
        At the first line that can't be read, if there is one; or if there are no rows.
    """
    table, reason = None, ""
    for ids, time in itertools.product(id_kinds(path, layout), time_kinds(layout)):
        try:
            with opened(path):
                table = parsed(str(path), layout, ids, time, layout.header)
            break
        except pa.ArrowInvalid as error:
            reason = str(error)
    if table is None:
        complain(path, layout, reason)
    if not table.num_rows:
        raise DataError(str(path), "the file holds no interactions", "get it again")
    return rows_in(table, path, layout)


def rows_in(table: pa.Table, path: Path, layout: Layout) -> Rows:
    """Take the rows of a table that `parsed` returned of a file, or of a piece of it."""
    columns = [table[layout.user], table[layout.item]]
    if layout.integers:
        columns = [_integers(column) for column in columns]
    rows = Rows(
        columns[0],
        columns[1],
        None if layout.rating is None else table[layout.rating].to_numpy(),
        None if layout.time is None else _numbers(table[layout.time]),
    )
    if not _sound(rows, layout.integers):
        complain(path, layout, "an id is empty or a number isn't finite")
    return rows


def _integers(column: pa.ChunkedArray) -> pa.ChunkedArray:
    """Turn ids as text into int64, if all are digits; 07 is 7 there."""
    if pa.types.is_integer(column.type):
        return column
    chunks = []
    for chunk in column.chunks:
        known = chunk.dictionary
        if not pc.all(pc.match_substring_regex(known, "^[0-9]{1,18}$"), min_count=0).as_py():
            return column
        numbers = pa.DictionaryArray.from_arrays(chunk.indices, known.cast(pa.int64()))
        chunks.append(numbers.dictionary_decode())
    return pa.chunked_array(chunks)


def id_kinds(path: Path, layout: Layout) -> list[pa.DataType]:
    """Types to try for the ids: whole numbers parse faster, but not all survive it."""
    found = next((line for number, line in lines(path) if number > layout.header), "")
    cells = dict(zip(layout.names, fields(found, layout.separator, layout.quoted), strict=False))
    whole = all(looks_whole(cells.get(name, "")) for name in (layout.user, layout.item))
    if whole and path.suffix != ".gz" and parses_exactly(path, layout.separator[0]):
        return [pa.int64(), ENCODED]
    return [ENCODED]


def time_kinds(layout: Layout) -> Sequence[pa.DataType]:
    """Types to try for the times."""
    return TIMES if layout.time else TIMES[:1]


def parsed(
    source: str | BinaryIO, layout: Layout, ids: pa.DataType, time: pa.DataType, skip: int
) -> pa.Table:
    """Parse a file, or a piece of it, after so many lines; ids and times are of these types."""
    names, kinds = list(layout.names), {layout.user: ids, layout.item: ids}
    between = []
    if len(layout.separator) == 2:
        # Between its two characters, Arrow sees a column, which must be empty.
        between = [f"\0{place}" for place in range(len(names) - 1)]
        names = [each for pair in zip(names, [*between, ""], strict=True) for each in pair][:-1]
        kinds |= {name: ENCODED for name in between}
    kinds |= {layout.rating: pa.float64()} if layout.rating else {}
    kinds |= {layout.time: time} if layout.time else {}
    table = arrow_csv.read_csv(
        source,
        arrow_csv.ReadOptions(column_names=names, skip_rows=skip, block_size=BLOCK),
        arrow_csv.ParseOptions(
            delimiter=layout.separator[0], quote_char='"' if layout.quoted else False,
            invalid_row_handler=_blank,
        ),
        arrow_csv.ConvertOptions(
            column_types=kinds, include_columns=[*layout.wanted, *between],
            null_values=[], strings_can_be_null=False,
        ),
    )  # fmt: skip
    if any(c.dictionary.to_pylist() != [""] for name in between for c in table[name].chunks):
        raise pa.ArrowInvalid("a separator is broken")
    return table


def _blank(row: arrow_csv.InvalidRow) -> str:
    """Have Arrow skip lines of spaces."""
    return "error" if row.text.strip() else "skip"


def _numbers(column: pa.ChunkedArray) -> np.ndarray:
    """Return times as int64 or float64; dates in microseconds."""
    dates = pa.types.is_timestamp(column.type)
    return np.asarray((column.cast(pa.int64()) if dates else column).to_numpy())


def _sound(rows: Rows, integers: bool) -> bool:
    """Tell whether all ids and numbers are right."""
    for numbers in (rows.ratings, rows.times):
        if numbers is not None and numbers.dtype.kind == "f" and not np.isfinite(numbers).all():
            return False
    for column in (rows.users, rows.items):
        if pa.types.is_integer(column.type):
            ends = pc.min_max(column).as_py()
            if integers and not 0 <= ends["min"] <= ends["max"] <= LARGEST_ID:
                return False
        elif integers or any(_holds_nothing(chunk.dictionary) for chunk in column.chunks):
            return False
    return True


def _holds_nothing(ids: pa.Array) -> bool:
    return bool(pc.any(pc.equal(ids, "")).as_py())


def complain(path: Path, layout: Layout, reason: str) -> NoReturn:
    """Raise at the first line that breaks the format."""
    for number, line in lines(path):
        if number > layout.header:
            _check(fields(line, layout.separator, layout.quoted), line, f"{path}:{number}", layout)
    raise DataError(str(path), f"can't be read: {' '.join(reason.split())[:200]}", "mend the file")


def _check(found: list[str], line: str, place: str, layout: Layout) -> None:
    if len(found) != len(layout.names):
        raise DataError(
            place,
            f"must hold {len(layout.names)} fields ({', '.join(layout.names)}), got {len(found)}: "
            f"{shown(line)}",
            "mend the line",
        )
    cells = dict(zip(layout.names, found, strict=True))
    for name in (layout.user, layout.item):
        if layout.integers:
            read_id(cells[name], place)
        elif not cells[name]:
            raise DataError(place, f"{name} must hold an id, got ''", "mend the line")
    for name in layout.wanted[2:]:
        if not _finite(cells[name], name == layout.time):
            kind = "a finite number" + (" or an ISO date" if name == layout.time else "")
            raise DataError(
                place, f"{name} must be {kind}, got {shown(cells[name])}", "mend the line"
            )


def _finite(text: str, dates: bool) -> bool:
    if NUMBER.fullmatch(text):
        return math.isfinite(float(text))
    return dates and _date(text)


def _date(text: str) -> bool:
    for kind in TIMES[2:]:
        try:
            pa.array([text]).cast(kind)
        except pa.ArrowInvalid:
            continue
        return True
    return False
