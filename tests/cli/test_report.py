"""``dvr-ray report``: one folder, several folders, and where pages go."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import pytest
from reports.conftest import write_run, write_sweep

from dvr_ray.cli.main import main


def call(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, *arguments: object
) -> tuple[int, str, str]:
    monkeypatch.setattr(sys, "argv", ["dvr-ray", "report", *map(str, arguments)])
    with pytest.raises(SystemExit) as stopped:
        main()
    shown = capsys.readouterr()
    return int(stopped.value.code or 0), shown.out, shown.err


def test_one_folder_gets_its_page_and_summary(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    run = write_run(tmp_path / "run")
    code, out, _ = call(capsys, monkeypatch, run)
    assert (code, out) == (0, f"report: {run / 'report.html'}\n")
    assert json.loads((run / "summary.json").read_text())["kind"] == "run"


def test_out_says_where_the_page_goes(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    run = write_run(tmp_path / "run")
    before = sorted(path.name for path in run.iterdir())
    code, out, _ = call(capsys, monkeypatch, run, "--out", tmp_path / "mine.html", "--json")
    assert (code, json.loads(out)["report"]) == (0, str(tmp_path / "mine.html"))
    assert json.loads((tmp_path / "mine.json").read_text())["kind"] == "run"
    assert "mine.json" in (tmp_path / "mine.html").read_text()
    assert sorted(path.name for path in run.iterdir()) == before


def test_several_folders_are_compared_beside_the_first(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    folders = [write_sweep(tmp_path / name, trials=2, rows=0) for name in "abc"]
    code, out, _ = call(capsys, monkeypatch, *folders)
    page = (tmp_path / "comparison.html").resolve()
    assert (code, out) == (0, f"report: {page}\n")
    summary = json.loads((tmp_path / "comparison.json").read_text())
    assert [sweep["name"] for sweep in summary["sweeps"]] == ["a", "b", "c"]


@pytest.mark.parametrize(
    ("arguments", "line"),
    [
        (["run", "--out", "page.htm"], "error --out: must end in .html, got page.htm; name a"),
        (["run", "sweep"], "error run: a single run: only sweeps are compared; give folders that"),
        (["sweep", "run"], "error run: a single run: only sweeps are compared; give folders that"),
        (["sweep", "sweep/."], "error sweep: given twice; name each sweep once"),
        (["sweep", "none"], "error none: no such folder; check the path"),
        (["run", "--out", "no/such/page.html"], "error no/such/page.html: can't be written (No "),
    ],
)
def test_a_wrong_request_is_one_line_and_writes_nothing(
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    arguments: list[str],
    line: str,
) -> None:
    write_run(tmp_path / "run")
    write_sweep(tmp_path / "sweep", trials=1, rows=0)
    before = sorted(tmp_path.rglob("*"))
    monkeypatch.chdir(tmp_path)
    code, out, err = call(capsys, monkeypatch, *arguments)
    assert code == 2
    assert out == ""
    assert err.startswith(line) and err.count("\n") == 1
    assert sorted(tmp_path.rglob("*")) == before
