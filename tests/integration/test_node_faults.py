"""Faults of a cluster of three nodes: what was found is what an undisturbed sweep finds, exactly.

Real starts are counted by the trials themselves: one each, and one more for each time that the
sweep says a trial went on.
"""

from __future__ import annotations

import os
import re
import signal
import subprocess
import time
from pathlib import Path
from typing import Any

import pytest
from kills import Family, ended, start, tune, wait
from nodes import Nodes, three_nodes
from survival import check_survived, counted_space, undisturbed

ACTOR = "ray::ImplicitFunc"
LEFT = "left: 1 trial goes on elsewhere from its checkpoint"

pytestmark = [pytest.mark.ray, pytest.mark.slow, pytest.mark.timeout(600)]


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> list[dict[str, Any]]:
    return undisturbed(tmp_path_factory.mktemp("whole"))


def _begin(nodes: Nodes, space: Path, out: Path, *more: str) -> subprocess.Popen[str]:
    command = tune(space, out, "--address", nodes.address, *more)
    process = start(command, **nodes.environment())
    wait(lambda: len(list(out.glob("trials/*/checkpoints/epoch-*"))) > 2, process)
    return process


def _training(nodes: Nodes) -> subprocess.Popen[bytes]:
    """A node other than the head that trains."""
    for _ in range(300):
        for node in nodes.alive[1:]:
            if Family(node.pid).named(ACTOR):
                return node
        time.sleep(0.1)
    raise AssertionError("no node but the head trains")


def test_killed_node(whole: list[dict[str, Any]], tmp_path: Path) -> None:
    space, out = counted_space(tmp_path), tmp_path / "out"
    with three_nodes() as nodes:
        process = _begin(nodes, space, out)
        nodes.kill(_training(nodes))
        said = ended(process)
    assert re.search(rf"node [\d.]+ {LEFT}", said), said
    assert len(check_survived(space, out, whole)) == 1


def test_notice(whole: list[dict[str, Any]], tmp_path: Path) -> None:
    """SIGTERM, as a pod or a spot instance gets it: the trial has moved before the node ends."""
    space, out = counted_space(tmp_path), tmp_path / "out"
    with three_nodes() as nodes:
        process = _begin(nodes, space, out)
        node = _training(nodes)
        before = Family(node.pid).named(ACTOR)
        os.kill(node.pid, signal.SIGTERM)
        wait(lambda: not set(Family(node.pid).named(ACTOR)) & set(before), process, 25)
        said = ended(process)
    assert LEFT in said, said
    assert "lost process" not in said
    assert len(check_survived(space, out, whole)) == 1


def test_killed_head(whole: list[dict[str, Any]], tmp_path: Path) -> None:
    """The sweep ends with a line, and goes on upon a new cluster from the same folder."""
    space, out = counted_space(tmp_path), tmp_path / "out"
    with three_nodes() as nodes:
        process = _begin(nodes, space, out)
        nodes.kill(nodes.alive[0])
        said = ended(process, 1, 120)
        assert said.count("the head of the Ray cluster is gone") == 1, said
    with three_nodes() as nodes:
        said = ended(start(tune(space, out, "--address", nodes.address, "--resume"),
                           **nodes.environment()))  # fmt: skip
    assert "finished before" in said
    assert [each["what"] for each in check_survived(space, out, whole)] == ["the driver ended"]
