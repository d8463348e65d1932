"""From pandas frames to a `Dataset`."""

from __future__ import annotations

import hashlib
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
from pyarrow import parquet

from dvr_ray.config.schema import ColumnsConfig, DataConfig
from dvr_ray.data import attributes
from dvr_ray.data.assemble import assemble
from dvr_ray.data.interactions import Dataset
from dvr_ray.data.reading.columns import Chosen, choose, id_column
from dvr_ray.data.reading.parquet import rows_of
from dvr_ray.data.reading.tables import attribute_columns
from dvr_ray.data.rows import Reading, Rows
from dvr_ray.errors import DataError

__all__ = ["attribute_table", "frame_rows", "from_frame", "write_frame"]

SEVERAL = "|"


def from_frame(
    frame: pd.DataFrame,
    *,
    columns: ColumnsConfig | None = None,
    users: pd.DataFrame | None = None,
    items: pd.DataFrame | None = None,
    min_rating: float | None = None,
    core: int = 0,
    name: str = "frame",
) -> Dataset:
    """Make a data set of a frame with one row per interaction.

    Parameters
    ----------
    frame : DataFrame
        Columns of users' and items' ids (whole numbers or text), perhaps of ratings and times.
    columns : ColumnsConfig, optional
        Names of these columns; the usual ones (user, item, rating, timestamp ...) are found.
    users, items : DataFrame, optional
        Attributes: ids in a column user or item (or id), then gender, age or age_group; name,
        category (text with ``|`` between several, or lists).
    min_rating : float, optional
        Keep rows rated this high.
    core : int
        Keep users and items with so many rows left.
    name : str
        For tables and messages.

    Returns
    -------
    Dataset
        Not split yet.

    Raises
    ------
    DataError
        If a column is missing, an id or a number isn't one, or no row is left.

    Examples
    --------
    >>> log = pd.DataFrame({"user": ["ann", "ann", "bo"], "item": ["x", "y", "x"]})
    >>> data = from_frame(log)
    >>> len(data.interactions), data.user_ids.tolist()
    (3, ['ann', 'bo'])
    """
    columns = columns or ColumnsConfig()
    config = DataConfig(source="table", columns=columns, min_rating=min_rating, core=core)
    log, chosen = _log(frame, config, name)
    table = _arrow(log, name)
    tables: dict[str, pd.DataFrame | None] = {"user": None, "item": None}
    notes: dict[str, int] = {}
    for role, given in (("user", users), ("item", items)):
        if given is not None:
            tables[role], more = attribute_table(given, role, columns, f"{name}: {role}s")
            notes |= more
    reading = Reading(
        rows_of(table, chosen, name), users=tables["user"], items=tables["item"], dropped=notes
    )
    return assemble(reading, name, _fingerprint(log, tables, config), config)


def write_frame(
    frame: pd.DataFrame,
    config: DataConfig,
    folder: Path,
    *,
    users: pd.DataFrame | None = None,
    items: pd.DataFrame | None = None,
) -> None:
    """Write a frame as a folder of tables, which source ``table`` reads.

    Parameters
    ----------
    frame : DataFrame
        As for `from_frame`; only the columns that are read are written.
    config : DataConfig
        Names columns, and says whether ratings are read.
    folder : Path
        Made where it is missing.
    users, items : DataFrame, optional
        Attributes.

    Raises
    ------
    DataError
        If a column is missing or holds several types; nothing is written then.
    """
    log, _ = _log(frame, config, "frame")
    given = {"users": users, "items": items}
    tables = {"log": _arrow(log, "frame")}
    tables |= {name: _arrow(table, name) for name, table in given.items() if table is not None}
    folder.mkdir(parents=True, exist_ok=True)
    for name, table in tables.items():
        parquet.write_table(table, folder / f"{name}.parquet")


def frame_rows(frame: pd.DataFrame, config: DataConfig, name: str) -> tuple[Rows, pd.DataFrame]:
    """Read the rows of a frame.

    Parameters
    ----------
    frame : DataFrame
        As for `from_frame`.
    config : DataConfig
        Names columns, and says whether ratings are read.
    name : str
        For messages.

    Returns
    -------
    Rows
        Row for row.
    DataFrame
        The frame's columns of users and items.

    Raises
    ------
    DataError
        If a column is missing, or an id or a number isn't one.
    """
    log, chosen = _log(frame, config, name)
    return rows_of(_arrow(log, name), chosen, name), log[[chosen.user, chosen.item]]


def _log(frame: pd.DataFrame, config: DataConfig, place: str) -> tuple[pd.DataFrame, Chosen]:
    """Return the columns of a frame that are read, and which hold what."""
    names = [str(each) for each in frame.columns]
    chosen = choose(names, config.columns, config.min_rating is not None, place)
    wanted = [chosen.user, chosen.item, chosen.rating, chosen.time]
    return frame[[each for each in wanted if each is not None]], chosen


def _arrow(frame: pd.DataFrame, place: str) -> pa.Table:
    try:
        return pa.Table.from_pandas(frame, preserve_index=False)
    except (pa.ArrowInvalid, pa.ArrowTypeError) as error:
        reason = " ".join(str(error).split())[:150]
        raise DataError(
            place, f"columns must be of one type each, got: {reason}", "convert the column"
        ) from error


def attribute_table(
    frame: pd.DataFrame, role: str, columns: ColumnsConfig, place: str
) -> tuple[pd.DataFrame, dict[str, int]]:
    """Make a table of users or items, as `dvr_ray.data.attributes` does.

    Parameters
    ----------
    frame : DataFrame
        With a column of ids.
    role : str
        ``user`` or ``item``.
    columns : ColumnsConfig
        What the user said about the log.
    place : str
        The file, for messages.

    Returns
    -------
    DataFrame
        With the index of ids as text.
    dict of str to int
        What isn't known, by reason.

    Raises
    ------
    DataError
        If there is no column of ids.
    """
    names = [str(each) for each in frame.columns]
    ids = frame[id_column(names, role, columns, place)]
    cells = {kind: frame[name].tolist() for kind, name in attribute_columns(names).items()}
    if role == "user":
        return attributes.user_table(ids, cells)
    if "category" in cells:
        several = [c.split(SEVERAL) if isinstance(c, str) else c for c in cells["category"]]
        cells = {**cells, "category": several}
    return attributes.item_table(ids, cells)


def _fingerprint(
    log: pd.DataFrame, tables: dict[str, pd.DataFrame | None], config: DataConfig
) -> str:
    """Hash of rows, attributes and options."""
    digest = hashlib.sha256(config.model_dump_json().encode())
    for frame in (log, *(table for table in tables.values() if table is not None)):
        digest.update("/".join(map(str, frame.columns)).encode())
        # Categories may be tuples, which pandas can't hash with a column.
        plain = frame.map(str) if frame is not log else frame
        digest.update(np.ascontiguousarray(pd.util.hash_pandas_object(plain)).tobytes())
    return digest.hexdigest()[:16]
