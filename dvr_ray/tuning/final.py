"""After the search: the winner on fresh seeds, its keep-all control, and the one look at test."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

from dvr_ray.config.load import apply
from dvr_ray.config.schema import RunConfig
from dvr_ray.data.interactions import SealedTest, TrialData
from dvr_ray.distributed.capacity import task_options
from dvr_ray.distributed.group import WorkerGroups, run_on
from dvr_ray.errors import CheckpointError, RunError
from dvr_ray.events import Tell
from dvr_ray.registry import canonical
from dvr_ray.storage import Upload
from dvr_ray.training.checkpoint import write_json
from dvr_ray.training.final_metrics import test_metrics
from dvr_ray.training.following import Polling
from dvr_ray.training.reporter import Silent
from dvr_ray.training.run import RunRequest, run, take_over
from dvr_ray.training.stored import Failure, finished
from dvr_ray.tuning.manifest import Manifest
from dvr_ray.tuning.records import TrialRecord
from dvr_ray.tuning.trial import Plan
from dvr_ray.tuning.watching import FinalWatcher

__all__ = ["read_final", "retrain_and_test"]

FIRST_SEED = 1000
RETRIES = 2
ALWAYS = ("ndcg@20", "recall@20")


def retrain_and_test(
    plan: Plan,
    winner: RunConfig,
    record: TrialRecord,
    data: TrialData,
    test: SealedTest,
    manifest: Manifest,
    groups: WorkerGroups | None,
    tell: Tell,
) -> dict[str, Any]:
    """Retrain the winner and measure test once; a resumed sweep doesn't look again.

    Beside the winner, the same settings without a valuator (``keep-all``) are trained on the same
    seeds. They were tuned for the winner, so this control is no tuned baseline.

    Parameters
    ----------
    plan : Plan
        The sweep.
    winner : RunConfig
        Best config on validation-selection.
    record : TrialRecord
        Its trial.
    data, test
        The parts.
    manifest : Manifest
        The look is written down in it before it is taken.
    groups : WorkerGroups or None
        Train sharded runs.
    tell : callable
        Takes the events of the retraining.

    Returns
    -------
    dict
        The content of ``final.json``.
    """
    folder = plan.here
    path = folder / "final.json"
    seeds = [winner.seed + FIRST_SEED + k for k in range(plan.space.tune.final_seeds)]
    stored = read_final(folder)
    if stored is not None and stored["winner"] == record.folder and stored["seeds"] == seeds:
        return stored
    methods = {winner.method.name: winner}
    if winner.method.name != "bpr":
        methods["keep-all"] = apply(winner, {"method": {"name": "bpr"}})
    runs = {
        (name, seed): RunRequest(
            apply(config, {"seed": seed}),
            data,
            folder / "final" / record.folder / name / f"seed-{seed}",
            plan.space.tune.objectives,
            plan.tracking,
            mirror=plan.mirror_of(folder / "final" / record.folder / name / f"seed-{seed}"),
        )
        for name, config in methods.items()
        for seed in seeds
    }
    folders = {key: request.folder for key, request in runs.items()}
    watcher = FinalWatcher(folders, winner.training.epochs, tell)
    watcher.begin()
    with Polling(watcher.look):
        _train_all(list(runs.values()), plan, data, groups)
        for request in runs.values():
            take_over(request)
    wanted = [*plan.space.tune.objectives, *map(canonical, winner.training.report), *ALWAYS]
    metrics = tuple(dict.fromkeys(wanted))
    manifest.content["seeds"]["final"] = seeds
    with Upload(plan.mirror):
        manifest.look_at_test(f"winner {record.folder} and its controls on seeds {seeds}")
    measured: dict[str, dict[str, list[float]]] = {name: {} for name in methods}
    for (name, _), request in runs.items():
        found = test_metrics(request.config, data, test, request.folder, metrics)
        for metric, value in found.items():
            measured[name].setdefault(metric, []).append(value)
    final = {
        "winner": record.folder,
        "method": winner.method.name,
        "seeds": seeds,
        "selection": record.objectives,
        "test": measured,
    }
    write_json(path, final)
    return final


def read_final(folder: Path) -> dict[str, Any] | None:
    """Return what was measured on test before; None if nothing was.

    Raises
    ------
    CheckpointError
        If ``final.json`` is damaged.
    """
    path = folder / "final.json"
    try:
        stored = json.loads(path.read_text(encoding="utf-8"))
        if {"winner", "seeds", "test"} <= stored.keys():
            return dict(stored)
        found = f"holds {', '.join(stored) or 'nothing'}"
    except FileNotFoundError:
        return None
    except (OSError, ValueError, AttributeError) as error:
        found = str(error)
    raise CheckpointError(
        str(path),
        f"can't be read ({found})",
        "delete it to measure test again, which counts as one more look",
    )


def _train_all(
    requests: list[RunRequest], plan: Plan, data: TrialData, groups: WorkerGroups | None
) -> None:
    """Train runs on groups of workers, or as Ray tasks."""
    import ray

    open_runs = [request for request in requests if finished(request.folder) is None]
    resources = plan.space.resources
    if groups is not None:
        run_on(groups.mailbox, open_runs, Silent())
        return
    shared = ray.put(data)
    task = ray.remote(**task_options(resources), max_retries=RETRIES)(_train_one)
    waiting = [task.remote(shared, _without_data(request), resources) for request in open_runs]
    try:
        ray.get(waiting)
    except ray.exceptions.RayError as error:
        cause = Failure.of(getattr(error, "cause", None) or error).cause
        raise RunError(
            str(plan.here / "final"),
            f"retraining the winner failed ({cause})",
            "mend it and use --resume",
        ) from error


def _without_data(request: RunRequest) -> RunRequest:
    """Tasks share the data through the object store."""
    return replace(request, data=None)  # type: ignore[arg-type]


def _train_one(data: TrialData, request: RunRequest, resources: Any) -> None:
    """Runs in a Ray task."""
    import torch

    torch.set_num_threads(max(1, int(resources.cpus_per_worker)))
    device = torch.device("cuda" if resources.gpus_per_worker else "cpu")
    run(replace(request, data=data), Silent(), device=device)
