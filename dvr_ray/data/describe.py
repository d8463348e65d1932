"""A summary of a log for `dvr-ray data describe`."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd

from dvr_ray.data.attributes import UNKNOWN
from dvr_ray.data.interactions import Dataset

__all__ = ["DatasetSummary", "describe"]


@dataclass(frozen=True)
class DatasetSummary:
    """Counts of a log.

    Parameters
    ----------
    name, fingerprint : str
        Of the data set.
    users, items, rows, test_rows, validation_rows : int
        Sizes; ``rows`` without the test rows, which are 0 where no test file came with the data,
        and without those for reward and selection, which are 0 unless a whole split came.
    density : float
        ``rows`` over users times items, in [0, 1].
    per_user, per_item : tuple of float
        Least, median and most of the ``rows``; users and items without any count as 0.
    times : bool
        Whether the rows have times, to split by.
    dropped : dict of str to int
        What the importer left out or couldn't read, by reason.
    attributes : dict of str to dict of str to int
        Counts of the values of every attribute, ``user.gender`` and the like, most frequent
        first; an unknown value counts as ``nan``. Items with several categories count for each,
        those without any as ``unknown``.
    """

    name: str
    fingerprint: str
    users: int
    items: int
    rows: int
    test_rows: int
    validation_rows: int
    density: float
    per_user: tuple[float, float, float]
    per_item: tuple[float, float, float]
    times: bool
    dropped: dict[str, int]
    attributes: dict[str, dict[str, int]]


def describe(dataset: Dataset) -> DatasetSummary:
    """Return the summary of a log.

    Parameters
    ----------
    dataset : Dataset
        The log, as a source hands it over.
    """
    log = dataset.interactions
    tables = {"user": dataset.user_table, "item": dataset.item_table}
    return DatasetSummary(
        name=dataset.name,
        fingerprint=dataset.fingerprint,
        users=log.num_users,
        items=log.num_items,
        rows=len(log),
        test_rows=0 if dataset.test is None else len(dataset.test),
        validation_rows=sum(
            len(part) for part in (dataset.reward, dataset.selection) if part is not None
        ),
        density=len(log) / max(log.num_users * log.num_items, 1),
        per_user=_spread(log.user_counts),
        per_item=_spread(log.item_counts),
        times=dataset.times is not None,
        dropped=dataset.dropped,
        attributes={
            f"{kind}.{column}": _values(table[column])
            for kind, table in tables.items()
            for column in table
            if column != "name"
        },
    )


def _values(column: pd.Series) -> dict[str, int]:
    """Counts of values, most frequent first."""
    several = column.map(lambda value: isinstance(value, tuple))
    if several.any():
        column = column.explode().fillna(UNKNOWN)
    return {str(each): int(n) for each, n in column.value_counts(dropna=False).items()}


def _spread(counts: np.ndarray) -> tuple[float, float, float]:
    if not len(counts):
        return 0.0, 0.0, 0.0
    return float(counts.min()), float(np.median(counts)), float(counts.max())
