"""Storage takes nothing for 30 s in the middle of a sweep: it waits, says so, and loses nothing.

Once really: a disk of 16 MB that somebody else fills, where this user may mount one. Once for
everybody: Python refuses to write below the results (`unwritable/sitecustomize.py`), in the driver
and in all its workers.
"""

from __future__ import annotations

import contextlib
import os
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from kills import Family, ended, start, tune, wait
from survival import check_survived, counted_space, undisturbed

SECONDS = 30

pytestmark = [pytest.mark.ray, pytest.mark.slow, pytest.mark.timeout(500)]


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> list[dict[str, Any]]:
    return undisturbed(tmp_path_factory.mktemp("whole"))


def _paths(repository: Path) -> str:
    tests = repository / "tests"
    return f"{repository}:{tests}:{tests / 'unwritable'}"


def _disturbed(
    space: Path, out: Path, repository: Path, begin: Callable[[], None], end: Callable[[], None]
) -> str:
    process = start(
        tune(space, out), PYTHONPATH=_paths(repository), UNWRITABLE=str(out), FLAG=f"{out}.flag"
    )
    family = Family(process.pid)
    wait(lambda: len(list(out.glob("trials/*/checkpoints/epoch-*"))) > 2, process)
    begin()
    before = len(list(out.glob("trials/*/result.json")))
    time.sleep(SECONDS)
    assert process.poll() is None and len(list(out.glob("trials/*/result.json"))) == before
    end()
    said = ended(process)
    assert not family.survivors()
    return said


def _check(said: str, cause: str) -> None:
    assert f"can't be written ({cause}); trying again for up to 120 s" in said, said
    assert "nothing was lost" in said and "Traceback" not in said


def test_refused(whole: list[dict[str, Any]], repository: Path, tmp_path: Path) -> None:
    space, out = counted_space(tmp_path), tmp_path / "out"
    flag = Path(f"{out}.flag")
    said = _disturbed(space, out, repository, flag.touch, flag.unlink)
    _check(said, "Read-only file system")
    assert check_survived(space, out, whole) == []


@contextlib.contextmanager
def _small_disk(folder: Path) -> Iterator[Path]:
    folder.mkdir()
    options = ["-t", "tmpfs", "-o", "size=16m", "tmpfs", str(folder)]
    if os.geteuid() or subprocess.run(["mount", *options], check=False).returncode:
        pytest.skip("this user may not mount a disk")
    try:
        yield folder
    finally:
        subprocess.run(["umount", "-l", str(folder)], check=True)


def test_full_disk(whole: list[dict[str, Any]], repository: Path, tmp_path: Path) -> None:
    space = counted_space(tmp_path)
    with _small_disk(tmp_path / "disk") as disk:
        filler = disk / "filler"

        def fill() -> None:
            with contextlib.suppress(OSError), filler.open("wb", buffering=0) as file:
                while file.write(bytes(4096)):
                    pass

        said = _disturbed(space, disk / "out", repository, fill, filler.unlink)
        _check(said, "No space left on device")
        assert check_survived(space, disk / "out", whole) == []
