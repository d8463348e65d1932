"""Suggestions are legal, conditional, and the same for the same seed."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from typing import Any

import optuna
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dvr_ray.config.load import apply
from dvr_ray.config.space import SearchSpace, TuneConfig
from dvr_ray.errors import ConfigError
from dvr_ray.tuning.suggest import decoded, first_point, make_sampler, ordered, suggest

SEARCH = {
    "policy.keep_rate": {"float": [0.5, 0.9], "when": {"policy.normalisation": "centred"}},
    "policy.normalisation": {"choice": ["sigmoid", "centred"], "when": {"method.name": "dvr"}},
    "method.name": {"choice": ["dvr", "none"]},
    "policy.bounds": {"choice": [[0.05, 0.95], [0.1, 0.9]]},
    "valuator.depth": {"int": [1, 7], "step": 3},
    "valuator.units": {"int": [1, 128], "log": True},
    "training.lr": {"float": [1e-4, 1e-1], "log": True},
    "training.l2": {"float": [0, 1], "when": {"training.dtype": "float64"}},
    "backbone.dim": {"choice": [16, 32, None]},
}
RUN = {"backbone": {"name": "bprmf", "dim": 32}}


@pytest.fixture(autouse=True, scope="module")
def _quiet() -> None:
    optuna.logging.set_verbosity(optuna.logging.ERROR)


def space(**tune: Any) -> SearchSpace:
    content = {"run": RUN, "search": SEARCH, "tune": tune}
    return SearchSpace.model_validate(content, strict=False)


def suggested(searched: SearchSpace, trials: int, first: bool = False) -> list[dict[str, Any]]:
    """Suggestions of a new study whose objective prefers small learning rates."""
    study = optuna.create_study(sampler=make_sampler(searched.tune))
    if first:
        study.enqueue_trial(first_point(searched))
    points = []
    for _ in range(trials):
        trial = study.ask()
        points.append(suggest(trial, searched))
        assert trial.params == points[-1]
        study.tell(trial, points[-1]["training.lr"])
    return points


@pytest.mark.parametrize("sampler", ["tpe", "random", "nsga2"])
def test_suggestions_are_legal_and_only_where_conditions_hold(sampler: str) -> None:
    searched = space(sampler=sampler, trials=40)
    always = set(SEARCH) - {"policy.keep_rate", "policy.normalisation", "training.l2"}
    seen = set()
    for point in suggested(searched, 40):
        values = decoded(searched, point)
        run = apply(searched.run, values)
        assert all(searched.search[name].contains(value) for name, value in values.items())
        expected = set(always)
        if run.method.name == "dvr":
            expected.add("policy.normalisation")
            if run.policy.normalisation == "centred":
                expected.add("policy.keep_rate")
        assert set(values) == expected
        assert run.policy.bounds in ((0.05, 0.95), (0.1, 0.9))
        seen.add(frozenset(expected))
    assert len(seen) == 3


@pytest.mark.parametrize("sampler", ["tpe", "random", "nsga2"])
def test_same_seed_suggests_the_same_and_another_does_not(sampler: str) -> None:
    one, again = (suggested(space(sampler=sampler, seed=3), 16) for _ in range(2))
    assert one == again
    assert suggested(space(sampler=sampler, seed=4), 16) != one


def test_new_process_suggests_the_same() -> None:
    """Another hash seed changes the order of sets; suggestions must not follow."""
    code = (
        "import json, sys, optuna; optuna.logging.set_verbosity(optuna.logging.ERROR)\n"
        "from dvr_ray.config.space import SearchSpace\n"
        "from dvr_ray.tuning.suggest import make_sampler, suggest\n"
        "space = SearchSpace.model_validate(json.load(sys.stdin), strict=False)\n"
        "study = optuna.create_study(sampler=make_sampler(space.tune))\n"
        "points = []\n"
        "for _ in range(8):\n"
        "    trial = study.ask(); points.append(suggest(trial, space))\n"
        "    study.tell(trial, points[-1]['training.lr'])\n"
        "print(json.dumps(points))\n"
    )
    content = {"run": RUN, "search": SEARCH, "tune": {"trials": 8, "seed": 5}}
    done = subprocess.run(
        [sys.executable, "-c", code],
        input=json.dumps(content),
        env={**os.environ, "PYTHONHASHSEED": "1234"},
        capture_output=True,
        text=True,
        check=True,
        timeout=120,
    )
    assert json.loads(done.stdout) == suggested(space(trials=8, seed=5), 8)


def test_trial_zero_is_the_plain_run() -> None:
    searched = space()
    point = suggested(searched, 1, first=True)[0]
    assert point == first_point(searched)
    assert apply(searched.run, decoded(searched, point)) == searched.run
    assert set(SEARCH) - set(point) == {"policy.keep_rate", "training.l2"}


def test_choices_that_are_lists_go_through_optuna_as_text() -> None:
    searched = space()
    assert first_point(searched)["policy.bounds"] == "[0.05, 0.95]"
    assert decoded(searched, {"policy.bounds": "[0.1, 0.9]", "valuator.depth": 4}) == {
        "policy.bounds": [0.1, 0.9],
        "valuator.depth": 4,
    }


def test_condition_on_a_list_is_met() -> None:
    content = {
        "search": {
            "policy.bounds": {"choice": [[0.05, 0.95], [0.1, 0.9]]},
            "seed": {"int": [0, 9], "when": {"policy.bounds": [[0.1, 0.9]]}},
        }
    }
    searched = SearchSpace.model_validate(content, strict=False)
    for label, expected in [("[0.1, 0.9]", 2), ("[0.05, 0.95]", 1)]:
        trial = optuna.trial.FixedTrial({"policy.bounds": label, "seed": 3})
        assert len(suggest(trial, searched)) == expected


def test_stored_parameters_give_the_suggestion_back() -> None:
    searched = space(sampler="random")
    for point in suggested(searched, 10):
        trial = optuna.trial.FixedTrial(point)
        assert suggest(trial, searched) == point
        assert set(trial.distributions) == set(point)


@settings(deadline=None, max_examples=40)
@given(st.data())
def test_any_range_is_suggested_within(data: st.DataObject) -> None:
    low = data.draw(st.integers(1, 20))
    step = data.draw(st.integers(1, 5))
    high = low + step * data.draw(st.integers(0, 10))
    edges = sorted(data.draw(st.tuples(st.floats(1e-9, 1), st.floats(1e-9, 1))))
    search = {
        "valuator.steps": {"int": [low, high], "step": step},
        "valuator.lr": {"float": edges, "log": data.draw(st.booleans())},
    }
    searched = SearchSpace.model_validate({"search": search}, strict=False)
    study = optuna.create_study(sampler=make_sampler(TuneConfig(sampler="random")))
    for _ in range(5):
        point = suggest(study.ask(), searched)
        assert (point["valuator.steps"] - low) % step == 0
        assert low <= point["valuator.steps"] <= high
        assert edges[0] <= point["valuator.lr"] <= edges[1]


def test_optuna_sees_the_ranges_as_written() -> None:
    trial = optuna.trial.FixedTrial(first_point(space()))
    suggest(trial, space())
    seen = optuna.distributions
    assert trial.distributions == {
        "policy.normalisation": seen.CategoricalDistribution(("sigmoid", "centred")),
        "method.name": seen.CategoricalDistribution(("dvr", "none")),
        "policy.bounds": seen.CategoricalDistribution(("[0.05, 0.95]", "[0.1, 0.9]")),
        "valuator.depth": seen.IntDistribution(1, 7, step=3),
        "valuator.units": seen.IntDistribution(1, 128, log=True),
        "training.lr": seen.FloatDistribution(1e-4, 1e-1, log=True),
        "backbone.dim": seen.CategoricalDistribution((16, 32, None)),
    }


def test_circle_is_refused_for_spaces_made_in_python() -> None:
    search = {"seed": {"int": [0, 1], "when": {"seed": 1}}}
    searched = SearchSpace.model_validate({"search": search}, strict=False)
    with pytest.raises(ConfigError, match="here: `when` goes in a circle, got seed -> seed"):
        ordered(searched, "here")


@pytest.mark.parametrize(
    ("trials", "startup", "population"), [(8, 4, 4), (24, 6, 6), (200, 10, 50), (None, 10, 50)]
)
def test_few_trials_are_not_all_random(trials: int | None, startup: int, population: int) -> None:
    content = {"trials": trials, "minutes": 1}
    tpe = make_sampler(TuneConfig.model_validate({**content, "sampler": "tpe"}, strict=False))
    nsga2 = make_sampler(TuneConfig.model_validate({**content, "sampler": "nsga2"}, strict=False))
    assert tpe._n_startup_trials == startup  # type: ignore[attr-defined]
    assert nsga2._population_size == population  # type: ignore[attr-defined]


def test_tpe_learns_within_a_small_budget() -> None:
    """Small rates are best: after the start-up the median suggestion is below the range's middle.

    The middle of [1e-4, 1e-1] on the log scale is 10^-2.5; 12 random draws have their median below
    it with probability 1/2, so all of four seeds would be below by chance once in 16.
    """
    middle = 10**-2.5
    medians = []
    for seed in range(4):
        points = suggested(space(trials=16, seed=seed), 16)[4:]
        medians.append(sorted(p["training.lr"] for p in points)[6])
    assert max(medians) < middle
