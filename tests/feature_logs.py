"""Small random logs and their relabelling, for the tests of features."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd
from hypothesis import strategies as st

from dvr_ray.data.features import FeatureContext
from dvr_ray.data.interactions import Interactions

KINDS = ("jazz", "pop", "rock", "soul")
GENDERS = ("F", "M", "unknown")
AGES = ("18-24", "25-34", "50+", "unknown")


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


@dataclass(frozen=True)
class Described:
    """A log with all that features may read; ``user_table`` and the others as in TrialData."""

    log: Interactions
    user_table: pd.DataFrame
    item_table: pd.DataFrame
    times: np.ndarray
    losses: np.ndarray

    def context(self) -> FeatureContext:
        """Return it as features read it."""
        tables = {"user_table": self.user_table, "item_table": self.item_table}
        return FeatureContext(self.log, self.losses, **tables, times=self.times)


def described(log: Interactions, seed: int) -> Described:
    """Draw attributes with gaps, several categories an item, equal times, and losses."""
    random = np.random.default_rng(seed)
    kinds = [
        tuple(random.choice(KINDS, random.integers(0, 3), replace=False))
        for _ in range(log.num_items)
    ]
    return Described(
        log,
        pd.DataFrame({
            "gender": random.choice(GENDERS, log.num_users),
            "age_group": random.choice(AGES, log.num_users),
        }),
        pd.DataFrame({"category": pd.Series(kinds, dtype=object)}),
        random.integers(0, 12, len(log)),
        random.random(len(log)),
    )  # fmt: skip


def relabelled(of: Described, seed: int) -> tuple[Described, np.ndarray]:
    """Give users and items other numbers; row r of the new log was row ``order[r]``."""
    random = np.random.default_rng(seed)
    log = of.log
    new_users, new_items = random.permutation(log.num_users), random.permutation(log.num_items)
    users, items = new_users[log.users], new_items[log.items]
    moved = Interactions.from_pairs(users, items, log.num_users, log.num_items)
    order = np.lexsort((items, users))
    tables = [
        table.iloc[np.argsort(numbers)].reset_index(drop=True)
        for table, numbers in ((of.user_table, new_users), (of.item_table, new_items))
    ]
    return Described(moved, *tables, of.times[order], of.losses[order]), order
