"""Several sweeps side by side: what is compared, what is refused."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from reports.reading import Page

from dvr_ray.config.load import dump, load_space
from dvr_ray.errors import CheckpointError
from dvr_ray.reports.comparing import TestRow, compare
from dvr_ray.reports.comparison_figures import best_so_far, winners
from dvr_ray.reports.page import write_comparison

Make = Callable[..., Path]


def change(path: Path, **fields: Any) -> None:
    path.write_text(json.dumps(json.loads(path.read_text()) | fields))


def second(folders: list[Path], metric: str = "ndcg@20") -> TestRow:
    return next(r for r in compare(folders).test if r.metric == metric and r.sweep == "b")


@pytest.fixture
def pair(make_sweep: Make, tmp_path: Path) -> list[Path]:
    """Two sweeps over the same data; the second's seeds scored .004, .003 and -.001 higher."""
    folders = [make_sweep(tmp_path / name, rows=200) for name in ("a", "b")]
    final = json.loads((folders[1] / "final.json").read_text())
    final["test"]["dvr"]["ndcg@20"] = [0.190, 0.191, 0.189]
    (folders[1] / "final.json").write_text(json.dumps(final))
    return folders


def test_like_sweeps_are_compared_seed_by_seed(pair: list[Path]) -> None:
    row = second(pair)
    assert row.difference is not None
    assert row.difference.mean == pytest.approx(0.002)
    assert row.difference.sd == pytest.approx(0.0026458, abs=1e-6)
    assert (row.difference.count, row.better, row.why) == (3, 2, "seed by seed")
    assert str(row.control) == ".1720 ± .0026"


def test_the_first_sweep_has_no_difference(pair: list[Path]) -> None:
    first = compare(pair).test[0]
    assert (first.sweep, first.difference, first.better, first.why) == ("a", None, None, "")


@pytest.mark.parametrize("seeds", [[1, 2, 3], [1000, 1001], []])
def test_other_seeds_give_an_unpaired_difference(pair: list[Path], seeds: list[int]) -> None:
    change(pair[1] / "final.json", seeds=seeds)
    row = second(pair)
    assert row.difference is not None
    assert str(row.difference) == ".0020"
    assert (row.better, row.why) == (None, "unpaired: other seeds")
    write_comparison(pair)
    stored = json.loads((pair[0].parent / "comparison.json").read_text())["test"][1]
    assert stored["difference"] == {"mean": pytest.approx(0.002)}


@pytest.mark.parametrize(
    ("fingerprint", "why"),
    [("ffff", "not comparable: other data or noise"), ("", "not comparable: data unknown")],
)
def test_other_data_give_no_difference(pair: list[Path], fingerprint: str, why: str) -> None:
    change(pair[1] / "manifest.json", data_fingerprint=fingerprint)
    row = second(pair)
    assert (row.difference, row.better, row.why) == (None, None, why)


def test_another_split_gives_no_difference(pair: list[Path]) -> None:
    path = pair[1] / "space.yaml"
    dump(load_space(path, ["run.split.seed=7"]), path)
    assert second(pair).why == "not comparable: other split"


def test_a_metric_that_the_first_has_not_is_not_compared(pair: list[Path]) -> None:
    final = json.loads((pair[0] / "final.json").read_text())
    del final["test"]["dvr"]["recall@20"]
    (pair[0] / "final.json").write_text(json.dumps(final))
    row = second(pair, "recall@20")
    assert (row.difference, row.why) == (None, "not measured in the first")


def test_only_fields_that_differ_are_listed(pair: list[Path]) -> None:
    (pair[0] / "best.yaml").write_text("seed: 0\ntraining: {lr: 0.1, l2: 0.5}\n")
    (pair[1] / "best.yaml").write_text("seed: 0\ntraining: {lr: 0.2, l2: 0.5}\nextra: [1]\n")
    assert compare(pair).differing == {"training.lr": (0.1, 0.2), "extra": (None, [1])}


def test_sweeps_that_were_not_tested_are_shown_by_their_selection(
    make_sweep: Make, tmp_path: Path
) -> None:
    folders = [make_sweep(tmp_path / name, final=False, rows=0) for name in ("a", "b")]
    page = Page(write_comparison(folders).read_text())
    assert "Test results" not in page.headings
    assert page.cards == [[name, ".1900", "ndcg@20 on selection; not tested"] for name in "ab"]


def test_figures_have_a_line_for_each_sweep(pair: list[Path]) -> None:
    found = compare(pair)
    history = best_so_far(found, "ndcg@20").data
    assert [trace.name for trace in history] == ["a", "b"]
    assert (history[0].x[0], history[0].x[-1], history[0].y[-1]) == (1, 18, 0.19)
    curves = winners(found, "ndcg@20").data
    drawn = [(trace.name, len(trace.x)) for trace in curves]
    assert drawn == [("a, trial 7", 8), ("b, trial 7", 8)]


def test_no_table_of_values_is_kept(pair: list[Path]) -> None:
    for compared in compare(pair).sweeps:
        runs = [run for runs in compared.sweep.final_runs.values() for run in runs]
        assert runs and all(run.values is None for run in runs)
        assert compared.separations


def test_a_comparison_lies_beside_the_first_sweep(pair: list[Path], tmp_path: Path) -> None:
    assert write_comparison(pair) == (tmp_path / "comparison.html").resolve()
    page = Page((tmp_path / "comparison.html").read_text())
    assert page.headings == [
        "Test results", "Searches", "History of the searches", "Learning of the winners",
        "Planted rows found", "How this was made",
    ]  # fmt: skip
    assert json.loads((tmp_path / "comparison.json").read_text())["against"] == "a"
    assert sorted(p.name for p in tmp_path.iterdir()) == [
        "a", "b", "comparison.html", "comparison.json",
    ]  # fmt: skip


def test_folders_of_one_name_are_told_apart_by_their_paths(
    make_sweep: Make, tmp_path: Path
) -> None:
    folders = [make_sweep(tmp_path / name / "sweep", trials=1, rows=0) for name in ("a", "b")]
    assert [c.name for c in compare(folders).sweeps] == [str(folder) for folder in folders]


def test_what_is_no_sweep_is_refused(pair: list[Path], make_run: Make, tmp_path: Path) -> None:
    run = make_run(tmp_path / "run")
    with pytest.raises(CheckpointError, match=r"run: a single run: only sweeps are compared; give"):
        compare([pair[0], run])
    with pytest.raises(CheckpointError, match=r"none: no such folder"):
        compare([pair[0], tmp_path / "none"])
    with pytest.raises(CheckpointError, match=r"b/../a: given twice; name each sweep once"):
        compare([pair[0], pair[1] / ".." / "a"])
    assert not (tmp_path / "comparison.html").exists()


def test_sweeps_without_a_common_objective_are_refused(make_sweep: Make, tmp_path: Path) -> None:
    a = make_sweep(tmp_path / "a", final=False)
    b = make_sweep(tmp_path / "b", objectives=("recall@20",), final=False)
    with pytest.raises(CheckpointError) as caught:
        compare([a, b])
    assert str(caught.value) == (
        f"{a}: the sweeps must share an objective, got a: ndcg@20; b: recall@20; compare sweeps "
        "that were tuned for the same metric"
    )
    c = make_sweep(tmp_path / "c", objectives=("recall@20", "ndcg@20"), final=False)
    assert compare([a, c]).objectives == ("ndcg@20",)
    change(c / "manifest.json", directions={"ndcg@20": "minimize"})
    with pytest.raises(CheckpointError, match=r"must share an objective"):
        compare([a, c])
