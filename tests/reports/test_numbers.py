"""Every number that a page shows is in ``trials.csv`` or in the summary beside it."""

from __future__ import annotations

import csv
import json
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from reports.reading import Page

from dvr_ray.reports.page import write_comparison, write_report

Make = Callable[..., Path]
Places = dict[str, Callable[..., Any]]
NUMBER = re.compile(r"(?<![\w@.])[-+]?(?:\d+\.?\d*|\.\d+)(?:e[-+]?\d+)?(?![\w@])")
LISTS = ("values", "users", "items")


def leaves(content: Any) -> Iterator[Any]:
    """All that stands in JSON, keys too; seconds also as minutes and hours."""
    if isinstance(content, dict):
        yield from content
        for key in {"seconds", "seconds_spent"} & set(content):
            yield from (float(content[key]) / 60, float(content[key]) / 3600)
        content = list(content.values())
    if isinstance(content, list):
        for entry in content:
            yield from leaves(entry)
    else:
        yield content


def numbers(content: Any) -> list[float]:
    return [float(leaf) for leaf in leaves(content) if type(leaf) in (int, float)]


def unknown(text: str, content: Any) -> list[str]:
    """Numbers in a text that don't stand in some JSON as the same rounded figure.

    Texts of the JSON, such as dates and versions, are taken out of the text first.
    """
    known = numbers(content) + [float(leaf) for leaf in leaves(content) if _is_number(leaf)]
    for leaf in sorted({leaf for leaf in leaves(content) if isinstance(leaf, str)}, key=len)[::-1]:
        if not _is_number(leaf) and len(leaf) > 3:
            text = text.replace(leaf, " ")
    return [found for found in NUMBER.findall(text) if not any(same(found, x) for x in known)]


def same(figure: str, number: float) -> bool:
    """Whether a written figure is a number rounded to its last digit."""
    mantissa, _, exponent = figure.partition("e")
    behind = len(mantissa.partition(".")[2]) - int(exponent or 0)
    return abs(float(figure) - number) <= 0.5000001 * 10.0**-behind


def _is_number(leaf: Any) -> bool:
    return isinstance(leaf, str) and re.fullmatch(r"-?\d+(\.\d+)?(e-?\d+)?", leaf) is not None


def rows_of_sweep(summary: dict[str, Any], folder: Path) -> Places:
    """For each table of a sweep's page: where the numbers of a row stand, by its first cells."""
    with (folder / "trials.csv").open(newline="") as file:
        trials = {row["trial"]: row for row in csv.DictReader(file)}
    front = {str(entry["trial"]) for entry in summary["front"]}
    return {
        "Test results": lambda metric, *_: summary["test"][metric],
        "Best trials": lambda trial, *_: trials[trial],
        "Trade-off between objectives": lambda trial, *_: trials[trial] if trial in front else {},
        "Failed trials": lambda trial, *_: trials[trial],
        **rows_of_run(summary["run"]),
    }


def rows_of_run(run: dict[str, Any]) -> Places:
    def listed(kind: str) -> Callable[..., Any]:
        return lambda name, *_: next(m for m in run[kind]["listed"] if m["id"] == name)

    return {
        "Distribution of values": lambda score, group, *_: next(
            entry for entry in run["values"] if (entry["score"], entry["group"]) == (score, group)
        ),
        "Values by user": listed("users"),
        "Values by item": listed("items"),
        "Planted rows found": lambda score, *_: next(
            entry for entry in run["auc"] if entry["score"] == score
        ),
        "Warnings": lambda *_: run["warnings"],
    }


def rows_of_comparison(summary: dict[str, Any]) -> Places:
    sweeps = {entry["name"]: entry for entry in summary["sweeps"]}
    return {
        "Test results": lambda metric, sweep, *_: next(
            row for row in summary["test"] if (row["metric"], row["sweep"]) == (metric, sweep)
        ),
        "Searches": lambda sweep, *_: sweeps[sweep],
        "Best configs where they differ": lambda field, *_: summary["best_configs_differ"][field],
        "Planted rows found": lambda sweep, *_: [sweeps[sweep]["auc"], sweeps[sweep][
            "auc_over_seeds"
        ]],
    }  # fmt: skip


