"""What of a cluster is in use, as an event of a sweep; imports neither Ray nor the config."""

from __future__ import annotations

from dataclasses import dataclass

from dvr_ray.events import Event, counted

__all__ = ["ClusterSeen"]


@dataclass(frozen=True)
class ClusterSeen(Event):
    """What the cluster of a sweep has and what of it is in use.

    Parameters
    ----------
    nodes : int
        Machines that are there.
    cpus, gpus, cpus_used, gpus_used : float
        Of all of them, and in use, by whomever.
    at_once : int
        Trials that there is room for side by side, up to the ceiling; 0 if even one must wait.
    """

    kind = "cluster_seen"
    nodes: int
    cpus: float
    gpus: float
    cpus_used: float
    gpus_used: float
    at_once: int

    @property
    def has(self) -> tuple[float, ...]:
        """What changes only when nodes come or go."""
        return self.nodes, self.cpus, self.gpus

    @property
    def used(self) -> str:
        """What is in use."""
        gpus = f", {self.gpus_used:g} of {self.gpus:g} GPUs" if self.gpus else ""
        cpus = f"{self.cpus_used:g} of {self.cpus:g} CPUs"
        return f"{counted(self.nodes, 'node')}, {cpus}{gpus} in use"

    def __str__(self) -> str:
        room = (
            f"room for {self.at_once} trial(s) at once" if self.at_once else "no room for a trial"
        )
        return f"{self.used}; {room}"
