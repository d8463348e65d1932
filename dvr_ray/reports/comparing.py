"""Several sweeps side by side: what may be compared, and what came out."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from dvr_ray.config.document import read_document
from dvr_ray.errors import CheckpointError, ConfigError
from dvr_ray.reports.auc import Separation
from dvr_ray.reports.findings import auc_over_seeds, measured
from dvr_ray.reports.results import RunResults, SweepResults, load_sweep
from dvr_ray.reports.summary import Summary, summarise
from dvr_ray.reports.tables import CONTROL

__all__ = ["Compared", "Comparison", "TestRow", "compare"]


@dataclass(frozen=True)
class Compared:
    """One of the sweeps.

    Parameters
    ----------
    name : str
        Tells it from the others.
    sweep : SweepResults
        Without its table of values.
    separations : tuple of Separation
        Of the run that its own page shows; empty where nothing was planted.
    auc : Summary or None
        AUC of the values over the retrained seeds.
    best : dict of str to object
        The winner's config by dotted path; empty where it is missing.
    """

    name: str
    sweep: SweepResults
    separations: tuple[Separation, ...]
    auc: Summary | None
    best: dict[str, Any]


@dataclass(frozen=True)
class TestRow:
    """One metric of one sweep on test.

    Parameters
    ----------
    metric, sweep, method : str
        What was measured, in which sweep, by which method: the winner's.
    found : Summary
        Over its seeds.
    control : Summary or None
        Of the same settings without a valuator.
    difference : Summary or None
        Against the first sweep: seed by seed where `better` says so, else the plain difference
        of the means with count 1; None for the first itself and where it would mean nothing.
    better : int or None
        In how many seeds it scored higher than the first; None without pairs.
    why : str
        How the difference was taken, or why there is none.
    """

    __test__ = False  # whatever pytest thinks

    metric: str
    sweep: str
    method: str
    found: Summary
    control: Summary | None
    difference: Summary | None
    better: int | None
    why: str


@dataclass(frozen=True)
class Comparison:
    """All of them; the first is the one that differences are taken against.

    Parameters
    ----------
    sweeps : tuple of Compared
        As given.
    objectives : tuple of str
        Those that all have, in the first one's order.
    test : tuple of TestRow
        By metric, then by sweep; empty where no winner was retrained.
    differing : dict of str to tuple
        Fields of the best configs that aren't the same everywhere, one value per sweep; None
        where a config doesn't have it.
    """

    sweeps: tuple[Compared, ...]
    objectives: tuple[str, ...]
    test: tuple[TestRow, ...]
    differing: dict[str, tuple[Any, ...]]


def compare(folders: Sequence[Path]) -> Comparison:
    """Read sweeps one after the other, so that one table of values is held at a time.

    Raises
    ------
    CheckpointError
        If a folder isn't a sweep's or is given twice, a file is damaged, or the sweeps share no
        objective.
    """
    names = _names(folders)
    sweeps = tuple(_read(folder, name) for folder, name in zip(folders, names, strict=True))
    return Comparison(
        sweeps=sweeps,
        objectives=_common_objectives(sweeps),
        test=tuple(_test_rows(sweeps)),
        differing=_differing([compared.best for compared in sweeps]),
    )


def _names(folders: Sequence[Path]) -> list[str]:
    """Name sweeps after their folders, or by their paths where two folders are called alike."""
    places = [folder.resolve() for folder in folders]
    for number, place in enumerate(places):
        if place in places[:number]:
            raise CheckpointError(str(folders[number]), "given twice", "name each sweep once")
    names = [place.name for place in places]
    return names if len(set(names)) == len(names) else [str(folder) for folder in folders]


def _read(folder: Path, name: str) -> Compared:
    if not (folder / "trials.csv").exists() and (folder / "metrics.jsonl").exists():
        raise CheckpointError(
            str(folder),
            "a single run: only sweeps are compared",
            "give folders that `dvr-ray tune` wrote",
        )
    sweep = load_sweep(folder)
    return Compared(
        name=name,
        sweep=_without_values(sweep),
        separations=tuple(measured(sweep.shown_run)),
        auc=auc_over_seeds(sweep),
        best=_best(folder / "best.yaml"),
    )


def _without_values(sweep: SweepResults) -> SweepResults:
    def bare(run: RunResults) -> RunResults:
        return replace(run, values=None)

    return replace(
        sweep,
        winner_run=bare(sweep.winner_run) if sweep.winner_run else None,
        final_runs={name: tuple(map(bare, runs)) for name, runs in sweep.final_runs.items()},
    )


def _best(path: Path) -> dict[str, Any]:
    if not path.exists():
        return {}
    try:
        return dict(_flat(read_document(path).content))
    except ConfigError as error:
        raise CheckpointError(error.place, error.rule, error.mend) from error


def _flat(content: Any, path: str = "") -> Iterator[tuple[str, Any]]:
    """Yield the leaves of a config by dotted path."""
    if isinstance(content, dict):
        for key, value in content.items():
            yield from _flat(value, f"{path}.{key}" if path else str(key))
    else:
        yield path, content


def _common_objectives(sweeps: Sequence[Compared]) -> tuple[str, ...]:
    first = sweeps[0].sweep
    common = tuple(
        name
        for name in first.objectives
        if all(
            name in other.sweep.objectives and other.sweep.maximised(name) == first.maximised(name)
            for other in sweeps[1:]
        )
    )
    if not common:
        lists = "; ".join(f"{c.name}: {', '.join(c.sweep.objectives)}" for c in sweeps)
        raise CheckpointError(
            str(sweeps[0].sweep.folder),
            f"the sweeps must share an objective, got {lists}",
            "compare sweeps that were tuned for the same metric",
        )
    return common


def _differing(configs: Sequence[dict[str, Any]]) -> dict[str, tuple[Any, ...]]:
    paths = dict.fromkeys(path for config in configs for path in config)
    found = {path: tuple(config.get(path) for config in configs) for path in paths}
    return {path: values for path, values in found.items() if any(v != values[0] for v in values)}


def _test_rows(sweeps: Sequence[Compared]) -> Iterator[TestRow]:
    finals = [compared.sweep.final for compared in sweeps]
    metrics = dict.fromkeys(
        metric for final in finals if final for metric in final.test.get(final.method, {})
    )
    for metric in metrics:
        for compared in sweeps:
            row = _test_row(metric, sweeps[0], compared)
            if row is not None:
                yield row


def _test_row(metric: str, first: Compared, own: Compared) -> TestRow | None:
    final, values = own.sweep.final, _values(own.sweep, metric)
    found = summarise(values)
    if found is None or final is None:
        return None
    difference, better, why = None, None, ""
    if own is not first:
        difference, better, why = _against(metric, first.sweep, own.sweep)
    return TestRow(
        metric=metric,
        sweep=own.name,
        method=final.method,
        found=found,
        control=summarise(final.test.get(CONTROL, {}).get(metric, ())),
        difference=difference,
        better=better,
        why=why,
    )


def _against(
    metric: str, first: SweepResults, own: SweepResults
) -> tuple[Summary | None, int | None, str]:
    """Take the difference from the first sweep, as `TestRow` describes it."""
    base, values = _values(first, metric), _values(own, metric)
    obstacle = _obstacle(first, own) or ("" if base else "not measured in the first")
    if obstacle:
        return None, None, obstacle
    seeds = own.final.seeds if own.final else ()
    if first.final and first.final.seeds == seeds and len(values) == len(base) == len(seeds):
        gaps = np.subtract(values, base)
        return summarise(gaps.tolist()), int((gaps > 0).sum()), "seed by seed"
    gap = float(np.mean(values) - np.mean(base))
    return Summary(gap, float("nan"), 1), None, "unpaired: other seeds"


def _values(sweep: SweepResults, metric: str) -> tuple[float, ...]:
    """Test values of the winner, one per seed; none where test wasn't looked at."""
    final = sweep.final
    return final.test.get(final.method, {}).get(metric, ()) if final else ()


def _obstacle(first: SweepResults, own: SweepResults) -> str:
    """Say why test results can't be compared at all; empty where they can."""
    if first.space.run.split != own.space.run.split:
        return "not comparable: other split"
    prints = (first.manifest.data_fingerprint, own.manifest.data_fingerprint)
    if not all(prints):
        return "not comparable: data unknown"
    return "" if prints[0] == prints[1] else "not comparable: other data or noise"
