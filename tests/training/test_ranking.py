"""Top lists whose ties don't depend on kernels, against a sort in loops."""

from __future__ import annotations

import math
from unittest.mock import patch

import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from dvr_ray.training import ranking
from dvr_ray.training.ranking import best_items


def looped(scores: list[float], depth: int) -> list[int]:
    order = sorted(range(len(scores)), key=lambda item: (-scores[item], item))
    shown = [item for item in order if scores[item] > -math.inf][:depth]
    return shown + [-1] * (depth - len(shown))


@settings(deadline=None, max_examples=150)
@given(
    seed=st.integers(0, 2**32 - 1), users=st.integers(1, 5), items=st.integers(1, 40),
    levels=st.integers(1, 6), group=st.sampled_from([2, 3, 32]), data=st.data(),
)  # fmt: skip
def test_equal_scores_stand_in_the_order_of_items(
    seed: int, users: int, items: int, levels: int, group: int, data: st.DataObject
) -> None:
    draws = torch.Generator().manual_seed(seed)
    scores = torch.randint(0, levels, (users, items), generator=draws).float()
    scores[torch.rand(users, items, generator=draws) < 0.2] = -torch.inf
    depth = data.draw(st.integers(1, items))
    with patch.object(ranking, "GROUP", group):
        found, values = best_items(scores, depth)
    assert found.tolist() == [looped(row, depth) for row in scores.tolist()]
    there = found >= 0
    assert torch.equal(values[there], scores.gather(1, found.clamp_min(0))[there])


def test_all_equal_scores_give_the_first_items() -> None:
    found, _ = best_items(torch.zeros(3, 1000), 20)
    assert found.tolist() == [list(range(20))] * 3
