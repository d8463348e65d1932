"""Runs a study: first what is chosen, then every cell, then one look at test for all of them.

Runs are Ray tasks; a run that was cut short goes on from its checkpoint, a finished cell is read
from its file. A run that fails is told and left out, and tried again by the same command.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from dvr_ray.config.schema import RunConfig
from dvr_ray.config.study import Choice, Study
from dvr_ray.distributed.capacity import trials_at_once
from dvr_ray.distributed.cluster import connect, disconnect
from dvr_ray.errors import ConfigError, RunError
from dvr_ray.events import Note, Tell
from dvr_ray.files import claimed
from dvr_ray.metrics import parse
from dvr_ray.storage import Mirror
from dvr_ray.studies.agreeing import agree
from dvr_ray.studies.cells import Cell, Cells, cells_of, configured, key_of
from dvr_ray.studies.choosing import Chosen, best_of, groups_of, tries_of
from dvr_ray.studies.measures import quantity
from dvr_ray.studies.planning import length, probes_of
from dvr_ray.studies.pool import Pool, measured
from dvr_ray.studies.removal import Removed, removals_of
from dvr_ray.training.build import check
from dvr_ray.training.checkpoint import write_json
from dvr_ray.training.stored import VALUES

__all__ = ["StudyRequest", "StudyResult", "run_study"]


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
    plan : bool
        Whether to stop after the plan was told.
    mirror : Mirror or None
        Where a copy of the folder is kept; then it is the mirror's folder.
    """

    study: Study
    folder: Path
    cells: Path
    root: Path
    address: str | None
    tell: Tell
    verbose: bool = False
    plan: bool = False
    mirror: Mirror | None = None


@dataclass(frozen=True)
class StudyResult:
    """Records of finished cells, causes of failed ones, what was chosen, and removal curves."""

    records: dict[Cell, dict[str, Any]]
    failures: dict[Any, str]
    chosen: list[Chosen]
    removed: dict[Removed, dict[str, Any]] = field(default_factory=dict)


def run_study(request: StudyRequest) -> StudyResult | None:
    """Run a study to its end; None where only its plan was wanted.

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
    """Check every cell's config, with each point of each choice, and every name."""
    study = request.study
    _check_names(study)
    for cell in cells_of(study):
        check(configured(study, cell, {}, request.root), f"{study.name}: {cell}")
    for choice in study.choose:
        for _, cell in groups_of(study, choice):
            for values in tries_of(choice, study.trials):
                check(configured(study, cell, values, request.root), f"{study.name}: {cell}")


def _check_names(study: Study) -> None:
    """Check names of metrics and measures, and that figures show what is measured."""
    for metric in study.metrics:
        parse(metric, f"{study.name}: metrics")
    for name in study.measures:
        quantity(name, f"{study.name}: measures")
    for figure in study.figures:
        for name in (figure.x, figure.y):
            if name not in study.axes or name == figure.y:
                quantity(name, f"{study.name}: figures")
            if "@" in name and name not in (*study.metrics, *study.measures):
                raise ConfigError(f"{study.name}: figures", f"{name} isn't measured",
                                  "add it to metrics, or to measures")  # fmt: skip


