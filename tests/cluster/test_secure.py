"""Nobody without the token, nothing as root, nothing open, no secret in a file."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
from cluster_files import RAY_UP, ROOT, documents, of_kind, pods, stored

KUBERAY = ("kuberay/rayjob.yaml", "kuberay/raycluster.yaml")
SECRETS = re.compile(r"\b[0-9a-fA-F]{32,}\b|\b[A-Za-z0-9+/]{40,}={1,2}|AKIA[A-Z0-9]{16}")
STARTS = re.compile(r"(?<!`)\bray (?:start|symmetric-run)\b[^\n]*")


def _files() -> list[Path]:
    return [path for path in (ROOT / "cluster").rglob("*") if path.is_file()]


@pytest.mark.parametrize("target", RAY_UP)
def test_ray_up_starts_ray_with_the_token(target: str) -> None:
    (content,) = documents(stored(f"{target}.yaml"))
    commands = content["head_start_ray_commands"] + content["worker_start_ray_commands"]
    starts = [line for line in commands if "ray start" in line]
    assert len(starts) == 2 and all(line.startswith("RAY_AUTH_MODE=token ") for line in starts)
    assert "--dashboard-host=127.0.0.1" in starts[0]
    assert content["file_mounts"] == {"/home/ray/.ray/auth_token": "~/.ray/auth_token"}
    options = content["docker"]["run_options"]
    assert "--cap-drop ALL" in options and "--security-opt no-new-privileges" in options
    assert not any("--privileged" in each or "--user" in each for each in options)


def test_aws_takes_a_security_group_of_ones_own() -> None:
    """The one that Ray makes takes SSH from everywhere."""
    (content,) = documents(stored("aws.yaml"))
    for node in content["available_node_types"].values():
        assert node["node_config"]["SecurityGroupIds"]
        assert node["node_config"]["MetadataOptions"]["HttpTokens"] == "required"


@pytest.mark.parametrize("name", KUBERAY)
def test_pods_are_confined(name: str) -> None:
    document = of_kind(documents(stored(name)), "RayCluster", "RayJob")
    found = pods(document)
    assert len(found) >= 2
    for pod in found:
        assert pod["securityContext"]["runAsNonRoot"] and pod["securityContext"]["runAsUser"] > 0
        assert pod["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}
        assert not pod.get("hostNetwork")
        for container in pod["containers"]:
            _confined(container["securityContext"])
            assert {"requests", "limits"} <= set(container["resources"])
    cluster = document["spec"].get("rayClusterSpec", document["spec"])
    _confined(cluster["autoscalerOptions"]["securityContext"])
    assert cluster["authOptions"] == {"mode": "token"}
    assert cluster["headGroupSpec"]["serviceType"] == "ClusterIP"
    assert not cluster["headGroupSpec"].get("enableIngress")


def _confined(context: dict[str, Any]) -> None:
    assert context["readOnlyRootFilesystem"] is True
    assert context["allowPrivilegeEscalation"] is False
    assert context["capabilities"] == {"drop": ["ALL"]}


@pytest.mark.parametrize("name", KUBERAY)
def test_only_the_operator_may_come_in(name: str) -> None:
    found = documents(stored(name))
    network = of_kind(found, "NetworkPolicy")["spec"]
    assert set(network["policyTypes"]) == {"Ingress", "Egress"}
    own, operator = network["ingress"]
    assert own == {"from": [{"podSelector": network["podSelector"]}]}
    assert operator["ports"] == [{"protocol": "TCP", "port": 8265}]
    (peer,) = operator["from"]
    assert peer["podSelector"]["matchLabels"] == {"app.kubernetes.io/name": "kuberay-operator"}
    labels = network["podSelector"]["matchLabels"].items()
    document = of_kind(found, "RayCluster", "RayJob")
    spec = document["spec"]
    cluster = spec.get("rayClusterSpec", spec)
    templates = [cluster["headGroupSpec"], *cluster["workerGroupSpecs"]]
    metadata = [each["template"]["metadata"] for each in templates]
    metadata += [spec["submitterPodTemplate"]["metadata"]] if document["kind"] == "RayJob" else []
    # A pod without the label would be open to all.
    assert all(labels <= each["labels"].items() for each in metadata)


def test_compose_publishes_to_this_machine_alone() -> None:
    (content,) = documents(stored("compose.yaml"))
    for service in content["services"].values():
        assert service["read_only"] is True and service["cap_drop"] == ["ALL"]
        assert service["security_opt"] == ["no-new-privileges:true"]
        assert service["environment"]["RAY_AUTH_MODE"] == "token"
        assert service["environment"]["RAY_AUTH_TOKEN_PATH"] == "/run/secrets/ray_token"
        assert service["secrets"] == ["ray_token"] and not service.get("privileged")
        assert "RAY_AUTH_TOKEN" not in service["environment"]
        assert all(port.startswith("127.0.0.1:") for port in service.get("ports", []))
    assert content["services"]["head"]["ports"] == ["127.0.0.1:8265:8265"]


def test_slurm_makes_a_token_for_the_job_alone() -> None:
    text = stored("slurm/sweep.sbatch")
    before = text.index("umask 077"), text.index("auth_token"), text.index("ray symmetric-run --a")
    assert list(before) == sorted(before)
    assert "RAY_AUTH_MODE=token" in text
    assert "--dashboard-host" not in text  # Ray's own choice is localhost
    assert "trap 'rm -rf \"$token_folder\"' EXIT" in text


def test_no_file_holds_a_secret() -> None:
    """Long runs of hex or base64 are hashes of packages, or don't belong there."""
    files = _files()
    assert len(files) >= 10
    for path in files:
        text = re.sub(r"sha256:[0-9a-f]{64}", "", path.read_text(encoding="utf-8"))
        assert not SECRETS.search(text), path
        assert not re.search(r"(?i)(password|auth_token)\s*[:=]\s*[\"']?\w{8,}", text), path


def test_every_start_of_ray_asks_for_the_token() -> None:
    """Whatever file comes to start Ray some day."""
    for path in _files():
        text = path.read_text(encoding="utf-8")
        if STARTS.search(text) and path.suffix != ".md":
            assert re.search(r"RAY_AUTH_MODE[=:] ?token|authOptions: \{mode: token\}", text), path
