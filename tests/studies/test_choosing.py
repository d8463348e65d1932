"""Points that a choice tries, and which of them wins."""

from __future__ import annotations

from typing import Any

import pytest
from small_study import study_of

from dvr_ray.config.study import Choice
from dvr_ray.errors import ConfigError, RunError
from dvr_ray.studies.choosing import best_of, groups_of, tries_of


def _choice(**fields: Any) -> Choice:
    return study_of(choose=[fields]).choose[0]


def test_a_search_starts_as_it_is_and_covers_each_range_evenly() -> None:
    choice = _choice(search={
        "training.lr": {"float": [0.001, 1.0], "log": True},
        "adapter.masks": {"int": [2, 8], "step": 2},
        "policy.gate": {"choice": [True, False]},
    })  # fmt: skip
    first, *points = tries_of(choice, 9)
    assert first == {} and len(points) == 8
    # Eight strata of equal length on the log scale: one value in each.
    places = sorted(p["training.lr"] for p in points)
    edges = [0.001 * 10 ** (3 * k / 8) for k in range(9)]
    for low, value, high in zip(edges, places, edges[1:], strict=False):
        assert low * 0.999 <= value <= high * 1.001
    assert {p["adapter.masks"] for p in points} == {2, 4, 6, 8}
    assert sorted(p["policy.gate"] for p in points) == [False] * 4 + [True] * 4
    assert tries_of(choice, 9) == [first, *points]


def test_more_trials_of_another_field_change_no_other_field() -> None:
    one = {"training.lr": {"float": [0.1, 1.0]}}
    alone = tries_of(_choice(search=one), 9)
    both = tries_of(_choice(search=one | {"training.l2": {"float": [0.0, 1.0]}}), 9)
    assert [p.get("training.lr") for p in alone] == [p.get("training.lr") for p in both]


@pytest.mark.parametrize(
    ("fields", "rule"),
    [
        ({}, "exactly one of grid and search"),
        ({"grid": {"training.lr": [1]}, "search": {"training.lr": {"int": [1, 2]}}}, "exactly one"),
        ({"search": {"training.lr": {"int": [1, 2], "when": {"seed": 1}}}}, "when has no meaning"),
    ],
)
def test_wrong_choices_are_refused(fields: dict[str, Any], rule: str) -> None:
    with pytest.raises(ConfigError, match=rule):
        _choice(**fields)


def test_a_choice_of_cells_that_aren_t_run_is_left_out() -> None:
    choose = [{"grid": {"training.l2": [0.0]}, "only": {"method": ["tce"]}}]
    study = study_of(choose=choose, only={"method": ["keep all"]})
    assert list(groups_of(study, study.choose[0])) == []
    # So is a combination that isn't run.
    by_noise = [{"grid": {"training.l2": [0.0]}, "by": ["noise"]}]
    study = study_of(choose=by_noise, without=[{"noise": ["some"]}])
    assert [own for own, _ in groups_of(study, study.choose[0])] == [{"noise": "none"}]


def test_the_best_on_selection_wins_and_a_diverged_try_loses() -> None:
    study = study_of()
    choice = study.choose[0]
    (_, cell), *_ = groups_of(study, choice)
    config = study.run
    good = [{"selection": {"ndcg@20": value}} for value in (0.1, 0.3, 0.2)]
    assert best_of(study, choice, cell, config, good) == 1
    lost = {"error": "the loss is nan", "final": True}
    assert best_of(study, choice, cell, config, [good[0], lost, good[2]]) == 2
    # A run that may be mended says nothing of its point: the others mustn't win by default.
    with pytest.raises(RunError, match="mend it and use --resume"):
        best_of(study, choice, cell, config, [good[0], {"error": "no space", "final": False}])
    with pytest.raises(RunError, match="the loss is nan"):
        best_of(study, choice, cell, config, [lost, lost])
