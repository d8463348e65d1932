"""The stages that every log goes through: features of a block, then its values."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import pyarrow as pa
from pyarrow import parquet

from dvr_ray.data.features import LogPart, NormalQuantiles, PartContext, WholeLog, raw_columns
from dvr_ray.data.features.cosines import Cosines
from dvr_ray.data.features.pairs import incidence
from dvr_ray.data.features.percentiles import UserRankings
from dvr_ray.data.features.sampled import completed
from dvr_ray.files import placed
from dvr_ray.inference.by_item import ItemRows
from dvr_ray.inference.losses import row_losses
from dvr_ray.inference.valuing import BlockValues, value_block
from dvr_ray.inference.work import Work
from dvr_ray.seeding import numpy_generator
from dvr_ray.training.opened import OpenedRun, open_run

__all__ = ["LEAST_ROWS", "SAMPLE_ROWS", "SHOWN", "BlockFeatures", "BlockLosses", "ValuedBlocks"]

SAMPLE_ROWS = 1 << 19
"""Rows by which columns are gauss-ranked."""
LEAST_ROWS, SHOWN = 5, 5
"""Users and items with fewer rows aren't shown among the lowest, of which so many are."""


@dataclass(eq=False)
class BlockLosses:
    """Losses of a block's rows, as the run measured them or by its backbone.

    Parameters
    ----------
    work : Work
        Holds the log.
    folder : Path
        Of the run.
    """

    work: Work
    folder: Path

    @cached_property
    def _run(self) -> OpenedRun:
        return open_run(self.folder)

    def of_block(self, number: int) -> np.ndarray:
        """Return those of a block, (n,), measured once."""
        if not self.work.has("losses", number):
            self.work.save(self._measured(number), "losses", number)
        return self.work.load("losses", number)

    def _measured(self, number: int) -> np.ndarray:
        rows, part = self.work.blocks.part(self.work.log, number)
        if "loss" in self.work.log.extras:
            return self.work.log.extra("loss", rows)
        users = self.work.blocks.of_block(number)
        return row_losses(self._run.backbone, part, users, self._run.config.seed, number)


@dataclass(eq=False)
class BlockFeatures:
    """Stage: features of a block's rows before they are ranked, and a sample of them.

    Parameters
    ----------
    work : Work
        Holds the log and what was found of all of it.
    losses : BlockLosses
        Measures losses.
    names : sequence of str
        Feature families.
    whole : WholeLog
        What is known of the whole log.
    by_item : ItemRows
        What was found by item.
    seed : int
        Of the run.
    """

    work: Work
    losses: BlockLosses
    names: Sequence[str]
    whole: WholeLog
    by_item: ItemRows
    seed: int
    name: ClassVar[str] = "features"

    @cached_property
    def _rankings(self) -> UserRankings:
        chosen, weight = self.work.load("user sample")
        profile = self.work.load("user profile", mapped=True)
        return UserRankings(profile, chosen.astype(np.int64), weight.astype(np.float32))

    def done(self, number: int) -> bool:
        """Whether those of a block were found before."""
        return self.work.has("features", number)

    def __call__(self, number: int) -> None:
        """Leave those of a block."""
        rows, part = self.work.blocks.part(self.work.log, number)
        users = self.work.blocks.of_block(number)
        context = PartContext(
            part,
            users,
            self.whole,
            losses=self.losses.of_block(number),
            times=self._times(rows),
            **self._found(number, part, users),
        )
        columns = raw_columns(context, self.names)
        share = min(SAMPLE_ROWS / len(self.work.log), 1)
        random = numpy_generator(self.seed, "value sample", number)
        drawn = random.permutation(len(rows))[: round(share * len(rows))]
        self.work.save(columns[drawn], "sample", number)
        self.work.save(columns, "features", number)

    def _times(self, rows: np.ndarray) -> np.ndarray | None:
        return self.work.log.extra("time", rows) if "time" in self.work.log.extras else None

    def _found(self, number: int, part: LogPart, users: np.ndarray) -> dict[str, Any]:
        """Attributes of the context that are asked for."""
        needs, columns = self.by_item.needs, self.by_item.of_block(number)
        found: dict[str, Any] = {}
        if "cosines" in needs:
            found["cosines"] = self._cosines(part, users, columns)
        if "nearest" in needs:
            found["nearest"] = self.work.load("nearest", mapped=True)[users]
        if "percentiles" in needs:
            score = columns["item_sum"]
            in_user = self._rankings.percentiles(incidence(part), score)
            found["percentiles"] = np.stack([in_user, columns["percentile"]], axis=1)
        if "around_items" in needs:
            found["around_items"] = columns["around"]
        return found

    def _cosines(self, part: LogPart, users: np.ndarray, columns: dict[str, np.ndarray]) -> Cosines:
        rows = np.stack([columns[name] for name in ("item_sum", "item_top", "user_mean")])
        return completed(part, rows, self.by_item.sums.user[users], self.work.load("item columns"))


@dataclass(eq=False)
class ValuedBlocks:
    """Stage: a block's rows with their values, as Parquet without ranks.

    Parameters
    ----------
    work : Work
        Holds log, losses and features.
    folder : Path
        Of the run.
    passes : int
        Partitions into batches.
    ranked : bool
        Whether the features are ranked already.
    """

    work: Work
    folder: Path
    passes: int
    ranked: bool
    name: ClassVar[str] = "values"

    @cached_property
    def _run(self) -> OpenedRun:
        return open_run(self.folder)

    @cached_property
    def _quantiles(self) -> NormalQuantiles:
        return NormalQuantiles(self.work.load("sample"))

    def path(self, number: int) -> Path:
        """Return where a block's rows are, or will be."""
        return self.work.folder / f"valued-{number:05d}.parquet"

    def done(self, number: int) -> bool:
        """Whether a block was valued before."""
        return self.path(number).exists()

    def __call__(self, number: int) -> None:
        """Value a block."""
        features = self.work.load("features", number)
        if not self.ranked:
            features = self._quantiles(features)
        counters = (number,) if len(self.work.blocks) > 1 else ()
        values = value_block(self._run, features, self.passes, counters)
        _, part = self.work.blocks.part(self.work.log, number)
        users = self.work.blocks.of_block(number)
        table = self._table(users[part.users], part, values, self.work.load("losses", number))
        self._sum_up(number, part, users, values.value)
        with placed(self.path(number)) as temporary:
            parquet.write_table(table, temporary)

    def _table(
        self, users: np.ndarray, part: LogPart, values: BlockValues, losses: np.ndarray
    ) -> pa.Table:
        known = self._run.catalogue
        return pa.table({
            "user": known.users.take(users),
            "item": known.items.take(part.items),
            "user_number": users.astype(np.int32),
            "item_number": part.items.astype(np.int32),
            "value": values.value,
            "standard_error": values.standard_error,
            "probability": values.probability,
            "mean_loss": losses.astype(values.value.dtype),
        })  # fmt: skip

    def _sum_up(self, number: int, part: LogPart, users: np.ndarray, values: np.ndarray) -> None:
        """Leave sums of values by item, and means of the users with the lowest."""
        sums = np.bincount(part.items, values.astype(np.float64), part.num_items)
        self.work.save(sums, "item sums", number)
        means = np.bincount(part.users, values.astype(np.float64), part.num_users)
        means = means / part.user_counts
        few = np.where(part.user_counts >= LEAST_ROWS, means, np.inf)
        lowest = np.argsort(few, kind="stable")[:SHOWN]
        columns = [users[lowest], part.user_counts[lowest], few[lowest]]
        self.work.save(np.stack(columns).astype(np.float64), "lowest users", number)
