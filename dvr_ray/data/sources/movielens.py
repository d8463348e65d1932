"""MovieLens: 100K (u.data), 1M and 10M (ratings.dat), and the later csv files (ratings.csv).

Which one it is shows in the files' names:

* ``u.data``: tab-separated, no header; ``u.user``, ``u.item`` and ``u.genre`` with ``|``, latin-1.
* ``ratings.dat`` or ``ratings-notime.dat`` (without the column of times): ``::``; ``users.dat`` and
  ``movies.dat`` likewise, latin-1.
* ``ratings.csv``: with a header; ``movies.csv``, UTF-8.

The tables of users and movies may be missing. Ids are integers from 0 to 2^31 - 1.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

import pandas as pd

from dvr_ray.data.attributes import item_table, user_table
from dvr_ray.data.ids import shown
from dvr_ray.data.reading.columns import choose
from dvr_ray.data.reading.delimited import read_rows
from dvr_ray.data.reading.files import bare_name, existing, lines
from dvr_ray.data.reading.layout import Layout, fields, header
from dvr_ray.data.reading.pieces import LogFile, TextFile
from dvr_ray.data.reading.tables import read_table
from dvr_ray.data.rows import Reading, Rows
from dvr_ray.data.sources.source import SOURCES, LogSource
from dvr_ray.errors import DataError

__all__ = ["MovieLens"]

LOGS = ("u.data", "ratings.dat", "ratings-notime.dat", "ratings.csv")
TABLES = ("u.user", "u.item", "u.genre", "users.dat", "movies.dat", "movies.csv")
NAMES = ("user", "item", "rating", "time")
NO_GENRE = "(no genres listed)"
Table = tuple[pd.DataFrame, dict[str, int]]


@SOURCES.add("movielens")
class MovieLens(LogSource):
    """Folder with the files of one MovieLens release."""

    version = 1
    options = ("columns", "min_rating", "core")

    @classmethod
    def fits(cls, path: Path) -> bool:
        """Tell by the log, or for csv, by log and movies."""
        return (
            existing(path, *LOGS[:-1]) is not None
            or None not in (existing(path, "ratings.csv"), existing(path, "movies.csv"))
        )  # fmt: skip

    def files(self) -> Sequence[Path]:
        """Log, and the tables of its release that are there."""
        log = self.needed(*LOGS)
        kind = bare_name(log).split(".")
        same = [name for name in TABLES if name.startswith("u.") or name.endswith(kind[-1])]
        same = [name for name in same if name.startswith("u.") == (kind[0] == "u")]
        tables = (existing(self.folder, name) for name in same)
        return [log, *(path for path in tables if path is not None)]

    def read(self) -> Reading:
        """Read log and tables."""
        log, *others = self.found
        tables = {bare_name(path): path for path in others}
        genres = _genres(tables.pop("u.genre")) if "u.genre" in tables else []
        read = {name: READERS[name](path, genres) for name, path in tables.items()}
        users = [table for name, table in read.items() if name in ("u.user", "users.dat")]
        items = [table for name, table in read.items() if name not in ("u.user", "users.dat")]
        notes = {reason: n for _, more in (*users, *items) for reason, n in more.items()}
        return Reading(
            self._rows(log),
            users=users[0][0] if users else None,
            items=items[0][0] if items else None,
            dropped=notes,
        )

    def log_files(self) -> list[LogFile]:
        """Return the file of ratings."""
        return [TextFile(self.found[0], self._layout(self.found[0]))]

    def _rows(self, path: Path) -> Rows:
        return read_rows(path, self._layout(path))

    def _layout(self, path: Path) -> Layout:
        if bare_name(path) == "ratings.csv":
            line, names = header(path, ",", quoted=True)
            found = choose(names, self.config.columns, True, str(path))
            return Layout(names, found.user, found.item, found.rating, found.time,
                          header=line, quoted=True, integers=True)  # fmt: skip
        separator = "\t" if bare_name(path) == "u.data" else "::"
        _, first = _first_line(path, separator)
        names = list(NAMES[: len(first)])
        time = "time" if len(names) == 4 else None
        return Layout(names, "user", "item", "rating", time, separator=separator, header=0,
                      integers=True)  # fmt: skip


def _first_line(path: Path, separator: str) -> tuple[int, list[str]]:
    """Return number and fields of the first line of a log without a header.

    Raises
    ------
    DataError
        If they aren't 3 or 4.
    """
    number, line = next(lines(path), (0, ""))
    found = fields(line, separator)
    if len(found) not in (3, 4):
        raise DataError(
            f"{path}:{number}",
            f"must hold user, item, rating and perhaps a time, separated by {shown(separator)}, "
            f"got {shown(line)}",
            "get the file again",
        )
    return number, found


def _genres(path: Path) -> list[str]:
    cells = read_table(path, ("genre", "place"), {"genre": "genre"}, separator="|")
    return cells["genre"]


def _users_100k(path: Path, _: Sequence[str]) -> Table:
    names = ("id", "age", "gender", "occupation", "zip")
    wanted = {name: name for name in names[:3]}
    cells = read_table(path, names, wanted, separator="|", encoding="latin-1")
    return user_table(cells.pop("id"), cells)


def _items_100k(path: Path, genres: Sequence[str]) -> Table:
    names = ("id", "name", "released", "video", "url")
    flags = [f"flag {place}" for place in range(19)]
    wanted = {name: name for name in ("id", "name", *flags)}
    cells = read_table(path, (*names, *flags), wanted, separator="|", encoding="latin-1")
    labels = genres if len(genres) == len(flags) else flags
    columns = [cells[flag] for flag in flags]
    category = [
        [
            label
            for label, flag in zip(labels, row, strict=True)
            if flag == "1" and label != "unknown"
        ]
        for row in zip(*columns, strict=True)
    ]
    return item_table(cells["id"], {"name": cells["name"], "category": category})


def _users_1m(path: Path, _: Sequence[str]) -> Table:
    names = ("id", "gender", "age", "occupation", "zip")
    wanted = {name: name for name in names[:3]}
    cells = read_table(path, names, wanted, separator="::", encoding="latin-1")
    return user_table(cells.pop("id"), cells)


def _items_1m(path: Path, _: Sequence[str]) -> Table:
    names = ("id", "name", "category")
    cells = read_table(path, names, {name: name for name in names}, separator="::",
                       encoding="latin-1")  # fmt: skip
    return _movies(cells)


def _items_csv(path: Path, _: Sequence[str]) -> Table:
    line, names = header(path, ",", quoted=True)
    wanted = {"id": "movieId", "name": "title", "category": "genres"}
    for name in wanted.values():
        if name not in names:
            raise DataError(f"{path}:{line}", f"needs a column {name}", "get the file again")
    cells = read_table(path, names, wanted, separator=",", skip=line, quoted=True)
    return _movies(cells)


def _movies(cells: dict[str, list[str]]) -> Table:
    category = [[] if text == NO_GENRE else text.split("|") for text in cells["category"]]
    return item_table(cells["id"], {"name": cells["name"], "category": category})


READERS: dict[str, Callable[[Path, Sequence[str]], Table]] = {
    "u.user": _users_100k,
    "u.item": _items_100k,
    "users.dat": _users_1m,
    "movies.dat": _items_1m,
    "movies.csv": _items_csv,
}
