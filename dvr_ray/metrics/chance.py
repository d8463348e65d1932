"""What chance alone does to a gap between groups: the permutation null and the sampling error."""

from __future__ import annotations

import torch
from torch import Tensor

from dvr_ray.metrics.lists import Lists
from dvr_ray.metrics.metric import GroupMetric
from dvr_ray.seeding import generator

__all__ = ["permutation_null", "sampling_error"]

SHUFFLES = 100


def permutation_null(metric: GroupMetric, lists: Lists, shuffles: int = SHUFFLES) -> float:
    """Return the metric's mean when groups are shuffled among the users, from a fixed seed.

    A gap of this size says nothing about the groups: it is what their sizes and the number of
    lists make.

    Parameters
    ----------
    metric : GroupMetric
        The metric.
    lists : Lists
        Lists of all users, cut to K.
    shuffles : int
        How often the groups are shuffled.
    """
    groups, number = metric.groups(lists)
    known = groups >= 0
    kept, groups = lists.rows(known), groups[known]
    found = []
    for shuffle in range(shuffles):
        order = torch.randperm(len(groups), generator=generator(0, "permutation null", shuffle))
        found.append(metric.value(metric.group_counts(kept, groups[order], number)))
    return float(torch.stack(found).mean())


def sampling_error(metric: GroupMetric, lists: Lists, counts: Tensor) -> float:
    """Return the jackknife's estimate of the metric's standard error over users.

    ``sqrt((n - 1) / n sum_u (D_u - mean D)^2)`` with the differences D_u of the n users whose group
    is known (Efron, 1982). Approximate where the metric has kinks, as at a gap near 0.

    Parameters
    ----------
    metric : GroupMetric
        The metric.
    lists : Lists
        Lists of all users, cut to K.
    counts : Tensor
        Their counts.
    """
    known = metric.groups(lists)[0] >= 0
    differences = metric.differences(lists.rows(known), counts)
    number = len(differences)
    return float(((number - 1) * differences.var(correction=0)).sqrt()) if number else 0.0
