"""Which columns of a table hold users, items, ratings and times."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from dvr_ray.config.schema import ColumnsConfig
from dvr_ray.data.reading.tables import plain
from dvr_ray.errors import DataError, nearest

__all__ = ["Chosen", "choose", "id_column"]

# Names as `plain` makes them; the first that is there counts.
USUAL = {
    "user": ("user", "userid", "uid", "reviewerid", "customerid", "visitorid", "sessionid"),
    "item": ("item", "itemid", "iid", "movieid", "artistid", "parentasin", "asin", "productid",
             "bookid", "trackid", "songid", "businessid", "articleid", "gameid", "sku"),
    "rating": ("rating", "ratings", "stars", "score", "overall"),
    "time": ("timestamp", "time", "unixreviewtime", "datetime", "date"),
}  # fmt: skip


@dataclass(frozen=True)
class Chosen:
    """Names of the columns to read.

    Parameters
    ----------
    user, item : str
        Always there.
    rating, time : str or None
        None where there is none, or nobody asks for it.
    """

    user: str
    item: str
    rating: str | None
    time: str | None


def choose(names: Sequence[str], columns: ColumnsConfig, rated: bool, place: str) -> Chosen:
    """Find the columns.

    Parameters
    ----------
    names : sequence of str
        All names of the table.
    columns : ColumnsConfig
        What the user said; the usual names are tried where they said nothing.
    rated : bool
        Whether ratings are asked for. Else they are only read, and checked, if they were named.
    place : str
        The file, for messages.

    Returns
    -------
    Chosen
        Names as the table writes them.

    Raises
    ------
    DataError
        If a column isn't there, or serves twice.
    """
    found: dict[str, str | None] = {}
    for role in ("user", "item", "rating", "time"):
        said = getattr(columns, role)
        if said is not None:
            found[role] = _named(names, role, said, place)
        elif role != "rating" or rated:
            found[role] = _usual(names, role)
    for role in ("user", "item"):
        if found[role] is None:
            raise DataError(
                place,
                f"needs a column of {role}s, got none that is called {', '.join(USUAL[role][:2])} "
                f"or the like among {', '.join(names[:12])}",
                f"name it in data.columns.{role}",
            )
    used = [name for name in found.values() if name is not None]
    twice = next((name for name in used if used.count(name) > 1), None)
    if twice is not None:
        raise DataError(
            place, f"one column can't serve twice, got {twice!r}", "change data.columns"
        )
    return Chosen(str(found["user"]), str(found["item"]), found.get("rating"), found.get("time"))


def id_column(names: Sequence[str], role: str, columns: ColumnsConfig, place: str) -> str:
    """Find the column of ids in a table of users or items.

    Parameters
    ----------
    names : sequence of str
        All names of the table.
    role : str
        ``user`` or ``item``.
    columns : ColumnsConfig
        What the user said about the log; here the usual names and ``id`` count too.
    place : str
        The file, for messages.

    Returns
    -------
    str
        Its name as the table writes it.

    Raises
    ------
    DataError
        If there is none.
    """
    said = getattr(columns, role)
    found = said if said in names else _usual(names, role) or ("id" if "id" in names else None)
    if found is None:
        raise DataError(
            place,
            f"needs a column {role}, got {', '.join(names[:12])}",
            f"rename the column of {role} ids",
        )
    return str(found)


def _named(names: Sequence[str], role: str, said: str | int, place: str) -> str:
    if isinstance(said, int):
        if said < len(names):
            return names[said]
        raise DataError(
            place,
            f"data.columns.{role} must be 0 to {len(names) - 1}, got {said}",
            "columns are counted from 0",
        )
    if said in names:
        return said
    raise DataError(
        place, f"has no column {said!r}, as data.columns.{role} says", nearest(said, names)
    )


def _usual(names: Sequence[str], role: str) -> str | None:
    known = {plain(name): name for name in reversed(names)}
    return next((known[name] for name in USUAL[role] if name in known), None)
