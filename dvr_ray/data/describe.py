"""A summary of a log for `dvr-ray data describe`."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from dvr_ray.data.interactions import Dataset

__all__ = ["DatasetSummary", "describe"]


@dataclass(frozen=True)
class DatasetSummary:
    """Counts of a log.

    Parameters
    ----------
    name, fingerprint : str
        Of the data set.
    users, items, rows, test_rows : int
        Sizes; ``rows`` without the test rows, which are 0 where no test file came with the data.
    density : float
        ``rows`` over users times items, in [0, 1].
    per_user, per_item : tuple of float
        Least, median and most of the ``rows``; users and items without any count as 0.
    attributes : dict of str to dict of str to int
        Counts of the values of every attribute, ``user.gender`` and the like, most frequent
        first; an unknown value counts as ``nan``.
    """

    name: str
    fingerprint: str
    users: int
    items: int
    rows: int
    test_rows: int
    density: float
    per_user: tuple[float, float, float]
    per_item: tuple[float, float, float]
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
        density=len(log) / max(log.num_users * log.num_items, 1),
        per_user=_spread(log.user_counts),
        per_item=_spread(log.item_counts),
        attributes={
            f"{kind}.{column}": {
                str(value): int(count)
                for value, count in table[column].value_counts(dropna=False).items()
            }
            for kind, table in tables.items()
            for column in table
        },
    )


def _spread(counts: np.ndarray) -> tuple[float, float, float]:
    if not len(counts):
        return 0.0, 0.0, 0.0
    return float(counts.min()), float(np.median(counts)), float(counts.max())
