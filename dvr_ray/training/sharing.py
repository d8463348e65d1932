"""How the workers of a group share a run: every batch, or the models of a horizon.

Sharing batches (data-parallel), each worker holds a part of every batch, and gradients are summed
in every step. Sharing masks (mask-parallel), each worker trains and measures models of its own on
whole batches, and nothing is exchanged before the horizon ends: then rewards are summed, replicas
averaged, and a model that one worker trained is handed to the others, so that all hold the same to
the last bit. Values, and what is learned from rewards, every worker computes alike: the sums over
workers that a valuator of shared batches needs cost more than half of its work (on 2 workers 0.1 s
of processor time a horizon of HetRec Last.FM, in 1). Models that all hold are measured by all, on
shares of the users.
"""

from __future__ import annotations

from dataclasses import dataclass

from dvr_ray.collective import Collective, OneProcess
from dvr_ray.config.schema import Parallel, ResourcesConfig, RunConfig
from dvr_ray.errors import ConfigError
from dvr_ray.negatives import NEGATIVES
from dvr_ray.weightings import WEIGHTINGS

__all__ = ["Sharing", "check_workers", "goes_apart", "models_beside", "shared"]


@dataclass(frozen=True)
class Sharing:
    """Who works together at what; at one of the two, each worker alone.

    Parameters
    ----------
    batches : Collective
        Workers that share each batch, its values, and the users to measure a replica on.
    models : Collective
        Workers among which the models of a horizon are dealt out.
    """

    batches: Collective
    models: Collective

    @classmethod
    def of(cls, config: RunConfig, group: Collective, parallel: Parallel = "batches") -> Sharing:
        """Return how a group shares a run."""
        if shared(config, parallel) == "masks":
            return cls(OneProcess(), group)
        return cls(group, OneProcess())

    def owns(self, number: int) -> bool:
        """Tell whether this worker trains a model of the horizon."""
        return number % self.models.size == self.models.rank


def shared(config: RunConfig, parallel: Parallel) -> Parallel:
    """Return what workers share in fact: a run without several masks has its batches alone."""
    return parallel if _learns(config) and config.adapter.masks > 1 else "batches"


def goes_apart(config: RunConfig) -> bool:
    """Tell whether replicas only explore, and the main model trains beside them."""
    adapter = config.adapter
    directional = WEIGHTINGS.get(config.method.name).learns and adapter.directional
    return directional or (_learns(config) and adapter.horizon.start == "scratch")


def models_beside(config: RunConfig) -> int:
    """Count the gate's control and the models of ``policy.alternatives``."""
    learns, policy = WEIGHTINGS.get(config.method.name).learns, config.policy
    return policy.gate + len(policy.alternatives) if learns else 0


def check_workers(config: RunConfig, resources: ResourcesConfig, place: str) -> None:
    """Refuse workers that would have no model to train.

    Raises
    ------
    ConfigError
        Naming how many models train side by side.
    """
    most = config.adapter.masks + goes_apart(config) + models_beside(config)
    if shared(config, resources.parallel) == "masks" and resources.workers > most:
        raise ConfigError(
            place,
            f"must be <= {most}, as many as models train side by side with adapter.masks "
            f"{config.adapter.masks}, got {resources.workers}",
            "lower it, raise adapter.masks or set resources.parallel to batches",
        )


def _learns(config: RunConfig) -> bool:
    """Whether there are horizons: the weighting or the sampler of negatives wants rewards."""
    return WEIGHTINGS.get(config.method.name).learns or NEGATIVES.get(config.negatives.name).learns
