"""What every worker of a group does: one run after the other, in step with the others."""

from __future__ import annotations

import pickle
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch

from dvr_ray.config.schema import Parallel
from dvr_ray.data.interactions import TrialData
from dvr_ray.distributed.collective import LostWorkerError, TorchCollective
from dvr_ray.distributed.departures import this_node
from dvr_ray.distributed.mailbox import Task
from dvr_ray.errors import DivergedError, DvrRayError, RunError
from dvr_ray.training.run import RunRequest, run
from dvr_ray.training.stored import Failure

__all__ = ["serve"]


def serve(*, group: str, mailbox: Any, data: Any, threads: int, parallel: Parallel) -> None:
    """Train what a mailbox brings, until it brings no more; the train function of Ray Train.

    Parameters
    ----------
    group : str
        Name of this group.
    mailbox : ActorHandle
        Of a `dvr_ray.distributed.mailbox.Mailbox`.
    data : ObjectRef
        Of what all runs train on.
    threads : int
        Threads of this worker.
    parallel : str
        What the workers share.
    """
    import ray
    import ray.train.torch

    torch.set_num_threads(threads)
    collective, device = TorchCollective(), ray.train.torch.get_device()
    held: TrialData = ray.get(data)
    turn = 0
    me = (collective.size, this_node())
    while (task := ray.get(mailbox.take.remote(group, turn, *me))) is not None:
        teller = _Teller(mailbox, task.number, collective.rank == 0)
        _serve_one(_request(task, held), teller, collective, device, parallel)
        turn += 1


class _StoppedError(Exception):
    """The run was stopped from outside; all workers raise it after the same row."""


class _MovedError(Exception):
    """Another group is to go on with the run, since this one's node is about to leave."""


class _Teller:
    """Brings rows to the mailbox; every worker must report alike."""

    def __init__(self, mailbox: Any, number: int, first: bool) -> None:
        self._mailbox, self._number, self.first = mailbox, number, first

    def report(self, row: dict[str, Any], checkpoint: Path | None) -> None:
        """Bring one row and wait until it was taken; the run's folder holds the checkpoint."""
        import ray

        told = row if self.first else None
        goes_on = ray.get(self._mailbox.report.remote(self._number, row["epoch"], told))
        if goes_on is None:
            raise _MovedError("its node is about to leave")
        if not goes_on:
            raise _StoppedError

    def end(self, error: DvrRayError | None) -> None:
        """Tell the end of the run."""
        import ray

        ray.get(self._mailbox.end.remote(self._number, error))


def _request(task: Task, data: TrialData) -> RunRequest:
    request: RunRequest = pickle.loads(task.request)
    # A row that was logged and checkpointed by a lost group may not have been told.
    return replace(request, data=data, replay=request.replay or task.replay)


def _serve_one(
    request: RunRequest,
    teller: _Teller,
    collective: TorchCollective,
    device: torch.device,
    parallel: Parallel,
) -> None:
    """Train one run; returns if all workers know how it ended, and so stay in step."""
    error: DvrRayError | None = None
    try:
        run(request, teller, collective, device, parallel)
    except _StoppedError:
        pass
    except DivergedError as found:
        error = found
    except (LostWorkerError, _MovedError):
        raise
    except Exception as found:
        # The others may be waiting in a sum. Whoever asked for the run gets the cause.
        teller.end(_told(found, request.folder))
        raise
    if teller.first:
        teller.end(error)


def _told(error: Exception, folder: Path) -> DvrRayError:
    """Return an error as one of ours, which can be sent; where it was raised goes along."""
    if isinstance(error, DvrRayError):
        return error
    failure = Failure.of(error)
    told = RunError(str(folder), failure.cause)
    told.add_note(failure.trace)
    return told
