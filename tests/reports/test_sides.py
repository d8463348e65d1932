"""Means by user and by item, against loops."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dvr_ray.reports.sides import LISTED, Side, side

ROW = st.tuples(st.integers(0, 5), st.floats(-1, 1, width=32), st.booleans())


def made(table: pd.DataFrame, kind: str = "user") -> Side:
    found = side(table, kind)
    assert found is not None
    return found


@settings(max_examples=30, deadline=None)
@given(st.lists(ROW, min_size=1, max_size=30))
def test_means_are_those_of_a_loop(rows: list[tuple[int, float, bool]]) -> None:
    table = pd.DataFrame(rows, columns=["user", "value", "planted"]).assign(probability=0.25)
    found = made(table)
    expected = []
    for user in sorted({row[0] for row in rows}):
        own = [row for row in rows if row[0] == user]
        mean = sum(value for _, value, _ in own) / len(own)
        share = sum(planted for _, _, planted in own) / len(own)
        known = any(planted for _, _, planted in rows)
        expected.append((mean, str(user), len(own), share if known else None))
    by_name = {member.name: member for member in found.listed}
    assert len(by_name) == len(found.means) == found.able == len(expected)
    for mean, user, count, share in expected:
        member = by_name[user]
        assert member.rows == count
        assert member.value == pytest.approx(mean, abs=1e-6)
        assert member.probability == pytest.approx(0.25)
        assert member.planted == (None if share is None else pytest.approx(share))
    values = [member.value for member in found.listed]
    assert values == sorted(values)


def test_of_many_both_ends_are_listed(rng: np.random.Generator) -> None:
    items = np.repeat(np.arange(1000), 6)
    found = made(pd.DataFrame({"item": items, "value": rng.standard_normal(6000)}), "item")
    means = found.means.set_index("name")["value"].sort_values()
    ends = [*means.index[:LISTED], *means.index[-LISTED:]]
    assert [member.name for member in found.listed] == [str(name) for name in ends]
    assert (found.able, len(found.means)) == (1000, 1000)


def test_means_over_few_rows_are_not_listed_where_enough_have_more() -> None:
    many = np.repeat(np.arange(20), 5)
    users = np.append(many, [98, 99])
    values = np.append(np.full(len(many), 0.5), [-9.0, 9.0])
    found = made(pd.DataFrame({"user": users, "value": values}))
    assert {member.name for member in found.listed} == {str(user) for user in range(20)}
    assert (found.least, found.able, len(found.means)) == (5, 20, 22)
    few = made(pd.DataFrame({"user": users[5:], "value": values[5:]}))
    assert (few.least, few.able, few.listed[0].name) == (1, 21, "98")


def test_attributes_are_listed_beside_the_id() -> None:
    table = pd.DataFrame(
        {
            "item": pd.Categorical(["b", "a", "b"]),
            "value": [1.0, 2.0, 3.0],
            "item.name": pd.Categorical(["Bee", None, "Bee"]),
            "item.category": ["x", "y", "x"],
            "user.gender": ["f", "f", "m"],
        }
    )
    found = made(table, "item")
    assert found.attributes == ("name", "category")
    assert [(m.name, m.attributes) for m in found.listed] == [
        ("a", ("", "y")), ("b", ("Bee", "x")),
    ]  # fmt: skip


def test_rows_without_a_value_do_not_count_as_zero() -> None:
    table = pd.DataFrame({"user": [1, 1, 2], "value": [np.nan, 4.0, np.nan]})
    assert [(m.name, m.value) for m in made(table).listed] == [("1", 4.0)]
    assert side(table.assign(value=np.nan), "user") is None
    assert side(table, "item") is None
