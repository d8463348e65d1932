"""Parsed logs kept as Arrow IPC, one file per fingerprint of source and options.

The file is an Arrow stream of a table with one row per part of the data set (``about``, the pairs,
the attribute tables): its name and its bytes, an Arrow stream again. One file can be put in place
in one step, so that no reader ever meets half a cache. The SHA-256 of all that follows it, and is
checked before Arrow reads a byte: Arrow may crash on damaged offsets. Nothing is ever unpickled.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import uuid
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa

from dvr_ray.config.schema import DataConfig
from dvr_ray.data.interactions import Dataset, Interactions
from dvr_ray.data.sources import SOURCES

__all__ = ["cache_folder", "load_dataset"]

LAYOUT = 1
ID = "original id"
# What a damaged file does to its reader.
DAMAGE = (OSError, pa.ArrowException, LookupError, TypeError, ValueError)


def cache_folder() -> Path:
    """Return ``$DVR_RAY_CACHE``, or ``~/.cache/dvr_ray`` where it isn't set.

    Raises
    ------
    RuntimeError
        If it isn't set and the user has no home folder.
    """
    given = os.environ.get("DVR_RAY_CACHE")
    return Path(given).expanduser() if given else Path.home() / ".cache" / "dvr_ray"


def load_dataset(config: DataConfig) -> Dataset:
    """Return a log, from the cache where it is there.

    A damaged cache is rebuilt, and one that can't be written is done without.

    Parameters
    ----------
    config : DataConfig
        Source, path and options; ``cache: false`` neither reads nor writes the cache.

    Raises
    ------
    ConfigError
        If there is no such source.
    DataError
        If the source's files can't be read.
    """
    source = SOURCES.get(config.source, "data.source")(config)
    if not (source.cached and config.cache):
        return source.load()
    fingerprint = source.fingerprint()
    try:
        path = cache_folder() / f"{fingerprint}-{LAYOUT}.arrow"
    except RuntimeError:
        return source.load()
    with contextlib.suppress(*DAMAGE):
        # The same files may lie in a folder of another name.
        return replace(_read(path, fingerprint), name=source.name)
    dataset = source.load()
    with contextlib.suppress(OSError, pa.ArrowException):
        _write(dataset, path)
    return dataset


def _write(dataset: Dataset, path: Path) -> None:
    """Write to a temporary name in the same folder, then put in place."""
    parts = {name: _packed(table) for name, table in _tables(dataset).items()}
    contents = pa.array(parts.values(), pa.large_binary())
    whole = _packed(pa.table({"part": list(parts), "content": contents}))
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.name}.{uuid.uuid4().hex}")
    try:
        temporary.write_bytes(whole + hashlib.sha256(whole).digest())
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)


def _tables(dataset: Dataset) -> dict[str, pa.Table]:
    """All parts of a data set as Arrow tables, by name."""
    log, test = dataset.interactions, dataset.test
    about = {"fingerprint": dataset.fingerprint, "users": log.num_users, "items": log.num_items}
    tables = {"about": pa.Table.from_pylist([about]), "interactions": _pairs(log)}
    if test is not None:
        tables["test"] = _pairs(test)
    tables["users"] = _attributes(dataset.user_table, dataset.user_ids)
    tables["items"] = _attributes(dataset.item_table, dataset.item_ids)
    return tables


def _pairs(part: Interactions) -> pa.Table:
    return pa.table({"user": part.users, "item": part.items})


def _attributes(table: pd.DataFrame, ids: np.ndarray) -> pa.Table:
    return pa.Table.from_pandas(table.assign(**{ID: ids}), preserve_index=False)


def _packed(table: pa.Table) -> bytes:
    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, table.schema) as writer:
        writer.write_table(table)
    return bytes(sink.getvalue())


def _unpacked(content: bytes) -> pa.Table:
    with pa.ipc.open_stream(content) as reader:
        return reader.read_all()


def _read(path: Path, fingerprint: str) -> Dataset:
    """Read a cached data set, or raise one of `DAMAGE`."""
    content = path.read_bytes()
    whole, digest = content[:-32], content[-32:]
    if hashlib.sha256(whole).digest() != digest:
        raise ValueError("damaged cache")
    tables = {row["part"]: _unpacked(row["content"]) for row in _unpacked(whole).to_pylist()}
    about = tables["about"].to_pylist()[0]
    if about["fingerprint"] != fingerprint:
        raise ValueError("not this data set")

    def pairs(name: str) -> Interactions:
        # Copies: Arrow's own memory is read-only, and torch wants to write.
        user, item = (tables[name][column].to_numpy().copy() for column in ("user", "item"))
        return Interactions(user, item, about["users"], about["items"])

    user_table, item_table = tables["users"].to_pandas(), tables["items"].to_pandas()
    return Dataset(
        name="",
        interactions=pairs("interactions"),
        test=pairs("test") if "test" in tables else None,
        user_ids=user_table.pop(ID).to_numpy(copy=True),
        item_ids=item_table.pop(ID).to_numpy(copy=True),
        user_table=user_table,
        item_table=item_table,
        fingerprint=fingerprint,
    )
