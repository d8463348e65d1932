"""How far a sweep is: counted from its events, shown by `dvr_ray.cli.board`."""

from __future__ import annotations

import statistics
from dataclasses import dataclass, field

from dvr_ray.distributed.usage import ClusterSeen
from dvr_ray.events import Event, Retraining, Started, TrialEnded, TrialReported, TrialStarted

__all__ = ["SweepProgress", "clock"]


@dataclass
class SweepProgress:
    """Counts of a sweep.

    Parameters
    ----------
    opened : Started or None
        What the sweep began with.
    cluster : ClusterSeen or None
        Nodes, and what is in use, when it was last seen.
    began : float
        When, on the clock of `take`.
    running : dict of float
        Trials that run, and when they began.
    latest : dict of TrialReported
        Last report of each of them.
    ended : dict of TrialEnded
        Trials that have ended.
    durations : list of float
        Seconds that trials took here, from start to end.
    retraining : dict of Retraining
        Last news of each run of the retraining.
    retraining_began : float
        When the first came.
    """

    opened: Started | None = None
    cluster: ClusterSeen | None = None
    began: float = 0.0
    running: dict[int, float] = field(default_factory=dict)
    latest: dict[int, TrialReported] = field(default_factory=dict)
    ended: dict[int, TrialEnded] = field(default_factory=dict)
    durations: list[float] = field(default_factory=list)
    retraining: dict[tuple[str, int], Retraining] = field(default_factory=dict)
    retraining_began: float = 0.0

    def take(self, event: Event, now: float) -> None:
        """Take an event at a time in seconds."""
        match event:
            case Started():
                self.opened, self.began = event, now
            case ClusterSeen():
                self.cluster = event
            case TrialStarted():
                self.running[event.trial] = now
                self.ended.pop(event.trial, None)
            case TrialReported():
                self.latest[event.trial] = event
            case TrialEnded():
                self._end(event, now)
            case Retraining():
                self.retraining_began = self.retraining_began if self.retraining else now
                self.retraining[event.method, event.seed] = event

    def _end(self, event: TrialEnded, now: float) -> None:
        began = self.running.pop(event.trial, None)
        self.latest.pop(event.trial, None)
        if began is not None and event.status != "failed":
            self.durations.append(now - began)
        self.ended[event.trial] = event

    @property
    def failed(self) -> list[TrialEnded]:
        """Trials that failed, in order."""
        return [e for _, e in sorted(self.ended.items()) if e.status == "failed"]

    def count(self, status: str) -> int:
        """Count ended trials of a status."""
        return sum(event.status == status for event in self.ended.values())

    def best(self) -> dict[str, tuple[float, int]]:
        """Return the best value of each objective and its trial.

        Only finished trials can win; stopped ones count as long as none has finished.
        """
        found = {}
        for name, direction in (self.opened.objectives if self.opened else {}).items():
            sign = 1 if direction == "max" else -1
            for status in ("finished", "stopped"):
                able = [
                    (sign * e.objectives[name], -e.trial)
                    for e in self.ended.values()
                    if e.status == status and name in e.objectives
                ]
                if able:
                    value, trial = max(able)
                    found[name] = (sign * value, -trial)
                    break
        return found

    def time_left(self, now: float) -> str:
        """Say how long the search will go on, or the retraining once that has begun."""
        if self.opened is None:
            return "unknown"
        if self.retraining:
            return self._retraining_left(now)
        if self.opened.trials is not None and len(self.ended) >= self.opened.trials:
            return "none: the last trial has ended"
        by_trials, by_minutes = self._trials_left(now), self._minutes_left(now)
        if by_trials is not None and (by_minutes is None or by_trials <= by_minutes):
            return f"about {clock(by_trials)}"
        if by_minutes is not None:
            known = by_trials is not None or self.opened.trials is None
            return f"{'about' if known else 'at most'} {clock(by_minutes)} (budget of minutes)"
        return "unknown until a trial has ended"

    def _trials_left(self, now: float) -> float | None:
        """Seconds until the budget of trials is spent, at the pace of the trials so far."""
        if self.opened is None or self.opened.trials is None or not self.durations:
            return None
        each = statistics.fmean(self.durations)
        begun = [max(0.0, each - (now - since)) for since in self.running.values()]
        waiting = max(0, self.opened.trials - len(self.ended) - len(self.running))
        room = self.cluster.at_once if self.cluster else self.opened.at_once
        side_by_side = max(1, min(room, waiting + len(begun)))
        return (waiting * each + sum(begun)) / side_by_side

    def _minutes_left(self, now: float) -> float | None:
        if self.opened is None or self.opened.minutes is None:
            return None
        spent = self.opened.seconds_spent + now - self.began
        return max(0.0, 60 * self.opened.minutes - spent)

    def _retraining_left(self, now: float) -> str:
        """Runs may stop early, so that this is a ceiling."""
        runs = next(iter(self.retraining.values())).runs
        ceiling = runs * max(event.epochs for event in self.retraining.values())
        trained = sum(
            event.epochs if event.status == "finished" else event.epoch
            for event in self.retraining.values()
        )
        took = now - self.retraining_began
        if took < 1 or not trained:
            return "unknown yet"
        return f"at most about {clock(took * (ceiling - trained) / trained)}"


def clock(seconds: float) -> str:
    """Return ``0:07``, ``12:30`` or ``1:02:03``."""
    whole = round(seconds)
    hours, minutes = whole // 3600, whole // 60 % 60
    return f"{hours}:{minutes:02d}:{whole % 60:02d}" if hours else f"{minutes}:{whole % 60:02d}"
