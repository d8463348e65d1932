"""How strongly an audit regularises: L2 is chosen by short runs that keep all.

No setting moves BPR more than L2, and none depends more on the log. With a wrong one replicas rank
little better than by popularity at the end of a horizon, and their rewards teach nothing, or the
wrong thing. So each of four strengths is tried with plain BPR on the log as it is, without planted
rows, from fresh weights for as many epochs as a mask is held, and the one whose best report on
validation-selection is best is taken. A strength that the user gives is taken as it is.
"""

from __future__ import annotations

from dataclasses import dataclass

from dvr_ray.auditing.setting import Setting
from dvr_ray.config.load import apply
from dvr_ray.config.schema import RunConfig
from dvr_ray.metrics import parse
from dvr_ray.registry import canonical

__all__ = ["STRENGTHS", "Strength", "trials"]

STRENGTHS = (0.005, 0.02, 0.06, 0.2)


@dataclass(frozen=True)
class Strength:
    """What was chosen.

    Parameters
    ----------
    l2 : float
        The strength.
    tried : dict of float to float
        The metric on validation-selection, best report, by strength; empty where none was tried.
    """

    l2: float
    tried: dict[float, float]

    @classmethod
    def best(cls, tried: dict[float, float], metric: str) -> Strength:
        """Return the strength with the best metric; of equals the weakest."""
        sign = 1 if parse(metric).higher_is_better else -1
        return cls(max(sorted(tried), key=lambda l2: sign * tried[l2]), tried)


def trials(setting: Setting) -> dict[float, RunConfig]:
    """Return the config of every run that tries a strength; none where the user gave one."""
    if setting.l2_given:
        return {}
    config = setting.config
    epochs = min(config.adapter.horizon.epochs, config.training.epochs)
    short = {
        "data.noise.kind": "none",
        "method": {"name": "bpr"},
        "training.metric": canonical(config.training.metric),
        "training.epochs": epochs,
        "training.patience": epochs,
    }
    return {l2: apply(config, {**short, "training.l2": l2}) for l2 in STRENGTHS}
