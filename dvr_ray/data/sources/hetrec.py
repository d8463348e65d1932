"""HetRec's Last.FM: tab-separated ``user item plays`` in data1.txt (train) and test1.txt.

Ids are integers from 0 to 2^31 - 1. Plays may be written like 3.2466e+05; they must be finite
numbers, and any number of plays is an interaction. Blank lines are skipped. Arrow parses the file
at once; only a file that it can't parse is walked line by line, to say where the fault lies.
"""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import pyarrow as pa
from pyarrow import csv

from dvr_ray.data.assemble import LARGEST_ID, read_id, shown
from dvr_ray.data.sources.source import SOURCES, FileSource
from dvr_ray.errors import DataError

__all__ = ["HetRec"]

COLUMNS = {"user": pa.int64(), "item": pa.int64(), "plays": pa.float64()}
# Without letters and signs that Arrow and Python read differently (hexadecimal, nan, 1_000).
ALLOWED = b"0123456789.eE+-\t\r\n"


@SOURCES.add("hetrec")
class HetRec(FileSource):
    """Folder with ``data1.txt`` and, optionally, ``test1.txt``."""

    train_file, test_file, version = "data1.txt", "test1.txt", 2

    def parse(self, content: bytes, path: Path) -> tuple[np.ndarray, np.ndarray]:
        """Return (rows, 2) pairs; no users without rows can be written in this format."""
        pairs = _at_once(content)
        if pairs is None:
            pairs = _by_line(content, path)
        return pairs, np.empty(0, dtype=np.int64)


def _at_once(content: bytes) -> np.ndarray | None:
    """Return (rows, 2) pairs, or None where the file isn't plainly right."""
    if content.translate(None, ALLOWED):
        return None
    try:
        table = csv.read_csv(
            pa.BufferReader(content),
            csv.ReadOptions(column_names=list(COLUMNS), use_threads=False),
            csv.ParseOptions(delimiter="\t", quote_char=False),
            csv.ConvertOptions(column_types=COLUMNS, null_values=[]),
        )
    except pa.ArrowInvalid:
        return None
    pairs = np.stack([table["user"].to_numpy(), table["item"].to_numpy()], axis=1)
    sound = len(pairs) and pairs.min() >= 0 and pairs.max() <= LARGEST_ID
    return pairs if sound and np.isfinite(table["plays"].to_numpy()).all() else None


def _by_line(content: bytes, path: Path) -> np.ndarray:
    """Return (rows, 2) pairs, or raise at the first line that can't be read."""
    pairs = [
        _pair(line.decode("utf-8", "replace"), f"{path}:{number}")
        for number, line in enumerate(content.splitlines(), start=1)
        if line.strip()
    ]
    return np.array(pairs, dtype=np.int64).reshape(-1, 2)


def _pair(line: str, place: str) -> tuple[int, int]:
    words = line.split("\t")
    if len(words) != 3:
        raise DataError(
            place,
            f"must hold 3 tab-separated columns (user item plays), got {len(words)}: {shown(line)}",
            "mend the line",
        )
    pair = read_id(words[0], place), read_id(words[1], place)
    try:
        finite = math.isfinite(float(words[2]))
    except ValueError:
        finite = False
    if not finite:
        raise DataError(
            place, f"plays must be a finite number, got {shown(words[2])}", "mend the line"
        )
    return pair
