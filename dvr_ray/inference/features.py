"""Features of all blocks of a log: exact and in one go up to a million rows, else in stages."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from dvr_ray.data.features import (
    FEATURES,
    FeatureContext,
    check_features,
    loss_features,
    static_features,
)
from dvr_ray.data.interactions import Interactions
from dvr_ray.inference.by_item import WholeLogFindings, prepare_items
from dvr_ray.inference.stages import BlockFeatures, BlockLosses
from dvr_ray.inference.statistics import needed, prepare_nearest, whole_log
from dvr_ray.inference.work import Stage, Work
from dvr_ray.training.opened import OpenedRun

__all__ = ["exact_features", "needs_times", "staged_features"]

Run = Callable[[Stage, int], None]


def needs_times(names: list[str]) -> bool:
    """Whether feature families read when rows took place."""
    return any("time" in FEATURES.get(name).needs_any for name in names)


def exact_features(work: Work, run: OpenedRun, losses_of: BlockLosses) -> None:
    """Compute losses, and all features as the run does, and leave them ranked, block by block."""
    log, blocks, names = work.log, work.blocks, run.config.encoder.features
    users = np.repeat(np.arange(log.num_users), log.user_counts)
    items = log.items.astype(np.int64)
    train = Interactions(users, items, log.num_users, log.num_items)
    context = _described(train, run, log.extra("time", slice(None)) if _timed(work) else None)
    plain = [name for name in names if not FEATURES.get(name).needs_losses]
    check_features(plain, context)
    found = static_features(context, plain)
    losses = np.empty(len(log))
    for number in range(len(blocks)):
        rows, _ = blocks.part(log, number)
        losses[rows] = losses_of.of_block(number)
    if len(plain) < len(names):
        found["loss"] = loss_features(train, losses)
    for number in range(len(blocks)):
        rows, _ = blocks.part(log, number)
        columns = [found[name][rows] for name in names]
        work.save(np.concatenate(columns, axis=1), "features", number)


def staged_features(work: Work, run: OpenedRun, losses: BlockLosses, go: Run) -> None:
    """Compute features in stages, and leave them block by block with a sample to rank them by.

    Parameters
    ----------
    work : Work
        Holds the log.
    run : OpenedRun
        Names the features.
    losses : BlockLosses
        Measures the rows' losses.
    go : callable
        Runs a stage for so many numbers.
    """
    names = list(run.config.encoder.features)
    needs = needed(names)
    nobody = np.empty(0, dtype=np.int64)
    empty = Interactions(nobody, nobody, work.log.num_users, work.log.num_items)
    times = np.zeros(1) if _timed(work) else None
    check_features(
        [name for name in names if not FEATURES.get(name).needs_losses],
        _described(empty, run, times),
    )
    whole = whole_log(work.log, run.catalogue, needs)
    nearest = prepare_nearest(work) if "nearest" in needs else None
    by_item = prepare_items(work, needs, whole.window)
    findings = WholeLogFindings(nearest, by_item)
    go(findings, len(findings))
    if nearest is not None:
        work.save(nearest.collected(), "nearest")
    work.save(by_item.collected(), "item columns")
    features = BlockFeatures(work, losses, names, whole, by_item, run.config.seed)
    go(features, len(work.blocks))
    parts = [work.load("sample", number) for number in range(len(work.blocks))]
    work.save(np.concatenate(parts), "sample")


def _timed(work: Work) -> bool:
    return "time" in work.log.extras


def _described(train: Interactions, run: OpenedRun, times: np.ndarray | None) -> FeatureContext:
    known = run.catalogue
    return FeatureContext(
        train, user_table=known.user_table, item_table=known.item_table, times=times
    )
