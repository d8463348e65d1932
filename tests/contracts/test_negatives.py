"""What every registered negative sampler must satisfy, and broken ones that must fail it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch
from drawing import Normed, liked_by, model_of, small_log, users_of
from torch import Tensor

from dvr_ray.backbones.bprmf import BPRMF
from dvr_ray.negatives import NEGATIVES, Negatives, NegativeSampler
from dvr_ray.negatives.uniform import Uniform, UniformParams

TRAIN = small_log(9, 14, seed=4)
ROWS = torch.randperm(len(TRAIN), generator=torch.Generator().manual_seed(1))
VARIANTS: list[dict[str, Any]] = [{}, {"count": 4}, {"count": 4, "shared": True}]
MODELS = {"inner product": model_of(TRAIN), "own matching": model_of(TRAIN, Normed)}


def cases() -> list[tuple[str, dict[str, Any]]]:
    """Every registered sampler with its defaults, with several negatives, with a shared list."""
    found = []
    for name in NEGATIVES.names():
        known = NEGATIVES.get(name).Params.model_fields
        found += [(name, fields) for fields in VARIANTS if fields.keys() <= known.keys()]
    return found


def make(name: str, fields: dict[str, Any], model: BPRMF) -> NegativeSampler:
    cls = NEGATIVES.get(name)
    known = cls.Params.model_fields
    # The catalogue is too small for the default number of clusters.
    small = {"clusters": 3} if "clusters" in known else {}
    sampler = cls(cls.Params(**(small | fields)), TRAIN)
    sampler.meet(type(model))
    return sampler


def chosen(
    sampler: NegativeSampler, model: BPRMF, seed: int = 0, share: slice = slice(None)
) -> Negatives:
    """Draw for all rows, choose for a share of them, as a worker does."""
    drawn = sampler.draw(ROWS, torch.Generator().manual_seed(seed))
    own = drawn if len(drawn) == 1 else drawn[share]
    with torch.no_grad():
        return sampler.choose(model, sampler.snapshot(model), users_of(TRAIN)[ROWS][share], own)


def items_are_of_the_catalogue(sampler: NegativeSampler, model: BPRMF) -> None:
    found = chosen(sampler, model)
    assert found.items.dtype == torch.int64 and found.items.dim() == 2
    assert len(found.items) in (1, len(ROWS))
    assert int(found.items.min()) >= 0 and int(found.items.max()) < TRAIN.num_items
    shape = (len(ROWS), found.items.shape[1])
    if found.usable is not None:
        assert found.usable.dtype == torch.bool and found.usable.shape == shape
    if found.log_proposal is not None:
        assert found.log_proposal.shape in (shape, found.items.shape)
        assert bool(found.log_proposal.isfinite().all())


def no_usable_item_is_a_positive(sampler: NegativeSampler, model: BPRMF) -> None:
    for seed in range(5):
        found = chosen(sampler, model, seed)
        usable = torch.ones(1, 1, dtype=torch.bool) if found.usable is None else found.usable
        shape = (len(ROWS), found.items.shape[1])
        items, usable = found.items.expand(shape), usable.expand(shape)
        for row, listed, use in zip(ROWS, items, usable, strict=True):
            mine = liked_by(TRAIN, int(TRAIN.users[row]))
            assert not mine & set(listed[use].tolist())


def numbers_come_from_the_generator(sampler: NegativeSampler, model: BPRMF) -> None:
    torch.manual_seed(1)
    before = torch.get_rng_state()
    first, again, other = (chosen(sampler, model, seed).items for seed in (0, 0, 1))
    assert torch.equal(first, again) and not torch.equal(first, other)
    assert torch.equal(before, torch.get_rng_state())


def a_share_gets_what_it_gets_in_the_whole(sampler: NegativeSampler, model: BPRMF) -> None:
    whole, share = chosen(sampler, model), slice(5, 17)
    part = chosen(sampler, model, share=share)
    for all_rows, own in (
        (whole.items, part.items),
        (whole.usable, part.usable),
        (whole.log_proposal, part.log_proposal),
    ):
        if all_rows is None or own is None:
            assert all_rows is own
        else:
            assert torch.equal(all_rows if len(all_rows) == 1 else all_rows[share], own)


def an_empty_share_has_no_negatives(sampler: NegativeSampler, model: BPRMF) -> None:
    found = chosen(sampler, model, share=slice(0, 0))
    gaps = torch.zeros(0, found.items.shape[1])
    assert len(found.items) <= 1 and sampler.losses(gaps, found).shape == (0,)


def rows_lose_on_their_own(sampler: NegativeSampler, model: BPRMF) -> None:
    """Losses fall as gaps grow, and no row's loss depends on another row."""
    found = chosen(sampler, model)
    draws = torch.Generator().manual_seed(2)
    gaps = torch.randn(len(ROWS), found.items.shape[1], dtype=torch.float64, generator=draws)
    losses = sampler.losses(gaps, found)
    assert losses.shape == (len(ROWS),) and bool((losses >= 0).all())
    other = gaps.clone()
    other[0] += 5
    moved = sampler.losses(other, found)
    assert float(moved[0]) < float(losses[0]) or not float(losses[0])
    torch.testing.assert_close(moved[1:], losses[1:], rtol=0, atol=1e-12)


