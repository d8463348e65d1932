"""A storage in a local folder, machines with caches of their own, and faults."""

from __future__ import annotations

from pathlib import Path

import pytest
from storages import Faulty, Machine

from dvr_ray.storage import Storage


@pytest.fixture
def machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Machine:
    """Go to a machine by its name: what it has in its cache, others don't see."""

    def at(name: str) -> None:
        monkeypatch.setenv("DVR_RAY_CACHE", str(tmp_path / "machines" / name))

    at("first")
    return at


@pytest.fixture
def there(tmp_path: Path) -> Path:
    """The folder that the storage is."""
    folder = tmp_path / "there"
    folder.mkdir()
    return folder


@pytest.fixture
def faulty(monkeypatch: pytest.MonkeyPatch) -> Faulty:
    found, upload = Faulty(), Storage.upload

    def through(self: Storage, source: Path, name: str) -> None:
        found(name)
        upload(self, source, name)

    monkeypatch.setattr(Storage, "upload", through)
    # One after the other, so that a fault lies between two files.
    monkeypatch.setattr("dvr_ray.storage.unit.AT_ONCE", 1)
    return found
