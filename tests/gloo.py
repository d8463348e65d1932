"""Run a function on W gloo processes and collect what each returns."""

from __future__ import annotations

import importlib.util
import inspect
import os
import tempfile
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import torch
import torch.distributed as dist
import torch.multiprocessing as mp

__all__ = ["run_group"]


def run_group(
    function: Callable[..., Any], world_size: int, *args: Any, backend: str = "gloo"
) -> list[Any]:
    """Call ``function(*args)`` in W fresh processes that form the default group.

    Parameters
    ----------
    function : callable
        Defined at the top level of a file, a test module included; each process loads that file
        anew, so nothing set at run time is seen. It may ask ``torch.distributed`` for its rank.
    world_size : int
        Number of processes, W. Each costs about two seconds to start.
    *args
        Anything that can be pickled.
    backend : str
        Of the group; nccl for one process with a GPU.

    Returns
    -------
    list
        Results by rank: tensors, or plain containers of tensors and numbers.

    Raises
    ------
    torch.multiprocessing.ProcessRaisedException
        With the traceback of the first process that failed; the others are ended.
    """
    source = str(Path(inspect.getfile(function)).resolve())
    with tempfile.TemporaryDirectory() as folder:
        job = (source, function.__name__, args, world_size, folder, backend)
        mp.spawn(_process, job, nprocs=world_size)
        return [
            torch.load(Path(folder) / f"{rank}.pt", weights_only=False)
            for rank in range(world_size)
        ]


def _process(
    rank: int,
    source: str,
    name: str,
    args: tuple[Any, ...],
    world_size: int,
    folder: str,
    backend: str,
) -> None:
    torch.set_num_threads(1)
    if Path("/sys/class/net/lo").exists():
        os.environ.setdefault("GLOO_SOCKET_IFNAME", "lo")
    dist.init_process_group(
        backend,
        init_method=(Path(folder) / "rendezvous").as_uri(),
        rank=rank,
        world_size=world_size,
        timeout=timedelta(seconds=180),
    )
    spec = importlib.util.spec_from_file_location("gloo_job", source)
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    torch.save(getattr(module, name)(*args), Path(folder) / f"{rank}.pt")
    dist.barrier()
    dist.destroy_process_group()
