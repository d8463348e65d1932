"""RecBole's atomic files: ``.inter``, ``.user``, ``.item``, tab-separated, with typed headers.

A header's field is ``name:type``, with the types token, token_seq, float and float_seq; texts of a
token_seq are separated by spaces. Ids are taken exactly, spaces at their ends included.

Where a log comes in parts, ``.train.inter``, ``.valid.inter`` and ``.test.inter``, the test part is
the given test part. The valid part joins the training part: here two parts are needed for
validation, one that pays rewards and one that selects, and the split draws both by its own rule.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pandas as pd

from dvr_ray.data import attributes
from dvr_ray.data.ids import shown
from dvr_ray.data.reading.columns import choose, id_column
from dvr_ray.data.reading.delimited import read_rows
from dvr_ray.data.reading.files import bare_name
from dvr_ray.data.reading.layout import Layout, header
from dvr_ray.data.reading.pieces import LogFile, TextFile
from dvr_ray.data.reading.tables import attribute_columns, read_table
from dvr_ray.data.rows import Reading, Rows
from dvr_ray.data.sources.source import SOURCES, LogSource
from dvr_ray.errors import DataError

__all__ = ["RecBole"]

TYPES = ("token", "token_seq", "float", "float_seq")
ENDS = (".inter", ".train.inter", ".valid.inter", ".test.inter", ".user", ".item")


@SOURCES.add("recbole")
class RecBole(LogSource):
    """Folder with the atomic files of one data set."""

    version = 1
    options = ("columns", "min_rating", "core")

    @classmethod
    def fits(cls, path: Path) -> bool:
        """Tell by a file that ends in ``.inter``."""
        return any(path.glob("*.inter")) or any(path.glob("*.inter.gz"))

    def files(self) -> Sequence[Path]:
        """Return what is there, parts in order, then the tables."""
        found = self._by_end()
        if (".inter" in found) == (".train.inter" in found):
            raise DataError(
                str(self.folder),
                "must hold either one .inter file or .train.inter and others, got "
                + (", ".join(path.name for path in found.values()) or "neither"),
                "keep the files of one data set in a folder of their own",
            )
        return [found[end] for end in ENDS if end in found]

    def read(self) -> Reading:
        """Read log and tables."""
        found = self._by_end()
        parts = {end: self._rows(path) for end, path in found.items() if end.endswith(".inter")}
        test = parts.pop(".test.inter", None)
        tables: dict[str, pd.DataFrame | None] = {"user": None, "item": None}
        notes: dict[str, int] = {}
        for role in tables:
            if (path := found.get(f".{role}")) is not None:
                tables[role], more = self._table(path, role)
                notes |= more
        return Reading(
            Rows.joined(list(parts.values())), test, tables["user"], tables["item"],
            dropped=notes, test_file=str(found.get(".test.inter", "test")),
        )  # fmt: skip

    def _by_end(self) -> dict[str, Path]:
        """Files by the ends of their names, parts in order."""
        found: dict[str, Path] = {}
        for end in ENDS:
            paths = [
                path for path in sorted(self.folder.glob(f"*{end}*"))
                if bare_name(path).endswith(end) and _end(path) == end
            ]  # fmt: skip
            if len(paths) > 1:
                raise DataError(
                    str(self.folder),
                    f"must hold one file that ends in {end}, got {paths[0].name}, {paths[1].name}",
                    "keep the files of one data set in a folder of their own",
                )
            if paths:
                found[end] = paths[0]
        return found

    def log_files(self) -> list[LogFile]:
        """Return the files of rows, parts in order."""
        found = [path for end, path in self._by_end().items() if end.endswith(".inter")]
        return [TextFile(path, self._layout(path), ":float") for path in found]

    def _rows(self, path: Path) -> Rows:
        return read_rows(path, self._layout(path))

    def _layout(self, path: Path) -> Layout:
        line, names, _ = _typed(path)
        rated = self.config.min_rating is not None
        chosen = choose(names, self.config.columns, rated, str(path))
        return Layout(names, chosen.user, chosen.item, chosen.rating, chosen.time,
                      separator="\t", header=line)  # fmt: skip

    def _table(self, path: Path, role: str) -> tuple[pd.DataFrame, dict[str, int]]:
        line, names, types = _typed(path)
        key = id_column(names, role, self.config.columns, str(path))
        wanted = attribute_columns(names)
        cells = read_table(path, names, {"id": key, **wanted}, separator="\t", skip=line)
        ids = cells.pop("id")
        if role == "user":
            return attributes.user_table(ids, cells)
        if types.get(wanted.get("category", "")) == "token_seq":
            return attributes.item_table(
                ids, {**cells, "category": [each.split(" ") for each in cells["category"]]}
            )
        return attributes.item_table(ids, cells)


def _end(path: Path) -> str:
    """Return the longest of the ends that the file's name has."""
    fitting = [end for end in ENDS if bare_name(path).endswith(end)]
    return max(fitting, key=len, default="")


def _typed(path: Path) -> tuple[int, list[str], dict[str, str]]:
    """Line of the header, names, and types by name."""
    line, written = header(path, "\t")
    pairs = [each.rpartition(":") for each in written]
    for (name, _, kind), field in zip(pairs, written, strict=True):
        if not name or kind not in TYPES:
            raise DataError(
                f"{path}:{line}",
                f"a header's field must be name:type with a type of {', '.join(TYPES)}, got "
                f"{shown(field)}",
                "e.g. user_id:token",
            )
    return line, [name for name, _, _ in pairs], {name: kind for name, _, kind in pairs}
