"""Model selection on validation-selection: the do-no-harm gate, the epoch kept, the patience."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from torch import Tensor

from dvr_ray.config.schema import TrainingConfig
from dvr_ray.metrics import parse
from dvr_ray.registry import canonical
from dvr_ray.training.checkpoint import Progress
from dvr_ray.training.evaluation import Evaluator
from dvr_ray.training.learner import Learner

__all__ = ["ModelSelection"]

ALWAYS = ("ndcg@20", "recall@20")


class ModelSelection:
    """Measures models, adopts the better one and remembers the best weights.

    Parameters
    ----------
    evaluator : Evaluator
        Knows the part under the name ``selection``.
    training : TrainingConfig
        Says which metric decides, whether the best or the last model is kept, and what is measured
        beside the metric.
    others : tuple of str
        Measured beside it too.

    Attributes
    ----------
    sign : int
        1 where more of the metric is better, else -1.
    """

    def __init__(
        self, evaluator: Evaluator, training: TrainingConfig, others: tuple[str, ...] = ()
    ) -> None:
        self._evaluator, self._keep = evaluator, training.keep
        self._metric = canonical(training.metric)
        names = [training.metric, *others, *training.report, *ALWAYS]
        self._names = list(dict.fromkeys(canonical(name) for name in names))
        self.sign = 1 if parse(training.metric).higher_is_better else -1
        self.best: dict[str, Tensor] = {}
        self._told: dict[str, Any] = {}
        self._fresh = False

    def look(
        self,
        valued: Mapping[str, Learner],
        control: Learner | None,
        progress: Progress,
        epoch: int,
    ) -> bool:
        """Measure models, apply the gate, and remember the adopted one where it is kept.

        Models that train beside replicas for many epochs are looked at after each, so that the
        epoch kept is picked as finely as that of plain training.

        Parameters
        ----------
        valued : mapping of str to Learner
            The models trained on selected triplets, by the policy that selects them; of equals the
            first counts.
        control : Learner or None
            The model trained on all triplets; whichever of all is best is adopted.
        progress : Progress
            Gets the best epoch and its metrics.
        epoch : int
            Epochs that they were trained for.

        Returns
        -------
        bool
            Whether it is kept: the best so far, or where the last is kept any.
        """
        measured = {name: self._measure(learner) for name, learner in valued.items()}
        name = max(measured, key=lambda name: self._oriented(measured[name]))
        selection, adopted = measured[name], valued[name]
        told: dict[str, Any] = {"policy": name} if len(valued) > 1 else {}
        if control is not None:
            keep_all = self._measure(control)
            told |= {"valued": selection, "keep_all": keep_all, "adopted": "valued"}
            if self._oriented(keep_all) > self._oriented(selection):
                selection, adopted, told["adopted"] = keep_all, control, "keep-all"
        score = self._oriented(selection)
        kept = self._keep == "last" or progress.best is None or score > progress.best
        if kept:
            progress.best, progress.best_epoch = score, epoch
            progress.best_metrics, self._fresh = selection, True
            weights = adopted.backbone.state_dict()
            self.best = {name: tensor.detach().clone() for name, tensor in weights.items()}
        if not self._told or score > self._oriented(self._told["selection"]):
            self._told = told | {"selection": selection}
        return kept

    def judge(self, progress: Progress) -> dict[str, Any]:
        """End a report's looks: count it as stale where none of its models was kept.

        Returns
        -------
        dict
            Of the best of its looks: ``selection``, with several policies which ``policy`` is best,
            and with a control ``valued``, ``keep_all`` and ``adopted``.
        """
        progress.stale = 0 if self._fresh else progress.stale + 1
        told, self._told, self._fresh = self._told, {}, False
        return told

    def _measure(self, learner: Learner) -> dict[str, float]:
        return self._evaluator.values(learner.backbone, {"selection": self._names})["selection"]

    def _oriented(self, metrics: dict[str, float]) -> float:
        return self.sign * metrics[self._metric]
