"""One trial of a sweep, in one of Tune's actors or, from there, on a group of workers.

A trial's folder is named by the hash of its resolved config. Whoever is asked for a config that
was trained before, after a kill or because a sampler repeats itself, gets the stored result.
"""

from __future__ import annotations

import contextlib
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from dvr_ray.config.load import apply, config_hash
from dvr_ray.config.schema import RunConfig
from dvr_ray.config.space import SearchSpace
from dvr_ray.data.interactions import TrialData
from dvr_ray.distributed.departures import this_node
from dvr_ray.distributed.gauges import Gauges
from dvr_ray.errors import StorageError
from dvr_ray.files import locked
from dvr_ray.storage import Mirror, Upload
from dvr_ray.tracking import Tracking
from dvr_ray.training.stored import Failure, note_failure, read_failure
from dvr_ray.tuning.suggest import decoded

if TYPE_CHECKING:
    from dvr_ray.training.run import RunRequest

__all__ = ["FAILURE", "NODE", "Plan", "covering", "trainable", "trial_folder"]

FAILURE, NODE = "failure", "node"


@dataclass(frozen=True)
class Plan:
    """What every trial of a sweep knows.

    Parameters
    ----------
    space : SearchSpace
        The sweep.
    folder : str
        The sweep's folder, visible to all nodes unless there is a mirror.
    mirror : Mirror or None
        Where a copy of the folder is kept; every machine then has a working folder of its own.
    """

    space: SearchSpace
    folder: str
    mirror: Mirror | None = None

    @property
    def here(self) -> Path:
        """The sweep's folder on this machine."""
        return Path(self.folder) if self.mirror is None else self.mirror.folder

    def mirror_of(self, folder: Path) -> Mirror | None:
        """Return where the copy of a run's folder is kept."""
        return None if self.mirror is None else self.mirror.of(folder)

    def config(self, values: dict[str, Any]) -> RunConfig:
        """Return the run of some suggested values."""
        return apply(self.space.run, decoded(self.space, values))

    @property
    def tracking(self) -> Tracking:
        """Where else the numbers of trials and retrainings go."""
        return Tracking(self.space.tracking, self.space.name, self.here)


def covering(space: SearchSpace) -> RunConfig:
    """Return the run whose data serve every trial: with all features that any of them reads.

    Features are computed once for a sweep, and not at all where no method reads them.
    """
    from dvr_ray.weightings import WEIGHTINGS

    features, methods = (space.search.get(name) for name in ("encoder.features", "method.name"))
    choices = (features.choice or ()) if features else ()
    names = [*space.run.encoder.features, *(name for choice in choices for name in choice)]
    changes: dict[str, Any] = {"encoder.features": list(dict.fromkeys(names))}
    named = (methods.choice or ()) if methods else ()
    reading = [name for name in named if WEIGHTINGS.get(name).reads_features]
    return apply(space.run, changes | ({"method": {"name": reading[0]}} if reading else {}))


def trial_folder(plan: Plan, config: RunConfig) -> Path:
    """Return the folder of a config's run."""
    return plan.here / "trials" / config_hash(config)


def trainable(values: dict[str, Any], *, plan: Plan, data: TrialData, mailbox: Any) -> None:
    """Train one suggestion and report to Tune.

    Parameters
    ----------
    values : dict
        Suggested fields by dotted path.
    plan : Plan
        The sweep.
    data : TrialData
        Shared by all trials through the object store.
    mailbox : ActorHandle or None
        Of the groups that train; None to train here.

    Notes
    -----
    What goes wrong here is noted in the folder and reported, and the trial ends like any other: it
    would go wrong again, so Tune isn't to retry it. Tune retries trials whose process is lost.
    """
    from ray import tune

    from dvr_ray.training.run import RunRequest

    config = plan.config(values)
    folder = trial_folder(plan, config)
    objectives = plan.space.tune.objectives
    request = RunRequest(
        config, data, folder, objectives, plan.tracking, replay=True, mirror=plan.mirror_of(folder)
    )
    try:
        # A sampler may suggest a config that another trial is training right now.
        with locked(folder / ".lock"):
            failure = read_failure(folder)
            if failure is None or not failure.final:
                _train(request, plan, mailbox)
                return
    except Exception as error:
        failure = Failure.of(error)
        # On a full disk, or without the storage, the note fails too; then Tune's report must do.
        with contextlib.suppress(OSError, StorageError), Upload(request.mirror):
            note_failure(folder, failure)
    tune.report({FAILURE: failure.cause})


def _train(request: RunRequest, plan: Plan, mailbox: Any) -> None:
    """Train in this process or on a group of workers."""
    import torch

    from dvr_ray.training.run import run

    resources = plan.space.resources
    gauges = Gauges(plan.space.name, request.folder.name, len(request.data.train))
    reporter = TuneReporter(request.metrics, gauges)
    if mailbox is not None:
        from dvr_ray.distributed.group import run_on

        run_on(mailbox, [request], reporter)
        return
    torch.set_num_threads(max(1, int(resources.cpus_per_worker)))
    device = torch.device("cuda" if resources.gpus_per_worker > 0 else "cpu")
    run(request, reporter, device=device)


class TuneReporter:
    """Passes rows to ``ray.tune.report``, which raises when Tune stops the trial."""

    def __init__(self, objectives: tuple[str, ...], gauges: Gauges) -> None:
        self._objectives, self._gauges = objectives, gauges
        self._node = this_node()

    def report(self, row: dict[str, Any], checkpoint: Path | None) -> None:
        """Report what searchers and schedulers read; the run's own folder holds the checkpoint."""
        from ray import tune

        self._gauges.show(row)
        told = {name: row["selection"][name] for name in self._objectives}
        tune.report(told | {"epoch": row["epoch"], "phase": row["phase"], NODE: self._node})
