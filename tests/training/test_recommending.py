"""Lists of a finished run against a sort of all scores by hand."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from finished import finished_run

from dvr_ray.errors import ConfigError, DataError
from dvr_ray.training.opened import OpenedRun, open_run
from dvr_ray.training.parts import parts_of
from dvr_ray.training.recommending import known_numbers, recommend


@pytest.fixture(scope="module")
def opened(tmp_path_factory: pytest.TempPathFactory) -> OpenedRun:
    return open_run(finished_run(tmp_path_factory))


def _by_hand(run: OpenedRun, user: int, has: set[int], k: int) -> list[tuple[int, float]]:
    tables = run.backbone.frozen()
    scored = [
        (-float((tables.users[user] * row).sum()), item)
        for item, row in enumerate(tables.items)
        if item not in has
    ]
    return [(item, -score) for score, item in sorted(scored)[:k]]


@pytest.mark.parametrize("held_out_too", [False, True])
def test_lists_are_the_best_items_that_a_user_lacks(opened: OpenedRun, held_out_too: bool) -> None:
    data, test = parts_of(opened)
    parts = [data.train, data.reward, data.selection, test.interactions]
    parts = parts[:1] if held_out_too else parts
    users = np.array([7, 0, 59])
    found = recommend(opened, users, 5, held_out_too=held_out_too)
    assert found["user"].unique().tolist() == [7, 0, 59]
    for user in users.tolist():
        has = {int(i) for part in parts for i in part.items[part.users == user]}
        own = found[found["user"] == user]
        wanted = _by_hand(opened, user, has, 5)
        assert own["rank"].tolist() == [1, 2, 3, 4, 5]
        assert own["item"].tolist() == [item for item, _ in wanted]
        np.testing.assert_allclose(own["score"], [score for _, score in wanted], rtol=1e-9)
    attributes = opened.catalogue.item_table["category"]
    assert found["item.category"].tolist() == attributes[found["item"]].tolist()


def test_a_list_longer_than_what_is_left_is_cut(opened: OpenedRun) -> None:
    data, test = parts_of(opened)
    has = sum(int(p.user_counts[4]) for p in (data.train, data.reward, data.selection))
    has += int(test.interactions.user_counts[4])
    assert len(recommend(opened, np.array([4]), 1000)) == opened.train.num_items - has


def test_lists_are_re_ranked_as_the_run_says(opened: OpenedRun) -> None:
    config = opened.config.model_copy(
        update={"rerank": type(opened.config.rerank)(name="popularity", weight=1000)}
    )
    found = recommend(replace(opened, config=config), np.array([3]), 10)
    counts = opened.train.item_counts[found["item"]]
    assert (np.diff(counts) >= 0).all()
    assert (np.diff(recommend(opened, np.array([3]), 10)["score"]) <= 0).all()


def test_ids_come_as_numbers_or_as_text(opened: OpenedRun) -> None:
    assert known_numbers(opened, "user", [5, "7"], "x").tolist() == [5, 7]
    with pytest.raises(DataError, match=r"--users: the run knows 60 users, not 'ann' and 1 more"):
        known_numbers(opened, "user", ["ann", 3, "bo"], "--users")
    with pytest.raises(ConfigError, match="must be >= 1, got 0"):
        recommend(opened, np.array([3]), 0)


@pytest.mark.parametrize(
    ("change", "rule"),
    [
        ({"users": 61}, "has 61 users, the run 60"),
        ({"items": 49}, "has 49 items, the run 50"),
        ({"seed": 1}, "gives other training rows"),
    ],
)
def test_another_log_is_refused(change: dict[str, int], rule: str, opened: OpenedRun) -> None:
    """What lies where the config says is no longer what the run was trained on."""
    data = opened.config.data.model_copy(update=change)
    other = replace(opened, config=opened.config.model_copy(update={"data": data}))
    with pytest.raises(DataError, match=rule):
        recommend(other, np.array([0]), 3)
    # The training rows alone don't need it.
    assert len(recommend(other, np.array([0]), 3, held_out_too=True)) == 3
