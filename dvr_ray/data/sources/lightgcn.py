"""NGCF's and LightGCN's text: one line a user, ``user item item ...``, in train.txt and test.txt.

Ids are integers from 0 to 2^31 - 1. A user without items is kept. The order within a line means
nothing here.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from dvr_ray.data.reading.files import existing, whole
from dvr_ray.data.reading.lists import parse_lists
from dvr_ray.data.rows import Reading, Rows
from dvr_ray.data.sources.source import SOURCES, LogSource

__all__ = ["LightGcn"]


@SOURCES.add("lightgcn")
class LightGcn(LogSource):
    """Folder with ``train.txt`` and, optionally, ``test.txt``."""

    version = 3

    @classmethod
    def fits(cls, path: Path) -> bool:
        """Tell by ``train.txt``."""
        return existing(path, "train.txt") is not None

    def files(self) -> Sequence[Path]:
        """Training file and, where it exists, test file."""
        test = existing(self.folder, "test.txt")
        return [self.needed("train.txt"), *([test] if test else [])]

    def read(self) -> Reading:
        """Read the lists."""
        parsed = [self.parse(whole(path), path) for path in self.found]
        parts = [Rows.of_pairs(pairs) for pairs, _ in parsed]
        listed = np.concatenate([users for _, users in parsed])
        if len(parts) == 1:
            return Reading(parts[0], listed=listed)
        return Reading(parts[0], parts[1], listed=listed, test_file=str(self.found[1]))

    def parse(self, content: bytes, path: Path) -> tuple[np.ndarray, np.ndarray]:
        """Return (rows, 2) pairs and the users of all lines."""
        return parse_lists(content, path)
