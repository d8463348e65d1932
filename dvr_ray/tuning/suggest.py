"""From a search space to Optuna's suggestions."""

from __future__ import annotations

import warnings
from collections.abc import Mapping
from typing import Any

import optuna

from dvr_ray.config.load import field
from dvr_ray.config.space import Distribution, SearchSpace, TuneConfig
from dvr_ray.errors import ConfigError

__all__ = ["first_point", "make_sampler", "ordered", "suggest"]


def ordered(space: SearchSpace, place: str = "search") -> list[str]:
    """Return the searched fields such that every condition is decided before its field.

    Raises
    ------
    ConfigError
        If conditions form a circle.
    """
    waiting, order = dict(space.search), []
    while waiting:
        ready = [n for n, d in waiting.items() if not any(path in waiting for path in d.when)]
        if not ready:
            raise ConfigError(
                place, f"`when` goes in a circle: {', '.join(waiting)}", "remove one condition"
            )
        order += ready
        for name in ready:
            del waiting[name]
    return order


def suggest(trial: optuna.Trial, space: SearchSpace) -> dict[str, Any]:
    """Suggest every searched field whose condition holds.

    Parameters
    ----------
    trial : optuna.Trial
        Asked for values.
    space : SearchSpace
        The distributions.

    Returns
    -------
    dict of str
        Values by dotted path.
    """
    values: dict[str, Any] = {}
    for name in ordered(space):
        if _holds(space, space.search[name].when, values):
            values[name] = _suggest_one(trial, name, space.search[name])
    return values


def first_point(space: SearchSpace) -> dict[str, Any]:
    """Return the run's own values of the searched fields: trial 0 is the plain run."""
    values: dict[str, Any] = {}
    for name in ordered(space):
        distribution = space.search[name]
        if not _holds(space, distribution.when, values):
            continue
        try:
            value = field(space.run, name)
        except KeyError:
            continue
        value = list(value) if isinstance(value, tuple) else value
        values[name] = _choice_key(distribution, value)
    return values


def make_sampler(config: TuneConfig) -> optuna.samplers.BaseSampler:
    """Make the seeded sampler that a config asks for."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", optuna.exceptions.ExperimentalWarning)
        if config.sampler == "random":
            return optuna.samplers.RandomSampler(seed=config.seed)
        if config.sampler == "nsga2":
            return optuna.samplers.NSGAIISampler(seed=config.seed)
        return optuna.samplers.TPESampler(
            seed=config.seed, multivariate=True, group=True, constant_liar=True
        )


def decoded(space: SearchSpace, values: Mapping[str, Any]) -> dict[str, Any]:
    """Turn suggestions into values of fields; choices that are lists were suggested by number."""
    return {name: _choice_value(space.search[name], value) for name, value in values.items()}


def _suggest_one(trial: optuna.Trial, name: str, distribution: Distribution) -> Any:
    if distribution.choice is not None:
        keys = [_choice_key(distribution, value) for value in distribution.choice]
        return trial.suggest_categorical(name, keys)
    low, high = distribution.corners
    if distribution.int_ is not None:
        return trial.suggest_int(
            name, int(low), int(high), step=int(distribution.step or 1), log=distribution.log
        )
    return trial.suggest_float(name, low, high, step=distribution.step, log=distribution.log)


def _choice_key(distribution: Distribution, value: Any) -> Any:
    """Optuna stores plain choices; lists are named by their place."""
    if distribution.choice is None or not isinstance(value, list):
        return value
    return f"#{distribution.choice.index(value)}"


def _choice_value(distribution: Distribution, value: Any) -> Any:
    if distribution.choice is not None and isinstance(value, str) and value.startswith("#"):
        return distribution.choice[int(value[1:])]
    return value


def _holds(space: SearchSpace, when: Mapping[str, Any], values: Mapping[str, Any]) -> bool:
    """Whether a condition holds; a field that isn't searched has the run's value."""
    for path, wanted in when.items():
        value = values.get(path) if path in space.search else field(space.run, path)
        if value not in (wanted if isinstance(wanted, list) else [wanted]):
            return False
    return True
