"""A working folder on this machine, and its copy in a storage.

A folder of runs, such as that of a sweep, is copied run by run: every run (a folder with a
``config.yaml``) by the process that trains it, on whatever machine, and what lies beside them by
the driver. ``.stored.json`` in each of them says what was copied, so that only what has changed is
copied again, and that it is known on which side it has.

What must hold of the copy at any moment, since the copying may be cut short: a checkpoint with a
``state.json`` is whole; ``metrics.jsonl`` has all rows up to any checkpoint; a run with a
``result.json`` is whole; what ``searcher.pkl`` knows has ended lies there, as does a look at test
that ``final.json`` tells. So files go in the order of `LAST`, and are taken away backwards. What is
listed once is enough: files never change but by being replaced, and rows are only added.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import platform
from collections.abc import Iterable, Iterator
from concurrent.futures import FIRST_EXCEPTION, ThreadPoolExecutor, wait
from contextlib import contextmanager
from dataclasses import dataclass, replace
from itertools import groupby
from pathlib import Path, PurePosixPath
from typing import Any

from dvr_ray.errors import masked
from dvr_ray.events import Note, Tell
from dvr_ray.files import cache_folder, placed
from dvr_ray.storage.address import Stamp, Storage, local_files, name_of
from dvr_ray.storage.fetching import download_all, nobody

__all__ = ["Mirror"]

RECORD, LOCK = ".stored.json", ".stored.lock"
RUN = ("config.yaml", "failure.json")
CHECKPOINTS, STATE = "checkpoints", "state.json"
# All others come before these.
LAST = (STATE, "result.json", "values.json", "searcher.pkl", "manifest.json", "final.json")
AT_ONCE = 8


@dataclass(frozen=True)
class Mirror:
    """A run's or sweep's folder at an address; small enough to be sent to other machines.

    Parameters
    ----------
    address : str
        Of the whole sweep, study or run.
    below : str
        Which folder of it, with ``/`` between names; by default all of it.
    home : str
        Where the driver has its working folder.
    """

    address: str
    below: str = ""
    home: str = ""

    @classmethod
    def here(cls, address: str) -> Mirror:
        """Make a mirror whose driver is this process."""
        return replace(cls(address), home=cls(address)._place)

    @property
    def folder(self) -> Path:
        """The working folder: of this machine, whichever it is."""
        return self._root / self.below

    @property
    def at_home(self) -> bool:
        """Whether this process sees the driver's working folder."""
        return self._place == self.home

    @property
    def _root(self) -> Path:
        key = hashlib.sha256(self.address.encode()).hexdigest()[:12]
        return (cache_folder() / "working" / key / name_of(self.address)).resolve()

    @property
    def _place(self) -> str:
        return f"{platform.node()}:{self._root}"

    def of(self, folder: Path) -> Mirror:
        """Return the mirror of a folder below all of it."""
        return replace(self, below=folder.relative_to(self._root).as_posix())

    def fetch(self, tell: Tell = nobody, *, light: bool = False) -> None:
        """Take over what has changed there; a file that has changed on this side alone stays.

        Parameters
        ----------
        tell : callable
            Takes a note of what was fetched.
        light : bool
            Leave checkpoints where they are; who goes on training fetches them.

        Raises
        ------
        StorageError
            If it can't be read.
        """
        storage = self._storage()
        self.folder.mkdir(parents=True, exist_ok=True)
        units = _units(_whole(storage.files()))
        count = 0
        for unit in _runs_first(units):
            count += _Unit(storage.below(unit), self.folder / unit).fetch(units[unit], light)
        if count:
            tell(Note(f"fetched {count} file(s) from {masked(self.address)}"))

    def push(self, *, deep: bool = False) -> None:
        """Copy what has changed here, and remove there what was removed here.

        Parameters
        ----------
        deep : bool
            Runs below too; else those are left to whoever trains them.

        Raises
        ------
        StorageError
            If it can't be written; what was written is remembered.
        """
        storage = self._storage()
        units = _units(local_files(self.folder))
        for unit in _runs_first(units if deep else [""]):
            _Unit(storage.below(unit), self.folder / unit).push(units.get(unit, {}))

    def check(self) -> None:
        """Write a small file there and remove it.

        Raises
        ------
        StorageError
            If that can't be done.
        """
        storage, probe = self._storage(), self.folder / ".probe"
        self.folder.mkdir(parents=True, exist_ok=True)
        probe.write_text("dvr-ray\n", encoding="utf-8")
        storage.upload(probe, probe.name)
        storage.delete(probe.name)
        probe.unlink()

    def left(self) -> list[str]:
        """Return the files that have changed here since they were copied, runs' too."""
        units = _units(local_files(self.folder)).items()
        return [
            f"{unit}/{name}".lstrip("/")
            for unit, names in units
            for name in _Record.read(self.folder / unit).changed(names)
        ]

    def _storage(self) -> Storage:
        return Storage.open(self.address).below(self.below)


