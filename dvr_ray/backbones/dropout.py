"""Dropout whose mask depends on a key per triplet, not on who computes it.

A number is mixed from the key of the triplet and the place in its block (the finaliser of
SplitMix64, in the wrapping arithmetic of int64), so W workers that share a batch drop what one
worker would, on every device, and a resumed run drops what the unbroken one did.

Source: Steele, Lea, Flood, "Fast splittable pseudorandom number generators", OOPSLA 2014.
"""

from __future__ import annotations

import torch
from torch import Tensor

__all__ = ["drop"]

GOLDEN = 0x9E3779B97F4A7C15 - (1 << 64)
FIRST, SECOND = 0xBF58476D1CE4E5B9 - (1 << 64), 0x94D049BB133111EB - (1 << 64)
BITS = 53
BLOCK = 1 << 32


def drop(values: Tensor, rate: float, keys: Tensor | None, stream: int) -> Tensor:
    """Set a share of values to zero and scale up the others.

    Parameters
    ----------
    values : Tensor, shape (b, n, h) or (1, n, h)
        What is dropped from; one block for all keys where the first size is 1.
    rate : float
        Share that is dropped, below 1.
    keys : Tensor of int64, shape (b,), or None
        One number per triplet; None drops nothing.
    stream : int
        Another one for every call with the same keys.

    Returns
    -------
    Tensor, shape (b, n, h)
        The values themselves where nothing is dropped.

    Notes
    -----
    Some integers of 8 bytes are held per value while the mask is made.
    """
    if keys is None or rate == 0:
        return values
    width = values.shape[1] * values.shape[2]
    places = torch.arange(stream * BLOCK, stream * BLOCK + width, device=keys.device)
    mixed = _mix(_mix(keys * GOLDEN)[:, None] + places * GOLDEN)
    kept = _shifted(mixed, 64 - BITS) >= int(rate * (1 << BITS))
    return values * kept.view(len(keys), *values.shape[1:]) / (1 - rate)


def _mix(state: Tensor) -> Tensor:
    state = (state ^ _shifted(state, 30)) * FIRST
    state = (state ^ _shifted(state, 27)) * SECOND
    return state ^ _shifted(state, 31)


def _shifted(state: Tensor, bits: int) -> Tensor:
    """Shift right and fill with zeros; int64 would repeat its sign."""
    return (state >> bits) & ((1 << (64 - bits)) - 1)
