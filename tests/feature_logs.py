"""Small random logs and their relabelling, for the tests of features."""

from __future__ import annotations

import numpy as np
from hypothesis import strategies as st

from dvr_ray.data.interactions import Interactions


@st.composite
def small_logs(draw: st.DrawFn, most: int = 7) -> Interactions:
    """At least one row; users and items without rows, and with one, are common."""
    users, items = draw(st.integers(1, most)), draw(st.integers(1, most + 2))
    keys = draw(
        st.sets(st.integers(0, users * items - 1), min_size=1, max_size=users * items).map(sorted)
    )
    flat = np.array(keys, dtype=np.int64)
    return Interactions.from_pairs(flat // items, flat % items, users, items)


def random_log(seed: int, users: int = 40, items: int = 30, rows: int = 300) -> Interactions:
    """Lists of many lengths: pairs drawn with skewed weights."""
    random = np.random.default_rng(seed)
    left = (users * random.random(rows) ** 2).astype(np.int64)
    right = (items * random.random(rows) ** 3).astype(np.int64)
    return Interactions.from_pairs(left, right, users, items)


def relabelled(log: Interactions, seed: int) -> tuple[Interactions, np.ndarray]:
    """Give users and items other numbers; row r of the new log was row ``order[r]``."""
    random = np.random.default_rng(seed)
    users = random.permutation(log.num_users)[log.users]
    items = random.permutation(log.num_items)[log.items]
    moved = Interactions.from_pairs(users, items, log.num_users, log.num_items)
    return moved, np.lexsort((items, users))
