"""Ray's tasks in this process, for studies of a second."""

from __future__ import annotations

import sys
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import pytest

from dvr_ray.distributed.capacity import Cluster, Node


class RayError(Exception):
    """What a failed task raises."""


class _Task:
    def __init__(self, work: Callable[..., Any], words: tuple[Any, ...]) -> None:
        self.found: Any = None
        self.error: Exception | None = None
        try:
            self.found = work(*words)
        except Exception as error:
            self.error = error


def _get(task: _Task) -> Any:
    if task.error is not None:
        raised = RayError(str(task.error))
        raised.cause = task.error  # type: ignore[attr-defined]
        raise raised
    return task.found


def without_ray(monkeypatch: pytest.MonkeyPatch) -> None:
    """Run every task at once where it is started."""

    def remote(**resources: Any) -> Callable[..., Any]:
        return lambda work: SimpleNamespace(remote=lambda *words: _Task(work, words))

    fake = SimpleNamespace(
        remote=remote, get=_get, wait=lambda tasks: (tasks[:1], tasks[1:]),
        exceptions=SimpleNamespace(RayError=RayError),
    )  # fmt: skip
    monkeypatch.setitem(sys.modules, "ray", fake)  # type: ignore[arg-type]
    monkeypatch.setattr("dvr_ray.studies.runner.connect", lambda *words: Cluster((Node(2),)))
    monkeypatch.setattr("dvr_ray.studies.runner.disconnect", lambda: None)
