"""An audit in one folder: a run for every kind of planted noise, then verdict, lists and page.

Runs go on from their checkpoints, and a finished one isn't trained again; what is told of them is
made anew from their folders, so that an audit that was killed comes to the same end.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path

from dvr_ray.auditing.content import content
from dvr_ray.auditing.findings import Findings, digest, find
from dvr_ray.auditing.setting import Setting
from dvr_ray.config.load import dump
from dvr_ray.config.schema import RunConfig
from dvr_ray.data.cache import load_dataset
from dvr_ray.data.interactions import TrialData
from dvr_ray.data.prepare import prepare
from dvr_ray.files import placed
from dvr_ray.reports.page import write_page
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
        Called with the kind of noise, its config and its data before each run; holds open, while it
        lasts, who takes the rows of the run.

    Raises
    ------
    RunError
        If a run diverges, or its method values nothing.
    """
    setting, folder = request.setting, request.folder
    folder.mkdir(parents=True, exist_ok=True)
    dump(setting.config, folder / CONFIG)
    for kind in setting.kinds:
        config = setting.run(kind)
        data, _ = prepare(config)
        with reporters(kind, config, data) as reporter:
            run(RunRequest(config, data, folder / kind), reporter)
    log = load_dataset(setting.config.data)
    found = find(folder, setting, log.name, log.fingerprint)
    _write(found, folder)
    return found


def _write(found: Findings, folder: Path) -> None:
    """Write the lists, then page and numbers."""
    lists = found.listing
    for name in ("interactions", "users", "items"):
        with placed(folder / f"least-valued-{name}.csv") as temporary:
            getattr(lists, name).to_csv(temporary, index=False, lineterminator="\n")
    with placed(folder / VALUES) as temporary:
        lists.rows.to_parquet(temporary, index=False)
    write_page(content(found), digest(found), folder / PAGE, folder / NUMBERS)
