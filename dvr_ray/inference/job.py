"""Values of a whole log, from reading it to ``values.json``, resumable at every block."""

from __future__ import annotations

import hashlib
import json
import shutil
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch

from dvr_ray.data.features.feature import DYNAMIC, EXACT_ROWS
from dvr_ray.errors import ConfigError
from dvr_ray.files import clear_leftovers, holds
from dvr_ray.inference.blocks import BLOCK_ROWS, Blocks
from dvr_ray.inference.features import exact_features, needs_times, staged_features
from dvr_ray.inference.matching import OtherLog
from dvr_ray.inference.ranking import RankedParts, identity_of, part_name, sort_values
from dvr_ray.inference.reading import TrainingLog
from dvr_ray.inference.stages import LEAST_ROWS, SHOWN, BlockLosses, ValuedBlocks
from dvr_ray.inference.work import Engine, InProcess, Stage, Work
from dvr_ray.training.checkpoint import write_json
from dvr_ray.training.opened import OpenedRun

__all__ = ["MANIFEST", "Valuation", "check_values_folder", "read_manifest", "value_log"]

MANIFEST = "values.json"
WORK, IDENTITY, READ = ".work", "identity.json", "read.json"
FORMAT = 1
FEW = 16
"""Blocks that are ranked in this process."""
Tell = Callable[[str, int, int], None]


@dataclass(frozen=True)
class Valuation:
    """What is to be valued, by what.

    Parameters
    ----------
    run : OpenedRun
        Whose valuator.
    log : TrainingLog or OtherLog
        The rows.
    out : Path
        Folder of the results.
    passes : int
        Random partitions into batches that values are averaged over.
    block_rows, exact_rows : int
        Rows of a block, about; rows up to which features are exact.
    """

    run: OpenedRun
    log: TrainingLog | OtherLog
    out: Path
    passes: int = 4
    block_rows: int = BLOCK_ROWS
    exact_rows: int = EXACT_ROWS

    def check(self) -> None:
        """Refuse what can't be valued, before anything is read.

        Raises
        ------
        CheckpointError
            If the run learned no valuator.
        ConfigError
            If its inputs aren't features of rows.
        """
        _ = self.run.valuing
        for name in self.run.config.encoder.features:
            if name in DYNAMIC:
                raise ConfigError(
                    str(self.run.folder / "config.yaml"),
                    f"values of a whole log need features of its rows, got {name} in "
                    "encoder.features, which the run standardised over its own rows",
                    "train with other features",
                )

    def identity(self, about: dict[str, Any]) -> str:
        """Sixteen hex digits, equal for equal runs, logs and options."""
        options = [FORMAT, self.run.identity, about["fingerprint"], self.passes]
        options += [self.block_rows, self.exact_rows, self._skips]
        return hashlib.sha256(json.dumps(options).encode()).hexdigest()[:16]

    @property
    def _skips(self) -> bool:
        return isinstance(self.log, OtherLog) and self.log.skip_unknown


def value_log(wanted: Valuation, engine: Engine, tell: Tell) -> dict[str, Any]:
    """Value all rows of a log.

    Parameters
    ----------
    wanted : Valuation
        What is to be done.
    engine : Engine
        Runs the stages.
    tell : callable
        Takes the name of a stage, how many rows are done, and of how many; 0 where that isn't
        known.

    Returns
    -------
    dict
        The content of ``values.json``.

    Raises
    ------
    ConfigError
        If the folder holds something else.
    DataError
        If the log can't be read, or doesn't fit the run.
    """
    wanted.check()
    about = wanted.log.about
    identity = wanted.identity(about)
    done = check_values_folder(wanted.out, identity)
    if done is not None:
        return done
    torch.set_num_threads(1)
    began = time.monotonic()
    work = _opened_work(wanted, identity)
    try:
        dropped = _read(wanted, work, tell)
    except BaseException:
        # What can't be read leaves nothing behind; what was read of it would be read anew.
        shutil.rmtree(work.folder)
        raise

    def go(stage: Stage, count: int) -> None:
        missing = [number for number in range(count) if not stage.done(number)]
        tell(stage.name, count - len(missing), count)
        # What is done at once isn't worth the start of workers.
        few = len(missing) <= (FEW if isinstance(stage, RankedParts) else 1)
        runs = (InProcess() if few else engine).run(stage, missing)
        for done, _ in enumerate(runs, start=count - len(missing) + 1):
            tell(stage.name, done, count)

    _value(wanted, work, identity, go)
    seconds = time.monotonic() - began
    manifest = _manifest(wanted, work, about, identity, dropped, seconds)
    write_json(wanted.out / MANIFEST, manifest)
    shutil.rmtree(work.folder)
    return manifest


def check_values_folder(folder: Path, identity: str) -> dict[str, Any] | None:
    """Return the manifest of complete results, None where there are none or not all.

    Raises
    ------
    ConfigError
        If the folder holds something else, or other values.
    """
    stored = stored_identity(folder)
    if stored is None:
        holds(folder, f"{WORK}/{IDENTITY}", "values")
    if stored is not None and stored != identity:
        raise ConfigError(
            str(folder), "holds values of another run or log, or with other options",
            "use another --out",
        )  # fmt: skip
    manifest = read_manifest(folder)
    if manifest is None:
        return None
    parts = range(manifest["parts"])
    whole = all(identity_of(folder / part_name(number)) == identity for number in parts)
    return manifest if whole else None


