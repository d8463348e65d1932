"""Importances of trials whose cause is known."""

from __future__ import annotations

import json
import logging
from typing import Any

import numpy as np
import pytest

from dvr_ray.config.space import SearchSpace
from dvr_ray.tuning.importance import importances

SEARCH: dict[str, Any] = {
    "training.lr": {"float": [1e-3, 1e-1], "log": True},
    "valuator.depth": {"int": [1, 4]},
    "policy.bounds": {"choice": [[0.05, 0.95], [0.0, 1.0]]},
    "policy.normalisation": {"choice": ["sigmoid", "centred"]},
    "policy.keep_rate": {"float": [0.5, 0.9], "when": {"policy.normalisation": "centred"}},
}
SPACE = SearchSpace.model_validate_json(json.dumps({"search": SEARCH}))
Trials = list[tuple[dict[str, Any], float]]


def draw(count: int, seed: int = 0) -> list[dict[str, Any]]:
    random = np.random.default_rng(seed)
    found = []
    for _ in range(count):
        values: dict[str, Any] = {
            "training.lr": float(10 ** random.uniform(-3, -1)),
            "valuator.depth": int(random.integers(1, 5)),
            "policy.bounds": [[0.05, 0.95], [0.0, 1.0]][int(random.integers(2))],
            "policy.normalisation": ["sigmoid", "centred"][int(random.integers(2))],
        }
        if values["policy.normalisation"] == "centred":
            values["policy.keep_rate"] = float(random.uniform(0.5, 0.9))
        found.append(values)
    return found


def noise(values: dict[str, Any]) -> float:
    """Digits of lr that have nothing to do with its size; between 0 and 1."""
    return float(values["training.lr"] * 1e6 % 1)


def by_lr(values: dict[str, Any]) -> float:
    return -float((np.log10(values["training.lr"]) + 2) ** 2)


def by_depth(values: dict[str, Any]) -> float:
    return float(values["valuator.depth"]) + 0.1 * noise(values)


def by_bounds(values: dict[str, Any]) -> float:
    return 10 * float(values["policy.bounds"][0]) + 0.1 * noise(values)


@pytest.mark.parametrize(
    ("score", "cause"),
    [(by_lr, "training.lr"), (by_depth, "valuator.depth"), (by_bounds, "policy.bounds")],
)
def test_the_field_that_decides_comes_first(score: Any, cause: str) -> None:
    found = importances(SPACE, [(values, score(values)) for values in draw(80)])
    assert next(iter(found)) == cause
    assert list(found.values()) == sorted(found.values(), reverse=True)
    assert sum(found.values()) == pytest.approx(1)
    assert set(found) <= set(SEARCH)


def test_the_direction_decides_which_trials_are_the_best() -> None:
    """Low objectives come from lr near 1e-3 alone, high ones from depth 4 alone."""
    trials: Trials = []
    for values in draw(200):
        low = values["training.lr"] < 2e-3
        trials.append((values, -10.0 if low else 10.0 * (values["valuator.depth"] == 4)))
    assert next(iter(importances(SPACE, trials, maximise=True))) == "valuator.depth"
    assert next(iter(importances(SPACE, trials, maximise=False))) == "training.lr"


def test_too_few_trials_or_equal_ones_give_nothing() -> None:
    trials = [(values, by_lr(values)) for values in draw(4)]
    assert importances(SPACE, trials)
    assert importances(SPACE, trials[:3]) == {}
    assert importances(SPACE, [(values, 0.5) for values in draw(20)]) == {}
    assert importances(SPACE, []) == {}


def test_a_trial_outside_its_range_is_left_out() -> None:
    trials = [(values, by_lr(values)) for values in draw(4)]
    strange = trials[0][0] | {"valuator.depth": 9}
    assert importances(SPACE, [*trials, (strange, 7.0)]) == importances(SPACE, trials)


def test_nothing_searched_gives_nothing() -> None:
    space = SearchSpace.model_validate_json("{}")
    assert importances(space, [({}, float(n)) for n in range(9)]) == {}


def test_the_same_trials_give_the_same_shares() -> None:
    trials = [(values, by_lr(values)) for values in draw(30)]
    assert importances(SPACE, trials) == importances(SPACE, trials)


def test_nothing_is_logged(capfd: pytest.CaptureFixture[str]) -> None:
    importances(SPACE, [(values, by_lr(values)) for values in draw(10)])
    logging.shutdown()
    out, err = capfd.readouterr()
    assert (out, err) == ("", "")
