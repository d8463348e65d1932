"""A working folder on this machine, and its copy in a storage.

A folder of runs, such as that of a sweep, is copied run by run: every run (a folder with a
``config.yaml``) by the process that trains it, on whatever machine, and what lies beside them by
the driver. ``.stored.json`` in each of them says what was copied, so that only what has changed is
copied again, and that it is known on which side it has.

What must hold of the copy at any moment, since the copying may be cut short: a checkpoint with a
``state.json`` is whole; ``metrics.jsonl`` has all rows up to any checkpoint; a run with a
``result.json`` is whole; what ``searcher.pkl`` knows has ended lies there, as does a look at test
that ``final.json`` tells. So files go in the order of `dvr_ray.storage.unit.LAST`, and are taken
away backwards. To list them once is enough: files never change but by being replaced, and rows are
only added.
"""

from __future__ import annotations

import hashlib
import platform
from collections.abc import Iterable
from dataclasses import dataclass, replace
from pathlib import Path, PurePosixPath

from dvr_ray.errors import masked
from dvr_ray.events import Note, Tell
from dvr_ray.files import cache_folder
from dvr_ray.storage.address import Stamp, Storage, local_files, name_of
from dvr_ray.storage.fetching import nobody
from dvr_ray.storage.unit import CHECKPOINTS, STATE, Record, Unit, last

__all__ = ["Mirror"]

RUN = ("config.yaml", "failure.json")


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
            count += Unit(storage.below(unit), self.folder / unit).fetch(units[unit], light)
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
            Unit(storage.below(unit), self.folder / unit).push(units.get(unit, {}))

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
            for name in Record.read(self.folder / unit).changed(names)
        ]

    def _storage(self) -> Storage:
        return Storage.open(self.address).below(self.below)


def _units(files: dict[str, Stamp]) -> dict[str, dict[str, Stamp]]:
    """Files by the run that they belong to, "" for those beside runs; names are from there."""
    runs = {name.rpartition("/")[0] for name in files if last(name) in RUN}
    found: dict[str, dict[str, Stamp]] = {}
    for name, stamp in files.items():
        above = (str(each) for each in PurePosixPath(name).parents)
        unit = next((each for each in above if each in runs), "")
        found.setdefault(unit, {})[name.removeprefix(f"{unit}/")] = stamp
    return found


def _runs_first(units: Iterable[str]) -> list[str]:
    return sorted(units, reverse=True)


def _whole(files: dict[str, Stamp]) -> dict[str, Stamp]:
    """Leave out checkpoints that were cut short."""
    return {
        name: stamp
        for name, stamp in files.items()
        if CHECKPOINTS not in name.split("/") or f"{name.rpartition('/')[0]}/{STATE}" in files
    }
