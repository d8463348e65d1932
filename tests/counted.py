"""A backbone from outside the package that writes down every real start of a training."""

from __future__ import annotations

import os
import time
from pathlib import Path

import torch
from pydantic import Field
from torch import Tensor

from dvr_ray.backbones import TripletOutput
from dvr_ray.backbones.bprmf import BPRMF, BPRMFParams
from dvr_ray.data.interactions import Interactions

__all__ = ["Counted"]


class CountedParams(BPRMFParams):
    log: str = Field(description="A line goes here whenever a training starts.")
    tag: int = Field(0, description="Searched: tells trials apart.")
    pause: float = Field(0.0, description="Seconds that a batch takes, without a CPU.")


class Counted(BPRMF):
    """BPRMF that is counted, and slow if need be."""

    Params = CountedParams
    pause = 0.0

    @classmethod
    def build(cls, params: BPRMFParams, train: Interactions, generator: torch.Generator) -> Counted:
        assert isinstance(params, CountedParams)
        with Path(params.log).open("a", encoding="utf-8") as file:
            file.write(f"{params.tag} {time.time()} {os.getpid()}\n")
        made = cls(train.num_users, train.num_items, params.dim, generator)
        made.pause = params.pause
        return made

    def forward(
        self, users: Tensor, positives: Tensor, negatives: Tensor, keys: Tensor | None = None
    ) -> TripletOutput:
        time.sleep(self.pause)
        return super().forward(users, positives, negatives, keys)
