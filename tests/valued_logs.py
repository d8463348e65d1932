"""Logs of the run in `tests/inference/conftest.py`, in every format, and their values."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from dvr_ray.config.schema import DataConfig
from dvr_ray.data.guess import guess
from dvr_ray.inference.job import Valuation, value_log
from dvr_ray.inference.reading import FilesLog
from dvr_ray.inference.work import InProcess
from dvr_ray.training.opened import OpenedRun


def new_rows(seed: int = 0, count: int = 900) -> pd.DataFrame:
    """Rows of the run's users and items, some of them twice, some rated low."""
    random = np.random.default_rng(seed)
    return pd.DataFrame({
        "user": random.integers(0, 300, count), "item": random.integers(0, 80, count),
        "rating": random.integers(1, 6, count), "time": random.integers(0, 10**6, count),
    })  # fmt: skip


def write(rows: pd.DataFrame, path: Path) -> Path:
    """Write rows in the format that a name says."""
    name = path.name.removesuffix(".gz")
    if name.endswith(".parquet"):
        rows.to_parquet(path, index=False, row_group_size=100)
    elif name.endswith(".inter"):
        types = {"user": "user_id:token", "item": "item_id:token", "time": "timestamp:float"}
        named = rows.rename(columns=types | {"rating": "rating:float"})
        named.to_csv(path, sep="\t", index=False)
    elif name == "ratings.dat":
        lines = ["::".join(map(str, row)) for row in rows.itertuples(index=False)]
        path.write_text("\n".join(lines) + "\n")
    elif name == "data1.txt":
        rows[["user", "item", "rating"]].to_csv(path, sep="\t", index=False, header=False)
    elif name == "train.txt":
        lists = rows.drop_duplicates(["user", "item"]).groupby("user")["item"]
        lines = [" ".join(map(str, [user, *items])) for user, items in lists]
        path.write_text("\n".join(lines) + "\n")
    else:
        rows.to_csv(path, sep="\t" if name.endswith(".tsv") else ",", index=False)
    return path


def valued(opened: OpenedRun, path: Path, out: Path, **options: Any) -> pd.DataFrame:
    skip = options.pop("skip_unknown", False)
    config = DataConfig(source=guess(path), path=str(path), **options)
    log = FilesLog(config, opened.catalogue, skip)
    value_log(Valuation(opened, log, out), InProcess(), lambda *_: None)
    return pd.concat([pd.read_parquet(each) for each in sorted(out.glob("*.parquet"))])
