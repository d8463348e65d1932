"""Runs pass between askers and groups of two workers; no Ray, the actor's methods alone."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from typing import Any

import pytest

from dvr_ray.distributed.mailbox import Mailbox, Needs, News, Notice
from dvr_ray.errors import RunError


class _Test:
    """A mailbox, and what is waiting in it."""

    def __init__(self, tries: int = 3) -> None:
        self.box = Mailbox(tries, 2)

    async def waits(self, *calls: Coroutine[Any, Any, Any]) -> list[asyncio.Task[Any]]:
        """Begin calls that must not return by themselves."""
        tasks = [asyncio.ensure_future(call) for call in calls]
        await asyncio.sleep(0.01)
        assert not any(task.done() for task in tasks)
        return tasks

    async def told(self, number: int, epoch: int) -> list[asyncio.Task[Any]]:
        """Have both workers bring the row of an epoch."""
        return await self.waits(
            self.box.report(number, epoch, {"epoch": epoch}), self.box.report(number, epoch, None)
        )


def test_all_workers_of_a_group_take_the_same_run() -> None:
    async def go() -> None:
        test = _Test()
        waiting = await test.waits(test.box.take("a", 0, 2), test.box.take("a", 0, 2))
        assert await test.box.submit("one", b"1") == 0
        assert await test.box.submit("two", b"2") == 1
        assert [(await task).request for task in waiting] == [b"1", b"1"]
        assert (await test.box.take("b", 0, 2)).request == b"2"  # type: ignore[union-attr]
        await test.waits(test.box.take("a", 1, 2), test.box.take("b", 1, 2))

    asyncio.run(go())


def test_workers_go_on_when_their_row_was_taken() -> None:
    async def go() -> None:
        test = _Test()
        await test.box.submit("one", b"")
        await test.box.take("a", 0, 2)
        rows = await test.told(0, 1)
        assert await test.box.news(0) == News({"epoch": 1})
        assert not any(task.done() for task in rows)
        (asked,) = await test.waits(test.box.news(0))
        assert [await task for task in rows] == [True, True]
        await test.box.end(0)
        assert await asked == News()

    asyncio.run(go())


def test_a_group_with_notice_lets_go_and_another_goes_on() -> None:
    """After the row that was taken; it counts as no try, and the group takes nothing more."""

    async def go() -> None:
        test = _Test(tries=1)
        await test.box.submit("one", b"")
        assert await test.box.take("a", 0, 2, "here") and await test.box.take("a", 0, 2, "doomed")
        rows = await test.told(0, 1)
        await test.box.news(0)
        await test.box.leave({"doomed"})
        assert not any(task.done() for task in rows)
        (asked,) = await test.waits(test.box.news(0))
        assert [await task for task in rows] == [None, None]
        assert await test.box.take("a", 1, 2, "here") is None
        await test.box.lost("a", "moved")
        (notice,) = (await test.box.needs([])).notices
        assert (notice.folder, notice.node) == ("one", "doomed")
        task = await test.box.take("b", 0, 2, "elsewhere")
        assert task is not None and task.replay
        await test.box.end(0)
        assert await asked == News()

    asyncio.run(go())


def test_a_stopped_run_stops_all_workers_at_the_same_row() -> None:
    """A slow worker that brings an older row, which was taken, goes on to the last one."""

    async def go() -> None:
        test = _Test()
        await test.box.submit("one", b"")
        await test.box.take("a", 0, 2)
        (first,) = await test.waits(test.box.report(0, 1, {"epoch": 1}))
        await test.box.news(0)
        await test.waits(test.box.news(0))
        assert await first
        (second,) = await test.waits(test.box.report(0, 2, {"epoch": 2}))
        await test.box.drop("other")
        assert not second.done()
        await test.box.drop("one")
        assert await second is False
        assert await test.box.report(0, 1, None) is True
        assert await test.box.report(0, 2, None) is False
        await test.box.submit("next", b"next")
        assert (await test.box.take("a", 1, 2)).number == 1  # type: ignore[union-attr]

    asyncio.run(go())


def test_another_group_goes_on_and_no_row_is_told_twice() -> None:
    async def go() -> None:
        test = _Test()
        await test.box.submit("one", b"")
        task = await test.box.take("a", 0, 2)
        assert task is not None and not task.replay
        await test.told(0, 3)
        await test.box.news(0)
        (asked,) = await test.waits(test.box.news(0))
        await test.box.lost("a", "killed")
        needs = await test.box.needs([])
        assert needs == Needs(
            1, [Notice("one", "lost workers: killed", "it goes on from its last checkpoint")]
        )
        task = await test.box.take("b", 0, 2)
        assert task is not None and task.replay
        assert await test.box.report(0, 2, {"epoch": 2}) and await test.box.report(0, 3, {})
        assert not asked.done()
        await test.told(0, 4)
        assert (await asked).row == {"epoch": 4}
        await test.box.lost("b", "killed")
        await test.box.take("c", 0, 2)
        await test.told(0, 4)  # was handed out, and nothing more asked for
        (asked,) = await test.waits(test.box.news(0))
        await test.told(0, 5)
        assert (await asked).row == {"epoch": 5}

    asyncio.run(go())


@pytest.mark.parametrize("started", [True, False])
def test_a_run_that_loses_its_groups_is_given_up(started: bool) -> None:
    """Workers that can't be started at all count too; a run that waits behind is spared."""

    async def go() -> None:
        test = _Test(tries=2)
        await test.box.submit("one", b"")
        await test.box.submit("two", b"")
        for group in ("a", "b"):
            if started:
                await test.box.take(group, 0, 2)
            await test.box.lost(group, "no memory")
        error = (await test.box.news(0)).error
        assert isinstance(error, RunError) and error.place == "one"
        assert "lost 2 times" in error.rule and "no memory" in error.rule
        told = [notice.folder for notice in (await test.box.needs([])).notices]
        assert told == ["one"], "the second loss is told by the error"
        assert (await test.box.take("c", 0, 2)).number == 1  # type: ignore[union-attr]

    asyncio.run(go())


