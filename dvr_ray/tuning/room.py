"""How many trials there is room for while nodes of the cluster come and go."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from ray.tune.search import ConcurrencyLimiter, Searcher

from dvr_ray.config.space import SearchSpace
from dvr_ray.distributed.capacity import Cluster, trials_at_once
from dvr_ray.distributed.usage import ClusterSeen
from dvr_ray.events import Note, Tell
from dvr_ray.storage.fetching import nobody

__all__ = ["FollowingLimiter", "Room"]


class Room:
    """Looks at the cluster that this process is connected to, and tells what has changed.

    Parameters
    ----------
    space : SearchSpace
        Says what a trial needs, and the ceiling of trials at once.
    tell : callable
        Takes the events.
    """

    def __init__(self, space: SearchSpace, tell: Tell) -> None:
        self._space, self._tell = space, tell
        self._seen: ClusterSeen | None = None

    def at_once(self) -> int:
        """Trials that may run now; one always may, if only to wait for room."""
        return max(1, self._fits(Cluster.look().grown()))

    def look(self) -> None:
        """Tell what is in use, and in a line of its own that nodes came or went."""
        before, self._seen = self._seen, self._now()
        if self._seen != before:
            self._tell(self._seen)
        if before is not None and self._seen.has != before.has:
            self._tell(Note(f"nodes came or went: {self._seen}"))

    def __getstate__(self) -> dict[str, Any]:
        """Listeners stay in this process; Tune keeps copies."""
        return self.__dict__ | {"_tell": nobody}

    def _fits(self, cluster: Cluster) -> int:
        return min(trials_at_once(cluster, self._space.resources), self._space.tune.concurrent)

    def _now(self) -> ClusterSeen:
        import ray

        there, free = Cluster.look(), ray.available_resources()
        return ClusterSeen(
            nodes=len(there.nodes),
            cpus=there.cpus,
            gpus=there.gpus,
            cpus_used=max(0.0, there.cpus - free.get("CPU", 0)),
            gpus_used=max(0.0, there.gpus - free.get("GPU", 0)),
            at_once=self._fits(there),
        )


class FollowingLimiter(ConcurrencyLimiter):  # type: ignore[misc]
    """Asks a searcher for as many trials at the same time as there is room for now.

    Parameters
    ----------
    searcher : Searcher
        Suggests.
    at_once : callable
        Returns how many trials may run.
    """

    def __init__(self, searcher: Searcher, at_once: Callable[[], int]) -> None:
        self._at_once = at_once
        super().__init__(searcher, max_concurrent=at_once())

    def suggest(self, trial_id: str) -> dict[str, Any] | None:
        """Suggest values, or nothing where there is no room."""
        self.max_concurrent = self._at_once()
        found: dict[str, Any] | None = super().suggest(trial_id)
        return found