def drifted(page: Page, summary: dict[str, Any], places: Places) -> list[str]:
    """Numbers of tables, cards, facts and monitors that don't stand where they should."""
    run = summary.get("run") or summary
    few = {key: value for key, value in summary.items() if key != "run"}
    few["run"] = {key: value for key, value in run.items() if key not in LISTS}
    found = []
    for heading, (_, *rows) in page.tables.items():
        for row in rows:
            if len(row) > 1:  # a row of one cell says how many rows are hidden
                missing = unknown(" ; ".join(row), [places[heading](*row), row[0]])
                found += [f"{heading}, {row[0]}: {figure}" for figure in missing]
    for card in page.cards:
        found += [f"{card[0]}: {figure}" for figure in unknown(" ; ".join(card), few)]
    for name, text in page.facts:
        found += [f"{name}: {figure}" for figure in unknown(text, few.get(name, few))]
    for name, note in page.notes.items():
        figures = note.rpartition("last ")[2]
        found += [f"{name}: {figure}" for figure in unknown(figures, run["monitors"][name])]
    return found


def parts(page: Path, summary: Path) -> tuple[Page, dict[str, Any]]:
    content: dict[str, Any] = json.loads(summary.read_text(), parse_constant=_refuse)
    return Page(page.read_text(encoding="utf-8")), content


def _refuse(name: str) -> None:
    raise AssertionError(f"{name} isn't JSON")


@pytest.fixture(scope="module")
def sweep(make_sweep: Make, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = make_sweep(
        tmp_path_factory.mktemp("numbers") / "sweep", objectives=("ndcg@20", "recall@20"), rows=4000
    )
    write_report(folder)
    return folder


def test_numbers_of_a_sweeps_page_are_in_its_files(sweep: Path) -> None:
    page, summary = parts(sweep / "report.html", sweep / "summary.json")
    assert len(page.tables) == 8
    assert len(page.notes) == 6
    assert sum(len(rows) for rows in page.tables.values()) > 200
    assert drifted(page, summary, rows_of_sweep(summary, sweep)) == []


@pytest.mark.parametrize(
    ("path", "place"),
    [
        (("test", "ndcg@20", "methods", "dvr", "mean"), "Test results, ndcg@20: .1880"),
        (("test", "ndcg@20", "difference", "sd"), "Test results, ndcg@20: .0010"),
        (("run", "auc", 0, "auc"), "Planted rows found, value: "),
        (("run", "values", 1, "quantiles", "0.5"), "Distribution of values, value: "),
        (("run", "items", "listed", 3, "mean_value"), "Values by item, "),
        (("run", "monitors", "entropy"), "entropy: "),
        (("trials", "finished"), "trials finished: 13"),
        (("budget", "trials"), "budget: 18"),
    ],
)
def test_a_number_that_drifts_is_noticed(
    sweep: Path, path: tuple[str | int, ...], place: str
) -> None:
    page, summary = parts(sweep / "report.html", sweep / "summary.json")
    entry: Any = summary
    for key in path[:-1]:
        entry = entry[key]
    entry[path[-1]] += 0.7654321
    assert any(f.startswith(place) for f in drifted(page, summary, rows_of_sweep(summary, sweep)))


def test_importances_are_those_of_the_bars(sweep: Path) -> None:
    page, summary = parts(sweep / "report.html", sweep / "summary.json")
    (bars,) = [
        figure["data"][0]
        for figure in page.json().values()
        if figure["data"][0].get("orientation") == "h"
    ]
    assert list(summary["importances"]) == bars["y"][::-1]
    assert list(summary["importances"].values()) == bars["x"][::-1]


def test_numbers_of_a_runs_page_are_in_its_summary(make_run: Make, tmp_path: Path) -> None:
    folder = make_run(tmp_path / "run", rows=900)
    row = {"epoch": 9, "loss": 0.1, "warnings": ["dead: .75 of layer 2; lower valuator.children"]}
    with (folder / "metrics.jsonl").open("a") as file:
        file.write(json.dumps(row) + "\n")
    write_report(folder)
    page, summary = parts(folder / "report.html", folder / "summary.json")
    assert "Warnings" in page.tables
    assert drifted(page, summary, rows_of_run(summary)) == []


def test_numbers_of_a_comparison_are_beside_it(
    sweep: Path, make_sweep: Make, tmp_path: Path
) -> None:
    other = make_sweep(tmp_path / "other", trials=12)
    (other / "best.yaml").write_text("seed: 0\nmethod: {name: dvr}\ntraining: {lr: 0.0123}\n")
    write_comparison([sweep, other], tmp_path / "both.html")
    page, summary = parts(tmp_path / "both.html", tmp_path / "both.json")
    assert len(page.tables) == 4
    assert drifted(page, summary, rows_of_comparison(summary)) == []
    summary["test"][1]["mean"] += 0.1
    assert drifted(page, summary, rows_of_comparison(summary)) != []
