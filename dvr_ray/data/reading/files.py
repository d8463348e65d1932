"""Opening data files, gzipped or not, with errors in one line."""

from __future__ import annotations

import gzip
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

from dvr_ray.errors import DataError

__all__ = ["MARK", "bare_name", "broken", "existing", "lines", "opened", "whole"]

DAMAGE = (OSError, EOFError, zlib.error)
# UTF-8 byte order mark.
MARK = b"\xef\xbb\xbf"


def bare_name(path: Path) -> str:
    """Return a file's name without ``.gz``.

    Parameters
    ----------
    path : Path
        The file.
    """
    return path.name.removesuffix(".gz")


def existing(folder: Path, *names: str) -> Path | None:
    """Return the first file of these names that is there, plain or gzipped.

    Parameters
    ----------
    folder : Path
        Where to look.
    *names : str
        Names without ``.gz``.
    """
    wanted = (folder / each for name in names for each in (name, f"{name}.gz"))
    return next((path for path in wanted if path.is_file()), None)


def broken(path: Path, error: Exception) -> DataError:
    """Say that a file can't be read.

    Parameters
    ----------
    path : Path
        The file.
    error : Exception
        What went wrong.

    Returns
    -------
    DataError
        To be raised.
    """
    if path.suffix == ".gz" and not (isinstance(error, OSError) and error.errno):
        return DataError(str(path), f"must be a whole gzip file, got: {error}", "get it again")
    reason = getattr(error, "strerror", None) or str(error) or "unreadable"
    return DataError(str(path), f"can't be read: {reason}", "check its rights")


@contextmanager
def opened(path: Path) -> Iterator[IO[bytes]]:
    """Open a file's bytes, unpacked.

    Parameters
    ----------
    path : Path
        The file; gzipped where it ends in ``.gz``.

    Raises
    ------
    DataError
        If it can't be read, or is empty.
    """
    try:
        with gzip.open(path, "rb") if path.suffix == ".gz" else path.open("rb") as file:
            if not file.peek(1):
                raise DataError(str(path), "the file is empty", "get it again")
            yield file  # type: ignore[misc]
    except DAMAGE as error:
        raise broken(path, error) from error


def whole(path: Path) -> bytes:
    """Read a file's bytes, unpacked.

    Parameters
    ----------
    path : Path
        The file; gzipped where it ends in ``.gz``.

    Returns
    -------
    bytes
        All that the file holds.

    Raises
    ------
    DataError
        If it can't be read, or is empty.
    """
    with opened(path) as file:
        return file.read()


def lines(path: Path, encoding: str = "utf-8") -> Iterator[tuple[int, str]]:
    """Walk a text file: number from 1, and line without its end; blank ones are left out.

    Parameters
    ----------
    path : Path
        The file.
    encoding : str
        Of its text; a byte order mark is skipped.

    Raises
    ------
    DataError
        At the first line that isn't in this encoding.
    """
    with opened(path) as file:
        for number, line in enumerate(file, start=1):
            if number == 1:
                line = line.removeprefix(MARK)
            try:
                text = line.decode(encoding).rstrip("\r\n")
            except UnicodeDecodeError as error:
                raise DataError(
                    f"{path}:{number}",
                    f"must be {encoding.upper()}, got the byte 0x{line[error.start]:02x}",
                    f"save the file as {encoding.upper()}",
                ) from error
            if text.strip():
                yield number, text
