"""``log.txt`` in the folder of a run or sweep, and what of Python's logging the terminal shows."""

from __future__ import annotations

import logging
import re
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from logging.handlers import MemoryHandler, RotatingFileHandler
from pathlib import Path

from dvr_ray.cli.screen import Screen
from dvr_ray.errors import masked
from dvr_ray.events import Warned
from dvr_ray.files import LOGS, troubles_told

__all__ = ["LogFile", "logged"]

NAME = LOGS[0]
BYTES = 1 << 20  # twice this at most: log.txt and log.txt.1
FORM = "%(asctime)s %(levelname)s %(name)s: %(message)s"
COLOURS = re.compile(r"\x1b\[[0-9;]*m")
OURS = "dvr_ray"
OTHERS = ("ray", "optuna", "py.warnings")
LOG = logging.getLogger(__name__)


class _Plain(logging.Formatter):
    """Leaves out the colours that Ray writes into tracebacks, and the secrets of URLs."""

    def format(self, record: logging.LogRecord) -> str:
        return masked(COLOURS.sub("", super().format(record)))


def _unshown(record: logging.LogRecord) -> bool:
    """Whether the terminal hasn't got a message yet: our own events are shown as lines."""
    shown = record.name.startswith(f"{OURS}.cli")
    return not (shown and logging.INFO <= record.levelno <= logging.WARNING)


class _File(RotatingFileHandler):
    """``log.txt``; whoever can't write there now has no traceback to show for it."""

    def handleError(self, record: logging.LogRecord) -> None:  # noqa: N802
        """Go on without the line."""


class LogFile:
    """Takes the messages of all loggers; keeps them in memory until the file's folder is known."""

    def __init__(self, verbose: bool) -> None:
        self._held = MemoryHandler(10_000, flushLevel=logging.CRITICAL + 1, flushOnClose=False)
        self._verbose = verbose
        self._before: list[tuple[logging.Logger, list[logging.Handler], int, bool]] = []
        self._file: logging.Handler | None = None
        self.path: Path | None = None

    def attach(self) -> None:
        """Take the place of the handlers that would write to the terminal."""
        handlers: list[logging.Handler] = [self._held]
        if self._verbose:
            shown = logging.StreamHandler(sys.stderr)
            shown.setFormatter(_Plain(FORM))
            shown.addFilter(_unshown)
            handlers.append(shown)
        for name in (OURS, *OTHERS):
            logger = logging.getLogger(name)
            before = (logger, list(logger.handlers), logger.level, logger.propagate)
            self._before.append(before)
            logger.handlers, logger.propagate = list(handlers), False
        logging.getLogger(OURS).setLevel(logging.DEBUG)
        logging.captureWarnings(True)

    def open(self, folder: Path) -> None:
        """Begin the file, or go on with it after a resumption."""
        self.path = folder / NAME
        folder.mkdir(parents=True, exist_ok=True)
        self._file = _File(self.path, maxBytes=BYTES, backupCount=1, encoding="utf-8")
        self._file.setFormatter(_Plain(FORM))
        self._held.setTarget(self._file)
        # Ray has set its own level by now.
        logging.getLogger("ray").setLevel(logging.INFO if self._verbose else logging.WARNING)
        self.flush()

    def flush(self) -> None:
        """Write what was held."""
        self._held.flush()
        self._held.capacity = 1  # from now on everything is written at once

    def detach(self) -> None:
        """Give the loggers back and close the file."""
        logging.captureWarnings(False)
        if self._file is not None:
            self._held.flush()
            self._file.close()
        for logger, handlers, level, propagate in self._before:
            logger.handlers, logger.propagate = handlers, propagate
            logger.setLevel(level)


@contextmanager
def logged(screen: Screen) -> Iterator[LogFile]:
    """Log what happens in the block, and say where the log lies if it fails.

    To be entered after Ray and Optuna were imported: they set their handlers then.
    """
    log = LogFile(screen.verbose)
    log.attach()

    def tell(line: str) -> None:
        screen.warn(line)
        screen.event(Warned(line))

    try:
        with troubles_told(tell):
            yield log
    except KeyboardInterrupt:
        LOG.info("interrupted")
        raise
    except Exception:
        LOG.exception("ended without a result")
        if log.path is not None:
            screen.details(log.path)
        raise
    finally:
        log.detach()
