"""One sweep: search, retrain the winner on fresh seeds, look at test once, write everything down.

Resuming: the searcher remembers what it asked and what has ended; other trials go on from their
checkpoint, and one whose ``result.json`` exists is returned without training.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from dvr_ray.config.load import apply, dump
from dvr_ray.config.space import SearchSpace
from dvr_ray.data.interactions import SealedTest, TrialData
from dvr_ray.distributed.capacity import trials_at_once
from dvr_ray.distributed.cluster import connect, disconnect
from dvr_ray.distributed.departures import HeadWatch
from dvr_ray.distributed.group import WorkerGroups
from dvr_ray.distributed.mailbox import Notice
from dvr_ray.errors import ConfigError, RunError
from dvr_ray.events import Failed, Note, Tell, Warned
from dvr_ray.files import claimed, holds
from dvr_ray.metrics import Catalogue, parse
from dvr_ray.storage import Mirror
from dvr_ray.tracking import check_tracking
from dvr_ray.training.build import check, check_served
from dvr_ray.training.prepare import prepare
from dvr_ray.training.sharing import check_workers
from dvr_ray.tuning.faults import Faults
from dvr_ray.tuning.final import read_final, retrain_and_test
from dvr_ray.tuning.manifest import Manifest, space_hash
from dvr_ray.tuning.records import TrialRecord, mirror_study, pareto, write_trials
from dvr_ray.tuning.room import Room
from dvr_ray.tuning.searching import open_search, search
from dvr_ray.tuning.suggest import ordered
from dvr_ray.tuning.trial import Plan, covering
from dvr_ray.tuning.watching import Watcher, started

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
    tell : callable
        Takes the events.
    verbose : bool
        Whether Ray's own messages come to the terminal.
    mirror : Mirror or None
        Where a copy of the folder is kept; then it is the mirror's folder.
    """

    space: SearchSpace
    folder: Path
    resume: bool
    address: str | None
    tell: Tell
    verbose: bool = False
    mirror: Mirror | None = None


@dataclass(frozen=True)
class SweepResult:
    """What a sweep found: all trials, the winner first in ``front``, and the final test.

    ``faults`` says in a line what was lost on the way and how trials went on; empty if nothing was.
    """

    records: list[TrialRecord]
    front: list[TrialRecord]
    final: dict[str, Any]
    faults: str


def check_space(space: SearchSpace, place: str) -> None:
    """Check names and components of the run and of every choice of a searched name.

    Raises
    ------
    ConfigError
        As `dvr_ray.training.build.check` and `dvr_ray.training.sharing.check_workers`.
    """
    if not space.search:
        raise ConfigError(
            f"{place}: search",
            "must hold a field to search, got {}",
            "add one, or train this one run with `dvr-ray train`",
        )
    check(space.run, f"{place}: run")
    check_workers(space.run, space.resources, f"{place}: resources.workers")
    for name in space.tune.objectives:
        parse(name, f"{place}: tune.objective")
    ordered(space, f"{place}: search")
    check_tracking(space.tracking, f"{place}: tracking")
    for name in space.search:
        for values in space.corner_points(name):
            corner = apply(space.run, values)
            check(corner, f"{place}: search.{name} at {values[name]}")
            check_workers(corner, space.resources, f"{place}: resources.workers")


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
    with claimed(folder):
        # Again, since another process may have worked there until now.
        _check_folder(request.space, folder, request.resume)
        return _locked(request, folder)


