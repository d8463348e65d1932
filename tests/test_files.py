"""Files are whole or absent; a folder belongs to one process until it dies."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from dvr_ray.errors import ConfigError
from dvr_ray.files import claimed, placed, visible


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
