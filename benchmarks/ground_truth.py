"""Do values predict what retraining without a group of rows does? Leave-one-out and Shapley.

    python benchmarks/ground_truth.py --data ../shared/data/lastfm-hetrec --out runs/truth.json

HetRec Last.FM with a push of 20 items by 300 users each. Training rows are cut into groups in two
ways: random blocks of users, and clusters (k-means) of rows by their input features. The worth of
a coalition of groups is mean ndcg@20 of validation-reward users after BPRMF was trained from fresh
weights on the coalition's rows alone. Leave-one-group-out takes groups + 1 retrainings a seed;
Shapley values are estimated from random coalitions beside their complements (`shapley.py`).
Retrainings side by side share weights, batches and negatives; other stacks have other seeds, so
the game is the expectation over seeds, and split halves share no random numbers.

Values of a DVR run (`search_spaces/studies/lastfm-attacks.yaml`) are summed over each group's rows
and compared by rank. Goal: rho >= .5 sqrt(r), r the split-half correlation of the ground truth,
stepped up by Spearman-Brown; with r < .2 there's no verdict. A run that was cut goes on from FILE.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pandas as pd
import torch
from torch import Tensor

REPOSITORY = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(REPOSITORY))

from benchmarks.retraining import Retraining, Store, Work, finish  # noqa: E402
from benchmarks.shapley import (  # noqa: E402
    draw_coalitions,
    rank_correlation,
    shapley,
    spearman_brown,
    split_half,
)
from dvr_ray.config.load import load_study  # noqa: E402
from dvr_ray.data.interactions import TrialData  # noqa: E402
from dvr_ray.errors import DvrRayError  # noqa: E402
from dvr_ray.kmeans import kmeans  # noqa: E402
from dvr_ray.seeding import generator  # noqa: E402
from dvr_ray.studies.cells import Cell, configured  # noqa: E402
from dvr_ray.training.prepare import prepare  # noqa: E402
from dvr_ray.training.reporter import Silent  # noqa: E402
from dvr_ray.training.run import RunRequest, run  # noqa: E402
from dvr_ray.weightings.fixed import plain_mean  # noqa: E402

STACKED, LEAST, SHARE, PURE = 8, 0.2, 0.5, 0.05
LABELS = "minus planted rows (labels)"
STUDY = REPOSITORY / "search_spaces" / "studies" / "lastfm-attacks.yaml"


def groupings(data: TrialData, groups: int, seed: int) -> dict[str, Tensor]:
    """Number of each row's group, (n,): by blocks of users, and by clusters of features."""
    blocks = torch.randperm(data.train.num_users, generator=generator(seed, "blocks")) % groups
    columns = np.concatenate(list(data.features.values()), 1)
    clusters = kmeans(torch.from_numpy(columns), groups, generator(seed, "clusters"))
    return {"users": blocks[torch.from_numpy(data.train.users)], "clusters": clusters}


