"""The four parts: disjoint, of the right shares, seeded, and the test part sealed."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from oracles.reach import reachable

from dvr_ray.config.schema import NoiseConfig, SplitConfig
from dvr_ray.data.interactions import Dataset, Interactions, SealedTest, TrialData
from dvr_ray.data.split import split
from dvr_ray.errors import ConfigError, DataError, DvrRayError

NONE = NoiseConfig()
NOISE = NoiseConfig(kind="uniform", share=0.3)


def dataset(lengths: list[int], items: int = 60, test: bool = False, seed: int = 0) -> Dataset:
    """Build a log with lists of these lengths, and perhaps one test row a user beside them."""
    rng = np.random.default_rng(seed)
    lists = [rng.permutation(items)[: length + test] for length in lengths]
    users = len(lengths)
    given = [chosen[:-1] if test else chosen for chosen in lists]
    owners = np.repeat(np.arange(users), [len(chosen) for chosen in given])
    log = Interactions.from_pairs(owners, np.concatenate(given), users, items)
    held = None
    if test:
        last = np.array([chosen[-1] for chosen in lists])
        held = Interactions.from_pairs(np.arange(users), last, users, items)
    return Dataset(
        "log", log, held, np.arange(users) + 100, np.arange(items) * 2,
        pd.DataFrame({"gender": ["F"] * users}), pd.DataFrame(index=range(items)), "f",
    )  # fmt: skip


def pairs(part: Interactions) -> set[tuple[int, int]]:
    return set(zip(part.users.tolist(), part.items.tolist(), strict=True))


def real(data: TrialData) -> set[tuple[int, int]]:
    """Training rows that weren't planted."""
    if data.planted is None:
        return pairs(data.train)
    kept = ~data.planted
    return set(zip(data.train.users[kept].tolist(), data.train.items[kept].tolist(), strict=True))


shares = st.floats(0.05, 0.3)
configs = st.builds(SplitConfig, reward=shares, selection=shares, test=shares)
lengths = st.lists(st.integers(0, 30), max_size=30).map(lambda some: [*some, 28, 29, 30, 30, 30])


@settings(deadline=None, max_examples=80)
@given(config=configs, lengths=lengths, seed=st.integers(0, 9), test=st.booleans())
@pytest.mark.parametrize("noise", [NONE, NOISE])
def test_parts_are_disjoint_and_make_up_the_log(
    config: SplitConfig, lengths: list[int], seed: int, test: bool, noise: NoiseConfig
) -> None:
    log = dataset(lengths, test=test)
    data, sealed = split(log, config.model_copy(update={"seed": seed}), noise, seed)
    parts = [pairs(data.train), pairs(data.reward), pairs(data.selection)]
    parts.append(pairs(sealed.interactions))
    assert len(set().union(*parts)) == sum(map(len, parts))
    given = pairs(log.interactions) | (pairs(log.test) if log.test else set())
    assert real(data).union(*parts[1:]) == given
    for part in (data.train, data.reward, data.selection, sealed.interactions):
        assert (np.diff(part.keys) > 0).all()
        assert (part.num_users, part.num_items) == (len(lengths), 60)


@settings(deadline=None, max_examples=80)
@given(config=configs, lengths=lengths, test=st.booleans())
def test_every_user_gives_the_share_rounded_up_or_down_and_keeps_a_row(
    config: SplitConfig, lengths: list[int], test: bool
) -> None:
    """Shares sum to at most .9, so that only users with under 10 rows may have to give less."""
    data, sealed = split(dataset(lengths, test=test), config, NONE, 0)
    parts = [(config.reward, data.reward), (config.selection, data.selection)]
    if not test:
        parts.append((config.test, sealed.interactions))
    for user, length in enumerate(lengths):
        assert (data.train.user_counts[user] >= 1) == (length >= 1)
        for share, part in parts:
            count = part.user_counts[user]
            assert count < length * share + 1 + 1e-9
            assert length < 10 or count > length * share - 1 - 1e-9


@pytest.mark.parametrize("length", [2, 3, 7])
def test_small_users_contribute_in_expectation(length: int) -> None:
    """8,000 users with m rows give .1 m each to every part; 4.5 standard errors of a Bernoulli.

    Drawing each part by itself and cutting the later ones would take a fifth off selection at
    m = 2, which is 8 standard errors.
    """
    log = dataset([length] * 8000, items=20)
    data, sealed = split(log, SplitConfig(), NONE, 0)
    chance = 0.1 * length
    for part in (data.reward, data.selection, sealed.interactions):
        error = np.sqrt(8000 * chance * (1 - chance))
        assert abs(len(part) - 8000 * chance) < 4.5 * error


