"""Values seen by user and by item: who or what is valued low, who or what high.

A report lists the ends of the order, not all of it, so that a page about millions of rows stays
small.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

__all__ = ["LISTED", "Member", "Side", "side"]

LISTED = 200
FEWEST = 5
ENOUGH = 20


@dataclass(frozen=True)
class Member:
    """One user or item.

    Parameters
    ----------
    name : str
        Its original id.
    attributes : tuple of str
        In the order of `Side.attributes`; empty where unknown.
    rows : int
        Training rows it has.
    value : float
        Mean over its rows.
    probability : float or None
        Mean probability of keeping; None where it isn't stored.
    planted : float or None
        Share of its rows that were planted, 0 to 1; None where that isn't known.
    """

    name: str
    attributes: tuple[str, ...]
    rows: int
    value: float
    probability: float | None
    planted: float | None


@dataclass(frozen=True)
class Side:
    """All users, or all items, of a run's training rows.

    Parameters
    ----------
    kind : str
        user or item.
    attributes : tuple of str
        Names of what else is known: ``category``.
    least : int
        Rows that a listed one has at least.
    listed : tuple of Member
        From the lowest mean value to the highest: the 200 at either end, or all.
    means : DataFrame
        One line for each: ``name``, ``rows``, ``value``; in the order of the ids.
    """

    kind: str
    attributes: tuple[str, ...]
    least: int
    listed: tuple[Member, ...]
    means: pd.DataFrame

    @property
    def able(self) -> int:
        """How many have enough rows to be listed."""
        return int((self.means["rows"] >= self.least).sum())


def side(values: pd.DataFrame, kind: str) -> Side | None:
    """Take means over the rows of every user or item.

    Those with fewer than 5 rows aren't listed where at least 20 have so many: a mean over two
    rows says little, yet such means lie at the ends of the order.

    Parameters
    ----------
    values : DataFrame
        A run's table of values: columns ``user``, ``item``, ``value``; ``probability``,
        ``planted``, ``user.*`` and ``item.*`` where there are.
    kind : str
        user or item.

    Returns
    -------
    Side or None
        None where the table doesn't say which rows are whose, or no value is finite.
    """
    if kind not in values:
        return None
    means = _means(values, kind)
    if means.empty:
        return None
    least = FEWEST if (means["rows"] >= FEWEST).sum() >= ENOUGH else 1
    order = means[means["rows"] >= least].sort_values("value", kind="stable")
    if len(order) > 2 * LISTED:
        order = pd.concat([order.iloc[:LISTED], order.iloc[-LISTED:]])
    prefix = f"{kind}."
    attributes = tuple(name.removeprefix(prefix) for name in values if name.startswith(prefix))
    known = _attributes(values, kind, [prefix + name for name in attributes], order["name"])
    return Side(
        kind=kind,
        attributes=attributes,
        least=least,
        listed=tuple(_member(row, known.get(row["name"], ())) for row in order.to_dict("records")),
        means=means,
    )


def _means(values: pd.DataFrame, kind: str) -> pd.DataFrame:
    scores = [name for name in ("value", "probability") if name in values]
    scores += ["planted"] if "planted" in values and values["planted"].any() else []
    grouped = values.groupby(kind, observed=True, sort=True)
    means = grouped[scores].mean()
    means.insert(0, "rows", grouped.size())
    means = means[np.isfinite(means["value"].to_numpy(dtype=float))]
    return means.rename_axis("name").reset_index()


def _attributes(
    values: pd.DataFrame, kind: str, columns: list[str], names: pd.Series
) -> dict[Any, tuple[str, ...]]:
    """Attributes of the listed ones by id; every row of one says the same."""
    if not columns:
        return {}
    rows = values.loc[values[kind].isin(names), [kind, *columns]].drop_duplicates(kind)
    cells = [[("" if pd.isna(v) else str(v)) for v in rows[column]] for column in columns]
    return dict(zip(rows[kind].tolist(), zip(*cells, strict=True), strict=True))


def _member(row: dict[str, Any], attributes: tuple[str, ...]) -> Member:
    return Member(
        name=str(row["name"]),
        attributes=attributes,
        rows=int(row["rows"]),
        value=float(row["value"]),
        probability=float(row["probability"]) if "probability" in row else None,
        planted=float(row["planted"]) if "planted" in row else None,
    )