def stored_identity(folder: Path) -> str | None:
    """Return the identity of the values that a folder holds, complete or not."""
    for path in (folder / WORK / IDENTITY, folder / MANIFEST):
        with suppress(OSError, ValueError, LookupError, TypeError):
            return str(json.loads(path.read_text(encoding="utf-8"))["identity"])
    return None


def read_manifest(folder: Path) -> dict[str, Any] | None:
    """Return the content of ``values.json``; None where there is none, or it isn't whole."""
    with suppress(OSError, ValueError):
        found = json.loads((folder / MANIFEST).read_text(encoding="utf-8"))
        return found if isinstance(found, dict) and "parts" in found else None
    return None


def _opened_work(wanted: Valuation, identity: str) -> Work:
    """Make the folder of work, or go on in it."""
    folder = wanted.out / WORK
    folder.mkdir(parents=True, exist_ok=True)
    clear_leftovers(folder)
    clear_leftovers(wanted.out)
    write_json(folder / IDENTITY, {"identity": identity})
    return Work(folder)


def _read(wanted: Valuation, work: Work, tell: Tell) -> dict[str, int]:
    """Read the log, and deal out its users to blocks; return what was left out."""
    path = work.folder / READ
    if not path.exists():
        timed = needs_times(list(wanted.run.config.encoder.features))
        read = wanted.log.read(work.folder / "log", timed, lambda rows: tell("rows read", rows, 0))
        blocks = Blocks.of(read.log.user_counts, wanted.block_rows, wanted.run.config.seed)
        work.save(blocks.users, "block users")
        work.save(blocks.starts, "block starts")
        write_json(path, read.dropped)
    return dict(json.loads(path.read_text(encoding="utf-8")))


def _value(wanted: Valuation, work: Work, identity: str, go: Callable[[Stage, int], None]) -> None:
    """Run the stages."""
    count, run = len(work.blocks), wanted.run
    exact = len(work.log) <= wanted.exact_rows
    losses = BlockLosses(work, run.folder)
    if not exact:
        staged_features(work, run, losses, go)
    elif not work.has("exact"):
        exact_features(work, run, losses)
        work.save(np.ones(1), "exact")
    valued = ValuedBlocks(work, run.folder, wanted.passes, exact)
    go(valued, count)
    sort_values(work, valued)
    go(RankedParts(work, valued, wanted.out, identity), count)


def _manifest(
    wanted: Valuation,
    work: Work,
    about: dict[str, Any],
    identity: str,
    dropped: dict[str, int],
    seconds: float,
) -> dict[str, Any]:
    """Say what was valued, and how."""
    log, blocks = work.log, work.blocks
    config = None if isinstance(wanted.log, TrainingLog) else wanted.log.config
    return {
        "identity": identity,
        "run": str(wanted.run.folder.absolute()),
        "run_identity": wanted.run.identity,
        "log": about,
        "data": None if config is None else config.model_dump(mode="json"),
        "rows": len(log),
        "users": int((log.user_counts > 0).sum()),
        "items": int((log.item_counts > 0).sum()),
        "dropped": dropped,
        "losses": "run" if about["training"] else "backbone",
        "features": "exact" if len(log) <= wanted.exact_rows else "sampled",
        "passes": wanted.passes,
        "parts": len(blocks),
        "seconds": round(seconds, 3),
        "lowest_users": _lowest_users(wanted, work),
        "lowest_items": _lowest_items(wanted, work),
    }


def _lowest_users(wanted: Valuation, work: Work) -> list[dict[str, Any]]:
    """Users with the lowest mean value, of those with some rows."""
    found = [work.load("lowest users", number) for number in range(len(work.blocks))]
    users, counts, means = np.concatenate(found, axis=1)
    order = np.argsort(means, kind="stable")[:SHOWN]
    ids = wanted.run.catalogue.users.ids
    return [
        {"user": _plain(ids[int(users[k])]), "rows": int(counts[k]), "value": float(means[k])}
        for k in order
        if np.isfinite(means[k])
    ]


def _lowest_items(wanted: Valuation, work: Work) -> list[dict[str, Any]]:
    """Items with the lowest mean value, of those with some rows."""
    counts, total = work.log.item_counts, np.zeros(work.log.num_items)
    for number in range(len(work.blocks)):
        total += work.load("item sums", number)
    means = np.where(counts >= LEAST_ROWS, total / np.maximum(counts, 1), np.inf)
    ids = wanted.run.catalogue.items.ids
    return [
        {"item": _plain(ids[k]), "rows": int(counts[k]), "value": float(means[k])}
        for k in np.argsort(means, kind="stable")[:SHOWN]
        if np.isfinite(means[k])
    ]


def _plain(identifier: Any) -> Any:
    """Return an id as JSON has it."""
    return identifier if isinstance(identifier, str) else int(identifier)
