"""Valuators that a run keeps."""

from __future__ import annotations

from itertools import pairwise

import torch

from dvr_ray.training.valuators import LARGEST, MOST, Valuators, by_epoch


def _tensors(epoch: int) -> dict[str, torch.Tensor]:
    return {"means.head": torch.tensor([float(epoch)])}


def test_few_reports_are_kept_evenly_spread_with_both_ends() -> None:
    kept = Valuators()
    for epoch in range(2, 202, 2):
        kept.add(epoch, _tensors(epoch))
    found = by_epoch(kept.history)
    epochs = list(found)
    assert len(epochs) == MOST and epochs[0] == 2 and epochs[-1] == 200
    gaps = [later - earlier for earlier, later in pairwise(epochs)]
    assert max(gaps) <= 2 * 200 / (MOST - 1)
    assert all(found[epoch]["means.head"] == epoch for epoch in epochs)


def test_epoch_1_is_not_epoch_12() -> None:
    kept = Valuators()
    for epoch in (1, 12):
        kept.add(epoch, _tensors(epoch))
    assert [float(each["means.head"]) for each in by_epoch(kept.history).values()] == [1, 12]


def test_nothing_is_kept_of_no_valuator_and_of_a_large_one() -> None:
    kept = Valuators()
    kept.add(1, {})
    kept.add(2, {"means.gates": torch.zeros(LARGEST // 4 + 1)})
    assert not kept.history


def test_a_state_that_was_stored_is_the_same() -> None:
    kept, again = Valuators(), Valuators()
    kept.best = _tensors(5)
    kept.add(4, _tensors(4))
    kept.add(6, _tensors(6))
    again.load_tensors(kept.tensors())
    assert again.best == kept.best and again.history == kept.history
