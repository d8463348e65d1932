"""Files are whole or absent; a folder belongs to one process until it dies."""

from __future__ import annotations

import errno
import subprocess
import sys
from pathlib import Path

import pytest

from dvr_ray import files
from dvr_ray.errors import ConfigError
from dvr_ray.files import claimed, patient, placed, troubles_told, visible


def test_failed_write_leaves_the_old_file(tmp_path: Path) -> None:
    path = tmp_path / "a.txt"
    path.write_text("old")
    with pytest.raises(OSError, match="full"), placed(path) as temporary:
        temporary.write_text("half")
        raise OSError("full")
    assert path.read_text() == "old" and list(tmp_path.iterdir()) == [path]
    with placed(path) as temporary:
        temporary.write_text("new")
    assert path.read_text() == "new" and list(tmp_path.iterdir()) == [path]


def test_claim_dies_with_its_holder(tmp_path: Path) -> None:
    """Another process is refused while the holder lives, and not after kill -9."""
    code = (
        "import sys, time; from pathlib import Path; from dvr_ray.files import claimed\n"
        "with claimed(Path(sys.argv[1])): print('held', flush=True); time.sleep(100)"
    )
    folder = tmp_path / "out"
    command = [sys.executable, "-c", code, str(folder)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as holder:
        assert holder.stdout is not None and holder.stdout.readline() == "held\n"
        refused = pytest.raises(ConfigError, match="another process is working in this folder")
        with refused, claimed(folder):
            pass
        holder.kill()
    (folder / ".half.json.77.tmp").write_text("{")
    (folder / ".half.77.tmp").mkdir()
    with claimed(folder):
        assert visible(folder) == [] and [p.name for p in folder.iterdir()] == [".lock"]


def test_folder_made_for_nothing_is_removed(tmp_path: Path) -> None:
    with pytest.raises(ConfigError), claimed(tmp_path / "runs" / "out"):
        raise ConfigError("x", "y")
    assert list(tmp_path.iterdir()) == []
    with pytest.raises(ConfigError), claimed(tmp_path / "out"):
        (tmp_path / "out" / "result").write_text("")
        raise ConfigError("x", "y")
    assert (tmp_path / "out" / "result").exists()


class _Storage:
    """Takes nothing for some tries."""

    def __init__(self, tries: int, code: int = errno.ENOSPC) -> None:
        self.left, self.code, self.tries = tries, code, 0

    @patient
    def write(self, path: Path) -> str:
        self.tries += 1
        with placed(path) as temporary:
            temporary.write_text("half")
            if self.left:
                self.left -= 1
                raise OSError(self.code, "No space left on device")
            temporary.write_text("whole")
        return "written"

    @patient
    def write_twice(self, path: Path) -> str:
        return self.write(path) + self.write(path)


@pytest.fixture
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(files, "FIRST_PAUSE", 0.001)


@pytest.mark.usefixtures("quick")
def test_a_write_waits_for_storage_and_says_so(tmp_path: Path) -> None:
    path, told, storage = tmp_path / "a.txt", list[str](), _Storage(3)
    with troubles_told(told.append):
        assert storage.write_twice(path) == "writtenwritten"
    assert path.read_text() == "whole" and list(tmp_path.iterdir()) == [path]
    assert storage.tries == 3 + 2
    began, over = told
    assert began == (
        f"storage: {path} can't be written (No space left on device); trying again for up to 120 s"
    )
    assert over == "storage: writing goes on after 0 s; nothing was lost"


@pytest.mark.usefixtures("quick")
@pytest.mark.parametrize(
    ("code", "patience", "least", "most"),
    [(errno.ENOSPC, "0.02", 2, 20), (errno.ENOSPC, "0", 1, 1), (errno.ENOENT, "100", 1, 1)],
)
def test_patience_ends(
    code: int, patience: str, least: int, most: int, tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    """In time for what may pass, at once for what can't; whatever was there stays."""
    monkeypatch.setenv(files.PATIENCE, patience)
    storage, path = _Storage(1000, code), tmp_path / "a.txt"
    path.write_text("old")
    with pytest.raises(OSError, match="No space") as raised:
        storage.write_twice(path)
    assert least <= storage.tries <= most and raised.value.filename == str(path)
    assert path.read_text() == "old" and list(tmp_path.iterdir()) == [path]


def test_wrong_patience_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(files.PATIENCE, "long")
    with pytest.raises(ConfigError, match="seconds, 0 or more, got 'long'"), claimed(tmp_path):
        pass
