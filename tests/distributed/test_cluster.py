"""What fits in a cluster, and requests that can never be met."""

from __future__ import annotations

import sys
from types import SimpleNamespace
from typing import Any

import pytest

from dvr_ray.config.schema import ResourcesConfig
from dvr_ray.distributed import capacity
from dvr_ray.distributed.capacity import Cluster, Node, check_fit, trials_at_once
from dvr_ray.distributed.cluster import connect
from dvr_ray.errors import ResourceError


def _nodes(*sizes: tuple[float, float]) -> tuple[Node, ...]:
    return tuple(Node(cpus, gpus, {"kind": f"{gpus:g} GPUs"}) for cpus, gpus in sizes)


@pytest.mark.parametrize(
    ("nodes", "asked", "expected"),
    [
        (_nodes((8, 0)), {"workers": 1}, 8),
        (_nodes((8, 0)), {"workers": 3}, 2),
        (_nodes((8, 2)), {"gpus_per_worker": 1.0}, 2),
        (_nodes((8, 2)), {"workers": 2, "gpus_per_worker": 0.5}, 2),
        (_nodes((10, 1)), {"gpus_per_worker": 0.1}, 10),
        (_nodes((2, 0)), {"cpus_per_worker": 2.0}, 1),
        (_nodes((3, 0), (3, 0)), {"cpus_per_worker": 2.0}, 2),
        (_nodes((3, 0), (2, 0)), {"workers": 2}, 2),
        (_nodes((3, 0), (2, 0)), {"workers": 2, "min_workers": 1}, 3),
        (_nodes((3, 0), (4, 2)), {"node_labels": {"kind": "2 GPUs"}}, 4),
        ((*_nodes((3, 0)), Node(5)), {"node_labels": {"kind": "2 GPUs"}}, 5),
    ],
)
def test_trials_at_once(nodes: tuple[Node, ...], asked: dict[str, Any], expected: int) -> None:
    resources = ResourcesConfig.model_validate(asked)
    assert trials_at_once(Cluster(nodes), resources) == expected


@pytest.mark.parametrize(
    ("asked", "place", "wanted"),
    [
        ({"workers": 5}, "resources", "5 workers x 1 CPU needs 5 CPUs, the cluster has 4"),
        (
            {"workers": 2, "gpus_per_worker": 1.0},
            "resources", "2 workers x 1 GPU needs 2 GPUs, the cluster has 1",
        ),
        (
            {"workers": 2, "min_workers": 1, "cpus_per_worker": 3.0},
            "resources", "1 workers with 3 CPUs and 0 GPUs of one node each, the nodes have room",
        ),
        (
            {"node_labels": {"kind": "8 GPUs"}},
            "resources.node_labels", "no node has kind: 8 GPUs, others have kind: 0 GPUs or",
        ),
        (
            {"node_labels": {"ray.io/accelerator-type": "A100"}},
            "resources.node_labels", "A100, none has ray.io/accelerator-type",
        ),
        (
            {"node_labels": {"kind": "0 GPUs"}, "gpus_per_worker": 1},
            "resources", "needs 1 GPUs, the cluster's nodes with kind: 0 GPUs has 0",
        ),
    ],
)  # fmt: skip
def test_a_trial_that_cannot_fit_is_refused(asked: dict[str, Any], place: str, wanted: str) -> None:
    resources = ResourcesConfig.model_validate(asked)
    with pytest.raises(ResourceError, match=wanted) as refused:
        check_fit(Cluster(_nodes((2, 0), (2, 1))), resources)
    assert refused.value.place == place


def test_a_cluster_grows_to_what_it_promises(monkeypatch: pytest.MonkeyPatch) -> None:
    head = Cluster(_nodes((2, 0)))
    assert head.grown() == head
    monkeypatch.setenv("DVR_RAY_GROWS_TO", "CPU=8 GPU=2")
    assert (head.grown().cpus, head.grown().gpus, len(head.nodes)) == (8, 2, 1)
    monkeypatch.setenv("DVR_RAY_GROWS_TO", "many")
    with pytest.raises(ResourceError, match="must be resources and numbers, got 'many'"):
        head.grown()


def test_it_is_refused_before_ray_starts(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("RAY_ADDRESS", raising=False)
    with pytest.raises(ResourceError, match="9999 workers x 1 CPU"):
        connect(None, ResourcesConfig(workers=9999))


def test_a_node_with_notice_is_no_room(monkeypatch: pytest.MonkeyPatch) -> None:
    def node(name: str, alive: bool = True) -> dict[str, Any]:
        return {"NodeID": name, "Alive": alive, "Resources": {"CPU": 2.0}, "Labels": {"at": name}}

    there = [node("stays"), node("leaves"), node("dead", False)]
    monkeypatch.setitem(sys.modules, "ray", SimpleNamespace(nodes=lambda: there))
    monkeypatch.setattr(capacity, "leaving", lambda: {"leaves": 30.0})
    assert Cluster.look() == Cluster((Node(2, 0, {"at": "stays"}),))
