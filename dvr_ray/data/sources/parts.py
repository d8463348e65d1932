"""A split that `dvr-ray data split` wrote: four parts, the tables, and the hashes of all files.

The parts are taken as they are; of the config's ``split``, nothing applies. Noise may be planted.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from dvr_ray.data.attributes import from_arrow
from dvr_ray.data.interactions import Dataset, Interactions
from dvr_ray.data.reading.files import whole
from dvr_ray.data.reading.parquet import table_of
from dvr_ray.data.sources.source import SOURCES, FileSource
from dvr_ray.errors import DataError

__all__ = ["MANIFEST", "PARTS", "Parts"]

MANIFEST = "split.json"
PARTS = ("train", "reward", "selection", "test")
TABLES = ("users", "items")


@SOURCES.add("parts")
class Parts(FileSource):
    """Folder with ``split.json`` and six Parquet files."""

    version = 1

    @classmethod
    def fits(cls, path: Path) -> bool:
        """Tell by ``split.json``."""
        return (path / MANIFEST).is_file()

    def files(self) -> Sequence[Path]:
        """Return the JSON of hashes, the parts and the tables."""
        names = (f"{name}.parquet" for name in (*PARTS, *TABLES))
        return [self.needed(name) for name in (MANIFEST, *names)]

    def make(self) -> Dataset:
        """Check the hashes and take the parts.

        Raises
        ------
        DataError
            If a file is not the one that was written.
        """
        self._check_hashes()
        user_table, users = self._table("user")
        item_table, items = self._table("item")
        parts = {name: self._part(name, users, items) for name in PARTS}
        return Dataset(
            name=self.name,
            interactions=parts["train"],
            test=parts["test"],
            user_ids=users,
            item_ids=items,
            user_table=user_table,
            item_table=item_table,
            fingerprint=self.fingerprint(),
            reward=parts["reward"],
            selection=parts["selection"],
        )

    def _check_hashes(self) -> None:
        path, *others = self.found
        try:
            hashes = json.loads(whole(path))["sha256"]
            right = {name: str(hash) for name, hash in hashes.items()}
        except (ValueError, LookupError, TypeError, AttributeError) as error:
            raise DataError(
                str(path), "must be JSON with hashes in sha256", "split anew"
            ) from error
        for other in others:
            found = hashlib.sha256(other.read_bytes()).hexdigest()
            if right.get(other.name) != found:
                raise DataError(
                    str(other),
                    f"must have the SHA-256 {right.get(other.name, 'that')[:12]}... of {MANIFEST}, "
                    f"got {found[:12]}...",
                    "get the folder again, or split anew",
                )

    def _table(self, role: str) -> tuple[pd.DataFrame, np.ndarray]:
        table = table_of(self.folder / f"{role}s.parquet")
        frame, ids = from_arrow(table, role)
        return frame.set_axis(range(len(ids)), axis=0), ids

    def _part(self, name: str, users: np.ndarray, items: np.ndarray) -> Interactions:
        table = table_of(self.folder / f"{name}.parquet")
        numbers = []
        for role, ids in (("user", users), ("item", items)):
            known = pa.array(ids, table[role].type)
            numbers.append(pc.index_in(table[role], value_set=known).to_numpy().astype(np.int64))
        return Interactions.from_pairs(numbers[0], numbers[1], len(users), len(items))
