"""Group-balanced weights against a loop, and data without groups."""

from __future__ import annotations

from dataclasses import replace

import pandas as pd
import pytest
import torch
from small_run import SMALL
from triplets import make_backbone, make_batch, make_weighting, small_data

from dvr_ray.config.load import apply
from dvr_ray.config.schema import RunConfig
from dvr_ray.errors import DataError
from dvr_ray.metrics import Catalogue
from dvr_ray.training.build import check_served
from dvr_ray.weightings.balanced import Balanced, balanced_weights


def _looped(groups: list[str], strength: float) -> list[float]:
    """The formula, row by row."""
    counts: dict[str, int] = {}
    for group in groups:
        if group != "unknown":
            counts[group] = counts.get(group, 0) + 1
    total = sum(counts.values())
    return [
        1.0 if group == "unknown" else (total / (len(counts) * counts[group])) ** strength
        for group in groups
    ]


@pytest.mark.parametrize("by", ["gender", "age"])
@pytest.mark.parametrize("strength", [0.0, 0.3, 1.0])
def test_weights_of_a_batch_are_those_of_a_loop(by: str, strength: float) -> None:
    weighting = make_weighting(Balanced, by=by, strength=strength)
    data = small_data()
    column = data.user_table["gender" if by == "gender" else "age_group"]
    groups = [str(column[user]) for user in data.train.users]
    assert len(set(groups)) > 1
    expected = torch.tensor(_looped(groups, strength), dtype=torch.float64)
    rows = torch.tensor([5, 0, len(data.train) - 1, 7])
    found = weighting.weigh(0, make_batch(make_backbone(), rows))
    assert found is not None
    torch.testing.assert_close(found, expected[rows])


def test_unknown_users_and_groups_without_rows_count_for_nobody() -> None:
    """Groups 0, 2 and 4 have 3, 1 and 2 rows; 1 and 3 have none, and two rows are unknown's."""
    groups = torch.tensor([0, 2, 0, -1, 4, 0, 4, -1])
    names = ["unknown" if group < 0 else str(group) for group in groups.tolist()]
    found = balanced_weights(groups, 1.0)
    assert found.tolist() == pytest.approx(_looped(names, 1.0))
    totals = [float(found[groups == group].sum()) for group in (0, 2, 4)]
    assert totals == pytest.approx([2.0, 2.0, 2.0])
    assert found[groups < 0].tolist() == [1.0, 1.0]
    assert balanced_weights(torch.tensor([-1, -1]), 1.0).tolist() == [1.0, 1.0]


@pytest.mark.parametrize(
    ("table", "wanted"),
    [
        ({}, "balanced needs the users' gender, the data have none; it comes with data.source"),
        ({"gender": ["F"] * 60}, "balanced needs users of two groups of gender, the data have"),
    ],
)
def test_data_without_groups_are_refused(table: dict[str, list[str]], wanted: str) -> None:
    config = apply(RunConfig(), SMALL | {"method": {"name": "balanced", "by": "gender"}})
    data = small_data()
    check_served(config, Catalogue.of(data))
    bare = replace(data, user_table=pd.DataFrame(table, index=range(60)))
    with pytest.raises(DataError) as refused:
        check_served(config, Catalogue.of(bare), "file.yaml")
    assert str(refused.value).startswith("file.yaml: method: ")
    assert wanted in str(refused.value)
