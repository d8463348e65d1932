"""The interface of data sources."""

from __future__ import annotations

import codecs
import hashlib
from abc import ABC, abstractmethod
from functools import cached_property
from pathlib import Path

import numpy as np

from dvr_ray.config.schema import DataConfig
from dvr_ray.data.assemble import assemble
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

    Attributes
    ----------
    cached : bool
        Whether `dvr_ray.data.cache` keeps what `load` returns.
    """

    cached = False

    def __init__(self, config: DataConfig) -> None:
        self.config = config

    @property
    def name(self) -> str:
        """Name for tables and messages; not part of the fingerprint."""
        return self.config.source

    @abstractmethod
    def fingerprint(self) -> str:
        """Hash of content and options: equal for equal data."""

    @abstractmethod
    def load(self) -> Dataset:
        """Read or generate the log."""


class FileSource(Source):
    """A source that reads a folder with a training file and perhaps a test file.

    A new format names its two files and a version of its importer, and writes `parse`.

    Parameters
    ----------
    config : DataConfig
        ``path`` is the folder.

    Raises
    ------
    DataError
        If no path was given.
    """

    cached = True
    train_file: str
    test_file: str
    version: int

    def __init__(self, config: DataConfig) -> None:
        super().__init__(config)
        if not config.path:
            raise DataError(
                "data.path",
                f"source {config.source} reads a folder, got none",
                "add it to the YAML or give --set data.path=FOLDER",
            )
        self.folder = Path(config.path)

    @property
    def name(self) -> str:
        """The folder's name."""
        return self.folder.resolve().name

    @cached_property
    def contents(self) -> dict[Path, bytes]:
        """Bytes of the training file and, where it exists, of the test file.

        Read once, so that the fingerprint is that of what is parsed.

        Raises
        ------
        DataError
            If the folder or the training file is missing, or a file is empty or unreadable.
        """
        train, test = self.folder / self.train_file, self.folder / self.test_file
        if not self.folder.is_dir():
            raise DataError(str(self.folder), "no such folder", "check data.path")
        if not train.is_file():
            raise DataError(
                str(train),
                f"source {self.config.source} needs this file, there is none",
                "check data.path and data.source",
            )
        return {path: _bytes(path) for path in (train, test) if path.is_file()}

    def fingerprint(self) -> str:
        """Hash of the files' bytes, the source and the importer's version."""
        digest = hashlib.sha256(f"{self.config.source}/{self.version}".encode())
        for path, content in self.contents.items():
            digest.update(f"/{path.name}/{len(content)}/".encode())
            digest.update(content)
        return digest.hexdigest()[:16]

    def load(self) -> Dataset:
        """Parse the files.

        Raises
        ------
        DataError
            If a file breaks the format or holds no interaction, or every test row is a training
            row as well.
        """
        parsed = {path: self.parse(content, path) for path, content in self.contents.items()}
        for path, (pairs, _) in parsed.items():
            if not len(pairs):
                raise DataError(str(path), "the file holds no interactions", "get it again")
        parts = [pairs for pairs, _ in parsed.values()]
        users = np.concatenate([users for _, users in parsed.values()])
        test = parts[1] if len(parts) > 1 else None
        dataset = assemble(self.name, self.fingerprint(), parts[0], test, users)
        if dataset.test is not None and not len(dataset.test):
            raise DataError(
                str(self.folder / self.test_file),
                f"all {len(parts[1])} rows are in {self.train_file} too, which leaves no test",
                "get the files again, or take the test file away to have the test part drawn",
            )
        return dataset

    @abstractmethod
    def parse(self, content: bytes, path: Path) -> tuple[np.ndarray, np.ndarray]:
        """Turn a file into pairs, shape (rows, 2), and ids of users that may have no rows.

        Parameters
        ----------
        content : bytes
            The file's bytes.
        path : Path
            The file, for messages.

        Raises
        ------
        DataError
            At the first line that breaks the format; the place is ``file:line``.
        """


def _bytes(path: Path) -> bytes:
    try:
        # Some editors begin UTF-8 with a mark of byte order, which is no part of the text.
        content = path.read_bytes().removeprefix(codecs.BOM_UTF8)
    except OSError as error:
        reason = error.strerror or "unreadable"
        raise DataError(str(path), f"can't be read: {reason}", "check its rights") from error
    if not content:
        raise DataError(str(path), "the file is empty", "get it again")
    return content


SOURCES: Registry[Source] = Registry("data source", "dvr_ray.data.sources")
