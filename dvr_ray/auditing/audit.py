"""An audit in one folder: runs that choose L2, one for each kind of noise, then verdict and lists.

Runs go on from their checkpoints, and a finished one isn't trained again; what is told of them is
made anew from their folders, so that an audit that was killed comes to the same end.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from dvr_ray.auditing.content import content
from dvr_ray.auditing.findings import Findings, digest, find
from dvr_ray.auditing.setting import Setting
from dvr_ray.auditing.strength import Strength, trials
from dvr_ray.config.load import dump
from dvr_ray.config.schema import RunConfig
from dvr_ray.data.cache import load_dataset
from dvr_ray.data.interactions import TrialData
from dvr_ray.files import placed
from dvr_ray.registry import canonical
from dvr_ray.reports.page import write_page
from dvr_ray.tracking import Tracking
from dvr_ray.training.prepare import prepare
from dvr_ray.training.reporter import Reporter
from dvr_ray.training.run import RunRequest, run

__all__ = ["CONFIG", "AuditRequest", "audit"]

CONFIG, PAGE, NUMBERS, VALUES = "audit.yaml", "audit.html", "audit.json", "values.parquet"

Reporters = Callable[[str, RunConfig, TrialData], AbstractContextManager[Reporter]]


@dataclass(frozen=True)
class AuditRequest:
    """What is audited, and where.

    Parameters
    ----------
    setting : Setting
        The audit.
    folder : Path
        Where it writes; the caller holds it.
    """

    setting: Setting
    folder: Path


def audit(request: AuditRequest, reporters: Reporters) -> Findings:
    """Train what isn't trained yet, judge, and write lists, numbers and page.

    Parameters
    ----------
    request : AuditRequest
        What and where.
    reporters : callable
        Called with the name of a run (a kind of noise, or an L2 that is tried), its config and its
        data; holds open, while the run lasts, who takes its rows.

    Returns
    -------
    Findings
        What was found; all of it is written by then.

    Raises
    ------
    RunError
        If a run diverges, or its method values nothing.
    """
    setting, folder = request.setting, request.folder
    folder.mkdir(parents=True, exist_ok=True)
    dump(setting.config, folder / CONFIG)
    strength = _strength(request, reporters)
    for kind in setting.kinds:
        config = setting.run(kind, strength.l2)
        _run(request, config, prepare(config)[0], kind, kind, reporters)
    log = load_dataset(setting.config.data)
    found = find(folder, setting, strength, log)
    _write(found, folder)
    return found


def _strength(request: AuditRequest, reporters: Reporters) -> Strength:
    """Try strengths of L2, each in a folder of its own."""
    training = request.setting.config.training
    metric = canonical(training.metric)
    configs = trials(request.setting)
    if not configs:
        return Strength(training.l2, {})
    # They differ in L2 alone.
    data, _ = prepare(next(iter(configs.values())))
    tried = {}
    for l2, config in configs.items():
        result = _run(request, config, data, f"l2 {l2:g}", f"l2/{l2:g}", reporters)
        tried[l2] = result["selection"][metric]
    return Strength.best(tried, metric)


def _run(
    request: AuditRequest,
    config: RunConfig,
    data: TrialData,
    name: str,
    place: str,
    reporters: Reporters,
) -> dict[str, Any]:
    """Train one run in a folder below the audit's, or go on with it."""
    folder = request.folder / place
    where = Tracking(request.setting.tracking, name, folder.resolve())
    with reporters(name, config, data) as reporter:
        return run(RunRequest(config, data, folder, tracking=where), reporter)


def _write(found: Findings, folder: Path) -> None:
    """Write the lists, then page and numbers."""
    lists = found.listing
    for name in ("interactions", "users", "items"):
        with placed(folder / f"least-valued-{name}.csv") as temporary:
            getattr(lists, name).to_csv(temporary, index=False, lineterminator="\n")
    with placed(folder / VALUES) as temporary:
        lists.rows.to_parquet(temporary, index=False)
    write_page(content(found), digest(found), folder / PAGE, folder / NUMBERS)
