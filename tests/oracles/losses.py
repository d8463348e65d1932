"""Truncated and reweighted losses, one triplet at a time."""

from __future__ import annotations

import math


def truncated_weights(
    rows: list[int], losses: list[float], rate: float, gradual: int, step: int
) -> list[float]:
    """B / kept for the smallest losses, 0 for the others; of equal losses the lower row is kept."""
    dropped = rate if step >= gradual else rate * step / gradual
    kept = max(1, math.floor(round((1 - dropped) * len(rows), 9)))
    weights = []
    for row, loss in zip(rows, losses, strict=True):
        before = 0
        for other, value in zip(rows, losses, strict=True):
            if value < loss or (value == loss and other < row):
                before += 1
        weights.append(len(rows) / kept if before < kept else 0.0)
    return weights


def reweighted(gaps: list[list[float]], beta: float) -> list[float]:
    """Geometric mean over the negatives of sigma(gap), to the power beta."""
    weights = []
    for row in gaps:
        product = 1.0
        for gap in row:
            product *= 1 / (1 + math.exp(-gap))
        weights.append(product ** (beta / len(row)))
    return weights
