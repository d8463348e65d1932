"""What a run's folder says about it: its result, its rows, or why it failed."""

from __future__ import annotations

import json
import traceback
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor

from dvr_ray.errors import CheckpointError, DivergedError, DvrRayError, masked
from dvr_ray.files import patient, placed
from dvr_ray.training.checkpoint import write_json

__all__ = [
    "Failure",
    "damaged",
    "drop_after",
    "finished",
    "note_failure",
    "read_failure",
    "read_rows",
    "read_tensors",
]

RESULT, ROWS, FAILURE = "result.json", "metrics.jsonl", "failure.json"
MODEL, VALUATOR, VALUES = "model.safetensors", "valuator.safetensors", "values.parquet"
HISTORY = "valuator-history.safetensors"
WIDTH = 300


@dataclass(frozen=True)
class Failure:
    """Why a run failed.

    Parameters
    ----------
    cause : str
        In one line.
    final : bool
        Whether training it again would fail again, as with a loss that is no longer finite. Lost
        processes, a full disk or somebody's component may be mended.
    trace : str
        Where it was raised, for the log; empty where its message says all.
    """

    cause: str
    final: bool = False
    trace: str = ""

    @classmethod
    def of(cls, error: BaseException) -> Failure:
        """Describe an exception in one line: by its message, unless it's ours also by its kind."""
        if isinstance(error, DvrRayError):
            # What other processes raised comes with its trace in a note.
            trace = "".join(getattr(error, "__notes__", ()))
            return cls(str(error), isinstance(error, DivergedError), trace)
        told = masked(" ".join(str(error).split()))
        kind = type(error).__name__
        trace = masked("".join(traceback.format_exception(error)))
        return cls(f"{kind}: {told[:WIDTH]}" if told else kind, False, trace)


def finished(folder: Path) -> dict[str, Any] | None:
    """Return the result of a finished run, None where there is none.

    Raises
    ------
    CheckpointError
        If ``result.json`` is damaged.
    """
    path = folder / RESULT
    mend = "delete it to train this run again"
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return None
    except (OSError, ValueError) as error:
        raise CheckpointError(str(path), f"can't be read ({error})", mend) from error
    sound = isinstance(found, dict) and isinstance(found.get("selection"), dict)
    if not (sound and isinstance(found.get("best_epoch"), int)):
        raise CheckpointError(str(path), "must hold selection and best_epoch", mend)
    return dict(found)


def read_rows(folder: Path) -> list[dict[str, Any]]:
    """Return the rows of ``metrics.jsonl`` up to the first damaged line, as a kill leaves one."""
    rows = []
    path = folder / ROWS
    if path.exists():
        for line in path.read_text(encoding="utf-8", errors="replace").splitlines():
            try:
                row = json.loads(line)
                rows.append({**row, "epoch": int(row["epoch"]), "selection": {**row["selection"]}})
            except (ValueError, TypeError, LookupError):
                break
    return rows


@patient
def drop_after(folder: Path, epoch: int) -> None:
    """Drop rows that were logged after the epoch that the run goes on from."""
    kept = [row for row in read_rows(folder) if row["epoch"] <= epoch]
    with placed(folder / ROWS) as temporary:
        temporary.write_text("".join(json.dumps(row) + "\n" for row in kept), encoding="utf-8")


def note_failure(folder: Path, failure: Failure) -> None:
    """Write ``failure.json``; a run whose process never came up has no folder yet."""
    folder.mkdir(parents=True, exist_ok=True)
    write_json(
        folder / FAILURE,
        {
            "status": "failed",
            "error": failure.cause,
            "final": failure.final,
            "trace": failure.trace,
        },
    )


def read_failure(folder: Path) -> Failure | None:
    """Return why a run failed; None where it didn't, or the note can't be read."""
    try:
        found = json.loads((folder / FAILURE).read_text(encoding="utf-8"))
        return Failure(str(found["error"]), found["final"] is True, str(found["trace"]))
    except (OSError, ValueError, LookupError, TypeError):
        return None


def read_tensors(folder: Path, name: str) -> dict[str, Tensor]:
    """Read one of a run's files of tensors.

    Raises
    ------
    CheckpointError
        If it can't be read.
    """
    try:
        found: dict[str, Tensor] = load_file(folder / name)
    except (OSError, RuntimeError, SafetensorError) as error:
        raise damaged(folder, name, str(error)) from error
    return found


def damaged(folder: Path, name: str, reason: str) -> CheckpointError:
    """Say that a file of a run can't be read."""
    return CheckpointError(
        str(folder / name),
        f"can't be read ({' '.join(reason.split())[:200]})",
        f"delete {folder} and train this run again",
    )
