"""Whatever data say stays text: names, ids, settings and errors are made to break out."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from reports.reading import Page, read

from dvr_ray.reports.figures import label, visible
from dvr_ray.reports.page import write_comparison

HOSTILE = (
    "</script><script>window.broken = 1</script>",
    "<img src=x onerror='window.broken = 1'>",
    "\"><b onclick=window.broken=1>'`${1}{{ 7 * 7 }}{% x %}",
    "&lt;script&gt; &amp; ]]> <!-- -->",
    "a\u2028b\u2029c\x00\x1b[31m",
    "\u202egnp.exe \u2066<i>\u2069",
)


def write_hostile_sweep(make_sweep: Callable[..., Path], path: Path) -> Path:
    """Write a sweep in which every text that comes from outside is hostile."""
    folder = make_sweep(path, name=" ".join(HOSTILE), error=" ".join(HOSTILE), rows=420)
    for run in folder.glob("**/values.parquet"):
        table = pd.read_parquet(run)
        names = np.array([f"{text} {number}" for number, text in enumerate(HOSTILE * 7)])
        table["user"] = names[np.arange(len(table)) % len(names)]
        table["item"] = names[np.arange(len(table)) % len(names)]
        for column in ("item.name", f"item.{HOSTILE[0]}", f"user.{HOSTILE[1]}"):
            table[column] = pd.Categorical(names[np.arange(len(table)) % len(names)])
        table = table.rename(columns={"feature.counts.0": f"feature.{HOSTILE[0]}.0"})
        table.to_parquet(run, index=False)
    row = {
        "epoch": 9,
        "warnings": [*HOSTILE, "half a pair: \ud800"],
        "monitors": {HOSTILE[0]: 1.5, HOSTILE[1]: 2},
    }
    for log in folder.glob("**/metrics.jsonl"):
        with log.open("a") as file:
            file.write(json.dumps(row | {"reward": {HOSTILE[2]: 0.5}}) + "\n")
    (folder / "best.yaml").write_text(f"name: {json.dumps(HOSTILE[0])}\n")
    return folder


@pytest.fixture(scope="module")
def hostile(make_sweep: Callable[..., Path], tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_hostile_sweep(make_sweep, tmp_path_factory.mktemp("hostile") / "sweep")


def test_no_script_but_the_pages_own_two(hostile: Path) -> None:
    page = read(hostile)
    running = [text for attrs, text in page.scripts if attrs.get("type") != "application/json"]
    assert len(running) == 2
    assert not any("window.broken" in text for text in running)
    raw = (hostile / "report.html").read_text(encoding="utf-8")
    body = raw.replace(running[0], "").replace(running[1], "")
    for text in ("<script>window", "<img", "<b ", "<i>"):
        assert text not in body
    assert not set("\u2028\u2029\u202e\u2066\x00\x1b") & set(body)
    assert "{{ 7 * 7 }}" in body  # braces are shown, not computed


def test_hostile_texts_are_read_as_they_are(hostile: Path) -> None:
    page = read(hostile)
    text = " ".join(page.text.split())
    for name in HOSTILE:
        assert " ".join(visible(name).split()) in text
    assert page.tables["Values by item"][1][0] == page.tables["Values by item"][1][1]
    assert HOSTILE[0] in page.tables["Values by item"][0][2]


def test_figures_hold_no_tags(hostile: Path) -> None:
    """plotly reads labels as a kind of HTML; ours hold line breaks and bold type only."""
    for figure in read(hostile).json().values():
        text = json.dumps(figure, ensure_ascii=False)
        for part in ("<script", "<img", "<b ", "<i>", "<!--", "\u202e", "\u2028"):
            assert part not in text


def test_a_hostile_comparison_stays_text(
    hostile: Path, make_sweep: Callable[..., Path], tmp_path: Path
) -> None:
    other = make_sweep(tmp_path / "<img src=x onerror=alert(1)>", rows=200)
    page = Page(write_comparison([hostile, other], tmp_path / "c.html").read_text())
    assert len([1 for attrs, _ in page.scripts if "type" not in attrs]) == 2
    assert "<img src=x onerror=alert(1)>" in page.text
    assert "<img" not in json.dumps(page.json())
    assert HOSTILE[0] in page.tables["Best configs where they differ"][1]


def test_hidden_characters_are_shown_by_number() -> None:
    assert visible("a\u202eb\u2028c\x00d\x9f\r") == "a\\u202eb\\u2028c\\u0000d\\u009f\\u000d"
    assert visible("\ud800") == "\\ud800"
    assert visible("שלום\u200f ok\tü\n") == "שלום\u200f ok\tü\n"
    assert label("<b>\u2066") == "&lt;b&gt;\\u2066"
