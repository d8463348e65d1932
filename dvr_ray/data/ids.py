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
    if any(pa.types.is_dictionary(column.type) for column in columns):
        columns = [encoded(column) for column in columns]
    else:
        columns = [column.dictionary_encode() for column in columns]
    chunks = [chunk for column in columns for chunk in column.chunks]
    if not chunks:
        return np.empty(0, dtype=np.int64), [np.empty(0, dtype=np.int64) for _ in columns]
    whole = pa.chunked_array(chunks).unify_dictionaries()
    values = _values(whole.chunk(0).dictionary)
    places = np.concatenate([chunk.indices.to_numpy() for chunk in whole.chunks])
    # A dictionary may hold ids that no row has.
    used = np.flatnonzero(np.bincount(places, minlength=len(values)))
    order = used[np.argsort(values[used], kind="stable")]
    rank = np.empty(len(values), dtype=np.int64)
    rank[order] = np.arange(len(order))
    ends = np.cumsum([len(column) for column in columns])[:-1]
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
    """
    return repr(text if len(text) <= WIDTH else text[:WIDTH] + "...")


def _values(dictionary: pa.Array) -> np.ndarray:
    """Return a dictionary as int64, if that loses nothing, or as objects of text."""
    if not pa.types.is_integer(dictionary.type):
        if not pc.all(pc.match_substring_regex(dictionary, WHOLE), min_count=0).as_py():
            return np.asarray(dictionary.to_numpy(zero_copy_only=False), dtype=object)
        dictionary = dictionary.cast(pa.int64())
    return np.asarray(dictionary.to_numpy())
