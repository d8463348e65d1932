"""What a sweep lost to faults, how its trials went on, and how many of them: told and counted."""

from __future__ import annotations

import threading
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from dvr_ray.distributed.departures import leaving, living, node_names
from dvr_ray.distributed.mailbox import Notice
from dvr_ray.events import counted
from dvr_ray.training.checkpoint import last_epoch
from dvr_ray.training.stored import finished
from dvr_ray.tuning.manifest import Manifest

__all__ = ["Faults"]

LOOK_SECONDS, GATHER_SECONDS, DOUBT_SECONDS = 1.0, 2.0, 15.0


@dataclass(frozen=True)
class _Lost:
    """A run that lost its process; what is told if its node turns out to live."""

    epoch: int  # of its checkpoint; 0 without one
    what: str
    alone: Callable[[str], None]
    since: float = field(default_factory=time.monotonic)


class Faults:
    """Tells what was lost; trials that a node takes with it are gathered into one line.

    Everything is also kept in ``manifest.json``, over all resumptions.

    Parameters
    ----------
    manifest : Manifest
        Of the sweep.
    warn : callable
        Takes a line for the user.

    Attributes
    ----------
    leaving : set of str
        Ids of nodes that were given notice.
    """

    def __init__(self, manifest: Manifest, warn: Callable[[str], None]) -> None:
        self._manifest, self._warn = manifest, warn
        self.leaving: set[str] = set()
        self._looked = 0.0
        self._one = threading.Lock()
        self._lost: dict[str, list[_Lost]] = {}  # by the node where they were

    def look(self) -> set[str]:
        """Look at most once a second who leaves, and tell what is known now; nodes that are new."""
        now = time.monotonic()
        if now - self._looked < LOOK_SECONDS:
            return set()
        self._looked = now
        fresh = leaving().keys() - self.leaving
        self.leaving |= fresh
        with self._one:
            self._tell_lost()
        return fresh

    def process_lost(
        self,
        folder: Path,
        node: str,
        alone: Callable[[str], None],
        what: str = "lost process",
    ) -> None:
        """Take a run that lost its process, or its workers; any thread may tell.

        Parameters
        ----------
        folder : Path
            Of the run.
        node : str
            The node that may be lost too, which the head learns only some seconds later; "" for
            none.
        alone : callable
            Takes in words how the run goes on, if the process alone was lost.
        what : str
            What it is counted as then.
        """
        epoch = last_epoch(folder / "checkpoints")
        with self._one:
            if node:
                self._lost.setdefault(node, []).append(_Lost(epoch, what, alone))
            else:
                alone(self._count(what, [epoch]))

    def workers_changed(self, notice: Notice, tell: Callable[[str], None]) -> None:
        """Take what happened to the workers of a run; ``tell`` takes it in words."""
        if notice.next:
            folder = Path(notice.folder)
            self.process_lost(
                folder, notice.node, lambda how: tell(f"{notice.text}; {how}"), "lost workers"
            )
        else:
            tell(notice.text)

    def close(self) -> None:
        """Tell what is still open."""
        with self._one:
            self._tell_lost(at_once=True)

    def _tell_lost(self, at_once: bool = False) -> None:
        living_now = living() if self._lost else set()
        for node, runs in list(self._lost.items()):
            waited = time.monotonic() - runs[0].since
            if node in self.leaving or node not in living_now:
                if at_once or waited >= GATHER_SECONDS:
                    del self._lost[node]
                    what = f"node {node_names().get(node, node)} left"
                    how = self._count(what, [run.epoch for run in runs], " elsewhere")
                    self._warn(f"{what}: {how}")
            elif at_once or waited >= DOUBT_SECONDS:
                del self._lost[node]
                for run in runs:
                    run.alone(self._count(run.what, [run.epoch]))

    def _count(self, what: str, epochs: list[int], where: str = "") -> str:
        """Count a fault; return in words how runs with these checkpoints go on."""
        resumed = sum(epoch > 0 for epoch in epochs)
        found: list[dict[str, Any]] = self._manifest.content.setdefault("faults", [])
        found.append({"what": what, "resumed": resumed, "restarted": len(epochs) - resumed})
        self._manifest.write()
        return _how_they_go_on(resumed, len(epochs) - resumed, where)

    def resumed(self, trials: Path) -> str:
        """Count the end of a driver before its search had ended; return how its trials go on."""
        folders = [trials / name for name in self._manifest.content.get("order", [])]
        done = [folder for folder in folders if finished(folder) is not None]
        opened = [folder for folder in folders if folder not in done]
        kept = f"{counted(len(done), 'trial')} finished before"
        if self._manifest.content.pop("counts", None) is None:
            epochs = [last_epoch(folder / "checkpoints") for folder in opened]
            how = self._count("the driver ended", epochs)
            return f"{kept}; {how}" if opened else kept
        return kept

    def summary(self) -> str:
        """Return all faults of the sweep in one line; empty without any."""
        self.close()
        found = self._manifest.content.get("faults", [])
        kinds = Counter(each["what"] for each in found)
        named = ", ".join(f"{what} ({n} times)" if n > 1 else what for what, n in kinds.items())
        resumed, restarted = (sum(each[key] for each in found) for key in ("resumed", "restarted"))
        went_on = f"went on from a checkpoint: {resumed}, began again: {restarted}"
        return f"{named}; {went_on}" if found else ""


def _how_they_go_on(resumed: int, restarted: int, where: str) -> str:
    """Say how many trials go on from a checkpoint, and how many have none yet."""
    from_there = "its checkpoint" if resumed == 1 else "their checkpoints"
    parts = [f"{counted(resumed, 'trial')} {_go(resumed)} on{where} from {from_there}"]
    again = "begins" if restarted == 1 else "begin"
    parts = parts if resumed or not restarted else []
    parts += [f"{counted(restarted, 'trial')} {again} again"] if restarted else []
    return ", ".join(parts)


def _go(count: int) -> str:
    return "goes" if count == 1 else "go"
