"""A group of W workers under Ray Train that trains one run after the other.

The training loop is the one that a single process runs; it is handed a `TorchCollective` instead
of `OneProcess`, and each worker holds B / W of every batch. To start a group takes 10 to 20
seconds, nearly all of it processes and imports, so the train function of one ``fit()`` serves all
runs that come. A group that loses a worker, or in which only some workers failed, ends; the next
one goes on with the open run from its newest checkpoint.
"""

from __future__ import annotations

import functools
import pickle
import shutil
import threading
import uuid
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from dvr_ray.config.schema import ResourcesConfig
from dvr_ray.data.interactions import TrialData
from dvr_ray.distributed.collective import LostWorkerError
from dvr_ray.distributed.mailbox import Mailbox, News
from dvr_ray.distributed.serving import serve
from dvr_ray.errors import DivergedError, DvrRayError, RunError
from dvr_ray.training.reporter import Reporter
from dvr_ray.training.run import RunRequest, run
from dvr_ray.training.stored import finished

__all__ = ["WorkerGroup"]

RESTARTS = 2
TIMEOUT_SECONDS = 60
POLL_SECONDS = 0.5


class WorkerGroup:
    """Workers that wait for runs; a context manager. They are started by the first run.

    Parameters
    ----------
    data : TrialData
        What all runs train on; put into the object store once.
    resources : ResourcesConfig
        Workers and what each of them gets.
    folder : Path
        Where Ray Train keeps its own files while the group lives; visible to all nodes, and used
        by nobody else.
    """

    def __init__(self, data: TrialData, resources: ResourcesConfig, folder: Path) -> None:
        self._data, self._resources, self._folder = data, resources, folder.resolve()
        self._life: _Life | None = None

    def run(self, request: RunRequest, reporter: Reporter) -> dict[str, Any]:
        """Train one run to its end, or return what was trained before.

        Parameters
        ----------
        request : RunRequest
            The run, on the group's data; its folder must be visible to all nodes.
        reporter : Reporter
            Takes each row once, in this process; workers wait for it, and what it raises stops
            the run.

        Returns
        -------
        dict
            The content of ``result.json``.

        Raises
        ------
        DvrRayError
            What the run raised.
        RunError
            If the run loses workers more often than the group is restarted.
        """
        taking = _Taking(reporter)
        for _ in range(1 + RESTARTS):
            if finished(request.folder) is not None:
                return run(request, taking)
            # A row may have been logged and checkpointed, but lost on its way here.
            again = replace(request, replay=request.replay or taking.epoch > 0)
            try:
                self._train(again, taking)
            except LostWorkerError as error:
                lost = error
                self.close()
            else:
                break
        else:
            raise RunError(str(request.folder), f"{lost.rule}, {1 + RESTARTS} times in a row")
        result = finished(request.folder)
        if result is None:
            raise RunError(str(request.folder), "the workers left no result", "train it again")
        return result

    def _train(self, request: RunRequest, taking: _Taking) -> None:
        """Have a run trained by the workers, which are started if need be."""
        if self._life is None or not self._life.fit.is_alive():
            self.close()
            self._life = _Life.begin(self._data, self._resources, self._folder)
        life = self._life
        number = life.submit(request)
        try:
            while (news := life.news(number)).row is not None:
                taking.report(news.row, None)
            if news.error is not None:
                raise news.error
        except DivergedError:
            raise
        except DvrRayError:
            self.close()
            raise
        except BaseException:
            life.mailbox.end.remote(number)
            raise

    def close(self) -> None:
        """Let the workers go and wait for them."""
        life, self._life = self._life, None
        if life is not None:
            life.end()
            shutil.rmtree(self._folder, ignore_errors=True)

    def __enter__(self) -> WorkerGroup:
        """Return the group."""
        return self

    def __exit__(self, kind: type[BaseException] | None, *exception: object) -> None:
        """Close; after an interruption the workers end with the connection to Ray."""
        if kind is None or issubclass(kind, Exception):
            self.close()


