"""A sweep on two machines that share no folder: what they share is a storage."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml
from kills import SPACE

CODE = """
import sys
from ray.cluster_utils import Cluster
NODE = {"num_cpus": 1, "object_store_memory": 100 << 20}
cluster = Cluster(initialize_head=True, connect=False, head_node_args=NODE)
cluster.add_node(**NODE, env_vars={"DVR_RAY_CACHE": sys.argv[1]})
cluster.wait_for_nodes()
print(cluster.address, flush=True)
sys.stdin.read()
cluster.shutdown()
"""


@pytest.fixture
def cluster(tmp_path: Path) -> Iterator[str]:
    """Address of a cluster of two nodes, each with a cache of its own."""
    here = {"DVR_RAY_CACHE": str(tmp_path / "first"), "RAY_AUTH_MODE": "disabled"}
    here |= {"RAY_raylet_start_wait_time_s": "120"}
    command = [sys.executable, "-c", CODE, str(tmp_path / "second")]
    with subprocess.Popen(
        command,
        env={**os.environ, **here},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as process:
        assert process.stdout is not None and process.stdin is not None
        yield process.stdout.readline().strip()
        process.stdin.close()
        process.wait(60)


@pytest.mark.ray
@pytest.mark.slow
@pytest.mark.timeout(600)
def test_trials_of_both_machines_reach_the_storage(
    cluster: str, there: Path, tmp_path: Path
) -> None:
    path, out = tmp_path / "space.yaml", f"file://{there}/sweep"
    # Long enough together that the machine whose actor comes up last gets some too.
    tuned = {**SPACE["tune"], "trials": 8, "concurrent": 2, "final_seeds": 1}
    path.write_text(yaml.safe_dump({**SPACE, "tune": tuned}))
    ran = subprocess.run(
        [sys.executable, "-m", "dvr_ray", "tune", str(path), "--out", out, "--address", cluster],
        env={**os.environ, "DVR_RAY_CACHE": str(tmp_path / "first"), "RAY_AUTH_MODE": "disabled"},
        capture_output=True, text=True, timeout=500, check=False,
    )  # fmt: skip
    assert ran.returncode == 0, ran.stderr
    trained = {
        name: {
            path.parents[2].name
            for path in (tmp_path / name).glob("working/*/sweep/trials/*/checkpoints/*/state.json")
        }
        for name in ("first", "second")
    }
    # Both have trained, and neither the other's.
    assert trained["first"] and trained["second"] and not trained["first"] & trained["second"]
    results = {path.parent.name for path in (there / "sweep" / "trials").glob("*/result.json")}
    manifest = json.loads((there / "sweep" / "manifest.json").read_text())
    assert results == trained["first"] | trained["second"] == set(manifest["order"])
    assert (there / "sweep" / "report.html").exists() and (there / "sweep" / "final.json").exists()
