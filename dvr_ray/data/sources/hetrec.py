"""HetRec's Last.FM: tab-separated ``user item plays`` in data1.txt (train) and test1.txt.

Plays may be written like 3.2466e+05; they are checked, and any number of plays is an interaction.
"""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np

from dvr_ray.data.assemble import LARGEST_ID, assemble, check_ids
from dvr_ray.data.interactions import Dataset
from dvr_ray.data.sources.source import SOURCES, FileSource
from dvr_ray.errors import DataError

__all__ = ["HetRec"]


@SOURCES.add("hetrec")
class HetRec(FileSource):
    """Folder with ``data1.txt`` and, optionally, ``test1.txt``."""

    train_file, test_file, version = "data1.txt", "test1.txt", 1

    def load(self) -> Dataset:
        """Read the files."""
        pairs = [_read(path) for path in self.files()]
        test = pairs[1] if len(pairs) > 1 else None
        nobody = np.empty(0, dtype=np.int64)
        return assemble(self.folder.name, self.fingerprint(), pairs[0], test, nobody)


def _read(path: Path) -> np.ndarray:
    """Return (rows, 2) pairs of ids."""
    lines = path.read_bytes().splitlines()
    words = b"\t".join(line for line in lines if line.strip()).split(b"\t")
    even = all(line.count(b"\t") == 2 for line in lines if line.strip())
    try:
        table = np.array(words if even else [], dtype=np.float64).reshape(-1, 3)
    except ValueError:
        table = np.empty((0, 3))
    ids = table[:, :2]
    sound = len(table) and np.isfinite(table).all() and (ids == np.floor(ids)).all()
    if not sound or ids.min() < 0 or ids.max() > LARGEST_ID:
        _complain(path, lines)
    return ids.astype(np.int64)


def _complain(path: Path, lines: list[bytes]) -> None:
    """Find the first line that can't be read and say why."""
    for number, line in enumerate(lines, start=1):
        place, text = f"{path}:{number}", line.decode("utf-8", "replace")
        columns = text.split("\t")
        if not text.strip():
            continue
        if len(columns) != 3:
            raise DataError(
                place, f"must hold 3 tab-separated columns (user item plays), got {text!r}",
                "mend the line",
            )
        check_ids(columns[0], place)
        check_ids(columns[1], place)
        _check_plays(columns[2], place)
    raise DataError(str(path), "the file holds no interactions", "get it again")


def _check_plays(text: str, place: str) -> None:
    try:
        finite = math.isfinite(float(text))
    except ValueError:
        finite = False
    if not finite:
        raise DataError(place, f"plays must be a finite number, got {text!r}", "mend the line")
