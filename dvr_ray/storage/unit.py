"""One folder of a working folder, a run's or what lies beside runs: what was copied of it, and how.

Files go in the order of `LAST`, see `dvr_ray.storage.mirror`.
"""

from __future__ import annotations

import contextlib
import json
from collections.abc import Iterable, Iterator
from concurrent.futures import FIRST_EXCEPTION, ThreadPoolExecutor, wait
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path
from typing import Any

from dvr_ray.files import placed
from dvr_ray.storage.address import Stamp, Storage
from dvr_ray.storage.fetching import download_all

__all__ = ["CHECKPOINTS", "STATE", "Record", "Unit", "last"]

RECORD, LOCK = ".stored.json", ".stored.lock"
CHECKPOINTS, STATE = "checkpoints", "state.json"
# All others come before these.
LAST = (STATE, "result.json", "values.json", "searcher.pkl", "manifest.json", "final.json")
AT_ONCE = 8


class Record:
    """What was copied of a folder: stamps there and here by name."""

    def __init__(self, path: Path, copied: dict[str, tuple[Stamp, Stamp]]) -> None:
        self._path, self.copied = path, copied

    @classmethod
    def read(cls, folder: Path) -> Record:
        """Read it; without one, or with a damaged one, nothing was copied."""
        path = folder / RECORD
        try:
            found: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
            return cls(path, {n: (_pair(each[0]), _pair(each[1])) for n, each in found.items()})
        except (OSError, ValueError, LookupError, TypeError):
            return cls(path, {})

    def write(self) -> None:
        """Write it."""
        with placed(self._path) as temporary:
            temporary.write_text(json.dumps(self.copied), encoding="utf-8")

    def changed(self, here: dict[str, Stamp]) -> list[str]:
        """Return the names of files that aren't as they were when they were copied."""
        return [
            n for n, stamp in here.items() if n not in self.copied or self.copied[n][1] != stamp
        ]


@dataclass(frozen=True)
class Unit:
    """A run, or what lies beside runs: there, and here."""

    storage: Storage
    folder: Path

    @contextmanager
    def _recorded(self) -> Iterator[Record]:
        """Hold the folder against other copying, and write down how far it came."""
        from filelock import FileLock

        self.folder.mkdir(parents=True, exist_ok=True)
        with FileLock(self.folder / LOCK):
            record = Record.read(self.folder)
            before = dict(record.copied)
            try:
                yield record
            finally:
                if record.copied != before:
                    record.write()

    def fetch(self, there: dict[str, Stamp], light: bool) -> int:
        """Take over what has changed there, perhaps without checkpoints; return how many files."""
        with self._recorded() as record:
            copied = record.copied
            for name in [name for name in copied if name not in there]:
                self._remove(name, copied.pop(name)[1])
            wanted = [n for n, stamp in there.items() if n not in copied or copied[n][0] != stamp]
            if light:
                wanted = [name for name in wanted if CHECKPOINTS not in name.split("/")]
            for group in _ordered(wanted):
                download_all(self.storage, {n: there[n] for n in group}, self.folder)
                copied |= {name: (there[name], _here(self.folder / name)) for name in group}
            return len(wanted)

    def _remove(self, name: str, copied: Stamp) -> None:
        """Remove what was removed there, unless it has changed here since it was copied."""
        path = self.folder / name
        with contextlib.suppress(OSError):
            if _here(path) == copied:
                path.unlink()
                path.parent.rmdir()  # of a checkpoint

    def push(self, here: dict[str, Stamp]) -> None:
        """Copy what has changed here, and remove there what is gone."""
        with self._recorded() as record:
            copied, changed = record.copied, record.changed(here)
            gone = [n for n in copied if n not in here and not (self.folder / n).exists()]
            # A checkpoint that is replaced isn't whole meanwhile.
            gone += [n for n in changed if last(n) == STATE and n in copied]
            for group in reversed(_ordered(gone)):
                for name in group:
                    self.storage.delete(name)
                    del copied[name]
            for group in _ordered(changed):
                self._upload(group, here, copied)

    def _upload(
        self, names: list[str], here: dict[str, Stamp], copied: dict[str, tuple[Stamp, Stamp]]
    ) -> None:
        """Copy files, several at once, and remember those that were; stop at the first fault."""
        with ThreadPoolExecutor(AT_ONCE) as pool:
            sending = {name: pool.submit(self._sent, name) for name in names}
            wait(sending.values(), return_when=FIRST_EXCEPTION)
            pool.shutdown(cancel_futures=True)
        ended = {name: each for name, each in sending.items() if not each.cancelled()}
        faults = [error for each in ended.values() if (error := each.exception())]
        present = [n for n, each in ended.items() if not each.exception() and each.result()]
        stamps = self.storage.stamps(present)
        copied |= {n: (stamp, here[n]) for n, stamp in zip(present, stamps, strict=True)}
        for error in faults:
            raise error

    def _sent(self, name: str) -> bool:
        """Copy a file; False where it is gone, as old checkpoints are."""
        try:
            self.storage.upload(self.folder / name, name)
        except FileNotFoundError:
            return False
        return True


def _here(path: Path) -> Stamp:
    stat = path.stat()
    return stat.st_size, stat.st_mtime_ns


def _ordered(names: Iterable[str]) -> list[list[str]]:
    """Groups of names, in the order of `LAST`."""

    def rank(name: str) -> int:
        end = last(name)
        return LAST.index(end) + 1 if end in LAST else 0

    return [list(group) for _, group in groupby(sorted(names, key=rank), rank)]


def _pair(found: Any) -> Stamp:
    size, changed = found
    return int(size), int(changed)


def last(name: str) -> str:
    """Return the last part of a name."""
    return name.rpartition("/")[2]
