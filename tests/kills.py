"""Processes to kill, moments to kill them at, and what must be gone afterwards."""

from __future__ import annotations

import json
import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pandas as pd
import yaml

TRIALS = 4
SPACE: dict[str, Any] = {
    "name": "killed",
    "run": {
        "data": {"users": 60, "items": 50},
        "adapter": {"masks": 2},
        "valuator": {"units": 4},
        "training": {
            "epochs": 40, "patience": 40, "warmup": 2, "batch_size": 256, "dtype": "float64"
        },
    },
    "search": {"valuator.depth": {"int": [1, 4]}, "training.lr": {"float": [1e-3, 1e-1]}},
    "tune": {"sampler": "random", "scheduler": "none", "trials": TRIALS, "final_seeds": 0},
}  # fmt: skip


def moments(name: str) -> random.Random:
    """Random moments; the seed is printed, and taken from DVR_RAY_KILL_SEED to replay a failure."""
    seed = os.environ.get("DVR_RAY_KILL_SEED") or str(random.SystemRandom().randrange(10**6))
    sys.stdout.write(f"{name}: DVR_RAY_KILL_SEED={seed}\n")
    return random.Random(f"{seed}/{name}")


def write_space(folder: Path, **sections: Any) -> Path:
    path = folder / "space.yaml"
    content = {**SPACE, **sections}
    path.write_text(yaml.safe_dump(content), encoding="utf-8")
    return path


def tune(space: Path, out: Path, *more: str) -> list[str]:
    return [sys.executable, "-m", "dvr_ray", "tune", str(space), "--out", str(out), *more]


def start(command: list[str], **variables: str) -> subprocess.Popen[str]:
    """Start a command in a session of its own."""
    return subprocess.Popen(
        command,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
        env={**os.environ, **variables},
    )


def ended(process: subprocess.Popen[str], code: int = 0, seconds: float = 200) -> str:
    """Wait for a command's end; what it said on stderr."""
    said, errors = process.communicate(timeout=seconds)
    assert process.returncode == code, f"code {process.returncode}\n{said}\n{errors}"
    assert "Traceback" not in errors, errors
    return errors


def wait(what: Callable[[], Any], process: subprocess.Popen[str], seconds: float = 120) -> Any:
    """Wait until something is true, while a process lives."""
    deadline = time.monotonic() + seconds
    while not (found := what()):
        if process.poll() is not None:
            raise AssertionError(f"ended with {process.returncode}: {process.communicate()}")
        assert time.monotonic() < deadline
        time.sleep(0.01)
    return found


def kill(pid: int) -> None:
    os.kill(pid, signal.SIGKILL)


def results(out: Path) -> dict[str, Any]:
    """All that must be equal with and without a kill: everything but times."""
    trials = pd.read_csv(out / "trials.csv").drop(columns="seconds")
    found: dict[str, Any] = {
        "trials": trials.to_csv(index=False),
        "best": (out / "best.yaml").read_text(),
    }
    for path in sorted(out.glob("trials/*/result.json")):
        result = json.loads(path.read_text())
        del result["seconds"]
        found[path.parent.name] = result
    return found


def leftovers(out: Path) -> list[str]:
    """Temporary files below a folder."""
    return [str(path) for path in out.rglob(".*.tmp*")]


class Family:
    """The processes that a driver has started, and theirs."""

    def __init__(self, driver: int) -> None:
        self._driver = driver
        self._seen: dict[int, str] = {}
        self._shared: set[str] = set()

    def look(self) -> dict[int, str]:
        """Names by process; remembered, since a killed driver's children lose their parent."""
        parents: dict[int, int] = {}
        for entry in Path("/proc").iterdir():
            if entry.name.isdigit():
                parents[int(entry.name)] = _parent(entry)
        now = {}
        for pid in parents:
            above = pid
            while above not in (self._driver, 0, 1):
                above = parents.get(above, 0)
            if above == self._driver and pid != self._driver:
                now[pid] = _name(pid)
                self._seen[pid] = _born(pid)
                self._shared |= _shared_memory(pid)
        return now

    def named(self, part: str) -> list[int]:
        """Processes whose command line holds a text."""
        return [pid for pid, name in self.look().items() if part in name]

    def survivors(self, seconds: float = 30, agents: bool = True) -> list[str]:
        """Processes that were seen and don't end in time, and shared memory that stays.

        Ray's two agents wait a minute for a server that was killed; ``agents`` says whether to wait
        for them.
        """
        deadline = time.monotonic() + seconds
        while alive := self._alive(agents):
            if time.monotonic() > deadline:
                return alive
            time.sleep(0.1)
        return [name for name in self._shared if Path(name).exists()]

    def _alive(self, agents: bool) -> list[str]:
        same = [pid for pid, born in self._seen.items() if born and _born(pid) == born]
        names = [f"{pid} {_name(pid).strip()}" for pid in same]
        return [name for name in names if agents or not name.endswith("Agent")]


def _parent(entry: Path) -> int:
    try:
        return int((entry / "stat").read_text().rpartition(")")[2].split()[1])
    except OSError:
        return 0


def _born(pid: int) -> str:
    """When a process began, which tells it from a later one of the same number; "" if it's gone."""
    try:
        words = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return ""
    return "" if words[0] == "Z" else words[19]


def _name(pid: int) -> str:
    try:
        return Path(f"/proc/{pid}/cmdline").read_bytes().replace(b"\0", b" ").decode()
    except OSError:
        return ""


def _shared_memory(pid: int) -> set[str]:
    try:
        lines = Path(f"/proc/{pid}/maps").read_text().splitlines()
    except OSError:
        return set()
    return {line.split()[5] for line in lines if " /dev/shm/" in line}
