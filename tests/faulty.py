"""A backbone from outside the package that fails in the way it is asked to."""

from __future__ import annotations

import os
import signal
from pathlib import Path
from typing import Literal

import torch
from pydantic import Field
from torch import Tensor

from dvr_ray.backbones import TripletOutput
from dvr_ray.backbones.bprmf import BPRMF, BPRMFParams
from dvr_ray.data.interactions import Interactions

__all__ = ["Faulty"]

Fault = Literal["none", "nan", "raise", "memory", "kill"]


class FaultyParams(BPRMFParams):
    fault: Fault = "none"
    mended: str = Field("", description="A file; where it exists nothing fails.")


class Faulty(BPRMF):
    """BPRMF until its third call of `forward`."""

    Params = FaultyParams
    fault: Fault = "none"
    calls = 0

    @classmethod
    def build(cls, params: BPRMFParams, train: Interactions, generator: torch.Generator) -> Faulty:
        assert isinstance(params, FaultyParams)
        made = cls(train.num_users, train.num_items, params.dim, generator)
        made.fault = "none" if params.mended and Path(params.mended).exists() else params.fault
        return made

    def forward(
        self, users: Tensor, positives: Tensor, negatives: Tensor, keys: Tensor | None = None
    ) -> TripletOutput:
        self.calls += 1
        found = super().forward(users, positives, negatives, keys)
        if self.fault == "none" or self.calls < 3:
            return found
        if self.fault == "raise":
            raise IndexError("the table\nhas no such row")
        if self.fault == "memory":
            raise MemoryError("Unable to allocate 8.00 TiB")
        if self.fault == "kill":  # what the kernel does when memory runs out
            os.kill(os.getpid(), signal.SIGKILL)
        return TripletOutput(found.positive * torch.nan, found.negative, found.squared_norm)
