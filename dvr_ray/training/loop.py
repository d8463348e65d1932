"""The bilevel loop, the same for plain BPR, for DVR, and for any number of workers.

    warm-up: epochs that keep all
    until the metric on validation-selection stops improving:
        cut the training rows into batches; the weighting values them and draws K masks
        train one replica per mask for a horizon
        measure the reward of every replica; the weighting learns from it, and so does a sampler
        of negatives that learns
        merge the replicas; report, checkpoint

The do-no-harm gate trains one more replica that keeps all. At every report whichever of the two
models selects better is adopted, so a selection that harms is never what the run returns.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from dvr_ray.collective import Collective
from dvr_ray.config.load import config_hash
from dvr_ray.config.schema import Parallel, RunConfig
from dvr_ray.data.interactions import TrialData
from dvr_ray.errors import CheckpointError
from dvr_ray.metrics import Catalogue
from dvr_ray.state import prefixed, under
from dvr_ray.training import checkpoint
from dvr_ray.training.build import Parts, build, build_reranker
from dvr_ray.training.checkpoint import Progress
from dvr_ray.training.evaluation import Evaluator
from dvr_ray.training.learner import Learner, LossRecord
from dvr_ray.training.planning import Group, Planner
from dvr_ray.training.replicas import Replicas
from dvr_ray.training.reporter import Reporter
from dvr_ray.training.rewarding import RewardMeter
from dvr_ray.training.selecting import ModelSelection
from dvr_ray.training.sharing import Sharing
from dvr_ray.training.valuators import Valuators
from dvr_ray.training.value_table import RowValues, agreement
from dvr_ray.training.watch import Watch, check_finite
from dvr_ray.weightings import Horizon

__all__ = ["Trainer"]


class Trainer:
    """Runs one configuration to its end.

    Parameters
    ----------
    config : RunConfig
        The run.
    data : TrialData
        Three of the four parts; the test part is nowhere in it.
    collective : Collective
        The group of workers.
    device : torch.device
        Where models live.
    metrics : sequence of str
        Metrics to measure on validation-selection beside ``training.metric``.
    parallel : str
        What the workers share: batches or masks.
    """

    def __init__(
        self,
        config: RunConfig,
        data: TrialData,
        collective: Collective,
        device: torch.device,
        metrics: tuple[str, ...] = (),
        parallel: Parallel = "batches",
    ) -> None:
        self.config, self.data = config, data
        self._collective, self._device = collective, device
        sharing = Sharing.of(config, collective, parallel)
        self._parts: Parts = build(config, data, sharing.batches, device)
        self.weighting = self._parts.weighting
        self._replicas = Replicas(config, self._parts, len(data.train), sharing)
        self._record = LossRecord(len(data.train), collective)
        self._evaluator = Evaluator(
            [data.train],
            {"reward": data.reward, "selection": data.selection},
            collective,
            Catalogue.of(data),
        )
        self._meter = RewardMeter(config, data, self._evaluator, sharing)
        self._planner = Planner(config, data.train, self._parts.negatives, device)
        self._progress = Progress()
        self._notes: list[str] = []
        self.valuators = Valuators()
        reranked = self._evaluator.reranked(build_reranker(config, self._evaluator.catalogue))
        self._selection = ModelSelection(reranked, config.training, metrics)

    @property
    def identity(self) -> dict[str, str]:
        """What a checkpoint of this run belongs to."""
        return {"config": config_hash(self.config), "data": self.data.fingerprint}

    def resume(self, folder: Path) -> int:
        """Take up the newest checkpoint of a folder that isn't damaged; return its epoch, or 0.

        Raises
        ------
        CheckpointError
            If it belongs to another run or doesn't fit it, or all are damaged.
        """
        stored, self._notes = checkpoint.newest(folder, self.identity)
        if stored is not None:
            self._progress = stored.progress
            try:
                self._load_tensors(stored.tensors)
            except (LookupError, RuntimeError, ValueError) as error:
                cause = " ".join(f"{type(error).__name__}: {error}".split())[:160]
                raise CheckpointError(
                    str(folder), f"doesn't fit the run ({cause})", "delete it to train anew"
                ) from error
        return self._progress.epoch

    def fit(
        self, folder: Path, reporter: Reporter, log: Callable[[dict[str, Any]], None] | None = None
    ) -> Progress:
        """Train to the end.

        Parameters
        ----------
        folder : Path
            Checkpoints are written here by worker 0.
        reporter : Reporter
            Takes a row after every horizon. Its ``warnings`` are lines for the user.
        log : callable, optional
            Takes the same row before the checkpoint that goes with it is written.

        Returns
        -------
        Progress
            With the best epoch and its metrics.

        Raises
        ------
        DivergedError
            If the loss is no longer finite.
        """
        watch = Watch(self._progress, self._selection.sign)
        training = self.config.training
        epochs = training.epochs if self._replicas.main.backbone.trainable else 1
        while self._progress.epoch < epochs and self._progress.stale < training.patience:
            started = time.monotonic()
            row = self._period()
            self._progress.seconds += time.monotonic() - started
            row["seconds"] = round(self._progress.seconds, 3)
            if found := self._notes + watch.check(row):
                row["warnings"], self._notes = found, []
            if log is not None:
                log(row)
            saved = None
            if self._collective.rank == 0:
                saved = checkpoint.save(folder, self._progress, self._tensors(), self.identity)
            reporter.report(row, saved)
        return self._progress

    def load_best(self) -> Learner:
        """Return the main learner with the weights of the best epoch; the valuator is of it too.

        A valuator that doesn't stand yet at the best epoch stays as it is.
        """
        if self.valuators.best:
            self.weighting.load_valuator(self.valuators.best)
        self._replicas.main.backbone.load_state_dict(self._selection.best)
        return self._replicas.main

    def value_rows(self, partitions: int = 4) -> RowValues | None:
        """Value every training row in random partitions into batches; None without values."""
        found = []
        for number in range(partitions):
            batches = self._planner.cut("valuation", number)
            pair = self.weighting.values(self._horizon(batches, self._progress.horizon, number))
            if pair is None:
                return None
            found.append(torch.stack(pair))
        passes = torch.stack(found)
        mean = passes.mean(0)
        return RowValues(mean[0], mean[1], agreement(passes[:, 0]))

    def mean_losses(self) -> Tensor:
        """Running mean BPR loss of every training row before any was dropped, shape (n,)."""
        return self._record.unselected()

    def _period(self) -> dict[str, Any]:
        """Run until the next report: one epoch of warm-up, or one horizon (or an epoch of them)."""
        warming = self._parts.learns and self._progress.epoch < self.config.training.warmup
        if warming or not self._parts.learns:
            row = self._plain_epoch("warm-up" if warming else "train")
        else:
            row = self._bilevel()
        check_finite(row)
        self._look(self._progress.epoch)
        self.valuators.add(row["epoch"], self.weighting.valuator_tensors())
        return row | self._selection.judge(self._progress)

    def _look(self, epoch: int) -> None:
        """Let the models be measured after an epoch; the valuator of the one kept is kept too."""
        replicas = self._replicas
        if self._selection.look(replicas.valued, replicas.control, self._progress, epoch):
            self.valuators.best = self.weighting.valuator_tensors()

    def _plain_epoch(self, phase: str) -> dict[str, Any]:
        """One epoch of the main learner alone; a weighting that learns isn't asked."""
        batches = self._planner.order(self._progress.epoch)
        walked = self._planner.walk(batches, self._progress.epoch)
        if not self.weighting.learns:
            self.weighting.begin(self._horizon(batches, self._progress.horizon))
        self._replicas.train(walked, self._record)
        self._progress.epoch += 1
        self._progress.horizon += 1
        return {"epoch": self._progress.epoch, "phase": phase, "loss": self._record.merge()}

    def _bilevel(self) -> dict[str, Any]:
        """One horizon over all rows, or one epoch of horizons of a few batches each."""
        groups = self._planner.groups(self._progress.horizon, self._progress.epoch)
        if self.weighting.learns:
            self._record.begin_selecting()
            self._replicas.begin_beside()
        ended = [self._run_horizon(group) for group in groups]
        monitors = ended[-1][1]
        self._progress.epoch += groups[0].epochs
        return {
            "epoch": self._progress.epoch,
            "phase": "bilevel",
            "loss": float(np.mean([loss for loss, _ in ended])),
            "reward": self._meter.latest,
            "monitors": monitors,
        } | {name: monitors[name] for name in ("keep_rate",) if name in monitors}

    def _run_horizon(self, group: Group) -> tuple[float, dict[str, Any]]:
        number = self._progress.horizon
        horizon = self._horizon(group.batches, number)
        self.weighting.begin(horizon)
        self._replicas.open(number)
        self.weighting.parts.adapter.hold(self._meter.begin(self._replicas.main.backbone, number))
        last = self._progress.epoch + group.epochs
        picked = self._replicas.apart and self.config.training.keep == "best"
        for epoch in range(self._progress.epoch, last):
            batches = self._planner.order(epoch) if group.whole else group.batches
            counter = epoch if group.whole else number
            walked = self._planner.walk(batches, counter)
            self._replicas.explore(walked, counter, self._record)
            if picked and epoch + 1 < last:
                self._replicas.hand_over()
                self._look(epoch + 1)
        self._replicas.hand_over()
        loss = self._record.merge()
        exploring = {k: replica.backbone for k, replica in self._replicas.exploring.items()}
        rewards = self._meter.measure(exploring, self._parts.replicas)
        monitors = self.weighting.end(self._horizon(group.batches, number), rewards)
        monitors |= self._parts.negatives.end(rewards)
        self._replicas.merge()
        self._progress.horizon += 1
        return loss, monitors

    def _horizon(self, batches: list[Tensor], number: int, *counters: int) -> Horizon:
        backbone = self._replicas.main.backbone
        return Horizon(
            number,
            batches,
            self._record.filled(),
            self._embeddings,
            lambda rows: self._planner.fixed_negatives(backbone, rows, number, *counters),
        )

    def _embeddings(self, users: Tensor, items: Tensor) -> tuple[Tensor, Tensor]:
        backbone = self._replicas.main.backbone
        return backbone.embeddings(users.to(self._device), items.to(self._device))

    def _tensors(self) -> dict[str, Tensor]:
        state = self._replicas.tensors() | prefixed("best", self._selection.best)
        state |= self.valuators.tensors()
        for name, part in self._stateful.items():
            state |= prefixed(name, part.tensors())
        # safetensors refuses tensors that share memory.
        return {k: v.clone() for k, v in state.items()}

    def _load_tensors(self, state: dict[str, Tensor]) -> None:
        self._replicas.load_tensors(state)
        self._selection.best = under("best", state)
        self.valuators.load_tensors(state)
        for name, part in self._stateful.items():
            part.load_tensors(under(name, state))

    @property
    def _stateful(self) -> dict[str, Any]:
        return {"weighting": self.weighting, "negatives": self._parts.negatives,
                "losses": self._record, "reward": self._meter}  # fmt: skip
