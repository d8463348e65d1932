"""Monitors warn once, beyond their limits only, and name what to change."""

from __future__ import annotations

from typing import Any

import pytest

from dvr_ray.training.checkpoint import Progress
from dvr_ray.training.watch import Watch

HEALTHY: dict[str, Any] = {
    "policy_spread": 0.2,
    "keep_rate": 0.7,
    "entropy": 0.4,
    "advantage_variance": 0.01,
    "coverage": [0.5, 0.6],
    "dead": [0.4, 0.5],
    "worth_error": 0.001,
    "worth_error_trivial": 0.001,
}


def _row(loss: float = 1.0, metric: float = 0.1, **monitors: Any) -> dict[str, Any]:
    return {"loss": loss, "selection": {"ndcg@20": metric}, "monitors": HEALTHY | monitors}


@pytest.mark.parametrize(
    ("monitor", "value", "mend"),
    [
        ("policy_spread", 0.001, "policy.temperature"),
        ("keep_rate", 0.999, "policy.normalisation"),
        ("keep_rate", 0.01, "policy.offset"),
        ("entropy", 0.01, "policy.entropy"),
        ("advantage_variance", 0.0, "adapter.horizon.epochs"),
        ("coverage", [0.5, 0.99], "valuator.children"),
        ("dead", [0.95, 0.5], "valuator.lr"),
        ("worth_error", 5.0, "adapter.mse_head"),
    ],
)
def test_a_monitor_beyond_its_limit_warns_once(monitor: str, value: Any, mend: str) -> None:
    watch = Watch(Progress())
    (warning,) = watch.check(_row(**{monitor: value}))
    assert warning.startswith(monitor) and mend in warning
    assert watch.check(_row(**{monitor: value})) == []


def test_healthy_monitors_are_silent() -> None:
    assert Watch(Progress()).check(_row()) == []


def test_misalignment_is_found() -> None:
    watch = Watch(Progress())
    found = [watch.check(_row(1 - k / 10, 0.5 - k / 100)) for k in range(5)]
    assert found[:4] == [[]] * 4
    assert found[4][0].startswith("misalignment") and "training.l2" in found[4][0]


def test_a_resumed_run_does_not_warn_again() -> None:
    progress = Progress()
    Watch(progress).check(_row(keep_rate=0.999))
    assert progress.warned == ["keep_rate"]
    assert Watch(progress).check(_row(keep_rate=0.999)) == []


def test_a_resumed_run_remembers_the_last_reports() -> None:
    progress = Progress()
    found = [Watch(progress).check(_row(1 - k / 10, 0.5 - k / 100)) for k in range(5)]
    assert found[4][0].startswith("misalignment")
