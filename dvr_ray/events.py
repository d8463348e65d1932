"""What happens while a run or a sweep goes on, for whoever shows it or writes it down.

Every event is one frozen dataclass. ``row()`` is its line of JSON (``docs/events.md``), ``str()``
its line for people.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field
from typing import Any, ClassVar

__all__ = [
    "Event",
    "Failed",
    "Finished",
    "Note",
    "Reported",
    "Retraining",
    "Staged",
    "Started",
    "Tell",
    "TrialEnded",
    "TrialReported",
    "TrialStarted",
    "Warned",
    "counted",
]


@dataclass(frozen=True)
class Event:
    """Base of all events."""

    kind: ClassVar[str]

    def row(self) -> dict[str, Any]:
        """Return name, time (UTC) and fields."""
        return {"event": self.kind, "time": _now()} | asdict(self)


Tell = Callable[[Event], None]


@dataclass(frozen=True)
class Note(Event):
    """A line that is only for people."""

    kind = "note"
    text: str

    def __str__(self) -> str:
        return self.text


@dataclass(frozen=True)
class Staged(Event):
    """How far a stage of ``values`` is; ``count`` is 0 where nobody knows of how many."""

    kind = "staged"
    stage: str
    done: int
    count: int

    def __str__(self) -> str:
        return f"{self.stage}: {self.done:,}" + (f" of {self.count:,}" if self.count else "")


@dataclass(frozen=True)
class Warned(Event):
    """Something to look at; the work goes on. ``text`` begins with its name and a colon.

    ``trial`` or ``run`` say which trial of a sweep, or which run of its retraining or of an audit
    or that of ``pretraining``, it is about.
    """

    kind = "warning"
    text: str
    trial: int | None = None
    run: str | None = None

    def __str__(self) -> str:
        place = self.run if self.trial is None else f"trial {self.trial}"
        return f"{place}: {self.text}" if place else self.text


@dataclass(frozen=True)
class Started(Event):
    """A run, a sweep or an audit begins or goes on.

    Parameters
    ----------
    verb : {"train", "tune", "audit"}
        What was asked for.
    name, folder : str
        Of the run or sweep.
    epochs : int
        Ceiling of epochs of a run.
    objectives : dict of {"max", "min"}
        Metrics on validation-selection and which way is better.
    trials, minutes : int, float or None
        The budget of a sweep.
    at_once : int
        Trials side by side.
    seconds_spent : float
        Searching time of the sweep before it was resumed.
    """

    kind = "started"
    verb: str
    name: str
    folder: str
    epochs: int
    objectives: Mapping[str, str]
    trials: int | None = None
    minutes: float | None = None
    at_once: int = 1
    seconds_spent: float = 0.0

    def __str__(self) -> str:
        if self.verb != "tune":
            doing = "training" if self.verb == "train" else "auditing"
            return f"{doing} {self.name}: at most {self.epochs} epochs; results go to {self.folder}"
        asked = [(self.trials, "trial"), (self.minutes, "minute")]
        given = [counted(count, noun) for count, noun in asked if count is not None]
        budget, either = " or ".join(given), ", whichever ends first" if len(given) > 1 else ""
        return (
            f"sweep {self.name}: {budget}{either}, {self.at_once} at once; "
            f"results go to {self.folder}"
        )


@dataclass(frozen=True)
class Reported(Event):
    """An epoch or a horizon of a run has ended; fields as in ``metrics.jsonl``.

    ``run`` says which run of an audit, or that of ``pretraining``, it is of.
    """

    kind = "reported"
    epoch: int
    phase: str
    loss: float
    selection: Mapping[str, float]
    keep_rate: float | None = None
    adopted: str | None = None
    run: str | None = None

    def __str__(self) -> str:
        place = f"{self.run}  " if self.run else ""
        return f"{place}epoch {self.epoch:>4}  {self.phase:<8}  {self.numbers}"

    @property
    def numbers(self) -> str:
        """Loss, metric and, where a policy chooses, the share of triplets that it keeps."""
        metric = next(iter(self.selection.items()), None)
        parts = [f"loss {self.loss:.4f}"]
        parts += [f"{metric[0]} {metric[1]:.4f}"] if metric else []
        parts += [f"keep {self.keep_rate:.0%}"] if self.keep_rate is not None else []
        return "  ".join(parts)


@dataclass(frozen=True)
class TrialStarted(Event):
    """A trial begins or goes on; ``folder`` is its config's hash, ``values`` what was suggested."""

    kind = "trial_started"
    trial: int
    folder: str
    values: Mapping[str, Any]

    def __str__(self) -> str:
        values = ", ".join(f"{name} {_short(value)}" for name, value in self.values.items())
        return f"trial {self.trial} started  {values}"


