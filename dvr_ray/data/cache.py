"""Parsed logs kept as Arrow, by the fingerprint of source and options."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa

from dvr_ray.config.schema import DataConfig
from dvr_ray.data.interactions import Dataset, Interactions
from dvr_ray.data.sources import SOURCES

__all__ = ["cache_folder", "load_dataset"]


def cache_folder() -> Path:
    """Return ``$DVR_RAY_CACHE``, or a folder in the user's cache."""
    return Path(os.environ.get("DVR_RAY_CACHE", Path.home() / ".cache" / "dvr_ray"))


def load_dataset(config: DataConfig) -> Dataset:
    """Load a log, from the cache where it is there.

    A damaged cache is rebuilt, and one that can't be written is done without.

    Parameters
    ----------
    config : DataConfig
        Source, path and options.
    """
    source = SOURCES.get(config.source, "data.source")(config)
    if not (source.cached and config.cache):
        return source.load()
    folder = cache_folder() / source.fingerprint()
    try:
        return _read(folder)
    except (OSError, pa.ArrowInvalid, KeyError, ValueError):
        dataset = source.load()
    try:
        _write(dataset, folder)
    except OSError:
        pass
    return dataset


PAIRS = ("interactions", "test")


def _write(dataset: Dataset, folder: Path) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    sizes = {"users": len(dataset.user_ids), "items": len(dataset.item_ids)}
    for name in PAIRS:
        part: Interactions | None = getattr(dataset, name)
        if part is not None:
            _store(pa.table({"user": part.users, "item": part.items}), folder / f"{name}.arrow")
    for name in ("user", "item"):
        table = getattr(dataset, f"{name}_table").assign(id=getattr(dataset, f"{name}_ids"))
        _store(pa.Table.from_pandas(table, preserve_index=False), folder / f"{name}s.arrow")
    # Written last: a folder without it isn't whole.
    about = {"name": [dataset.name], "fingerprint": [dataset.fingerprint]}
    about |= {"test": [dataset.test is not None]} | {k: [v] for k, v in sizes.items()}
    _store(pa.table(about), folder / "about.arrow")


def _store(table: pa.Table, path: Path) -> None:
    temporary = path.with_name(f".{path.name}.{os.getpid()}")
    with pa.OSFile(str(temporary), "wb") as sink, pa.ipc.new_file(sink, table.schema) as writer:
        writer.write_table(table)
    temporary.replace(path)


def _read(folder: Path) -> Dataset:
    about = _load(folder / "about.arrow").to_pylist()[0]
    users, items = about["users"], about["items"]

    def pairs(name: str) -> Interactions:
        table = _load(folder / f"{name}.arrow")
        return Interactions(
            table["user"].to_numpy().copy(), table["item"].to_numpy().copy(), users, items
        )

    def attributes(name: str, size: int) -> tuple[np.ndarray, pd.DataFrame]:
        table = _load(folder / f"{name}.arrow").to_pandas()
        if len(table) != size:
            raise ValueError("torn cache")
        return table["id"].to_numpy(), table.drop(columns="id")

    user_ids, user_table = attributes("users", users)
    item_ids, item_table = attributes("items", items)
    test = pairs("test") if about["test"] else None
    return Dataset(
        about["name"], pairs("interactions"), test, user_ids, item_ids, user_table, item_table,
        about["fingerprint"],
    )  # fmt: skip


def _load(path: Path) -> pa.Table:
    with pa.OSFile(str(path), "rb") as source:
        return pa.ipc.open_file(source).read_all()
