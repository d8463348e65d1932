"""Checkpoints: tensors as safetensors, all else as JSON, one folder per epoch.

A checkpoint is written to a temporary name and renamed, so that a folder ``epoch-000012`` is
whole or absent. The last two are kept; a damaged one falls back to the one before.
"""

from __future__ import annotations

import errno
import json
import os
import re
import shutil
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import Tensor

from dvr_ray.errors import CheckpointError
from dvr_ray.files import patient, placed, temporary_name

__all__ = ["Progress", "Stored", "last_epoch", "newest", "save", "write_json", "write_tensors"]

FORMAT = 3
KEPT = 2


@dataclass
class Progress:
    """Where a run stands; all that isn't a tensor.

    Parameters
    ----------
    epoch : int
        Epochs done.
    horizon : int
        Horizons done.
    best : float or None
        Best metric on validation-selection so far, oriented so that more is better.
    best_epoch : int
        Its epoch.
    best_metrics : dict
        All metrics on validation-selection at that epoch.
    stale : int
        Reports since.
    seconds : float
        Time spent.
    warned : list of str
        Monitors that have warned.
    recent : list of [float, float]
        Loss and metric of the last reports, for the monitor of misalignment.
    """

    epoch: int = 0
    horizon: int = 0
    best: float | None = None
    best_epoch: int = 0
    best_metrics: dict[str, float] = field(default_factory=dict)
    stale: int = 0
    seconds: float = 0.0
    warned: list[str] = field(default_factory=list)
    recent: list[list[float]] = field(default_factory=list)


@dataclass(frozen=True)
class Stored:
    """A checkpoint as read: progress and tensors by name."""

    progress: Progress
    tensors: dict[str, Tensor]


class _DamagedError(CheckpointError):
    """A checkpoint that can't be read; the one before may be whole."""


@patient
def write_json(path: Path, content: Any) -> None:
    """Write JSON to a temporary name and move it into place."""
    with placed(path) as temporary:
        temporary.write_text(json.dumps(content, indent=1) + "\n", encoding="utf-8")


@patient
def write_tensors(path: Path, tensors: dict[str, Tensor]) -> None:
    """Write tensors as safetensors to a temporary name and move them into place.

    Raises
    ------
    OSError
        If they can't be written; safetensors has an error of its own for a full disk.
    """
    with placed(path) as temporary:
        try:
            save_file({k: v.detach().cpu().contiguous() for k, v in tensors.items()}, temporary)
        except SafetensorError as error:
            told = re.search(r"os error (\d+)", str(error))
            code = int(told[1]) if told else errno.EIO
            raise OSError(code, os.strerror(code), str(path)) from error


@patient
def save(
    folder: Path, progress: Progress, tensors: dict[str, Tensor], identity: dict[str, str]
) -> Path:
    """Write one checkpoint.

    Parameters
    ----------
    folder : Path
        Holds the checkpoints of one run.
    progress, tensors
        The state.
    identity : dict of str
        What the checkpoint belongs to: hashes of config and data.

    Returns
    -------
    Path
        The new checkpoint's folder.
    """
    final = folder / f"epoch-{progress.epoch:06d}"
    temporary = temporary_name(final)
    shutil.rmtree(temporary, ignore_errors=True)
    temporary.mkdir(parents=True)
    try:
        write_tensors(temporary / "state.safetensors", tensors)
        write_json(
            temporary / "state.json",
            {"format": FORMAT, "identity": identity, "progress": asdict(progress)},
        )
        shutil.rmtree(final, ignore_errors=True)
        temporary.rename(final)
    finally:
        shutil.rmtree(temporary, ignore_errors=True)
    for old in _checkpoints(folder)[KEPT:]:
        shutil.rmtree(old, ignore_errors=True)
    return final


def newest(folder: Path, identity: dict[str, str]) -> tuple[Stored | None, list[str]]:
    """Read the newest checkpoint that isn't damaged.

    Parameters
    ----------
    folder : Path
        Holds the checkpoints of one run; may be missing.
    identity : dict of str
        What the checkpoint must belong to.

    Returns
    -------
    tuple of Stored or None, list of str
        None where there is none; and a line for each damaged one that was passed over.

    Raises
    ------
    CheckpointError
        If all are damaged, or the one found is of another format, config or data set.
    """
    damaged: list[_DamagedError] = []
    for path in _checkpoints(folder):
        try:
            found = _read(path, identity)
        except _DamagedError as error:
            damaged.append(error)
        else:
            return found, [f"{e.place}: {e.rule}; went on from {path.name}" for e in damaged]
    if damaged:
        raise damaged[0]
    return None, []


def last_epoch(folder: Path) -> int:
    """Return the epoch of the newest checkpoint in a folder, whole or damaged; 0 without any."""
    found = _checkpoints(folder)
    return int(found[0].name.removeprefix("epoch-")) if found else 0


def _checkpoints(folder: Path) -> list[Path]:
    """Return the checkpoints of a run, newest first."""
    return sorted(folder.glob("epoch-*"), reverse=True)


def _read(path: Path, identity: dict[str, str]) -> Stored:
    try:
        described = json.loads((path / "state.json").read_text(encoding="utf-8"))
        _check(path, described["format"], described["identity"], identity)
        progress = Progress(**described["progress"])
        return Stored(progress, load_file(path / "state.safetensors"))
    except (OSError, ValueError, LookupError, TypeError, SafetensorError) as error:
        cause = " ".join(str(error).split())
        raise _DamagedError(
            str(path), f"damaged checkpoint ({cause})", "delete this folder to go on without it"
        ) from error


def _check(path: Path, form: int, found: dict[str, str], wanted: dict[str, str]) -> None:
    if form != FORMAT:
        raise CheckpointError(
            str(path), f"must be of format {FORMAT}, got {form}", "train anew with another --out"
        )
    for name, value in wanted.items():
        if found.get(name) != value:
            raise CheckpointError(
                str(path),
                f"belongs to another {name}, got {found.get(name)} instead of {value}",
                "use another --out",
            )
