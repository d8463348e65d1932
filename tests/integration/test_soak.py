"""A soak: 200 short trials on three nodes, while workers, a node and the driver are killed.

Moments are drawn by a seed that is printed. In the end no trial is lost, none was trained twice,
and nothing is left behind: no process, no half-written file, no lock.
"""

from __future__ import annotations

import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest
from kills import Family, ended, kill, moments, start, tune
from nodes import Nodes, three_nodes
from survival import check_survived, counted_space, numbers

TRIALS = 200
ACTOR = "ray::ImplicitFunc"
# What is killed, in an order that is drawn, each when some more trials have finished.
VICTIMS = ["worker"] * 4 + ["node"] + ["driver"] * 2


def _finished(out: Path) -> int:
    return len(list(out.glob("trials/*/result.json")))


def _kill_worker(nodes: Nodes, when: Any) -> None:
    """Of all processes that train, one."""
    while not (pids := [pid for node in nodes.alive for pid in Family(node.pid).named(ACTOR)]):
        time.sleep(0.1)
    try:
        kill(when.choice(pids))
    except ProcessLookupError:
        _kill_worker(nodes, when)


def _soak(nodes: Nodes, space: Path, out: Path) -> str:
    """Run the sweep to its end, killing on the way; what the last driver said."""
    when = moments("soak")
    victims = when.sample(VICTIMS, len(VICTIMS))
    points = sorted(when.sample(range(5, TRIALS - 5), len(victims)))

    def begin(*more: str) -> subprocess.Popen[str]:
        command = tune(space, out, "--address", nodes.address, *more)
        return start(command, **nodes.environment())

    process = begin()
    try:
        for victim, moment in zip(victims, points, strict=True):
            while _finished(out) < moment:
                assert process.poll() is None, process.communicate()
                time.sleep(0.02)
            sys.stdout.write(f"{victim} at {_finished(out)}\n")
            if victim == "worker":
                _kill_worker(nodes, when)
            elif victim == "node":
                nodes.kill(nodes.alive[1])
                nodes.add()
            else:
                kill(process.pid)
                process.communicate()
                process = begin("--resume")
        return ended(process, seconds=600)
    finally:
        process.kill()


@pytest.mark.ray
@pytest.mark.slow
@pytest.mark.timeout(900)
def test_soak(tmp_path: Path) -> None:
    space, out = counted_space(tmp_path / "soak", TRIALS, 0.0, 2), tmp_path / "soak" / "out"
    with three_nodes() as nodes:
        began = time.monotonic()
        said = _soak(nodes, space, out)
        seconds = time.monotonic() - began
        folder = str(nodes.folder)
    sys.stdout.write(f"{seconds:.0f} s\n{said}")
    found = numbers(out)
    assert len(found) == TRIALS and {trial["status"] for trial in found} == {"finished"}
    faults = check_survived(space, out, found)
    assert {"the driver ended", "lost process"} <= {each["what"] for each in faults}
    assert not [line for line in _processes() if folder in line or str(out) in line]
    assert seconds < 600


def _processes() -> list[str]:
    found = []
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            found.append(path.read_bytes().replace(b"\0", b" ").decode())
        except OSError:
            continue
    return found
