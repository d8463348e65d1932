"""Stages of a batch job on a pool of actors, by Ray Data.

The numbers of a stage are a Ray data set of one row each; an actor gets the stage once and does the
work of a number at a time. What stages find goes through files, not through Ray.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Protocol

import numpy as np

__all__ = ["ActorPool"]


class _Stage(Protocol):
    def __call__(self, number: int) -> None: ...


class _Worker:
    """An actor of the pool."""

    def __init__(self, stages: list[Any]) -> None:
        import ray
        import torch

        # Workers share the CPUs; one that takes them all slows the others down.
        torch.set_num_threads(1)
        self._stage: _Stage = ray.get(stages[0])

    def __call__(self, batch: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
        for number in batch["number"].tolist():
            self._stage(number)
        return batch


class ActorPool:
    """Runs stages on workers of a cluster that this process is connected to.

    Parameters
    ----------
    workers : int
        Actors, with one CPU each.
    verbose : bool
        Whether Ray Data's own progress is shown.
    """

    def __init__(self, workers: int, *, verbose: bool = False) -> None:
        self._workers, self._verbose = workers, verbose

    def run(self, stage: _Stage, numbers: list[int]) -> Iterator[int]:
        """Run a stage for some numbers and yield each when it is done, in any order.

        Parameters
        ----------
        stage : callable
            Takes a number; goes to the actors by pickle.
        numbers : list of int
            Each is done once; one whose actor dies is done again by another.

        Raises
        ------
        DvrRayError
            What the stage raised, as it was raised there.
        """
        if not numbers:
            return
        import ray.data
        from ray.exceptions import RayTaskError

        self._hush()
        shared = ray.put(stage)
        rows = ray.data.from_items(
            [{"number": number} for number in numbers], override_num_blocks=len(numbers)
        )
        done = rows.map_batches(
            _Worker,
            # Within a list, since Ray warns that an actor whose very arguments are shared can't be
            # started again; this process holds them until the stage is done.
            fn_constructor_args=([shared],),
            batch_size=1,
            compute=ray.data.ActorPoolStrategy(size=min(self._workers, len(numbers))),
            num_cpus=1,
        )
        try:
            for row in done.iter_rows():
                yield int(row["number"])
        except RayTaskError as error:
            raise _cause(error) from error

    def _hush(self) -> None:
        import logging

        from ray.data import DataContext

        context = DataContext.get_current()
        context.enable_progress_bars = self._verbose
        context.print_on_execution_start = False
        if not self._verbose:
            logging.getLogger("ray.data").setLevel(logging.ERROR)


def _cause(error: Any) -> BaseException:
    """Return the first of an error's causes that is ours, or the error itself."""
    from dvr_ray.errors import DvrRayError

    seen: BaseException | None = error
    while seen is not None:
        if isinstance(seen, DvrRayError):
            return seen
        seen = getattr(seen, "cause", None) or seen.__cause__
    return error  # type: ignore[no-any-return]
