"""What a run's record says of the machine."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from dvr_ray.studies.work import MIB, _forget_peak, _peak


@pytest.mark.skipif(not Path("/proc/self/clear_refs").exists(), reason="needs Linux's /proc")
def test_peak_memory_is_of_one_run_alone() -> None:
    """Ray trains many runs in one process: what an earlier one took doesn't count."""
    _forget_peak()
    before = _peak()
    held = [torch.ones(20_000) for _ in range(1_000)]
    during = _peak()
    assert during - before > 60 * MIB
    del held
    _forget_peak()
    assert _peak() < during - 60 * MIB
