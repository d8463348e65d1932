"""Errors that a user can mend, each with place, rule and mend in one line."""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterable

__all__ = [
    "CheckpointError",
    "ConfigError",
    "DataError",
    "DivergedError",
    "DvrRayError",
    "ResourceError",
    "RunError",
    "StorageError",
    "masked",
    "nearest",
]


LISTED = 16
# Who may use a URL is no business of whoever reads a message: user:password@, keys in a query.
NAMED = "token|key|secret|password|signature|credential"
SECRETS = (
    (re.compile(r"(?<=://)[^/\s@]+(?=@)"), "***"),
    (
        re.compile(rf"(?i)([?&][\w-]*(?:{NAMED})=)[^&\s]+"),
        r"\1***",
    ),
    (re.compile(r"(?i)(\bbearer )\S+"), r"\1***"),
)


class DvrRayError(Exception):
    """Base of all errors that are shown to the user without a traceback.

    Parameters
    ----------
    place : str
        Where the fault lies: ``file:line``, ``file: dotted.path``, a folder or a resource.
    rule : str
        What must hold and what was found instead.
    mend : str
        What to do about it.
    """

    exit_code = 2

    def __init__(self, place: str, rule: str, mend: str = "") -> None:
        self.place, self.rule, self.mend = place, rule, mend
        super().__init__(place, rule, mend)

    def __str__(self) -> str:
        """One line: ``place: rule; mend``."""
        return masked(f"{self.place}: {self.rule}" + (f"; {self.mend}" if self.mend else ""))


class ConfigError(DvrRayError):
    """A config or search space that breaks a rule."""


class DataError(DvrRayError):
    """A data file or a data set that breaks a rule."""


class ResourceError(DvrRayError):
    """A request for workers, CPUs or GPUs that can't be met."""


class CheckpointError(DvrRayError):
    """A checkpoint or result folder that can't be read or doesn't fit."""


class StorageError(DvrRayError):
    """An address such as ``s3://bucket/folder`` that can't be reached, read or written."""


class RunError(DvrRayError):
    """A failure that could only be found while running; exit code 1."""

    exit_code = 1


class DivergedError(RunError):
    """A training that would fail in the same way however often it is tried."""


def masked(text: str) -> str:
    """Return a text without the passwords, keys and tokens that stand in URLs and headers."""
    for pattern, replacement in SECRETS:
        text = pattern.sub(replacement, text)
    return text


def nearest(name: str, known: Iterable[str]) -> str:
    """Say which known names lie nearest to a wrong one.

    Parameters
    ----------
    name : str
        The unknown name.
    known : iterable of str
        All right names.

    Returns
    -------
    str
        ``"did you mean 'x'? known: x, y"``, without the list where it is
        long; only the known names when none is near.
    """
    names = sorted(known)
    close = difflib.get_close_matches(name, names, n=1)
    if close and len(names) > LISTED:
        return f"did you mean {close[0]!r}?"
    listing = f"known: {', '.join(names)}"
    return f"did you mean {close[0]!r}? {listing}" if close else listing
