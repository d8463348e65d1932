"""What the figures of values show, read from the figures themselves."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from dvr_ray.reports.auc import separations
from dvr_ray.reports.results import RunResults, load_run
from dvr_ray.reports.sides import side
from dvr_ray.reports.value_figures import POINTS, distributions, means_by_rows, roc


@pytest.fixture(scope="module")
def run(make_run: Callable[..., Path], tmp_path_factory: pytest.TempPathFactory) -> RunResults:
    return load_run(make_run(tmp_path_factory.mktemp("runs") / "run", rows=900))


def test_histograms_are_shares_of_planted_and_real_rows(run: RunResults) -> None:
    assert run.values is not None
    real, planted = distributions(run.values)["value"].data
    assert (real.name, planted.name) == ("real, 771 rows", "planted, 129 rows")
    assert sum(real.y) == pytest.approx(1)
    assert sum(planted.y) == pytest.approx(1)
    centre = [np.dot(bars.x, bars.y) for bars in (planted, real)]
    means = run.values.groupby("planted")["value"].mean()
    assert centre == pytest.approx([means[True], means[False]], abs=0.05)


def test_without_planted_rows_there_is_one_histogram() -> None:
    table = pd.DataFrame({"value": [1.0, 2.0, np.nan], "planted": [False] * 3})
    found = distributions(table)
    assert list(found) == ["value"]
    (bars,) = found["value"].data
    assert bars.name == "all rows, 2 rows"
    assert sum(bars.y) == pytest.approx(1)


def test_equal_values_give_one_bar() -> None:
    (bars,) = distributions(pd.DataFrame({"value": [0.5] * 10}))["value"].data
    assert sorted(bars.y)[-2:] == [0, 1]


def test_the_roc_names_every_auc_and_calls_chance_chance(run: RunResults) -> None:
    assert run.values is not None
    table = run.values.assign(**{"feature.flat.0": 0.0})
    names = [trace.name for trace in roc(separations(table)).data]
    assert names[0] == f"value: {separations(table)[0].auc:.2f}".replace(" 0.", " .")
    assert [name.split(":")[0] for name in names] == [
        "value", "mean loss", "mean of features", "agreement", "overlap", "counts.0",
        "counts.1", "flat", "chance",
    ]  # fmt: skip
    assert names[7] == "flat: chance (.50 ± .05)"


def test_every_user_is_a_point_at_its_rows_and_mean_value() -> None:
    """User 7 has rows of values 1 and 3, user 9 one of 5, half or more of them planted."""
    table = pd.DataFrame(
        {"user": [7, 9, 7], "value": [1.0, 5.0, 3.0], "planted": [False, True, False]}
    )
    found = side(table, "user")
    assert found is not None
    real, planted, line = means_by_rows(found).data
    assert [(*real.x, *real.y, *real.text), (*planted.x, *planted.y, *planted.text)] == [
        (2, 2.0, "user 7"), (1, 5.0, "user 9"),
    ]  # fmt: skip
    assert (list(line.x), list(line.y)) == ([1, 2], [5, 2])


def test_of_many_items_some_are_drawn_and_the_line_means_all(rng: np.random.Generator) -> None:
    items = np.repeat(np.arange(4000), np.arange(4000) % 50 + 1)
    table = pd.DataFrame({"item": items, "value": rng.standard_normal(len(items))})
    found = side(table, "item")
    assert found is not None
    points, line = means_by_rows(found).data
    assert len(points.x) == POINTS
    assert list(points.x) == sorted(points.x)
    assert (min(points.x), max(points.x)) == (1, 50)
    assert np.mean(line.x) == pytest.approx(25.5, abs=0.1)
