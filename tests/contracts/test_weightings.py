"""What every registered weighting must satisfy, and broken weightings that must fail it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor
from triplets import horizon, make_backbone, make_batch, make_weighting

from dvr_ray.config.schema import Strict
from dvr_ray.weightings import WEIGHTINGS, TripletBatch, Weighting

Make = Callable[[], Weighting]
# Fields with which a weighting has something to do from the first step on.
FIELDS: dict[str, dict[str, Any]] = {
    "drop": {"values": "nobody's", "end": "random"},
    "tce": {"gradual": 1},
    "til-mi": {"warmup": 0, "clusters": 4},
}


def epoch(weighting: Weighting, number: int) -> tuple[list[Tensor | None], list[Tensor | None]]:
    """One horizon as the trainer runs it; the selections and weights of its batches."""
    backbone = make_backbone(seed=number)
    held = horizon(backbone, number)
    weighting.begin(held)
    kept, weights = [], []
    for place, rows in enumerate(held.batches):
        kept.append(weighting.select(0, rows))
        chosen = rows if kept[-1] is None else rows[kept[-1]]
        triplets = make_batch(backbone, chosen, count=2, step=number * len(held.batches) + place)
        found = weighting.weigh(0, triplets)
        weights.append(None if found is None else found.detach().clone())
    if weighting.learns:
        rewards = torch.rand(
            weighting.parts.config.adapter.masks, backbone.users.shape[0], dtype=torch.float64,
            generator=torch.Generator().manual_seed(number),
        )  # fmt: skip
        weighting.end(held, rewards)
    return kept, weights


def weights_are_finite_and_not_negative(make: Make) -> None:
    for found in epoch(make(), 0)[1]:
        if found is not None:
            assert bool(found.isfinite().all()) and bool((found >= 0).all())


def weights_go_with_the_triplets(make: Make) -> None:
    """None included: with many workers a share may be empty."""
    backbone = make_backbone()
    weighting = make()
    weighting.begin(horizon(backbone))
    for size in (1, 7, 0):
        found = weighting.weigh(0, make_batch(backbone, torch.arange(size), count=2))
        assert found is None or found.shape == (size,)


def selections_are_masks(make: Make) -> None:
    weighting = make()
    kept, _ = epoch(weighting, 0)
    for rows, found in zip(horizon(make_backbone()).batches, kept, strict=True):
        assert found is None or (found.shape == rows.shape and found.dtype == torch.bool)


def state_survives(make: Make) -> None:
    """One that takes up another's tensors, copied, goes on as the other does."""
    first, second = make(), make()
    epoch(first, 0)
    state = {name: tensor.clone() for name, tensor in first.tensors().items()}
    second.load_tensors(state)
    for number in (1, 2, 3):
        pairs = zip(epoch(first, number), epoch(second, number), strict=True)
        for one, other in pairs:
            for a, b in zip(one, other, strict=True):
                assert (a is None) == (b is None)
                assert a is None or b is None or torch.equal(a, b)


CONTRACT = [
    weights_are_finite_and_not_negative,
    weights_go_with_the_triplets,
    selections_are_masks,
    state_survives,
]


@pytest.mark.parametrize("check", CONTRACT)
@pytest.mark.parametrize("name", WEIGHTINGS.names())
def test_weighting_keeps_the_contract(name: str, check: Callable[[Make], None]) -> None:
    cls = WEIGHTINGS.get(name)
    check(lambda: make_weighting(cls, **FIELDS.get(name, {})))


@pytest.mark.parametrize("name", sorted(set(WEIGHTINGS.names()) - {"bpr"}))
def test_every_weighting_but_plain_bpr_does_something(name: str) -> None:
    """Without it, a contract with weightings that hold still says nothing."""
    weighting = make_weighting(WEIGHTINGS.get(name), **FIELDS.get(name, {}))
    epoch(weighting, 0)
    # The warm-up of these runs has two epochs.
    kept, weights = epoch(weighting, 2)
    assert any(mask is not None and not mask.all() for mask in kept) or any(
        found is not None and len(found.unique()) > 1 for found in weights
    )


class BrokenParams(Strict):
    """The fault."""

    fault: str = "none"


class Broken(Weighting):
    """Weights of a running count, with one fault."""

    Params = BrokenParams

    def __init__(self, parts: Any) -> None:
        super().__init__(parts)
        self._count = torch.ones(())

    def select(self, replica: int, rows: Tensor) -> Tensor | None:
        return rows % 2 if self.parts.params.fault == "numbers" else None

    def weigh(self, replica: int, triplets: TripletBatch) -> Tensor:
        self._count = self._count + 1
        weights = triplets.losses.detach() ** (1 / self._count)
        match self.parts.params.fault:
            case "negative":
                return -weights
            case "one for all":
                return weights.sum()[None]
        return weights

    def tensors(self) -> dict[str, Tensor]:
        return {} if self.parts.params.fault == "forgetful" else {"count": self._count}

    def load_tensors(self, state: dict[str, Tensor]) -> None:
        self._count = state.get("count", self._count)


BROKEN = [
    ("negative", weights_are_finite_and_not_negative),
    ("one for all", weights_go_with_the_triplets),
    ("numbers", selections_are_masks),
    ("forgetful", state_survives),
]


@pytest.mark.parametrize(("fault", "check"), BROKEN)
def test_a_broken_weighting_fails_the_contract(fault: str, check: Callable[[Make], None]) -> None:
    check(lambda: make_weighting(Broken))
    with pytest.raises((AssertionError, IndexError)):
        check(lambda: make_weighting(Broken, fault=fault))


def test_every_check_has_a_broken_weighting() -> None:
    assert [check for _, check in BROKEN] == CONTRACT
