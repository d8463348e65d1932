"""Lloyd's rounds with loops."""

from __future__ import annotations

import numpy as np


def clusters_of(points: np.ndarray, centres: np.ndarray, rounds: int = 100) -> list[int]:
    """Cluster of each point; an empty cluster keeps its centre."""
    centres, found = centres.copy(), []
    for _ in range(rounds + 1):
        moved = []
        for point in points:
            distances = [float(((point - centre) ** 2).sum()) for centre in centres]
            moved.append(distances.index(min(distances)))
        if moved == found:
            break
        found = moved
        for number in range(len(centres)):
            members = [points[k] for k in range(len(points)) if found[k] == number]
            if members:
                centres[number] = sum(members) / len(members)
    return found
