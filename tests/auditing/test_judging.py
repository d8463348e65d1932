"""Verdicts by the interval, and of several kinds together."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any, cast

import pytest

from dvr_ray.auditing.findings import Findings
from dvr_ray.auditing.judging import verdict
from dvr_ray.metrics.auc_interval import Estimate


@pytest.mark.parametrize(
    ("low", "high", "expected"),
    [
        (0.501, 0.7, "trusted"),
        (0.5, 0.7, "not trusted"),
        (0.4, 0.6, "not trusted"),
        (0.3, 0.5, "not trusted"),
        (0.3, 0.499, "wrong way"),
    ],
)
def test_an_interval_that_covers_chance_is_not_trusted(
    low: float, high: float, expected: str
) -> None:
    assert verdict(Estimate((low + high) / 2, low, high)) == expected


@pytest.mark.parametrize(
    ("kinds", "expected"),
    [
        (["trusted", "trusted"], "trusted"),
        (["trusted", "not trusted"], "not trusted"),
        (["trusted", "wrong way"], "not trusted"),
        (["wrong way", "wrong way"], "wrong way"),
        (["trusted"], "trusted"),
    ],
)
def test_values_are_trusted_only_where_every_kind_is_found(kinds: list[str], expected: str) -> None:
    judgements: Any = tuple(SimpleNamespace(verdict=kind) for kind in kinds)
    nothing = cast(Any, None)
    found = Findings("log", "", nothing, nothing, judgements, nothing, {}, 0.0)
    assert found.verdict == expected
