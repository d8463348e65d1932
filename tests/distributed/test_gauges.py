"""Gauges for Prometheus: what a row says, under the names that the reference documents."""

from __future__ import annotations

from typing import Any

import pytest
import ray.util.metrics
from docs_pages import OUTPUTS, documented

from dvr_ray.distributed.gauges import GAUGES, Gauges

Shown = list[tuple[str, str, float]]


@pytest.fixture
def shown(monkeypatch: pytest.MonkeyPatch) -> Shown:
    """What is set, in order: name, metric, value."""
    found: Shown = []

    class Gauge:
        def __init__(self, name: str, description: str, tag_keys: tuple[str, ...]) -> None:
            self._name, self._keys = name, tag_keys

        def set(self, value: float, tags: dict[str, str]) -> None:
            assert set(tags) == set(self._keys)
            assert (tags["sweep"], tags["trial"]) == ("s", "abc")
            found.append((self._name, tags["metric"], value))

    monkeypatch.setattr(ray.util.metrics, "Gauge", Gauge)
    return found


def _row(epoch: int, seconds: float, **more: Any) -> dict[str, Any]:
    return {"epoch": epoch, "seconds": seconds, **more}


def test_speed_is_that_since_the_last_report(shown: Shown) -> None:
    """100 rows: 2 epochs in 4 s, then 3 more in 1 s."""
    gauges = Gauges("s", "abc", 100)
    for row in (_row(2, 4.0), _row(5, 5.0), _row(5, 5.0)):
        gauges.show(row)
    assert shown == [("dvr_ray_triplets_per_second", "", value) for value in (50.0, 300.0)]


def test_a_row_of_the_outer_loop_shows_all(shown: Shown) -> None:
    monitors = {"entropy": 0.5, "dead": [0.1]}
    reward = {"ndcg@20": 0.2, "gini@20": -0.6}
    Gauges("s", "abc", 10).show(_row(1, 1.0, reward=reward, keep_rate=0.7, monitors=monitors))
    assert {name for name, _, _ in shown} == set(GAUGES)
    assert ("dvr_ray_reward", "gini@20", -0.6) in shown
    assert ("dvr_ray_keep_rate", "", 0.7) in shown and ("dvr_ray_entropy", "", 0.5) in shown


def test_every_gauge_is_documented() -> None:
    assert documented(OUTPUTS, "Gauges for Prometheus") == [f"ray_{name}" for name in GAUGES]
