"""`dvr-ray explain` and `dvr-ray recommend`: what they print and write, and every wrong input."""

from __future__ import annotations

import json
import shutil
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from finished import finished_run
from refusals import refusal, refused
from reports.reading import Page
from reports.test_escaping import HOSTILE

from dvr_ray.cli.main import main
from dvr_ray.training.opened import open_run


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return finished_run(tmp_path_factory)


def _said(capsys: pytest.CaptureFixture[str], *arguments: object) -> str:
    with pytest.MonkeyPatch.context() as patch, pytest.raises(SystemExit) as exit_info:
        patch.setattr(sys, "argv", ["dvr-ray", *map(str, arguments)])
        main()
    assert exit_info.value.code == 0
    return capsys.readouterr().out


def _pair(run: Path) -> tuple[int, int]:
    train = open_run(run).train
    return int(train.users[91]), int(train.items[91])


def test_a_row_is_explained(run: Path, capsys: pytest.CaptureFixture[str]) -> None:
    user, item = _pair(run)
    text = _said(capsys, "explain", run, "--user", user, "--item", item)
    assert text.startswith(f"User {user} with item {item} is valued")
    for part in ("Harsanyi units", "value over training", "nearest inputs", "first order", "worth"):
        assert part in text
    assert " NO" not in text
    assert text.count(" yes") == 4


def test_ends_are_listed_highest_first(run: Path, capsys: pytest.CaptureFixture[str]) -> None:
    values = pd.read_parquet(run / "values.parquet")
    told = json.loads(_said(capsys, "explain", run, "--top", 2, "--bottom", 3, "--json"))
    found = [each["row"]["value"] for each in told["explained"]]
    order = values["value"].sort_values()
    assert found == pytest.approx([*order.iloc[:-3:-1], *order.iloc[2::-1]])
    assert all(each["adds_up"] for each in told["explained"])
    user = int(values["user"].iloc[91])
    text = _said(capsys, "explain", run, "--user", user, "--top", 1)
    best = values[values["user"] == user].nlargest(1, "value")
    assert f"{user} with {best['item'].iloc[0]}: valued" in text


