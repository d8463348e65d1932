"""The interface of a tracker: it gets every row of one run once, in order, also over resumptions.

Trackers are asked for beside the run (``tracking: {tensorboard: true}``); they are no part of its
config, so they change neither its hash nor what is trained. Only worker 0 opens them.
"""

from __future__ import annotations

import importlib.util
from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, ClassVar

from dvr_ray.config.schema import TrackingConfig
from dvr_ray.errors import ConfigError
from dvr_ray.registry import Registry

__all__ = ["TRACKERS", "TrackedRun", "Tracker", "Tracking", "check_tracking", "scalars"]


@dataclass(frozen=True)
class Tracking:
    """What is asked for, and how the runs are grouped.

    Parameters
    ----------
    config : TrackingConfig
        Which trackers.
    project : str
        Name of the sweep or run: MLflow's experiment, W&B's project.
    root : Path
        Folder of the sweep or run, where local stores go.
    """

    config: TrackingConfig = field(default_factory=TrackingConfig)
    project: str = ""
    root: Path = Path()


@dataclass(frozen=True)
class TrackedRun:
    """One run, as a tracker sees it.

    Parameters
    ----------
    folder : Path
        The run's folder.
    identity : str
        Hash of its config: the same after a resumption.
    name : str
        For people: the folder below ``root``.
    config : dict
        The run's config.
    project, root
        As in `Tracking`.
    """

    folder: Path
    identity: str
    name: str
    config: Mapping[str, Any]
    project: str
    root: Path


class Tracker(ABC):
    """Takes the numbers of one run."""

    needs: ClassVar[str | None] = None
    """Package to be installed, if any."""

    @abstractmethod
    def __init__(self, run: TrackedRun) -> None:
        """Open the run, or open it again after a resumption."""

    @abstractmethod
    def report(self, epoch: int, values: Mapping[str, float]) -> None:
        """Take the numbers of an epoch, and keep them safe from a kill before returning."""

    @abstractmethod
    def close(self) -> None:
        """Close the run; called once, also when training fails."""


TRACKERS: Registry[Tracker] = Registry("tracker", "dvr_ray.tracking")


def check_tracking(config: TrackingConfig, place: str) -> None:
    """Check that all trackers can be had, before anything is started.

    Raises
    ------
    ConfigError
        If a name is unknown or a package isn't installed.
    """
    for name in config.names:
        needs = getattr(TRACKERS.get(name, f"{place}.hooks"), "needs", None)
        if needs is not None and importlib.util.find_spec(needs) is None:
            raise ConfigError(
                f"{place}.{name}",
                f"needs the package {needs}, which isn't installed",
                f"install it (pip install 'dvr_ray[{name}]') or set {name} to false",
            )


def scalars(row: Mapping[str, Any]) -> dict[str, float]:
    """Flatten a row of ``metrics.jsonl``: ``selection/ndcg_at_20``, ``monitors/coverage/1``.

    ``@`` becomes ``_at_``: not every tracker takes it in a name.
    """
    return {name.replace("@", "_at_"): value for name, value in _numbers("", row)}


def _numbers(above: str, node: Any) -> Iterator[tuple[str, float]]:
    if isinstance(node, bool | int | float):
        yield above, float(node)
    elif isinstance(node, Mapping | list):
        pairs = node.items() if isinstance(node, Mapping) else enumerate(node)
        for key, value in pairs:
            yield from _numbers(f"{above}/{key}" if above else str(key), value)
