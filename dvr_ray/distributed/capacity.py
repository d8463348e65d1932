"""What a cluster has, and how many trials fit in it."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from dvr_ray.config.schema import ResourcesConfig
from dvr_ray.distributed.departures import leaving
from dvr_ray.errors import ResourceError

__all__ = ["Cluster", "Node", "check_fit", "task_options", "trials_at_once"]

GROWS = "DVR_RAY_GROWS_TO"


@dataclass(frozen=True)
class Node:
    """One machine of a cluster.

    Parameters
    ----------
    cpus, gpus : float
        What it has in all.
    labels : dict of str or None
        By name; None for one that isn't there yet, which will be what is asked for.
    """

    cpus: float
    gpus: float = 0
    labels: Mapping[str, str] | None = None

    def has(self, labels: Mapping[str, str]) -> bool:
        """Whether the node has all these labels."""
        return self.labels is None or labels.items() <= self.labels.items()

    def room(self, resources: ResourcesConfig) -> int:
        """Return how many workers of a trial fit, labels aside."""
        asked = [(self.cpus, resources.cpus_per_worker), (self.gpus, resources.gpus_per_worker)]
        # Ten workers with .1 GPU each share one, whatever 1 // .1 is.
        return min(int(has / each + 1e-9) for has, each in asked if each)


@dataclass(frozen=True)
class Cluster:
    """What a cluster has in all.

    Parameters
    ----------
    nodes : tuple of Node
        Its machines.
    """

    nodes: tuple[Node, ...]

    @classmethod
    def look(cls) -> Cluster:
        """Return the cluster that this process is connected to, without nodes given notice."""
        import ray

        leave = leaving()
        return cls(
            tuple(
                Node(
                    node["Resources"].get("CPU", 0),
                    node["Resources"].get("GPU", 0),
                    node["Labels"] or {},
                )
                for node in ray.nodes()
                if node["Alive"] and node["NodeID"] not in leave
            )
        )

    @property
    def cpus(self) -> float:
        """CPUs of all nodes."""
        return sum(node.cpus for node in self.nodes)

    @property
    def gpus(self) -> float:
        """GPUs of all nodes."""
        return sum(node.gpus for node in self.nodes)

    def grown(self) -> Cluster:
        """Return what an autoscaler may make of it; its files say so (see ``cluster/``).

        Raises
        ------
        ResourceError
            If they say it wrongly.
        """
        text = os.environ.get(GROWS, "")
        try:
            most = {name: float(n) for name, n in (each.split("=") for each in text.split())}
        except ValueError as error:
            rule, mend = "must be resources and numbers", 'write e.g. "CPU=8 GPU=2", or unset it'
            raise ResourceError(GROWS, f"{rule}, got {text!r}", mend) from error
        more = Node(
            max(0, most.get("CPU", 0) - self.cpus), max(0, most.get("GPU", 0) - self.gpus), None
        )
        return Cluster((*self.nodes, more)) if more.cpus or more.gpus else self

    def room(self, resources: ResourcesConfig) -> int:
        """Return how many workers of a trial fit, on nodes with the labels that it asks for."""
        able = [node for node in self.nodes if node.has(resources.node_labels)]
        return sum(node.room(resources) for node in able)


def trials_at_once(cluster: Cluster, resources: ResourcesConfig) -> int:
    """Return how many trials fit side by side.

    What full trials leave over serves one more that can do with it.
    """
    full, rest = divmod(cluster.room(resources), resources.workers)
    return full + (rest >= resources.least)


def task_options(resources: ResourcesConfig) -> dict[str, Any]:
    """Return what one worker asks for as options of a Ray task."""
    return {
        "num_cpus": resources.cpus_per_worker,
        "num_gpus": resources.gpus_per_worker,
        "label_selector": resources.node_labels or None,
    }


def check_fit(cluster: Cluster, resources: ResourcesConfig) -> None:
    """Refuse a trial that can never be placed, instead of waiting for ever.

    Parameters
    ----------
    cluster : Cluster
        What there is, or will be.
    resources : ResourcesConfig
        What one trial needs.

    Raises
    ------
    ResourceError
        With both numbers.
    """
    labels = resources.node_labels
    able = Cluster(tuple(node for node in cluster.nodes if node.has(labels)))
    if not able.nodes:
        raise ResourceError(
            "resources.node_labels",
            f"no node has {_written(labels)}, {_known(cluster, labels)}",
            "write one that a node has (GPUs' types: ray.io/accelerator-type), or add a node",
        )
    _check_totals(able, resources)
    if able.room(resources) < resources.least:
        each = f"{resources.cpus_per_worker:g} CPUs and {resources.gpus_per_worker:g} GPUs"
        raise ResourceError(
            "resources",
            f"a trial needs {resources.least} workers with {each} of one node each, "
            f"the nodes have room for {able.room(resources)}",
            "lower resources.workers, resources.cpus_per_worker or resources.gpus_per_worker, "
            "or take larger nodes",
        )


def _check_totals(cluster: Cluster, resources: ResourcesConfig) -> None:
    workers = resources.least
    where = "the cluster"
    if resources.node_labels:
        where += f"'s nodes with {_written(resources.node_labels)}"
    for name, each, has in (
        ("CPU", resources.cpus_per_worker, cluster.cpus),
        ("GPU", resources.gpus_per_worker, cluster.gpus),
    ):
        if workers * each > has:
            raise ResourceError(
                "resources",
                f"a trial of {workers} workers x {each:g} {name} needs {workers * each:g} {name}s, "
                f"{where} has {has:g}",
                f"lower resources.workers or resources.{name.lower()}s_per_worker, "
                "or take a larger cluster",
            )


def _written(labels: Mapping[str, str]) -> str:
    return ", ".join(f"{name}: {value}" for name, value in labels.items())


def _known(cluster: Cluster, labels: Mapping[str, str]) -> str:
    """What the nodes have of labels of the same names."""
    found = [
        _written({name: value for name, value in (node.labels or {}).items() if name in labels})
        for node in cluster.nodes
    ]
    kinds = sorted({text for text in found if text})
    return f"others have {' or '.join(kinds)}" if kinds else f"none has {' or '.join(labels)}"
