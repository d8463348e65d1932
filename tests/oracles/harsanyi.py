"""The game of a batch by plain loops, and Shapley values by enumeration.

Written from the definition of the game alone: sets of samples and recursion over units. Shares no
code and no idea of evaluation order with `dvr_ray`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import factorial
from typing import Any

Vector = Sequence[float]
Matrix = Sequence[Vector]


@dataclass(frozen=True)
class Net:
    """Weights as nested lists; letters as in the package's legend."""

    gates: Any
    thresholds: Vector
    weights: Any
    biases: Matrix
    heads: Matrix
    child_logits: Sequence[Matrix]
    child_weights: Sequence[Matrix]
    singletons: Vector


def dot(a: Vector, b: Vector) -> float:
    return sum(x * y for x, y in zip(a, b, strict=True))


def own(weights: Any, sample: int, unit: int) -> Vector:
    """Weights that a unit has for a sample: the same for all, or those of its place."""
    found: Vector = weights[sample][unit] if isinstance(weights[0][0], list) else weights[unit]
    return found


def members(net: Net, encodings: Matrix, unit: int) -> set[int]:
    return {
        sample
        for sample, encoding in enumerate(encodings)
        if dot(own(net.gates, sample, unit), encoding) > net.thresholds[unit]
    }


def field(net: Net, encodings: Matrix, layer: int, unit: int) -> set[int]:
    """Receptive field of a unit; the empty set says that the unit is empty."""
    if layer == 0:
        return members(net, encodings, unit)
    together: set[int] = set()
    for child, logit in enumerate(net.child_logits[layer - 1][unit]):
        if logit > 0:
            together |= field(net, encodings, layer - 1, child)
    return together


def output(net: Net, encodings: Matrix, layer: int, unit: int, present: set[int]) -> float | None:
    """z(T) of a unit; None while it is shut or where it is empty."""
    if layer == 0:
        mine = members(net, encodings, unit)
        if not mine or not mine <= present:
            return None
        inside = sum(
            dot(own(net.weights, sample, unit), encodings[sample]) for sample in sorted(mine)
        )
        return max(inside + net.biases[0][unit], 0.0)
    inside, opened = net.biases[layer][unit], False
    for child, logit in enumerate(net.child_logits[layer - 1][unit]):
        if logit > 0 and field(net, encodings, layer - 1, child):
            z = output(net, encodings, layer - 1, child, present)
            if z is None:
                return None
            inside, opened = inside + net.child_weights[layer - 1][unit][child] * z, True
    return max(inside, 0.0) if opened else None


def worth(net: Net, encodings: Matrix, present: set[int]) -> float:
    """v(T)."""
    total = sum(dot(net.singletons, encodings[b]) for b in sorted(present))
    for layer, heads in enumerate(net.heads):
        for unit, head in enumerate(heads):
            total += head * (output(net, encodings, layer, unit, present) or 0.0)
    return total / len(encodings)


def values(net: Net, encodings: Matrix) -> list[float]:
    """B times the Shapley values, by each unit's dividend shared evenly in its field."""
    everybody = set(range(len(encodings)))
    paid = [dot(net.singletons, encoding) for encoding in encodings]
    for layer, heads in enumerate(net.heads):
        for unit, head in enumerate(heads):
            z = output(net, encodings, layer, unit, everybody)
            inside = field(net, encodings, layer, unit)
            for sample in inside:
                paid[sample] += head * (z or 0.0) / len(inside)
    return paid


def shapley(worths: Vector) -> list[float]:
    """Shapley values of any game by enumeration of all coalitions.

    ``worths[t]`` is the worth of the coalition whose members are the bits of t.
    """
    players = len(worths).bit_length() - 1
    orders = [
        factorial(size) * factorial(players - size - 1) / factorial(players)
        for size in range(players)
    ]
    result = []
    for player in range(players):
        bit = 1 << player
        result.append(
            sum(
                orders[t.bit_count()] * (worths[t | bit] - worths[t])
                for t in range(len(worths))
                if not t & bit
            )
        )
    return result


def dividend(worths: Vector, coalition: int) -> float:
    """Harsanyi dividend of a coalition given as bits: ``sum_{T in S} (-1)^{|S| - |T|} v(T)``."""
    return sum(
        (-1) ** (coalition.bit_count() - t.bit_count()) * worths[t]
        for t in range(len(worths))
        if t & coalition == t
    )
