"""Machines that cluster files ask for, by the GPUs of one.

Names and sizes are those of the providers' lists in 2026: g6 and g2-standard hold NVIDIA L4.
"""

from __future__ import annotations

from dataclasses import dataclass

from dvr_ray.errors import ConfigError

__all__ = ["HEADS", "Machine", "machine_for"]


@dataclass(frozen=True)
class Machine:
    """One kind of worker.

    Parameters
    ----------
    machine : str
        The provider's name; empty where there is none.
    cpus : int
        Its CPUs, at least 1.
    """

    machine: str
    cpus: int


HEADS = {"aws": Machine("m7i.large", 2), "gcp": Machine("e2-standard-2", 2)}
RENTED = {
    "aws": {
        0: Machine("m7i.2xlarge", 8),
        1: Machine("g6.xlarge", 4),
        4: Machine("g6.12xlarge", 48),
        8: Machine("g6.48xlarge", 192),
    },
    "gcp": {
        0: Machine("e2-standard-8", 8),
        1: Machine("g2-standard-4", 4),
        2: Machine("g2-standard-24", 24),
        4: Machine("g2-standard-48", 48),
        8: Machine("g2-standard-96", 96),
    },
}
OWN_CPUS = 4  # of a pod, or of a node under Slurm, for each of its GPUs


def machine_for(target: str, gpus: int) -> Machine:
    """Return the machine of one worker.

    Parameters
    ----------
    target : str
        Where the cluster is to be.
    gpus : int
        GPUs of one worker.

    Returns
    -------
    Machine
        Without a name where nothing is rented by name.

    Raises
    ------
    ConfigError
        If the provider has no machine with so many GPUs.
    """
    if target not in RENTED:
        return Machine("", OWN_CPUS * max(gpus, 1))
    known = RENTED[target]
    if gpus not in known:
        offered = ", ".join(map(str, known))
        raise ConfigError(
            "--gpus-per-worker", f"{target} has machines of {offered} GPUs, got {gpus}",
            "take one of these and more or fewer --workers",
        )  # fmt: skip
    return known[gpus]
