"""What a study says before it starts."""

from __future__ import annotations

from typing import Any

import pytest

from dvr_ray.config.load import apply
from dvr_ray.config.schema import RunConfig
from dvr_ray.studies.planning import Estimate, epochs_of, kind_of, length, probes_of

PLAIN = apply(RunConfig(), {"method": {"name": "bpr"}, "training.epochs": 10})
DVR = apply(PLAIN, {"method": {"name": "dvr"}, "training.warmup": 4, "adapter.masks": 3})
PROBE: dict[str, Any] = {"wall": 3.0, "curve": {"seconds": [1.5, 2.0]}}


@pytest.mark.parametrize(
    ("changes", "count"),
    [
        ({"method": {"name": "bpr"}}, 10),
        ({}, 4 + 6 * 5),
        ({"policy.gate": False}, 4 + 6 * 4),
        ({"method": {"name": "dvr", "pretrained": True}}, 4 + 6 * 5 + 4 + 6 * 3),
        ({"backbone": {"name": "ease"}, "method": {"name": "bpr"}}, 1),
        ({"method": {"name": "bpr"}, "negatives": {"name": "learned"}}, 4 + 6 * 4),
    ],
)
def test_epochs_of_single_backbones_are_counted(changes: dict[str, Any], count: int) -> None:
    assert epochs_of(apply(DVR, changes)) == count


def test_a_kind_is_probed_once_whatever_its_seed_and_noise() -> None:
    other = apply(PLAIN, {"seed": 3, "data.seed": 3,
                          "data.noise": {"kind": "uniform", "share": 0.1}})  # fmt: skip
    larger = apply(PLAIN, {"backbone.dim": 7})
    probes = probes_of([DVR, other, larger])
    assert list(probes) == [kind_of(PLAIN), kind_of(larger)]
    assert {(p.method.name, p.training.epochs) for p in probes.values()} == {("bpr", 2)}


def test_an_estimate_counts_first_and_learns_then() -> None:
    estimate = Estimate({kind_of(PLAIN): PROBE})
    # An epoch takes .5 s, a start 2 s: 7 s for 10 epochs, 19 s for 34.
    assert estimate.seconds([PLAIN, DVR], 1) == pytest.approx(7 + 19)
    assert estimate.seconds([PLAIN, DVR], 2) == pytest.approx((7 + 19) / 2)
    estimate.learn(DVR, {"wall": 38.0})
    assert estimate.seconds([DVR], 1) == pytest.approx(38)
    estimate.learn(PLAIN, {"wall": 3.5})
    assert estimate.seconds([PLAIN, DVR], 1) == pytest.approx(3.5 + 38)


def test_a_probe_that_is_read_again_tells_no_start() -> None:
    estimate = Estimate({kind_of(PLAIN): PROBE | {"wall": 0.1}})
    assert estimate.seconds([PLAIN], 1) == pytest.approx(10 * 0.5)


def test_without_a_probe_nothing_is_claimed() -> None:
    estimate = Estimate({})
    estimate.learn(PLAIN, {"wall": 3.0})
    assert estimate.seconds([PLAIN], 1) is None and length(None) == "unknown"
