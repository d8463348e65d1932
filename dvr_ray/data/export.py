"""Data sets and splits as files that others read: Parquet, RecBole's atomic files, LightGCN's text.

Ids are the original ones. Ratings were forgotten on import; times are written where there are any.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
from pyarrow import csv, parquet

from dvr_ray.data.folder import new_folder
from dvr_ray.data.ids import LARGEST_ID
from dvr_ray.data.interactions import Dataset, Interactions, SealedTest, TrialData
from dvr_ray.data.sources.parts import MANIFEST, PARTS
from dvr_ray.errors import DataError, nearest

__all__ = ["FORMATS", "convert", "write_parts"]

Ids = tuple[np.ndarray, np.ndarray]


def convert(dataset: Dataset, form: str, folder: Path) -> None:
    """Write a data set in another format.

    Parameters
    ----------
    dataset : Dataset
        The log, with its test part if one came with it.
    form : str
        ``parquet``, ``inter`` or ``lightgcn``.
    folder : Path
        New or empty.

    Raises
    ------
    DataError
        If there is no such format, the format can't hold an id, or the folder holds something.
    """
    if form not in FORMATS:
        raise DataError("--to", f"unknown format {form!r}", nearest(form, FORMATS))
    if dataset.reward is not None:
        raise DataError(
            dataset.name, "is a split in four parts, which is Parquet already",
            "convert the log that it was made of",
        )  # fmt: skip
    with new_folder(folder) as temporary:
        FORMATS[form](dataset, temporary)


def write_parts(
    data: TrialData, test: SealedTest, about: Mapping[str, object], folder: Path
) -> None:
    """Write the four parts as Parquet, with the tables of users and items and a JSON of hashes.

    Parameters
    ----------
    data : TrialData
        Without planted rows.
    test : SealedTest
        The test part.
    about : mapping
        What the split was made of; goes into the JSON.
    folder : Path
        New or empty.

    Raises
    ------
    DataError
        If the folder holds something or can't be written.
    """
    assert data.planted is None
    parts = (data.train, data.reward, data.selection, test.interactions)
    ids = data.user_ids, data.item_ids
    with new_folder(folder) as temporary:
        for name, part in zip(PARTS, parts, strict=True):
            parquet.write_table(_rows(part, ids), temporary / f"{name}.parquet")
        _attributes(data.user_table, data.item_table, ids, temporary)
        written = {
            **about,
            "name": data.name,
            "rows": {name: len(part) for name, part in zip(PARTS, parts, strict=True)},
            "sha256": {path.name: _hash(path) for path in sorted(temporary.iterdir())},
        }
        (temporary / MANIFEST).write_text(json.dumps(written, indent=1) + "\n", encoding="utf-8")


def _to_parquet(dataset: Dataset, folder: Path) -> None:
    ids = dataset.user_ids, dataset.item_ids
    name = "interactions" if dataset.test is None else "train"
    parquet.write_table(_rows(dataset.interactions, ids, dataset.times), folder / f"{name}.parquet")
    if dataset.test is not None:
        parquet.write_table(_rows(dataset.test, ids), folder / "test.parquet")
    _attributes(dataset.user_table, dataset.item_table, ids, folder)


def _to_inter(dataset: Dataset, folder: Path) -> None:
    ids = dataset.user_ids, dataset.item_ids
    name = folder_name(dataset.name)
    end = "inter" if dataset.test is None else "train.inter"
    _tabbed(_rows(dataset.interactions, ids, dataset.times), folder / f"{name}.{end}")
    if dataset.test is not None:
        _tabbed(_rows(dataset.test, ids), folder / f"{name}.test.inter")
    for role, table, known in (
        ("user", dataset.user_table, ids[0]), ("item", dataset.item_table, ids[1]),
    ):  # fmt: skip
        if len(table.columns):
            columns = {role: known} | {str(c): [_flat(v) for v in table[c]] for c in table}
            _tabbed(pa.table(columns), folder / f"{name}.{role}")


def _to_lightgcn(dataset: Dataset, folder: Path) -> None:
    ids = dataset.user_ids, dataset.item_ids
    numbers = []
    for role, known in zip(("user", "item"), ids, strict=True):
        fitting = known.dtype.kind == "i" and known.min() >= 0 and known.max() <= LARGEST_ID
        numbers.append(known if fitting else np.arange(len(known)))
        if not fitting:
            listing = [f"{each}\t{number}" for number, each in enumerate(known.tolist())]
            text = "\n".join(["org_id\tremap_id", *listing])
            (folder / f"{role}_list.txt").write_text(text + "\n", encoding="utf-8")
    for name, part in (("train", dataset.interactions), ("test", dataset.test)):
        if part is not None:
            lists = np.split(numbers[1][part.items], part.user_offsets[1:-1])
            rows = zip(numbers[0].tolist(), lists, strict=True)
            text = "\n".join(" ".join(map(str, [user, *own.tolist()])) for user, own in rows)
            (folder / f"{name}.txt").write_text(text + "\n", encoding="ascii")


FORMATS: dict[str, Callable[[Dataset, Path], None]] = {
    "parquet": _to_parquet,
    "inter": _to_inter,
    "lightgcn": _to_lightgcn,
}


def folder_name(name: str) -> str:
    """Return a name that RecBole's files may bear: without dots.

    Parameters
    ----------
    name : str
        Of the data set.
    """
    return name.partition(".")[0] or "data"


def _rows(part: Interactions, ids: Ids, times: np.ndarray | None = None) -> pa.Table:
    columns = {"user": _column(ids[0]).take(part.users), "item": _column(ids[1]).take(part.items)}
    return pa.table(columns if times is None else {**columns, "time": times})


def _column(ids: np.ndarray) -> pa.Array:
    return pa.array(ids, None if ids.dtype.kind == "i" else pa.string())


def _attributes(users: pd.DataFrame, items: pd.DataFrame, ids: Ids, folder: Path) -> None:
    for role, table, known in (("user", users, ids[0]), ("item", items, ids[1])):
        columns = {role: _column(known)} | {str(c): pa.array(table[c].tolist()) for c in table}
        parquet.write_table(pa.table(columns), folder / f"{role}s.parquet")


TYPES = {"user": "user_id:token", "item": "item_id:token", "time": "timestamp:float",
         "name": "name:token_seq", "category": "category:token_seq"}  # fmt: skip


def _tabbed(table: pa.Table, path: Path) -> None:
    """Write a table with RecBole's header."""
    for name, column in zip(table.column_names, table.columns, strict=True):
        if pa.types.is_string(column.type):
            _refuse_breaks(column.unique().to_pylist(), name)
    names = [TYPES.get(name, f"{name}:token") for name in table.column_names]
    with path.open("wb") as file:
        file.write(("\t".join(names) + "\n").encode())
        csv.write_csv(table, file, csv.WriteOptions(include_header=False, delimiter="\t",
                                                    quoting_style="none"))  # fmt: skip


def _refuse_breaks(texts: Iterable[str], name: str) -> None:
    wrong = next((text for text in texts if set(text) & set('\t\r\n"')), None)
    if wrong is not None:
        raise DataError(
            "--to inter",
            f"{name} must hold no tab, quote or line break, got {wrong[:60]!r}",
            "convert to parquet",
        )


def _flat(value: object) -> str:
    """Return texts as RecBole's token_seq: spaces part tokens, so that those within become "_"."""
    if isinstance(value, tuple):
        return " ".join("_".join(each.split()) for each in value).replace('"', "'")
    return " ".join(str(value).split()).replace('"', "'")


def _hash(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
