"""Files for ``ray up`` pass the check that Ray itself makes before it starts anything."""

from __future__ import annotations

import itertools
from typing import Any

import pytest
from cluster_files import RAY_UP, documents, stored, wished

util = pytest.importorskip("ray.autoscaler._private.util")


def _checked(content: dict[str, Any]) -> dict[str, Any]:
    prepared: dict[str, Any] = util.prepare_config(content)
    util.validate_config(prepared)
    return prepared


WISHES = [
    (target, gpus, spot)
    for target, gpus, spot in itertools.product(RAY_UP, (0, 1, 4), (False, True))
    if not (spot and target == "onprem")
]


@pytest.mark.parametrize(("target", "gpus", "spot"), WISHES)
def test_ray_accepts_what_launch_writes(target: str, gpus: int, spot: bool) -> None:
    (content,) = documents(wished(target, 3, gpus, spot=spot))
    assert _checked(content)["max_workers"] == 3


@pytest.mark.parametrize("target", RAY_UP)
def test_ray_refuses_a_wrong_key(target: str) -> None:
    (content,) = documents(stored(f"{target}.yaml"))
    with pytest.raises(Exception, match="clustr_name"):
        _checked(content | {"clustr_name": "x"})


def test_ray_refuses_a_head_that_is_no_type() -> None:
    (content,) = documents(stored("aws.yaml"))
    with pytest.raises(Exception, match="head_node_type"):
        _checked(content | {"head_node_type": "hed"})


@pytest.mark.parametrize("target", ["aws", "gcp"])
def test_workers_come_and_go_and_the_head_has_no_gpu(target: str) -> None:
    (content,) = documents(wished(target, 3, 4))
    types = content["available_node_types"]
    assert types["worker"]["min_workers"] == 0 and types["worker"]["max_workers"] == 3
    assert types["worker"]["resources"]["GPU"] == 4
    assert types["head"]["resources"] == {"CPU": 0}
    (start,) = [line for line in content["head_start_ray_commands"] if "ray start" in line]
    # Else a sweep would see no CPU before the first worker, and give up.
    assert f'DVR_RAY_GROWS_TO="CPU={3 * types["worker"]["resources"]["CPU"]} GPU=12"' in start
    assert "--num-cpus=0" in start


@pytest.mark.parametrize(
    ("target", "key"), [("aws", "InstanceMarketOptions"), ("gcp", "scheduling")]
)
def test_spot_is_an_option(target: str, key: str) -> None:
    (plain,), (spot,) = (
        documents(wished(target, gpus=0)),
        documents(wished(target, gpus=0, spot=True)),
    )
    configs = [each["available_node_types"]["worker"]["node_config"] for each in (plain, spot)]
    assert key not in configs[0] and "spot" in str(configs[1][key]).lower()
    assert key not in spot["available_node_types"]["head"]["node_config"]


def test_onprem_names_every_worker() -> None:
    (content,) = documents(wished("onprem", 3, 0))
    assert content["provider"]["worker_ips"] == [f"CHANGE_ME_WORKER_{n}" for n in (1, 2, 3)]
    assert content["min_workers"] == content["max_workers"] == 3