def test_users_with_one_row_only_train() -> None:
    log = dataset([1] * 50 + [30] * 5)
    data, sealed = split(log, SplitConfig(reward=0.3, selection=0.3, test=0.3), NONE, 0)
    for part in (data.reward, data.selection, sealed.interactions):
        assert part.user_counts[:50].sum() == 0


def test_which_row_is_held_out_does_not_depend_on_its_place() -> None:
    """10 rows a user, 2,000 users: each place is held out 3 times in 10; 5 standard errors."""
    log = dataset([10] * 2000, items=10)
    log = replace(log, interactions=replace(log.interactions, num_items=11))
    data, sealed = split(log, SplitConfig(), NONE, 0)
    for part in (data.reward, data.selection, sealed.interactions):
        by_place = np.bincount(part.items, minlength=11)[:10]
        assert np.abs(by_place - 200).max() < 5 * np.sqrt(2000 * 0.1 * 0.9)


def test_a_given_test_part_is_kept_and_none_is_drawn() -> None:
    log = dataset([30] * 40, test=True)
    data, sealed = split(log, SplitConfig(test=0.4), NONE, 0)
    assert sealed.interactions is log.test
    assert len(data.train) + len(data.reward) + len(data.selection) == len(log.interactions)


def test_split_is_seeded() -> None:
    log = dataset([30] * 40)
    one, same, other = (split(log, SplitConfig(seed=seed), NONE, 0) for seed in (1, 1, 2))
    assert pairs(one[0].reward) == pairs(same[0].reward)
    assert pairs(one[1].interactions) == pairs(same[1].interactions)
    assert pairs(one[0].reward) != pairs(other[0].reward)


def test_noise_leaves_the_measured_parts_as_they_were() -> None:
    log = dataset([20] * 40)
    clean, noisy = (split(log, SplitConfig(), noise, 5) for noise in (NONE, NOISE))
    assert pairs(clean[0].reward) == pairs(noisy[0].reward)
    assert pairs(clean[0].selection) == pairs(noisy[0].selection)
    assert pairs(clean[1].interactions) == pairs(noisy[1].interactions)
    assert pairs(clean[0].train) == real(noisy[0])
    assert noisy[0].planted is not None
    assert noisy[0].planted.sum() == round(0.3 * len(clean[0].train))
    assert clean[0].planted is None


def test_fingerprint_follows_what_shapes_the_parts() -> None:
    log = dataset([20] * 40)

    def fingerprint(
        log: Dataset = log,
        config: SplitConfig = SplitConfig(),  # noqa: B008
        noise: NoiseConfig = NOISE,
        seed: int = 0,
    ) -> str:
        return split(log, config, noise, seed)[0].fingerprint

    seen = [
        fingerprint(),
        fingerprint(log=replace(log, fingerprint="g")),
        fingerprint(config=SplitConfig(seed=1)),
        fingerprint(config=SplitConfig(reward=0.2)),
        fingerprint(noise=NoiseConfig(kind="uniform", share=0.2)),
        fingerprint(noise=NONE),
        fingerprint(seed=1),
    ]
    assert len(set(seen)) == len(seen)
    assert fingerprint() == seen[0]
    # Amount and seed of noise that isn't planted change nothing.
    assert fingerprint(noise=NONE, seed=1) == fingerprint(noise=NoiseConfig(share=0.2))


def test_ids_and_attributes_are_handed_on() -> None:
    log = dataset([20] * 40)
    data, _ = split(log, SplitConfig(), NONE, 0)
    assert data.user_ids.tolist() == log.user_ids.tolist()
    assert data.item_ids.tolist() == log.item_ids.tolist()
    assert list(data.user_table) == ["gender"]
    assert data.name == "log"
    assert data.features == {}


def leaks(data: TrialData, log: Dataset, sealed: SealedTest) -> list[str]:
    """Name what the trial data hold of the test part."""
    hidden = [sealed.interactions, log.interactions, *([log.test] if log.test else [])]
    arrays = [array for part in hidden for array in (part.users, part.items, part.keys)]
    found = []
    for thing in reachable(data):
        if isinstance(thing, SealedTest | Dataset):
            found.append(type(thing).__name__)
        if isinstance(thing, Interactions) and pairs(thing) & pairs(sealed.interactions):
            found.append("rows")
        if isinstance(thing, np.ndarray) and any(np.shares_memory(thing, a) for a in arrays):
            found.append("memory")
        # No array tells how many test rows there are either.
        if isinstance(thing, np.ndarray) and len(thing) == len(sealed.interactions):
            found.append("length")
    return found


