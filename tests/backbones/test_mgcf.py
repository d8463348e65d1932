"""Multi-GCCF: its parts against loops over nodes, switched off one by one."""

from __future__ import annotations

import itertools
from typing import Any

import numpy as np
import pytest
import torch
from oracles.backbones import cosine_links, mgcf
from pydantic import ValidationError
from small_graph import ITEMS, PAIRS, USERS, make

PARTS = ("bipartite", "multigraph", "skip")
DEGREE = 1.5


def _expected(backbone: Any) -> list[dict[str, np.ndarray]]:
    rows = [{i for u, i in PAIRS if u == user} for user in range(USERS)]
    columns = [{u for u, i in PAIRS if i == item} for item in range(ITEMS)]
    weights = []
    for side in (backbone.user_side, backbone.item_side):
        found = {"Q": [*side.gathering], "W": [*side.joining]}
        found |= {"M": [side.alike_weights], "S": [side.skip_weights]}
        weights.append({name: [t.detach().numpy() for t in ts] for name, ts in found.items()})
    embeddings = [backbone.users.detach().numpy(), backbone.items.detach().numpy()]
    alike = [cosine_links(rows, DEGREE), cosine_links(columns, DEGREE)]
    assert all(alike)
    return mgcf(PAIRS, alike, embeddings, weights)


def _without(backbone: Any, parts: tuple[str, ...], fusion: str) -> Any:
    """The same weights with some parts alone."""
    switches = {part: part in parts for part in PARTS}
    other = make("mgcf", dim=4, hidden=(3, 5), degree=DEGREE, fusion=fusion, **switches)
    other.load_state_dict({k: v for k, v in backbone.state_dict().items() if k in dict(
        other.named_parameters())})  # fmt: skip
    return other


CASES = [parts for size in (1, 2, 3) for parts in itertools.combinations(PARTS, size)]


@pytest.mark.parametrize("fusion", ["sum", "concat"])
@pytest.mark.parametrize("parts", CASES, ids="+".join)
def test_parts_are_those_of_loops_over_nodes(parts: tuple[str, ...], fusion: str) -> None:
    whole = make("mgcf", dim=4, hidden=(3, 5), degree=DEGREE)
    found = _without(whole, parts, fusion).frozen()
    for table, expected in zip(found, _expected(whole), strict=True):
        kept = [expected[part] for part in parts]
        wanted = sum(kept) if fusion == "sum" else np.concatenate(kept, 1)
        assert np.abs(table.numpy() - wanted).max() < 1e-6


def test_a_part_that_is_off_has_no_weights() -> None:
    names = dict(make("mgcf", bipartite=False, multigraph=False).named_parameters())
    assert set(names) == {
        "users", "items", "user_side.skip_weights", "item_side.skip_weights"
    }  # fmt: skip


def test_one_part_must_be_on() -> None:
    with pytest.raises(ValidationError, match="one of bipartite, multigraph and skip"):
        make("mgcf", bipartite=False, multigraph=False, skip=False)


def test_the_l2_term_counts_the_final_representations() -> None:
    backbone = make("mgcf")
    out = backbone(torch.tensor([2]), torch.tensor([5]), torch.tensor([[1]]))
    users, items = backbone.frozen()
    expected = sum(row.square().sum() for row in (users[2], items[5], items[1]))
    assert torch.allclose(out.squared_norm, expected)


def test_graphs_are_not_stored() -> None:
    backbone = make("mgcf")
    assert set(backbone.state_dict()) == set(dict(backbone.named_parameters()))
