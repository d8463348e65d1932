"""The sum over workers of gradients that touch some rows of some tables, once a step.

A worker has a gradient for the rows that its share of the batch reads. What is sent follows these
rows and not the tables: all of a worker's rows, of all tables, go in one message, gathered by all::

    number of rows of each table | table 1: row number and gradient, room_1 rows | table 2: ...

Messages must be equally long, so there is room for as many rows as the busiest worker had so far in
the epoch, and a little more; of an epoch's first batch the numbers go ahead. Where a batch has
more, the rest follows in a second message.

Gathering costs each worker W - 1 messages. Summing whole tables by rings costs less than 2 tables
whatever W is, so with many workers, large batches and few items that is less; then tables go as a
whole, each row with the number of workers that touched it, since the optimiser leaves alone rows
that nobody did. Which it is depends on numbers that all workers know, and is found anew in every
epoch, so that a resumed run decides as an unbroken one.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import torch
from torch import Tensor

from dvr_ray.collective import Collective

__all__ = ["RowExchange", "Rows", "sum_rows"]

WHOLE = {torch.float32: torch.int32, torch.float64: torch.int64}
"""Row numbers travel among gradients, as whole numbers of the same size."""


class Rows(NamedTuple):
    """Distinct rows of a table, (r,), ascending, and their gradients, (r, d)."""

    rows: Tensor
    values: Tensor


class RowExchange:
    """Sums row gradients of the same tables in every step.

    Parameters
    ----------
    collective : Collective
        The group.
    sizes : sequence of int
        Rows of each table.
    """

    def __init__(self, collective: Collective, sizes: Sequence[int]) -> None:
        self._collective, self._sizes = collective, list(sizes)
        self._rooms = [0] * len(self._sizes)

    def sum(self, gradients: Sequence[Rows], begins: bool) -> list[Rows]:
        """Sum over workers.

        Parameters
        ----------
        gradients : sequence of Rows
            This worker's, one for each table; a table may have no rows.
        begins : bool
            Whether the batch is the first of its epoch; the same on all workers.

        Returns
        -------
        list of Rows
            The rows that any worker has, the same on all.
        """
        own = list(gradients)
        if self._collective.size == 1 or not own:
            return own
        if begins:
            counts = torch.tensor([len(one.rows) for one in own], device=own[0].rows.device)
            self._rooms = [0] * len(own)
            self._widen(self._collective.gather(counts))
        widths = [1 + one.values.shape[1] for one in own]
        if self._whole_is_less(widths):
            return self._whole(own, widths)
        return self._gathered(own, widths)

    def _widen(self, counts: Tensor) -> None:
        """Make room for the rows that workers have, (W, tables), and a little more."""
        for table, most in enumerate(counts.amax(0).tolist()):
            if most > self._rooms[table]:
                self._rooms[table] = min(most + most // 16, self._sizes[table])

    def _whole_is_less(self, widths: list[int]) -> bool:
        workers = self._collective.size
        message = sum(room * width for room, width in zip(self._rooms, widths, strict=True))
        whole = sum(size * width for size, width in zip(self._sizes, widths, strict=True))
        return workers * (len(widths) + message) > 2 * whole

    def _whole(self, own: list[Rows], widths: list[int]) -> list[Rows]:
        """Sum whole tables, a column beside them counts the workers that touched a row."""
        pairs = list(zip(self._sizes, widths, strict=True))
        total = own[0].values.new_zeros(sum(size * width for size, width in pairs))
        parts = torch.split(total, [size * width for size, width in pairs])
        tables = [part.view(pair) for part, pair in zip(parts, pairs, strict=True)]
        for table, (rows, values) in zip(tables, own, strict=True):
            table[rows, 0] = 1
            table[rows, 1:] = values
        self._collective.sum_(total)
        touched = [table[:, 0].nonzero()[:, 0] for table in tables]
        return [Rows(rows, table[rows, 1:]) for rows, table in zip(touched, tables, strict=True)]

    def _gathered(self, own: list[Rows], widths: list[int]) -> list[Rows]:
        """Gather rows, and sum those that several workers have."""
        packed = [torch.cat([_as_values(*one), one.values], 1) for one in own]
        rooms = list(self._rooms)
        counts, blocks = self._message(packed, rooms)
        self._widen(counts)
        if self._rooms != rooms:
            rest = [one[room:] for one, room in zip(packed, rooms, strict=True)]
            more = [new - old for new, old in zip(self._rooms, rooms, strict=True)]
            _, others = self._message(rest, more)
            blocks = [torch.cat(pair, 1) for pair in zip(blocks, others, strict=True)]
        found = []
        for block, held in zip(blocks, counts.unbind(1), strict=True):
            there = torch.arange(block.shape[1], device=held.device) < held[:, None]
            listed = block[there]
            rows = listed[:, 0].contiguous().view(WHOLE[listed.dtype]).long()
            found.append(sum_rows(rows, listed[:, 1:]))
        return found

    def _message(self, packed: list[Tensor], rooms: list[int]) -> tuple[Tensor, list[Tensor]]:
        """Send the first rows of each table: all workers' counts (W, tables), and (W, room, 1 + d).

        What a worker has beyond the room isn't sent, but counts.
        """
        like = packed[0]
        counts = like.new_tensor([len(one) for one in packed], dtype=WHOLE[like.dtype])
        shapes = [(room, one.shape[1]) for room, one in zip(rooms, packed, strict=True)]
        sent = like.new_zeros(len(packed) + sum(room * width for room, width in shapes))
        head, *parts = torch.split(sent, [len(packed), *(r * width for r, width in shapes)])
        head.copy_(counts.view(like.dtype))
        for part, shape, one in zip(parts, shapes, packed, strict=True):
            part.view(shape)[: len(one)] = one[: shape[0]]
        gathered = self._collective.gather(sent)
        head, *parts = torch.split(gathered, [len(packed), *(r * width for r, width in shapes)], 1)
        known = head.contiguous().view(counts.dtype).long()
        return known, [p.view(len(p), *shape) for p, shape in zip(parts, shapes, strict=True)]


def sum_rows(rows: Tensor, values: Tensor) -> Rows:
    """Sum the values (r, d) of equal rows (r,); return distinct rows, ascending, and their sums."""
    distinct, place = torch.unique(rows, return_inverse=True)
    sums = values.new_zeros(len(distinct), values.shape[1])
    return Rows(distinct, sums.index_add_(0, place, values))


def _as_values(rows: Tensor, values: Tensor) -> Tensor:
    """Row numbers as a column of the type of their values, bit by bit."""
    return rows.to(WHOLE[values.dtype]).view(values.dtype)[:, None]
