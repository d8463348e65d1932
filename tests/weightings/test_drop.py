"""Training without the rows that another run values least."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
from triplets import make_weighting, small_data

from dvr_ray.errors import DataError
from dvr_ray.weightings.drop import Drop


def _table(path: Path, values: np.ndarray) -> str:
    data = small_data()
    users, items = data.user_ids[data.train.users], data.item_ids[data.train.items]
    pd.DataFrame({"user": users, "item": items, "value": values}).to_parquet(path)
    return str(path)


@pytest.mark.parametrize(("end", "sign"), [("lowest", 1), ("highest", -1)])
def test_a_share_is_dropped_at_the_named_end(end: str, sign: int, tmp_path: Path) -> None:
    count = len(small_data().train)
    values = np.random.default_rng(0).normal(size=count)
    drop = make_weighting(Drop, values=_table(tmp_path / "v", values), share=0.25, end=end)
    kept = drop.select(0, torch.arange(count))
    assert kept is not None and int((~kept).sum()) == round(0.25 * count)
    left, gone = sign * values[kept.numpy()], sign * values[~kept.numpy()]
    assert gone.max() < left.min()


def test_as_many_are_dropped_at_random_whatever_their_values() -> None:
    count = len(small_data().train)
    drop = make_weighting(Drop, values="none", share=0.25, end="random")
    kept = drop.select(0, torch.arange(count))
    assert kept is not None and int((~kept).sum()) == round(0.25 * count)
    # Neither of the two ends: a random share of each half.
    assert 0 < int((~kept[: count // 2]).sum()) < round(0.25 * count)


def test_values_of_other_rows_are_refused(tmp_path: Path) -> None:
    count = len(small_data().train)
    path = tmp_path / "v"
    _table(path, np.zeros(count))
    pd.read_parquet(path).iloc[::-1].to_parquet(path)
    with pytest.raises(DataError, match=f"must hold the {count:,} training rows"):
        make_weighting(Drop, values=str(path))
    with pytest.raises(DataError, match="can't be read"):
        make_weighting(Drop, values=str(tmp_path / "absent"))
