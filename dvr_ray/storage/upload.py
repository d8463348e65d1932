"""Copying to a storage in a thread of its own: nothing waits for it, and no fault ends a run."""

from __future__ import annotations

import contextlib
import threading
import time
from collections.abc import Callable
from types import TracebackType

from dvr_ray.errors import StorageError
from dvr_ray.storage.mirror import Mirror

__all__ = ["Upload"]

REST_SECONDS = 2.0
LONGEST_SECONDS = 30.0
PATIENCE_SECONDS = 60.0


class Upload:
    """Pushes a folder whenever there is news; a context manager.

    A fault is tried again, later each time. When the block ends there is a last push, and a fault
    is tried again for a minute; after an exception only once. What a run can't copy on the
    driver's machine is left to the driver.

    Parameters
    ----------
    mirror : Mirror or None
        None for results that stay on this machine; then nothing is done.
    driver : bool
        Whether this is the driver's: its last push is one of the runs below too.

    Raises
    ------
    StorageError
        At the end, if something couldn't be copied.
    """

    def __init__(self, mirror: Mirror | None, *, driver: bool = False) -> None:
        self._mirror, self._driver = mirror, driver
        self._news, self._ended = threading.Event(), threading.Event()
        self._thread: threading.Thread | None = None

    def fetch(self) -> None:
        """Take over what lies there, for a run that goes on.

        Raises
        ------
        StorageError
            If that fails for a minute, and this isn't the driver's machine.
        """
        if self._mirror is not None:
            self._insist(self._mirror.fetch)

    def soon(self) -> None:
        """Say that there is something new."""
        self._news.set()

    def __enter__(self) -> Upload:
        """Start the thread."""
        if self._mirror is not None:
            self._thread = threading.Thread(target=self._work, name="upload", daemon=True)
            self._thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Push what is left."""
        if self._thread is None:
            return
        self._ended.set()
        self._news.set()
        self._thread.join()
        if error is None:
            self._insist(self._push)
            return
        with contextlib.suppress(StorageError):
            self._push()

    def _push(self) -> None:
        if self._mirror is not None:
            self._mirror.push(deep=self._driver and self._ended.is_set())

    def _insist(self, action: Callable[[], None]) -> None:
        until, wait = time.monotonic() + PATIENCE_SECONDS, 1.0
        while True:
            try:
                return action()
            except StorageError:
                if time.monotonic() + wait > until:
                    if self._driver or not (self._mirror and self._mirror.at_home):
                        raise
                    return
            time.sleep(wait)
            wait *= 2

    def _work(self) -> None:
        wait = REST_SECONDS
        while self._news.wait() and not self._ended.is_set():
            self._news.clear()
            try:
                self._push()
                wait = REST_SECONDS
            except StorageError:
                self._news.set()
                wait = min(2 * wait, LONGEST_SECONDS)
            self._ended.wait(wait)
