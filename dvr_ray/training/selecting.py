"""Model selection on validation-selection: the do-no-harm gate, the epoch kept, the patience."""

from __future__ import annotations

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

    def judge(
        self, row: dict[str, Any], main: Learner, control: Learner | None, progress: Progress
    ) -> bool:
        """Measure, apply the gate, and update row and progress.

        Parameters
        ----------
        row : dict
            The report; gets ``selection``, and with a control ``valued``, ``keep_all`` and
            ``adopted``.
        main : Learner
            The model trained on the selected triplets.
        control : Learner or None
            The model trained on all triplets; whichever selects better is adopted.
        progress : Progress
            Gets the best epoch and its metrics.

        Returns
        -------
        bool
            Whether this report's model is kept: the best so far, or where the last is kept any.
        """
        selection, adopted = self._measure(main), main
        if control is not None:
            keep_all = self._measure(control)
            row |= {"valued": selection, "keep_all": keep_all, "adopted": "valued"}
            if self._oriented(keep_all) > self._oriented(selection):
                selection, adopted, row["adopted"] = keep_all, control, "keep-all"
        row["selection"] = selection
        score = self._oriented(selection)
        better = self._keep == "last" or progress.best is None or score > progress.best
        if better:
            progress.best, progress.best_epoch = score, progress.epoch
            progress.best_metrics, progress.stale = selection, 0
            weights = adopted.backbone.state_dict()
            self.best = {name: tensor.detach().clone() for name, tensor in weights.items()}
        else:
            progress.stale += 1
        return better

    def _measure(self, learner: Learner) -> dict[str, float]:
        return self._evaluator.values(learner.backbone, {"selection": self._names})["selection"]

    def _oriented(self, metrics: dict[str, float]) -> float:
        return self.sign * metrics[self._metric]
