"""The files in ``cluster/`` as tests read them, and what launch writes for other wishes."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

from ruamel.yaml import YAML

from dvr_ray.config.load import load_space
from dvr_ray.launching.filling import Launch, filled

ROOT = Path(__file__).resolve().parents[1]
RAY_UP = ("aws", "gcp", "onprem")


def documents(text: str) -> list[Any]:
    return list(YAML(typ="safe", pure=True).load_all(text))


def stored(name: str) -> str:
    return (ROOT / "cluster" / name).read_text(encoding="utf-8")


def wished(target: str, workers: int = 2, gpus: int = 1, **others: Any) -> str:
    """What ``launch`` writes; every trial takes as many GPUs as a machine has, at most one."""
    place = ROOT / "search_spaces" / "quickstart.yaml"
    space = load_space(place, [f"resources.gpus_per_worker={min(gpus, 1)}"])
    launch = Launch(target, workers, gpus, space, place, "/shared/runs/x", Path("x.yaml"))
    return filled(replace(launch, **others))


def pods(document: dict[str, Any]) -> list[dict[str, Any]]:
    """The specs of all pods that a RayCluster or RayJob makes."""
    spec = document["spec"]
    cluster = spec.get("rayClusterSpec", spec)
    templates = [cluster["headGroupSpec"]["template"]]
    templates += [group["template"] for group in cluster["workerGroupSpecs"]]
    templates += [spec["submitterPodTemplate"]] if "submitterPodTemplate" in spec else []
    return [template["spec"] for template in templates]


def of_kind(found: list[Any], *kinds: str) -> dict[str, Any]:
    (document,) = [each for each in found if each["kind"] in kinds]
    result: dict[str, Any] = document
    return result
