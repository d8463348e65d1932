"""Cost of a valuation, as a ratio to the bare matrix products that it can't do without.

Command: ``python benchmarks/valuator.py`` (CPU, 2 threads, about two minutes).

The valuator: 100 units, 2 layers, h = 10, forward and backward of ``sum(values^2) / B + worth^2``.
The peer: the products (B, h) x (h, H) of the gates and (H, B) x (B, h + 1) of the sums, forward and
backward, written as one would: no blocks, no gates, nothing elementwise. Both take turns in the
same process; medians. Learned encodings have a gradient, plain features none. Memory is the peak of
the resident set beyond the start, in a new process for each size. Run it on an idle machine: a busy
core delays the valuator's many small operations more than the peer's few large ones.

Goals: within 4 times at B = 5,000, within 2.5 times at B = 65,536, memory linear in B.
"""

from __future__ import annotations

import argparse
import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import torch
from torch import Tensor

from dvr_ray.valuation import HarsanyiValuator

UNITS, DEPTH, WIDTH, THREADS = 100, 2, 10, 2
SIZES = {5_000: 200, 65_536: 40}


def _valuator() -> HarsanyiValuator:
    generator = torch.Generator().manual_seed(0)
    return HarsanyiValuator(WIDTH, UNITS, DEPTH, generator=generator)


def _encodings(samples: int, learned: bool) -> Tensor:
    drawn = torch.randn(samples, WIDTH, generator=torch.Generator().manual_seed(1))
    return drawn.requires_grad_(learned)


def _value(net: HarsanyiValuator, encodings: Tensor, backward: bool = True) -> None:
    valuation = net(encodings)
    if backward:
        (valuation.values.square().mean() + valuation.worth.square()).backward()


def _products(encodings: Tensor, gates: Tensor, members: Tensor, backward: bool = True) -> None:
    logits = encodings @ gates.T
    sums = members.T @ torch.cat([encodings, encodings.new_ones(len(encodings), 1)], dim=1)
    if backward:
        torch.autograd.backward([logits, sums], [members.detach(), sums.detach()])


def _medians(calls: list[Callable[[], None]], rounds: int) -> list[float]:
    """Median milliseconds of each call; the calls take turns."""
    times: list[list[float]] = [[] for _ in calls]
    for turn in range(rounds + 3):
        for call, spent in zip(calls, times, strict=True):
            start = time.perf_counter()
            call()
            if turn >= 3:
                spent.append(1e3 * (time.perf_counter() - start))
    return [statistics.median(spent) for spent in times]


def _compare(samples: int, rounds: int, learned: bool) -> None:
    net, encodings = _valuator(), _encodings(samples, learned)
    gates = net.gates.detach().clone().requires_grad_()
    members = (encodings.detach() @ gates.T.detach() > net.thresholds.detach()).float()
    members.requires_grad_()
    whole, bare, ahead, bare_ahead = _medians(
        [
            lambda: _value(net, encodings),
            lambda: _products(encodings, gates, members),
            lambda: _value(net, encodings, backward=False),
            lambda: _products(encodings, gates, members, backward=False),
        ],
        rounds,
    )
    print(
        f"B={samples:6d} learned encodings={learned!s:5}  valuator {whole:6.2f} ms (forward "
        f"{ahead:5.2f})  bare products {bare:6.2f} ms (forward {bare_ahead:5.2f})  "
        f"ratio {whole / bare:4.2f}"
    )


def _peak(samples: int) -> None:
    """Print the megabytes that one valuation adds to the resident set at its peak (Linux)."""
    torch.set_num_threads(THREADS)
    net, encodings = _valuator(), _encodings(samples, True)
    _value(net, _encodings(64, True))
    Path("/proc/self/clear_refs").write_text("5")  # starts the peak anew
    before = _status("VmHWM")
    _value(net, encodings)
    print(_status("VmHWM") - before)


def _status(name: str) -> float:
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith(name)) / 1024


def main() -> None:
    """Print times, ratios and memory."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--peak", type=int, help=argparse.SUPPRESS)
    peak = parser.parse_args().peak
    if peak is not None:
        _peak(peak)
        return
    torch.set_num_threads(THREADS)
    for samples, rounds in SIZES.items():
        for learned in (False, True):
            _compare(samples, rounds, learned)
    for samples in (5_000, 16_384, 65_536, 262_144, 1_048_576):
        command = [sys.executable, __file__, "--peak", str(samples)]
        megabytes = float(subprocess.run(command, capture_output=True, check=True).stdout)
        print(f"B={samples:7d}  peak {megabytes:6.1f} MB, {1e6 * megabytes / samples:5.0f} B a row")


if __name__ == "__main__":
    main()
