"""What a killed run leaves: its rows, and why it failed."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from dvr_ray.errors import DivergedError, RunError
from dvr_ray.training.stored import Failure, drop_after, note_failure, read_failure, read_rows


def _row(epoch: int) -> str:
    return json.dumps({"epoch": epoch, "loss": 0.5, "selection": {"ndcg@20": 0.1 * epoch}})


@pytest.mark.parametrize("torn", ['{"epoch": 3, "sel', "[]", '{"epoch": 3}', "\ufffd", "7"])
def test_rows_end_at_a_torn_line(torn: str, tmp_path: Path) -> None:
    (tmp_path / "metrics.jsonl").write_text(f"{_row(1)}\n{_row(2)}\n{torn}")
    assert [row["epoch"] for row in read_rows(tmp_path)] == [1, 2]
    drop_after(tmp_path, 1)
    assert (tmp_path / "metrics.jsonl").read_text() == _row(1) + "\n"
    assert [path.name for path in tmp_path.iterdir()] == ["metrics.jsonl"]


@pytest.mark.parametrize(
    ("error", "cause", "final"),
    [
        (DivergedError("epoch 3", "the loss is nan", "lower lr"), "epoch 3: the loss is nan", True),
        (RunError("x", "can't be written"), "x: can't be written", False),
        (IndexError("no\n  such row"), "IndexError: no such row", False),
        (KeyError(), "KeyError", False),
    ],
)
def test_failure_is_one_line_and_comes_back(
    error: Exception, cause: str, final: bool, tmp_path: Path
) -> None:
    assert read_failure(tmp_path) is None
    note_failure(tmp_path, Failure.of(error))
    found = read_failure(tmp_path)
    assert found is not None and found.final is final
    assert found.cause.startswith(cause) and "\n" not in found.cause
    (tmp_path / "failure.json").write_text("{")
    assert read_failure(tmp_path) is None
