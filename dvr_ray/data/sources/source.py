"""The interface of data sources."""

from __future__ import annotations

import hashlib
from abc import ABC, abstractmethod
from collections.abc import Sequence
from functools import cached_property
from pathlib import Path

from dvr_ray.config.schema import DataConfig
from dvr_ray.data.assemble import assemble
from dvr_ray.data.interactions import Dataset
from dvr_ray.data.reading.files import broken, existing
from dvr_ray.data.reading.pieces import LogFile
from dvr_ray.data.rows import Reading
from dvr_ray.errors import DataError
from dvr_ray.registry import Registry
from dvr_ray.storage import fetched

__all__ = ["SOURCES", "FileSource", "LogSource", "Source"]


class Source(ABC):
    """Loads one log.

    Parameters
    ----------
    config : DataConfig
        Path or sizes.

    Attributes
    ----------
    cached : bool
        Whether `dvr_ray.data.cache` keeps what `load` returns.
    options : tuple of str
        Which of ``columns``, ``min_rating`` and ``core`` it heeds.

    Raises
    ------
    DataError
        If one that it doesn't heed is set.
    """

    cached = False
    options: tuple[str, ...] = ()

    def __init__(self, config: DataConfig) -> None:
        self.config = config
        for name in ("columns", "min_rating", "core"):
            value = getattr(config, name)
            if name not in self.options and value != getattr(DataConfig(), name):
                raise DataError(
                    f"data.{name}",
                    f"does nothing for source {config.source}, got {value}",
                    "take it away",
                )

    @property
    def name(self) -> str:
        """Name for tables and messages; not part of the fingerprint."""
        return self.config.source

    @classmethod
    def fits(cls, path: Path) -> bool:
        """Tell by the names of files whether a folder, or a file, is of this format."""
        return False

    @abstractmethod
    def fingerprint(self) -> str:
        """Hash of content and options: equal for equal data."""

    @abstractmethod
    def load(self) -> Dataset:
        """Read or generate the log."""


class FileSource(Source):
    """A source that reads files.

    Most formats derive from `LogSource`.

    Parameters
    ----------
    config : DataConfig
        ``path`` is the folder, or for some sources the file.

    Raises
    ------
    DataError
        If no path was given.
    StorageError
        If it lies in a storage and can't be fetched.
    """

    cached = True
    version: int

    def __init__(self, config: DataConfig) -> None:
        super().__init__(config)
        if not config.path:
            raise DataError(
                "data.path",
                f"source {config.source} reads a folder, got none",
                "add it to the YAML or give --set data.path=FOLDER",
            )
        self.folder = fetched(config.path)

    @property
    def name(self) -> str:
        """The name of the folder or file."""
        return self.folder.resolve().name

    @abstractmethod
    def files(self) -> Sequence[Path]:
        """All files that are read, in a fixed order; the folder is there.

        Raises
        ------
        DataError
            If one that is needed isn't there.
        """

    @abstractmethod
    def make(self) -> Dataset:
        """Read the files and make a data set of them."""

    def needed(self, *names: str) -> Path:
        """Return the first file of these names, plain or gzipped.

        Raises
        ------
        DataError
            If there is none.
        """
        path = existing(self.folder, *names)
        if path is None:
            raise DataError(
                str(self.folder / names[0]),
                f"source {self.config.source} needs this file, there is none",
                "check data.path and data.source",
            )
        return path

    @cached_property
    def found(self) -> tuple[Path, ...]:
        """What `files` returns, for a folder that is there."""
        if not self.folder.exists():
            raise DataError(str(self.folder), "no such folder", "check data.path")
        return tuple(self.files())

    @cached_property
    def _hashed(self) -> tuple[str, list[tuple[int, int]]]:
        """Fingerprint, and size and time of every file when it was taken."""
        config, stamps = self.config, self._stamps()
        options = f"{config.columns.model_dump_json()}/{config.min_rating}/{config.core}"
        digest = hashlib.sha256(f"{config.source}/{self.version}/{options}".encode())
        for path, (size, _) in zip(self.found, stamps, strict=True):
            digest.update(f"/{path.name}/{size}/".encode())
            try:
                with path.open("rb") as file:
                    digest.update(hashlib.file_digest(file, "sha256").digest())
            except OSError as error:
                raise broken(path, error) from error
        return digest.hexdigest()[:16], stamps

    def fingerprint(self) -> str:
        """Hash of the files' bytes, the source and its options, and the importer's version."""
        return self._hashed[0]

    def load(self) -> Dataset:
        """Read the files and make a data set of them.

        Raises
        ------
        DataError
            If a file breaks the format or holds no interaction, if no row is left, or a file was
            changed in the meantime.
        """
        stamps = self._hashed[1]
        dataset = self.make()
        # The fingerprint must be that of what was read.
        if self._stamps() != stamps:
            raise DataError(
                str(self.folder), "files were changed while they were read", "run again"
            )
        return dataset

    def _stamps(self) -> list[tuple[int, int]]:
        try:
            stats = [path.stat() for path in self.found]
        except OSError as error:
            raise broken(Path(str(error.filename)), error) from error
        return [(stat.st_size, stat.st_mtime_ns) for stat in stats]


class LogSource(FileSource):
    """A source whose files are read into rows, which are then assembled.

    A new format names a version of its importer and writes `fits`, `files` and `read`.
    """

    options: tuple[str, ...] = ("min_rating", "core")

    @abstractmethod
    def read(self) -> Reading:
        """Read the files.

        Raises
        ------
        DataError
            At the first line that breaks the format; the place is ``file:line``.
        """

    def log_files(self) -> list[LogFile] | None:
        """Return the files that hold a row per interaction, held-out ones too, to read in pieces.

        None where the format has no such files; then the log can only be read as a whole.
        """
        return None

    def make(self) -> Dataset:
        """Assemble what was read."""
        return assemble(self.read(), self.name, self.fingerprint(), self.config)


SOURCES: Registry[Source] = Registry("data source", "dvr_ray.data.sources")
