"""Folders that commands read and write, wherever they lie: on this machine or in a storage."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from dvr_ray.cli.screen import Screen
from dvr_ray.errors import RunError, StorageError, masked
from dvr_ray.events import Event, Tell
from dvr_ray.storage import Mirror, Upload, fetched, is_address

if TYPE_CHECKING:
    from dvr_ray.config.schema import DataConfig

__all__ = ["Place", "bring", "kept", "stored"]


@dataclass(frozen=True)
class Place:
    """Where a command writes: a folder here, and perhaps its copy in a storage."""

    folder: Path
    mirror: Mirror | None = None
    _upload: Upload = field(default_factory=lambda: Upload(None))

    def told(self, tell: Tell) -> Tell:
        """Return a listener that has what is new copied whenever something happens."""

        def also(event: Event) -> None:
            self._upload.soon()
            tell(event)

        return also

    def about(self) -> dict[str, Any]:
        """What a result says about it."""
        more = {} if self.mirror is None else {"storage": masked(self.mirror.address)}
        return {"folder": str(self.folder), **more}


@contextmanager
def kept(out: str | None, default: Path, screen: Screen) -> Iterator[Place]:
    """Hand out the folder that a command writes to; with an address for ``--out``, keep a copy.

    Parameters
    ----------
    out : str or None
        What ``--out`` says.
    default : Path
        The folder without it.
    screen : Screen
        Says what is fetched, and where results are.

    Raises
    ------
    StorageError
        If the address can't be read or written, before anything is done.
    RunError
        If the results couldn't all be copied in the end; they are in the folder then.
    """
    if out is None or not is_address(out):
        yield Place(default if out is None else Path(out))
        return
    mirror = Mirror.here(out)
    mirror.check()
    mirror.fetch(lambda event: screen.say(str(event)), light=True)
    done = False
    try:
        with Upload(mirror, driver=True) as upload:
            yield Place(mirror.folder, mirror, upload)
            done = True
    except StorageError as error:
        if not done:
            raise
        left = mirror.left()
        raise RunError(
            out, f"{len(left)} file(s) couldn't be copied there ({error.rule})",
            f"they are in {mirror.folder}: the same command with --resume copies them",
        ) from error  # fmt: skip
    screen.result(f"stored: {masked(out)}; working folder: {mirror.folder}")


def bring(
    data: DataConfig,
    config: Path,
    overrides: list[str] | None,
    more: list[Path] | None,
    screen: Screen,
) -> None:
    """Fetch a run's log, before anything is done with it.

    Raises
    ------
    StorageError
        Naming the line that asks for it.
    """
    from dvr_ray.config.load import data_place

    if data.path is None or not is_address(data.path):
        return
    try:
        fetched(data.path, lambda event: screen.say(str(event)))
    except StorageError as error:
        place = data_place(config, overrides or [], more or [])
        raise StorageError(place, f"{data.path}: {error.rule}", error.mend) from error


def stored(given: str) -> Path:
    """Return the local folder or file that an argument names; what lies in a storage is fetched.

    Checkpoints of runs aren't: no command that reads a finished run needs them.
    """
    screen = Screen()
    return fetched(given, lambda event: screen.say(str(event)), without=["checkpoints"])
