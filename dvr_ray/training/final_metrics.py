"""Metrics of a finished model, gaps between groups beside what chance makes of them."""

from __future__ import annotations

from collections.abc import Sequence

from dvr_ray.backbones import Backbone
from dvr_ray.metrics import GroupMetric, parse
from dvr_ray.metrics.chance import permutation_null, sampling_error
from dvr_ray.training.evaluation import Evaluator

__all__ = ["chance_of_gaps", "final_metrics"]


def final_metrics(
    evaluator: Evaluator, backbone: Backbone, part: str, names: Sequence[str]
) -> dict[str, float]:
    """Measure a model; arguments and keys as in `chance_of_gaps`, which stand behind their gap."""
    values = evaluator.values(backbone, {part: names})[part]
    chance = chance_of_gaps(evaluator, backbone, part, names)
    found: dict[str, float] = {}
    for name in names:
        found[name] = values[name]
        found |= {key: chance[key] for key in (f"{name} null", f"{name} error") if key in chance}
    return found


def chance_of_gaps(
    evaluator: Evaluator, backbone: Backbone, part: str, names: Sequence[str]
) -> dict[str, float]:
    """Say for each gap between groups of users what chance alone makes of it.

    Parameters
    ----------
    evaluator : Evaluator
        Of one process: all users' lists are needed at once.
    backbone : Backbone
        The model.
    part : str
        Held-out part.
    names : sequence of str
        Metrics; those of other kinds are passed over.

    Returns
    -------
    dict
        ``NAME null``, the mean over 100 shuffles of the groups, and ``NAME error``, the jackknife's
        standard error over users.
    """
    found = {}
    for name in names:
        metric = parse(name)
        if isinstance(metric, GroupMetric):
            lists = evaluator.lists(backbone, part, metric.cutoff)
            found[f"{name} null"] = permutation_null(metric, lists)
            found[f"{name} error"] = sampling_error(metric, lists, metric.counts(lists))
    return found
