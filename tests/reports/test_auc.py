"""AUCs against scikit-learn and against the definition."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.metrics import auc, roc_auc_score

from dvr_ray.reports.auc import Separation, separations


def table(value: np.ndarray, planted: np.ndarray, **columns: np.ndarray) -> pd.DataFrame:
    return pd.DataFrame({"value": value, "planted": planted, **columns})


def by_name(found: list[Separation]) -> dict[str, Separation]:
    return {separation.name: separation for separation in found}


@settings(deadline=None, max_examples=40)
@given(
    rows=st.lists(
        st.tuples(st.integers(-3, 3), st.integers(-3, 3), st.booleans()), min_size=2, max_size=60
    )
)
def test_aucs_equal_those_of_scikit_learn(rows: list[tuple[int, int, bool]]) -> None:
    """Integer scores make ties common; real rows are the positive ones."""
    value, loss, planted = (np.array(column) for column in zip(*rows, strict=True))
    found = by_name(separations(table(value, planted, mean_loss=loss)))
    if planted.all() or not planted.any():
        assert found == {}
        return
    assert found["value"].auc == pytest.approx(roc_auc_score(~planted, value))
    assert found["mean loss"].auc == pytest.approx(roc_auc_score(~planted, -loss))


def test_area_under_the_drawn_curve_is_the_auc(rng: np.random.Generator) -> None:
    planted = rng.random(3000) < 0.2
    value = rng.standard_normal(3000) - planted
    (found,) = separations(table(value, planted))
    assert len(found.true_rate) <= 201
    # 200 of 3001 points: the trapezoids cut off less than a thousandth.
    assert auc(found.false_rate, found.true_rate) == pytest.approx(found.auc, abs=1e-3)


def test_planted_rows_with_lower_values_give_an_auc_above_one_half() -> None:
    planted = np.array([True, True, False, False])
    assert separations(table(np.array([0.0, 1.0, 2.0, 3.0]), planted))[0].auc == 1
    assert separations(table(np.array([3.0, 2.0, 1.0, 0.0]), planted))[0].auc == 0


def test_features_count_alone_and_in_the_mean() -> None:
    planted = np.array([True, True, False, False])
    features = {
        "feature.loss.0": np.array([0.0, 2.0, 1.0, 3.0]),
        "feature.counts.0": np.array([3.0, 3.0, 3.0, 3.0]),
        "feature.counts.1": np.array([0.0, 0.0, 9.0, 9.0]),
    }
    found = by_name(separations(table(np.zeros(4), planted, **features)))
    assert list(found) == ["value", "mean of features", "loss", "counts.0", "counts.1"]
    assert [s.auc for s in found.values()] == [0.5, 1, 0.75, 0.5, 1]


def test_a_score_that_is_not_finite_is_left_out() -> None:
    planted = np.array([True, False])
    found = separations(table(np.array([0.0, 1.0]), planted, mean_loss=np.array([np.nan, 1.0])))
    assert [s.name for s in found] == ["value"]


def test_a_value_at_chance_is_called_chance(rng: np.random.Generator) -> None:
    """The band is 1.96 sqrt((n+ + n- + 1) / (12 n+ n-)), here 1.96 sqrt(1001 / 1.92e6) = .0448."""
    planted = np.arange(1000) < 200
    (found,) = separations(table(np.arange(1000) % 2, planted))
    assert found.half_width == pytest.approx(0.0448, abs=1e-4)
    assert found.at_chance
    assert found.described == "chance (.50 ± .04)"
    (better,) = separations(table(rng.standard_normal(1000) - planted, planted))
    assert not better.at_chance
    assert better.described == f"{better.auc:.2f}".lstrip("0")


def test_random_scores_lie_in_the_band_19_times_in_20(rng: np.random.Generator) -> None:
    """Of 400 draws 20 +- 4.4 should lie outside; the bound is five standard errors."""
    planted = np.arange(300) < 60
    outside = [not separations(table(rng.random(300), planted))[0].at_chance for _ in range(400)]
    assert abs(sum(outside) - 20) < 22
    assert sum(outside) > 0
