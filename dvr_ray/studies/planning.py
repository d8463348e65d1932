"""What a study is about to do, and about how long it will take.

A run's work is counted in epochs of one backbone: a horizon trains one replica for each mask, the
model that goes on, and the gate's control. What such an epoch takes is probed for each data set,
backbone and batch size, by the second epoch of a plain run; as runs finish, what a method really
took, early stopping included, takes the place of the count.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from dvr_ray.backbones import BACKBONES
from dvr_ray.config.load import apply
from dvr_ray.config.schema import RunConfig
from dvr_ray.negatives import NEGATIVES
from dvr_ray.training.pretraining import first_run, pretrained, second_run
from dvr_ray.training.sharing import models_beside
from dvr_ray.weightings import WEIGHTINGS

__all__ = ["Estimate", "kind_of", "length", "probes_of"]

PROBES = 4
"""At most so many kinds of runs are probed; others are taken to be as slow as these on average."""


def kind_of(config: RunConfig) -> str:
    """Name what an epoch's time depends on most: data without noise, backbone, batch size."""
    data = config.data.model_dump(mode="json", exclude={"seed", "noise", "cache"})
    backbone = config.backbone.model_dump(mode="json")
    return json.dumps([data, backbone, config.training.batch_size], sort_keys=True)


def probes_of(configs: Iterable[RunConfig]) -> dict[str, RunConfig]:
    """Return runs of two plain epochs for the first few kinds."""
    firsts: dict[str, RunConfig] = {}
    for config in configs:
        firsts.setdefault(kind_of(config), config)
    short = {"method": {"name": "bpr"}, "training.epochs": 2}
    return {kind: apply(config, short) for kind, config in list(firsts.items())[:PROBES]}


def epochs_of(config: RunConfig) -> int:
    """Count epochs of single backbones that a run trains at most."""
    training, adapter = config.training, second_run(config).adapter
    if not BACKBONES.get(config.backbone.name).trainable:
        return 1
    learns = WEIGHTINGS.get(config.method.name).learns
    if not (learns or NEGATIVES.get(config.negatives.name).learns):
        return training.epochs
    warm = min(training.warmup, training.epochs)
    models = adapter.masks + 1 + models_beside(config)
    first = epochs_of(first_run(config)) if pretrained(config) is True else 0
    return first + warm + (training.epochs - warm) * models


class Estimate:
    """How long runs take.

    Parameters
    ----------
    probes : mapping of str to dict
        Records of the probes by kind; those that failed left out.
    """

    def __init__(self, probes: Mapping[str, Mapping[str, Any]]) -> None:
        self.epoch = {kind: _last_epoch(record) for kind, record in probes.items()}
        starts = [record["wall"] - 2 * _last_epoch(record) for record in probes.values()]
        # A probe that was finished before is only read, in less time than its epochs took.
        self._start: float = max([0.0, *starts])
        self._taken: dict[str, list[float]] = {}

    def learn(self, config: RunConfig, record: Mapping[str, Any]) -> None:
        """Take in how long a finished run took."""
        counted = self._counted(config)
        if counted and "wall" in record:
            self._taken.setdefault(_family(config), []).append(record["wall"] / counted)

    def seconds(self, configs: Sequence[RunConfig], at_once: int) -> float | None:
        """Return how long runs will take side by side; None where nothing is known."""
        counts = [self._counted(config) for config in configs]
        if None in counts:
            return None
        ratios = {family: sum(found) / len(found) for family, found in self._taken.items()}
        usual = sum(ratios.values()) / len(ratios) if ratios else 1.0
        total = sum(
            (count or 0) * ratios.get(_family(config), usual)
            for config, count in zip(configs, counts, strict=True)
        )
        return total / min(at_once, max(1, len(configs)))

    def _counted(self, config: RunConfig) -> float | None:
        if not self.epoch:
            return None
        mean = sum(self.epoch.values()) / len(self.epoch)
        epoch: float = self.epoch.get(kind_of(config), mean)
        return self._start + epochs_of(config) * epoch


def length(seconds: float | None) -> str:
    """Write how long something takes: ``about 12 min``."""
    if seconds is None:
        return "unknown"
    if seconds < 90:
        return f"about {max(1, round(seconds))} s"
    return f"about {seconds / 60:.0f} min" if seconds < 5400 else f"about {seconds / 3600:.1f} h"


def _last_epoch(record: Mapping[str, Any]) -> float:
    """Seconds of the last epoch: the first has costs of its own."""
    seconds = record["curve"]["seconds"]
    return float(seconds[-1] - seconds[-2]) if len(seconds) > 1 else float(seconds[-1])


def _family(config: RunConfig) -> str:
    parts = [p.model_dump(mode="json") for p in (config.method, config.negatives, config.adapter)]
    return json.dumps([kind_of(config), *parts], sort_keys=True)
