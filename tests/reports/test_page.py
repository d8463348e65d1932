"""The page: whole, self-contained, and safe against hostile names."""

from __future__ import annotations

import base64
import hashlib
import json
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import plotly.graph_objects as go
import pytest
from reports.reading import Page, read

from dvr_ray.errors import CheckpointError
from dvr_ray.reports import page
from dvr_ray.reports.page import figure_json, write_report
from dvr_ray.reports.parts import Panel

Make = Callable[..., Path]
HOSTILE = "<script>alert(1)</script>"
SECTIONS = [
    "Test results",
    "Best trials",
    "History of the search",
    "Parallel coordinates",
    "Importance of hyperparameters",
    "Learning curves",
    "Learning of the winner, trial 7 retrained with seed 1000",
    "Distribution of values",
    "Values by user",
    "Values by item",
    "Planted rows found",
    "Health of the policy gradient",
    "Failed trials",
    "How this was made",
]


@pytest.fixture(scope="module")
def sweep_page(make_sweep: Make, tmp_path_factory: pytest.TempPathFactory) -> Page:
    return read(make_sweep(tmp_path_factory.mktemp("page") / "sweep"))


def test_a_sweeps_page_has_every_section(sweep_page: Page) -> None:
    assert sweep_page.headings == SECTIONS


def test_headline_numbers_stand_on_top(sweep_page: Page) -> None:
    text = " ".join(sweep_page.text.split())
    for part in (
        "best ndcg@20 .1900 on selection; trial 7, epoch 7",
        "trials finished 13 3 stopped, 2 failed",
        "test ndcg@20, dvr .1880 ± .0020 keep-all .1720 ± .0026; 3 seeds",
        "AUC, real against planted .91 ± .01 3 seeds; best plain score:",
        "looks at test 1 2025-03-01T10:09:00Z: winner hash07 and its control",
        "data fingerprint 0f3a9c",
    ):
        assert part in text


def test_every_figure_has_its_data(sweep_page: Page) -> None:
    found = sweep_page.json()
    assert sorted(found) == sorted(sweep_page.figures)
    assert len(found) == 4 + 3 + 2 + 2 + 1 + 6
    assert all(figure["data"] for figure in found.values())


def test_the_page_loads_nothing(sweep_page: Page) -> None:
    """plotly's source is there once; beside it runs one script; no address is ever asked."""
    running = [text for attrs, text in sweep_page.scripts if "type" not in attrs]
    assert len(running) == 2
    assert len(running[0]) > 1_000_000
    assert sum("plotly.js v" in text for _, text in sweep_page.scripts) == 1
    assert sweep_page.links == ["data:,"]
    assert "default-src 'none'" in sweep_page.policy


def test_the_policy_admits_exactly_the_pages_own_scripts(sweep_page: Page) -> None:
    running = [text for attrs, text in sweep_page.scripts if "type" not in attrs]
    digests = [base64.b64encode(hashlib.sha256(t.encode()).digest()).decode() for t in running]
    assert re.findall(r"sha256-([^']+)'", sweep_page.policy) == digests
    assert "unsafe-inline" not in sweep_page.policy.split("style-src")[0]
    assert "unsafe-eval" not in sweep_page.policy


def test_hostile_names_stay_text(make_sweep: Make, tmp_path: Path) -> None:
    folder = make_sweep(tmp_path / "s", name=HOSTILE, error=f"{HOSTILE} & more")
    found = read(folder)
    running = [text for attrs, text in found.scripts if "type" not in attrs]
    assert len(running) == 2
    assert not any("alert(1)" in text for text in running)
    assert HOSTILE in found.text
    assert f"{HOSTILE} & more" in found.text
    raw = (folder / "report.html").read_text(encoding="utf-8")
    assert HOSTILE not in raw
    hovers = json.dumps(found.json())
    assert "&lt;script&gt;alert(1)&lt;/script&gt;" in hovers
    assert "<script>" not in hovers


def test_a_figure_cannot_close_its_script_block() -> None:
    figure = go.Figure(go.Scatter(name="</script><!-- \u2028 &", x=[1], y=[2]))
    text = figure_json(Panel(figure))
    assert not set("<>&\u2028") & set(text)
    assert json.loads(text)["data"][0]["name"] == "</script><!-- \u2028 &"


def test_a_value_at_chance_is_shown_as_chance(make_run: Make, tmp_path: Path) -> None:
    folder = make_run(tmp_path / "r", rows=700)
    table = pd.read_parquet(folder / "values.parquet").assign(value=0.0)
    table.to_parquet(folder / "values.parquet")
    found = read(folder)
    assert "chance (.50 ± .06)" in " ".join(found.text.split())
    assert "value: chance (.50 \\u00b1 .06)" in json.dumps(found.json())


