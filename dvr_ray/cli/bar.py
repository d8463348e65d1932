"""A training on the screen: one bar on a terminal, a line per report elsewhere."""

from __future__ import annotations

import logging
from dataclasses import replace
from pathlib import Path
from typing import Any

from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from dvr_ray.cli.heartbeat import Heartbeat
from dvr_ray.cli.logs import LogFile
from dvr_ray.cli.screen import Screen
from dvr_ray.events import Event, Reported, Started, Warned
from dvr_ray.registry import canonical
from dvr_ray.training.following import news

__all__ = ["RunBar"]

LOG = logging.getLogger(__name__)


class RunBar:
    """Shows loss, metric and keep-rate beside a bar of epochs.

    Parameters
    ----------
    screen : Screen
        Where to.
    log : LogFile
        Is opened in the run's folder when training starts.
    config : RunConfig
        The run.
    silence : float
        Seconds without a line before plain output shows a sign of life.
    run : str, optional
        Which of several runs it is; its events say so.
    """

    def __init__(
        self,
        screen: Screen,
        log: LogFile,
        config: Any,
        silence: float = 30.0,
        run: str | None = None,
    ) -> None:
        self.screen, self._log, self._run = screen, log, run
        self._metric: str = canonical(config.training.metric)
        self._epoch, self._epochs = 0, config.training.epochs
        self._progress = Progress(
            TextColumn("epoch"),
            MofNCompleteColumn(),
            BarColumn(20),
            TimeElapsedColumn(),
            TextColumn("{task.fields[shown]}"),
            console=screen.log,
            transient=True,
            disable=not screen.live,
        )
        self._task = self._progress.add_task("epochs", total=self._epochs, shown="starting")
        self._heart = Heartbeat(self._beat, silence)

    def __enter__(self) -> RunBar:
        if self.screen.live:
            self._progress.start()
        else:
            self._heart.__enter__()
        return self

    def __exit__(self, *exception: object) -> None:
        if self.screen.live:
            self._progress.stop()
        else:
            self._heart.__exit__(*exception)

    def report(
        self, row: dict[str, Any], checkpoint: Path | None = None, run: str | None = None
    ) -> None:
        """Take a row, as a `dvr_ray.training.reporter.Reporter`; ``run`` names another run's."""
        for event in news(row, (self._metric,)):
            if isinstance(event, Reported | Warned):
                event = replace(event, run=run or self._run)
            self.tell(event)

    def tell(self, event: Event) -> None:
        """Take an event."""
        if isinstance(event, Started):
            self._log.open(Path(event.folder))
        LOG.log(logging.WARNING if isinstance(event, Warned) else logging.INFO, "%s", event)
        self.screen.event(event)
        if isinstance(event, Reported):
            self._advance(event)
        elif isinstance(event, Warned):
            self.screen.warn(str(event))
        else:
            self.screen.say(str(event))
        self._heart.shown()

    def _advance(self, event: Reported) -> None:
        self._epoch = event.epoch
        gate = "  gate: keep-all selects better" if event.adopted == "keep-all" else ""
        of_run = f"{event.run}  " if event.run != self._run else ""
        shown = f"{of_run}{event.numbers}{gate}"
        self._progress.update(self._task, completed=event.epoch, shown=shown)
        if not self.screen.live:
            self.screen.say(f"{event}{gate}")

    def _beat(self) -> None:
        self.screen.say(f"still training: epoch {self._epoch} of {self._epochs} done")
