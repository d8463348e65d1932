"""A log as files of whole numbers, about 8 bytes a row, that all processes of a machine share.

``items`` holds the rows sorted by user, then item; ``order`` the row numbers sorted by item, then
user; both are mapped into memory, so that the system keeps them once, however many processes read
them. What comes with a row (``time``, ``loss``) has files of its own, that are read in parts.

`CompactBuilder` sorts a log that comes in pieces: rows are dealt out to files by ranges of users,
which are then sorted one after the other. Memory is that of a piece and of a range.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

from dvr_ray.data.interactions import user_parts
from dvr_ray.files import placed

__all__ = ["CompactBuilder", "CompactLog"]

ABOUT = "log.json"
RANGES = 128
PART_ROWS = 1 << 21
INT32 = 2**31 - 1


@dataclass(frozen=True, eq=False)
class CompactLog:
    """Distinct (user, item) pairs, sorted by user, then item; attributes as `Interactions` has.

    Parameters
    ----------
    folder : Path
        Holds the files.
    rows, num_users, num_items : int
        Sizes n, U and I.
    extras : dict of str
        What comes with every row, and its type.
    """

    folder: Path
    rows: int
    num_users: int
    num_items: int
    extras: Mapping[str, str]

    @classmethod
    def open(cls, folder: Path) -> CompactLog:
        """Open what `CompactBuilder` has finished."""
        about = json.loads((folder / ABOUT).read_text(encoding="utf-8"))
        return cls(folder, about["rows"], about["users"], about["items"], about["extras"])

    def __reduce__(self) -> Any:
        """Go to other processes as a path."""
        return CompactLog.open, (self.folder,)

    def __len__(self) -> int:
        """Return the number of rows, n."""
        return self.rows

    @cached_property
    def items(self) -> np.ndarray:
        """Items of the rows, shape (n,), int32."""
        return _mapped(self.folder / "items", np.dtype(np.int32), self.rows)

    @cached_property
    def item_order(self) -> np.ndarray:
        """Row numbers sorted by item, then user; shape (n,)."""
        return _mapped(self.folder / "order", _row_type(self.rows), self.rows)

    @cached_property
    def user_counts(self) -> np.ndarray:
        """Rows per user, shape (U,)."""
        return np.fromfile(self.folder / "user_counts", np.int64)

    @cached_property
    def item_counts(self) -> np.ndarray:
        """Rows per item, shape (I,)."""
        return np.fromfile(self.folder / "item_counts", np.int64)

    @cached_property
    def user_offsets(self) -> np.ndarray:
        """Where each user's rows begin, shape (U + 1,)."""
        return np.concatenate([[0], np.cumsum(self.user_counts)])

    @cached_property
    def item_offsets(self) -> np.ndarray:
        """Where each item's rows begin in ``item_order``, shape (I + 1,)."""
        return np.concatenate([[0], np.cumsum(self.item_counts)])

    def users_of(self, rows: np.ndarray) -> np.ndarray:
        """Return the users of rows, shape (r,) to (r,)."""
        return np.searchsorted(self.user_offsets, rows, side="right") - 1

    def extra(self, name: str, rows: np.ndarray | slice) -> np.ndarray:
        """Read what comes with some rows, shape (r,), and let go of the file again."""
        kind = np.dtype(self.extras[name])
        return np.array(_mapped(self.folder / name, kind, self.rows)[rows])


