"""``dvr-ray doctor`` names what is missing, why it matters and the mend; it exits with 0."""

from __future__ import annotations

import importlib.util
import json
import resource
import shlex
import shutil
import sys
from pathlib import Path
from typing import NamedTuple

import pytest

from dvr_ray.cli import doctor
from dvr_ray.cli.main import main
from dvr_ray.distributed.cluster import OBJECT_STORE_BYTES


class _Usage(NamedTuple):
    free: int


def _named(text: str) -> list[doctor.Finding]:
    return [finding for finding in doctor.findings() if text in finding.what]


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A machine where nothing is wrong, in a home of its own."""
    for name in ("RAY_AUTH_TOKEN_PATH", "DVR_RAY_CACHE", "RAY_ADDRESS"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setattr(shutil, "disk_usage", lambda path: _Usage(100 * 2**30))
    monkeypatch.setattr(resource, "getrlimit", lambda which: (65536, 65536))
    monkeypatch.setattr("torch.cuda.is_available", lambda: True)
    monkeypatch.setattr("torch.cuda.device_count", lambda: 1)
    monkeypatch.setattr("torch.cuda.get_device_name", lambda number: "Some GPU")
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: object())
    return tmp_path


def test_nothing_is_found_where_nothing_is_missing() -> None:
    assert not list(doctor.findings())
    assert doctor.resources()["GPUs"] == "1 (Some GPU)"


@pytest.mark.parametrize("name", doctor.OPTIONAL)
def test_a_missing_package_is_an_option(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    module = doctor.MODULES.get(name, name)
    monkeypatch.setattr(
        importlib.util, "find_spec", lambda asked: None if asked == module else object()
    )
    (found,) = doctor.findings()
    assert (
        name in found.what and found.mend == f"pip install {shlex.quote(name)}" and not found.needed
    )


def test_missing_s3_of_pyarrow_is_an_option(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "pyarrow.fs", None)
    (found,) = doctor.findings()
    assert "S3" in found.what and not found.needed


def test_small_shared_memory_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    def usage(path: object) -> _Usage:
        return _Usage(OBJECT_STORE_BYTES - 1 if str(path) == "/dev/shm" else 2**40)

    monkeypatch.setattr(shutil, "disk_usage", usage)
    (found,) = doctor.findings()
    assert "/dev/shm" in found.what and "--shm-size" in found.mend and found.needed


def test_full_disks_are_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shutil, "disk_usage", lambda path: _Usage(2**29))
    assert len(_named("of disk is free")) == 2
    assert "--out" in _named("free here")[0].mend and "TMPDIR" in _named("temporary")[0].mend


@pytest.mark.parametrize(
    ("limits", "mend"),
    [
        ((1024, 65536), "ulimit -n 4096"),
        ((256, 512), "ulimit -n 512"),
        ((1024, -1), "4096"),
        ((64, 64), "limits.conf"),
    ],
)
def test_few_open_files_are_named(
    limits: tuple[int, int], mend: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(resource, "getrlimit", lambda which: limits)
    (found,) = doctor.findings()
    assert str(limits[0]) in found.what and mend in found.mend and found.needed


def test_no_limit_of_open_files_is_fine(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(resource, "getrlimit", lambda which: (-1, -1))
    assert not list(doctor.findings())


@pytest.mark.parametrize(("device", "needed"), [(True, True), (False, False)])
def test_a_gpu_that_torch_can_t_use_is_told_from_none(
    device: bool, needed: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    exists = Path.exists
    monkeypatch.setattr("torch.cuda.is_available", lambda: False)
    monkeypatch.setattr(
        Path, "exists", lambda self: device if str(self) == "/dev/nvidia0" else exists(self)
    )
    (found,) = doctor.findings()
    assert "GPU" in found.what and found.needed is needed
    assert doctor.resources()["GPUs"] == "0"


def test_a_token_that_others_can_read_is_named(home: Path) -> None:
    token = home / ".ray" / "auth_token"
    token.parent.mkdir()
    token.write_text("secret")
    token.chmod(0o644)
    (found,) = doctor.findings()
    assert found.mend == f"chmod 600 {token}" and found.needed
    assert "secret" not in str(found)
    token.chmod(0o600)
    assert not list(doctor.findings())


def test_a_token_path_without_a_file_is_named(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RAY_AUTH_TOKEN_PATH", str(home / "nowhere"))
    (found,) = doctor.findings()
    assert "nowhere" in found.what and found.needed


def test_folders_that_can_t_be_written_are_named(
    home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A file stands where the cache folder should be; a home that isn't there can't be made."""
    (home / "file").write_text("")
    monkeypatch.setenv("DVR_RAY_CACHE", str(home / "file" / "cache"))
    (found,) = doctor.findings()
    assert "cache folder" in found.what and "DVR_RAY_CACHE" in found.mend
    monkeypatch.setenv("HOME", str(home / "file" / "home"))
    assert len(_named("can't be written")) == 2


def _run(monkeypatch: pytest.MonkeyPatch, *arguments: str) -> None:
    monkeypatch.setattr(sys, "argv", ["dvr-ray", "doctor", *arguments])
    with pytest.raises(SystemExit) as exit_info:
        main()
    assert exit_info.value.code == 0


def test_doctor_prints_and_exits_with_0(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    _run(monkeypatch)
    assert "nothing that ordinary runs need is missing" in capsys.readouterr().out
    monkeypatch.setattr(resource, "getrlimit", lambda which: (64, 64))
    _run(monkeypatch)
    out = capsys.readouterr().out
    assert "to mend" in out and "limits.conf" in out and "torch" in out
    _run(monkeypatch, "--json")
    found = json.loads(capsys.readouterr().out)
    assert found["versions"]["ray"] and found["resources"]["CPUs"]
    assert [each["needed"] for each in found["missing"]] == [True]
