"""A folder of results that appears as a whole or not at all."""

from __future__ import annotations

import os
import shutil
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from dvr_ray.errors import DataError

__all__ = ["new_folder"]


@contextmanager
def new_folder(path: Path) -> Iterator[Path]:
    """Hand out a temporary folder beside a path, and put it there if all went well.

    Parameters
    ----------
    path : Path
        Must not exist, or be an empty folder.

    Raises
    ------
    DataError
        If it holds something, or can't be made.
    """
    shown, path = path, Path(os.path.normpath(path.absolute()))
    if path.exists() and not (path.is_dir() and not any(path.iterdir())):
        raise DataError(str(shown), "must be a new or an empty folder", "give another --out")
    temporary = path.with_name(f".{path.name}.{uuid.uuid4().hex}")
    try:
        temporary.mkdir(parents=True)
        yield temporary
        temporary.replace(path)
    except OSError as error:
        reason = error.strerror or str(error)
        raise DataError(
            str(shown), f"can't be written: {reason}", "check rights and space"
        ) from error
    finally:
        shutil.rmtree(temporary, ignore_errors=True)