class CompactBuilder:
    """Sorts a log that comes in pieces.

    Parameters
    ----------
    folder : Path
        Is emptied; holds the log when it is finished.
    num_users, num_items : int
        Sizes of the catalogue.
    extras : mapping of str
        What comes with every row, and its type, e.g. ``{"time": "<f8"}``. Of repeated pairs the one
        with the least time counts, else the first.
    """

    def __init__(
        self, folder: Path, num_users: int, num_items: int, extras: Mapping[str, str]
    ) -> None:
        shutil.rmtree(folder, ignore_errors=True)
        (folder / "ranges").mkdir(parents=True)
        self._folder, self._sizes, self._extras = folder, (num_users, num_items), dict(extras)
        fields = [("user", "<i4"), ("item", "<i4"), *extras.items()]
        self._kind = np.dtype(fields)
        self.taken = 0

    def add(self, users: np.ndarray, items: np.ndarray, **extras: np.ndarray) -> None:
        """Take rows: numbers (r,) of users and items, and what comes with them."""
        piece = np.empty(len(users), self._kind)
        for name, column in {"user": users, "item": items, **extras}.items():
            piece[name] = column
        ranges = piece["user"].astype(np.int64) * RANGES // self._sizes[0]
        piece = piece[np.argsort(ranges, kind="stable")]
        ends = np.cumsum(np.bincount(ranges, minlength=RANGES))
        for number in np.flatnonzero(np.diff(ends, prepend=0)):
            start = ends[number - 1] if number else 0
            with self._range(int(number)).open("ab") as file:
                piece[start : ends[number]].tofile(file)
        self.taken += len(users)

    def finish(self) -> CompactLog:
        """Sort, and return the log; ``taken - len(log)`` rows were repeats."""
        user_counts = np.zeros(self._sizes[0], dtype=np.int64)
        item_counts = np.zeros(self._sizes[1], dtype=np.int64)
        for number in range(RANGES):
            path = self._range(number)
            if path.exists():
                rows = self._sorted(np.fromfile(path, self._kind))
                path.unlink()
                user_counts += np.bincount(rows["user"], minlength=len(user_counts))
                item_counts += np.bincount(rows["item"], minlength=len(item_counts))
                for name in ("item", *self._extras):
                    with self._file("items" if name == "item" else name).open("ab") as file:
                        np.ascontiguousarray(rows[name]).tofile(file)
        user_counts.tofile(self._file("user_counts"))
        item_counts.tofile(self._file("item_counts"))
        log = CompactLog(self._folder, int(user_counts.sum()), *self._sizes, self._extras)
        _write_order(log)
        shutil.rmtree(self._folder / "ranges")
        about = {"rows": len(log), "users": log.num_users, "items": log.num_items}
        with placed(self._folder / ABOUT) as temporary:
            temporary.write_text(json.dumps({**about, "extras": self._extras}), encoding="utf-8")
        return log

    def _sorted(self, rows: np.ndarray) -> np.ndarray:
        """Sort by user, then item, and drop repeats."""
        keys = rows["user"].astype(np.int64) * self._sizes[1] + rows["item"]
        orders = (rows["time"], keys) if "time" in self._extras else (keys,)
        order = np.lexsort(orders)
        return np.asarray(rows[order[np.diff(keys[order], prepend=-1) > 0]])

    def _range(self, number: int) -> Path:
        return self._folder / "ranges" / str(number)

    def _file(self, name: str) -> Path:
        return self._folder / name


def _write_order(log: CompactLog) -> None:
    """Sort rows by item: those of some users at a time, each item's after those before."""
    if not len(log):
        return
    found = np.memmap(log.folder / "order", _row_type(len(log)), "w+", shape=(len(log),))
    following = log.item_offsets[:-1].copy()
    for first, last in user_parts(log, PART_ROWS):
        start, stop = log.user_offsets[first], log.user_offsets[last]
        items = log.items[start:stop]
        order = np.argsort(items, kind="stable")
        counts = np.bincount(items, minlength=log.num_items)
        before = np.cumsum(counts) - counts
        chosen = items[order]
        found[following[chosen] + np.arange(len(order)) - before[chosen]] = start + order
        following += counts
    found.flush()


def _row_type(rows: int) -> np.dtype[Any]:
    return np.dtype(np.int32 if rows <= INT32 else np.int64)


def _mapped(path: Path, kind: np.dtype[Any], rows: int) -> np.ndarray:
    if not rows:
        return np.empty(0, kind)
    # As a plain array: sums and products of a memmap would be one, too.
    return np.asarray(np.memmap(path, kind, "r", shape=(rows,)))
