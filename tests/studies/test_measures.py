"""Names of metrics and measures, and what they read from a record."""

from __future__ import annotations

from typing import Any

import pytest
from small_study import record_of

from dvr_ray.errors import ConfigError
from dvr_ray.studies.measures import quantity

RECORD: dict[str, Any] = record_of(0.3, 0.8) | {
    "epochs": 4, "rows": 250_000, "memory": 512, "passes": 0.98,
    "agreement": {"a": 0.5, "b": 0.7},
    "monitors": {"worth_error": 1e-3, "coverage": [0.5, 0.1]},
    "curve": {"name": "ndcg@5", "seconds": [1.0, 2.0, 3.0], "metric": [0.1, 0.29, 0.3]},
}  # fmt: skip
BASE: dict[str, Any] = record_of(0.3) | {
    "curve": {"name": "ndcg@5", "seconds": [1.0, 5.0], "metric": [0.2, 0.3]}
}


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("ndcg@5", 0.3), ("auc", 0.8), ("auc:mean_loss", 0.6), ("memory", 512.0),
        ("seconds_per_epoch", 0.5), ("seconds_per_million", 2.0), ("seeds", 0.6),
        ("worth_error", 1e-3), ("coverage", 0.3), ("coverage.1", 0.1), ("coverage.2", None),
        ("dead", None), ("seconds_to@0.95", 2.0), ("seconds_to@1", 3.0), ("recall@5", None),
    ],
)  # fmt: skip
def test_quantities_are_read(name: str, expected: float | None) -> None:
    assert quantity(name)(RECORD, BASE) == (None if expected is None else pytest.approx(expected))


def test_a_level_that_is_never_reached_has_no_time() -> None:
    low = RECORD | {"curve": RECORD["curve"] | {"metric": [0.1, 0.1, 0.1]}}
    assert quantity("seconds_to@0.95")(low, BASE) is None
    assert quantity("seconds_to@0.95")(RECORD, None) is None


@pytest.mark.parametrize(
    ("name", "rule"),
    [
        ("worth_eror", "did you mean 'worth_error'"),
        ("seconds_to@2", "a share above 0"),
        ("ndgc@20", "ndcg"),
    ],
)
def test_wrong_names_are_told(name: str, rule: str) -> None:
    with pytest.raises(ConfigError, match=rule):
        quantity(name)
