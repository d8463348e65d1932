"""What is read from a storage, as local files: copied once for a machine and a state there."""

from __future__ import annotations

import hashlib
import shutil
import time
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from dvr_ray.errors import StorageError, masked
from dvr_ray.events import Event, Note, Tell
from dvr_ray.files import cache_folder
from dvr_ray.storage.address import Stamp, Storage, is_address, name_of

__all__ = ["download_all", "fetched", "nobody"]

AT_ONCE = 8
TELL_SECONDS = 5.0
TRIES = 3


def nobody(event: Event) -> None:
    """Take no notice."""


def fetched(address: str, tell: Tell = nobody, without: Iterable[str] = ()) -> Path:
    """Return a local file or folder with what lies at an address; a local path is itself.

    The copy lies in the cache. It is made anew where a file there has another size or time than
    when it was made, and by one process while others wait for it.

    Parameters
    ----------
    address : str
        Of a file or folder, or a local path.
    tell : callable
        Takes notes of how far it is.
    without : iterable of str
        Names of folders that are left out.

    Returns
    -------
    Path
        Not to be written to.

    Raises
    ------
    StorageError
        If nothing is there, or it can't be read.
    """
    if not is_address(address):
        return Path(address)
    from filelock import FileLock

    storage = Storage.open(address)
    home = cache_folder() / "fetched" / _digest(address)
    for _ in range(TRIES):
        found = _found(storage, set(without))
        state = _digest(repr(sorted(found.items())))
        whole = home / state / name_of(address)
        if whole.exists():
            return whole
        home.mkdir(parents=True, exist_ok=True)
        with FileLock(home / ".lock"):
            if whole.exists() or _copy(storage, found, home / state, set(without), tell):
                return whole
    raise StorageError(address, "was changed while it was fetched", "run again when it is at rest")


def _found(storage: Storage, without: set[str]) -> dict[str, Stamp]:
    found = {n: s for n, s in storage.files().items() if not without & {*n.split("/")[:-1]}}
    if not found:
        raise StorageError(storage.address, "no such folder or file", "check the address")
    return found


def _copy(
    storage: Storage, found: dict[str, Stamp], target: Path, without: set[str], tell: Tell
) -> bool:
    """Copy all files and remove older copies; False where they changed in the meantime."""
    temporary = target.with_name(f".{target.name}.tmp")
    shutil.rmtree(temporary, ignore_errors=True)
    whole = temporary / name_of(storage.address)
    try:
        download_all(storage, found, whole, tell)
        if _found(storage, without) != found:
            return False
        for old in target.parent.iterdir():
            if not old.name.startswith("."):
                shutil.rmtree(old, ignore_errors=True)
        temporary.rename(target)
        return True
    finally:
        shutil.rmtree(temporary, ignore_errors=True)


def download_all(
    storage: Storage, found: dict[str, Stamp], folder: Path, tell: Tell = nobody
) -> None:
    """Copy files into a local folder, several at once.

    Parameters
    ----------
    storage : Storage
        Where they are.
    found : dict of str to stamp
        Which; the empty name is the storage's file itself, and ``folder`` that file to be.
    folder : Path
        Where they go.
    tell : callable
        Takes notes of how far it is.
    """
    total, done = sum(size for size, _ in found.values()), 0
    tell(Note(f"fetching {masked(storage.address)}: {len(found)} file(s), {_mebibytes(total)}"))
    last = time.monotonic()
    with ThreadPoolExecutor(AT_ONCE) as pool:
        names = list(found)
        targets = [folder / name if name else folder for name in names]
        for name, _ in zip(names, pool.map(storage.download, names, targets), strict=True):
            done += found[name][0]
            if time.monotonic() - last >= TELL_SECONDS:
                last = time.monotonic()
                tell(Note(f"fetched {_mebibytes(done)} of {_mebibytes(total)}"))


def _mebibytes(count: int) -> str:
    return f"{count / 2**20:.1f} MiB"


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()[:12]
