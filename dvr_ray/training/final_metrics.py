"""Metrics of a finished model, gaps between groups beside what chance makes of them."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from dvr_ray.backbones import Backbone
from dvr_ray.collective import OneProcess
from dvr_ray.config.schema import RunConfig
from dvr_ray.data.interactions import Interactions, SealedTest, TrialData
from dvr_ray.metrics import Catalogue, GroupMetric, parse
from dvr_ray.metrics.chance import permutation_null, sampling_error
from dvr_ray.training.build import build_reranker
from dvr_ray.training.evaluation import Evaluator
from dvr_ray.training.opened import load_backbone

__all__ = ["chance_of_gaps", "chance_on_selection", "final_metrics", "test_metrics"]


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


def chance_on_selection(
    config: RunConfig, data: TrialData, backbone: Backbone, names: Sequence[str]
) -> dict[str, float]:
    """Say what chance makes of the gaps between groups on validation-selection."""
    evaluator = _evaluator(config, data, [data.train], {"selection": data.selection})
    return chance_of_gaps(evaluator, backbone, "selection", names)


def test_metrics(
    config: RunConfig, data: TrialData, test: SealedTest, folder: Path, metrics: tuple[str, ...]
) -> dict[str, float]:
    """Measure a finished run on the sealed test part; the caller writes the look down.

    Parameters
    ----------
    config, data
        Of the run.
    test : SealedTest
        The test part.
    folder : Path
        The run's folder.
    metrics : tuple of str
        Metrics to measure.

    Returns
    -------
    dict
        The metrics; with a gap between groups of users ``NAME null`` and ``NAME error``, as
        `chance_of_gaps` says; and ``pushed@20``, the mean number of pushed items in
        a top-20 list, where an attack was planted.
    """
    backbone = load_backbone(config, data.train, folder)
    known = [data.train, data.reward, data.selection]
    evaluator = _evaluator(config, data, known, {"test": test.interactions})
    measured = final_metrics(evaluator, backbone, "test", metrics)
    if len(data.push_targets):
        users = np.flatnonzero(test.interactions.user_counts)
        lists = evaluator.top_items(backbone, users, 20)
        measured["pushed@20"] = float(np.isin(lists, data.push_targets).sum(1).mean())
    return measured


def _evaluator(
    config: RunConfig,
    data: TrialData,
    known: list[Interactions],
    parts: dict[str, Interactions],
) -> Evaluator:
    """Make an evaluator of one process whose lists are re-ranked as the run says."""
    catalogue = Catalogue.of(data)
    evaluator = Evaluator(known, parts, OneProcess(), catalogue)
    return evaluator.reranked(build_reranker(config, catalogue))


test_metrics.__test__ = False  # type: ignore[attr-defined]  # not a test, whatever pytest thinks