def _locked(request: SweepRequest, folder: Path) -> SweepResult:
    space = request.space
    began = time.monotonic()
    data, test = prepare(covering(space))
    _check_served(space, Catalogue.of(data))
    data.indexed()
    plan = Plan(space, str(folder), request.mirror)
    known = Manifest(folder)
    if known.content:
        # What is damaged is found before Ray is started.
        known.check_data(data.fingerprint)
        read_final(folder)
        open_search(plan, known)
    cluster = connect(request.address, space.resources, request.verbose)
    try:
        manifest = Manifest.begin(folder, space, data.fingerprint)
        if not (folder / "space.yaml").exists():
            dump(space, folder / "space.yaml")
        fits = min(trials_at_once(cluster, space.resources), space.tune.concurrent)
        request.tell(started(space, request.folder, manifest, fits))
        if fits < space.tune.concurrent:
            request.tell(
                Note(
                    f"running {fits} trial(s) at once instead of {space.tune.concurrent}: the "
                    f"cluster has {cluster.cpus:g} CPUs and {cluster.gpus:g} GPUs"
                )
            )
        request.tell(Note(f"Ray is up after {time.monotonic() - began:.0f} s; searching"))
        watcher = Watcher(plan, manifest.number, request.tell)
        faults = Faults(manifest, lambda line: request.tell(Warned(line)))
        if order := manifest.content.get("order", []):
            watcher.tell_earlier(order, faults.resumed(folder / "trials"))

        def on_notice(notice: Notice) -> None:
            faults.workers_changed(notice, partial(watcher.warn_of, notice.folder))

        with HeadWatch(_farewell(request)), _groups(plan, data, on_notice) as groups:
            opened, room = open_search(plan, manifest), Room(space, request.tell)
            records = search(plan, data, manifest, room, opened, watcher, groups, faults)
            _write_down(records, plan, manifest)
            front = _front(request, plan, records)
            final = _conclude(request, plan, front[0], data, test, manifest, groups)
            _remove_locks(folder)
            return SweepResult(records, front, final, faults.summary())
    finally:
        disconnect()


def _remove_locks(folder: Path) -> None:
    """Remove the locks of runs that have ended; the sweep's own is held, and stays."""
    for name in ("trials", "final"):
        for path in (folder / name).rglob(".*lock"):
            path.unlink(missing_ok=True)


def _farewell(request: SweepRequest) -> Callable[[], None]:
    """Return what is said when the head of the cluster is gone."""
    text = (
        f"{request.folder}: the head of the Ray cluster is gone; start a cluster, and use the same "
        "command with its --address and --resume: finished trials are kept"
    )
    return lambda: request.tell(Failed(text, RunError.exit_code))


def _groups(
    plan: Plan, data: TrialData, on_notice: Callable[[Notice], None]
) -> AbstractContextManager[WorkerGroups] | nullcontext[None]:
    """Return groups of workers for trials and retrainings; none where one worker does."""
    resources = plan.space.resources
    if resources.workers == 1:
        return nullcontext()
    folder, most = plan.here / "ray" / ".train", plan.space.tune.concurrent
    return WorkerGroups(data, resources, folder, on_notice, most, plan.mirror)


def _check_served(space: SearchSpace, catalogue: Catalogue) -> None:
    """Check that the data serve the metrics of the run and of every choice of a searched one."""
    check_served(space.run, catalogue, "run", space.tune.objectives)
    for name in space.search:
        for values in space.corner_points(name):
            place = f"search.{name} at {values[name]}"
            check_served(apply(space.run, values), catalogue, place)


def _write_down(records: list[TrialRecord], plan: Plan, manifest: Manifest) -> None:
    folder = plan.here
    write_trials(records, plan.space, folder / "trials.csv")
    mirror_study(records, plan.space, folder / "study.log")
    counts = {s: sum(r.status == s for r in records) for s in ("finished", "stopped", "failed")}
    manifest.content["counts"] = counts
    manifest.write()


def _front(request: SweepRequest, plan: Plan, records: list[TrialRecord]) -> list[TrialRecord]:
    front = pareto(records, plan.space.tune.objectives)
    if not front:
        causes = [r.error for r in records if r.error]
        raise RunError(
            str(request.folder),
            f"none of {len(records)} trials gave a result" + (f" ({causes[0]})" if causes else ""),
            "mend the cause, or give more tune.minutes, and use --resume",
        )
    return front


def _conclude(
    request: SweepRequest,
    plan: Plan,
    best: TrialRecord,
    data: TrialData,
    test: SealedTest,
    manifest: Manifest,
    groups: WorkerGroups | None,
) -> dict[str, Any]:
    winner = plan.config(best.values)
    dump(winner, plan.here / "best.yaml")
    if not plan.space.tune.final_seeds:
        return {}
    count = plan.space.tune.final_seeds
    request.tell(Note(f"search ended; retraining the winner on fresh seeds: {count}"))
    return retrain_and_test(plan, winner, best, data, test, manifest, groups, request.tell)


def _check_folder(space: SearchSpace, folder: Path, resume: bool) -> None:
    """Refuse a folder that holds something else, before anything is started."""
    if not holds(folder, "manifest.json", "sweep"):
        return
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
