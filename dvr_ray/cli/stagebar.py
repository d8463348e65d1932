"""A job of several stages on the screen: one bar on a terminal, a line now and then elsewhere."""

from __future__ import annotations

import logging
import time
from pathlib import Path

from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from dvr_ray.cli.logs import LogFile
from dvr_ray.cli.screen import Screen
from dvr_ray.events import Event, Staged

__all__ = ["StageBar"]

LOG = logging.getLogger(__name__)
SILENCE = 10.0


class StageBar:
    """Shows how far the stage at work is.

    Parameters
    ----------
    screen : Screen
        Where to.
    log : LogFile
        Is opened in the folder of results when the log that is valued was read.
    folder : Path
        Of the results.
    """

    def __init__(self, screen: Screen, log: LogFile, folder: Path) -> None:
        self.screen, self._log, self._folder = screen, log, folder
        self._progress = Progress(
            TextColumn("{task.description}"),
            MofNCompleteColumn(),
            BarColumn(20),
            TimeElapsedColumn(),
            console=screen.log,
            transient=True,
            disable=not screen.live,
        )
        self._task = self._progress.add_task("starting", total=None)
        self._stage, self._told = "", 0.0

    def __enter__(self) -> StageBar:
        if self.screen.live:
            self._progress.start()
        return self

    def __exit__(self, *exception: object) -> None:
        if self.screen.live:
            self._progress.stop()

    def tell(self, event: Event) -> None:
        """Take an event."""
        LOG.info("%s", event)
        self.screen.event(event)
        self.screen.say(str(event))

    def stage(self, name: str, done: int, count: int) -> None:
        """Take how far a stage is: of a count, or of an unknown one where that is 0."""
        if count and self._log.path is None:
            self._log.open(self._folder)
        self._progress.update(self._task, description=name, completed=done, total=count or None)
        now, fresh = time.monotonic(), name != self._stage
        ended = bool(count) and done == count
        if fresh or ended or now - self._told > SILENCE:
            event = Staged(name, done, count)
            LOG.info("%s", event)
            self.screen.event(event)
            if not self.screen.live:
                self.screen.say(str(event))
            self._stage, self._told = name, now
