"""Text with one line a user, ``user item item ...``, of ids from 0 to 2^31 - 1.

A user may have several lines or no items; blank lines are skipped. All digits are parsed at once;
only a file that breaks the format is walked line by line, to say where.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np

from dvr_ray.data.ids import LARGEST_ID, read_id
from dvr_ray.data.reading.files import MARK
from dvr_ray.errors import DataError

__all__ = ["parse_lists"]

ALLOWED = b"0123456789 \t\r\n"


def parse_lists(content: bytes, path: Path) -> tuple[np.ndarray, np.ndarray]:
    """Return pairs of ids, shape (rows, 2), in the order of the file, and the users of all lines.

    Parameters
    ----------
    content : bytes
        The file's bytes.
    path : Path
        The file, for messages.

    Raises
    ------
    DataError
        At the first word that is no id, or if there is no row.
    """
    content = content.removeprefix(MARK)
    if content.translate(None, ALLOWED):
        _complain(content, path)
    if not content.split(maxsplit=1):
        raise DataError(str(path), "the file holds no interactions", "get it again")
    numbers = np.fromstring(content.decode("ascii"), dtype=np.int64, sep=" ")
    # Numbers beyond 64 bits come back as the largest one, which is too large as well.
    if numbers.max() > LARGEST_ID:
        _complain(content, path)
    leads = _leads(content)
    if leads.all():
        raise DataError(str(path), "the file holds no interactions", "get it again")
    users = numbers[leads]
    owners = users[np.cumsum(leads) - 1]
    return np.stack([owners[~leads], numbers[~leads]], axis=1), users


def _leads(content: bytes) -> np.ndarray:
    """Tell which words are the first of their line, shape (words,), bool."""
    letters = np.frombuffer(content, dtype=np.uint8)
    solid = letters >= ord("0")
    before = np.concatenate([[False], solid[:-1]])
    starts = np.flatnonzero(solid & ~before)
    breaks = np.flatnonzero((letters == ord("\n")) | (letters == ord("\r")))
    lines = np.searchsorted(breaks, starts)
    return np.concatenate([[True], lines[1:] != lines[:-1]])


def _complain(content: bytes, path: Path) -> None:
    """Raise at the first word that is no id."""
    for number, line in enumerate(content.splitlines(), start=1):
        for word in line.split():
            read_id(word.decode("utf-8", "replace"), f"{path}:{number}")
