"""Writes the examples in ``cluster/``, which are what ``dvr-ray launch`` fills in; a test compares.

Run it after a change of the templates: ``python docs/generators/cluster_files.py``.
"""

from __future__ import annotations

import sys
from pathlib import Path

REPOSITORY = Path(__file__).resolve().parents[2]
if __name__ == "__main__":
    sys.path.insert(0, str(REPOSITORY))

from dvr_ray.config.load import load_space
from dvr_ray.launching.filling import Launch, filled, results_folder

__all__ = ["EXAMPLES", "examples"]

SPACE = Path("search_spaces/quickstart.yaml")
GPUS = ("--set", "resources.gpus_per_worker=1")
EXAMPLES = {
    "cluster/aws.yaml": ("aws", True),
    "cluster/gcp.yaml": ("gcp", True),
    "cluster/onprem.yaml": ("onprem", True),
    "cluster/kuberay/rayjob.yaml": ("kuberay", True),
    "cluster/kuberay/raycluster.yaml": ("kuberay", False),
    "cluster/slurm/sweep.sbatch": ("slurm", True),
}


def examples() -> dict[str, str]:
    """Return path and text of every example: two workers with a GPU each, for the quickstart."""
    space = load_space(REPOSITORY / SPACE, [GPUS[1]])
    return {
        name: filled(
            Launch(
                target, 2, 1, space, SPACE,
                out=results_folder(target, space.name), file=Path(name), overrides=GPUS, job=job,
            )
        )
        for name, (target, job) in EXAMPLES.items()
    }  # fmt: skip


if __name__ == "__main__":
    for name, text in examples().items():
        (REPOSITORY / name).write_text(text, encoding="utf-8")
