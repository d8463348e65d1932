"""What fits in a cluster, and requests that can never be met."""

from __future__ import annotations

import pytest

from dvr_ray.config.schema import ResourcesConfig
from dvr_ray.distributed import cluster
from dvr_ray.distributed.cluster import Cluster, connect, trials_at_once
from dvr_ray.errors import ResourceError


@pytest.mark.parametrize(
    ("cpus", "gpus", "asked", "expected"),
    [
        (8, 0, {"workers": 1}, 8),
        (8, 0, {"workers": 3}, 2),
        (8, 2, {"workers": 1, "gpus_per_worker": 1.0}, 2),
        (8, 2, {"workers": 2, "gpus_per_worker": 0.5}, 2),
        (2, 0, {"workers": 1, "cpus_per_worker": 2.0}, 1),
    ],
)
def test_trials_at_once(cpus: float, gpus: float, asked: dict[str, float], expected: int) -> None:
    resources = ResourcesConfig.model_validate(asked)
    assert trials_at_once(Cluster(cpus, gpus, 1), resources) == expected


@pytest.mark.parametrize(
    ("asked", "wanted"),
    [
        ({"workers": 5}, "5 workers x 1 CPU needs 5 CPUs, the cluster has 4"),
        (
            {"workers": 2, "gpus_per_worker": 1.0},
            "2 workers x 1 GPU needs 2 GPUs, the cluster has 0",
        ),
    ],
)
def test_a_trial_that_cannot_fit_is_refused(asked: dict[str, float], wanted: str) -> None:
    resources = ResourcesConfig.model_validate(asked)
    with pytest.raises(ResourceError, match=wanted):
        cluster.check_fit(Cluster(4, 0, 1), resources)


def test_it_is_refused_before_ray_starts(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("RAY_ADDRESS", raising=False)
    with pytest.raises(ResourceError, match="9999 workers x 1 CPU"):
        connect(None, ResourcesConfig(workers=9999))