@dataclass(frozen=True)
class TrialReported(Reported):
    """As `Reported`, of a trial."""

    kind = "trial_reported"
    trial: int = 0

    def __str__(self) -> str:
        return f"trial {self.trial} epoch {self.epoch}  {self.numbers}"


@dataclass(frozen=True)
class TrialEnded(Event):
    """A trial ends.

    Parameters
    ----------
    trial : int
        Its number.
    folder : str
        Its config's hash.
    status : {"finished", "stopped", "failed"}
        Stopped: by the scheduler or the end of the budget.
    objectives : dict
        At its best epoch; empty without any report.
    epochs : int
        Trained in all.
    seconds : float
        Training time.
    error : str
        Cause of a failure in one line.
    earlier : bool
        Whether it had ended before the sweep was resumed.
    """

    kind = "trial_ended"
    trial: int
    folder: str
    status: str
    objectives: Mapping[str, float]
    epochs: int
    seconds: float
    error: str = ""
    earlier: bool = False

    def __str__(self) -> str:
        numbers = [f"{name} {value:.4f}" for name, value in self.objectives.items()]
        parts = [f"trial {self.trial} {self.status}", f"epochs {self.epochs}", *numbers]
        parts += [f"{self.seconds:.0f} s"] + ([f"error: {self.error}"] if self.error else [])
        return "  ".join(parts)


@dataclass(frozen=True)
class Retraining(Event):
    """The winner, or its keep-all control, is trained on a fresh seed.

    Parameters
    ----------
    method : str
        ``keep-all`` for the control.
    seed : int
        The fresh seed.
    status : {"waiting", "running", "finished"}
        Of this run.
    epoch, epochs : int
        Trained so far, and the ceiling.
    done, runs : int
        Runs that have finished, and all.
    """

    kind = "retraining"
    method: str
    seed: int
    status: str
    epoch: int
    epochs: int
    done: int
    runs: int

    def __str__(self) -> str:
        ended = f"{self.status}  epoch {self.epoch}  ({self.done} of {self.runs} runs done)"
        return f"retraining {self.method} seed {self.seed} {ended}"


@dataclass(frozen=True)
class Finished(Event):
    """The result of a verb; its fields stand beside name and time."""

    kind = "finished"
    result: Mapping[str, Any] = field(default_factory=dict)

    def row(self) -> dict[str, Any]:
        """Return name, time and the result's fields."""
        return {"event": self.kind, "time": _now(), **self.result}

    def __str__(self) -> str:
        return "finished"


@dataclass(frozen=True)
class Failed(Event):
    """The verb ends without a result; ``exit_code`` as in the README."""

    kind = "failed"
    error: str
    exit_code: int

    def __str__(self) -> str:
        return self.error


def counted(count: float, noun: str) -> str:
    """Return a number with its noun: ``1 trial``, ``2 trials``."""
    return f"{count:g} {noun}{'' if count == 1 else 's'}"


def _now() -> str:
    now = time.time()
    return time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(now)) + f".{int(now % 1 * 1000):03d}Z"


def _short(value: Any) -> str:
    return f"{value:.4g}" if isinstance(value, float) else str(value)
