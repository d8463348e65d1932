"""Tables: CSV, TSV and Parquet, each perhaps gzipped; one file, or a folder of them.

Which columns hold users, items, ratings and times is said in ``data.columns``, or found by their
usual names. Ids are whole numbers or text; text is taken exactly. Times are numbers or ISO dates.

In a folder, files count by their names without ending: ``train``, ``valid`` and ``test`` are parts
of a log (valid joins train); ``users`` and ``items`` are tables of attributes (gender, age or
age_group; name, category, with ``|`` between several); all others are pieces of one log, joined in
the order of their names.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pandas as pd

from dvr_ray.data.frame import attribute_table
from dvr_ray.data.reading.columns import Chosen, choose
from dvr_ray.data.reading.delimited import read_rows
from dvr_ray.data.reading.files import bare_name, lines
from dvr_ray.data.reading.layout import Layout, fields, header
from dvr_ray.data.reading.parquet import frame_of, names_of, rows_of, table_of
from dvr_ray.data.reading.pieces import LogFile, ParquetFile, TextFile
from dvr_ray.data.reading.tables import read_table
from dvr_ray.data.rows import Reading, Rows
from dvr_ray.data.sources.source import SOURCES, LogSource
from dvr_ray.errors import DataError

__all__ = ["Table"]

SEPARATORS = {".csv": ",", ".tsv": "\t"}
PARQUET = (".parquet", ".pq")
PARTS = ("train", "valid", "test", "users", "items")


@SOURCES.add("table")
class Table(LogSource):
    """A table, or a folder of tables."""

    version = 1
    options = ("columns", "min_rating", "core")

    @classmethod
    def fits(cls, path: Path) -> bool:
        """Tell by the endings of files."""
        return bool(_tables(path))

    def files(self) -> Sequence[Path]:
        """All tables, by name."""
        found = _tables(self.folder)
        stems = [_stem(path) for path in found]
        if self.folder.is_dir() and not _consistent(stems):
            raise DataError(
                str(self.folder),
                "must hold tables (.csv, .tsv, .parquet, perhaps .gz), each once: pieces of one "
                "log, or train with perhaps valid and test, got "
                + (", ".join(path.name for path in found[:8]) or "none"),
                "name one file in data.path, or move the others away",
            )
        if not found:
            raise DataError(
                str(self.folder),
                f"must end in .csv, .tsv or .parquet, perhaps .gz, got {self.folder.name!r}",
                "rename the file",
            )
        return found

    def read(self) -> Reading:
        """Read log and tables."""
        parts: dict[str, list[Rows]] = {"train": [], "test": []}
        tables: dict[str, pd.DataFrame | None] = {"users": None, "items": None}
        notes: dict[str, int] = {}
        test_file = "test"
        for path in self.found:
            stem = _stem(path) if self.folder.is_dir() else "train"
            if stem in tables:
                tables[stem], more = self._attributes(path, stem[:-1])
                notes |= more
                continue
            if stem == "test":
                test_file = str(path)
            parts["test" if stem == "test" else "train"].append(self._rows(path))
        test = parts["test"][0] if parts["test"] else None
        return Reading(Rows.joined(parts["train"]), test, tables["users"], tables["items"],
                       dropped=notes, test_file=test_file)  # fmt: skip

    def log_files(self) -> list[LogFile]:
        """Return all tables but those of users and items."""
        logs = [
            path for path in self.found if self.folder.is_file() or _stem(path) not in PARTS[3:]
        ]
        return [
            ParquetFile(path, self._chosen(path))
            if _ending(path) in PARQUET
            else TextFile(path, self._layout(path))
            for path in logs
        ]

    def _rows(self, path: Path) -> Rows:
        if _ending(path) in PARQUET:
            chosen = self._chosen(path)
            wanted = [chosen.user, chosen.item, chosen.rating, chosen.time]
            table = table_of(path, [name for name in wanted if name is not None])
            return rows_of(table, chosen, str(path))
        return read_rows(path, self._layout(path))

    def _chosen(self, path: Path, names: Sequence[str] | None = None) -> Chosen:
        found = names_of(path) if names is None else names
        return choose(found, self.config.columns, self.config.min_rating is not None, str(path))

    def _layout(self, path: Path) -> Layout:
        separator = SEPARATORS[_ending(path)]
        line, names = self._header(path, separator)
        chosen = self._chosen(path, names)
        return Layout(names, chosen.user, chosen.item, chosen.rating, chosen.time,
                      separator=separator, header=line, quoted=True)  # fmt: skip

    def _header(self, path: Path, separator: str) -> tuple[int, list[str]]:
        """Line of the header and names; line 0 and numbers where columns are given by number."""
        columns = self.config.columns
        said = [columns.user, columns.item, columns.rating, columns.time]
        if not any(isinstance(each, int) for each in said):
            return header(path, separator, quoted=True)
        if any(isinstance(each, str) for each in said):
            raise DataError(
                "data.columns",
                f"must all be names, or all numbers for a file without a header, got {said}",
                "write them alike",
            )
        _, first = next(lines(path), (0, ""))
        return 0, [f"column {place}" for place in range(len(fields(first, separator, True)))]

    def _attributes(self, path: Path, role: str) -> tuple[pd.DataFrame, dict[str, int]]:
        if _ending(path) in PARQUET:
            return attribute_table(frame_of(path), role, self.config.columns, str(path))
        separator = SEPARATORS[_ending(path)]
        line, names = header(path, separator, quoted=True)
        cells = read_table(path, names, {name: name for name in names}, separator=separator,
                           skip=line, quoted=True)  # fmt: skip
        return attribute_table(
            pd.DataFrame(cells, dtype=object), role, self.config.columns, str(path)
        )


def _ending(path: Path) -> str:
    return Path(bare_name(path)).suffix.lower()


def _stem(path: Path) -> str:
    return Path(bare_name(path)).stem


def _tables(path: Path) -> list[Path]:
    """Return the tables of a folder by name, or the file itself if it is one."""
    paths = sorted(path.iterdir()) if path.is_dir() else [path]
    known = (*SEPARATORS, *PARQUET)
    return [each for each in paths if _ending(each) in known and each.is_file()]


def _consistent(stems: Sequence[str]) -> bool:
    """Tell whether a folder holds one log, in pieces or in parts, and none of it twice."""
    parts = [stem for stem in stems if stem in PARTS[:3]]
    pieces = [stem for stem in stems if stem not in PARTS]
    once = len(set(stems)) == len(stems)
    return once and (not pieces and "train" in parts if parts else bool(pieces))
