"""One sweep: search, retrain the winner on fresh seeds, look at test once, write everything down.

Resuming: Tune restores its own snapshot, so that the searcher remembers; trials whose
``result.json`` exists are returned without training, others go on from their checkpoint.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from filelock import FileLock, Timeout

from dvr_ray.config.load import apply, config_hash, dump
from dvr_ray.config.space import SearchSpace
from dvr_ray.data.interactions import SealedTest, TrialData
from dvr_ray.data.prepare import prepare
from dvr_ray.distributed.cluster import connect, disconnect, trials_at_once
from dvr_ray.errors import ConfigError, DvrRayError, RunError
from dvr_ray.metrics import parse
from dvr_ray.training.build import check
from dvr_ray.tuning.final import retrain_and_test
from dvr_ray.tuning.records import (
    Manifest,
    TrialRecord,
    mirror_study,
    pareto,
    space_hash,
    write_trials,
)
from dvr_ray.tuning.search import Budget, TrialEvents, make_tuner
from dvr_ray.tuning.suggest import ordered
from dvr_ray.tuning.trial import Plan, covering, trainable, trial_folder

__all__ = ["SweepRequest", "SweepResult", "check_space", "sweep"]


@dataclass(frozen=True)
class SweepRequest:
    """What the user asked for.

    Parameters
    ----------
    space : SearchSpace
        The checked search space.
    folder : Path
        Where everything goes.
    resume : bool
        Whether to go on with what the folder holds.
    address : str or None
        Ray cluster; None starts one here.
    say : callable
        Takes lines for the user.
    on_event : callable
        Takes (trial number, status, latest metrics) as trials go on.
    """

    space: SearchSpace
    folder: Path
    resume: bool
    address: str | None
    say: Callable[[str], None]
    on_event: Callable[[int, str, dict[str, Any]], None]


@dataclass(frozen=True)
class SweepResult:
    """What a sweep found: all trials, the winner first in ``front``, and the final test."""

    records: list[TrialRecord]
    front: list[TrialRecord]
    final: dict[str, Any]


def check_space(space: SearchSpace, place: str) -> None:
    """Check names and components of the run and of every choice of a searched name.

    Raises
    ------
    ConfigError
        As `dvr_ray.training.build.check`.
    """
    check(space.run, f"{place}: run")
    for name in space.tune.objectives:
        parse(name, f"{place}: tune.objective")
    ordered(space, f"{place}: search")
    for name in space.search:
        for values in space.corner_points(name):
            check(apply(space.run, values), f"{place}: search.{name} at {values[name]}")


def sweep(request: SweepRequest) -> SweepResult:
    """Run a sweep to its end.

    Parameters
    ----------
    request : SweepRequest
        Space, folder and how to tell the user.

    Returns
    -------
    SweepResult
        All trials, the winner and the final test.

    Raises
    ------
    ConfigError
        If the folder holds another sweep, or this one without ``resume``.
    ResourceError
        If a trial can't fit in the cluster.
    RunError
        If all trials failed.
    """
    folder = request.folder.resolve()
    _check_folder(request.space, folder, request.resume)
    folder.mkdir(parents=True, exist_ok=True)
    try:
        with FileLock(folder / ".lock", timeout=0):
            return _locked(request, folder)
    except Timeout as error:
        raise ConfigError(
            str(folder), "another process is working on this sweep", "wait for it or use --out"
        ) from error


def _locked(request: SweepRequest, folder: Path) -> SweepResult:
    space = request.space
    started = time.monotonic()
    data, test = prepare(covering(space))
    cluster = connect(request.address, space.resources)
    try:
        manifest = Manifest.begin(folder, space, data.fingerprint)
        if not (folder / "space.yaml").exists():
            dump(space, folder / "space.yaml")
        fits = min(trials_at_once(cluster, space.resources), space.tune.concurrent)
        if fits < space.tune.concurrent:
            request.say(
                f"running {fits} trial(s) at once instead of {space.tune.concurrent}: the cluster "
                f"has {cluster.cpus:g} CPUs and {cluster.gpus:g} GPUs"
            )
        request.say(f"Ray is up after {time.monotonic() - started:.0f} s; searching")
        plan = Plan(space, str(folder))
        records = _search(request, plan, data, manifest, fits)
        return _conclude(request, plan, records, data, test, manifest, fits)
    finally:
        disconnect()


def _search(
    request: SweepRequest, plan: Plan, data: TrialData, manifest: Manifest, fits: int
) -> list[TrialRecord]:
    """Run Tune until the budget is spent; the records of all trials."""
    folder = Path(plan.folder)
    started = time.monotonic()

    def number(values: dict[str, Any]) -> int:
        return manifest.number(config_hash(plan.config(values)))

    events = TrialEvents(number, request.on_event)
    tuner = make_tuner(
        plan,
        trainable,
        data,
        fits,
        Budget(manifest.seconds_spent, plan.space.tune.minutes),
        events,
    )
    try:
        grid = tuner.fit()
    finally:
        manifest.spend(time.monotonic() - started)
    objectives = plan.space.tune.objectives
    records = []
    for result in grid:
        values = result.config or {}
        error = _one_line(result.error) if result.error else ""
        where = trial_folder(plan, plan.config(values))
        records.append(TrialRecord.read(number(values), where, values, objectives, error))
    records = sorted(_without_repeats(records), key=lambda record: record.number)
    write_trials(records, plan.space, folder / "trials.csv")
    mirror_study(records, plan.space, folder / "study.log")
    counts = {s: sum(r.status == s for r in records) for s in ("finished", "stopped", "failed")}
    manifest.content["counts"] = counts
    manifest.write()
    return records


def _conclude(
    request: SweepRequest,
    plan: Plan,
    records: list[TrialRecord],
    data: TrialData,
    test: SealedTest,
    manifest: Manifest,
    fits: int,
) -> SweepResult:
    front = pareto(records, plan.space.tune.objectives)
    if not front:
        causes = [r.error for r in records if r.error]
        raise RunError(
            str(request.folder),
            f"none of {len(records)} trials gave a result" + (f" ({causes[0]})" if causes else ""),
            "mend the cause, or give more tune.minutes, and use --resume",
        )
    winner = plan.config(front[0].values)
    dump(winner, Path(plan.folder) / "best.yaml")
    final: dict[str, Any] = {}
    if plan.space.tune.final_seeds:
        request.say(f"retraining the winner on {plan.space.tune.final_seeds} fresh seeds")
        final = retrain_and_test(plan, winner, front[0], data, test, manifest, fits)
    return SweepResult(records, front, final)


def _check_folder(space: SearchSpace, folder: Path, resume: bool) -> None:
    """Refuse a folder that holds something else, before anything is started."""
    if not folder.exists() or not any(folder.iterdir()):
        return
    if not (folder / "manifest.json").exists():
        leftovers = {path.name for path in folder.iterdir()} - {".lock"}
        if not leftovers:
            return
        raise ConfigError(
            str(folder),
            f"the folder isn't empty and holds no sweep, got {sorted(leftovers)[0]}",
            "use another --out",
        )
    found = Manifest(folder).content.get("space_hash")
    if found != space_hash(space):
        raise ConfigError(
            str(folder),
            f"holds another sweep (space {found}, this one is {space_hash(space)})",
            "use another --out, or the YAML and --set that it was started with",
        )
    if not resume:
        raise ConfigError(
            str(folder), "holds this sweep already", "add --resume or use another --out"
        )


def _without_repeats(records: list[TrialRecord]) -> list[TrialRecord]:
    """Keep the first of trials with the same config: they share one folder and one result."""
    seen: dict[str, TrialRecord] = {}
    for record in records:
        seen.setdefault(record.folder, record)
    return list(seen.values())


def _one_line(error: BaseException) -> str:
    """Cause of a failed trial in one line."""
    cause: BaseException = getattr(error, "cause", None) or error
    if isinstance(cause, DvrRayError):
        return str(cause)
    lines = [line.strip() for line in str(cause).splitlines() if line.strip()]
    return lines[-1] if lines else type(cause).__name__
