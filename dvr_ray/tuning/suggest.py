"""From a search space to Optuna's suggestions.

Suggestions are keyed by dotted path and hold what Optuna stores: scalars, so a choice that is a
list is named by its JSON text until `decoded` turns it into the list.
"""

from __future__ import annotations

import warnings
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from dvr_ray.config.paths import MISSING
from dvr_ray.config.space import Distribution, SearchSpace, TuneConfig

if TYPE_CHECKING:
    import optuna

__all__ = ["decoded", "first_point", "make_sampler", "ordered", "suggest"]

# Optuna's own defaults: random trials before TPE models anything, and a generation of NSGA-II.
TPE_STARTUP = 10
NSGA2_POPULATION = 50
FEWEST = 4


def ordered(space: SearchSpace, place: str = "search") -> list[str]:
    """Return the searched fields such that every condition is decided before its field.

    Raises
    ------
    ConfigError
        If conditions form a circle.
    """
    return space.order(place)


def suggest(trial: optuna.trial.BaseTrial, space: SearchSpace) -> dict[str, Any]:
    """Suggest every searched field whose condition holds; the others are left out.

    Parameters
    ----------
    trial : BaseTrial
        Asked for values.
    space : SearchSpace
        The distributions.

    Returns
    -------
    dict of str
        Suggestions by dotted path, for `decoded`.
    """
    values: dict[str, Any] = {}
    known: dict[str, Any] = {}
    for name in ordered(space):
        if space.holds(name, known):
            values[name] = _suggest_one(trial, name, space.search[name])
            known[name] = _value(space.search[name], values[name])
    return values


def first_point(space: SearchSpace) -> dict[str, Any]:
    """Return the suggestion that is the plain run: trial 0, for ``enqueue_trial``."""
    return {
        name: _label(space.search[name], value)
        for name, value in space.plain_point().items()
        if value is not MISSING
    }


def decoded(space: SearchSpace, values: Mapping[str, Any]) -> dict[str, Any]:
    """Turn suggestions into values of fields."""
    return {name: _value(space.search[name], value) for name, value in values.items()}


def make_sampler(config: TuneConfig) -> optuna.samplers.BaseSampler:
    """Make the seeded sampler that a config asks for.

    Notes
    -----
    With few trials Optuna's defaults would never leave the random phase: TPE then starts to model,
    and NSGA-II breeds, after a quarter of the trials.
    """
    import optuna  # trials import this module, and only the driver samples

    quarter = max(FEWEST, (config.trials or 4 * NSGA2_POPULATION) // 4)
    if config.sampler == "random":
        return optuna.samplers.RandomSampler(seed=config.seed)
    if config.sampler == "nsga2":
        population = min(NSGA2_POPULATION, quarter)
        return optuna.samplers.NSGAIISampler(seed=config.seed, population_size=population)
    with warnings.catch_warnings():
        # `group` is marked experimental; without it conditional fields are drawn independently.
        warnings.simplefilter("ignore", optuna.exceptions.ExperimentalWarning)
        return optuna.samplers.TPESampler(
            seed=config.seed,
            n_startup_trials=min(TPE_STARTUP, quarter),
            multivariate=True,
            group=True,
            constant_liar=True,
        )


def _suggest_one(trial: optuna.trial.BaseTrial, name: str, distribution: Distribution) -> Any:
    if distribution.choice is not None:
        return trial.suggest_categorical(name, distribution.labels)
    if distribution.int_ is not None:
        low, high = distribution.int_
        return trial.suggest_int(name, low, high, step=distribution.step or 1, log=distribution.log)
    low_, high_ = distribution.float_ or (0.0, 0.0)
    return trial.suggest_float(name, low_, high_, log=distribution.log)


def _label(distribution: Distribution, value: Any) -> Any:
    if distribution.choice is None:
        return value
    return distribution.labels[distribution.choice.index(value)]


def _value(distribution: Distribution, label: Any) -> Any:
    if distribution.choice is None or label not in distribution.labels:
        return label
    return distribution.choice[distribution.labels.index(label)]