def all_work(names: list[str], asked: argparse.Namespace) -> Iterator[Work]:
    """Every stack of retrainings; the more of them are wanted, the first remain the same."""
    groups, base = asked.groups, 10_000 * asked.seed
    for r in range(asked.seeds):
        both = torch.stack([torch.ones(groups), torch.zeros(groups)]).bool()
        yield Work(f"bounds/{r}", base + r, both)
    for t in range(asked.pairs * 2 // STACKED):
        for name in names:
            yield Work(f"{name}/pairs/{t}", base + 100 + t, pairs(name, t, asked))
    for r in range(asked.seeds):
        for name in names:
            for t, part in enumerate(torch.split(~torch.eye(groups).bool(), STACKED)):
                yield Work(f"{name}/without/{r}/{t}", base + r, part)


def pairs(name: str, number: int, asked: argparse.Namespace) -> Tensor:
    """Coalitions of one stack and then their complements, (K, G)."""
    numbers = generator(asked.seed, f"pairs of {name}", number)
    drawn = draw_coalitions(asked.groups, STACKED // 2, numbers)
    return torch.cat([drawn, ~drawn])


def left_out(name: str, store: Store, asked: argparse.Namespace) -> Tensor:
    """What each group adds to all others, by seed: (R, G)."""
    parts = range(-(-asked.groups // STACKED))
    without = [torch.cat([store[f"{name}/without/{r}/{t}"] for t in parts])
               for r in range(asked.seeds)]  # fmt: skip
    return torch.stack([store[f"bounds/{r}"][0] - found for r, found in enumerate(without)])


def shapley_of(
    name: str, store: Store, asked: argparse.Namespace, among: Tensor
) -> tuple[Tensor, float]:
    """Shapley values of some groups, and their stepped-up split-half correlation."""
    half, draws = STACKED // 2, []
    for t in range(asked.pairs // half):
        worths = store[f"{name}/pairs/{t}"]
        contrasts = (worths[:half] - worths[half:])[:, None]
        draws.append(torch.cat([pairs(name, t, asked)[:half].double(), contrasts], 1))
    bounds = torch.stack([store[f"bounds/{r}"] for r in range(asked.seeds)]).mean(0)
    total = float(bounds[0] - bounds[1])
    numbers = generator(asked.seed, "halves")
    steady = spearman_brown(split_half(torch.stack(draws), total, numbers, among))
    rows = torch.cat(draws)
    return shapley(rows[:, :-1], rows[:, -1], total)[among], steady


def scores(table: pd.DataFrame, data: TrialData) -> dict[str, Tensor]:
    """Score of every training row by name; larger is meant to be better."""
    losses = table["mean_loss"].to_numpy()
    planted = np.zeros(len(table)) if data.planted is None else data.planted
    found = {
        "DVR": table["value"].to_numpy(),
        "minus mean loss": -losses,
        "mean of six features": plain_mean(data, torch.from_numpy(losses)).numpy(),
        "group size": np.ones(len(table)),
        LABELS: -planted.astype(float),
    }
    return {label: torch.tensor(row).double() for label, row in found.items()}


def verdict(rho: float, steady: float, retrainings: int) -> str:
    """Say whether a rank correlation reaches the goal, or how many more retrainings it takes."""
    if steady >= LEAST:
        goal = SHARE * steady**0.5
        return f"rho {rho:.2f}, goal {goal:.2f}: {'reached' if rho >= goal else 'missed'}"
    if steady <= 0:
        return "no verdict; r isn't positive, so it can't be said how many more it takes"
    factor = LEAST * (1 - steady) / (steady * (1 - LEAST))
    return f"no verdict; some {retrainings * (factor - 1):.0f} more retrainings for r = {LEAST}"


def cell_of(rho: float) -> str:
    """Write a correlation; there's none with a score that is the same for all."""
    return "-" if np.isnan(rho) else f"{rho:.2f}"


def report(
    name: str,
    score: dict[str, Tensor],
    among: Tensor,
    store: Store,
    asked: argparse.Namespace,
) -> None:
    """Print the table and verdicts of a grouping, among some of its groups.

    Scores are sums over rows of each group (G,).
    """
    values, steady = shapley_of(name, store, asked, among)
    by_seed = left_out(name, store, asked)[:, among]
    alone, sizes = by_seed.mean(0), score["group size"][among]
    agreed = rank_correlation(*[half.mean(0) for half in by_seed.tensor_split(2)])
    cells = {}
    for label, found in score.items():
        sums = found[among]
        cells[label] = [
            rank_correlation(sums, alone),
            rank_correlation(sums, values),
            rank_correlation(sums / sizes, values / sizes),
        ]
    which = "" if among.all() else f", less than {PURE:.0%} planted"
    print(f"\n{name}{which}: {len(sizes)} groups of {sizes.min():.0f} to {sizes.max():.0f} rows")
    print("\n| score | leave one out | Shapley | mean score, Shapley a row |\n|---|---|---|---|")
    for label, rhos in cells.items():
        print(f"| {label} | " + " | ".join(map(cell_of, rhos)) + " |")
    for truth, rho, r, count in (
        ("leave one out", cells["DVR"][0], spearman_brown(agreed), asked.groups * asked.seeds),
        ("Shapley", cells["DVR"][1], steady, 2 * asked.pairs),
    ):
        print(f"\n{truth}, {count} retrainings, r {r:.2f}: DVR {verdict(rho, r, count)}")
    print(f"\nrho of the two truths {rank_correlation(alone, values):.2f}")


def reports(
    groups: dict[str, Tensor],
    score: dict[str, Tensor],
    store: Store,
    asked: argparse.Namespace,
) -> None:
    """Print both groupings' tables, and of groups without planted rows where most have none."""
    for name, rows in groups.items():
        sums = {label: torch.bincount(rows, row, asked.groups) for label, row in score.items()}
        every = torch.ones(asked.groups).bool()
        report(name, sums, every, store, asked)
        real = sums[LABELS] > -PURE * sums["group size"]
        if every.sum() > real.sum() > asked.groups / 2:
            report(name, sums, real, store, asked)


def main() -> None:
    """Read the options."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", required=True, type=Path)
    parser.add_argument("--out", required=True, type=Path, help="a JSON file")
    parser.add_argument("--groups", type=int, default=100)
    parser.add_argument("--pairs", type=int, default=240, help="coalitions with complements")
    parser.add_argument("--seeds", type=int, default=2, help="of leaving one out")
    parser.add_argument("--epochs", type=int, default=12, help="of a retraining")
    parser.add_argument("--seed", type=int, default=0)
    asked = parser.parse_args()
    if asked.pairs % (STACKED // 2) or asked.pairs < STACKED:
        parser.error(f"--pairs: must be a multiple of {STACKED // 2}, at least {STACKED}")
    if asked.seeds < 2 or asked.groups < 3:
        parser.error("--seeds: must be at least 2; --groups: at least 3")
    torch.set_num_threads(1)
    try:
        compare(asked)
    except DvrRayError as error:
        parser.error(str(error))


def compare(asked: argparse.Namespace) -> None:
    """Retrain what isn't done, and print the tables."""
    study = load_study(STUDY)
    cell = Cell((("data", "Last.FM"), ("noise", "push"), ("method", "DVR")), asked.seed)
    config = configured(study, cell, {"data.path": str(asked.data.resolve())}, asked.data)
    data, _ = prepare(config)
    settings = {
        "data": data.fingerprint,
        "groups": asked.groups,
        "epochs": asked.epochs,
        "seed": asked.seed,
    }
    asked.out.parent.mkdir(parents=True, exist_ok=True)
    store = Store(asked.out, settings)
    folder = asked.out.with_suffix("")
    spent = run(RunRequest(config, data, folder), Silent())["seconds"]
    groups = groupings(data, asked.groups, asked.seed)
    retraining = Retraining(config, data, asked.epochs)
    finish(all_work(list(groups), asked), groups, retraining.worths, store)
    score = scores(pd.read_parquet(folder / "values.parquet"), data)
    reports(groups, score, store, asked)
    wall, cpu = store.content["wall"], store.content["cpu"]
    print(f"\nDVR {spent:.0f} s; retrainings {wall:.0f} s, {cpu:.0f} s of the processor")


if __name__ == "__main__":
    main()
