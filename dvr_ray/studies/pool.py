"""Runs side by side as Ray tasks; what has a record already isn't run again."""

from __future__ import annotations

from collections import deque
from collections.abc import Collection, Mapping, Sequence
from pathlib import Path
from typing import Any

from dvr_ray.config.schema import ResourcesConfig, RunConfig
from dvr_ray.distributed.capacity import task_options
from dvr_ray.events import Note, Tell, Warned
from dvr_ray.storage import Mirror
from dvr_ray.studies.cells import Cells, key_of
from dvr_ray.studies.planning import Estimate, length
from dvr_ray.studies.work import work
from dvr_ray.training.stored import Failure

__all__ = ["Pool", "measured"]

Records = dict[str, dict[str, Any]]


class Pool:
    """Trains runs and measures them.

    Parameters
    ----------
    cells : Cells
        Records are read from it and written to it.
    runs : Path
        Folders of runs, each named after its key.
    at_once : int
        How many fit side by side.
    resources : ResourcesConfig
        What a run takes.
    tell : callable
        Takes the events.
    mirror : Mirror or None
        Where copies of the runs are kept.
    """

    def __init__(
        self,
        cells: Cells,
        runs: Path,
        at_once: int,
        resources: ResourcesConfig,
        tell: Tell,
        mirror: Mirror | None = None,
    ) -> None:
        self.cells, self.runs, self.at_once = cells, runs, at_once
        self.estimate = Estimate({})
        self._resources, self._tell, self._mirror = resources, tell, mirror

    def train(self, configs: Mapping[str, RunConfig], again: Collection[str] = ()) -> Records:
        """Train what isn't trained; by what to call it.

        Parameters
        ----------
        configs : mapping of str to RunConfig
            Runs by name.
        again : collection of str
            Keys of runs whose folders are needed whatever is known of them.

        Returns
        -------
        dict of str to dict
            Records, or ``{"error": cause}`` of those that failed.
        """
        return self._records(configs, (), again)

    def measure(self, configs: Mapping[str, RunConfig], metrics: Sequence[str]) -> Records:
        """Measure trained runs on test; as `train`."""
        return self._records(configs, tuple(metrics), ())

    def probe(self, configs: Mapping[str, RunConfig]) -> list[str]:
        """Time a plain epoch of each kind of run, and return why some failed."""
        found, causes = {}, []
        tasks = {
            kind: self._start(config, self.runs.parent / "probes" / key_of(config), (), {})
            for kind, config in configs.items()
        }
        for kind, task in tasks.items():
            record = self._result(task)
            if "error" in record:
                causes.append(str(record["error"]))
            else:
                found[kind] = record
        self.estimate = Estimate(found)
        return causes

    def _records(
        self, configs: Mapping[str, RunConfig], metrics: tuple[str, ...], again: Collection[str]
    ) -> Records:
        import ray

        names: dict[str, str] = {}
        for name, config in configs.items():
            names.setdefault(key_of(config), name)
        found = {key: self.cells.read(configs[name]) for key, name in names.items()}
        todo = deque(
            k for k, r in found.items() if r is None or k in again or not measured(r, metrics)
        )
        all_of = len(todo)
        waiting: dict[Any, str] = {}
        while todo or waiting:
            while todo and len(waiting) < self.at_once:
                key = todo.popleft()
                config = configs[names[key]]
                task = self._start(config, self.runs / key, metrics, found[key] or {})
                waiting[task] = key
            for done in ray.wait(list(waiting))[0]:
                key = waiting.pop(done)
                config = configs[names[key]]
                found[key] = self._taken(names[key], config, self._result(done))
                if self._mirror is not None:
                    self._mirror.of(self.runs / key).fetch(light=True)
                self.estimate.learn(config, found[key] or {})
                left = [*waiting.values(), *todo]
                if not metrics and left:
                    rest = self.estimate.seconds([configs[names[k]] for k in left], self.at_once)
                    self._say(f"{all_of - len(left)} of {all_of} done, {length(rest)} left")
        return {name: found[key_of(config)] or {} for name, config in configs.items()}

    def _start(
        self, config: RunConfig, folder: Path, metrics: tuple[str, ...], record: dict[str, Any]
    ) -> Any:
        import ray

        task = ray.remote(**task_options(self._resources))(work)
        mirror = None if self._mirror is None else self._mirror.of(folder)
        return task.remote(config, folder, metrics, record, self._resources, mirror)

    def _result(self, task: Any) -> dict[str, Any]:
        """Return the record of a run that has ended, or why it failed."""
        import ray

        try:
            record: dict[str, Any] = ray.get(task)
        except ray.exceptions.RayError as error:
            failure = Failure.of(getattr(error, "cause", None) or error)
            return {"error": failure.cause, "final": failure.final}
        return record

    def _taken(self, name: str, config: RunConfig, record: dict[str, Any]) -> dict[str, Any]:
        """Store and tell what a run gave."""
        if "error" in record:
            self._tell(Warned(f"failed: {name}: {record['error']}"))
            return record
        self.cells.write(config, record)
        shown = record.get("test", record["selection"])
        numbers = ", ".join(f"{metric} {value:.4f}" for metric, value in shown.items())
        self._say(f"{name}: {'test ' if 'test' in record else ''}{numbers}")
        return record

    def _say(self, text: str) -> None:
        self._tell(Note(text))


def measured(record: Mapping[str, Any], metrics: Sequence[str]) -> bool:
    """Whether all metrics were measured on test."""
    return set(metrics) <= set(record.get("test", {}))
