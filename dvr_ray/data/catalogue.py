"""The users and items that a run knows: their original ids, by internal number, and attributes.

A run leaves them as ``users.parquet`` and ``items.parquet``, so that another log can be matched
with them, and nothing of the run's own data is needed for that.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
from pyarrow import parquet

from dvr_ray.data.attributes import from_arrow
from dvr_ray.data.ids import shown
from dvr_ray.data.interactions import TrialData
from dvr_ray.data.reading.parquet import table_of
from dvr_ray.errors import DataError
from dvr_ray.files import patient, placed

__all__ = ["ITEMS", "USERS", "Ids", "KnownCatalogue"]

USERS, ITEMS = "users.parquet", "items.parquet"
LISTED = 3


@dataclass(frozen=True)
class Ids:
    """The ids of one kind, by internal number.

    Parameters
    ----------
    kind : str
        ``user`` or ``item``.
    ids : ndarray, shape (n,)
        int64, or objects of text; each once.
    """

    kind: str
    ids: np.ndarray

    def __len__(self) -> int:
        """Return how many there are."""
        return len(self.ids)

    @cached_property
    def _known(self) -> pa.Array:
        return pa.array(self.ids, pa.int64() if self.ids.dtype.kind == "i" else pa.string())

    @cached_property
    def _texts(self) -> pa.Array:
        return self._known.cast(pa.string())

    def take(self, numbers: np.ndarray) -> pa.Array:
        """Return the ids of some numbers."""
        return self._known.take(pa.array(numbers))

    def numbers(self, column: pa.ChunkedArray | pa.Array) -> np.ndarray:
        """Return the number of every id, shape (r,), int32; -1 for ids that aren't known.

        Parameters
        ----------
        column : ChunkedArray or Array, length r
            Whole numbers or text, perhaps in Arrow's dictionaries. Text is compared as it is
            written: ``"07"`` isn't 7.
        """
        whole = pa.types.is_integer(column.type) and pa.types.is_integer(self._known.type)
        known = self._known if whole else self._texts
        if pa.types.is_dictionary(column.type) and not isinstance(column, pa.Array):
            column = column.combine_chunks()
        if isinstance(column, pa.DictionaryArray):
            places = pc.index_in(column.dictionary.cast(known.type), known).fill_null(-1)
            found = places.take(column.indices).to_numpy(zero_copy_only=False)
        else:
            found = pc.index_in(column.cast(known.type), known).fill_null(-1).to_numpy()
        return np.asarray(found).astype(np.int32, copy=False)

    def refuse_unknown(self, texts: list[str], place: str, mend: str) -> None:
        """Raise if there are unknown ids.

        Parameters
        ----------
        texts : list of str
            Unknown ids as they are written, each once.
        place, mend : str
            Where they stand, and what to do about it.

        Raises
        ------
        DataError
            Naming the first ones.
        """
        if texts:
            listed = ", ".join(shown(text) for text in texts[:LISTED])
            more = len(texts) - LISTED
            raise DataError(
                place,
                f"all {self.kind}s must be known to the run, got {len(texts)} unknown: {listed}"
                + (f" and {more} more" if more > 0 else ""),
                mend,
            )


@dataclass(frozen=True, eq=False)
class KnownCatalogue:
    """Users and items with their attributes.

    Parameters
    ----------
    users, items : Ids
        Original ids by internal number.
    user_table, item_table : DataFrame, index 0..U-1 and 0..I-1
        Attributes, as `Dataset` has them.
    """

    users: Ids
    items: Ids
    user_table: pd.DataFrame
    item_table: pd.DataFrame

    @classmethod
    def of(cls, data: TrialData) -> KnownCatalogue:
        """Take those of a trial's data."""
        return cls(
            Ids("user", data.user_ids), Ids("item", data.item_ids), data.user_table, data.item_table
        )

    @patient
    def write(self, folder: Path) -> None:
        """Write the two tables into a folder."""
        for name, ids, table in self._parts():
            columns = {ids.kind: ids._known}
            columns |= {str(each): pa.array(table[each].tolist()) for each in table}
            with placed(folder / name) as temporary:
                parquet.write_table(pa.table(columns), temporary)

    @classmethod
    def read(cls, folder: Path) -> KnownCatalogue:
        """Read what `write` left.

        Raises
        ------
        DataError
            If a table is missing or damaged.
        """
        ids, tables = [], []
        for name, kind in ((USERS, "user"), (ITEMS, "item")):
            table = table_of(folder / name)
            if kind not in table.column_names:
                raise DataError(str(folder / name), f"must have a column {kind}", "train again")
            attributes, known = from_arrow(table, kind)
            ids.append(Ids(kind, known))
            tables.append(attributes)
        return cls(*ids, *tables)

    def _parts(self) -> list[tuple[str, Ids, pd.DataFrame]]:
        return [(USERS, self.users, self.user_table), (ITEMS, self.items, self.item_table)]
