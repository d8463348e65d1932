"""What the files of a result folder may say, checked when they are read.

Keys that a report doesn't show are ignored, so that results of a newer version can be read.
"""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any, Literal, TypeVar

import pydantic
from pydantic import BaseModel, ConfigDict

from dvr_ray.errors import CheckpointError

__all__ = [
    "Final",
    "Manifest",
    "Report",
    "Result",
    "read_model",
    "read_reports",
    "read_text",
]

MEND = "restore it from a copy, or run this again with another --out"


class _Stored(BaseModel):
    model_config = ConfigDict(frozen=True, extra="ignore", coerce_numbers_to_str=True)


class Budget(_Stored):
    """What a sweep was allowed, and what it spent."""

    trials: int | None = None
    minutes: float | None = None
    seconds_spent: float = 0.0

    @property
    def described(self) -> str:
        """``12 trials or 3 minutes``: whichever ends first."""
        allowed = [f"{self.trials} trials"] if self.trials is not None else []
        allowed += [f"{self.minutes:g} minutes"] if self.minutes is not None else []
        return " or ".join(allowed) or "unknown"


class Look(_Stored):
    """One look at the test part."""

    when: str = ""
    what: str = ""


class Manifest(_Stored):
    """``manifest.json`` of a sweep."""

    name: str = "sweep"
    created: str = ""
    versions: dict[str, str] = {}
    data_fingerprint: str = ""
    space_hash: str = ""
    seeds: dict[str, Any] = {}
    objectives: tuple[str, ...]
    directions: dict[str, Literal["maximize", "minimize"]] = {}
    budget: Budget = Budget()
    looks_at_test: int = 0
    test_looks: tuple[Look, ...] = ()


class Final(_Stored):
    """``final.json``: the winner on fresh seeds, one test value per seed."""

    winner: str
    method: str = "dvr"
    seeds: tuple[int, ...] = ()
    selection: dict[str, float] = {}
    test: dict[str, dict[str, tuple[float, ...]]] = {}


class Result(_Stored):
    """``result.json`` of a finished run."""

    status: str = "finished"
    epoch: int = 0
    best_epoch: int = 0
    selection: dict[str, float] = {}
    seconds: float = 0.0
    auc: dict[str, float] = {}


class Report(_Stored):
    """One line of ``metrics.jsonl``.

    Where the do-no-harm gate compares, ``valued`` and ``keep_all`` are what the model with values
    and its control measured, and ``selection`` is that of the ``adopted`` one. Monitors are
    numbers or lists of numbers; whatever else stands there is not shown.
    """

    epoch: int
    phase: str = ""
    loss: float | None = None
    selection: dict[str, float] = {}
    reward: dict[str, float | None] = {}
    keep_rate: float | None = None
    valued: dict[str, float] = {}
    keep_all: dict[str, float] = {}
    adopted: str = ""
    seconds: float = 0.0
    monitors: dict[str, Any] = {}
    warnings: tuple[str, ...] = ()

    @property
    def health(self) -> dict[str, Any]:
        """Monitors and the keep rate."""
        kept = {} if self.keep_rate is None else {"keep_rate": self.keep_rate}
        return kept | self.monitors

    @property
    def numbers(self) -> dict[str, list[float]]:
        """What of `health` is a finite number or a list of such."""
        found = {name: _finite(value) for name, value in self.health.items()}
        return {name: numbers for name, numbers in found.items() if numbers}


StoredT = TypeVar("StoredT", bound=_Stored)


def _finite(value: Any) -> list[float]:
    """Read a monitor; empty where it is neither a number nor a list of numbers."""
    entries = value if isinstance(value, list) else [value]
    plain = [e for e in entries if isinstance(e, int | float) and not isinstance(e, bool)]
    finite = [float(entry) for entry in plain if math.isfinite(entry)]
    return finite if len(finite) == len(entries) else []


def read_text(path: Path) -> str:
    """Read a UTF-8 file.

    Raises
    ------
    CheckpointError
        If it is missing or can't be read.
    """
    try:
        return path.read_text(encoding="utf-8")
    except FileNotFoundError as error:
        raise CheckpointError(str(path), "no such file", MEND) from error
    except UnicodeDecodeError as error:
        byte = error.object[error.start]
        raise CheckpointError(str(path), f"must be UTF-8, got byte {byte:#x}", MEND) from error
    except OSError as error:
        raise CheckpointError(str(path), f"can't be read ({error.strerror})", MEND) from error


def read_model(path: Path, model: type[StoredT]) -> StoredT:
    """Read a JSON file.

    Raises
    ------
    CheckpointError
        If it is missing, not JSON, or a field has another type; names file and field.
    """
    return _parsed(read_text(path), model, str(path))


def read_reports(path: Path) -> tuple[Report, ...]:
    """Read ``metrics.jsonl``; none where the file is missing, without a torn last line.

    Raises
    ------
    CheckpointError
        If another line is damaged; names file and line.
    """
    if not path.exists():
        return ()
    text = read_text(path)
    lines = text.splitlines()
    found = []
    for number, line in enumerate(lines, start=1):
        try:
            found.append(_parsed(line, Report, f"{path}:{number}"))
        except CheckpointError:
            # A run that was killed while writing leaves half a line without an end.
            if number == len(lines) and not text.endswith("\n"):
                break
            raise
    return tuple(found)


def _parsed(text: str, model: type[StoredT], place: str) -> StoredT:
    try:
        return model.model_validate(json.loads(text))
    except json.JSONDecodeError as error:
        raise CheckpointError(place, f"not valid JSON ({error.msg})", MEND) from error
    except pydantic.ValidationError as error:
        first = error.errors()[0]
        field = ".".join(map(str, first["loc"]))
        got = repr(first["input"])
        rule = f"{first['msg'][0].lower()}{first['msg'][1:]}, got {got[:60]}"
        raise CheckpointError(f"{place}: {field}" if field else place, rule, MEND) from error
