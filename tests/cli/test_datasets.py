"""``dvr-ray data`` as a user sees it."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import pytest

from dvr_ray.cli.main import main

LOG = "user,item,stars,time\n" + "".join(
    f"u{user},i{(user * 7 + step * 3) % 40},{1 + step % 5},{step}\n"
    for user in range(30)
    for step in range(20)
)
LOG += "u0,i39,5,50\n"
USERS = "user,gender,age\n" + "".join(f"u{n},{'FM'[n % 2]},{n - 3}\n" for n in range(30))
RUN = "data: {source: table, path: log, min_rating: 2}\nsplit: {by: time, last: 2}\n"


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("DVR_RAY_CACHE", str(tmp_path / "cache"))
    monkeypatch.chdir(tmp_path)
    (tmp_path / "log").mkdir()
    (tmp_path / "log" / "log.csv").write_text(LOG)
    (tmp_path / "log" / "users.csv").write_text(USERS)
    (tmp_path / "run.yaml").write_text(RUN)
    return tmp_path


def run(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], *arguments: str
) -> tuple[int, str, str]:
    monkeypatch.setattr(sys, "argv", ["dvr-ray", "data", *arguments])
    with pytest.raises(SystemExit) as caught:
        main()
    shown = capsys.readouterr()
    return int(caught.value.code or 0), shown.out, shown.err


def as_json(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], *arguments: str
) -> Any:
    code, out, err = run(monkeypatch, capsys, *arguments, "--json")
    assert code == 0, err
    return json.loads(out)


def test_describe_shows_what_was_dropped_and_unknown(
    folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    options = ["--set", "data.min_rating=2", "--set", "data.core=2"]
    code, out, _ = run(monkeypatch, capsys, "describe", "log", *options)
    assert code == 0
    for part in ("rows rated below 2", "repeats", "ages outside 1 to 108", "user.age_group"):
        assert part in out
    again = as_json(monkeypatch, capsys, "describe", "log", *options)
    assert again["dropped"]["rows rated below 2"] == 120
    assert again["dropped"]["ages outside 1 to 108"] == 4
    assert again["attributes"]["user.age_group"]["unknown"] == 4
    assert again["times"] is True


def test_convert_then_describe_finds_the_same_log(
    folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    before = as_json(monkeypatch, capsys, "describe", "log")
    for form in ("parquet", "inter", "lightgcn"):
        done = as_json(monkeypatch, capsys, "convert", "log", "--to", form, "--out", form)
        assert done["rows"] == before["rows"]
        after = as_json(monkeypatch, capsys, "describe", form)
        for key in ("users", "items", "rows", "per_user", "per_item"):
            assert after[key] == before[key]


def test_split_is_read_back_as_the_split_of_a_run(
    folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    done = as_json(monkeypatch, capsys, "split", "run.yaml", "--out", "parts")
    assert all(done["rows"][name] == 60 for name in ("reward", "selection", "test"))
    found = as_json(monkeypatch, capsys, "describe", "parts")
    assert found["rows"] == done["rows"]["train"]
    assert (found["test_rows"], found["validation_rows"]) == (60, 120)
    code, _, err = run(monkeypatch, capsys, "split", "run.yaml", "--out", "parts")
    assert code == 2
    assert "parts: must be a new or an empty folder" in err


@pytest.mark.parametrize(
    ("arguments", "wanted"),
    [
        (["describe", "absent"], ["absent: no such folder"]),
        (["describe", "log", "--source", "tabel"], ["data.source", "'tabel'", "table"]),
        (["describe", "log", "--set", "core=2"], ["must set a field of data", "'core=2'"]),
        (["describe", "log", "--set", "data.cores=2"], ["data.cores", "core"]),
        (["describe", "log", "--set", "data.core=-2"], ["data.core: must be >= 0, got -2"]),
        (["describe", "log", "--set", "data.core=999"], ["no training row is left", "999-core"]),
        (["describe", "log", "--set", "data.columns={user: usr}"], ["'usr'", "'user'"]),
        (["describe", "log", "--set", "data.columns.users=u"], ["data.columns.users", "user"]),
        (["describe", "log", "--set", "data.columns={user: -1}"], ["data.columns.user", "-1"]),
        (["convert", "log", "--to", "csv", "--out", "x"], ["--to", "'csv'", "parquet"]),
        (["convert", "log", "--to", "inter", "--out", "log"], ["log: must be a new or an empty"]),
        (["convert", "log", "--to", "inter", "--out", "run.yaml"], ["run.yaml: must be a new"]),
        (["split", "run.yaml", "--out", "x", "--set", "split.last=0"], ["split.last", ">= 1"]),
        (["split", "run.yaml", "--out", "x", "--set", "split.by=tim"], ["split.by", "'time'"]),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else None,
)
def test_wrong_request_is_one_line_and_writes_nothing(
    folder: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    arguments: list[str],
    wanted: list[str],
) -> None:
    before = sorted(path.name for path in folder.iterdir())
    code, _, err = run(monkeypatch, capsys, *arguments)
    assert code == 2
    assert len(err.strip().splitlines()) == 1
    assert all(part in err for part in wanted), err
    assert {path.name for path in folder.iterdir()} - {"cache"} == set(before)
