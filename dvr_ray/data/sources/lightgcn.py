"""NGCF's and LightGCN's text: one line a user, ``user item item ...``, in train.txt and test.txt."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from dvr_ray.data.assemble import LARGEST_ID, assemble, check_ids
from dvr_ray.data.interactions import Dataset
from dvr_ray.data.sources.source import SOURCES, FileSource
from dvr_ray.errors import DataError

__all__ = ["LightGcn"]


@SOURCES.add("lightgcn")
class LightGcn(FileSource):
    """Folder with ``train.txt`` and, optionally, ``test.txt``.

    A user without items is kept; blank lines are skipped.
    """

    train_file, test_file, version = "train.txt", "test.txt", 1

    def load(self) -> Dataset:
        """Read the files."""
        parsed = [_read(path) for path in self.files()]
        users = np.concatenate([users for _, users in parsed])
        pairs = [pairs for pairs, _ in parsed]
        test = pairs[1] if len(pairs) > 1 else None
        return assemble(self.folder.name, self.fingerprint(), pairs[0], test, users)


def _read(path: Path) -> tuple[np.ndarray, np.ndarray]:
    """Return (rows, 2) pairs and the users of all lines."""
    lines = path.read_bytes().splitlines()
    lengths = np.array([len(line.split()) for line in lines])
    try:
        numbers = np.array(b" ".join(lines).split(), dtype=np.int64)
    except (ValueError, OverflowError):
        numbers = np.array([-1])
    if not len(numbers) or numbers.min() < 0 or numbers.max() > LARGEST_ID:
        _complain(path, lines)
    lengths = lengths[lengths > 0]
    starts = np.cumsum(lengths) - lengths
    users = numbers[starts]
    is_item = np.ones(len(numbers), dtype=bool)
    is_item[starts] = False
    return np.stack([np.repeat(users, lengths - 1), numbers[is_item]], axis=1), users


def _complain(path: Path, lines: list[bytes]) -> None:
    """Find the first line that can't be read and say why."""
    for number, line in enumerate(lines, start=1):
        for word in line.split():
            check_ids(word.decode("utf-8", "replace"), f"{path}:{number}")
    raise DataError(str(path), "the file holds no interactions", "get it again")
