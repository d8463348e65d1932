"""Addresses such as ``s3://bucket/folder``: what lies there, and copies of single files.

Faults of a storage are raised as `StorageError`, in one line that says what to do about them.
"""

from __future__ import annotations

import contextlib
import os
import re
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from dvr_ray.errors import StorageError, masked
from dvr_ray.files import placed

if TYPE_CHECKING:
    from pyarrow.fs import FileInfo

__all__ = ["Stamp", "Storage", "check_address", "is_address", "name_of"]

Stamp = tuple[int, int]
"""Size in bytes and time of change in nanoseconds of a file."""

SCHEMES = ("s3", "gs", "gcs", "abfs", "abfss", "hdfs", "viewfs", "file")
KNOWN = ", ".join(f"{each}://" for each in SCHEMES)
ADDRESS = re.compile(r"[A-Za-z][A-Za-z0-9+.-]+://")
PIECE = 1 << 20
# pyarrow's own patience is a quarter of an hour.
GOOGLE_SECONDS = "retry_limit_seconds=20"
CREDENTIALS = {
    "s3": "set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or AWS_PROFILE",
    "gs": "run gcloud auth application-default login, or set GOOGLE_APPLICATION_CREDENTIALS",
}
# The first that fits: a machine without a network can't get credentials either.
FAULTS = (
    (
        r"NETWORK_CONNECTION|resolve host|could not connect|timed? ?out|UNAVAILABLE",
        "can't be reached", "check the network, and the endpoint if it has one",
    ),
    (r"NO_SUCH_BUCKET|bucket .*(not found|does not exist)", "no such bucket", "check its name"),
    (
        r"ACCESS_DENIED|INVALID_ACCESS_KEY|SIGNATURE|UNAUTHENTICATED|PERMISSION_DENIED|credential|"
        r"access token|HTTP 40[13]",
        "access is refused", "{credentials}; they must allow what is to be done",
    ),
    (r"libjvm|libhdfs", "needs Hadoop's client libraries", "set JAVA_HOME and HADOOP_HOME"),
)  # fmt: skip


def is_address(path: str) -> bool:
    """Tell an address from the path of a local file or folder."""
    return ADDRESS.match(path) is not None


def name_of(address: str) -> str:
    """Return the last name in an address: of the file or folder, or of the bucket."""
    parts = urlsplit(address)
    return PurePosixPath(parts.path).name or parts.hostname or "storage"


def check_address(address: str) -> None:
    """Check what can be seen without asking: of an address that is written to files.

    Raises
    ------
    ValueError
        If no filesystem fits, or it holds a password or key, which results would tell.
    """
    scheme = urlsplit(address).scheme
    if scheme not in SCHEMES:
        raise ValueError(f"no storage is known for {scheme}://, use {KNOWN}")
    if masked(address) != address:
        raise ValueError(
            "an address with a password or key would be written into every result, got "
            f"{masked(address)}: {CREDENTIALS.get(scheme, 'give the machine credentials')}"
        )


