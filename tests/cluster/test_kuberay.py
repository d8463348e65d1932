"""Files for KubeRay against the schemas of its resources, as strict as the API server.

Unknown keys are refused, as ``kubectl apply`` does. The rules of the NetworkPolicy and of the
volume's claim are checked against the same types where they stand inside KubeRay's schemas.
"""

from __future__ import annotations

import copy
import os
from pathlib import Path
from typing import Any

import pytest
from cluster_files import documents, of_kind, pods, stored, wished

jsonschema = pytest.importorskip("jsonschema", reason="install the extra: pip install -e '.[dev]'")
yaml = pytest.importorskip("yaml")

ROOT = Path(__file__).resolve().parents[2]
SCHEMAS = Path(os.environ.get("DVR_RAY_SCHEMAS", ROOT.parent / "shared" / "schemas"))


def _strict(node: Any) -> Any:
    """Close objects with named fields, and let numbers be words where Kubernetes does."""
    if isinstance(node, list):
        return [_strict(each) for each in node]
    if not isinstance(node, dict):
        return node
    done = {key: _strict(each) for key, each in node.items()}
    if done.get("x-kubernetes-int-or-string") is True:
        done.pop("type", None)
    if "properties" in done and isinstance(done["properties"], dict):
        done.setdefault("additionalProperties", False)
    return done


@pytest.fixture(scope="module")
def schemas() -> dict[str, dict[str, Any]]:
    if not SCHEMAS.is_dir():
        pytest.skip(f"schemas of KubeRay are absent: {SCHEMAS} (set DVR_RAY_SCHEMAS)")
    loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
    found = {}
    for name in ("ray.io_rayclusters.yaml", "ray.io_rayjobs.yaml"):
        definition = yaml.load((SCHEMAS / name).read_text(encoding="utf-8"), Loader=loader)["spec"]
        (version,) = [each for each in definition["versions"] if each["name"] == "v1"]
        schema = _strict(version["schema"]["openAPIV3Schema"])
        schema["properties"]["metadata"] = {"type": "object"}
        found[definition["names"]["kind"]] = schema
    return found


def _faults(schema: dict[str, Any], content: Any) -> list[str]:
    return [each.message for each in jsonschema.Draft202012Validator(schema).iter_errors(content)]


WISHES = [(1, 0, True), (2, 1, True), (3, 8, False)]


@pytest.mark.parametrize(("workers", "gpus", "job"), WISHES)
def test_what_launch_writes_fits_the_schema(
    schemas: dict[str, dict[str, Any]], workers: int, gpus: int, job: bool
) -> None:
    found = documents(wished("kuberay", workers, gpus, job=job))
    document = of_kind(found, "RayCluster", "RayJob")
    assert document["kind"] == ("RayJob" if job else "RayCluster")
    assert not _faults(schemas[document["kind"]], document)


def test_network_and_volume_fit_too(schemas: dict[str, dict[str, Any]]) -> None:
    found = documents(stored("kuberay/rayjob.yaml"))
    cluster = schemas["RayCluster"]["properties"]["spec"]["properties"]
    rules = cluster["networkPolicy"]["properties"]["head"]["properties"]
    network = of_kind(found, "NetworkPolicy")["spec"]
    assert set(network) == {"podSelector", "policyTypes", "ingress", "egress"}
    assert not _faults(rules["ingressRules"], network["ingress"])
    assert not _faults(rules["egressRules"], network["egress"])
    pod = cluster["headGroupSpec"]["properties"]["template"]["properties"]["spec"]["properties"]
    claim = pod["volumes"]["items"]["properties"]["ephemeral"]["properties"]["volumeClaimTemplate"]
    wanted = of_kind(found, "PersistentVolumeClaim")["spec"]
    assert not _faults(claim["properties"]["spec"], wanted)


def _misspelt(document: dict[str, Any]) -> None:
    document["spec"]["rayClusterSpec"]["headGroupSpec"]["rayStartParms"] = {}


def _wrong_type(document: dict[str, Any]) -> None:
    document["spec"]["rayClusterSpec"]["workerGroupSpecs"][0]["maxReplicas"] = "two"


def _wrong_mode(document: dict[str, Any]) -> None:
    document["spec"]["rayClusterSpec"]["authOptions"]["mode"] = "tokens"


def _wrong_size(document: dict[str, Any]) -> None:
    pods(document)[0]["containers"][0]["resources"]["limits"]["memory"] = "8GG"


def _deep(document: dict[str, Any]) -> None:
    pods(document)[0]["containers"][0]["securityContext"]["readonlyRootFilesystem"] = True


@pytest.mark.parametrize("spoil", [_misspelt, _wrong_type, _wrong_mode, _wrong_size, _deep])
def test_a_wrong_file_is_found(schemas: dict[str, dict[str, Any]], spoil: Any) -> None:
    document = copy.deepcopy(of_kind(documents(stored("kuberay/rayjob.yaml")), "RayJob"))
    assert not _faults(schemas["RayJob"], document)
    spoil(document)
    assert _faults(schemas["RayJob"], document)


def test_pods_find_their_claim_and_their_space() -> None:
    found = documents(stored("kuberay/rayjob.yaml"))
    job = of_kind(found, "RayJob")
    volumes = {each["name"]: each for each in pods(job)[0]["volumes"]}
    claim = of_kind(found, "PersistentVolumeClaim")["metadata"]["name"]
    space = of_kind(found, "ConfigMap")
    assert volumes["shared"]["persistentVolumeClaim"]["claimName"] == claim
    assert volumes["space"]["configMap"]["name"] == space["metadata"]["name"]
    (name,) = space["data"]
    assert f"/space/{name}" in job["spec"]["entrypoint"]


def test_the_space_in_the_file_is_the_space_given(tmp_path: Path) -> None:
    from dvr_ray.config.load import load_space

    text = of_kind(documents(stored("kuberay/rayjob.yaml")), "ConfigMap")["data"]["space.yaml"]
    (tmp_path / "space.yaml").write_text(text, encoding="utf-8")
    given = load_space(ROOT / "search_spaces" / "quickstart.yaml", ["resources.gpus_per_worker=1"])
    assert load_space(tmp_path / "space.yaml") == given
