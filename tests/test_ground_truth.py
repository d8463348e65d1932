"""Shapley values from random coalitions against enumeration, and retrainings that go on."""

from __future__ import annotations

import argparse
import json
from pathlib import Path

import pytest
import torch
from games import coalitions
from oracles.harsanyi import shapley as enumerated
from small_run import SMALL
from torch import Tensor

from benchmarks.ground_truth import LABELS, all_work, left_out, reports, shapley_of, verdict
from benchmarks.retraining import Retraining, Store, Work, finish
from benchmarks.shapley import (
    draw_coalitions,
    rank_correlation,
    shapley,
    spearman_brown,
    split_half,
)
from dvr_ray.config.load import apply
from dvr_ray.config.schema import RunConfig
from dvr_ray.errors import ConfigError
from dvr_ray.training.prepare import prepare

PLAYERS = 6


def game(seed: int) -> Tensor:
    """Return a worth (2^6,) for every coalition: concave in the size, with interactions."""
    numbers = torch.Generator().manual_seed(seed)
    members = coalitions(PLAYERS)
    weights = torch.rand(PLAYERS, dtype=torch.float64, generator=numbers)
    noise = torch.randn(2**PLAYERS, dtype=torch.float64, generator=numbers)
    return (members.double() @ weights).sqrt() + 0.3 * noise


def contrasts(drawn: Tensor, worths: Tensor) -> Tensor:
    bits = 2 ** torch.arange(PLAYERS)
    return worths[(drawn * bits).sum(1)] - worths[(~drawn * bits).sum(1)]


@pytest.mark.parametrize("seed", range(3))
def test_all_coalitions_give_the_exact_values(seed: int) -> None:
    """Each listed as often as it is likely: 1 / (s (6 - s) C(6, s)) = 1/30, 1/120, 1/180."""
    worths, every = game(seed), coalitions(PLAYERS)[1:-1]
    times = torch.tensor([12, 3, 2, 3, 12])[every.sum(1) - 1]
    listed = every.repeat_interleave(times, 0)
    found = shapley(listed, contrasts(listed, worths), float(worths[-1] - worths[0]))
    assert found.tolist() == pytest.approx(enumerated(worths.tolist()), abs=1e-12)


def test_drawn_coalitions_give_the_values_within_their_error() -> None:
    """200 estimates of 40 pairs each: their mean is 4 standard errors from the truth at most.

    The curve's bias, O(1 / 40), is below that; without the factor H the means lie 20 away.
    """
    worths, numbers = game(7), torch.Generator().manual_seed(1)
    total, found = float(worths[-1] - worths[0]), []
    for _ in range(200):
        drawn = draw_coalitions(PLAYERS, 40, numbers)
        found.append(shapley(drawn, contrasts(drawn, worths), total))
    estimates = torch.stack(found)
    error = estimates.std(0) / len(estimates) ** 0.5
    truth = torch.tensor(enumerated(worths.tolist()), dtype=torch.float64)
    assert ((estimates.mean(0) - truth).abs() < 4 * error).all()
    assert (error < 0.1 * truth.std()).all()


def test_sizes_are_drawn_by_the_kernel() -> None:
    drawn = draw_coalitions(PLAYERS, 20_000, torch.Generator().manual_seed(0))
    sizes = torch.bincount(drawn.sum(1), minlength=PLAYERS)[1:] / 20_000
    weights = torch.tensor([1 / 5, 1 / 8, 1 / 9, 1 / 8, 1 / 5])
    assert sizes.tolist() == pytest.approx((weights / weights.sum()).tolist(), abs=0.015)
    assert drawn.float().mean(0).tolist() == pytest.approx([0.5] * PLAYERS, abs=0.015)


def test_halves_agree_on_signal_and_not_on_noise() -> None:
    """An additive game of 40 players, and noise.

    In a half of 120 pairs the other players' effects are noise: about 1.6 * 40 / 120 times the
    effects' own variance, r near .65. Of noise alone |r| < 4 / sqrt(40 - 1) = .64 for one split.
    """
    numbers = torch.Generator().manual_seed(0)
    drawn = draw_coalitions(40, 240, numbers).double()
    effects = torch.randn(40, dtype=torch.float64, generator=numbers)
    noise = torch.randn(240, dtype=torch.float64, generator=numbers)
    sets = [
        torch.cat([drawn, column[:, None]], 1).view(60, 4, 41)
        for column in ((2 * drawn - 1) @ effects, noise)
    ]
    everyone = torch.ones(40).bool()
    signal, chance = [split_half(draws, 0.0, numbers, everyone, splits=20) for draws in sets]
    assert signal > 0.5 and abs(chance) < 0.3


