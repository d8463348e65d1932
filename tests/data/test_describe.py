"""The summary of a log, against counts by hand."""

from __future__ import annotations

import json
from dataclasses import asdict, replace

import numpy as np
import pandas as pd

from dvr_ray.config.schema import DataConfig
from dvr_ray.data.cache import load_dataset
from dvr_ray.data.describe import describe
from dvr_ray.data.interactions import Dataset, Interactions


def small() -> Dataset:
    """Build lists of 3, 1 and 0 of 4 items; items have 2, 1, 1 and 0 rows; one test row."""
    log = Interactions.from_pairs(np.array([0, 0, 0, 1]), np.array([0, 1, 2, 0]), 3, 4)
    test = Interactions.from_pairs(np.array([1]), np.array([3]), 3, 4)
    users = pd.DataFrame({"gender": ["M", "F", "M"], "age": [1.0, np.nan, 2.0]})
    return Dataset("small", log, test, np.arange(3), np.arange(4), users, pd.DataFrame(), "f00")


def test_counts_are_those_by_hand() -> None:
    summary = describe(small())
    assert (summary.name, summary.fingerprint) == ("small", "f00")
    assert (summary.users, summary.items, summary.rows, summary.test_rows) == (3, 4, 4, 1)
    assert summary.density == 4 / 12
    assert summary.per_user == (0.0, 1.0, 3.0)
    assert summary.per_item == (0.0, 1.0, 2.0)


def test_attributes_are_counted_by_value_and_gaps_too() -> None:
    attributes = describe(small()).attributes
    assert list(attributes) == ["user.gender", "user.age"]
    assert list(attributes["user.gender"].items()) == [("M", 2), ("F", 1)]
    assert attributes["user.age"] == {"1.0": 1, "2.0": 1, "nan": 1}


def test_no_test_file_counts_as_no_rows() -> None:
    assert describe(replace(small(), test=None)).test_rows == 0


def test_an_empty_log_is_described() -> None:
    nothing = Interactions.from_pairs(np.empty(0, int), np.empty(0, int), 0, 0)
    summary = describe(replace(small(), interactions=nothing))
    assert (summary.rows, summary.density, summary.per_user) == (0, 0, (0, 0, 0))


def test_summary_of_the_generator_is_plain_json() -> None:
    summary = describe(load_dataset(DataConfig(users=30, items=40)))
    read = json.loads(json.dumps(asdict(summary)))
    assert sum(read["attributes"]["item.category"].values()) == 40
    assert sum(read["attributes"]["user.gender"].values()) == 30
    assert sum(read["attributes"]["user.age_group"].values()) == 30
    assert read["rows"] == summary.rows > 0
