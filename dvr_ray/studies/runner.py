"""Runs a study: first what is chosen, then every cell, then one look at test for all of them.

Runs are Ray tasks; a run that was cut short goes on from its checkpoint, a finished cell is read
from its file. A run that fails is told and left out, and tried again by the same command.
"""

from __future__ import annotations

import platform
from collections import deque
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from dvr_ray import __version__
from dvr_ray.config.schema import ResourcesConfig, RunConfig
from dvr_ray.config.study import Choice, Study
from dvr_ray.distributed.cluster import connect, disconnect, trials_at_once
from dvr_ray.errors import RunError
from dvr_ray.events import Note, Tell, Warned
from dvr_ray.files import claimed
from dvr_ray.metrics import Catalogue, parse
from dvr_ray.studies.cells import Cell, Cells, cells_of, configured, key_of
from dvr_ray.studies.choosing import Chosen, grid_of, groups_of
from dvr_ray.training.build import check, check_served
from dvr_ray.training.checkpoint import write_json
from dvr_ray.training.prepare import prepare
from dvr_ray.training.reporter import Silent
from dvr_ray.training.run import RunRequest, run, test_metrics
from dvr_ray.training.stored import Failure, read_rows

__all__ = ["HELD_OUT", "StudyRequest", "StudyResult", "run_study"]

HELD_OUT = ("held_out_correlation", "held_out_without_units")
"""Monitors of a run that its record keeps."""


@dataclass(frozen=True)
class StudyRequest:
    """What the user asked for.

    Parameters
    ----------
    study : Study
        The checked study.
    folder : Path
        Where runs and tables go.
    cells : Path
        Where finished cells lie.
    root : Path
        Where data paths start.
    address : str or None
        Ray cluster; None starts one here.
    tell : callable
        Takes the events.
    verbose : bool
        Whether Ray's own messages come to the terminal.
    """

    study: Study
    folder: Path
    cells: Path
    root: Path
    address: str | None
    tell: Tell
    verbose: bool = False


@dataclass(frozen=True)
class StudyResult:
    """Records of finished cells, causes of failed ones, and what was chosen."""

    records: dict[Cell, dict[str, Any]]
    failures: dict[Cell, str]
    chosen: list[Chosen]


def run_study(request: StudyRequest) -> StudyResult:
    """Run a study to its end.

    Raises
    ------
    ConfigError
        If a cell's config is wrong; nothing has been started then.
    ResourceError
        If a run can't fit in the cluster.
    RunError
        If a run that something is chosen by fails, or all cells do.
    """
    _check(request)
    folder = request.folder.resolve()
    folder.mkdir(parents=True, exist_ok=True)
    with claimed(folder):
        cluster = connect(request.address, request.study.resources, request.verbose)
        try:
            fits = min(trials_at_once(cluster, request.study.resources), request.study.concurrent)
            return _Runner(request, folder, fits).go()
        finally:
            disconnect()


def _check(request: StudyRequest) -> None:
    """Check every cell's config, with each value of each grid."""
    study = request.study
    for metric in study.metrics:
        parse(metric, f"{study.name}: metrics")
    for cell in cells_of(study):
        check(configured(study, cell, {}, request.root), f"{study.name}: {cell}")
    for choice in study.choose:
        for _, cell in groups_of(study, choice):
            for values in grid_of(choice):
                check(configured(study, cell, values, request.root), f"{study.name}: {cell}")


