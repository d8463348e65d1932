"""HetRec 2011's Last.FM as published: plays, artists' names and users' tags, with original ids.

Files are tab-separated with a header line. ``user_artists.dat`` is the log; plays count as ratings
for ``data.min_rating``. An artist's name comes from ``artists.dat``; its categories are the tags in
``user_taggedartists.dat`` (named in ``tags.dat``, latin-1), the one that most users gave first.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from pathlib import Path

from dvr_ray.data.attributes import item_table
from dvr_ray.data.reading.delimited import read_rows
from dvr_ray.data.reading.files import bare_name, existing
from dvr_ray.data.reading.layout import Layout, header
from dvr_ray.data.reading.tables import read_table
from dvr_ray.data.rows import Reading
from dvr_ray.data.sources.source import SOURCES, LogSource

__all__ = ["HetRecOriginal"]

LOG = ("userID", "artistID", "weight")
TABLES = {
    "artists.dat": ("id", "name", "url", "pictureURL"),
    "tags.dat": ("tagID", "tagValue"),
    "user_taggedartists.dat": ("userID", "artistID", "tagID", "day", "month", "year"),
}
WANTED = {
    "artists.dat": {"id": "id", "name": "name"},
    "tags.dat": {"tag": "tagID", "text": "tagValue"},
    "user_taggedartists.dat": {"item": "artistID", "tag": "tagID"},
}


@SOURCES.add("hetrec-original")
class HetRecOriginal(LogSource):
    """Folder with ``user_artists.dat`` and, optionally, the tables."""

    version = 1

    @classmethod
    def fits(cls, path: Path) -> bool:
        """Tell by ``user_artists.dat``."""
        return existing(path, "user_artists.dat") is not None

    def files(self) -> Sequence[Path]:
        """Log and the tables that are there."""
        tables = (existing(self.folder, name) for name in TABLES)
        return [self.needed("user_artists.dat"), *(path for path in tables if path is not None)]

    def read(self) -> Reading:
        """Read log and tables."""
        log, *others = self.found
        rows = read_rows(log, Layout(LOG, *LOG, separator="\t", header=header(log, "\t")[0],
                                     integers=True))  # fmt: skip
        tables = {bare_name(path): _cells(path) for path in others}
        artists = tables.get("artists.dat", {"id": [], "name": []})
        tags = _tags(tables)
        names = dict(zip(artists["id"], artists["name"], strict=True))
        ids = dict.fromkeys([*names, *tags])
        columns: dict[str, Iterable[object]] = {
            "name": [names.get(each, "") for each in ids],
            "category": [tags.get(each, []) for each in ids],
        }
        table, notes = item_table(ids, columns)
        return Reading(rows, items=table if others else None, dropped=notes)


def _cells(path: Path) -> dict[str, list[str]]:
    name = bare_name(path)
    encoding = "latin-1" if name == "tags.dat" else "utf-8"
    return read_table(path, TABLES[name], WANTED[name], separator="\t", skip=1, encoding=encoding)


def _tags(tables: dict[str, dict[str, list[str]]]) -> dict[str, list[str]]:
    """Tags of every tagged artist, most frequent first, then in the order of the file."""
    if not {"tags.dat", "user_taggedartists.dat"} <= set(tables):
        return {}
    given = tables["user_taggedartists.dat"]
    texts = dict(zip(tables["tags.dat"]["tag"], tables["tags.dat"]["text"], strict=True))
    counts: dict[str, Counter[str]] = {}
    for item, tag in zip(given["item"], given["tag"], strict=True):
        counts.setdefault(item, Counter())[texts.get(tag, tag)] += 1
    return {item: [tag for tag, _ in each.most_common()] for item, each in counts.items()}
