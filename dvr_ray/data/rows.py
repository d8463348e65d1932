"""What an importer read, before ids are numbered: columns of rows, and tables of attributes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
import pandas as pd
import pyarrow as pa

from dvr_ray.data.ids import encoded

__all__ = ["Reading", "Rows"]


@dataclass(frozen=True)
class Rows:
    """The rows of a log or of one part of it, in the order of the file.

    Parameters
    ----------
    users, items : ChunkedArray, length n
        Original ids: int64, or text in the form `dvr_ray.data.ids.ENCODED`; no nulls.
    ratings : ndarray, shape (n,), or None
        float64, finite.
    times : ndarray, shape (n,), or None
        int64 or float64, finite.
    """

    users: pa.ChunkedArray
    items: pa.ChunkedArray
    ratings: np.ndarray | None = None
    times: np.ndarray | None = None

    def __len__(self) -> int:
        """Return the number of rows, n."""
        return len(self.users)

    @classmethod
    def of_pairs(cls, pairs: np.ndarray, times: np.ndarray | None = None) -> Rows:
        """Take pairs of integer ids, shape (n, 2)."""
        users, items = (pa.chunked_array([pa.array(column)]) for column in pairs.T.copy())
        return cls(users, items, None, times)

    @classmethod
    def joined(cls, pieces: Sequence[Rows]) -> Rows:
        """Put the rows of several files one after the other; what one lacks, all lack."""
        if len(pieces) == 1:
            return pieces[0]
        return cls(
            _stacked([piece.users for piece in pieces]),
            _stacked([piece.items for piece in pieces]),
            _joined([piece.ratings for piece in pieces]),
            _joined([piece.times for piece in pieces]),
        )


@dataclass(frozen=True)
class Reading:
    """All that a source's files hold.

    Parameters
    ----------
    train : Rows
        The log, or its training part where a test part came with it.
    test : Rows or None
        The given test part.
    users, items : DataFrame or None
        Attributes as `dvr_ray.data.attributes` makes them; the index holds ids as text.
    listed : ndarray
        Integer ids of users that count although they may have no rows.
    dropped : dict of str to int
        What couldn't be read, by reason.
    test_file : str
        Where the test part came from, for messages.
    """

    train: Rows
    test: Rows | None = None
    users: pd.DataFrame | None = None
    items: pd.DataFrame | None = None
    listed: np.ndarray = field(default_factory=lambda: np.empty(0, dtype=np.int64))
    dropped: dict[str, int] = field(default_factory=dict)
    test_file: str = "test"


def _joined(pieces: Sequence[np.ndarray | None]) -> np.ndarray | None:
    """Concatenate arrays, or return None where one is missing."""
    known = [piece for piece in pieces if piece is not None]
    return np.concatenate(known) if known and len(known) == len(pieces) else None


def _stacked(columns: Sequence[pa.ChunkedArray]) -> pa.ChunkedArray:
    if len({column.type for column in columns}) > 1:
        columns = [encoded(column) for column in columns]
    return pa.chunked_array([chunk for column in columns for chunk in column.chunks])