class _Runner:
    def __init__(self, request: StudyRequest, folder: Path, fits: int) -> None:
        self._study, self._request, self._folder, self._fits = request.study, request, folder, fits
        self._cells = Cells(request.cells.resolve())
        self._chosen: list[Chosen] = []

    def go(self) -> StudyResult:
        for choice in self._study.choose:
            self._choose(choice)
        cells = {str(cell): cell for cell in cells_of(self._study)}
        configs = {name: self._config(cell) for name, cell in cells.items()}
        count = len({key_of(config) for config in configs.values()})
        self._say(f"{len(cells)} cells, {count} runs, {self._fits} at once")
        found = self._records(configs, test=False)
        ready = {name: c for name, c in configs.items() if "error" not in found[name]}
        self._look({key_of(c): found[name] for name, c in ready.items()})
        found |= self._records(ready, test=True)
        failures = {cells[n]: str(r["error"]) for n, r in found.items() if "error" in r}
        if len(failures) == len(cells):
            cause = next(iter(failures.values()))
            raise RunError(self._study.name, f"no run gave a result ({cause})",
                           "mend the cause and use --resume")  # fmt: skip
        records = {cells[n]: r for n, r in found.items() if "error" not in r}
        return StudyResult(records, failures, self._chosen)

    def _config(self, cell: Cell, values: Mapping[str, Any] | None = None) -> RunConfig:
        chosen: dict[str, Any] = {}
        for found in self._chosen:
            chosen |= found.values if found.fits(cell) else {}
        return configured(self._study, cell, chosen | dict(values or {}), self._request.root)

    def _choose(self, choice: Choice) -> None:
        """Train every value for every combination, and keep the best by validation-selection."""
        groups, grid = list(groups_of(self._study, choice)), grid_of(choice)
        fields = ", ".join(choice.grid)
        self._say(f"choosing {fields}: {len(grid)} tries for each of {len(groups)}")
        configs = {
            (number, k): self._config(cell, values)
            for number, (_, cell) in enumerate(groups)
            for k, values in enumerate(grid)
        }
        names = {key: f"{groups[key[0]][1]}, {grid[key[1]]}" for key in configs}
        records = self._records({names[key]: c for key, c in configs.items()}, test=False)
        for number, (own, cell) in enumerate(groups):
            found = [records[names[number, k]] for k in range(len(grid))]
            broken = [record["error"] for record in found if "error" in record]
            if broken:
                rule = f"a run that {fields} is chosen by failed ({broken[0]})"
                raise RunError(f"{self._study.name}: {cell}", rule, "mend it and use --resume")
            metric = configs[number, 0].training.metric
            sign = 1 if parse(metric).higher_is_better else -1
            best = max(range(len(grid)), key=lambda k: sign * found[k]["selection"][metric])
            self._chosen.append(Chosen(choice, own, grid[best]))
            self._say(f"chosen: {self._chosen[-1]}")

    def _records(self, configs: Mapping[str, RunConfig], test: bool) -> dict[str, dict[str, Any]]:
        """Train what isn't trained, or measure what isn't measured; by what to call it."""
        import ray

        resources = self._study.resources
        task = ray.remote(num_cpus=resources.cpus_per_worker, num_gpus=resources.gpus_per_worker)(
            _work
        )
        names: dict[str, str] = {}
        for name, config in configs.items():
            names.setdefault(key_of(config), name)
        found = {key: self._cells.read(configs[name]) for key, name in names.items()}
        metrics = self._study.metrics if test else ()
        todo = deque(k for k, r in found.items() if r is None or not _measured(r, metrics))
        waiting: dict[Any, str] = {}
        while todo or waiting:
            while todo and len(waiting) < self._fits:
                key = todo.popleft()
                request = configs[names[key]], self._folder / "runs" / key, metrics
                waiting[task.remote(*request, found[key] or {}, resources)] = key
            for done in ray.wait(list(waiting))[0]:
                key = waiting.pop(done)
                found[key] = self._taken(names[key], configs[names[key]], done)
        return {name: found[key_of(config)] or {} for name, config in configs.items()}

    def _taken(self, name: str, config: RunConfig, done: Any) -> dict[str, Any]:
        """Return the record of a run that has ended, or why it failed."""
        import ray

        try:
            record: dict[str, Any] = ray.get(done)
        except ray.exceptions.RayError as error:
            cause = Failure.of(getattr(error, "cause", None) or error).cause
            self._request.tell(Warned(f"failed: {name}: {cause}"))
            return {"error": cause}
        self._cells.write(config, record)
        shown = record.get("test", record["selection"])
        numbers = ", ".join(f"{metric} {value:.4f}" for metric, value in shown.items())
        self._say(f"{name}: {'test ' if 'test' in record else ''}{numbers}")
        return record

    def _look(self, records: Mapping[str, Mapping[str, Any]]) -> None:
        """Write the look at test down before it is taken; records by key."""
        unseen = [k for k, r in records.items() if not _measured(r, self._study.metrics)]
        if not unseen:
            return
        self._say(f"everything is trained; measuring test of {len(unseen)} runs")
        when = datetime.now(UTC).isoformat(timespec="seconds")
        path = self._folder / f"look-{when.replace(':', '')}.json"
        write_json(path, {"time": when, "runs": unseen})

    def _say(self, text: str) -> None:
        self._request.tell(Note(text))


def _measured(record: Mapping[str, Any], metrics: Sequence[str]) -> bool:
    return set(metrics) <= set(record.get("test", {}))


def _work(
    config: RunConfig,
    folder: Path,
    metrics: tuple[str, ...],
    record: dict[str, Any],
    resources: ResourcesConfig,
) -> dict[str, Any]:
    """Runs in a Ray task: train, or with metrics measure test of what was trained."""
    import torch

    torch.set_num_threads(max(1, int(resources.cpus_per_worker)))
    device = torch.device("cuda" if resources.gpus_per_worker else "cpu")
    data, test = prepare(config)
    check_served(config, Catalogue.of(data))
    result = run(RunRequest(config, data, folder), Silent(), device=device)
    record = record or {
        "best_epoch": result["best_epoch"],
        "selection": result["selection"],
        "auc": result.get("auc", {}),
        "held_out": _held_out(folder),
        "seconds": result["seconds"],
        "data": data.fingerprint,
        "versions": {"dvr_ray": __version__, "torch": torch.__version__},
        "machine": platform.machine(),
    }
    if metrics:
        record = record | {"test": test_metrics(config, data, test, folder, metrics)}
    return record


def _held_out(folder: Path) -> dict[str, float]:
    """What the last horizon's values explained of held-out masks and users, where they did."""
    rows = [row["monitors"] for row in read_rows(folder) if row.get("monitors")]
    return {name: rows[-1][name] for name in HELD_OUT if rows and name in rows[-1]}
