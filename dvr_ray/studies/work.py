"""One run of a study, as a Ray task: train it, or measure test of what was trained."""

from __future__ import annotations

import ctypes
import os
import platform
import resource
import time
from pathlib import Path
from typing import Any

from dvr_ray import __version__
from dvr_ray.config.schema import ResourcesConfig, RunConfig
from dvr_ray.metrics import Catalogue
from dvr_ray.registry import canonical
from dvr_ray.storage import Mirror
from dvr_ray.training.build import check_served
from dvr_ray.training.final_metrics import test_metrics
from dvr_ray.training.prepare import prepare
from dvr_ray.training.reporter import Silent
from dvr_ray.training.run import RunRequest, run
from dvr_ray.training.stored import read_rows

__all__ = ["work"]

MIB = 2**20
CLEAR_PEAK = "5"  # see proc(5), /proc/pid/clear_refs


def work(
    config: RunConfig,
    folder: Path,
    metrics: tuple[str, ...],
    record: dict[str, Any],
    resources: ResourcesConfig,
    mirror: Mirror | None = None,
) -> dict[str, Any]:
    """Train, or with metrics measure test of what was trained.

    Parameters
    ----------
    config : RunConfig
        The run.
    folder : Path
        The run's folder.
    metrics : tuple of str
        What to measure on test; empty to train alone.
    record : dict
        What is known of the run; empty before it was trained.
    resources : ResourcesConfig
        What the task has.
    mirror : Mirror or None
        Where a copy of the folder is kept, which then is the mirror's.

    Returns
    -------
    dict
        The record, with what was added.
    """
    import torch

    started = time.monotonic()
    torch.set_num_threads(max(1, int(resources.cpus_per_worker)))
    device = torch.device("cuda" if resources.gpus_per_worker else "cpu")
    _forget_peak()
    data, test = prepare(config)
    check_served(config, Catalogue.of(data))
    folder = folder if mirror is None else mirror.folder
    result = run(RunRequest(config, data, folder, mirror=mirror), Silent(), device=device)
    record = record or {
        "best_epoch": result["best_epoch"],
        "epochs": result["epoch"],
        "selection": result["selection"],
        "auc": result.get("auc", {}),
        "passes": result.get("passes"),
        **_told(folder, canonical(config.training.metric)),
        "rows": len(data.train),
        "seconds": result["seconds"] + result.get("pretrained", {}).get("seconds", 0.0),
        "wall": round(time.monotonic() - started, 3),
        "memory": round(_peak() / MIB),
        "data": data.fingerprint,
        "versions": {"dvr_ray": __version__, "torch": torch.__version__},
        "machine": platform.machine(),
        "hardware": _hardware(),
    }
    if metrics:
        record = record | {"test": test_metrics(config, data, test, folder, metrics)}
    return record


def _told(folder: Path, metric: str) -> dict[str, Any]:
    """Monitors of the last horizon, and the selection metric by training time."""
    rows = read_rows(folder)
    horizons = [row["monitors"] for row in rows if row.get("monitors")]
    curve = {
        "name": metric,
        "seconds": [row["seconds"] for row in rows],
        "metric": [row["selection"][metric] for row in rows],
    }
    return {"monitors": horizons[-1] if horizons else {}, "curve": curve}


def _forget_peak() -> None:
    """Let the peak memory of this process start anew: Ray runs many tasks in one process."""
    import torch

    if torch.cuda.is_available():
        torch.cuda.reset_peak_memory_stats()
    try:
        ctypes.CDLL(None).malloc_trim(0)  # what earlier tasks freed goes back
        Path("/proc/self/clear_refs").write_text(CLEAR_PEAK)
    except (OSError, AttributeError):
        return  # not on this system: then it is the peak of all tasks so far


def _peak() -> int:
    """Peak memory in bytes: of the GPU where one is used, else of this process."""
    import torch

    if torch.cuda.is_available() and torch.cuda.max_memory_allocated():
        return int(torch.cuda.max_memory_allocated())
    try:
        status = Path("/proc/self/status").read_text(encoding="ascii").splitlines()
        return next(int(line.split()[1]) for line in status if line.startswith("VmHWM")) * 1024
    except (OSError, StopIteration):
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024


def _hardware() -> dict[str, Any]:
    """What the run had, whatever machine it ran on."""
    import torch

    gpu = torch.cuda.get_device_name() if torch.cuda.is_available() else None
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
        named = next(line.partition(":")[2].strip() for line in lines if "model name" in line)
    except (OSError, StopIteration):
        named = platform.processor() or platform.machine()
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    return {
        "cpu": named, "cpus": os.cpu_count(), "memory_gib": round(memory / 2**30), "gpu": gpu
    }  # fmt: skip
