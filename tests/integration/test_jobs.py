"""A real head with a token: who is turned away, and a sweep submitted, left, taken up, stopped."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from nodes import RAY, free_ports

pytest.importorskip("aiohttp_cors", reason="install the extra: pip install -e '.[cluster]'")
pytestmark = [pytest.mark.ray, pytest.mark.slow]

FIELDS = [
    "data.users=60", "data.items=50", "training.warmup=1", "adapter.masks=2", "valuator.units=4",
    "tune.trials=2", "tune.final_seeds=0", "tune.scheduler=none", "tune.minutes=10",
]  # fmt: skip


@dataclass(frozen=True)
class _Head:
    port: int
    dashboard: str
    home: Path
    repository: Path

    def environment(self, **others: str) -> dict[str, str]:
        kept = {name: value for name, value in os.environ.items() if not name.startswith("RAY_")}
        own = {"HOME": str(self.home), "PYTHONPATH": str(self.repository)}
        # On a busy machine a node's agents take longer to start than a raylet waits for them.
        ray = {"RAY_USAGE_STATS_ENABLED": "0", "RAY_agent_register_timeout_ms": "200000"}
        return {**kept, **own, **ray, **others}

    def started(self, *words: str, **variables: str) -> subprocess.Popen[str]:
        return subprocess.Popen(
            [sys.executable, "-m", "dvr_ray", *words], env=self.environment(**variables), text=True,
            stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
            # Ctrl-C may be ignored where the tests run in the background, and that is inherited.
            preexec_fn=lambda: signal.signal(signal.SIGINT, signal.default_int_handler),
        )  # fmt: skip

    def run(self, *words: str) -> tuple[int, str]:
        process = self.started(*words, "--address", self.dashboard)
        said, _ = process.communicate(timeout=200)
        return process.returncode, said

    def left(self, until: str, *words: str) -> tuple[int, str]:
        """Run a command and press Ctrl-C when it has said something."""
        process = self.started(*words, "--address", self.dashboard)
        assert process.stdout is not None
        said = ""
        for line in process.stdout:
            said += line
            if until in line:
                process.send_signal(signal.SIGINT)
                break
        said += process.communicate(timeout=60)[0]
        return process.returncode, said


def _wait(ready: Callable[[], bool], seconds: float = 90) -> None:
    until = time.monotonic() + seconds
    while not ready():
        assert time.monotonic() < until, "the head didn't start"
        time.sleep(0.5)


def _code(address: str, token: str | None) -> int:
    """Ask the job server for its jobs; the code of its answer, 0 if nobody answers."""
    headers = {"Authorization": f"Bearer {token}"} if token else {}
    request = urllib.request.Request(f"{address}/api/jobs/", headers=headers)
    try:
        with urllib.request.urlopen(request, timeout=10) as answer:
            return int(answer.status)
    except urllib.error.HTTPError as error:
        return error.code
    except OSError:
        return 0


@pytest.fixture(scope="module")
def head(repository: Path) -> Iterator[_Head]:
    # Not pytest's own folder: names of sockets may have 107 letters.
    folder = Path(tempfile.mkdtemp(prefix="dvr", dir="/tmp"))
    port, dashboard, client, agent = free_ports(4)
    found = _Head(port, f"http://127.0.0.1:{dashboard}", folder, repository)
    own = "from dvr_ray.distributed.cluster import own_token; own_token()"
    subprocess.run([sys.executable, "-c", own], env=found.environment(), check=True)
    process = subprocess.Popen(
        [sys.executable, "-c", RAY, "start", "--head", "--block", f"--port={port}", "--num-cpus=2",
         "--node-ip-address=127.0.0.1", "--dashboard-host=127.0.0.1",
         f"--dashboard-port={dashboard}", f"--ray-client-server-port={client}",
         f"--dashboard-agent-listen-port={agent}", f"--temp-dir={folder}/r",
         "--object-store-memory=100000000"],
        env=found.environment(RAY_AUTH_MODE="token"), start_new_session=True,
        stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
    )  # fmt: skip
    try:
        _wait(lambda: _code(found.dashboard, None) != 0)
        yield found
    finally:
        process.terminate()
        try:
            process.wait(30)
        finally:
            if process.poll() is None:
                os.killpg(process.pid, signal.SIGKILL)
            shutil.rmtree(folder, ignore_errors=True)


def _token(head: _Head) -> str:
    return (head.home / ".ray" / "auth_token").read_text(encoding="utf-8")


def test_who_has_no_token_is_turned_away(head: _Head) -> None:
    _wait(lambda: _code(head.dashboard, _token(head)) == 200)
    assert _code(head.dashboard, None) == 401
    assert _code(head.dashboard, "0" * 64) == 403
    code, said = head.run("status")
    assert code == 0, said
    (head.home / ".ray" / "auth_token").rename(head.home / "kept")
    try:
        code, said = head.run("status")
    finally:
        (head.home / "kept").rename(head.home / ".ray" / "auth_token")
    assert code == 2 and "the cluster asks for a token" in said


def test_a_driver_without_the_token_is_turned_away(head: _Head, tmp_path: Path) -> None:
    """Ray tries for some seconds, and now and then for minutes, before it gives up."""
    words = ["tune", str(head.repository / "search_spaces" / "quickstart.yaml"), "--out",
             str(tmp_path / "out"), "--address", f"127.0.0.1:{head.port}"]  # fmt: skip
    process = head.started(*words, RAY_AUTH_MODE="disabled")
    try:
        said, _ = process.communicate(timeout=60)
        assert process.returncode == 2
        assert f"--address 127.0.0.1:{head.port}: can't connect to Ray" in said
    except subprocess.TimeoutExpired:
        process.kill()
        said, _ = process.communicate()
    assert "InvalidAuthToken" in said and "Ray is up" not in said


def _submit(head: _Head, out: Path, epochs: int) -> list[str]:
    fields = [*FIELDS, f"training.epochs={epochs}", f"training.patience={epochs}"]
    space = head.repository / "search_spaces" / "quickstart.yaml"
    return ["submit", str(space), "--out", str(out), *(w for f in fields for w in ("--set", f))]


def test_a_sweep_is_left_taken_up_and_stopped(head: _Head) -> None:
    _wait(lambda: _code(head.dashboard, _token(head)) == 200)
    words = _submit(head, head.home / "long", 3000)
    code, said = head.left("searching", *words, "--name", "one")
    assert code == 0 and "left; job one goes on" in said, said
    code, said = head.left("searching", "logs", "one", "--follow")
    assert code == 0 and "Running entrypoint" in said, said
    code, said = head.run("stop", "one")
    assert code == 0 and "job one: stopped" in said, said
    code, said = head.run("logs", "one", "--follow")
    assert code == 1 and "error job one: stopped" in said, said


def test_a_sweep_ends_fails_in_one_line_and_is_gone_on_with(head: _Head) -> None:
    _wait(lambda: _code(head.dashboard, _token(head)) == 200)
    out = head.home / "out"
    words = _submit(head, out, 3)
    code, said = head.run(*words, "--name", "two")
    assert code == 0 and "job two succeeded" in said and "best of the finished" in said, said
    code, said = head.run(*words, "--name", "three")
    assert code == 1 and "holds this sweep already" in said and "error job three: failed" in said
    code, said = head.run(*words, "--name", "four", "--resume")
    assert code == 0 and "going on: 2 trials finished before" in said, said
    assert (out / "report.html").is_file()
    token = _token(head).encode()
    results = [path for path in out.rglob("*") if path.is_file()]
    assert token not in said.encode() and len(results) > 10
    assert not any(token in path.read_bytes() for path in results)
