"""Groups of W workers under Ray Train, kept over the runs that they train.

The training loop is the one that a single process runs; it is handed a `TorchCollective` instead
of `OneProcess`, and workers share batches or masks (`dvr_ray.training.sharing`). To start a group
takes 10 to 20 seconds, nearly all of it processes and imports, so the train function of one
``fit()`` serves one run after the other. A group that has lost a worker, or in which only some
workers failed, ends; another one takes up its run at the newest checkpoint.

The driver keeps all groups, and trials in other processes reach them through a mailbox: the
resources of a group whose owner was killed would stay reserved until the driver ends.
"""

from __future__ import annotations

import pickle
import shutil
import threading
import uuid
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from dvr_ray.config.schema import ResourcesConfig
from dvr_ray.data.interactions import TrialData
from dvr_ray.distributed.capacity import Cluster, Node
from dvr_ray.distributed.mailbox import Mailbox, Notice
from dvr_ray.distributed.trainer import make_trainer
from dvr_ray.errors import RunError
from dvr_ray.storage import Mirror, Storage
from dvr_ray.training.reporter import Reporter
from dvr_ray.training.run import RunRequest, run, take_over
from dvr_ray.training.stored import finished

__all__ = ["WorkerGroups", "run_on"]

LOOK_SECONDS = 0.2
RESTARTS = 2
CLOSE_SECONDS = 60
SHARED = ".ray-train"
"""Ray Train's own files in a storage."""


class WorkerGroups:
    """Groups that wait for runs; a context manager.

    A group is started when a run waits for it and there is room. Where there is none for a whole
    group but for ``resources.least`` workers, it is smaller, and leaves after a run when there is
    more room.

    Parameters
    ----------
    data : TrialData
        What all runs train on; put into the object store once.
    resources : ResourcesConfig
        Workers of a group, and what each of them gets.
    folder : Path
        Where Ray Train keeps its own files while the groups live; visible to all nodes, and used
        by nobody else.
    on_notice : callable
        Takes what happened to the workers of a run.
    most : int
        Ceiling of groups.
    mirror : Mirror or None
        Where Ray Train keeps its files instead, if machines share no folder.

    Attributes
    ----------
    mailbox : ActorHandle
        For `run_on`, in this process or another one.
    """

    def __init__(
        self,
        data: TrialData,
        resources: ResourcesConfig,
        folder: Path,
        on_notice: Callable[[Notice], None],
        most: int = 1,
        mirror: Mirror | None = None,
    ) -> None:
        import ray

        # What a killed driver has left there may be torn.
        self._folder, self._mirror = folder.resolve(), mirror
        shutil.rmtree(self._folder, ignore_errors=True)
        here = {ray._raylet.RAY_NODE_ID_KEY: ray.get_runtime_context().get_node_id()}
        made = ray.remote(num_cpus=0, label_selector=here)(Mailbox)
        self.mailbox = made.remote(1 + RESTARTS, resources.workers)
        self._resources, self._on_notice, self._most = resources, on_notice, most
        self._data = ray.put(data)
        self._groups: dict[str, int] = {}  # workers of those that live
        self._missed = False
        self._connected = threading.Lock()
        self._left = threading.Event()
        self._keeper = threading.Thread(target=self._keep, name="groups", daemon=True)
        self._keeper.start()

    def drop(self, folder: Path | None = None) -> None:
        """Stop the runs of a folder, or all, whose trial doesn't wait for them any more."""
        import ray

        ray.get(self.mailbox.drop.remote(None if folder is None else str(folder.resolve())))

    def leave(self, nodes: set[str]) -> None:
        """Have runs on nodes that were given notice go on elsewhere after their next row."""
        import ray

        ray.get(self.mailbox.leave.remote(nodes))

    def close(self) -> None:
        """Let the workers go and wait for them; who doesn't come in time loses the mailbox."""
        import ray

        ray.get(self.mailbox.close.remote())
        self._keeper.join(CLOSE_SECONDS)
        self._leave()
        ray.kill(self.mailbox)
        shutil.rmtree(self._folder, ignore_errors=True)
        if self._mirror is not None:
            Storage.open(self._mirror.address).remove(SHARED)

    def __enter__(self) -> WorkerGroups:
        """Return the groups."""
        return self

    def __exit__(self, kind: type[BaseException] | None, *exception: object) -> None:
        """Close; after an interruption the workers end with the connection to Ray."""
        if kind is None or issubclass(kind, Exception):
            self.close()
        self._leave()

    def _leave(self) -> None:
        with self._connected:
            self._left.set()

    def _shared(self) -> dict[str, Any]:
        """Where Ray Train keeps its own files, as it wants to be told."""
        if self._mirror is None:
            return {"storage_path": str(self._folder)}
        storage = Storage.open(self._mirror.address).below(SHARED)
        return {"storage_path": storage.path, "storage_filesystem": storage.filesystem}

    def _keep(self) -> None:
        """Look after the groups until there is no more work and all have gone."""
        while not self._left.wait(LOOK_SECONDS):
            with self._connected:
                # Without a connection any use of Ray would end this process.
                if self._left.is_set() or not self._look():
                    return

    def _look(self) -> bool:
        """Start a group that is missing, let a small one go; False when all have gone."""
        import ray

        needs = ray.get(self.mailbox.needs.remote(list(self._groups)))
        for notice in needs.notices:
            self._on_notice(notice)
        if needs.groups is None:
            return bool(self._groups)
        small = [g for g, size in self._groups.items() if size < self._resources.workers]
        if needs.groups and len(self._groups) < self._most:
            self._start()
        elif small and self._idle() > 0:
            # A larger one takes its place.
            ray.get(self.mailbox.relieve.remote(small[0]))
        return True

    def _free(self, cluster: Cluster) -> int:
        """Workers that a cluster has room for beside those of the groups."""
        return cluster.room(self._resources) - sum(self._groups.values())

    def _idle(self) -> int:
        """Workers that there is room for now, with what other jobs have taken."""
        import ray

        free = ray.available_resources()
        unused = Node(free.get("CPU", 0), free.get("GPU", 0)).room(self._resources)
        return min(unused, self._free(Cluster.look()))

    def _start(self) -> None:
        """Start a group if there is room."""
        least, room = self._resources.least, self._free(Cluster.look().grown())
        # What an autoscaler promises, or other jobs use, may not come: what is there has to do.
        if self._missed and (idle := self._idle()) >= least:
            room = idle
        if room < least:
            return
        group, size = uuid.uuid4().hex[:8], min(self._resources.workers, room)
        self._groups[group] = size
        threading.Thread(
            target=self._serve, args=(group, size), name=f"group {group}", daemon=True
        ).start()

    def _serve(self, group: str, size: int) -> None:
        """Start a group; ``fit()`` blocks for its life."""
        import ray
        from ray.train import ControllerError

        cause, placed = "they ended early", True
        try:
            make_trainer(
                group, self.mailbox, self._data, self._resources, size, self._shared()
            ).fit()
        except ControllerError as error:
            cause, placed = _cause(error), "timed out" not in str(error)
        except Exception as error:
            cause = _cause(error)
        with self._connected:
            if not self._left.is_set():
                self._missed = not placed
                if placed:
                    ray.get(self.mailbox.lost.remote(group, cause))
                del self._groups[group]


