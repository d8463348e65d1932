"""The searcher's memory: whoever is killed goes on as if nothing had been."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from ray.tune.schedulers import ASHAScheduler

from dvr_ray.config.space import SearchSpace
from dvr_ray.errors import CheckpointError
from dvr_ray.tuning.searcher import Searcher

TRIALS = 14


def _space(sampler: str, *objectives: str) -> SearchSpace:
    return SearchSpace.model_validate(
        {
            "search": {
                "valuator.depth": {"int": (1, 4)},
                "training.lr": {"float": (1e-4, 1.0), "log": True},
                "policy.temperature": {"float": (0.1, 1.0), "when": {"valuator.depth": 1}},
            },
            "tune": {"objective": objectives or "ndcg@20", "sampler": sampler, "trials": TRIALS},
        }
    )


def _open(path: Path, space: SearchSpace, *, expired: bool = False) -> Searcher:
    return Searcher(space, path, None, lambda: expired)


def _result(values: dict[str, Any], space: SearchSpace) -> dict[str, float]:
    """A smooth game, so that a sampler that learns has something to learn."""
    score = values["training.lr"] - 0.1 * values["valuator.depth"]
    return {name: score * (1 if k == 0 else -1) for k, name in enumerate(space.tune.objectives)}


def _go_on(searcher: Searcher, space: SearchSpace, until: int) -> None:
    while searcher.ended < until:
        name = f"{searcher.ended}"
        values = searcher.suggest(name)
        assert values is not None
        searcher.on_trial_complete(name, _result(values, space))


@pytest.mark.parametrize("sampler", ["random", "tpe", "nsga2"])
@pytest.mark.parametrize("objectives", [("ndcg@20",), ("ndcg@20", "recall@20")])
@pytest.mark.parametrize("asked", [True, False], ids=["within a trial", "between trials"])
def test_killed_search_goes_on_alike(
    sampler: str, objectives: tuple[str, ...], asked: bool, tmp_path: Path
) -> None:
    """After each trial another process takes over, which knows the file alone."""
    space = _space(sampler, *objectives)
    whole = _open(tmp_path / "whole.pkl", space)
    _go_on(whole, space, TRIALS)
    for ended in range(TRIALS):
        killed = _open(tmp_path / "killed.pkl", space)
        assert killed.ended == ended
        if asked:
            killed.suggest("was asked, and never ended")
            killed = _open(tmp_path / "killed.pkl", space)
        _go_on(killed, space, ended + 1)
    assert [a.values for a in killed.asked] == [a.values for a in whole.asked]
    assert [t.values for t in killed._ot_study.trials] == [t.values for t in whole._ot_study.trials]


def test_trials_at_the_same_time_are_asked_once_each(tmp_path: Path) -> None:
    space = _space("random")
    searcher = _open(tmp_path / "s.pkl", space)
    first = [searcher.suggest(name) for name in "abc"]
    searcher.on_trial_complete("b", _result(first[1] or {}, space))
    again = _open(tmp_path / "s.pkl", space)
    assert [again.suggest(name) for name in "xy"] == [first[0], first[2]]
    assert again.suggest("z") not in first


def test_trial_cut_off_by_the_budget_stays_open(tmp_path: Path) -> None:
    space = _space("random")
    searcher = _open(tmp_path / "s.pkl", space, expired=True)
    values = searcher.suggest("a")
    searcher.on_trial_complete("a", {"ndcg@20": 0.5})
    later = _open(tmp_path / "s.pkl", space)
    assert later.ended == 0 and later.suggest("b") == values


def test_failed_trial_that_is_mended_is_learned_from(tmp_path: Path) -> None:
    space = _space("tpe")
    searcher = _open(tmp_path / "s.pkl", space)
    values = searcher.suggest("a")
    searcher.on_trial_complete("a", {"failure": "no such table"})
    later = _open(tmp_path / "s.pkl", space)
    assert later.asked[0].ended and later.asked[0].cause == "no such table"
    later.reopen(later.asked[0].values)
    assert later.suggest("b") == values
    later.on_trial_complete("b", {"ndcg@20": 0.5})
    assert later.ended == 1 and later.asked[0].cause == ""
    trials = later._ot_study.trials
    assert [t.state.name for t in trials] == ["FAIL", "COMPLETE"]
    assert trials[1].params == trials[0].params


def test_scheduler_is_remembered(tmp_path: Path) -> None:
    scheduler = ASHAScheduler(time_attr="epoch", metric="ndcg@20", mode="max")
    scheduler._num_stopped = 7
    space = _space("random")
    Searcher(space, tmp_path / "s.pkl", scheduler, lambda: False).suggest("a")
    fresh = ASHAScheduler(time_attr="epoch", metric="ndcg@20", mode="max")
    later = Searcher(space, tmp_path / "s.pkl", fresh, lambda: False)
    assert later.scheduler is not None and later.scheduler._num_stopped == 7


def test_damaged_memory_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "s.pkl"
    path.write_bytes(b"\x80\x04 no pickle")
    with pytest.raises(CheckpointError, match=r"s\.pkl: can't be read .*; delete it"):
        _open(path, _space("random"))