class _Record:
    """What was copied of a folder: stamps there and here by name."""

    def __init__(self, path: Path, copied: dict[str, tuple[Stamp, Stamp]]) -> None:
        self._path, self.copied = path, copied

    @classmethod
    def read(cls, folder: Path) -> _Record:
        """Read it; without one, or with a damaged one, nothing was copied."""
        path = folder / RECORD
        try:
            found: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
            return cls(path, {n: (_pair(each[0]), _pair(each[1])) for n, each in found.items()})
        except (OSError, ValueError, LookupError, TypeError):
            return cls(path, {})

    def write(self) -> None:
        with placed(self._path) as temporary:
            temporary.write_text(json.dumps(self.copied), encoding="utf-8")

    def changed(self, here: dict[str, Stamp]) -> list[str]:
        return [
            n for n, stamp in here.items() if n not in self.copied or self.copied[n][1] != stamp
        ]


@dataclass(frozen=True)
class _Unit:
    """A run, or what lies beside runs: there, and here."""

    storage: Storage
    folder: Path

    @contextmanager
    def _recorded(self) -> Iterator[_Record]:
        """Hold the folder against other copying, and write down how far it came."""
        from filelock import FileLock

        self.folder.mkdir(parents=True, exist_ok=True)
        with FileLock(self.folder / LOCK):
            record = _Record.read(self.folder)
            before = dict(record.copied)
            try:
                yield record
            finally:
                if record.copied != before:
                    record.write()

    def fetch(self, there: dict[str, Stamp], light: bool) -> int:
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
        with self._recorded() as record:
            copied, changed = record.copied, record.changed(here)
            gone = [n for n in copied if n not in here and not (self.folder / n).exists()]
            # A checkpoint that is replaced isn't whole meanwhile.
            gone += [n for n in changed if _last(n) == STATE and n in copied]
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


def _units(files: dict[str, Stamp]) -> dict[str, dict[str, Stamp]]:
    """Files by the run that they belong to, "" for those beside runs; names are from there."""
    runs = {name.rpartition("/")[0] for name in files if _last(name) in RUN}
    found: dict[str, dict[str, Stamp]] = {}
    for name, stamp in files.items():
        above = (str(each) for each in PurePosixPath(name).parents)
        unit = next((each for each in above if each in runs), "")
        found.setdefault(unit, {})[name.removeprefix(f"{unit}/")] = stamp
    return found


def _runs_first(units: Iterable[str]) -> list[str]:
    return sorted(units, reverse=True)


def _here(path: Path) -> Stamp:
    stat = path.stat()
    return stat.st_size, stat.st_mtime_ns


def _whole(files: dict[str, Stamp]) -> dict[str, Stamp]:
    """Leave out checkpoints that were cut short."""
    return {
        name: stamp
        for name, stamp in files.items()
        if CHECKPOINTS not in name.split("/") or f"{name.rpartition('/')[0]}/{STATE}" in files
    }


def _ordered(names: Iterable[str]) -> list[list[str]]:
    """Groups of names, in the order of `LAST`."""

    def rank(name: str) -> int:
        last = _last(name)
        return LAST.index(last) + 1 if last in LAST else 0

    return [list(group) for _, group in groupby(sorted(names, key=rank), rank)]


def _last(name: str) -> str:
    return name.rpartition("/")[2]


def _pair(found: Any) -> Stamp:
    size, changed = found
    return int(size), int(changed)