def test_longer_measurements_are_steadier() -> None:
    assert spearman_brown(0.5) == pytest.approx(2 / 3)
    assert spearman_brown(spearman_brown(0.1, 4), 1 / 4) == pytest.approx(0.1)
    assert spearman_brown(-0.6) == -0.6


@pytest.mark.parametrize(
    ("rho", "steady", "said"),
    [
        (0.31, 0.36, "rho 0.31, goal 0.30: reached"),
        (0.29, 0.36, "rho 0.29, goal 0.30: missed"),
        (0.9, 0.1, "no verdict; some 125 more retrainings"),  # 2.25 times 100 retrainings
        (0.9, -0.1, "no verdict; r isn't positive"),
    ],
)
def test_a_verdict_takes_a_steady_truth(rho: float, steady: float, said: str) -> None:
    assert verdict(rho, steady, 100).startswith(said)


ASKED = argparse.Namespace(groups=11, pairs=400, seeds=2, seed=0)
EFFECTS = torch.randn(11, dtype=torch.float64, generator=torch.Generator().manual_seed(3))


def additive(kept: Tensor, seed: int) -> list[float]:
    """Worth of rows to keep, (K, 22), two of each group, in a game that knows no noise."""
    found: list[float] = (kept[:, ::2].double() @ EFFECTS + seed).tolist()
    return found


def finished(path: Path, train: object = additive) -> Store:
    store = Store(path, {"seed": 0})
    rows = torch.arange(11).repeat_interleave(2)
    finish(all_work(["users"], ASKED), {"users": rows}, train, store)  # type: ignore[arg-type]
    return store


def test_an_additive_game_has_its_effects_in_both_truths(tmp_path: Path) -> None:
    store = finished(tmp_path / "truth.json")
    values, steady = shapley_of("users", store, ASKED, torch.arange(11) > 0)
    for alone in left_out("users", store, ASKED):
        assert alone.tolist() == pytest.approx(EFFECTS.tolist())
    assert rank_correlation(values, EFFECTS[1:]) > 0.95 and steady > 0.8


def test_groups_without_planted_rows_have_a_table_of_their_own(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Group 0 is planted; the score is each group's effect, and so right in both tables."""
    store, rows = finished(tmp_path / "truth.json"), torch.arange(11).repeat_interleave(2)
    score = {"DVR": EFFECTS[rows], "group size": torch.ones(22).double()}
    reports({"users": rows}, score | {LABELS: -(rows == 0).double()}, store, ASKED)
    found = capsys.readouterr().out.splitlines()
    assert [line for line in found if line.startswith("users")] == [
        "users: 11 groups of 2 to 2 rows",
        "users, less than 5% planted: 10 groups of 2 to 2 rows",
    ]
    assert [line[:13] for line in found if line.startswith("| DVR")] == ["| DVR | 1.00 "] * 2
    assert sum("rho 1.00, goal 0.50: reached" in line for line in found) == 2


def test_a_cut_run_goes_on_to_the_same_file(tmp_path: Path) -> None:
    whole = finished(tmp_path / "whole.json").content["worths"]
    calls = 0

    def cut(kept: Tensor, seed: int) -> list[float]:
        nonlocal calls
        calls += 1
        if calls == 20:
            raise KeyboardInterrupt
        return additive(kept, seed)

    with pytest.raises(KeyboardInterrupt):
        finished(tmp_path / "cut.json", cut)
    assert len(json.loads((tmp_path / "cut.json").read_text())["worths"]) == 19
    assert finished(tmp_path / "cut.json", cut).content["worths"] == whole
    assert calls == 20 + len(whole) - 19


def test_retrainings_of_other_settings_are_refused(tmp_path: Path) -> None:
    store = Store(tmp_path / "truth.json", {"epochs": 12})
    store.add(Work("bounds/0", 0, torch.ones(2, 3)).name, [0.1, 0.0], 1.0, 1.0)
    with pytest.raises(ConfigError, match=r"truth.json.*'epochs': 12.*'epochs': 20"):
        Store(tmp_path / "truth.json", {"epochs": 20})


def test_a_coalition_is_worth_the_same_whoever_trains_beside_it() -> None:
    """Alone, the seed and the rows decide; without rows nothing is learned."""
    config = apply(RunConfig(), SMALL)
    data, _ = prepare(config)
    retraining = Retraining(config, data, epochs=8)
    kept = torch.stack([torch.arange(len(data.train)) % part != 0 for part in (1, 2, 3)])
    kept[0] = False
    together = retraining.worths(kept, 5)
    assert [retraining.worths(one[None], 5)[0] for one in kept] == pytest.approx(together)
    assert Retraining(config, data, epochs=0).worths(kept[:1], 5) == pytest.approx(together[:1])
    assert len(set(together)) == 3
    assert retraining.worths(kept, 6) != together
