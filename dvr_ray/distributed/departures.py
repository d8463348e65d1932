"""Who leaves a cluster: nodes that were given notice, nodes that are gone, and the head itself.

A node gets notice when its machine is taken away (a spot instance, a pod that is evicted, SIGTERM
to ``ray start --block``): Ray then places nothing there any more, and says until when it stays.
"""

from __future__ import annotations

import os
import socket
import threading
import time
from collections.abc import Callable
from contextlib import suppress

__all__ = ["HeadWatch", "leaving", "living", "node_names", "this_node"]

LOOK_SECONDS, GONE_SECONDS = 2.0, 20.0
ANSWER_SECONDS = 5.0


def this_node() -> str:
    """Return the id of the node on which this process runs."""
    import ray

    return str(ray.get_runtime_context().get_node_id())


def leaving() -> dict[str, float]:
    """Return the seconds left of nodes that were given notice, by id; none if the head is busy."""
    import ray

    client = ray._private.worker.global_worker.gcs_client
    with suppress(Exception):  # a head that doesn't answer is asked again
        found = client.get_draining_nodes(timeout=ANSWER_SECONDS)
        return {node: max(0.0, until / 1000 - time.time()) for node, until in found.items()}
    return {}


def node_names() -> dict[str, str]:
    """Return names of all nodes by id, living or gone: their IP addresses, unless they have own."""
    import ray

    return {node["NodeID"]: node["NodeName"] for node in ray.nodes()}


def living() -> set[str]:
    """Return the ids of all nodes that live."""
    import ray

    return {node["NodeID"] for node in ray.nodes() if node["Alive"]}


class HeadWatch:
    """Ends this process when nobody answers at the head's port for 20 seconds; a context manager.

    Without a head every call into Ray waits for a minute and then ends the process without a word.
    A sweep can be killed at any moment, so nothing is lost by not cleaning up.

    Parameters
    ----------
    last_words : callable
        Says so, before the process ends.
    """

    def __init__(self, last_words: Callable[[], None]) -> None:
        import ray

        host, _, port = ray.get_runtime_context().gcs_address.rpartition(":")
        self._head, self._last_words = (host.strip("[]"), int(port)), last_words
        self._left = threading.Event()
        self._thread = threading.Thread(target=self._look, name="head", daemon=True)

    def __enter__(self) -> HeadWatch:
        self._thread.start()
        return self

    def __exit__(self, *exception: object) -> None:
        self._left.set()
        self._thread.join()

    def _look(self) -> None:
        seen = float("inf")  # a head that never answers here is reached in another way
        while not self._left.wait(LOOK_SECONDS):
            if self._answers():
                seen = time.monotonic()
            elif time.monotonic() - seen > GONE_SECONDS:
                self._last_words()
                os._exit(1)

    def _answers(self) -> bool:
        try:
            socket.create_connection(self._head, ANSWER_SECONDS).close()
        except OSError:
            return False
        return True
