"""Re-rankers against loops."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from dvr_ray.metrics import Catalogue
from dvr_ray.metrics.catalogue import Categories
from dvr_ray.reranking import RERANKING

ITEMS = 12


def _case(seed: int) -> tuple[torch.Tensor, torch.Tensor, list[set[str]], list[int]]:
    """Pools of distinct items with falling scores; user 0's pool is cut short."""
    rng = np.random.default_rng(seed)
    pools = np.stack([rng.permutation(ITEMS)[:8] for _ in range(4)])
    scores = -np.sort(-rng.normal(size=pools.shape), axis=1)
    pools[0, 5:], scores[0, 5:] = -1, -np.inf
    kinds = [set(rng.permutation(list("xyz"))[: rng.integers(0, 4)].tolist()) for _ in range(ITEMS)]
    kinds[0] = {"x"}
    return torch.tensor(pools), torch.tensor(scores), kinds, rng.integers(0, 50, ITEMS).tolist()


def _cosine(a: set[str], b: set[str]) -> float:
    return len(a & b) / math.sqrt(len(a) * len(b)) if a and b else 0.0


def _mmr(
    pool: list[int], scores: list[float], kinds: list[set[str]], w: float, k: int
) -> list[int]:
    there = [(i, s) for i, s in zip(pool, scores, strict=True) if i >= 0]
    low, high = min(s for _, s in there), max(s for _, s in there)
    chosen: list[int] = []
    while len(chosen) < min(k, len(there)):
        best, gain = -1, -math.inf
        for item, score in there:
            near = max((_cosine(kinds[item], kinds[j]) for j in chosen), default=0.0)
            value = (1 - w) * (score - low) / max(high - low, 1e-12) - w * near
            if item not in chosen and value > gain:
                best, gain = item, value
        chosen.append(best)
    return chosen + [-1] * (k - len(chosen))


def _catalogue(kinds: list[set[str]], popularity: list[int]) -> Catalogue:
    return Catalogue(4, ITEMS, torch.tensor(popularity), Categories.of(kinds))


@pytest.mark.parametrize("weight", [0.0, 0.4, 1.0])
@settings(deadline=None, max_examples=30)
@given(seed=st.integers(0, 2**32 - 1))
def test_mmr_equals_the_loop(weight: float, seed: int) -> None:
    pools, scores, kinds, popularity = _case(seed)
    cls = RERANKING.get("mmr")
    mmr = cls(cls.Params.model_validate({"weight": weight}), _catalogue(kinds, popularity))
    found = mmr.rerank(pools, scores, 6)
    for user in range(4):
        expected = _mmr(pools[user].tolist(), scores[user].tolist(), kinds, weight, 6)
        assert found[user].tolist() == expected


@settings(deadline=None, max_examples=30)
@given(seed=st.integers(0, 2**32 - 1), weight=st.sampled_from([0.0, 0.2, 3.0]))
def test_popularity_penalty_equals_the_loop(seed: int, weight: float) -> None:
    pools, scores, kinds, popularity = _case(seed)
    cls = RERANKING.get("popularity")
    penalty = cls(cls.Params.model_validate({"weight": weight}), _catalogue(kinds, popularity))
    found = penalty.rerank(pools, scores, 6)
    for user in range(4):
        pairs = zip(pools[user].tolist(), scores[user].tolist(), strict=True)
        lowered = {i: s - weight * math.log(1 + popularity[i]) for i, s in pairs if i >= 0}
        ranked = sorted(lowered, key=lambda item: -lowered[item])[:6]
        assert found[user].tolist() == ranked + [-1] * (6 - len(ranked))


@pytest.mark.parametrize("name", RERANKING.names())
def test_without_weight_the_order_stays(name: str) -> None:
    pools, scores, kinds, popularity = _case(3)
    cls = RERANKING.get(name)
    params = cls.Params.model_validate({} if name == "none" else {"weight": 0.0})
    found = cls(params, _catalogue(kinds, popularity)).rerank(pools, scores, 6)
    assert torch.equal(found, pools[:, :6])
