"""A group of workers as Ray Train wants it described."""

from __future__ import annotations

import functools
import math
from typing import Any

from dvr_ray.config.schema import ResourcesConfig
from dvr_ray.distributed.serving import serve
from dvr_ray.files import patience

__all__ = ["make_trainer"]

SUM_SECONDS = 60
MASKS_SECONDS = 86_400


def make_trainer(
    group: str,
    mailbox: Any,
    data: Any,
    resources: ResourcesConfig,
    workers: int,
    shared: dict[str, Any],
) -> Any:
    """Return the trainer of one group, whose ``fit()`` blocks for the group's life.

    Parameters
    ----------
    group : str
        Its name.
    mailbox, data, resources
        As `dvr_ray.distributed.group.WorkerGroups` has them.
    workers : int
        How many it gets.
    shared : dict
        Where Ray Train keeps its own files, as its ``RunConfig`` takes it.
    """
    from ray.train import FailureConfig, RunConfig, ScalingConfig
    from ray.train.torch import TorchConfig, TorchTrainer

    gpu = resources.gpus_per_worker > 0
    each = {"CPU": resources.cpus_per_worker} | ({"GPU": resources.gpus_per_worker} if gpu else {})
    threads = max(1, int(resources.cpus_per_worker))
    # NCCL refuses two ranks on one GPU.
    backend = "nccl" if resources.gpus_per_worker >= 1 else "gloo"
    return TorchTrainer(
        functools.partial(
            serve,
            group=group,
            mailbox=mailbox,
            data=data,
            threads=threads,
            parallel=resources.parallel,
        ),
        scaling_config=ScalingConfig(
            num_workers=workers,
            use_gpu=gpu,
            resources_per_worker=each,
            label_selector=resources.node_labels or None,
        ),
        torch_config=TorchConfig(backend=backend, timeout_s=_sum_seconds(resources.parallel)),
        run_config=RunConfig(
            name=group,
            **shared,
            # Tries are counted for each run, and not over the life of a group.
            failure_config=FailureConfig(
                max_failures=0, max_preemption_failures=0, controller_failure_limit=0
            ),
        ),
    )


def _sum_seconds(parallel: str) -> int:
    """How long a worker waits for the others in a sum.

    Sharing masks, for as long as the slowest one trains; else for as long as worker 0 may wait for
    storage. A worker that is lost is noticed either way: its connections close, and Ray Train
    looks.
    """
    return MASKS_SECONDS if parallel == "masks" else SUM_SECONDS + math.ceil(patience())
