"""``dvr-ray report`` and ``doctor``."""

from __future__ import annotations

import importlib.metadata
import os
import platform
import shutil
from pathlib import Path
from typing import Annotated

import typer

from dvr_ray.cli.options import AsJson
from dvr_ray.cli.screen import Screen

__all__ = ["doctor", "report"]


def report(
    folder: Annotated[Path, typer.Argument(help="Folder of a sweep or of one run.")],
    as_json: AsJson = False,
) -> None:
    """Write report.html from stored results: one self-contained page, nothing is trained.

    Example: dvr-ray report runs/quickstart
    """
    from dvr_ray.reports.page import write_report

    screen = Screen(as_json)
    page = write_report(folder)
    screen.result(f"report: {page}")
    screen.json({"report": str(page)})


def doctor(as_json: AsJson = False) -> None:
    """Show what this machine offers: versions, CPUs, GPUs, memory, free disk.

    Example: dvr-ray doctor
    """
    import torch

    screen = Screen(as_json)
    packages = ("dvr_ray", "ray", "torch", "optuna", "numpy", "pandas", "pyarrow", "pydantic")
    found = {"python": platform.python_version()}
    found |= {name: importlib.metadata.version(name) for name in packages}
    free = shutil.disk_usage(Path.cwd()).free / 2**30
    gpus = torch.cuda.device_count() if torch.cuda.is_available() else 0
    found |= {
        "CPUs": str(os.cpu_count()),
        "GPUs": str(gpus),
        "memory": f"{os.sysconf('SC_PAGE_SIZE') * os.sysconf('SC_PHYS_PAGES') / 2**30:.1f} GiB",
        "free disk here": f"{free:.1f} GiB",
        "shared memory": f"{_shared_memory():.1f} GiB",
        "RAY_ADDRESS": os.environ.get("RAY_ADDRESS", "not set: tune starts Ray here"),
    }
    screen.table("dvr-ray doctor", ["what", "found"], [[k, v] for k, v in found.items()])
    if free < 1:
        screen.warn("less than 1 GiB of disk is free; checkpoints may not fit")
    screen.json(found)


def _shared_memory() -> float:
    """GiB of shared memory, where Ray keeps its objects."""
    folder = Path("/dev/shm")
    return shutil.disk_usage(folder).free / 2**30 if folder.is_dir() else 0.0
