"""Random lists with all that metrics may know, for the loops and for dvr_ray alike."""

from __future__ import annotations

import numpy as np
import torch
from hypothesis import strategies as st
from oracles.lists import Case

from dvr_ray.data.interactions import Interactions
from dvr_ray.metrics import METRICS, Catalogue, GroupMetric, Lists
from dvr_ray.metrics.catalogue import ATTRIBUTES, Categories, group_codes

__all__ = ["drawn", "every_name", "lists_of", "oracle_case", "random_case"]


def every_name() -> list[str]:
    """Registered names, with an attribute where they compare groups."""
    return [
        f"{name}:gender" if issubclass(METRICS.get(name), GroupMetric) else name
        for name in METRICS.names()
    ]


def random_case(seed: int, *, users: int, items: int, cutoff: int, whole: bool = False) -> Case:
    """Make a case; ``whole`` leaves no list shorter than the others.

    User 0 has relevant items; others may have none, or more than K. Of three groups one may stay
    empty, and some users' is unknown.
    """
    rng = np.random.default_rng(seed)
    length = min(cutoff, items)
    lists = [rng.permutation(items)[:length].tolist() for _ in range(users)]
    if not whole:
        lists = [each[: rng.integers(1, length + 1)] for each in lists]
    sizes = rng.integers(0, items + 1, users)
    sizes[0] = max(sizes[0], 1)
    names = ["a", "b", "c", "unknown"][rng.integers(0, 2) :]
    kinds = ["u", "v", "w"]
    return Case(
        lists=lists,
        relevant=[set(rng.permutation(items)[:size].tolist()) for size in sizes],
        cutoff=cutoff,
        items=items,
        users=users,
        categories=[{"u"}, *(set(rng.permutation(kinds)[: rng.integers(0, 4)].tolist())
                             for _ in range(items - 1))],
        popularity=rng.integers(0, users + 1, items).tolist(),
        groups=rng.choice(names, users).tolist(),
        embeddings=rng.normal(size=(items, 3)).tolist(),
    )  # fmt: skip


@st.composite
def drawn(draw: st.DrawFn, whole: bool = False) -> Case:
    """Small cases; K may be larger than the catalogue."""
    users, items = draw(st.integers(1, 7)), draw(st.integers(1, 9))
    seed, cutoff = draw(st.integers(0, 2**32 - 1)), draw(st.integers(1, 11))
    return random_case(seed, users=users, items=items, cutoff=cutoff, whole=whole)


def oracle_case(case: Case) -> Case:
    """The users who have relevant items, as the loops want them."""
    keep = [u for u, wanted in enumerate(case.relevant) if wanted]
    return Case(
        [case.lists[u] for u in keep], [case.relevant[u] for u in keep], case.cutoff, case.items,
        case.users, case.categories, case.popularity, [case.groups[u] for u in keep],
        case.embeddings,
    )  # fmt: skip


def lists_of(case: Case, padded: int | None = None) -> Lists:
    """The case as metrics see it; shorter lists end in -1."""
    width = padded or max(map(len, case.lists))
    items = np.array([[*each, *[-1] * (width - len(each))] for each in case.lists])
    owners = np.repeat(np.arange(case.users), [len(wanted) for wanted in case.relevant])
    wanted = np.array([i for each in case.relevant for i in sorted(each)], dtype=np.int64)
    held_out = Interactions.from_pairs(owners, wanted, case.users, case.items)
    codes = group_codes(list(case.groups))
    # One group alone, or none, must do too: a metric meets it when lists are left out.
    groups = {name: codes for name in ATTRIBUTES}
    catalogue = Catalogue(
        case.users, case.items, torch.tensor(case.popularity), Categories.of(case.categories),
        groups,
    )  # fmt: skip
    table = torch.tensor(case.embeddings, dtype=torch.float64)
    return Lists.of(np.arange(case.users), torch.from_numpy(items), held_out, catalogue, table)
