"""Parsed logs kept in one file per fingerprint of source and options.

The file is a row of Arrow IPC streams, one per part of the data set (``about``, the pairs, the
attribute tables), each with its name in the schema. One file can be put in place in one step, so
that no reader ever meets half a cache. The SHA-256 of all that stands before it ends the file, and
is checked before Arrow reads a byte: Arrow may crash on damaged offsets. Streams are written as
they are made, so that a large log isn't held twice. Nothing is ever unpickled.
"""

from __future__ import annotations

import contextlib
import hashlib
import io
import json
import uuid
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
import pandas as pd
import pyarrow as pa

from dvr_ray.config.schema import DataConfig
from dvr_ray.data.attributes import from_arrow
from dvr_ray.data.interactions import Dataset, Interactions
from dvr_ray.data.sources import SOURCES
from dvr_ray.files import cache_folder

__all__ = ["load_dataset"]

LAYOUT = 2
ID, PART = "original id", b"part"
PAIRS = ("interactions", "test", "reward", "selection")
DIGEST = 32
# What a damaged file does to its reader.
DAMAGE = (OSError, pa.ArrowException, LookupError, TypeError, ValueError)


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


class _Hashing(io.RawIOBase):
    """A file that is hashed while it is written."""

    def __init__(self, file: BinaryIO) -> None:
        super().__init__()
        self._file, self.digest = file, hashlib.sha256()

    def writable(self) -> bool:
        return True

    def write(self, data: Any) -> int:
        self.digest.update(data)
        return self._file.write(data)


def _write(dataset: Dataset, path: Path) -> None:
    """Write to a temporary name in the same folder, then put in place."""
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.name}.{uuid.uuid4().hex}")
    try:
        with temporary.open("wb") as file:
            hashing = _Hashing(file)
            for name, table in _tables(dataset):
                named = table.replace_schema_metadata({PART: name.encode()})
                with pa.ipc.new_stream(hashing, named.schema) as writer:
                    writer.write_table(named, max_chunksize=1 << 20)
            file.write(hashing.digest.digest())
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)


def _tables(dataset: Dataset) -> Iterator[tuple[str, pa.Table]]:
    """All parts of a data set as Arrow tables, with their names."""
    log = dataset.interactions
    about = {
        "fingerprint": dataset.fingerprint,
        "users": log.num_users,
        "items": log.num_items,
        "dropped": json.dumps(dataset.dropped),
    }
    yield "about", pa.Table.from_pylist([about])
    for name in PAIRS:
        part = getattr(dataset, name)
        if part is not None:
            yield name, pa.table({"user": part.users, "item": part.items})
    if dataset.times is not None:
        yield "times", pa.table({"time": dataset.times, "place": dataset.places})
    yield "users", _attributes(dataset.user_table, dataset.user_ids)
    yield "items", _attributes(dataset.item_table, dataset.item_ids)


def _attributes(table: pd.DataFrame, ids: np.ndarray) -> pa.Table:
    return pa.Table.from_pandas(table.assign(**{ID: ids}), preserve_index=False)


def _read(path: Path, fingerprint: str) -> Dataset:
    """Read a cached data set, or raise one of `DAMAGE`."""
    with pa.memory_map(str(path)) as file:
        content = file.read_buffer()
        whole = content.slice(0, max(content.size - DIGEST, 0))
        if hashlib.sha256(whole).digest() != content[max(content.size - DIGEST, 0) :].to_pybytes():
            raise ValueError("damaged cache")
        tables = _unpacked(whole)
        about = tables["about"].to_pylist()[0]
        if about["fingerprint"] != fingerprint:
            raise ValueError("not this data set")
        return _dataset(tables, about)


def _unpacked(whole: pa.Buffer) -> dict[str, pa.Table]:
    source, tables = pa.BufferReader(whole), {}
    while source.tell() < whole.size:
        with pa.ipc.open_stream(source) as reader:
            table = reader.read_all()
        tables[table.schema.metadata[PART].decode()] = table
    return tables


def _dataset(tables: dict[str, pa.Table], about: dict[str, Any]) -> Dataset:
    def column(name: str, key: str) -> np.ndarray:
        # Copies: Arrow's own memory is read-only, and torch wants to write.
        return np.array(tables[name][key].to_numpy())

    parts = {
        name: Interactions(
            column(name, "user"), column(name, "item"), about["users"], about["items"]
        )
        for name in PAIRS
        if name in tables
    }
    user_table, user_ids = from_arrow(tables["users"], ID)
    item_table, item_ids = from_arrow(tables["items"], ID)
    timed = "times" in tables
    return Dataset(
        name="",
        interactions=parts.pop("interactions"),
        test=parts.pop("test", None),
        user_ids=user_ids,
        item_ids=item_ids,
        user_table=user_table,
        item_table=item_table,
        fingerprint=about["fingerprint"],
        times=column("times", "time") if timed else None,
        places=column("times", "place") if timed else None,
        dropped=json.loads(about["dropped"]),
        **parts,
    )