class _Runner:
    def __init__(self, request: StudyRequest, folder: Path, fits: int) -> None:
        study, cells = request.study, Cells(request.cells.resolve())
        self._study, self._request, self._folder = study, request, folder
        self._pool = Pool(
            cells, folder / "runs", fits, study.resources, request.tell, request.mirror
        )
        self._chosen: list[Chosen] = []

    def go(self) -> StudyResult | None:
        open_choices = self._settled()
        self._plan(open_choices)
        if self._request.plan:
            return None
        for choice in open_choices:
            self._choose(choice)
        cells = {str(cell): cell for cell in cells_of(self._study)}
        configs = {name: self._config(cell) for name, cell in cells.items()}
        found = self._pool.train(configs)
        removals = self._removals({n: c for n, c in configs.items() if "error" not in found[n]})
        found |= self._pool.train({str(r): c for r, c in removals.items()})
        configs |= {str(removed): config for removed, config in removals.items()}
        agree(self._pool, {cell: configs[name] for name, cell in cells.items()})
        ready = {name: c for name, c in configs.items() if "error" not in found[name]}
        self._look({key_of(c): found[name] for name, c in ready.items()})
        found |= self._pool.measure(ready, self._study.metrics)
        return self._result(cells, {str(removed): removed for removed in removals}, found)

    def _result(
        self,
        cells: Mapping[str, Cell],
        removals: Mapping[str, Removed],
        found: Mapping[str, dict[str, Any]],
    ) -> StudyResult:
        named: dict[str, Any] = {**cells, **removals}
        failures = {named[n]: str(r["error"]) for n, r in found.items() if "error" in r}
        if all(cell in failures for cell in cells.values()):
            cause = next(iter(failures.values()))
            raise RunError(self._study.name, f"no run gave a result ({cause})",
                           "mend the cause and use --resume")  # fmt: skip
        return StudyResult(
            {cell: found[n] for n, cell in cells.items() if cell not in failures},
            failures,
            self._chosen,
            {removed: found[n] for n, removed in removals.items() if removed not in failures},
        )

    def _config(self, cell: Cell, values: Mapping[str, Any] | None = None) -> RunConfig:
        chosen: dict[str, Any] = {}
        for found in self._chosen:
            chosen |= found.values if found.fits(cell) else {}
        return configured(self._study, cell, chosen | dict(values or {}), self._request.root)

    def _tried(self, choice: Choice) -> dict[str, RunConfig]:
        """Runs that a choice is made by, by what to call them."""
        return {
            _name(cell, values): self._config(cell, values)
            for _, cell in groups_of(self._study, choice)
            for values in tries_of(choice, self._study.trials)
        }

    def _settled(self) -> list[Choice]:
        """Settle the choices whose runs are all known, and return the others."""
        left = list(self._study.choose)
        while left and not self._unknown(self._tried(left[0]).values()):
            self._choose(left.pop(0))
        return left

    def _unknown(self, configs: Iterable[RunConfig]) -> dict[str, RunConfig]:
        """By key, those of the runs that have no record."""
        return {key_of(c): c for c in configs if self._pool.cells.read(c) is None}

    def _plan(self, choices: list[Choice]) -> None:
        """Say what there is to do, and about how long it takes."""
        cells = {cell: self._config(cell) for cell in cells_of(self._study)}
        removals = removals_of(self._study, cells, self._pool.runs)
        count = len({key_of(config) for config in cells.values()})
        more = f", {len(removals)} of removal curves" if removals else ""
        todo = self._unknown([*cells.values(), *removals.values()])
        tries: dict[str, RunConfig] = {}
        for choice in choices:
            tries |= self._unknown(self._tried(choice).values())
        self._say(f"{len(cells)} cells, {count} runs{more}, {self._pool.at_once} at once")
        for choice in choices:
            groups = sum(1 for _ in groups_of(self._study, choice))
            points = len(tries_of(choice, self._study.trials))
            self._say(f"choosing {choice.fields}: {points} tries for each of {groups}")
        # The winners of tries are cells, whose other seeds alone are left.
        left = list((todo | tries).values())
        if not left:
            self._say("all runs are known; nothing is left to train")
            return
        causes = self._pool.probe(probes_of(left))
        if causes and not self._pool.estimate.epoch:
            raise RunError(self._study.name, f"no run can start ({causes[0]})",
                           "mend the cause; data paths of entries start in --data")  # fmt: skip
        seconds = self._pool.estimate.seconds(left, self._pool.at_once)
        epochs = ", ".join(f"{s:.2g} s" for s in self._pool.estimate.epoch.values())
        self._say(
            f"to train: {len(left)} runs, {length(seconds)} at most; a plain epoch takes "
            f"{epochs or '?'}"
        )

    def _choose(self, choice: Choice) -> None:
        """Train every try for every combination, and keep the best by validation-selection."""
        configs, points = self._tried(choice), tries_of(choice, self._study.trials)
        records = self._pool.train(configs)
        for own, cell in groups_of(self._study, choice):
            names = [_name(cell, values) for values in points]
            tried = [records[name] for name in names]
            best = best_of(self._study, choice, cell, configs[names[0]], tried)
            self._chosen.append(Chosen(choice, own, points[best], len(points)))
            self._say(f"chosen: {self._chosen[-1]}")

    def _removals(self, configs: Mapping[str, RunConfig]) -> dict[Removed, RunConfig]:
        """Return the runs of removal curves; train anew where their values aren't here."""
        named = {str(cell): cell for cell in cells_of(self._study)}
        removals = removals_of(
            self._study, {named[n]: config for n, config in configs.items()}, self._pool.runs
        )
        needed = {str(r.source) for r, c in removals.items() if self._pool.cells.read(c) is None}
        sources = {name: config for name, config in configs.items() if name in needed}
        keys = {key_of(config) for config in sources.values()}
        absent = {k for k in keys if not (self._pool.runs / k / VALUES).exists()}
        self._pool.train(sources, absent)
        return removals

    def _look(self, records: Mapping[str, Mapping[str, Any]]) -> None:
        """Write the look at test down before it is taken; records by key."""
        unseen = [k for k, r in records.items() if not measured(r, self._study.metrics)]
        if not unseen:
            return
        self._say(f"everything is trained; measuring test of {len(unseen)} runs")
        # Two looks within a second are two looks.
        when = datetime.now(UTC).isoformat(timespec="microseconds")
        path = self._folder / f"look-{when.replace(':', '')}.json"
        write_json(path, {"time": when, "runs": unseen})

    def _say(self, text: str) -> None:
        self._request.tell(Note(text))


def _name(cell: Cell, values: Mapping[str, Any]) -> str:
    return f"{cell}, {', '.join(f'{k} {v}' for k, v in values.items()) or 'as it is'}"
