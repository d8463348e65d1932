"""A sweep on the screen: one live table on a terminal, plain lines elsewhere."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable
from pathlib import Path

from rich.live import Live
from rich.table import Table
from rich.text import Text

from dvr_ray.cli.heartbeat import Heartbeat
from dvr_ray.cli.logs import LogFile
from dvr_ray.cli.progress import SweepProgress, clock
from dvr_ray.cli.screen import Screen
from dvr_ray.events import (
    Event,
    Failed,
    Note,
    Retraining,
    Started,
    TrialEnded,
    TrialReported,
    TrialStarted,
    Warned,
    counted,
)

__all__ = ["Board"]

LOG = logging.getLogger(__name__)
SHOWN = 8
# Reports of every epoch would fill the log; metrics.jsonl of each run has them.
LEVELS = {
    "warning": logging.WARNING,
    **dict.fromkeys(("trial_reported", "reported", "cluster_seen"), logging.DEBUG),
}


class Board:
    """Shows the events of a sweep, and hands them to the log and to JSON.

    Parameters
    ----------
    screen : Screen
        Where to.
    log : LogFile
        Is opened in the sweep's folder when the sweep starts.
    silence : float
        Seconds without a line before plain output shows a sign of life.
    now : callable
        The clock, in seconds.
    """

    def __init__(
        self,
        screen: Screen,
        log: LogFile,
        silence: float = 30.0,
        now: Callable[[], float] = time.monotonic,
    ) -> None:
        self._screen, self._log, self._now = screen, log, now
        self._lock = threading.RLock()
        self.progress = SweepProgress()
        self._warned: dict[str, set[str]] = {}
        self._live = Live(
            console=screen.log,
            refresh_per_second=4,
            transient=True,
            get_renderable=self.table,
        )
        self._heart = Heartbeat(self._beat, silence)

    def __enter__(self) -> Board:
        if self._screen.live:
            self._live.start()
        else:
            self._heart.__enter__()
        return self

    def __exit__(self, *exception: object) -> None:
        if self._screen.live:
            self._live.stop()
        else:
            self._heart.__exit__(*exception)

    def tell(self, event: Event) -> None:
        """Take an event."""
        with self._lock:
            self.progress.take(event, self._now())
        if isinstance(event, Started):
            self._log.open(Path(event.folder))
        LOG.log(LEVELS.get(event.kind, logging.INFO), "%s", event)
        self._screen.event(event)
        self._show(event)

    def _show(self, event: Event) -> None:
        if isinstance(event, Warned):
            if not self._is_new(event):
                return
            self._screen.warn(str(event))
        elif isinstance(event, Failed):
            self._live.stop()
            self._screen.error(str(event))
        elif self._screen.live:
            if isinstance(event, Started):
                self._screen.say(str(event))
            return
        elif self._has_line(event):
            self._screen.say(str(event))
        else:
            return
        self._heart.shown()

    def _is_new(self, event: Warned) -> bool:
        """Whether no other run gave this warning; the log has them all."""
        with self._lock:
            runs = self._warned.setdefault(event.text.partition(":")[0], set())
            runs.add(event.run or str(event.trial))
        return len(runs) == 1

    def warnings(self) -> str:
        """How many runs gave each warning, in one line; empty without any."""
        counts = sorted(self._warned.items(), key=lambda pair: -len(pair[1]))
        return ", ".join(f"{name} in {counted(len(runs), 'run')}" for name, runs in counts)

    def _has_line(self, event: Event) -> bool:
        """Whether plain output gives an event a line: starts and ends, not every report."""
        match event:
            case TrialEnded():
                return not event.earlier
            case Retraining():
                return event.status == "finished"
            case TrialReported() | TrialStarted():
                return False
        return isinstance(event, Note | Started)

    def _beat(self) -> None:
        if self.progress.opened is not None:
            self._screen.say(f"still {self.line()}")

    def line(self) -> str:
        """Where the sweep stands, in one line."""
        with self._lock:
            progress = self.progress
            if progress.retraining:
                left = progress.time_left(self._now())
                return f"retraining: {self._retraining()}, time left {left}"
            parts = [f"{self._done()} trials done", f"{len(progress.running)} running"]
            parts += [f"{len(progress.failed)} failed"] if progress.failed else []
            parts += [f"best {self._best()}"] if progress.best() else []
            parts += [progress.cluster.used] if progress.cluster else []
            parts += [f"time left {progress.time_left(self._now())}"]
        return "searching: " + ", ".join(parts)

    def table(self) -> Table:
        """Where the sweep stands, as a table."""
        table = Table(box=None, show_header=False, padding=(0, 2, 0, 0))
        table.add_column(style="bold", no_wrap=True)
        table.add_column(no_wrap=True, overflow="ellipsis")
        with self._lock:
            for label, value in self._rows():
                table.add_row(label, Text(value))
        return table

    def _rows(self) -> list[tuple[str, str]]:
        progress, now = self.progress, self._now()
        if progress.opened is None:
            return [("starting", "data and Ray; a few seconds")]
        searching = not progress.retraining
        rows = [("searching" if searching else "search", f"{clock(now - progress.began)} so far")]
        if not searching:
            rows = [("search", "ended")]
        rows += [("cluster", str(progress.cluster))] if progress.cluster and searching else []
        rows += [("trials done", self._done())]
        rows += self._running() if searching else []
        rows += [("failed", self._failed())]
        rows += [("best so far" if searching else "best", self._best() or "none yet")]
        if not searching:
            rows += [("retraining", self._retraining())]
        rows += [("warnings", self.warnings())] if self._warned else []
        return [*rows, ("time left", progress.time_left(now))]

    def _done(self) -> str:
        progress = self.progress
        opened = progress.opened
        budget = f" of {opened.trials}" if opened and opened.trials else ""
        text = f"{len(progress.ended)}{budget}"
        kinds = [f"{progress.count(s)} {s}" for s in ("finished", "stopped") if progress.count(s)]
        return f"{text} ({', '.join(kinds)})" if kinds else text

    def _running(self) -> list[tuple[str, str]]:
        progress = self.progress
        ceiling = progress.opened.epochs if progress.opened else 0
        lines = []
        for trial in sorted(progress.running):
            latest = progress.latest.get(trial)
            epoch = latest.epoch if latest else 0
            numbers = f"  {latest.numbers}" if latest else ""
            lines.append(f"trial {trial}: epoch {epoch} of {ceiling}{numbers}")
        more = len(lines) - SHOWN
        lines = lines[:SHOWN] + ([f"and {more} more"] if more > 0 else [])
        return [("running" if n == 0 else "", line) for n, line in enumerate(lines)]

    def _failed(self) -> str:
        failed = self.progress.failed
        return f"{len(failed)}; last: {failed[-1].error}" if failed else "0"

    def _best(self) -> str:
        found = self.progress.best().items()
        return ", ".join(f"{name} {value:.4f} (trial {trial})" for name, (value, trial) in found)

    def _retraining(self) -> str:
        events = list(self.progress.retraining.values())
        done = max(event.done for event in events)
        open_runs = [e for e in events if e.status == "running"]
        shown = [f"{e.method} seed {e.seed} epoch {e.epoch} of {e.epochs}" for e in open_runs]
        return "; ".join([f"{done} of {counted(events[0].runs, 'run')} done", *shown])
