"""A run that dies at any of its writes is continued to the same rows and values."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from dvr_ray.config.schema import RunConfig
from dvr_ray.data.interactions import TrialData
from dvr_ray.training.reporter import Silent
from dvr_ray.training.run import RunRequest, run
from dvr_ray.training.stored import read_rows


class _Rows:
    def __init__(self) -> None:
        self.epochs: list[int] = []

    def report(self, row: dict[str, Any], checkpoint: Path | None) -> None:
        self.epochs.append(row["epoch"])


def _dies(*given: Any, **more: Any) -> None:
    raise KeyboardInterrupt


def _content(folder: Path) -> tuple[list[dict[str, Any]], pd.DataFrame]:
    rows = [{k: v for k, v in row.items() if k != "seconds"} for row in read_rows(folder)]
    return rows, pd.read_parquet(folder / "values.parquet")


@pytest.mark.parametrize(
    "where",
    [
        "dvr_ray.training.loop.checkpoint.save",  # after the row, before its checkpoint
        "dvr_ray.training.run.write_tensors",  # all trained, nothing written out
        "pandas.DataFrame.to_parquet",
        "dvr_ray.training.run.write_json",  # all but the result
    ],
)
def test_continued_run_is_whole(
    where: str,
    small_run: Callable[..., RunConfig],
    small_data: TrialData,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    config = small_run(training__epochs=4)
    run(RunRequest(config, small_data, tmp_path / "whole"), Silent())
    hurt = RunRequest(config, small_data, tmp_path / "hurt", replay=True)
    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr(where, _dies)
        run(hurt, Silent())
    told = _Rows()
    run(hurt, told)
    assert not list(tmp_path.rglob(".*.tmp*"))
    rows, values = _content(tmp_path / "whole")
    again, other = _content(tmp_path / "hurt")
    assert rows == again and told.epochs == [row["epoch"] for row in rows]
    pd.testing.assert_frame_equal(values, other)
