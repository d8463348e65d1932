"""Planted noise: how much, where, and never on a true row."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dvr_ray.config.schema import NoiseConfig
from dvr_ray.data.interactions import Interactions
from dvr_ray.data.noise import plant as planting
from dvr_ray.errors import DataError


def logs(
    seed: int, users: int = 12, items: int = 15, rows: int = 60
) -> tuple[Interactions, Interactions]:
    """Disjoint train and held-out rows."""
    keys = np.random.default_rng(seed).permutation(users * items)[:rows]
    held, kept = keys[: rows // 4], keys[rows // 4 :]
    return (
        Interactions.from_pairs(kept // items, kept % items, users, items),
        Interactions.from_pairs(held // items, held % items, users, items),
    )


def plant(
    train: Interactions, avoid: list[Interactions], config: NoiseConfig, seed: int
) -> tuple[Interactions, np.ndarray, np.ndarray]:
    """Return rows, which are planted, and targets."""
    found = planting(train, avoid, config, seed)
    return found.train, found.planted, found.targets


def pairs(part: Interactions, rows: slice | np.ndarray = slice(None)) -> list[tuple[int, int]]:
    return list(zip(part.users[rows].tolist(), part.items[rows].tolist(), strict=True))


uniform = st.floats(0, 2).map(lambda share: NoiseConfig(kind="uniform", share=share))
push = st.builds(
    lambda targets, users: NoiseConfig(kind="push", targets=targets, users_per_target=users),
    st.integers(1, 4),
    st.integers(1, 3),
)


@settings(deadline=None, max_examples=80)
@given(log=st.integers(0, 99), seed=st.integers(0, 99), config=uniform | push)
def test_planted_rows_are_new_and_real_rows_stay(log: int, seed: int, config: NoiseConfig) -> None:
    train, held = logs(log)
    rows, planted, targets = plant(train, [held], config, seed)
    new = pairs(rows, planted)
    assert pairs(rows, ~planted) == pairs(train)
    assert not set(new) & (set(pairs(train)) | set(pairs(held)))
    assert pairs(rows) == sorted(set(pairs(rows)))
    assert planted.dtype == bool
    assert len(planted) == len(rows)
    if config.kind == "uniform":
        assert len(new) == round(config.share * len(train))
        assert len(targets) == 0
        return
    assert len(set(targets.tolist())) == config.targets
    per_item = {item: [i for _, i in new].count(item) for item in targets.tolist()}
    assert set(per_item.values()) == {config.users_per_target}
    assert len(new) == sum(per_item.values())


@settings(deadline=None, max_examples=30)
@given(log=st.integers(0, 99), seed=st.integers(0, 99))
def test_targets_are_of_the_less_popular_half(log: int, seed: int) -> None:
    train, held = logs(log)
    config = NoiseConfig(kind="push", targets=2, users_per_target=1)
    targets = plant(train, [held], config, seed)[2]
    counts = [train.items.tolist().count(item) for item in range(train.num_items)]
    present = sorted(count for count in counts if count)
    limit = present[len(present) // 2 - 1]
    assert all(0 < counts[item] <= limit for item in targets)


def test_targets_vary_with_the_seed_over_all_of_the_lower_half() -> None:
    train, held = logs(0)
    config = NoiseConfig(kind="push", targets=1, users_per_target=1)
    drawn = {int(plant(train, [held], config, seed)[2][0]) for seed in range(200)}
    assert len(drawn) == len(np.flatnonzero(train.item_counts)) // 2


def test_push_of_a_share_is_spread_over_the_targets() -> None:
    train, held = logs(0, users=40, rows=200)
    config = NoiseConfig(kind="push", share=0.2, targets=3)
    _, planted, targets = plant(train, [held], config, 0)
    # 150 training rows: .2 x 150 / 3 = 10 users each.
    assert (len(train), planted.sum(), len(targets)) == (150, 30, 3)


def test_same_seed_plants_the_same_rows_and_another_seed_others() -> None:
    train, held = logs(0)
    for config in (
        NoiseConfig(kind="uniform", share=0.5),
        NoiseConfig(kind="push", targets=3, users_per_target=3),
    ):
        one, same, other = (plant(train, [held], config, seed)[0].keys for seed in (1, 1, 2))
        assert np.array_equal(one, same)
        assert not np.array_equal(one, other)


@pytest.mark.parametrize(
    "config",
    [
        NoiseConfig(),
        NoiseConfig(kind="none", share=0.5),
        NoiseConfig(kind="uniform", share=0.0),
        NoiseConfig(kind="push", share=0.0),
    ],
)
def test_no_noise_plants_nothing(config: NoiseConfig) -> None:
    train, held = logs(0)
    rows, planted, targets = plant(train, [held], config, 0)
    assert pairs(rows) == pairs(train)
    assert planted.tolist() == [False] * len(train)
    assert len(targets) == 0


@pytest.mark.parametrize("wanted", [4, 18])
def test_every_free_pair_is_equally_likely(wanted: int) -> None:
    """30 pairs, 8 of train and 2 held out: 20 are free, 4 or 18 of them planted, 800 times.

    4 goes by drawing again, 18 by listing. A pair's count is binomial; 5 standard errors.
    """
    train, held = logs(0, users=5, items=6, rows=10)
    config = NoiseConfig(kind="uniform", share=wanted / len(train))
    counts = np.zeros(30)
    for seed in range(800):
        rows, planted, _ = plant(train, [held], config, seed)
        counts[rows.keys[planted]] += 1
    free = ~np.isin(np.arange(30), np.concatenate([train.keys, held.keys]))
    chance = wanted / 20
    assert free.sum() == 20
    assert counts[~free].sum() == 0
    assert np.abs(counts[free] - 800 * chance).max() < 5 * np.sqrt(800 * chance * (1 - chance))


def test_pushed_users_are_equally_likely() -> None:
    """One of 12 users has the target already; each of the others gets it in 1 of 11 draws."""
    train = Interactions.from_pairs(np.array([3, 0, 1]), np.array([0, 1, 1]), 12, 2)
    config = NoiseConfig(kind="push", targets=1, users_per_target=1)
    counts = np.zeros(12)
    for seed in range(660):
        rows, planted, _ = plant(train, [], config, seed)
        counts[rows.users[planted]] += 1
    assert counts[3] == 0
    others = np.delete(counts, 3)
    assert np.abs(others - 60).max() < 5 * np.sqrt(660 / 11 * 10 / 11)


def test_all_free_pairs_can_be_planted() -> None:
    train, held = logs(0, users=4, items=5, rows=10)
    config = NoiseConfig(kind="uniform", share=10 / len(train))
    rows, planted, _ = plant(train, [held], config, 0)
    assert planted.sum() == 10
    assert len(rows) == 20 - len(held)


@pytest.mark.parametrize(
    ("config", "place", "value"),
    [
        (NoiseConfig(kind="uniform", share=3.0), "data.noise", "of 24 rows needs"),
        (NoiseConfig(kind="uniform", share=3.0), "data.noise", "got 10"),
        (
            NoiseConfig(kind="push", targets=3, users_per_target=1),
            "data.noise.targets",
            "got 3 targets and 2 items",
        ),
        (NoiseConfig(kind="push", targets=1, users_per_target=4), "data.noise", "to 4 users"),
        (NoiseConfig(kind="push", targets=1, share=5.0), "data.noise", "to 40 users"),
        (NoiseConfig(kind="push", targets=2, share=0.01), "data.noise.share", "0.01 of 8 rows"),
    ],
)
def test_impossible_amounts_are_refused(config: NoiseConfig, place: str, value: str) -> None:
    """20 pairs: 8 rows of train and 2 held out leave 10; 2 items are the less popular half."""
    train, held = logs(1, users=4, items=5, rows=10)
    assert len(np.flatnonzero(train.item_counts)) in (4, 5)
    with pytest.raises(DataError) as caught:
        plant(train, [held], config, 0)
    assert caught.value.place == place
    assert value in caught.value.rule
    assert caught.value.mend
    assert "\n" not in str(caught.value)
