"""What features of a block ask of the whole log, found in stages whose memory is bounded.

The log's sums and profiles take one walk each. The nearest other list of every user, and cosines,
percentiles and bursts of the rows of every item, are stages of their own: what is found of rows by
item is left in files sorted by block, from which a block picks up its rows.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from dvr_ray.data.attributes import ATTRIBUTES, category_numbers, groups_of
from dvr_ray.data.catalogue import KnownCatalogue
from dvr_ray.data.compact import CompactLog
from dvr_ray.data.features import FEATURES, WholeLog
from dvr_ray.data.features.moments import window
from dvr_ray.data.features.nearest import groups, nearest_in_group, projected
from dvr_ray.data.interactions import user_parts
from dvr_ray.errors import DataError
from dvr_ray.inference.work import Work

__all__ = ["Nearest", "needed", "prepare_nearest", "whole_log"]

TASK_USERS, PART_ROWS = 1 << 13, 1 << 21


def needed(names: list[str]) -> set[str]:
    """Return what feature families read of a whole log, by names of the context's attributes.

    Raises
    ------
    DataError
        If a family doesn't say what it reads.
    """
    found: set[str] = set()
    for name in names:
        reads = FEATURES.get(name).reads
        if reads is None:
            raise DataError(
                "encoder.features",
                f"{name} doesn't say what it reads of other rows, so that it can't be had of a log "
                "of more than a million rows",
                "set `reads` in its class, or leave it out and train again",
            )
        found |= set(reads)
    return found


def whole_log(log: CompactLog, catalogue: KnownCatalogue, needs: set[str]) -> WholeLog:
    """Count what attributes and times say of a log."""
    whole = WholeLog()
    if "categories" in needs:
        whole = WholeLog(categories=category_numbers(catalogue.item_table["category"]))
    if "groups" in needs:
        for name in ATTRIBUTES:
            owner = groups_of(catalogue.user_table, name, log.num_users)
            whole.groups[name] = owner
            whole.group_counts[name] = _group_counts(log, owner)
    if "around_items" in needs:
        parts = (log.extra("time", part) for part in _parts(log))
        times = np.array([each for part in parts for each in (part.min(), part.max())])
        whole = WholeLog(whole.categories, whole.groups, whole.group_counts, window(times))
    return whole


def _parts(log: CompactLog) -> list[slice]:
    """Ranges of rows."""
    return [slice(start, start + PART_ROWS) for start in range(0, len(log), PART_ROWS)]


def _group_counts(log: CompactLog, owner: np.ndarray) -> np.ndarray:
    """As `FeatureContext.group_counts`, in parts."""
    number = int(owner.max(initial=-1)) + 1
    counts = np.zeros(log.num_items * number, dtype=np.int64)
    for first, last in user_parts(log, PART_ROWS):
        items = log.items[log.user_offsets[first] : log.user_offsets[last]]
        own = np.repeat(owner[first:last], log.user_counts[first:last])
        cells = items[own >= 0].astype(np.int64) * number + own[own >= 0]
        counts += np.bincount(cells, minlength=len(counts))
    return counts.reshape(log.num_items, number)


def prepare_nearest(work: Work) -> Nearest:
    """Sketch all users, and cut them into tasks."""
    if not work.has("sketch"):
        work.save(projected(work.log), "sketch")
    found = groups(work.log, work.load("sketch", mapped=True))
    tasks = [
        (number, first, min(first + TASK_USERS, len(group)))
        for number, group in enumerate(found)
        for first in range(0, len(group), TASK_USERS)
    ]
    return Nearest(work, found, tasks)


@dataclass(eq=False)
class Nearest:
    """The largest cosine of users with others, some users at a time.

    Parameters
    ----------
    work : Work
        Holds ``sketch``.
    groups : list of ndarray
        Users who are compared with one another.
    tasks : list of tuple
        Group, first and last user of every number.
    """

    work: Work
    groups: list[np.ndarray]
    tasks: list[tuple[int, int, int]]

    def done(self, number: int) -> bool:
        """Whether those of a number were found before."""
        return self.work.has("nearest", number)

    def __call__(self, number: int) -> None:
        """Find those of some users."""
        group, first, last = self.tasks[number]
        sketch = self.work.load("sketch", mapped=True)
        found = nearest_in_group(self.work.log, sketch, self.groups[group], first, last)
        self.work.save(found, "nearest", number)

    def collected(self) -> np.ndarray:
        """Put together what all numbers found, shape (U,)."""
        nearest = np.zeros(self.work.log.num_users, dtype=np.float32)
        for number, (group, first, last) in enumerate(self.tasks):
            nearest[self.groups[group][first:last]] = self.work.load("nearest", number)
        return nearest
