"""All that an audit found, read from the folders of its runs, and its numbers for programs."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import pandas as pd

from dvr_ray.auditing.judging import NOT, TRUSTED, WRONG, Judgement, Score, judge
from dvr_ray.auditing.listing import Listing, listing
from dvr_ray.auditing.setting import Setting
from dvr_ray.auditing.strength import Strength
from dvr_ray.data.interactions import Dataset
from dvr_ray.metrics.auc_interval import LEVEL
from dvr_ray.reports.digest import plain
from dvr_ray.reports.results import load_run

__all__ = ["Findings", "digest", "find"]

LISTED = 20
HELD_OUT = (
    "Planted rows lay in the training part alone: noise that held-out rows share, such as an "
    "attack on the whole log, isn't found, since it pays there."
)


@dataclass(frozen=True)
class Findings:
    """One audit.

    Parameters
    ----------
    name, fingerprint : str
        Of the log.
    setting : Setting
        What was trained.
    strength : Strength
        The L2 that was chosen.
    judgements : tuple of Judgement
        One for each kind of noise.
    listing : Listing
        The least valued.
    tables : dict of str to DataFrame
        Tables of values by kind.
    seconds : float
        Training time of all runs.
    """

    name: str
    fingerprint: str
    setting: Setting
    strength: Strength
    judgements: tuple[Judgement, ...]
    listing: Listing
    tables: dict[str, pd.DataFrame]
    seconds: float

    @property
    def verdict(self) -> str:
        """What all kinds agree on; not trusted where they don't."""
        found = {judgement.verdict for judgement in self.judgements}
        return found.pop() if len(found) == 1 else NOT

    @property
    def advice(self) -> list[str]:
        """The verdict in plain words, a sentence each."""
        caveat = [HELD_OUT] if self.verdict == TRUSTED else []
        return [_overall(self), *map(_about, self.judgements), *_against(self), *caveat]


def find(folder: Path, setting: Setting, strength: Strength, log: Dataset) -> Findings:
    """Judge the finished runs of an audit's folder.

    Parameters
    ----------
    folder : Path
        Holds one folder of a run for every kind of noise.
    setting : Setting
        The audit.
    strength : Strength
        The L2 that was chosen.
    log : Dataset
        What was audited.

    Returns
    -------
    Findings
        Made from files alone; nothing is trained.
    """
    runs = {kind: load_run(folder / kind) for kind in setting.kinds}
    judgements = tuple(judge(run, kind) for kind, run in runs.items())
    tables = {kind: run.values for kind, run in runs.items() if run.values is not None}
    seconds = sum(run.result.seconds for run in runs.values() if run.result)
    return Findings(
        log.name, log.fingerprint, setting, strength, judgements, listing(tables), tables, seconds
    )


def digest(found: Findings) -> dict[str, Any]:
    """Return the numbers of an audit as plain values: the content of ``audit.json``."""
    log = found.listing
    content = {
        "verdict": found.verdict,
        "advice": found.advice,
        "data": {"name": found.name, "fingerprint": found.fingerprint, "rows": found.setting.rows},
        "valued_rows": len(log.rows),
        "without_value": found.setting.rows - len(log.rows),
        "level": LEVEL,
        "kinds": {judgement.kind: _judgement(judgement) for judgement in found.judgements},
        "l2": {"chosen": found.strength.l2, "tried": found.strength.tried},
        "agreement_of_runs": log.agreement,
        "ranked": log.members,
        "seconds": found.seconds,
        "least_valued": {
            "interactions": log.interactions.head(LISTED).to_dict("records"),
            "users": log.users.head(LISTED).to_dict("records"),
            "items": log.items.head(LISTED).to_dict("records"),
        },
    }
    return dict(plain(content))


def _judgement(found: Judgement) -> dict[str, Any]:
    return {
        "verdict": found.verdict,
        "real": found.real,
        "planted": found.planted,
        "auc": {score.name: asdict(score.auc) for score in found.scores},
        "best_score": found.best.name,
        "lead": asdict(found.lead),
        "lowest_tenth": {"planted": found.lowest_planted, "found": found.lowest_found},
        "selection": found.selected and asdict(found.selected),
        "warnings": list(found.warnings),
    }


def _overall(found: Findings) -> str:
    kinds = " and ".join(judgement.kind for judgement in found.judgements)
    return {
        TRUSTED: f"Trusted: the values find planted noise ({kinds}) on this log.",
        NOT: "Not trusted: don't act on these values. Planted noise isn't found for every kind.",
        WRONG: "Wrong way: don't act on these values. They rank planted rows above real ones.",
    }[found.verdict]


def _about(found: Judgement) -> str:
    rival = found.rival
    said = {
        TRUSTED: "found",
        NOT: "not found, the interval covers .5",
        WRONG: "the wrong way, ranked above real rows",
    }[found.verdict]
    beside = {
        1: "separates worse",
        0: "separates about as well",
        -1: "separates better",
    }[(found.lead.low > 0) - (found.lead.high < 0)]
    chance = found.planted / (found.planted + found.real)
    return (
        f"{found.kind}: {said}, AUC {_written(found.scores[0])}; of the lowest tenth "
        f"{found.lowest_planted:.0%} is planted, by chance {chance:.0%}. {rival.name.capitalize()} "
        f"{beside} ({_written(rival)})."
    )


def _written(score: Score) -> str:
    auc = score.auc
    return f"{auc.value:.3f} [{auc.low:.3f}, {auc.high:.3f}]"


def _against(found: Findings) -> list[str]:
    """Say which plain score to use instead where it beats the value whatever was planted."""
    beaten = [j for j in found.judgements if j.lead.high < 0]
    rivals = {judgement.rival.name for judgement in beaten}
    if len(beaten) < len(found.judgements) or len(rivals) > 1:
        return []
    rival = rivals.pop()
    column = rival.replace(" ", "_")
    return [f"On this log {rival} separates better throughout: sort values.parquet by {column}."]
