"""The least valued interactions, users and items of a log, over all runs of an audit.

Every run has the same real training rows. A row's values are put into standard deviations of the
run's real rows and averaged over runs. Planted rows are left out: they are ours, not the user's.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import pandas as pd

from dvr_ray.auditing.judging import scores_of
from dvr_ray.reports.sides import LISTED, Side, side

__all__ = ["INTERACTIONS", "Listing", "listing"]

INTERACTIONS = 1000


@dataclass(frozen=True)
class Listing:
    """Real training rows and their owners by value.

    Parameters
    ----------
    rows : DataFrame
        Every real training row in the order of the runs: ``user``, ``item``, ``rank`` (1 is the
        least valued), ``value``, ``value.KIND`` for every run, each rival's mean, attributes.
    users, items : DataFrame
        The least valued, a tenth of those ranked, at most 200: ``rank``, ``user`` or ``item``,
        attributes, ``rows``, ``value``.
    members : dict of str to int
        How many users and items have rows enough to be ranked.
    agreement : float or None
        Spearman correlation of the values of two runs over the real rows; None for one run.
    """

    rows: pd.DataFrame
    users: pd.DataFrame
    items: pd.DataFrame
    members: dict[str, int]
    agreement: float | None

    @property
    def interactions(self) -> pd.DataFrame:
        """The least valued rows, lowest first: a tenth, at most 1,000."""
        lowest = self.rows.nsmallest(_tenth(len(self.rows), INTERACTIONS), "rank")
        return lowest[["rank", *(name for name in lowest if name != "rank")]]


def listing(tables: Mapping[str, pd.DataFrame]) -> Listing:
    """Put together the values that several runs gave to the same real rows.

    Parameters
    ----------
    tables : mapping of str to DataFrame
        Tables of values by kind of noise, with a column ``planted``.

    Returns
    -------
    Listing
        Of the real rows that all tables share.
    """
    real = {kind: values[~values["planted"]] for kind, values in tables.items()}
    first = next(iter(real.values()))
    rows = first[["user", "item"]].reset_index(drop=True)
    for values in real.values():
        for owner in ("user", "item"):
            assert np.array_equal(rows[owner].to_numpy(), values[owner].to_numpy())
    own = {kind: _standard(values["value"].to_numpy(dtype=float)) for kind, values in real.items()}
    rows["value"] = np.mean(list(own.values()), axis=0)
    rows.insert(2, "rank", rows["value"].rank(method="first").astype(int))
    for kind, values in own.items():
        rows[f"value.{kind}"] = values
    rivals = [scores_of(values) for values in real.values()]
    for name in list(rivals[0])[1:]:
        rows[name.replace(" ", "_")] = np.mean([_standard(r[name]) for r in rivals], axis=0)
    attributes = [name for name in first if name.startswith(("user.", "item."))]
    rows = pd.concat([rows, first[attributes].reset_index(drop=True)], axis=1)
    sides = {kind: side(rows, kind) for kind in ("user", "item")}
    return Listing(
        rows=rows,
        users=_least(sides["user"]),
        items=_least(sides["item"]),
        members={kind: found.able for kind, found in sides.items() if found is not None},
        agreement=_agreement(list(own.values())),
    )


def _tenth(count: int, most: int) -> int:
    """How many of so many are listed: a tenth, since half of a small log isn't low, but 10."""
    return min(max(count // 10, 10), count, most)


def _standard(values: np.ndarray) -> np.ndarray:
    """Values in standard deviations from their mean; 0 where all are alike."""
    centred = values - values.mean()
    return np.asarray(centred / (centred.std() or 1.0))


def _agreement(values: list[np.ndarray]) -> float | None:
    if len(values) < 2:
        return None
    ranks = pd.DataFrame(values).T.rank()
    return float(ranks[0].corr(ranks[1]))


def _least(found: Side | None) -> pd.DataFrame:
    """The lower end of a side as a table."""
    assert found is not None
    names = [f"{found.kind}.{name}" for name in found.attributes]
    blank = ("",) * len(names)
    return pd.DataFrame(
        [
            (number, each.name, *(each.attributes or blank), each.rows, each.value)
            for number, each in enumerate(found.listed[: _tenth(found.able, LISTED)], start=1)
        ],
        columns=["rank", found.kind, *names, "rows", "value"],
    )
