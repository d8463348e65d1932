"""S3-Rec's text: one line a user in time order, and the items' attributes as JSON.

``Beauty.txt`` holds lines ``user item item ...`` of integer ids, which need no times: an item's
place in its line is its time. ``Beauty_item2attributes.json`` maps items to lists of attribute ids;
an item, and an attribute of an item, may stand there more than once.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from dvr_ray.data.attributes import item_table
from dvr_ray.data.ids import shown
from dvr_ray.data.reading.files import bare_name, existing, whole
from dvr_ray.data.reading.lists import parse_lists
from dvr_ray.data.rows import Reading, Rows
from dvr_ray.data.sources.source import SOURCES, LogSource
from dvr_ray.errors import DataError

__all__ = ["S3Rec"]

END = "_item2attributes.json"


@SOURCES.add("s3rec")
class S3Rec(LogSource):
    """Folder with ``NAME.txt`` and ``NAME_item2attributes.json``."""

    version = 1

    @classmethod
    def fits(cls, path: Path) -> bool:
        """Tell by the JSON file."""
        return bool(_tables(path))

    def files(self) -> Sequence[Path]:
        """Log and attributes."""
        tables = _tables(self.folder)
        if len(tables) != 1:
            raise DataError(
                str(self.folder),
                f"must hold one file that ends in {END}, got {len(tables)}",
                "keep the files of one data set in a folder of their own",
            )
        return [self.needed(bare_name(tables[0]).replace(END, ".txt")), tables[0]]

    def read(self) -> Reading:
        """Read log and attributes."""
        log, table = self.found
        pairs, listed = parse_lists(whole(log), log)
        items, notes = _attributes(table)
        return Reading(Rows.of_pairs(pairs, np.arange(len(pairs))), items=items, listed=listed,
                       dropped=notes)  # fmt: skip


def _tables(folder: Path) -> list[Path]:
    found = (existing(folder, bare_name(path)) for path in sorted(folder.glob(f"*{END}*")))
    return list(dict.fromkeys(path for path in found if path is not None))


def _attributes(path: Path) -> tuple[pd.DataFrame, dict[str, int]]:
    """Table of items, and how many repeats it held."""
    rows: dict[str, list[str]] = {}
    repeats = 0

    def take(pairs: list[tuple[str, Any]]) -> None:
        nonlocal repeats
        for item, values in pairs:
            if not isinstance(values, list) or any(
                isinstance(v, list | type(None)) for v in values
            ):
                raise DataError(
                    f"{path}: item {shown(item)}",
                    f"attributes must be a list of ids, got {shown(json.dumps(values))}",
                    "mend the file",
                )
            known = rows.setdefault(item, [])
            known += [str(value) for value in values]

    try:
        content = json.loads(whole(path).decode("utf-8-sig"), object_pairs_hook=take)
    except (json.JSONDecodeError, UnicodeDecodeError, RecursionError) as error:
        raise DataError(str(path), f"must be JSON, got: {error}", "get it again") from error
    if content is not None or not rows:
        raise DataError(str(path), "must map items to lists of attributes", "get it again")
    repeats = sum(len(values) - len(set(values)) for values in rows.values())
    table, notes = item_table(rows, {"category": rows.values()})
    return table, notes | ({"repeated attributes of an item": repeats} if repeats else {})
