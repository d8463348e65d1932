"""Ages, genders and categories in one vocabulary."""

from __future__ import annotations

import numpy as np
import pytest

from dvr_ray.data.attributes import age_groups, genders, item_table, joined, user_table


@pytest.mark.parametrize(
    ("age", "group"),
    [
        (1, "under 18"), ("17.9", "under 18"), (18, "18-24"), ("24", "18-24"), (25, "25-34"),
        (35, "35-44"), (45, "45-49"), (50, "50-55"), (55.0, "50-55"), (56, "56+"), (108, "56+"),
        (109, "unknown"), (-1337, "unknown"), (0, "unknown"), ("", "unknown"), (" ", "unknown"),
        (None, "unknown"), (float("nan"), "unknown"), ("old", "unknown"), ("inf", "unknown"),
    ],
)  # fmt: skip
def test_age_falls_into_its_band(age: object, group: str) -> None:
    assert age_groups([age])[0] == [group]


def test_unknown_ages_are_counted_by_reason() -> None:
    ages = ["", None, -1337, 109, "old", "nan", 30]
    assert age_groups(ages)[1] == {
        "empty ages": 2,
        "ages that are no number": 2,
        "ages outside 1 to 108": 2,
    }


def test_genders_are_written_alike() -> None:
    found = genders(["f", "Female", "M", " male ", "", None, float("nan"), "diverse"])
    assert found == ["F", "F", "M", "M", "unknown", "unknown", "unknown", "diverse"]


def test_the_first_of_repeated_ids_counts() -> None:
    table, notes = user_table([1, 2, 1], {"gender": ["F", "M", "M"]})
    assert table["gender"].to_dict() == {"1": "F", "2": "M"}
    assert notes == {"rows of users whose id came before": 1}


def test_tables_join_by_exact_ids_in_the_order_of_the_catalogue() -> None:
    cells = {"name": [" A", None, "C"], "category": [["x", " x", "y"], "z", None]}
    table, _ = item_table(["7", "07", "9"], cells)
    rows, absent = joined(table, np.array([9, 7, 8]))
    assert absent == 1
    assert rows.to_dict("list") == {"name": ["C", "A", ""], "category": [(), ("x", "y"), ()]}
