"""Sweeps over three nodes: the same trials as on one, packed where workers fit, nodes that leave.

All find what one worker finds on one node, to 1e-9 in float64.
"""

from __future__ import annotations

import json
import re
import subprocess
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from kills import TRIALS, Family, ended, start, tune, wait, write_space
from nodes import Nodes, three_nodes

ACTOR, WORKER = "ray::ImplicitFunc", "ray::RayTrainWorker"
SECONDS = 400  # on cores that others use too

pytestmark = [pytest.mark.ray, pytest.mark.slow, pytest.mark.timeout(1200)]


@pytest.fixture(scope="module")
def nodes() -> Iterator[Nodes]:
    """Of 1, 1 and 2 CPUs."""
    with three_nodes(1, 1, 2) as found:
        yield found


@pytest.fixture(scope="module")
def one_node(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """A space, and a sweep over it on one node with one worker."""
    folder = tmp_path_factory.mktemp("one")
    space = write_space(folder)
    ended(start(tune(space, folder / "out"), RAY_worker_niceness="0"), seconds=SECONDS)
    return space, folder / "out"


def _started(nodes: Nodes, space: Path, out: Path, *fields: str) -> subprocess.Popen[str]:
    sets = [word for field in fields for word in ("--set", field)]
    command = tune(space, out, "--json", "--address", nodes.address, *sets)
    return start(command, **nodes.environment())


def _placed(nodes: Nodes) -> tuple[int, ...]:
    """Workers of groups on each node."""
    return tuple(len(Family(node.pid).named(WORKER)) for node in nodes.alive)


def _assert_same(out: Path, other: Path) -> None:
    """The same trials, the same best, and all numbers to 1e-9."""
    ours, theirs = (
        pd.read_csv(path / "trials.csv").drop(columns="seconds") for path in (out, other)
    )
    pd.testing.assert_frame_equal(ours, theirs, rtol=0, atol=1e-9)
    assert (out / "best.yaml").read_text() == (other / "best.yaml").read_text()
    for folder in theirs["folder"]:
        one, two = (_result(path / "trials" / folder) for path in (out, other))
        assert one == pytest.approx(two, rel=0, abs=1e-9)
    assert len(theirs) == TRIALS


def _result(folder: Path) -> dict[str, float]:
    """Numbers of a result by their paths, but for what the work took."""
    flat: dict[str, float] = {}

    def walk(place: str, value: Any) -> None:
        if isinstance(value, dict):
            for name, inner in value.items():
                walk(f"{place}/{name}", inner)
        elif isinstance(value, int | float):
            flat[place] = value

    walk("", json.loads((folder / "result.json").read_text()))
    return {n: value for n, value in flat.items() if not n.endswith(("seconds", "sent_mb"))}


def _warnings(out: Path) -> Counter[str]:
    """Warnings about workers, by name."""
    return Counter(re.findall(r"(lost workers|fewer workers): ", (out / "log.txt").read_text()))


def test_sharded_trials_over_nodes_equal_one_node(
    nodes: Nodes, one_node: tuple[Path, Path], tmp_path: Path
) -> None:
    """Two groups of two workers: one packed on the node where both fit, one over the others."""
    space, expected = one_node
    process = _started(nodes, space, tmp_path / "out", "resources.workers=2", "tune.concurrent=2")
    wait(lambda: _placed(nodes) == (1, 1, 2), process, SECONDS)
    ended(process, seconds=SECONDS)
    _assert_same(tmp_path / "out", expected)
    assert not _warnings(tmp_path / "out")


def test_a_trial_that_loses_workers_goes_on_with_fewer(
    nodes: Nodes, one_node: tuple[Path, Path], tmp_path: Path
) -> None:
    """Four workers, of which the third node takes two away; the next trial has four again."""
    space, expected = one_node
    out = tmp_path / "out"
    process = _started(nodes, space, out, "resources.workers=4", "resources.min_workers=1")
    wait(lambda: list(out.glob("trials/*/checkpoints/epoch-*")), process, SECONDS)
    nodes.kill(nodes.alive[2])
    wait(lambda: _warnings(out)["fewer workers"], process, SECONDS)
    assert _placed(nodes) == (1, 1)
    nodes.add(cpus=2)
    wait(lambda: _placed(nodes) == (1, 1, 2), process, SECONDS)
    ended(process, seconds=SECONDS)
    _assert_same(out, expected)
    told = (out / "log.txt").read_text()
    # Whether the head knew of the node's end when the loss was told depends on the machine.
    assert re.search(r"lost workers: |node \S+ left: 1 trial ", told)
    assert 1 <= _warnings(out)["fewer workers"] < TRIALS
    assert "fewer workers: 2 instead of 4" in told


def test_a_sweep_follows_nodes_that_join_and_leave(
    nodes: Nodes, one_node: tuple[Path, Path], tmp_path: Path
) -> None:
    """Four trials of two CPUs: one fits, two with a node that joins, which then dies."""
    space, expected = one_node
    out = tmp_path / "out"
    process = _started(nodes, space, out, "resources.cpus_per_worker=2", "tune.concurrent=4")
    wait(lambda: list(out.glob("trials/*/checkpoints/epoch-*")), process, SECONDS)
    fourth = nodes.add(cpus=2)
    wait(lambda: Family(fourth.pid).named(ACTOR), process, SECONDS)
    time.sleep(1)
    nodes.kill(fourth)
    said, errors = process.communicate(timeout=SECONDS)
    assert process.returncode == 0, errors
    _assert_same(out, expected)
    seen = [json.loads(line) for line in said.splitlines()]
    rooms = [event["at_once"] for event in seen if event["event"] == "cluster_seen"]
    assert rooms[0] == 1 and 2 in rooms and rooms[-1] == 1
    assert "nodes came or went: 4 nodes" in errors and "nodes came or went: 3 nodes" in errors


def test_what_no_node_has_is_refused(nodes: Nodes, one_node: tuple[Path, Path]) -> None:
    space, _ = one_node
    process = _started(
        nodes, space, nodes.folder / "no", "resources.node_labels={ray.io/accelerator-type: A100}"
    )
    said = ended(process, 2)
    (line,) = [line for line in said.splitlines() if line.startswith("error ")]
    assert "resources.node_labels: no node has ray.io/accelerator-type: A100" in line
