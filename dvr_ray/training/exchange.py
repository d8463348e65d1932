"""The sum over workers of gradients that touch some rows of some tables, once a step.

A worker has a gradient for the rows that its share of the batch reads. What is sent follows these
rows and not the tables: all of a worker's rows, of all tables, go in one message, gathered by all::

    rows of each table | table 1: room for row numbers, room for their gradients | table 2: ...

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
from torch.nn.functional import embedding_bag

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
        return self._gathered(own)

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

    def _gathered(self, own: list[Rows]) -> list[Rows]:
        """Gather rows, and sum those that several workers have."""
        parts = [part for one in own for part in (_as_values(one), one.values)]
        rooms = list(self._rooms)
        counts, blocks = self._message(parts, rooms)
        self._widen(counts)
        if self._rooms != rooms:
            first = [room for room in rooms for _ in range(2)]
            rest = [part[room:] for part, room in zip(parts, first, strict=True)]
            more = [new - old for new, old in zip(self._rooms, rooms, strict=True)]
            _, others = self._message(rest, more)
            blocks = [torch.cat(pair, 1) for pair in zip(blocks, others, strict=True)]
        found = []
        for numbers, values, held in zip(blocks[::2], blocks[1::2], counts.unbind(1), strict=True):
            there = torch.arange(values.shape[1], device=held.device) < held[:, None]
            rows = numbers[there].view(WHOLE[values.dtype])[:, 0].long()
            found.append(sum_rows(rows, values[there]))
        return found

    def _message(self, parts: list[Tensor], rooms: list[int]) -> tuple[Tensor, list[Tensor]]:
        """Send the first rows of each table: all workers' counts (W, tables), and (W, room, ...).

        What a worker has beyond the room isn't sent, but counts. Parts are row numbers and values
        of each table in turn.
        """
        like = parts[0]
        counts = like.new_tensor([len(part) for part in parts[::2]], dtype=WHOLE[like.dtype])
        shapes = [(rooms[place // 2], part.shape[1]) for place, part in enumerate(parts)]
        lengths = [len(counts), *(room * width for room, width in shapes)]
        sent = like.new_zeros(sum(lengths))
        head, *places = torch.split(sent, lengths)
        head.copy_(counts.view(like.dtype))
        for place, shape, part in zip(places, shapes, parts, strict=True):
            place.view(shape)[: len(part)] = part[: shape[0]]
        head, *places = torch.split(self._collective.gather(sent), lengths, 1)
        known = head.contiguous().view(counts.dtype).long()
        return known, [p.view(len(p), *shape) for p, shape in zip(places, shapes, strict=True)]


def sum_rows(rows: Tensor, values: Tensor) -> Rows:
    """Sum the values (r, d) of equal rows (r,); return distinct rows, ascending, and their sums."""
    # By bags of sorted rows: index_add_ takes 2 to 5 times as long.
    ordered, order = rows.sort(stable=True)
    distinct, counts = torch.unique_consecutive(ordered, return_counts=True)
    return Rows(distinct, embedding_bag(order, values, counts.cumsum(0) - counts, mode="sum"))


def _as_values(one: Rows) -> Tensor:
    """Row numbers as a column of the type of their values, bit by bit."""
    return one.rows.to(WHOLE[one.values.dtype]).view(one.values.dtype)[:, None]
