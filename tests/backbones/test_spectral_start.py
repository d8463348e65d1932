"""The spectral start against numpy's full decomposition of a dense matrix."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from dvr_ray.backbones.bprmf import BPRMF, BPRMFParams
from dvr_ray.data.interactions import Interactions

USERS, ITEMS = 30, 20


def _log(seed: int) -> Interactions:
    # Two tastes, so that leading singular values stand apart from the rest.
    rng = np.random.default_rng(seed)
    likely = np.where((np.arange(USERS)[:, None] < 12) == (np.arange(ITEMS) < 9), 0.8, 0.1)
    users, items = np.nonzero(rng.random((USERS, ITEMS)) < likely)
    return Interactions.from_pairs(users, items, USERS, ITEMS)


def _made(log: Interactions, dim: int, seed: int = 0) -> BPRMF:
    params = BPRMFParams(dim=dim, start="spectral")
    return BPRMF.build(params, log, torch.Generator().manual_seed(seed))


def _dense(log: Interactions) -> np.ndarray:
    known = np.zeros((USERS, ITEMS))
    known[log.users, log.items] = 1
    return known


def _scores(made: BPRMF) -> np.ndarray:
    return made.item_scores(torch.arange(USERS)).detach().numpy().astype(float)


@pytest.mark.parametrize("seed", [0, 1])
def test_scores_are_those_of_the_truncated_decomposition(seed: int) -> None:
    log = _log(seed)
    known = _dense(log)
    degrees = known.sum(1).clip(1), known.sum(0).clip(1)
    left, values, right = np.linalg.svd(known / np.sqrt(np.outer(*degrees)))
    expected = (left[:, :2] * values[:2]) @ right[:2] * np.sqrt(degrees[1])
    expected /= expected[log.users, log.items].mean()
    found = _scores(_made(log, 2))
    assert found == pytest.approx(expected, abs=2e-2)
    assert found[log.users, log.items].mean() == pytest.approx(1, abs=1e-4)


def test_full_rank_gives_back_the_matrix() -> None:
    log = _log(2)
    known = _dense(log)
    expected = known / np.sqrt(known.sum(1, keepdims=True).clip(1))
    expected /= expected[log.users, log.items].mean()
    # Five columns more than the matrix has: they keep what was drawn, but both sides of it.
    made = _made(log, ITEMS + 5)
    with torch.no_grad():
        made.users[:, ITEMS:] = 0
    assert _scores(made) == pytest.approx(expected, abs=1e-3)


def test_both_tables_have_one_norm_and_no_column_is_dead() -> None:
    log = Interactions.from_pairs(np.array([0, 1, 2, 2]), np.array([0, 0, 1, 2]), 4, 5)
    made = _made(log, 4)
    assert (made.users.norm(dim=0) + made.items.norm(dim=0) > 1e-2).all()
    dense = _made(_log(0), 3)
    assert dense.users.norm().item() == pytest.approx(dense.items.norm().item(), rel=1e-4)


def test_seed_changes_nothing_and_torch_s_own_generator_stays() -> None:
    log = _log(3)
    before = torch.get_rng_state()
    first = _made(log, 4, seed=0)
    again = _made(Interactions.from_pairs(log.users, log.items, USERS, ITEMS), 4, seed=1)
    assert torch.equal(torch.get_rng_state(), before)
    assert torch.equal(first.users, again.users) and torch.equal(first.items, again.items)


def test_replicas_don_t_share_memory() -> None:
    log = _log(4)
    first, second = _made(log, 4), _made(log, 4)
    with torch.no_grad():
        first.users.zero_()
    assert second.users.abs().sum() > 0
