"""What features of a block ask of the whole log, found in stages whose memory is bounded.

The log's sums and profiles take one walk each. The nearest other list of every user, and cosines,
percentiles and bursts of the rows of every item, are stages of their own: what is found of rows by
item is left in files sorted by block, from which a block picks up its rows.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cached_property
from typing import ClassVar

import numpy as np

from dvr_ray.data.attributes import ATTRIBUTES, category_numbers, group_numbers
from dvr_ray.data.catalogue import KnownCatalogue
from dvr_ray.data.compact import CompactLog
from dvr_ray.data.features import FEATURES, WholeLog
from dvr_ray.data.features.item_blocks import item_blocks
from dvr_ray.data.features.moments import around, window
from dvr_ray.data.features.nearest import groups, nearest_in_group, projected
from dvr_ray.data.features.percentiles import ItemRankings, UserRankings
from dvr_ray.data.features.sampled import ListSums, row_cosines
from dvr_ray.data.interactions import user_parts
from dvr_ray.errors import DataError
from dvr_ray.inference.work import Work

__all__ = ["BY_ITEM", "ItemRows", "Nearest", "needed", "prepare_items", "prepare_nearest"]

BY_ITEM = ("item_sum", "item_top", "user_mean", "percentile", "around")
"""Columns that are found by item."""
TASK_ROWS, TASK_USERS, PART_ROWS = 1 << 18, 1 << 13, 1 << 21


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
        for name, column in ATTRIBUTES.items():
            known = column in catalogue.user_table
            owner = (
                group_numbers(catalogue.user_table[column]) if known else np.full(log.num_users, -1)
            )
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
    """Stage: the largest cosine of users with others.

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
    name: ClassVar[str] = "nearest lists"

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


def prepare_items(work: Work, needs: set[str], reach: float) -> ItemRows:
    """Sum up lists, draw what rankings are sampled by, and cut the items into tasks."""
    log = work.log
    if "percentiles" in needs and not work.has("item profile"):
        for side, rankings in (("user", UserRankings), ("item", ItemRankings)):
            made = rankings.of(log)
            work.save(np.stack([made.chosen, made.weight]), f"{side} sample")
            work.save(made.profile, f"{side} profile")
            del made
    tasks: list[list[np.ndarray]] = [[]]
    size = 0
    for ids in item_blocks(log):
        tasks[-1].append(ids)
        size += int(log.item_counts[ids].sum())
        if size > TASK_ROWS:
            tasks.append([])
            size = 0
    return ItemRows(work, needs, reach, ListSums.of(log), [task for task in tasks if task])


@dataclass(eq=False)
class ItemRows:
    """Stage: what is found of the rows of items; `BY_ITEM`, those that are needed.

    Parameters
    ----------
    work : Work
        Holds the samples that rankings are made of.
    needs : set of str
        As `needed` returns.
    reach : float
        How far "at about the same time" reaches.
    sums : ListSums
        Of the log.
    tasks : list of list of ndarray
        Blocks of items of every number.
    """

    work: Work
    needs: set[str]
    reach: float
    sums: ListSums
    tasks: list[list[np.ndarray]]
    name: ClassVar[str] = "rows by item"
    columns: tuple[str, ...] = field(init=False)

    def __post_init__(self) -> None:
        asked = {
            "item_sum": "cosines", "item_top": "cosines", "user_mean": "cosines",
            "percentile": "percentiles", "around": "around_items",
        }  # fmt: skip
        self.columns = tuple(name for name in BY_ITEM if asked[name] in self.needs)

    @cached_property
    def _rankings(self) -> ItemRankings:
        chosen, weight = self.work.load("item sample")
        profile = self.work.load("item profile", mapped=True)
        return ItemRankings(profile, chosen.astype(np.int64), weight.astype(np.float32))

    def done(self, number: int) -> bool:
        """Whether those of a number were found before."""
        return self.work.has("by item", number)

    def __call__(self, number: int) -> None:
        """Find those of some items, and leave them sorted by block."""
        blocks, log = self.work.blocks, self.work.log
        found = [self._found(ids) for ids in self.tasks[number]]
        rows = np.concatenate([part[0] for part in found])
        columns = np.concatenate([part[1] for part in found], axis=1)
        items = np.concatenate([part[2] for part in found], axis=1)
        users = log.users_of(rows)
        order = np.argsort(blocks.number[users], kind="stable")
        users, rows = users[order], rows[order]
        packed = np.empty((len(rows), 1 + len(columns)), dtype=np.int32)
        packed[:, 0] = blocks.first[users] + rows - log.user_offsets[users]
        packed[:, 1:] = columns[:, order].T.view(np.int32)
        ends = np.searchsorted(blocks.number[users], np.arange(len(blocks) + 1))
        self.work.save(ends, "by item ends", number)
        self.work.save(items, "items", number)
        self.work.save(packed, "by item", number)

    def _found(self, ids: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Rows (r,), columns (k, r), and coherence and largest share (2, b) of a block of items."""
        log, columns = self.work.log, dict[str, np.ndarray]()
        items = np.zeros((2, len(ids)))
        rows, owners = ItemRankings.owners(log, ids)
        if "cosines" in self.needs:
            members, block = row_cosines(log, ids, self.sums)
            place = np.argsort(members)
            there = np.searchsorted(members, rows, sorter=place)
            columns.update(zip(BY_ITEM, block.rows[:, place[there]], strict=False))
            items = np.stack([block.item_coherence, block.largest_share])
        if "percentiles" in self.needs:
            columns["percentile"] = self._rankings.percentiles(owners, columns["item_sum"])
        if "around_items" in self.needs:
            slots = np.repeat(np.arange(len(ids)), np.diff(owners.indptr))
            columns["around"] = around(slots, log.extra("time", rows), self.reach)
        chosen = [columns[name].astype(np.float32) for name in self.columns]
        return rows, np.stack(chosen), items

    def collected(self) -> np.ndarray:
        """Put together coherence and largest share of all items, shape (2, I)."""
        found = np.zeros((2, self.work.log.num_items))
        for number, task in enumerate(self.tasks):
            found[:, np.concatenate(task)] = self.work.load("items", number)
        return found

    def of_block(self, number: int) -> dict[str, np.ndarray]:
        """Pick up the columns of a block's rows, (n,) each."""
        rows = int(self.work.blocks.rows[number])
        found = np.zeros((rows, len(self.columns)), dtype=np.int32)
        for task in range(len(self.tasks)):
            start, stop = self.work.load("by item ends", task)[number : number + 2]
            packed = np.array(self.work.load("by item", task, mapped=True)[start:stop])
            found[packed[:, 0]] = packed[:, 1:]
        columns = np.ascontiguousarray(found.T).view(np.float32)
        return dict(zip(self.columns, columns, strict=True))