class _Taking:
    """Passes on the rows that are new, and remembers the last one's epoch."""

    def __init__(self, reporter: Reporter) -> None:
        self._reporter = reporter
        self.epoch = 0

    def report(self, row: dict[str, Any], checkpoint: Path | None) -> None:
        """Take one row."""
        if row["epoch"] > self.epoch:
            self.epoch = row["epoch"]
            self._reporter.report(row, checkpoint)


class _Fit(threading.Thread):
    """``trainer.fit()``, which blocks for the life of the group."""

    def __init__(self, trainer: Any) -> None:
        super().__init__(name="ray train", daemon=True)
        self._trainer = trainer
        self.error: Exception | None = None

    def run(self) -> None:
        """Fit."""
        try:
            self._trainer.fit()
        except Exception as error:
            self.error = error


@dataclass(frozen=True)
class _Life:
    """One set of workers, from their start until they are lost or let go."""

    mailbox: Any
    fit: _Fit

    @classmethod
    def begin(cls, data: TrialData, resources: ResourcesConfig, folder: Path) -> _Life:
        import ray

        # What a killed process has left there may be torn.
        shutil.rmtree(folder, ignore_errors=True)
        mailbox = ray.remote(num_cpus=0)(Mailbox).remote()
        fit = _Fit(_trainer(mailbox, ray.put(data), resources, folder))
        fit.start()
        return cls(mailbox, fit)

    def submit(self, request: RunRequest) -> int:
        """Send a run without its data, which workers have; return its number."""
        import ray

        folder = request.folder.resolve()
        sent = pickle.dumps(replace(request, data=None, folder=folder))  # type: ignore[arg-type]
        try:
            return int(ray.get(self.mailbox.submit.remote(sent)))
        except ray.exceptions.RayActorError as error:
            raise _lost(error) from error

    def news(self, number: int) -> News:
        """Wait for a run's next row or its end."""
        import ray

        waiting = self.mailbox.news.remote(number)
        try:
            while not ray.wait([waiting], timeout=POLL_SECONDS)[0]:
                if not self.fit.is_alive():
                    raise _lost(self.fit.error)
            found: News = ray.get(waiting)
        except ray.exceptions.RayActorError as error:
            raise _lost(error) from error
        return found

    def end(self) -> None:
        """Let the workers go; those that don't come back lose their mailbox, and fail."""
        import ray

        self.mailbox.close.remote()
        self.fit.join(TIMEOUT_SECONDS)
        ray.kill(self.mailbox)


def _lost(error: BaseException | None) -> LostWorkerError:
    """Say why workers are gone."""
    while error is not None and error.__cause__ is not None:
        error = error.__cause__
    lines = [line for line in str(error or "").splitlines() if line.strip()]
    told = lines[-1].strip() if lines else type(error).__name__
    rule = f"its workers were lost, as when memory runs out or a node dies ({told})"
    return LostWorkerError("worker group", rule)


def _trainer(mailbox: Any, data: Any, resources: ResourcesConfig, folder: Path) -> Any:
    from ray.train import FailureConfig, RunConfig, ScalingConfig
    from ray.train.torch import TorchConfig, TorchTrainer

    gpu = resources.gpus_per_worker > 0
    each = {"CPU": resources.cpus_per_worker} | ({"GPU": resources.gpus_per_worker} if gpu else {})
    threads = max(1, int(resources.cpus_per_worker))
    # NCCL refuses two ranks on one GPU.
    backend = "nccl" if resources.gpus_per_worker >= 1 else "gloo"
    return TorchTrainer(
        functools.partial(serve, mailbox=mailbox, data=data, threads=threads),
        scaling_config=ScalingConfig(
            num_workers=resources.workers, use_gpu=gpu, resources_per_worker=each
        ),
        torch_config=TorchConfig(backend=backend, timeout_s=TIMEOUT_SECONDS),
        run_config=RunConfig(
            name=uuid.uuid4().hex[:8],
            storage_path=str(folder),
            # Tries are counted for each run, and not over the life of the group.
            failure_config=FailureConfig(max_failures=0, max_preemption_failures=0),
        ),
    )
