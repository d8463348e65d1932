"""What passes between a group of workers and whoever asks it for runs: requests in, rows out.

The class of one Ray actor. Workers wait in it between runs, and after each row until that row was
taken, so a run that is stopped there doesn't train on, and all workers stop after the same row.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from dvr_ray.errors import DvrRayError

__all__ = ["Mailbox", "News"]


@dataclass(frozen=True)
class News:
    """What a run has to tell: a row, or else its end, perhaps with an error."""

    row: dict[str, Any] | None = None
    error: DvrRayError | None = None


@dataclass
class _Run:
    request: bytes
    row: dict[str, Any] | None = None  # was told and isn't taken yet
    taken: int = 0  # epoch of the last row that was taken
    over: bool = False
    error: DvrRayError | None = None


class Mailbox:
    """Numbers runs from 0; workers serve them in this order.

    Requests are pickled by whoever sends them: unpickling them here would import torch.
    """

    def __init__(self) -> None:
        self._runs: list[_Run] = []
        self._closed = False
        self._changed = asyncio.Condition()

    async def submit(self, request: bytes) -> int:
        """Take a run; return its number."""
        async with self._changed:
            self._runs.append(_Run(request))
            self._changed.notify_all()
            return len(self._runs) - 1

    async def request(self, number: int) -> bytes | None:
        """Wait for a run; None when there will be no more."""
        await self._until(lambda: self._closed or number < len(self._runs))
        return None if self._closed else self._runs[number].request

    async def report(self, number: int, epoch: int, row: dict[str, Any] | None) -> bool:
        """Wait until a row was taken; every worker calls it, and one of them brings the row.

        Returns
        -------
        bool
            Whether the run goes on, the same for all workers; else it was stopped here.
        """
        run = self._runs[number]
        if row is not None and epoch > run.taken:
            async with self._changed:
                run.row = row
                self._changed.notify_all()
        await self._until(lambda: run.taken >= epoch or run.over)
        return run.taken >= epoch

    async def news(self, number: int) -> News:
        """Wait for the next row or the end; to ask again is to have taken the row before."""
        run = self._runs[number]
        if run.row is not None:
            async with self._changed:
                run.taken, run.row = run.row["epoch"], None
                self._changed.notify_all()
        await self._until(lambda: run.row is not None or run.over)
        return News(error=run.error) if run.over else News(row=run.row)

    async def end(self, number: int, error: DvrRayError | None = None) -> None:
        """Take the end of a run, from its workers or from outside; the first one counts."""
        async with self._changed:
            run = self._runs[number]
            if not run.over:
                run.over, run.error = True, error
                self._changed.notify_all()

    async def close(self) -> None:
        """Stop what runs and let the workers go."""
        async with self._changed:
            self._closed = True
            for run in self._runs:
                run.over = True
            self._changed.notify_all()

    async def _until(self, true: Callable[[], bool]) -> None:
        async with self._changed:
            await self._changed.wait_for(true)
