"""Features found in stages and blocks are those of the whole log in one go."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from feature_logs import Described, described, random_log

from dvr_ray.config.load import apply
from dvr_ray.data.catalogue import Ids, KnownCatalogue
from dvr_ray.data.compact import CompactBuilder
from dvr_ray.data.features import (
    FEATURES,
    FeatureContext,
    NormalQuantiles,
    gauss_rank,
    item_blocks,
    nearest,
    percentiles,
    raw_columns,
)
from dvr_ray.inference import by_item, statistics
from dvr_ray.inference.blocks import Blocks
from dvr_ray.inference.features import staged_features
from dvr_ray.inference.stages import BlockLosses
from dvr_ray.inference.work import Stage, Work
from dvr_ray.training.opened import OpenedRun

NAMES = FEATURES.names()


def laid_out(of: Described, folder: Path, rows: int) -> Work:
    """Lay out a log and its blocks as a valuation does, in pieces of 97 shuffled rows."""
    log = of.log
    builder = CompactBuilder(
        folder / "log", log.num_users, log.num_items, {"loss": "<f8", "time": "<f8"}
    )
    order = np.random.default_rng(0).permutation(len(log))
    for part in np.array_split(order, len(log) // 97 + 1):
        extras = {"loss": of.losses[part], "time": of.times[part]}
        builder.add(log.users[part], log.items[part], **extras)
    found = builder.finish()
    np.testing.assert_array_equal(found.items, log.items)
    np.testing.assert_array_equal(found.item_order, log.item_order)
    work, blocks = Work(folder), Blocks.of(found.user_counts, rows, 0)
    work.save(blocks.users, "block users")
    work.save(blocks.starts, "block starts")
    return work


def in_stages(of: Described, opened: OpenedRun, work: Work) -> np.ndarray:
    """Raw columns of all rows, from blocks."""
    log = of.log
    known = KnownCatalogue(
        Ids("user", np.arange(log.num_users)),
        Ids("item", np.arange(log.num_items)),
        of.user_table,
        of.item_table,
    )
    config = apply(opened.config, {"encoder.features": NAMES})

    def go(stage: Stage, count: int) -> None:
        for number in range(count):
            stage(number)
            assert stage.done(number)

    losses = BlockLosses(work, opened.folder)
    staged_features(work, replace(opened, config=config, catalogue=known), losses, go)
    found = None
    for number in range(len(work.blocks)):
        rows, _ = work.blocks.part(work.log, number)
        columns = work.load("features", number)
        found = np.full((len(log), columns.shape[1]), np.nan) if found is None else found
        found[rows] = columns
    assert found is not None
    return found


@pytest.mark.parametrize("rows", [60, 10**6])
def test_stages_find_what_the_whole_log_says(
    rows: int, opened: OpenedRun, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    of = described(random_log(5, users=90, items=60, rows=900), 1)
    of.item_table["category"] = [kinds or ("jazz",) for kinds in of.item_table["category"]]
    # Small parts, so that every loop over parts has several rounds.
    for module, name, value in (
        (item_blocks, "PART_ROWS", 130), (percentiles, "PART_ROWS", 130),
        (nearest, "PART_ROWS", 130), (statistics, "PART_ROWS", 130),
        (by_item, "TASK_ROWS", 150), (statistics, "TASK_USERS", 20),
    ):  # fmt: skip
        monkeypatch.setattr(module, name, value)
    work = laid_out(of, tmp_path, rows)
    found = in_stages(of, opened, work)
    monkeypatch.undo()
    context = FeatureContext(
        of.log, of.losses, user_table=of.user_table, item_table=of.item_table, times=of.times,
        exact_rows=0,
    )  # fmt: skip
    wanted = raw_columns(context, NAMES)
    np.testing.assert_allclose(found, wanted, rtol=2e-5, atol=1e-6)
    # The sample holds all rows of so short a log, so that ranks are exact.
    ranked = NormalQuantiles(work.load("sample"))(found.astype(np.float32))
    np.testing.assert_allclose(ranked, gauss_rank(found.astype(np.float32)), atol=1e-6)


def test_quantiles_of_a_sample_are_near(tmp_path: Path) -> None:
    random = np.random.default_rng(0)
    values = np.stack([random.standard_exponential(40_000), random.integers(0, 9, 40_000)], 1)
    values = values.astype(np.float32)
    few = NormalQuantiles(values[random.permutation(len(values))[:5000]])(values)
    assert np.abs(few - gauss_rank(values)).mean() < 0.02
    ends = NormalQuantiles(values[:100])(np.array([[-1e9, -1e9], [1e9, 1e9]], dtype=np.float32))
    assert np.isfinite(ends).all() and (ends[0] < ends[1]).all()
