"""Files that are whole or absent, and folders that one process works on.

A file is written to a hidden temporary name beside it and then moved, so that a process may be
killed at any moment. What it leaves then is hidden, hinders nobody, and is removed by the next
process that claims the folder.

Storage may take nothing for a while: full, read-only, a server that restarts. What writes results
is `patient`: it tries again for ``$DVR_RAY_STORAGE_PATIENCE`` seconds (120), says so, and only then
gives up.
"""

from __future__ import annotations

import contextlib
import errno
import functools
import logging
import os
import shutil
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import ParamSpec, TypeVar

from dvr_ray.errors import ConfigError

__all__ = [
    "LOGS",
    "cache_folder",
    "claimed",
    "clear_leftovers",
    "holds",
    "locked",
    "patience",
    "patient",
    "placed",
    "temporary_name",
    "troubles_told",
    "visible",
]

LOG = logging.getLogger(__name__)
SUFFIX = ".tmp"
PATIENCE, PATIENCE_SECONDS = "DVR_RAY_STORAGE_PATIENCE", 120.0
FIRST_PAUSE, LONGEST_PAUSE = 0.25, 4.0
PASSING = {
    errno.ENOSPC, errno.EDQUOT, errno.EIO, errno.EROFS, errno.EACCES, errno.EPERM, errno.ESTALE,
    errno.ETIMEDOUT, errno.ENOTCONN,
}  # fmt: skip
"""What may be over in a moment, in a folder that this process could write to before."""
LOGS = ("log.txt", "log.txt.1")
"""The command line's log in a folder; it is kept whatever the folder comes to hold."""


def cache_folder() -> Path:
    """Return ``$DVR_RAY_CACHE``, or ``~/.cache/dvr_ray`` where it isn't set.

    Raises
    ------
    RuntimeError
        If it isn't set and the user has no home folder.
    """
    given = os.environ.get("DVR_RAY_CACHE")
    return Path(given).expanduser() if given else Path.home() / ".cache" / "dvr_ray"


def temporary_name(path: Path) -> Path:
    """Return the hidden name beside a path that this process writes to."""
    return path.with_name(f".{path.name}.{os.getpid()}{SUFFIX}")


@contextmanager
def placed(path: Path) -> Iterator[Path]:
    """Yield a temporary name; what was written there is moved to ``path``, or removed on failure.

    Parameters
    ----------
    path : Path
        The file to be.
    """
    temporary = temporary_name(path)
    try:
        yield temporary
        temporary.replace(path)
    except OSError as error:
        # A write that fails for want of room doesn't say where; a temporary name helps nobody.
        if error.errno is not None and error.filename in (None, str(temporary)):
            error.filename = str(path)
        raise
    finally:
        temporary.unlink(missing_ok=True)


P = ParamSpec("P")
T = TypeVar("T")
_inside = threading.local()
_listeners: list[Callable[[str], None]] = []


def patient(write: Callable[P, T]) -> Callable[P, T]:
    """Make a function that writes try again while storage takes nothing.

    It is called anew from its start, so it must not mind what a failed try has left. Within another
    patient function the outer one tries again.

    Raises
    ------
    OSError
        The last one, when patience is at an end; at once, if it can't pass by itself.
    """

    @functools.wraps(write)
    def trying(*args: P.args, **kwargs: P.kwargs) -> T:
        if getattr(_inside, "trying", False):
            return write(*args, **kwargs)
        _inside.trying = True
        began, pause, waits = time.monotonic(), FIRST_PAUSE, False
        try:
            while True:
                try:
                    found = write(*args, **kwargs)
                    break
                except OSError as error:
                    left = began + patience() - time.monotonic()
                    if error.errno not in PASSING or left <= 0:
                        raise
                    if not waits:
                        _tell(f"{_described(error)}; trying again for up to {patience():g} s")
                    waits = True
                    time.sleep(min(pause, left))
                    pause = min(2 * pause, LONGEST_PAUSE)
        finally:
            _inside.trying = False
        if waits:
            _tell(f"writing goes on after {time.monotonic() - began:.0f} s; nothing was lost")
        return found

    return trying


