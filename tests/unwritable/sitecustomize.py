"""While ``$FLAG`` exists nothing below ``$UNWRITABLE`` can be written; Python imports this."""

from __future__ import annotations

import builtins
import errno
import io
import os
from typing import Any

ROOT, FLAG = os.environ.get("UNWRITABLE", ""), os.environ.get("FLAG", "")


def _refuse(path: Any) -> None:
    if not isinstance(path, int) and os.fspath(path).startswith(ROOT) and os.access(FLAG, os.F_OK):
        raise OSError(errno.EROFS, os.strerror(errno.EROFS), os.fspath(path))


def _opening(opened: Any) -> Any:
    def opening(path: Any, mode: str = "r", *given: Any, **more: Any) -> Any:
        if set(mode) & set("wax+"):
            _refuse(path)
        return opened(path, mode, *given, **more)

    return opening


def _changing(change: Any) -> Any:
    def changing(path: Any, *given: Any, **more: Any) -> Any:
        _refuse(path)
        return change(path, *given, **more)

    return changing


def _opened(path: Any, flags: int, *given: Any, _open: Any = os.open, **more: Any) -> int:
    if flags & (os.O_WRONLY | os.O_RDWR):
        _refuse(path)
    return int(_open(path, flags, *given, **more))


if ROOT:
    builtins.open = io.open = _opening(io.open)  # type: ignore[assignment]
    os.open = _opened  # type: ignore[assignment]
    for name in ("mkdir", "rename", "replace", "truncate", "unlink", "rmdir"):
        setattr(os, name, _changing(getattr(os, name)))