def run_on(mailbox: Any, requests: Sequence[RunRequest], reporter: Reporter) -> None:
    """Have runs trained by groups, and wait for their results; what was trained before counts.

    Parameters
    ----------
    mailbox : ActorHandle
        Of the groups.
    requests : sequence of RunRequest
        The runs, on the groups' data; their folders must be visible to all nodes.
    reporter : Reporter
        Takes each row once, in this process; a run's workers wait for it, and what it raises stops
        all runs.

    Raises
    ------
    DvrRayError
        What a run raised, or that its workers were lost more often than they are replaced.
    """
    numbers: dict[int, RunRequest] = {}
    try:
        for request in requests:
            if finished(request.folder) is not None:
                run(request, reporter)
            else:
                numbers[_submit(mailbox, request)] = request
        _follow(mailbox, numbers, reporter)
    except BaseException:
        for number in numbers:
            mailbox.end.remote(number)
        raise


def _submit(mailbox: Any, request: RunRequest) -> int:
    """Send a run without its data, which workers have; return its number."""
    import ray

    folder = request.folder.resolve()
    folder.mkdir(parents=True, exist_ok=True)
    sent = pickle.dumps(replace(request, data=None, folder=folder))  # type: ignore[arg-type]
    return int(ray.get(mailbox.submit.remote(str(folder), sent)))


def _follow(mailbox: Any, numbers: dict[int, RunRequest], reporter: Reporter) -> None:
    """Pass rows on until all runs have ended."""
    import ray

    waiting = {mailbox.news.remote(number): number for number in numbers}
    while waiting:
        (ready, *_), _ = ray.wait(list(waiting))
        number, news = waiting.pop(ready), ray.get(ready)
        if news.error is not None:
            raise news.error
        if news.row is not None:
            reporter.report(news.row, None)
            waiting[mailbox.news.remote(number)] = number
            continue
        take_over(numbers[number])
        if finished(folder := numbers[number].folder) is None:
            raise RunError(str(folder), "its workers left no result", "train it again")


def _cause(error: BaseException) -> str:
    """The innermost cause in one line."""
    while error.__cause__ is not None:
        error = error.__cause__
    lines = [line for line in str(error).splitlines() if line.strip()]
    return lines[-1].strip() if lines else type(error).__name__