def patience() -> float:
    """Seconds for which a write is tried again.

    Raises
    ------
    ConfigError
        If ``$DVR_RAY_STORAGE_PATIENCE`` isn't such a number.
    """
    text = os.environ.get(PATIENCE, str(PATIENCE_SECONDS))
    try:
        seconds = float(text)
    except ValueError:
        seconds = -1.0
    if not 0 <= seconds <= threading.TIMEOUT_MAX:
        raise ConfigError(PATIENCE, f"must be seconds, 0 or more, got {text!r}", "mend or unset it")
    return seconds


@contextmanager
def troubles_told(tell: Callable[[str], None]) -> Iterator[None]:
    """Have a line told, beside the log's, when writes of this process wait, and when they go on."""
    _listeners.append(tell)
    try:
        yield
    finally:
        _listeners.remove(tell)


def _tell(line: str) -> None:
    LOG.warning("storage: %s", line)
    for tell in _listeners:
        tell(f"storage: {line}")


def _described(error: OSError) -> str:
    return f"{error.filename or 'results'} can't be written ({error.strerror or error})"


@patient
def locked(path: Path) -> AbstractContextManager[object]:
    """Wait for a lock and hold it until the block below ``with`` ends; its folder is made."""
    from filelock import FileLock  # slow to import, and most of the package needs none

    path.parent.mkdir(parents=True, exist_ok=True)
    return FileLock(path).acquire()


def visible(folder: Path) -> list[str]:
    """Return the names in a folder, sorted, without hidden ones: locks and leftovers."""
    return sorted(path.name for path in folder.iterdir() if not path.name.startswith("."))


def holds(folder: Path, marker: str, noun: str) -> bool:
    """Tell whether a folder holds results already, by the file that marks them.

    Parameters
    ----------
    folder : Path
        May be missing.
    marker, noun : str
        The file, and what the results are called in messages.

    Returns
    -------
    bool
        False where the folder is missing, or has nothing but log files.

    Raises
    ------
    ConfigError
        If it is a file, or has other content than log files.
    """
    mend = "use another --out"
    if folder.exists() and not folder.is_dir():
        raise ConfigError(str(folder), "must be a folder, got a file", mend)
    names = [name for name in visible(folder) if name not in LOGS] if folder.exists() else []
    if names and not (folder / marker).exists():
        rule = f"the folder isn't empty and holds no {noun}, got {names[0]}"
        raise ConfigError(str(folder), rule, mend)
    return bool(names)


def clear_leftovers(folder: Path) -> None:
    """Remove what killed processes left half-written in a folder; only its owner may call it."""
    for path in folder.glob(f".*{SUFFIX}*"):
        if path.is_dir() and not path.is_symlink():
            shutil.rmtree(path, ignore_errors=True)
        else:
            path.unlink(missing_ok=True)


@contextmanager
def claimed(folder: Path) -> Iterator[None]:
    """Hold a folder against other processes; the claim ends with this process, however it ends.

    The folder is made if need be. Where the work fails before it has written anything, what was
    made here is removed.

    Parameters
    ----------
    folder : Path
        Of a sweep or a run.

    Raises
    ------
    ConfigError
        If another process holds it.
    """
    from filelock import FileLock, Timeout

    patience()  # a wrong value is found before the work, not in the middle of it
    made = [path for path in (folder, *folder.parents) if not path.exists()]
    folder.mkdir(parents=True, exist_ok=True)
    lock = folder / ".lock"
    try:
        with FileLock(lock, timeout=0):
            clear_leftovers(folder)
            try:
                yield
            finally:
                if made and not visible(folder):
                    lock.unlink(missing_ok=True)
    except Timeout as error:
        raise ConfigError(
            str(folder),
            "another process is working in this folder",
            "wait for it, or use another --out",
        ) from error
    finally:
        with contextlib.suppress(OSError):
            for path in made:
                path.rmdir()
