"""Files that are whole or absent, and folders that one process works on.

A file is written to a hidden temporary name beside it and then moved, so that a process may be
killed at any moment. What it leaves then is hidden, hinders nobody, and is removed by the next
process that claims the folder.
"""

from __future__ import annotations

import contextlib
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from dvr_ray.errors import ConfigError

__all__ = [
    "LOGS",
    "cache_folder",
    "claimed",
    "clear_leftovers",
    "holds",
    "placed",
    "temporary_name",
    "visible",
]

SUFFIX = ".tmp"
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
        # A write that fails for want of room doesn't say where.
        if error.errno is not None and error.filename is None:
            error.filename = str(path)
        raise
    finally:
        temporary.unlink(missing_ok=True)


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
    from filelock import FileLock, Timeout  # slow to import, and most of the package needs none

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
