"""A group of workers that are threads of this process: no start, and all is seen from outside."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from threading import Barrier
from typing import TypeVar

import torch
from torch import Tensor

from dvr_ray.collective import Collective, Traffic

__all__ = ["run_threads"]

Result = TypeVar("Result")


class _Table:
    """Where workers put what they hold."""

    def __init__(self, size: int) -> None:
        self.barrier, self.held = Barrier(size, timeout=60), [torch.empty(0)] * size


class _Worker:
    def __init__(self, table: _Table, rank: int, size: int) -> None:
        self._table, self.rank, self.size = table, rank, size
        self.traffic = Traffic()

    def gather(self, values: Tensor) -> Tensor:
        self.traffic.gathered(values.nbytes, self.size)
        return self._all(values)

    def _all(self, values: Tensor) -> Tensor:
        self._table.held[self.rank] = values.detach().clone()
        self._table.barrier.wait()
        found = torch.stack(self._table.held)
        self._table.barrier.wait()
        return found

    def sum_(self, values: Tensor) -> Tensor:
        self.traffic.summed(values.nbytes, self.size)
        with torch.no_grad():
            return values.copy_(self._all(values).sum(0))

    def sum(self, values: Tensor) -> Tensor:
        raise NotImplementedError


def run_threads(work: Callable[[Collective], Result], size: int) -> list[Result]:
    """Let W workers do something; return what each returns, by rank."""
    table = _Table(size)

    def one(rank: int) -> Result:
        try:
            return work(_Worker(table, rank, size))
        except BaseException:
            table.barrier.abort()
            raise

    with ThreadPoolExecutor(size) as pool:
        return [*pool.map(one, range(size))]
