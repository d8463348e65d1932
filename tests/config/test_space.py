"""Distributions, conditions and their order, as data."""

from __future__ import annotations

from typing import Any

import pydantic
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dvr_ray.config.paths import MISSING
from dvr_ray.config.space import Distribution, SearchSpace
from dvr_ray.errors import ConfigError


def distribution(**content: Any) -> Distribution:
    return Distribution.model_validate(content, strict=False)


def space(search: dict[str, Any], **run: Any) -> SearchSpace:
    return SearchSpace.model_validate({"run": run, "search": search}, strict=False)


@pytest.mark.parametrize(
    ("content", "inside", "outside"),
    [
        ({"int": [1, 4]}, [1, 4, 2.0], [0, 5, 1.5, True, "1", None]),
        ({"int": [1, 7], "step": 3}, [1, 4, 7], [2, 3, 6]),
        ({"float": [0.1, 1]}, [0.1, 1, 0.55], [0.09, 1.1, "0.5", True, None]),
        ({"choice": ["a", None, [1, 2]]}, ["a", None, [1, 2]], ["b", [1], 1]),
    ],
)
def test_ranges_hold_what_they_can_draw(
    content: dict[str, Any], inside: list[Any], outside: list[Any]
) -> None:
    found = distribution(**content)
    assert [found.contains(value) for value in inside] == [True] * len(inside)
    assert [found.contains(value) for value in outside] == [False] * len(outside)


@pytest.mark.parametrize(
    ("content", "words"),
    [
        ({}, "exactly one of int, float and choice must be given, got 0"),
        ({"int": [1, 2], "float": [1, 2]}, "exactly one .* got 2"),
        ({"int": [3, 2]}, r"must not exceed the highest, got \[3, 2\]"),
        ({"float": [0.2, 0.1]}, r"must not exceed the highest, got \[0.2, 0.1\]"),
        ({"float": [0, 1], "log": True}, r"log needs a lowest value above 0, got \[0.0, 1.0\]"),
        ({"int": [-1, 1], "log": True}, r"log needs .* got \[-1, 1\]"),
        ({"int": [1, 4], "step": 2}, "step must lead from 1 to 4, got step: 2"),
        ({"int": [1, 4], "step": 3, "log": True}, "without log, got step: 3"),
        ({"float": [0, 1], "step": 1}, "step is for an int range .* got step: 1"),
        ({"choice": [1, 2], "log": True}, "no sense for a choice"),
        ({"choice": [1, 2], "step": 1}, "no sense for a choice"),
        ({"choice": [1, 2, 1]}, r"twice, got choice \[1, 2, 1\]"),
        ({"choice": [1, True]}, r"twice, got choice \[1, true\]"),
        ({"choice": [[1], "[1]"]}, "twice"),
        ({"choice": [{"a": 1}]}, r"scalars and lists, got choice \[\{"),
    ],
)
def test_impossible_distribution_is_refused(content: dict[str, Any], words: str) -> None:
    with pytest.raises(pydantic.ValidationError, match=words):
        distribution(**content)


def test_corners_are_all_values_of_a_short_range_else_both_ends() -> None:
    assert distribution(int=[1, 4]).corners == (1, 2, 3, 4)
    assert distribution(int=[1, 7], step=3).corners == (1, 4, 7)
    assert distribution(int=[1, 64]).corners == tuple(range(1, 65))
    assert distribution(int=[1, 65]).corners == (1, 65)
    assert distribution(float=[0.1, 2]).corners == (0.1, 2.0)
    assert distribution(choice=["a", [1]]).corners == ("a", [1])


def test_lists_among_choices_are_labelled_by_their_text() -> None:
    assert distribution(choice=["a", None, [1, "b"]]).labels == ("a", None, '[1, "b"]')


