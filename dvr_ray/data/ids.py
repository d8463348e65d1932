"""Original ids: read, checked, and given internal numbers without a Python object per row.

Ids are whole numbers or text. Text is taken exactly, spaces and leading zeros included; where
every id of a log is written as a whole number is written, they become int64 and sort as numbers.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from dvr_ray.errors import DataError

__all__ = ["ENCODED", "LARGEST_ID", "as_text", "encoded", "numbered", "read_id", "shown"]

LARGEST_ID = 2**31 - 1
WIDTH = 60
# A table of numbers may have DENSE cells per row, and PIECE more; so many rows are taken at once.
DENSE, PIECE = 4, 1 << 20
# The one form in which columns of text ids are held.
ENCODED = pa.dictionary(pa.int32(), pa.string())
# "7" but neither "07" nor "+7": those are other ids than 7.
WHOLE = r"^(0|-?[1-9][0-9]{0,17})$"


def numbered(columns: Sequence[pa.ChunkedArray]) -> tuple[np.ndarray, list[np.ndarray]]:
    """Number the ids of several columns together, in the order of the ids.

    Parameters
    ----------
    columns : sequence of ChunkedArray
        int64 or `ENCODED`, without nulls.

    Returns
    -------
    ndarray, shape (distinct,)
        The ids, increasing: int64, or objects of text.
    list of ndarray, int64
        Per column, the place of each row's id among them.
    """
    ends = np.cumsum([len(column) for column in columns])[:-1]
    if not any(pa.types.is_dictionary(column.type) for column in columns):
        known = [column.to_numpy() for column in columns if len(column)]
        ids, places = _of_numbers(known[0] if len(known) == 1 else np.concatenate(known))
        return ids, np.split(places, ends)
    columns = [encoded(column) for column in columns]
    chunks = [chunk for column in columns for chunk in column.chunks]
    whole = pa.chunked_array(chunks).unify_dictionaries()
    values = _values(whole.chunk(0).dictionary)
    places = np.concatenate([chunk.indices.to_numpy() for chunk in whole.chunks])
    # A dictionary may hold ids that no row has.
    used = np.flatnonzero(np.bincount(places, minlength=len(values)))
    order = used[np.argsort(values[used], kind="stable")]
    rank = np.empty(len(values), dtype=np.int64)
    rank[order] = np.arange(len(order))
    return values[order], np.split(rank[places], ends)


def encoded(column: pa.ChunkedArray) -> pa.ChunkedArray:
    """Return a column of whole numbers or text in the form `ENCODED`."""
    return column if column.type == ENCODED else column.cast(pa.string()).cast(ENCODED)


def as_text(ids: np.ndarray) -> np.ndarray:
    """Return ids as objects of text, as they are written in files."""
    return np.array([str(each) for each in ids.tolist()], dtype=object)


def read_id(text: str, place: str) -> int:
    """Read one id: ASCII digits, 0 to 2^31 - 1.

    Parameters
    ----------
    text : str
        What the file holds.
    place : str
        ``file:line``, for the message.

    Returns
    -------
    int
        The id, 0 to 2^31 - 1.

    Raises
    ------
    DataError
        If it is no integer, negative or too large.
    """
    mend = "mend the line"
    if not re.fullmatch(r"-?[0-9]+", text):
        raise DataError(place, f"an id must be an integer, got {shown(text)}", mend)
    # Compared by length first: int() refuses thousands of digits.
    digits = text.lstrip("-0")
    if text.startswith("-") or len(digits) > 10 or int(digits or 0) > LARGEST_ID:
        raise DataError(place, f"an id must lie in 0..{LARGEST_ID}, got {text[:WIDTH]}", mend)
    return int(digits or 0)


def shown(text: str) -> str:
    """Quote what a file holds for a message of one line, cut where it is long.

    Parameters
    ----------
    text : str
        What the file holds.

    Returns
    -------
    str
        In quotes; after 60 characters of the text comes ``...``.
    """
    return repr(text if len(text) <= WIDTH else text[:WIDTH] + "...")


def _of_numbers(ids: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Distinct ids, increasing, and the place of each id among them."""
    if not len(ids):
        return ids, ids
    low, high = int(ids.min()), int(ids.max())
    if high - low >= DENSE * len(ids) + PIECE:
        values = np.sort(pc.unique(pa.array(ids)).to_numpy())
        return values, np.searchsorted(values, ids)
    # Looked up in a table of all numbers in between, which is faster than any hash.
    used = np.zeros(high - low + 1, dtype=bool)
    for start in range(0, len(ids), PIECE):
        used[ids[start : start + PIECE] - low] = True
    rank = np.cumsum(used, dtype=np.int64) - 1
    places = np.empty(len(ids), dtype=np.int64)
    for start in range(0, len(ids), PIECE):
        places[start : start + PIECE] = rank[ids[start : start + PIECE] - low]
    return np.flatnonzero(used) + low, places


def _values(dictionary: pa.Array) -> np.ndarray:
    """Return a dictionary as int64, if that loses nothing, or as objects of text."""
    if not pc.all(pc.match_substring_regex(dictionary, WHOLE), min_count=0).as_py():
        return np.asarray(dictionary.to_numpy(zero_copy_only=False), dtype=object)
    return np.asarray(dictionary.cast(pa.int64()).to_numpy())