def test_an_idle_group_that_is_lost_counts_for_nobody() -> None:
    async def go() -> None:
        test = _Test(tries=1)
        idle = await test.waits(test.box.take("a", 0, 2))
        await test.box.lost("a", "killed")
        idle[0].cancel()
        await test.box.submit("one", b"")
        await test.box.lost("a", "killed")
        assert (await test.box.take("b", 0, 2)).number == 0  # type: ignore[union-attr]

    asyncio.run(go())


def test_the_first_end_counts_and_closing_lets_all_go() -> None:
    async def go() -> None:
        test = _Test()
        await test.box.submit("one", b"")
        await test.box.take("a", 0, 2)
        error = RunError("one", "failed")
        await test.box.end(0, error)
        await test.box.end(0)
        await test.box.close()
        assert (await test.box.news(0)).error is error
        assert await test.box.take("a", 1, 2) is None
        assert (await test.box.needs([])).groups is None

    asyncio.run(go())


def test_groups_are_missed_where_no_idle_one_waits() -> None:
    async def go() -> None:
        test = _Test()
        assert (await test.box.needs([])).groups == 0
        await test.box.submit("one", b"")
        await test.box.submit("two", b"")
        assert [(await test.box.needs(live)).groups for live in ([], ["a"], ["a", "b"])] == [
            2,
            1,
            0,
        ]
        await test.box.take("a", 0, 2)
        assert [(await test.box.needs(live)).groups for live in (["a"], ["a", "b"])] == [1, 0]

    asyncio.run(go())


def test_a_small_group_tells_and_leaves_after_its_run() -> None:
    async def go() -> None:
        test = _Test()
        await test.box.submit("one", b"")
        await test.box.submit("two", b"")
        assert await test.box.take("a", 0, 1) is not None
        (notice,) = (await test.box.needs(["a"])).notices
        assert notice.folder == "one" and not notice.next
        assert str(notice).startswith("fewer workers: 1 instead of 2")
        await test.box.relieve("a")
        assert await test.box.take("a", 0, 1) is not None, "a slow worker has the open turn"
        await test.box.end(0)
        assert await test.box.take("a", 1, 1) is None
        assert (await test.box.needs(["a"])).groups == 1

    asyncio.run(go())
