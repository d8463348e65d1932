"""What passes between groups of workers and whoever asks them for runs: requests in, rows out.

The class of one Ray actor. A worker waits here between runs, and after each row until that row was
taken: a run that is stopped then doesn't train on, and all its workers stop after the same row.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import Any

from dvr_ray.errors import DvrRayError, RunError

__all__ = ["Mailbox", "Needs", "News", "Notice", "Task"]


@dataclass(frozen=True)
class Task:
    """A run for the workers of a group.

    Parameters
    ----------
    number : int
        Its number.
    request : bytes
        The pickled request.
    replay : bool
        Whether it was begun before, by a group that was lost.
    """

    number: int
    request: bytes
    replay: bool


@dataclass(frozen=True)
class News:
    """What a run has to tell: a row, or else its end, perhaps with an error."""

    row: dict[str, Any] | None = None
    error: DvrRayError | None = None


@dataclass(frozen=True)
class Notice:
    """What happened to the workers of a run.

    Parameters
    ----------
    folder : str
        Of the run.
    text : str
        What happened.
    next : str
        How the run goes on, where its workers were lost; "" where they are fewer.
    node : str
        Id of the node that takes them away, if it was given notice.
    """

    folder: str
    text: str
    next: str = ""
    node: str = ""

    def __str__(self) -> str:
        return f"{self.text}; {self.next}" if self.next else self.text


@dataclass(frozen=True)
class Needs:
    """What whoever keeps the groups should know.

    Parameters
    ----------
    groups : int or None
        How many more there is work for; None when there will be no more work.
    notices : list of Notice
        What happened to the workers of runs, since the last look.
    """

    groups: int | None
    notices: list[Notice]


@dataclass
class _Run:
    folder: str
    request: bytes
    group: str = ""  # which has it; "" while it waits
    tries: int = 0
    row: dict[str, Any] | None = None  # waits for whoever asks
    told: int = 0  # epoch of the last row that was handed out
    taken: int = 0  # the same, of the last row after which more was asked for
    over: bool = False
    error: DvrRayError | None = None

    @property
    def waits(self) -> bool:
        return not self.group and not self.over

    def end(self, error: DvrRayError | None) -> None:
        """The first end counts."""
        if not self.over:
            self.over, self.error = True, error


class Mailbox:
    """A queue of runs.

    Requests are pickled by whoever sends them: unpickling them here would import torch.

    Parameters
    ----------
    tries : int
        How often a run is begun before it is given up, because groups are lost over it.
    workers : int
        Workers of a whole group.
    """

    def __init__(self, tries: int, workers: int) -> None:
        self._tries, self._workers = tries, workers
        self._runs: list[_Run] = []
        self._turns: dict[str, list[int]] = {}  # numbers of the runs that a group took
        self._nodes: dict[str, set[str]] = {}  # where the workers of a group are
        self._leaving: set[str] = set()  # nodes that were given notice
        self._relieved: set[str] = set()  # groups that were
        self._notices: list[Notice] = []
        self._closed = False
        self._changed = asyncio.Condition()

    # Called by whoever wants a run.

    async def submit(self, folder: str, request: bytes) -> int:
        """Take a run; return its number."""
        async with self._changed:
            self._runs.append(_Run(folder, request))
            self._changed.notify_all()
            return len(self._runs) - 1

    async def news(self, number: int) -> News:
        """Wait for the next row or the end; to ask again is to have taken the row before."""
        run = self._runs[number]
        async with self._changed:
            run.taken = run.told
            self._changed.notify_all()
            await self._changed.wait_for(lambda: run.row is not None or run.over)
            if run.over or run.row is None:
                return News(error=run.error)
            row, run.row = run.row, None
            run.told = row["epoch"]
            return News(row)

    async def end(self, number: int, error: DvrRayError | None = None) -> None:
        """Take the end of a run, from its workers or from whoever asked for it."""
        await self._end([self._runs[number]], error)

    async def drop(self, folder: str | None = None) -> None:
        """Stop the runs of a folder, or all, since nobody asks for them any more."""
        await self._end([r for r in self._runs if folder in (None, r.folder)], None)

    async def close(self) -> None:
        """Stop all runs and let all workers go."""
        self._closed = True
        await self.drop()

    # Called by whoever keeps the groups.

    async def needs(self, groups: list[str]) -> Needs:
        """Tell how many groups there is work for beside those that live, and what happened."""
        notices, self._notices = self._notices, []
        if self._closed:
            return Needs(None, notices)
        busy = {run.group for run in self._runs if not run.over}
        idle = sum(group not in busy and not self._lets_go(group) for group in groups)
        return Needs(max(0, sum(run.waits for run in self._runs) - idle), notices)

    async def relieve(self, group: str) -> None:
        """Let a group go after the run that it has."""
        async with self._changed:
            self._relieved.add(group)
            self._changed.notify_all()

    async def leave(self, nodes: set[str]) -> None:
        """Take which nodes were given notice: groups there let go of their runs at the next row."""
        async with self._changed:
            self._leaving |= nodes
            self._changed.notify_all()

    async def lost(self, group: str, cause: str) -> None:
        """Have another group go on with what this one had.

        A group that is lost before it took anything counts for the run that waited for it, so that
        workers which can't be started aren't started for ever. One on a node that was given notice
        doesn't count.
        """
        async with self._changed:
            leaves = self._departs(group)
            if group in self._turns:
                open_runs = [run for run in self._runs if run.group == group and not run.over]
            else:
                open_runs = [run for run in self._runs if run.waits][:1]
                for run in open_runs:
                    run.tries += 1
            for run in open_runs:
                run.group = ""
                run.tries -= bool(leaves)
                if run.tries >= self._tries:
                    rule = f"its workers were lost {run.tries} times, as when memory runs out"
                    run.end(RunError(run.folder, f"{rule} or a node dies ({cause})"))
                    continue
                begun = "goes on from its last checkpoint" if run.told else "begins again"
                self._notices.append(
                    Notice(
                        run.folder, f"lost workers: {cause}", f"it {begun}", min(leaves, default="")
                    )
                )
            self._changed.notify_all()

    # Called by all workers of a group alike.

    async def take(self, group: str, turn: int, workers: int, node: str = "") -> Task | None:
        """Wait for a group's next run, the same for all its workers; None when there is no more."""
        turns = self._turns.setdefault(group, [])
        self._nodes.setdefault(group, set()).add(node)
        async with self._changed:
            await self._changed.wait_for(
                lambda: (
                    self._closed
                    or turn < len(turns)
                    or self._lets_go(group)
                    or any(run.waits for run in self._runs)
                )
            )
            if self._closed or (turn == len(turns) and self._lets_go(group)):
                return None
            if turn == len(turns):
                turns.append(next(n for n, run in enumerate(self._runs) if run.waits))
                taken = self._runs[turns[turn]]
                taken.group, taken.tries = group, taken.tries + 1
                if workers < self._workers:
                    self._notices.append(Notice(taken.folder, _fewer(workers, self._workers)))
            run = self._runs[turns[turn]]
            return Task(turns[turn], run.request, run.told > 0)

    async def report(self, number: int, epoch: int, row: dict[str, Any] | None) -> bool | None:
        """Wait until a row was taken; one of the workers brings it.

        Returns
        -------
        bool or None
            Whether the run goes on, the same for all workers; else it was stopped here. None where
            another group is to go on with it.
        """
        run = self._runs[number]
        async with self._changed:
            if row is not None and epoch > run.told:
                run.row = row
                self._changed.notify_all()
            await self._changed.wait_for(lambda: run.taken >= epoch or run.over)
            if run.taken >= epoch and not run.over and self._departs(run.group):
                return None
            return run.taken >= epoch

    def _departs(self, group: str) -> set[str]:
        """Nodes of a group that were given notice."""
        return self._nodes.get(group, set()) & self._leaving

    def _lets_go(self, group: str) -> bool:
        """Whether a group takes no more runs."""
        return group in self._relieved or bool(self._departs(group))

    async def _end(self, runs: list[_Run], error: DvrRayError | None) -> None:
        async with self._changed:
            for run in runs:
                run.end(error)
            self._changed.notify_all()


def _fewer(workers: int, whole: int) -> str:
    return (
        f"fewer workers: {workers} instead of {whole}, there is no room for more; "
        "only the order of sums changes"
    )
