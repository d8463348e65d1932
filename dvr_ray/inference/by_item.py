"""What is found of rows by item, and left in files sorted by block."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cached_property
from typing import ClassVar

import numpy as np

from dvr_ray.data.features.item_blocks import item_blocks
from dvr_ray.data.features.moments import around
from dvr_ray.data.features.percentiles import ItemRankings, UserRankings
from dvr_ray.data.features.sampled import ListSums, row_cosines
from dvr_ray.inference.statistics import Nearest
from dvr_ray.inference.work import Work

__all__ = ["BY_ITEM", "ItemRows", "WholeLogFindings", "prepare_items"]

BY_ITEM = ("item_sum", "item_top", "user_mean", "percentile", "around")
"""Columns that are found by item."""
TASK_ROWS = 1 << 18


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
    found = ItemRows(work, needs, reach, ListSums.of(log), [task for task in tasks if task])
    found.tasks = found.tasks if found.columns else []
    return found


@dataclass(eq=False)
class ItemRows:
    """What is found of the rows of items, some items at a time; of `BY_ITEM` what is needed.

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

    @cached_property
    def _ends(self) -> np.ndarray:
        """Where each block's rows end in the file of every task, shape (tasks, blocks + 1)."""
        return np.stack([self.work.load("by item ends", task) for task in range(len(self.tasks))])

    def of_block(self, number: int) -> dict[str, np.ndarray]:
        """Pick up the columns of a block's rows, (n,) each."""
        rows = int(self.work.blocks.rows[number])
        found = np.zeros((rows, len(self.columns)), dtype=np.int32)
        for task in range(len(self.tasks)):
            start, stop = self._ends[task, number : number + 2]
            packed = np.array(self.work.load("by item", task, mapped=True)[start:stop])
            found[packed[:, 0]] = packed[:, 1:]
        columns = np.ascontiguousarray(found.T).view(np.float32)
        return dict(zip(self.columns, columns, strict=True))


@dataclass(eq=False)
class WholeLogFindings:
    """Stage: what blocks ask of the whole log, by user and by item.

    Both kinds of work stand in one list, so that workers start once.

    Parameters
    ----------
    nearest : Nearest or None
        Lists like a user's, where they are needed.
    by_item : ItemRows
        Rows by item.
    """

    nearest: Nearest | None
    by_item: ItemRows
    name: ClassVar[str] = "whole log"

    def __len__(self) -> int:
        """Return how many numbers there are."""
        return self._users + len(self.by_item.tasks)

    @property
    def _users(self) -> int:
        return 0 if self.nearest is None else len(self.nearest.tasks)

    def _of(self, number: int) -> tuple[Nearest | ItemRows, int]:
        if self.nearest is not None and number < self._users:
            return self.nearest, number
        return self.by_item, number - self._users

    def done(self, number: int) -> bool:
        """Whether the work of a number was done before."""
        part, place = self._of(number)
        return part.done(place)

    def __call__(self, number: int) -> None:
        """Do the work of a number."""
        part, place = self._of(number)
        part(place)
