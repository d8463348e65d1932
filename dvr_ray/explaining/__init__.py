"""Why an interaction has its value: exact parts, values over training, neighbours, influence."""

from dvr_ray.explaining.explanation import Explainer, Explanation
from dvr_ray.explaining.valued import ValuedRun

__all__ = ["Explainer", "Explanation", "ValuedRun"]
