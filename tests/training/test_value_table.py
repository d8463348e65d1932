"""What a run writes down about the value of every training row."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd

from dvr_ray.config.schema import RunConfig
from dvr_ray.data.interactions import TrialData
from dvr_ray.reports.sides import side
from dvr_ray.reports.values import read_values
from dvr_ray.training.reporter import Silent
from dvr_ray.training.run import RunRequest, run


def test_values_come_with_ids_and_attributes(
    small_run: Callable[..., RunConfig], small_data: TrialData, tmp_path: Path
) -> None:
    tags = [["red", "round"], [], None]
    item_table = small_data.item_table.assign(
        tags=[tags[place % 3] for place in range(len(small_data.item_ids))],
        year=np.arange(len(small_data.item_ids)),
    )
    data = replace(small_data, item_table=item_table)
    run(RunRequest(small_run(), data, tmp_path), Silent())
    values = read_values(tmp_path / "values.parquet")
    assert list(values["user"]) == list(data.user_ids[data.train.users])
    assert list(values["item"]) == list(data.item_ids[data.train.items])
    for place, item in enumerate(data.train.items[:50]):
        row = values.iloc[place]
        expected = tags[item % 3]
        assert row["item.year"] == str(item)
        if expected is None:
            assert pd.isna(row["item.tags"])
        else:
            assert row["item.tags"] == ", ".join(expected)
    assert isinstance(values["item.tags"].dtype, pd.CategoricalDtype)
    found = side(values, "user")
    assert found is not None
    assert found.attributes == tuple(data.user_table)
    assert len(found.listed) == len(set(data.train.users))
