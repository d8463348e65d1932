"""One trial of a sweep, in one of Tune's actors or as a Ray Train group.

A trial's folder is named by the hash of its resolved config. Whoever is asked for a config that
was trained before, after a kill or because a sampler repeats itself, gets the stored result.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from filelock import FileLock

from dvr_ray.config.load import apply, config_hash
from dvr_ray.config.schema import RunConfig
from dvr_ray.config.space import SearchSpace
from dvr_ray.data.interactions import TrialData
from dvr_ray.tuning.suggest import decoded

__all__ = ["Plan", "trainable", "trial_folder"]


@dataclass(frozen=True)
class Plan:
    """What every trial of a sweep knows.

    Parameters
    ----------
    space : SearchSpace
        The sweep.
    folder : str
        The sweep's folder, visible to all nodes.
    """

    space: SearchSpace
    folder: str

    def config(self, values: dict[str, Any]) -> RunConfig:
        """Return the run of some suggested values."""
        return apply(self.space.run, decoded(self.space, values))


def trial_folder(plan: Plan, config: RunConfig) -> Path:
    """Return the folder of a config's run."""
    return Path(plan.folder) / "trials" / config_hash(config)


def trainable(values: dict[str, Any], *, plan: Plan, data: TrialData) -> None:
    """Train one suggestion and report to Tune.

    Parameters
    ----------
    values : dict
        Suggested fields by dotted path.
    plan : Plan
        The sweep.
    data : TrialData
        Shared by all trials through the object store.
    """
    import torch

    from dvr_ray.training.run import RunRequest, run

    config = plan.config(values)
    objectives = plan.space.tune.objectives
    request = RunRequest(config, data, trial_folder(plan, config), objectives)
    request.folder.mkdir(parents=True, exist_ok=True)
    resources = plan.space.resources
    # A sampler may suggest a config that another trial is training right now.
    with FileLock(request.folder / ".lock"):
        if resources.workers > 1:
            _run_sharded(request, plan)
        else:
            torch.set_num_threads(max(1, int(resources.cpus_per_worker)))
            gpu = resources.gpus_per_worker > 0
            run(request, TuneReporter(objectives), device=torch.device("cuda" if gpu else "cpu"))


class TuneReporter:
    """Passes rows to ``ray.tune.report``, which raises when Tune stops the trial."""

    def __init__(self, objectives: tuple[str, ...]) -> None:
        self._objectives = objectives

    def report(self, row: dict[str, Any], checkpoint: Path | None) -> None:
        """Report one row; the run's own folder holds the checkpoint."""
        from ray import tune

        from dvr_ray.distributed.group import row_metrics

        tune.report(row_metrics(row, self._objectives))


def _run_sharded(request: Any, plan: Plan) -> None:
    """Train on a group; a finished run replays its rows, so that Tune knows its objectives."""
    from ray.tune.integration.ray_train import TuneReportCallback

    from dvr_ray.distributed.group import run_group
    from dvr_ray.training.stored import finished, read_rows

    objectives = plan.space.tune.objectives
    if finished(request.folder) is not None:
        for row in read_rows(request.folder):
            TuneReporter(objectives).report(row, None)
        return
    # The driver's cwd is Tune's; the group must not inherit a relative path.
    os.chdir(plan.folder)
    run_group(request, plan.space.resources, objectives, [TuneReportCallback()])
