"""HetRec's Last.FM: tab-separated ``user item plays`` in data1.txt (train) and test1.txt.

Ids are integers from 0 to 2^31 - 1. Plays may be written like 3.2466e+05; they must be finite
numbers, and any number of plays is an interaction. Blank lines are skipped. Arrow parses the file
at once; only a file that it can't parse is walked line by line, to say where the fault lies.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from dvr_ray.data.reading.delimited import read_rows
from dvr_ray.data.reading.files import existing
from dvr_ray.data.reading.layout import Layout
from dvr_ray.data.reading.pieces import LogFile, TextFile
from dvr_ray.data.rows import Reading
from dvr_ray.data.sources.source import SOURCES, LogSource

__all__ = ["HetRec"]

LAYOUT = Layout(
    ("user", "item", "plays"), "user", "item", "plays", separator="\t", header=0, integers=True
)


@SOURCES.add("hetrec")
class HetRec(LogSource):
    """Folder with ``data1.txt`` and, optionally, ``test1.txt``."""

    version = 3

    @classmethod
    def fits(cls, path: Path) -> bool:
        """Tell by ``data1.txt``."""
        return existing(path, "data1.txt") is not None

    def files(self) -> Sequence[Path]:
        """Training file and, where it exists, test file."""
        test = existing(self.folder, "test1.txt")
        return [self.needed("data1.txt"), *([test] if test else [])]

    def read(self) -> Reading:
        """Read the plays; ``data.min_rating`` is a threshold on them."""
        train, *test = (read_rows(path, LAYOUT) for path in self.found)
        return Reading(train, test[0] if test else None, test_file=str(self.found[-1]))

    def log_files(self) -> list[LogFile]:
        """Return training file and test file."""
        return [TextFile(path, LAYOUT) for path in self.found]
