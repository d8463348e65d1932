"""One run on W workers of a Ray Train group: each holds B / W of every batch.

The training loop is the one that a single process runs; it is handed a `TorchCollective` instead
of `OneProcess`. A group that loses a worker is restarted and goes on from the newest checkpoint.
"""

from __future__ import annotations

import functools
import shutil
import signal
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch

from dvr_ray.config.schema import ResourcesConfig
from dvr_ray.data.interactions import TrialData
from dvr_ray.errors import DivergedError, DvrRayError, RunError
from dvr_ray.training.run import RunRequest, run
from dvr_ray.training.stored import Failure, finished, note_failure, read_failure

__all__ = ["run_group"]

RESTARTS = 2
TIMEOUT_SECONDS = 60


def run_group(
    request: RunRequest,
    resources: ResourcesConfig,
    objectives: tuple[str, ...],
    callbacks: Sequence[Any] = (),
) -> dict[str, Any]:
    """Train one run on a group of workers and wait for it.

    Parameters
    ----------
    request : RunRequest
        The run; its folder must be visible to all nodes.
    resources : ResourcesConfig
        Workers and what each of them gets.
    objectives : tuple of str
        Metrics that every report carries.
    callbacks : sequence
        Ray Train callbacks, e.g. one that passes reports on to Tune.

    Returns
    -------
    dict
        The content of ``result.json``.

    Raises
    ------
    RunError
        If the group fails more often than it is restarted.
    """
    import ray
    from ray.train import FailureConfig, RunConfig, ScalingConfig
    from ray.train.torch import TorchConfig, TorchTrainer

    done = finished(request.folder)
    if done is not None:
        return done
    request.folder.mkdir(parents=True, exist_ok=True)
    storage = request.folder / "ray-train"
    # The run's own checkpoints are what it goes on from. Train's files may be torn by a kill.
    shutil.rmtree(storage, ignore_errors=True)
    gpu = resources.gpus_per_worker > 0
    each = {"CPU": resources.cpus_per_worker} | ({"GPU": resources.gpus_per_worker} if gpu else {})
    # NCCL refuses two ranks on one GPU.
    backend = "nccl" if resources.gpus_per_worker >= 1 else "gloo"
    trainer = TorchTrainer(
        functools.partial(
            _worker,
            data=ray.put(request.data),
            request=_without_data(request),
            objectives=objectives,
            threads=max(1, int(resources.cpus_per_worker)),
        ),
        scaling_config=ScalingConfig(
            num_workers=resources.workers, use_gpu=gpu, resources_per_worker=each
        ),
        torch_config=TorchConfig(backend=backend, timeout_s=TIMEOUT_SECONDS),
        run_config=RunConfig(
            name=request.folder.name,
            storage_path=str(storage.resolve()),
            callbacks=list(callbacks),
            failure_config=FailureConfig(max_failures=RESTARTS),
        ),
    )
    try:
        with _own_interrupt():
            trainer.fit()
    except Exception as error:
        raise RunError(str(request.folder), _cause(error), "see the log of Ray Train") from error
    result = finished(request.folder)
    if result is None:
        failure = read_failure(request.folder) or Failure("the workers ended without a result")
        kind = DivergedError if failure.final else RunError
        raise kind(str(request.folder), failure.cause)
    return result


@contextmanager
def _own_interrupt() -> Iterator[None]:
    """Have Ctrl-C end a group as it ends everything else; Train makes a plain exit of it."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = signal.getsignal(signal.SIGINT)
    try:
        yield
    except SystemExit as error:
        raise KeyboardInterrupt from error
    finally:
        signal.signal(signal.SIGINT, before)


class TrainReporter:
    """Passes rows and checkpoints to ``ray.train.report``; every worker must report alike."""

    def __init__(self, objectives: tuple[str, ...]) -> None:
        self._objectives = objectives

    def report(self, row: dict[str, Any], checkpoint: Path | None) -> None:
        """Report one row; the checkpoint comes from worker 0."""
        import ray.train

        kept = None if checkpoint is None else ray.train.Checkpoint.from_directory(checkpoint)
        ray.train.report(row_metrics(row, self._objectives), checkpoint=kept)


def row_metrics(row: dict[str, Any], objectives: tuple[str, ...]) -> dict[str, Any]:
    """Return what searchers and schedulers read: the objectives, epoch and phase."""
    return {name: row["selection"][name] for name in objectives} | {
        "epoch": row["epoch"],
        "phase": row["phase"],
    }


def _worker(*, data: Any, request: RunRequest, objectives: tuple[str, ...], threads: int) -> None:
    """Runs in every worker of the group."""
    import ray
    import ray.train.torch

    from dvr_ray.distributed.collective import TorchCollective

    torch.set_num_threads(threads)
    held: TrialData = ray.get(data)
    try:
        run(
            replace(request, data=held),
            TrainReporter(objectives),
            TorchCollective(),
            ray.train.torch.get_device(),
        )
    except DvrRayError as error:
        # Raised on, Train would take it for a lost worker and start the group anew.
        note_failure(request.folder, Failure.of(error))


def _without_data(request: RunRequest) -> RunRequest:
    return replace(request, data=None, folder=request.folder.resolve())  # type: ignore[arg-type]


def _cause(error: BaseException) -> str:
    """The innermost cause in one line."""
    seen: BaseException = error
    while seen.__cause__ is not None:
        seen = seen.__cause__
    if isinstance(seen, DvrRayError):
        return str(seen)
    lines = [line for line in str(seen).splitlines() if line.strip()]
    return lines[-1].strip() if lines else type(seen).__name__
