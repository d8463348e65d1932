"""Attributes of users and items in one vocabulary, whatever the files call them.

Users: ``gender`` ("F", "M", what the file says otherwise, or "unknown") and ``age_group``. Ages in
years fall into MovieLens-1M's bands, whose codes (1, 18, 25, ...) are their own lower ends; ages
that are empty, no number or outside 1 to 108 become "unknown" and are counted.

Items: ``name`` (text, empty where unknown) and ``category``, a tuple of texts without repeats.

Metrics and features read categories and groups as numbers, in the order of their names.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

import numpy as np
import pandas as pd
import pyarrow as pa

from dvr_ray.data.ids import as_text

__all__ = [
    "ATTRIBUTES",
    "COMES_WITH",
    "UNKNOWN",
    "age_groups",
    "category_numbers",
    "from_arrow",
    "genders",
    "group_numbers",
    "groups_of",
    "item_table",
    "joined",
    "user_table",
]

UNKNOWN = "unknown"
ATTRIBUTES = {"gender": "gender", "age": "age_group"}
"""Column of the user table by the name that a metric writes, as in ``eo:age@20``."""
COMES_WITH = {
    "category": "data.source movielens, hetrec-original, s3rec or recbole, or with data.source "
    "table a column category in a file items.csv beside the log",
    "gender": "data.source movielens (100K or 1M) or recbole, or with data.source table a column "
    "gender in a file users.csv beside the log",
    "age": "data.source movielens (100K or 1M) or recbole, or with data.source table a column "
    "age in a file users.csv beside the log",
    "time": "data.source movielens, s3rec or recbole, or with data.source table a column "
    "of times, named time or timestamp or by data.columns.time",
}
"""What brings an attribute, or times, for messages."""
OLDEST = 108
BANDS = (1, 18, 25, 35, 45, 50, 56)
LABELS = ("under 18", "18-24", "25-34", "35-44", "45-49", "50-55", "56+")
SEXES = {
    "f": "F",
    "female": "F",
    "m": "M",
    "male": "M",
    "": UNKNOWN,
    "nan": UNKNOWN,
    "none": UNKNOWN,
}
BLANK = {"gender": UNKNOWN, "age_group": UNKNOWN, "name": "", "category": ()}


def user_table(
    ids: Iterable[object], columns: Mapping[str, Iterable[object]]
) -> tuple[pd.DataFrame, dict[str, int]]:
    """Make a table of users.

    Parameters
    ----------
    ids : iterable
        Original ids; of a repeated one the first row counts.
    columns : mapping
        ``gender`` and ``age`` (years) or ``age_group``, as the file writes them.

    Returns
    -------
    DataFrame
        With the index of ids as text.
    dict of str to int
        Ages that aren't known, by reason, and repeated ids.
    """
    made: dict[str, object] = {}
    notes: dict[str, int] = {}
    if "gender" in columns:
        made["gender"] = genders(columns["gender"])
    if "age" in columns:
        made["age_group"], notes = age_groups(columns["age"])
    elif "age_group" in columns:
        made["age_group"] = [_text(each) or UNKNOWN for each in columns["age_group"]]
    return _indexed(ids, made, notes, "users")


def item_table(
    ids: Iterable[object], columns: Mapping[str, Iterable[object]]
) -> tuple[pd.DataFrame, dict[str, int]]:
    """Make a table of items.

    Parameters
    ----------
    ids : iterable
        Original ids; of a repeated one the first row counts.
    columns : mapping
        ``name``, and ``category`` as texts or as iterables of texts.

    Returns
    -------
    DataFrame
        With the index of ids as text.
    dict of str to int
        Repeated ids.
    """
    made: dict[str, object] = {}
    if "name" in columns:
        made["name"] = [_text(each) for each in columns["name"]]
    if "category" in columns:
        made["category"] = [_several(each) for each in columns["category"]]
    return _indexed(ids, made, {}, "items")


def genders(values: Iterable[object]) -> list[str]:
    """Write genders alike.

    Parameters
    ----------
    values : iterable
        As the file writes them.

    Returns
    -------
    list of str
        "F", "M", "unknown", or what the file says otherwise.
    """
    texts = [_text(value) for value in values]
    return [SEXES.get(text.lower(), text) for text in texts]


def age_groups(ages: Iterable[object]) -> tuple[list[str], dict[str, int]]:
    """Put ages in years into bands.

    Parameters
    ----------
    ages : iterable
        Numbers or text.

    Returns
    -------
    list of str
        Band of every age, or "unknown".
    dict of str to int
        How many aren't known, by reason.
    """
    texts = np.array([_text(age) for age in ages], dtype=object)
    years = pd.to_numeric(pd.Series(texts, dtype=object), errors="coerce").to_numpy(dtype=float)
    empty = texts == ""
    wrong = ~empty & ~np.isfinite(years)
    absurd = ~empty & ~wrong & ((years < BANDS[0]) | (years >= OLDEST + 1))
    known = ~(empty | wrong | absurd)
    place = np.searchsorted(BANDS, np.where(known, years, BANDS[0]), side="right") - 1
    groups = np.where(known, np.array(LABELS)[place], UNKNOWN)
    notes = {"empty ages": empty, "ages that are no number": wrong,
             f"ages outside {BANDS[0]} to {OLDEST}": absurd}  # fmt: skip
    return groups.tolist(), {name: int(rows.sum()) for name, rows in notes.items() if rows.any()}


def category_numbers(values: Iterable[object]) -> tuple[np.ndarray, np.ndarray, int]:
    """Number the categories of every item: text, a number, or several of these.

    Parameters
    ----------
    values : iterable, I of them
        Empty text, None and NaN are no category.

    Returns
    -------
    ndarray, shape (I + 1,)
        Item i has ``ids[offsets[i]:offsets[i + 1]]``.
    ndarray, shape (e,)
        Category numbers, each once per item.
    int
        Number C of categories.
    """
    several = [_several(value) for value in values]
    numbers = {name: n for n, name in enumerate(sorted({c for row in several for c in row}))}
    offsets = np.cumsum([0, *map(len, several)])
    ids = np.array([numbers[c] for row in several for c in row], dtype=np.int64)
    return offsets, ids, len(numbers)


def groups_of(table: pd.DataFrame, attribute: str, users: int) -> np.ndarray:
    """Group of every user by ``gender`` or ``age``, shape (U,); -1 where it isn't known."""
    column = ATTRIBUTES[attribute]
    return group_numbers(table[column]) if column in table else np.full(users, -1)