@dataclass(frozen=True)
class Storage:
    """A file or folder of a storage.

    Parameters
    ----------
    address : str
        As the user wrote it.
    filesystem : pyarrow.fs.FileSystem
        That holds it.
    path : str
        Where in it.
    """

    address: str
    filesystem: Any
    path: str

    @classmethod
    def open(cls, address: str) -> Storage:
        """Open an address; most storages aren't asked for anything yet.

        Raises
        ------
        StorageError
            If no filesystem fits the address, or it can't be reached.
        """
        from pyarrow.fs import FileSystem

        scheme = urlsplit(address).scheme
        if scheme not in SCHEMES:
            raise StorageError(address, f"no storage is known for {scheme}://", f"use {KNOWN}")
        wanted = address
        if scheme in ("gs", "gcs") and "retry_limit_seconds" not in address:
            wanted += ("&" if "?" in address else "?") + GOOGLE_SECONDS
        with faults(address):
            filesystem, path = FileSystem.from_uri(wanted)
        return cls(address, filesystem, path.rstrip("/"))

    def below(self, name: str) -> Storage:
        """Return a file or folder below this one; the empty name is itself."""
        return Storage(self.address, self.filesystem, f"{self.path}/{name}") if name else self

    def files(self) -> dict[str, Stamp]:
        """Return all files below, by path from here; a single file has the empty one.

        Hidden files, those with a name that starts with a dot on their path, don't count.

        Raises
        ------
        StorageError
            If it can't be listed, or a file has a name that leads elsewhere.
        """
        from pyarrow.fs import FileSelector, FileType

        with faults(self.address):
            (itself,) = self.filesystem.get_file_info([self.path])
            if itself.type == FileType.File:
                return {"": _stamp(itself)}
            wanted = FileSelector(self.path, recursive=True, allow_not_found=True)
            infos = self.filesystem.get_file_info(wanted)
        found = {}
        for info in infos:
            name = info.path[len(self.path) :].lstrip("/")
            parts = name.split("/")
            if info.type != FileType.File or any(part.startswith(".") for part in parts):
                if ".." in parts:
                    raise StorageError(self.address, f"has a file {name!r}", "rename it")
                continue
            found[name] = _stamp(info)
        return found

    def stamps(self, names: list[str]) -> list[Stamp]:
        """Return the stamps of some files."""
        with faults(self.address):
            infos = self.filesystem.get_file_info([self.below(name).path for name in names])
        return [_stamp(info) for info in infos]

    def download(self, name: str, target: Path) -> None:
        """Copy a file to a local one, at once or not at all."""
        target.parent.mkdir(parents=True, exist_ok=True)
        path = self.below(name).path
        with (
            placed(target) as temporary,
            temporary.open("wb") as file,
            faults(self.address),
            # Not detected: a file that is compressed stays so.
            self.filesystem.open_input_stream(path, compression=None) as source,
        ):
            shutil.copyfileobj(source, file, PIECE)

    def upload(self, source: Path, name: str) -> None:
        """Copy a local file here, at once or not at all."""
        path = self.below(name).path
        target = path
        with source.open("rb") as file, faults(self.address):
            if self._has_folders:
                above, last = PurePosixPath(path).parent, PurePosixPath(path).name
                self.filesystem.create_dir(str(above), recursive=True)
                target = str(above / f".{last}.tmp")
            with self.filesystem.open_output_stream(target, compression=None) as stream:
                shutil.copyfileobj(file, stream, PIECE)
            if self._has_folders:
                self.filesystem.move(target, path)

    def delete(self, name: str) -> None:
        """Remove a file, if it is there, and a folder that it leaves empty."""
        from pyarrow.fs import FileSelector

        path = self.below(name).path
        above = str(PurePosixPath(path).parent)
        with faults(self.address), contextlib.suppress(FileNotFoundError):
            self.filesystem.delete_file(path)
            if self._has_folders and not self.filesystem.get_file_info(FileSelector(above)):
                self.filesystem.delete_dir(above)

    @property
    def _has_folders(self) -> bool:
        """Whether this is no object storage, where a file is there only when it is complete."""
        return self.filesystem.type_name not in ("s3", "gcs", "abfs")

    def remove(self, name: str) -> None:
        """Remove a folder with all that is in it, if that can be done."""
        with contextlib.suppress(OSError):
            self.filesystem.delete_dir(self.below(name).path)


@contextmanager
def faults(address: str) -> Iterator[None]:
    """Raise what a storage raises as a `StorageError`."""
    import pyarrow as pa

    try:
        yield
    except (OSError, pa.ArrowException) as error:
        rule, mend = _explained(" ".join(str(error).split()), urlsplit(address).scheme)
        raise StorageError(address, rule, mend) from error


def _explained(text: str, scheme: str) -> tuple[str, str]:
    known = CREDENTIALS.get("gs" if scheme == "gcs" else scheme, "give this machine credentials")
    for pattern, rule, mend in FAULTS:
        if re.search(pattern, text, re.IGNORECASE):
            return f"{rule} ({text[:120]})", mend.format(credentials=known)
    return f"can't be used ({text[:200]})", "check the address and your rights"


def _stamp(info: FileInfo) -> Stamp:
    return info.size or 0, info.mtime_ns or 0


def local_files(folder: Path) -> dict[str, Stamp]:
    """Return all files of a local folder as `Storage.files` does; none where it is missing."""
    found = {}
    for root, folders, names in os.walk(folder):
        folders[:] = [name for name in folders if not name.startswith(".")]
        for name in names:
            path = Path(root) / name
            if name.startswith(".") or path.is_symlink():
                continue
            try:
                stat = path.stat()
            except FileNotFoundError:
                continue  # a checkpoint that was replaced
            found[path.relative_to(folder).as_posix()] = (stat.st_size, stat.st_mtime_ns)
    return found
