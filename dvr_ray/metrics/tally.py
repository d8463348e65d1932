"""Metrics over blocks of lists, merged over workers by sums of values and of counts."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

import torch
from torch import Tensor

from dvr_ray.collective import Collective
from dvr_ray.metrics.lists import Lists
from dvr_ray.metrics.metric import AggregateMetric, Metric, UserMetric

__all__ = ["Tally", "depth_of", "wants_embeddings"]


class Tally:
    """Measures metrics on the lists it is given.

    Parameters
    ----------
    metrics : mapping of str to Metric
        Metrics by name.
    start : Lists
        Lists of no user, with the catalogue and what else metrics ask for.
    """

    def __init__(self, metrics: Mapping[str, Metric], start: Lists) -> None:
        users = start.catalogue.num_users
        # Row 0 holds values, row 1 tells where there is one.
        self._values = {
            name: torch.zeros(2, users, dtype=torch.float64)
            for name, metric in metrics.items()
            if isinstance(metric, UserMetric)
        }
        # Counts have a shape on a worker without users too.
        self._counts = {
            name: metric.counts(start.first(metric.cutoff))
            for name, metric in metrics.items()
            if isinstance(metric, AggregateMetric)
        }
        self._metrics = metrics

    def add(self, lists: Lists) -> None:
        """Measure a block of users who weren't measured before."""
        for name, metric in self._metrics.items():
            cut = lists.first(metric.cutoff)
            if isinstance(metric, AggregateMetric):
                self._counts[name] += metric.counts(cut)
            elif isinstance(metric, UserMetric):
                found = metric.per_user(cut).double()
                there = ~found.isnan()
                self._values[name][0, lists.users[there]] = found[there]
                self._values[name][1, lists.users[there]] = 1

    def merge(self, collective: Collective) -> Tally:
        """Sum over workers, who then hold the same; returns itself."""
        for each in (*self._values.values(), *self._counts.values()):
            collective.sum_(each)
        return self

    def per_user(self, name: str) -> Tensor:
        """Values of a per-user metric, shape (U,); NaN where a user has none."""
        values, there = self._values[name].unbind()
        return values.where(there > 0, torch.nan)

    def counts(self, name: str) -> Tensor:
        """Counts of an aggregate metric."""
        return self._counts[name]

    def value(self, name: str) -> float:
        """Mean over users, or the value of the counts."""
        metric = self._metrics[name]
        if isinstance(metric, AggregateMetric):
            return float(metric.value(self._counts[name]))
        return float(self.per_user(name).nanmean())

    def values(self) -> dict[str, float]:
        """Value of every metric by name."""
        return {name: self.value(name) for name in self._metrics}


def depth_of(metrics: Iterable[Metric]) -> int:
    """Length of list that serves all metrics."""
    return max((metric.cutoff for metric in metrics), default=1)


def wants_embeddings(metrics: Iterable[Metric]) -> bool:
    """Whether any metric reads the backbone's item embeddings."""
    return any("embeddings" in metric.needs for metric in metrics)
