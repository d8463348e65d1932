"""A Ray cluster of several nodes on this machine, as `ray start` makes it, that asks for a token.

Nodes come and go while a test looks on. Everything lies in a folder of its own, with ports of its
own; nothing of it outlives the ``with`` block.
"""

from __future__ import annotations

import contextlib
import os
import random
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

__all__ = ["RAY", "Nodes", "free_ports", "three_nodes"]

REPOSITORY = Path(__file__).resolve().parents[1]
RAY = "import sys; sys.argv[0] = 'ray'; from ray.scripts.scripts import main; main()"
TOKEN = "from dvr_ray.distributed.cluster import own_token; own_token()"
WAIT = """
import socket, time, ray
host, port = "{address}".split(":")
until = time.monotonic() + 200
def there():
    if not ray.is_initialized():
        # Ray would try for a minute where nobody listens yet.
        if socket.socket().connect_ex((host, int(port))):
            return 0
        try:
            ray.init("{address}", logging_level="ERROR", log_to_driver=False)
        except ConnectionError:  # the head is there, its own node isn't yet
            return 0
    return sum(node["Alive"] for node in ray.nodes())
while (found := there()) != {count}:
    assert time.monotonic() < until, found
    time.sleep(0.2)
"""
FIRST_PORT, LAST_PORT = 20_000, 32_000  # below those that the system gives to anybody who connects


class Nodes:
    """Nodes of one cluster; use `three_nodes`.

    Attributes
    ----------
    address : str
        ``host:port`` of the head, for ``--address``.
    folder : Path
        Visible to all nodes; results may go there.
    alive : list of Popen
        The nodes, the head first; each leads a process group.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        (port,) = free_ports(1)
        self.address = f"127.0.0.1:{port}"
        self.alive: list[subprocess.Popen[bytes]] = []
        subprocess.run([sys.executable, "-c", TOKEN], env=self.environment(), check=True)

    def environment(self, **others: str) -> dict[str, str]:
        """Variables for a process that may use the cluster: its own home holds the token."""
        kept = {name: value for name, value in os.environ.items() if not name.startswith("RAY_")}
        paths = f"{REPOSITORY}:{REPOSITORY / 'tests'}"
        own = {"HOME": str(self.folder), "PYTHONPATH": paths, "RAY_AUTH_MODE": "token"}
        # Ray's workers are less urgent than others by default, and starve on a busy machine.
        ray = {"RAY_USAGE_STATS_ENABLED": "0", "RAY_worker_niceness": "0"}
        # There a node's agents take longer to start than a raylet waits for them by default.
        ray |= {"RAY_agent_register_timeout_ms": "200000"}
        return {**kept, **own, **ray, "OMP_NUM_THREADS": "1", **others}

    def add(self, *options: str, cpus: int = 1) -> subprocess.Popen[bytes]:
        """Start a node, the first is the head, and wait until it is there.

        ``options`` go to ``ray start``, such as ``--num-gpus=1`` or ``--labels=...``.
        """
        if self.alive:
            role = [f"--address={self.address}"]
        else:
            client, dashboard = free_ports(2)
            _, _, port = self.address.rpartition(":")
            role = ["--head", f"--port={port}", f"--dashboard-port={dashboard}",
                    f"--ray-client-server-port={client}", "--include-dashboard=false",
                    f"--temp-dir={self.folder}/r"]  # fmt: skip
        (agent,) = free_ports(1)
        node = subprocess.Popen(
            [sys.executable, "-c", RAY, "start", "--block", *role, f"--num-cpus={cpus}",
             "--node-ip-address=127.0.0.1", f"--dashboard-agent-listen-port={agent}",
             "--object-store-memory=100000000", *options],
            env=self.environment(), start_new_session=True,
            stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
        )  # fmt: skip
        self.alive.append(node)
        # One by one: nodes that start at the same moment would take the same socket's name.
        self.wait()
        return node

    def kill(self, node: subprocess.Popen[bytes]) -> None:
        """End a node as a power cut does: no process of it says goodbye."""
        os.killpg(node.pid, signal.SIGKILL)
        node.wait()
        self.alive.remove(node)

    def wait(self) -> None:
        """Wait until the head knows as many nodes as live."""
        count = len(self.alive)
        done = self.python(WAIT.format(address=self.address, count=count))
        assert done.returncode == 0, f"there aren't {count} nodes: {done.stderr}"

    def python(self, code: str) -> subprocess.CompletedProcess[str]:
        """Run some Python that may connect to the cluster."""
        return subprocess.run(
            [sys.executable, "-c", code], env=self.environment(), capture_output=True, text=True,
            check=False, timeout=400,
        )  # fmt: skip

    def stop(self) -> None:
        """End all nodes, the head last."""
        for node in reversed(self.alive):
            node.terminate()
        for node in reversed(self.alive):
            try:
                node.wait(20)
            except subprocess.TimeoutExpired:
                os.killpg(node.pid, signal.SIGKILL)


@contextlib.contextmanager
def three_nodes(*cpus: int) -> Iterator[Nodes]:
    """Start a head and two more nodes, with 1 CPU each or as many as given."""
    # Not pytest's own folder: names of sockets may have 107 letters.
    folder = Path(tempfile.mkdtemp(prefix="dvr", dir="/tmp"))
    nodes = Nodes(folder)
    try:
        for each in cpus or (1, 1, 1):
            nodes.add(cpus=each)
        yield nodes
    finally:
        nodes.stop()
        shutil.rmtree(folder, ignore_errors=True)


def free_ports(count: int) -> list[int]:
    """Ports where nobody listens now."""
    found: list[int] = []
    while len(found) < count:
        port = random.SystemRandom().randrange(FIRST_PORT, LAST_PORT)
        with socket.socket() as tried, contextlib.suppress(OSError):
            tried.bind(("", port))
            found.append(port)
    return found
