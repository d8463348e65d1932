"""Value training triplets with DVR and tune recommenders on the ones worth learning from.

Legend of letters, used in docstrings and as names in the maths:

==  =====================================================
B   triplets in the global batch
b   triplets of one worker's share of the batch
n   interactions of the training part
U   users
I   items
d   size of an embedding
h   size of an encoding
H   Harsanyi units per layer
L   Harsanyi layers (depth)
K   cutoff of a ranking metric; in the adapter, masks
W   workers
==  =====================================================

Importing the package is cheap: torch and Ray are imported by the modules that use them.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from dvr_ray.estimator import DVR

__all__ = ["DVR", "__version__"]

__version__ = "0.1.0"


def __getattr__(name: str) -> Any:
    """Import the Python interface when it is first asked for."""
    if name == "DVR":
        from dvr_ray.estimator import DVR

        return DVR
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
