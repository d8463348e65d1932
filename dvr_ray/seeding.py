"""One root seed, spawned by named purpose.

Every random number of a run comes from ``generator(seed, purpose, counter)``. Nothing carries a
random state from one epoch to the next, so a resumed run needs no saved states, and W workers
draw the very numbers that one worker would (each draws the global vector and takes its share).
Draws are made on the CPU, whatever device the model is on.
"""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    import torch

__all__ = ["derive", "generator", "numpy_generator"]


def derive(seed: int, purpose: str, *counters: int) -> int:
    """Derive a 63-bit seed for one purpose.

    Parameters
    ----------
    seed : int
        Root seed of the run.
    purpose : str
        What the numbers are for, e.g. ``"negatives"``.
    *counters : int
        Epoch, round or mask.

    Returns
    -------
    int
        The same for the same arguments in every process and version of Python.
    """
    text = "/".join([str(seed), purpose, *map(str, counters)])
    return int.from_bytes(hashlib.sha256(text.encode()).digest()[:8], "little") >> 1


def generator(seed: int, purpose: str, *counters: int) -> torch.Generator:
    """Return a CPU torch generator for one purpose; arguments as in `derive`."""
    import torch

    return torch.Generator().manual_seed(derive(seed, purpose, *counters))


def numpy_generator(seed: int, purpose: str, *counters: int) -> np.random.Generator:
    """Return a numpy generator for one purpose; arguments as in `derive`."""
    return np.random.default_rng(derive(seed, purpose, *counters))
