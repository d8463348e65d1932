"""The interface of data sources."""

from __future__ import annotations

import hashlib
from abc import ABC, abstractmethod
from pathlib import Path

from dvr_ray.config.schema import DataConfig
from dvr_ray.data.interactions import Dataset
from dvr_ray.errors import DataError
from dvr_ray.registry import Registry

__all__ = ["SOURCES", "FileSource", "Source"]


class Source(ABC):
    """Loads one log.

    Parameters
    ----------
    config : DataConfig
        Path or sizes.
    """

    cached = False

    def __init__(self, config: DataConfig) -> None:
        self.config = config

    @abstractmethod
    def fingerprint(self) -> str:
        """Hash of content and options: equal for equal data."""

    @abstractmethod
    def load(self) -> Dataset:
        """Read or generate the log."""


class FileSource(Source):
    """A source that reads a folder with a training file and perhaps a test file."""

    cached = True
    train_file: str
    test_file: str
    version: int

    def __init__(self, config: DataConfig) -> None:
        super().__init__(config)
        if config.path is None:
            raise DataError(
                "data.path", f"source {config.source} reads a folder, got none",
                "add it to the YAML or give --set data.path=FOLDER",
            )
        self.folder = Path(config.path)

    def fingerprint(self) -> str:
        """Hash of the files' bytes and the importer's version."""
        digest = hashlib.sha256(f"{self.config.source}/{self.version}".encode())
        for path in self.files():
            digest.update(path.name.encode())
            digest.update(path.read_bytes())
        return digest.hexdigest()[:16]

    def files(self) -> list[Path]:
        """Return the training file and, where it exists, the test file.

        Raises
        ------
        DataError
            If the folder or the training file is missing, or a file is empty.
        """
        train, test = self.folder / self.train_file, self.folder / self.test_file
        if not self.folder.is_dir():
            raise DataError(str(self.folder), "no such folder", "check data.path")
        if not train.is_file():
            raise DataError(
                str(train), f"source {self.config.source} needs this file, there is none",
                "check data.path and data.source",
            )
        found = [path for path in (train, test) if path.is_file()]
        for path in found:
            if path.stat().st_size == 0:
                raise DataError(str(path), "the file is empty", "get it again")
        return found


SOURCES: Registry[Source] = Registry("data source", "dvr_ray.data.sources")