@pytest.mark.parametrize("test", [False, True])
def test_trial_data_hold_no_test_rows(test: bool) -> None:
    log = dataset([30] * 50 + [29], test=test)
    data, sealed = split(log, SplitConfig(test=0.13), NOISE, 0)
    # Ask for the cached arrays, so that they are walked as well.
    for part in (data.train, data.reward, data.selection):
        assert len(part.keys) == len(part.item_order)
    if test:
        # One test row a user: as long as the arrays per user.
        assert set(leaks(data, log, sealed)) == {"length"}
        return
    assert leaks(data, log, sealed) == []
    assert "rows" in leaks(replace(data, selection=sealed.interactions), log, sealed)
    assert "memory" in leaks(replace(data, features={"x": log.interactions.users}), log, sealed)
    copy = sealed.interactions.items.copy()
    assert "length" in leaks(replace(data, features={"x": copy}), log, sealed)


def empty(users: int) -> Dataset:
    return dataset([0] * users)


def overlapping() -> Dataset:
    log = dataset([30] * 20)
    users, items = log.interactions.users[:7], log.interactions.items[:7]
    return replace(log, test=Interactions(users, items, 20, 60))


ERRORS: list[tuple[Dataset, SplitConfig, NoiseConfig, type[DvrRayError], str, str]] = [
    (empty(5), SplitConfig(), NONE, DataError, "log", "no user has an interaction"),
    (dataset([1, 1, 1]), SplitConfig(), NONE, DataError, "log", "reward part must hold rows"),
    (
        dataset([4]),
        SplitConfig(reward=0.4, selection=0.0001),
        NONE, DataError, "log", "selection part must hold rows, got none of 4",
    ),
    (
        dataset([9]),
        SplitConfig(reward=0.3, selection=0.3, test=0.0001),
        NONE, DataError, "log", "test part must hold rows, got none of 9",
    ),
    (
        dataset([30] * 20),
        SplitConfig(reward=0.4, selection=0.4, test=0.4),
        NONE, ConfigError, "split", "got 1.2",
    ),
    (overlapping(), SplitConfig(), NONE, DataError, "log", "got 7 rows twice"),
    (
        dataset([30] * 20),
        SplitConfig(),
        NoiseConfig(kind="uniform", share=5.0),
        DataError, "data.noise", "uniform noise of",
    ),
]  # fmt: skip


@pytest.mark.parametrize(("log", "config", "noise", "kind", "place", "value"), ERRORS)
def test_data_that_cannot_be_split_are_refused(
    log: Dataset,
    config: SplitConfig,
    noise: NoiseConfig,
    kind: type[DvrRayError],
    place: str,
    value: str,
) -> None:
    with pytest.raises(kind) as caught:
        split(log, config, noise, 0)
    assert caught.value.place == place
    assert value in caught.value.rule
    assert caught.value.mend
    assert "\n" not in str(caught.value)


def test_users_without_negatives_are_counted() -> None:
    """How many keep all of 3 items in training shows in the same split of a larger catalogue."""
    log = dataset([3] * 40, items=3)
    roomy = replace(log, interactions=replace(log.interactions, num_items=4))
    full = int((split(roomy, SplitConfig(), NONE, 0)[0].train.user_counts == 3).sum())
    assert 0 < full < 20
    with pytest.raises(DataError) as caught:
        split(log, SplitConfig(), NONE, 0)
    assert caught.value.place == "log"
    assert f"got {full} users who have all 3 items" in caught.value.rule
    assert "remove these users" in caught.value.mend


def test_noise_that_fills_a_catalogue_is_refused() -> None:
    """Users have 2 of 3 items; 60 free pairs are planted, of which those without held rows fill."""
    log = dataset([2] * 60, items=3)
    clean = split(log, SplitConfig(), NONE, 0)[0]
    every = NoiseConfig(kind="uniform", share=60 / len(clean.train))
    full = int((clean.train.user_counts == 2).sum())
    with pytest.raises(DataError, match=f"got {full} users who have all 3 items in training"):
        split(log, SplitConfig(), every, 0)