def test_no_row_of_a_short_history_is_told_twice(
    run: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    values = pd.read_parquet(run / "values.parquet")
    user = values["user"].value_counts().idxmin()
    count = int((values["user"] == user).sum())
    text = _said(capsys, "explain", run, "--user", user, "--top", 50, "--bottom", 50, "--json")
    rows = [each["row"]["row"] for each in json.loads(text)["explained"]]
    assert len(rows) == len(set(rows)) == count


@pytest.fixture(scope="module")
def hostile(run: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The same run; its users and items have names that try to break out of a page."""
    folder = tmp_path_factory.mktemp("hostile") / HOSTILE[1].replace("/", "")
    shutil.copytree(run, folder)
    for kind in ("user", "item"):
        table = pd.read_parquet(folder / f"{kind}s.parquet")
        table["name"] = [f"{HOSTILE[k % len(HOSTILE)]} {k}" for k in range(len(table))]
        table.to_parquet(folder / f"{kind}s.parquet", index=False)
    return folder


@pytest.mark.parametrize("one", [True, False])
def test_names_can_t_break_out_of_the_page(
    one: bool, hostile: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    user, item = _pair(hostile)
    page = tmp_path / "page.html"
    which = ["--item", item] if one else ["--top", 2]
    _said(capsys, "explain", hostile, "--user", user, *which, "--out", page)
    found = Page(page.read_text(encoding="utf-8"))
    running = [text for attrs, text in found.scripts if attrs.get("type") != "application/json"]
    assert len(running) == 2 and not any("window.broken" in text for text in running)
    assert not found.links[1:] or all(link.startswith("data:") for link in found.links)
    values = pd.read_parquet(hostile / "values.parquet")
    own = values[values["user"] == user]
    rows = found.tables["History"]
    assert len(rows) == 1 + len(own)
    numbers = json.loads(page.with_suffix(".json").read_text())
    assert [each["value"] for each in numbers["history"]] == pytest.approx(
        sorted(own["value"], reverse=True)
    )
    below = np.searchsorted(np.sort(values["value"]), numbers["history"][0]["value"])
    assert numbers["history"][0]["lower"] == pytest.approx(below / len(values))
    figures = [text for attrs, text in found.scripts if attrs.get("type") == "application/json"]
    bars = json.loads(figures[0])
    shares = [each["lower"] for each in numbers["history"]]
    assert bars["data"][0]["marker"]["color"] == pytest.approx(shares, abs=1e-4)
    marked = [width > 0 for width in bars["data"][0]["marker"]["line"]["width"]]
    assert sum(marked) == (1 if one else 0)
    assert ("Largest Harsanyi units" in found.headings) == one


def test_lists_are_printed_written_and_handed_over(
    run: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    users = tmp_path / "users.txt"
    users.write_text("7\n3\n\n7\n")
    told = json.loads(_said(capsys, "recommend", run, "--users", users, "-k", 4, "--json"))
    assert [each["user"] for each in told["lists"]] == [7, 3]
    assert all(len(each["items"]) == 4 for each in told["lists"])
    tables = {}
    for ending in ("csv", "parquet", "jsonl"):
        out = tmp_path / "new" / f"lists.{ending}"
        text = _said(capsys, "recommend", run, "--users", users, "-k", 4, "--out", out)
        assert text == f"8 rows for 2 users: {out}\n"
        read: dict[str, Any] = {
            "csv": pd.read_csv,
            "parquet": pd.read_parquet,
            "jsonl": lambda path: pd.read_json(path, lines=True),
        }
        tables[ending] = read[ending](out)
    for found in tables.values():
        assert found["user"].tolist() == [7] * 4 + [3] * 4
        assert found["item"].tolist() == [i["item"] for u in told["lists"] for i in u["items"]]
    text = _said(capsys, "recommend", run, "--users", "all", "-k", 2)
    assert text.count("user ") == 10 and "50 users more" in text


WRONG: dict[str, tuple[list[str], list[str]]] = {
    "unknown user": (["explain", "RUN", "--user", "ann"], ["--user", "60 users", "'ann'"]),
    "unknown item": (["explain", "RUN", "--item", "x y"], ["--item", "50 items", "'x y'"]),
    "a pair and ends": (
        ["explain", "RUN", "--user", "1", "--item", "2", "--top", "3"], ["--top", "got 3", "--item"]
    ),
    "no ends": (["explain", "RUN", "--top", "0", "--bottom", "0"], ["--top", "nothing", "raise"]),
    "too many": (["explain", "RUN", "--top", "101"], ["--top", "101"]),
    "a page of nobody": (["explain", "RUN", "--out", "p.html"], ["--out", "--user"]),
    "no page": (["explain", "RUN", "--user", "1", "--out", "p.txt"], ["--out", "p.txt", ".html"]),
    "no run": (["explain", "nowhere"], ["nowhere", "no such folder"]),
    "unknown users": (
        ["recommend", "RUN", "--users", "3", "--users", "bo"], ["--users", "'bo'", "users.parquet"]
    ),
    "unknown in a file": (["recommend", "RUN", "--users", "FILE"], ["FILE", "'ann' and 1 more"]),
    "an empty file": (["recommend", "RUN", "--users", "EMPTY"], ["--users", "empty", "line"]),
    "no length": (["recommend", "RUN", "--users", "1", "-k", "0"], ["-k", "0"]),
    "unknown format": (
        ["recommend", "RUN", "--users", "1", "--out", "l.xlsx"], ["--out", "l.xlsx", ".csv"]
    ),
}  # fmt: skip


@pytest.mark.parametrize("case", WRONG)
def test_wrong_input_is_one_line(
    case: str, run: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    given, wanted = WRONG[case]
    (tmp_path / "FILE").write_text("1\nann\nbo\n")
    (tmp_path / "EMPTY").write_text("\n")
    monkeypatch.chdir(tmp_path)
    refused(tmp_path, wanted, *(run if word == "RUN" else word for word in given))


def test_a_run_that_values_nothing_can_t_be_explained(run: Path, tmp_path: Path) -> None:
    folder = tmp_path / "run"
    shutil.copytree(run, folder)
    (folder / "valuator.safetensors").unlink()
    assert "valuator.safetensors" in refusal("explain", folder)
    (folder / "valuator-history.safetensors").write_bytes(b"cut")
    shutil.copy(run / "valuator.safetensors", folder)
    assert "valuator-history.safetensors: can't be read" in refusal("explain", folder, "--top", 1)
    (folder / "values.parquet").write_bytes(b"PAR1")
    assert "values.parquet" in refusal("explain", folder)
