"""What becomes of trials that lost their process."""

from __future__ import annotations

from pathlib import Path
from typing import Any
from unittest.mock import Mock

import pytest

from dvr_ray.config.schema import RunConfig
from dvr_ray.config.space import Distribution, SearchSpace, TuneConfig
from dvr_ray.training.stored import Failure, read_failure
from dvr_ray.tuning.losses import Losses
from dvr_ray.tuning.search import RESTARTS, Loss
from dvr_ray.tuning.trial import Plan, trial_folder

SPACE = SearchSpace(
    run=RunConfig(),
    search={"training.lr": Distribution(float=(0.001, 0.1))},  # type: ignore[call-arg]
    tune=TuneConfig(objective="ndcg@20", trials=3),
)
VALUES: dict[str, Any] = {"training.lr": 0.01}
DEATH = Failure("its process was lost")


class Told:
    """A sweep that notes what it is told."""

    def __init__(self, folder: Path) -> None:
        plan = Plan(SPACE, str(folder))
        self.folder = trial_folder(plan, plan.config(VALUES))
        self.searcher, self.watcher, self.groups, self.faults = Mock(), Mock(), Mock(), Mock()
        self.losses = Losses(plan, self.searcher, self.watcher, self.groups, self.faults)

    def ends(self) -> list[str]:
        return [call.args[1] for call in self.watcher.on_event.call_args_list]


@pytest.fixture
def told(tmp_path: Path) -> Told:
    return Told(tmp_path)


def test_a_trial_that_lost_its_process_goes_on(told: Told) -> None:
    told.losses.take(VALUES, Loss(DEATH, node="far"))
    told.groups.drop.assert_called_once_with(told.folder)
    assert told.faults.process_lost.call_args.args[:2] == (told.folder, "far")
    told.searcher.reopen.assert_not_called()
    assert told.ends() == [] and read_failure(told.folder) is None


def test_a_trial_that_is_given_up_ends_for_those_who_watch(told: Told) -> None:
    told.losses.take(VALUES, Loss(DEATH, given_up=True))
    assert told.ends() == ["failed"] and read_failure(told.folder) == DEATH
    told.faults.process_lost.assert_not_called()


def test_a_trial_that_tune_drops_too_often_is_given_up_too(told: Told) -> None:
    """Each time before it is taken up in another round of the search; told once where Tune did."""
    for which in range(RESTARTS):
        told.losses.take(VALUES, Loss(DEATH, dropped=True, told=which == 0))
    assert told.searcher.reopen.call_count == RESTARTS and told.ends() == []
    assert told.faults.process_lost.call_count == RESTARTS - 1
    told.losses.take(VALUES, Loss(DEATH, dropped=True))
    assert told.searcher.reopen.call_count == RESTARTS and told.ends() == ["failed"]
    assert told.losses.dropped[told.folder.name] == RESTARTS + 1
