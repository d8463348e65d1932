"""A sign of life in a log that would else be silent for long."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable

__all__ = ["Heartbeat"]


class Heartbeat:
    """Calls a function whenever nothing was shown for a while, until the block ends.

    Parameters
    ----------
    beat : callable
        Shows a line; it is called from a thread of its own.
    silence : float
        Seconds without a line.
    """

    def __init__(self, beat: Callable[[], None], silence: float = 30.0) -> None:
        self._beat, self._silence = beat, silence
        self._last = time.monotonic()
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._watch, name="heartbeat", daemon=True)

    def __enter__(self) -> Heartbeat:
        self._thread.start()
        return self

    def __exit__(self, *exception: object) -> None:
        self._ended.set()
        self._thread.join()

    def shown(self) -> None:
        """Note that a line was just shown."""
        self._last = time.monotonic()

    def _watch(self) -> None:
        while not self._ended.wait(max(0.01, self._last + self._silence - time.monotonic())):
            if time.monotonic() - self._last >= self._silence:
                self._beat()
                self.shown()