def group_numbers(values: Iterable[object]) -> np.ndarray:
    """Number the groups of users, in the order of their names.

    Parameters
    ----------
    values : iterable, U of them
        Group of every user.

    Returns
    -------
    ndarray, shape (U,), int64
        -1 for "unknown" and gaps.
    """
    texts = pd.Series(list(values), dtype=object)
    known = texts.notna() & (texts != UNKNOWN)
    codes = np.full(len(texts), -1, dtype=np.int64)
    codes[known] = np.unique(texts[known].astype(str), return_inverse=True)[1]
    return codes


def from_arrow(table: pa.Table, key: str) -> tuple[pd.DataFrame, np.ndarray]:
    """Return attributes and ids of a stored table; several texts in a cell come as a tuple.

    Parameters
    ----------
    table : Table
        One row per user or item.
    key : str
        Name of the column of ids.
    """
    several = [each.name for each in table.schema if pa.types.is_list(each.type)]
    frame = table.to_pandas()
    for name in several:
        frame[name] = pd.Series([tuple(each) for each in frame[name]], dtype=object)
    ids = frame.pop(key)
    return frame, ids.to_numpy(dtype=None if ids.dtype.kind == "i" else object, copy=True)


def joined(table: pd.DataFrame, ids: np.ndarray) -> tuple[pd.DataFrame, int]:
    """Bring a table into the order of a catalogue.

    Parameters
    ----------
    table : DataFrame
        Index of ids as text, each once.
    ids : ndarray, shape (n,)
        Original ids of the catalogue.

    Returns
    -------
    DataFrame, index 0..n-1
        Gaps are "unknown", or empty for names and categories.
    int
        How many ids of the table aren't in the catalogue.
    """
    place = table.index.get_indexer(pd.Index(as_text(ids), dtype=object))
    made = {}
    for name in table:
        values = np.empty(len(table) + 1, dtype=object)
        values[:-1] = table[name].to_numpy(dtype=object)
        values[-1] = BLANK[str(name)]
        made[name] = values[place]
    absent = len(table) - int((place >= 0).sum())
    return pd.DataFrame(made, index=range(len(ids))), absent


def _indexed(
    ids: Iterable[object], made: dict[str, object], notes: dict[str, int], kind: str
) -> tuple[pd.DataFrame, dict[str, int]]:
    index = pd.Index([str(each) for each in ids], dtype=object)
    frame = pd.DataFrame(
        {name: pd.Series(each, index, object) for name, each in made.items()}, index
    )
    twice = index.duplicated()
    if twice.any():
        notes = notes | {f"rows of {kind} whose id came before": int(twice.sum())}
    return frame[~twice], notes


def _text(value: object) -> str:
    """Return what a cell says, without spaces round it; nothing for a gap."""
    return "" if value is None or value != value else str(value).strip()


def _several(value: object) -> tuple[str, ...]:
    """Return the texts of a cell, each once, in their order."""
    if isinstance(value, str) or not isinstance(value, Iterable):
        value = [value]
    return tuple(dict.fromkeys(text for each in value if (text := _text(each))))
