"""How much each searched field mattered, from the trials alone.

PED-ANOVA compares where the best tenth of the trials lies with where all of them lie, one field at
a time. It needs about 50 trials for a steady answer (five in the best tenth); with fewer it is a
hint. Stopped trials are the caller's to leave out: their objective comes from less training.

References
----------
Watanabe, Bansal, Hutter, "PED-ANOVA", IJCAI 2023, arXiv 2304.10255.
"""

from __future__ import annotations

import warnings
from collections.abc import Mapping, Sequence
from typing import Any

import optuna
from optuna.distributions import (
    BaseDistribution,
    CategoricalDistribution,
    FloatDistribution,
    IntDistribution,
)

from dvr_ray.config.space import Distribution, SearchSpace

__all__ = ["importances"]

FEWEST = 4


def importances(
    space: SearchSpace, trials: Sequence[tuple[Mapping[str, Any], float]], *, maximise: bool = True
) -> dict[str, float]:
    """Rank the searched fields.

    Parameters
    ----------
    space : SearchSpace
        Its distributions say how far apart two values are.
    trials : sequence of (dict, float)
        Values by dotted path, without the fields whose condition didn't hold, and the objective.
    maximise : bool
        Whether more is better.

    Returns
    -------
    dict of str to float
        Shares that sum to 1, most important first; empty with fewer than 4 trials or where all
        gave the same objective. A trial with a value outside its range is left out.
    """
    inside = [(values, score) for values, score in trials if _inside(space, values)]
    if len(inside) < FEWEST or len({score for _, score in inside}) == 1:
        return {}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        study = _study(space, inside, maximise)
        found = optuna.importance.get_param_importances(
            study,
            evaluator=optuna.importance.PedAnovaImportanceEvaluator(),
            normalize=False,
        )
    total = sum(found.values())
    ranked = sorted(found.items(), key=lambda pair: -pair[1])
    return {name: value / total for name, value in ranked} if total > 0 else {}


def _study(
    space: SearchSpace, trials: Sequence[tuple[Mapping[str, Any], float]], maximise: bool
) -> optuna.Study:
    """Rebuild the study in memory."""
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    study = optuna.create_study(direction="maximize" if maximise else "minimize")
    known = {name: _translated(distribution) for name, distribution in space.search.items()}
    study.add_trials(
        [
            optuna.trial.create_trial(
                value=score,
                params={name: _key(space.search[name], value) for name, value in values.items()},
                distributions={name: known[name] for name in values},
            )
            for values, score in trials
        ]
    )
    return study


def _inside(space: SearchSpace, values: Mapping[str, Any]) -> bool:
    return all(
        name in space.search and space.search[name].contains(value)
        for name, value in values.items()
    )


def _translated(distribution: Distribution) -> BaseDistribution:
    if distribution.choice is not None:
        return CategoricalDistribution(range(len(distribution.choice)))
    if distribution.int_ is not None:
        return IntDistribution(
            *distribution.int_, log=distribution.log, step=distribution.step or 1
        )
    return FloatDistribution(*(distribution.float_ or (0.0, 0.0)), log=distribution.log)


def _key(distribution: Distribution, value: Any) -> Any:
    """Choices may be lists, which Optuna doesn't take; their place stands for them."""
    if distribution.choice is not None:
        return distribution.choice.index(value)
    return value
