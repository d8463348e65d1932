"""Trials as the sweep writes them and the report reads them."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from dvr_ray.config.space import SearchSpace
from dvr_ray.reports.digest import trial_digest
from dvr_ray.reports.trials import read_trials
from dvr_ray.tuning.records import TrialRecord, write_trials

SEARCH: dict[str, Any] = {
    "valuator.depth": {"int": [1, 4]},
    "training.lr": {"float": [1e-3, 1e-1], "log": True},
    "policy.gate": {"choice": [True, False]},
    "policy.bounds": {"choice": [[0.05, 0.95], [0.0, 1.0]]},
    "adapter.users": {"choice": ["all", 64]},
    "policy.keep_rate": {"float": [0.5, 0.9], "when": {"policy.gate": True}},
}
VALUES: list[dict[str, Any]] = [
    {
        "valuator.depth": 2,
        "training.lr": 0.1 / 3,
        "policy.gate": True,
        "policy.bounds": "[0.05, 0.95]",
        "adapter.users": 64,
        "policy.keep_rate": 0.8,
    },
    {
        "valuator.depth": 4,
        "training.lr": 1e-3,
        "policy.gate": False,
        "policy.bounds": "[0.0, 1.0]",
        "adapter.users": "all",
    },
]


def record(number: int, values: dict[str, Any], **changes: Any) -> TrialRecord:
    fields: dict[str, Any] = {
        "status": "finished", "objectives": {"ndcg@20": 0.1 + number / 7}, "best_epoch": 3,
        "epochs": 5, "seconds": 2.5, "error": "",
    }  # fmt: skip
    return TrialRecord(number=number, folder=f"h{number}", values=values, **(fields | changes))


def test_reported_metrics_and_chance_of_gaps_are_written_and_read_back(
    space_of: Callable[..., SearchSpace], tmp_path: Path
) -> None:
    """Only a finished trial has them; a metric that isn't a gap has no null and no error."""
    space = space_of(search=SEARCH, run={"training": {"report": ["sp:gender@20", "gini@20"]}})
    beside = {"sp:gender@20": 0.4, "sp:gender@20 null": 0.1, "sp:gender@20 error": 0.02,
              "gini@20": 0.9}  # fmt: skip
    stopped = record(1, VALUES[1], status="stopped")
    whole = record(0, VALUES[0], beside=beside | {"recall@20": 0.3})
    write_trials([whole, stopped], space, tmp_path / "trials.csv")
    head = (tmp_path / "trials.csv").read_text().splitlines()[0]
    assert "ndcg@20,sp:gender@20,sp:gender@20 null,sp:gender@20 error,gini@20,best_epoch" in head
    assert "gini@20 null" not in head and "recall@20" not in head
    trials = read_trials(tmp_path / "trials.csv", ("ndcg@20",), space)
    assert [trial.beside for trial in trials] == [beside, {}]
    assert trial_digest(trials[0])["beside"] == beside


def test_what_a_sweep_writes_is_read_back(
    space_of: Callable[..., SearchSpace], tmp_path: Path
) -> None:
    """Numbers beside blanks become floats and lists become text in the CSV; both come back."""
    space = space_of(search=SEARCH)
    failed = record(
        2, VALUES[1], status="failed", objectives={}, error='a "quoted", line\nand more'
    )
    records = [record(0, VALUES[0]), record(1, VALUES[1]), failed]
    write_trials(records, space, tmp_path / "trials.csv")
    trials = read_trials(tmp_path / "trials.csv", ("ndcg@20",), space)
    assert [trial.number for trial in trials] == [0, 1, 2]
    assert trials[0].values == VALUES[0] | {"policy.bounds": [0.05, 0.95]}
    assert trials[1].values == VALUES[1] | {"policy.bounds": [0.0, 1.0]}
    assert type(trials[0].values["adapter.users"]) is int
    assert trials[1].objectives == {"ndcg@20": 0.1 + 1 / 7}
    assert (trials[2].objectives, trials[2].error) == ({}, 'a "quoted", line\nand more')
    assert (trials[0].best_epoch, trials[0].epochs, trials[0].seconds) == (3, 5, 2.5)


@pytest.mark.parametrize(("when", "expected"), [({}, {"adapter.horizon.batches": None})])
def test_a_blank_is_null_where_null_is_a_choice(
    space_of: Callable[..., SearchSpace],
    tmp_path: Path,
    when: dict[str, Any],
    expected: dict[str, Any],
) -> None:
    search = {"adapter.horizon.batches": {"choice": [None, 4], "when": when}}
    space = space_of(search=search)
    write_trials([record(0, {"adapter.horizon.batches": None})], space, tmp_path / "t.csv")
    (trial,) = read_trials(tmp_path / "t.csv", (), space)
    assert trial.values == expected


def test_a_blank_under_a_condition_was_not_searched(
    space_of: Callable[..., SearchSpace], tmp_path: Path
) -> None:
    when = {"policy.gate": False}
    space = space_of(search={"adapter.horizon.batches": {"choice": [None, 4], "when": when}})
    write_trials([record(0, {})], space, tmp_path / "t.csv")
    (trial,) = read_trials(tmp_path / "t.csv", (), space)
    assert trial.values == {}