def rows_without_a_usable_negative_lose_nothing(sampler: NegativeSampler, model: BPRMF) -> None:
    found = chosen(sampler, model)
    shape = (len(ROWS), found.items.shape[1])
    usable = torch.ones(shape, dtype=torch.bool)
    usable[::2] = False
    gaps = torch.randn(shape, dtype=torch.float64, requires_grad=True)
    losses = sampler.losses(gaps, Negatives(found.items, usable, found.log_proposal))
    losses.sum().backward()
    assert not losses[::2].any() and bool((losses[1::2] > 0).all())
    assert gaps.grad is not None and bool(gaps.grad.isfinite().all())
    assert not gaps.grad[::2].any()


Check = Callable[[NegativeSampler, BPRMF], None]
CONTRACT: list[Check] = [
    items_are_of_the_catalogue,
    no_usable_item_is_a_positive,
    numbers_come_from_the_generator,
    a_share_gets_what_it_gets_in_the_whole,
    an_empty_share_has_no_negatives,
    rows_lose_on_their_own,
    rows_without_a_usable_negative_lose_nothing,
]


@pytest.mark.parametrize("check", CONTRACT)
@pytest.mark.parametrize("matching", MODELS)
@pytest.mark.parametrize(("name", "fields"), cases())
def test_sampler_keeps_the_contract(
    name: str, fields: dict[str, Any], matching: str, check: Check
) -> None:
    model = MODELS[matching]
    check(make(name, fields, model), model)


class Broken(Uniform):
    """A uniform sampler with one fault."""

    def __init__(self, fault: str) -> None:
        super().__init__(UniformParams(count=2), TRAIN)
        self.fault = fault

    def draw(self, rows: Tensor, generator: torch.Generator) -> Tensor:
        match self.fault:
            case "every item":
                size = (len(rows), 2)
                return torch.randint(0, TRAIN.num_items, size, generator=generator)
            case "global numbers":
                return super().draw(rows, torch.default_generator)
        return super().draw(rows, generator)

    def choose(self, backbone: Any, snapshot: Any, users: Tensor, drawn: Tensor) -> Negatives:
        match self.fault:
            case "numbers of rows":
                return Negatives(drawn + TRAIN.num_items)
            case "sorted in the share":
                return Negatives(drawn.sort(0).values)
            case "row by row":
                return Negatives(torch.stack([row.sort().values for row in drawn]))
        return super().choose(backbone, snapshot, users, drawn)

    def losses(self, gaps: Tensor, negatives: Negatives) -> Tensor:
        match self.fault:
            case "batch mean":
                return super().losses(gaps, negatives).mean().expand(len(gaps))
            case "masked mean":
                usable = torch.ones_like(gaps) if negatives.usable is None else negatives.usable
                return super().losses(gaps, negatives) / usable.sum(1).bool()
        return super().losses(gaps, negatives)


BROKEN: list[tuple[str, Check]] = [
    ("numbers of rows", items_are_of_the_catalogue),
    ("every item", no_usable_item_is_a_positive),
    ("global numbers", numbers_come_from_the_generator),
    ("sorted in the share", a_share_gets_what_it_gets_in_the_whole),
    ("row by row", an_empty_share_has_no_negatives),
    ("batch mean", rows_lose_on_their_own),
    ("masked mean", rows_without_a_usable_negative_lose_nothing),
]


@pytest.mark.parametrize(("fault", "check"), BROKEN)
def test_a_broken_sampler_fails_the_contract(fault: str, check: Check) -> None:
    model = MODELS["inner product"]
    check(Broken("none"), model)
    with pytest.raises((AssertionError, RuntimeError)):
        check(Broken(fault), model)


def test_every_check_has_a_broken_sampler() -> None:
    assert [check for _, check in BROKEN] == CONTRACT
