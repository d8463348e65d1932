"""Outer triplets hold items of validation-reward."""

from __future__ import annotations

from dataclasses import dataclass, replace

import torch
from triplets import make_backbone, make_batch, make_weighting, small_data

from dvr_ray.collective import OneProcess
from dvr_ray.weightings.held_out import HeldOut
from dvr_ray.weightings.til_ui import UserItemImportance


@dataclass
class Worker(OneProcess):
    rank: int
    size: int


def test_items_are_held_out_and_clashes_do_not_count() -> None:
    held = small_data().reward
    own = set(zip(held.users.tolist(), held.items.tolist(), strict=True))
    known = set(held.users.tolist())
    draw = HeldOut(make_weighting(UserItemImportance).parts)
    clashes, seen = 0, set()
    for step in range(30):
        triplets = make_batch(make_backbone(), torch.arange(0, 300), count=3, step=step)
        items, counted = draw(triplets)
        for user, item, negatives, counts in zip(
            triplets.users.tolist(), items.tolist(), triplets.negatives.tolist(),
            counted.tolist(), strict=True,
        ):  # fmt: skip
            clash = any((user, negative) in own for negative in negatives)
            assert counts == float(user in known and not clash)
            assert not counts or (user, item) in own
            clashes += clash
            seen |= {(user, item)} if counts else set()
    users = set(triplets.users.tolist())
    assert clashes and seen == {pair for pair in own if pair[0] in users}


def test_workers_draw_what_one_draws() -> None:
    parts = make_weighting(UserItemImportance).parts
    rows = torch.arange(0, 101)
    whole, counted = HeldOut(parts)(make_batch(make_backbone(), rows, step=4))
    found = []
    for rank, own in enumerate(torch.arange(101).tensor_split(3)):
        batch = make_batch(make_backbone(), rows, step=4)
        share = replace(
            batch, users=batch.users[own], positives=batch.positives[own],
            negatives=batch.negatives[own],
        )  # fmt: skip
        found.append(HeldOut(replace(parts, collective=Worker(rank, 3)))(share))
    assert torch.equal(torch.cat([items for items, _ in found]), whole)
    assert torch.equal(torch.cat([counts for _, counts in found]), counted)