def test_conditions_come_before_what_hangs_on_them() -> None:
    found = space(
        {
            "policy.keep_rate": {
                "float": [0.5, 0.9],
                "when": {"policy.normalisation": "centred", "seed": 0},
            },
            "valuator.depth": {"int": [1, 2]},
            "policy.normalisation": {
                "choice": ["sigmoid", "centred"],
                "when": {"method.name": "dvr"},
            },
            "method.name": {"choice": ["dvr", "none"]},
        }
    )
    order = found.order()
    assert sorted(order) == sorted(found.search)
    assert order.index("method.name") < order.index("policy.normalisation")
    assert order.index("policy.normalisation") < order.index("policy.keep_rate")


@settings(deadline=None, max_examples=60)
@given(st.permutations(range(6)), st.sets(st.tuples(st.integers(0, 5), st.integers(0, 5))))
def test_order_holds_for_any_conditions_without_a_circle(
    rank: list[int], pairs: set[tuple[int, int]]
) -> None:
    fields = ["seed", "valuator.depth", "valuator.units", "valuator.steps", "adapter.masks",
              "training.epochs"]  # fmt: skip
    edges = {(fields[rank[a]], fields[rank[b]]) for a, b in pairs if a < b}
    search = {
        name: {"int": [1, 2], "when": {above: 1 for above, below in edges if below == name}}
        for name in fields
    }
    order = space(search).order()
    assert sorted(order) == sorted(fields)
    assert all(order.index(above) < order.index(below) for above, below in edges)


@pytest.mark.parametrize("length", [1, 2, 3])
def test_circle_of_conditions_is_refused(length: int) -> None:
    fields = ["seed", "valuator.depth", "adapter.masks"][:length]
    search = {
        name: {"int": [1, 2], "when": {fields[(n + 1) % length]: 1}}
        for n, name in enumerate(fields)
    }
    with pytest.raises(ConfigError, match=r"circle, got .* -> ") as caught:
        space(search).order("x.yaml:3: search")
    assert caught.value.place == "x.yaml:3: search"
    assert all(name in caught.value.rule for name in fields)


NESTED = {
    "method.name": {"choice": ["dvr", "none"]},
    "policy.normalisation": {"choice": ["sigmoid", "centred"], "when": {"method.name": "dvr"}},
    "policy.keep_rate": {
        "float": [0.5, 0.9],
        "when": {"policy.normalisation": ["centred", "minmax"]},
    },
    "policy.temperature": {"float": [0.1, 1], "when": {"training.dtype": "float32"}},
    "valuator.steps": {"int": [1, 9], "when": {"method.name": "dvr", "training.dtype": "float64"}},
}


def test_condition_looks_at_suggestions_then_at_the_run() -> None:
    found = space(NESTED)
    assert found.holds("method.name", {})
    assert found.holds("policy.normalisation", {"method.name": "dvr"})
    assert not found.holds("policy.normalisation", {"method.name": "none"})
    assert found.holds("policy.keep_rate", {"policy.normalisation": "centred"})
    assert not found.holds("policy.keep_rate", {"policy.normalisation": "sigmoid"})
    assert found.holds("policy.temperature", {})
    assert not found.holds("valuator.steps", {"method.name": "dvr"})


def test_field_left_out_meets_no_condition() -> None:
    """The run itself is centred, but its normalisation isn't searched without the method."""
    found = space(NESTED, policy={"normalisation": "centred"})
    assert not found.holds("policy.keep_rate", {"method.name": "none"})


def test_plain_point_is_the_run_where_conditions_hold() -> None:
    assert space(NESTED).plain_point() == {
        "method.name": "dvr",
        "policy.normalisation": "sigmoid",
        "policy.temperature": 0.25,
    }
    none = space({**NESTED, "backbone.dim": {"int": [1, 2]}}, method={"name": "none"})
    assert none.plain_point() == {
        "method.name": "none",
        "policy.temperature": 0.25,
        "backbone.dim": MISSING,
    }


def test_corners_come_with_the_values_that_their_conditions_ask_for() -> None:
    found = space(NESTED, method={"name": "none"})
    assert found.corner_points("policy.keep_rate") == [
        {"method.name": "dvr", "policy.normalisation": "centred", "policy.keep_rate": end}
        for end in (0.5, 0.9)
    ]
    assert found.corner_points("policy.temperature")[0] == {
        "training.dtype": "float32",
        "policy.temperature": 0.1,
    }
