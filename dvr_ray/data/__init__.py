"""Reading logs, the four disjoint parts, planted noise and features."""

from dvr_ray.data.frame import from_frame
from dvr_ray.data.interactions import Dataset, Interactions, SealedTest, TrialData

__all__ = ["Dataset", "Interactions", "SealedTest", "TrialData", "from_frame"]