def test_warnings_of_a_run_are_shown_as_text(make_run: Make, tmp_path: Path) -> None:
    run = make_run(tmp_path / "r")
    row = {"epoch": 9, "selection": {"ndcg@20": 0.1}, "warnings": [f"dead: {HOSTILE}"]}
    with (run / "metrics.jsonl").open("a") as file:
        file.write(json.dumps(row) + "\n")
    text = write_report(run).read_text()
    assert "Warnings" in Page(text).headings
    assert "dead: &lt;script&gt;alert(1)" in text and HOSTILE not in text


def test_a_run_has_a_page(make_run: Make, tmp_path: Path) -> None:
    found = read(make_run(tmp_path / "myrun", rows=300, planted=False))
    assert found.headings == [
        "Learning of this run", "Distribution of values", "Values by user", "Values by item",
        "Health of the policy gradient",
    ]  # fmt: skip
    text = " ".join(found.text.split())
    assert "myrun One run of method dvr" in text
    assert "the gate adopts keep-all, here in 1 of 6 reports" in text
    assert "lr: 0.005" in text


def test_an_unfinished_run_without_values_has_a_page(make_run: Make, tmp_path: Path) -> None:
    found = read(make_run(tmp_path / "r", reports=3, done=False))
    assert found.headings == ["Learning of this run"]
    assert "not finished after 4 s" in " ".join(found.text.split())


@pytest.mark.parametrize("trials", [0, 1, 3])
def test_a_small_sweep_has_a_page(make_sweep: Make, tmp_path: Path, trials: int) -> None:
    folder = make_sweep(tmp_path / "s", trials=max(trials, 1), final=False, folders=False)
    if not trials:
        header = (folder / "trials.csv").read_text().splitlines()[0]
        (folder / "trials.csv").write_text(header + "\n")
    text = " ".join(read(folder).text.split())
    assert f"A sweep of {trials} trials over 7 fields" in text
    assert "Not computed: it needs at least 4 comparable trials" in text
    assert "the test part is sealed" in text
    assert ("no trial gave a result" in text) == (not trials)


def test_two_objectives_get_a_trade_off(make_sweep: Make, tmp_path: Path) -> None:
    found = read(make_sweep(tmp_path / "s", objectives=("ndcg@20", "recall@20")))
    assert "Trade-off between objectives" in found.headings
    assert "best recall@20" in " ".join(found.text.split())


def test_the_same_results_give_the_same_page(make_sweep: Make, tmp_path: Path) -> None:
    folder = make_sweep(tmp_path / "s")
    first = write_report(folder).read_bytes()
    assert write_report(folder).read_bytes() == first


def test_the_old_page_stays_when_writing_fails(
    make_run: Make, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = make_run(tmp_path / "r")
    (folder / "report.html").write_text("old")

    def full(self: Path, target: Path) -> Path:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Path, "replace", full)
    with pytest.raises(CheckpointError, match=r"report.html: can't be written \(No space"):
        write_report(folder)
    assert (folder / "report.html").read_text() == "old"
    assert sorted(p.name for p in folder.iterdir()) == [
        "config.yaml", "metrics.jsonl", "report.html", "result.json",
    ]  # fmt: skip


def test_a_page_about_many_rows_stays_small(make_run: Make, tmp_path: Path) -> None:
    """30,000 users and 40,000 items: the ends are listed, 1,500 of each are drawn."""
    folder = make_run(tmp_path / "r", rows=7, planted=False)
    random = np.random.default_rng(2)
    table = pd.DataFrame(
        {
            "user": random.integers(0, 30_000, 200_000),
            "item": random.integers(0, 40_000, 200_000),
            "value": random.standard_normal(200_000),
        }
    )
    table["item.name"] = pd.Categorical("a rather long name of item " + table["item"].astype(str))
    table.to_parquet(folder / "values.parquet", index=False)
    found = read(folder)
    empty = make_run(tmp_path / "empty")
    read(empty)
    grown = (folder / page.NAME).stat().st_size - (empty / page.NAME).stat().st_size
    assert grown < 500_000
    assert (folder / page.SUMMARY).stat().st_size < 500_000
    assert len(found.tables["Values by item"]) == 1 + 400 + 1
    text = " ".join(found.text.split())
    assert "1500 of 40000 items are drawn" in text or "1500 of 39" in text
    assert "the 200 lowest and the 200 highest are listed" in text


def test_a_sweep_that_says_its_directions_is_reported_without_torch(
    make_sweep: Make, tmp_path: Path
) -> None:
    folder = make_sweep(tmp_path / "s", planted=False)
    manifest = json.loads((folder / "manifest.json").read_text())
    (folder / "manifest.json").write_text(
        json.dumps(manifest | {"directions": {"ndcg@20": "maximize"}})
    )
    code = (
        "import sys; from pathlib import Path; from dvr_ray.reports.page import write_report; "
        "write_report(Path(sys.argv[1])); sys.exit('torch' in sys.modules or 'ray' in sys.modules)"
    )
    subprocess.run([sys.executable, "-c", code, str(folder)], check=True, timeout=120)
    assert (folder / page.NAME).stat().st_size > 1_000_000
