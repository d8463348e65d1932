"""Triplet importance learning against loops, and its gradient against finite differences."""

from __future__ import annotations

import itertools
from typing import Any

import numpy as np
import pytest
import torch
from oracles import til as oracle
from triplets import horizon, make_backbone, make_batch, make_weighting, small_data

from dvr_ray.backbones import BACKBONES
from dvr_ray.errors import ConfigError
from dvr_ray.weightings import TripletBatch
from dvr_ray.weightings import til as module
from dvr_ray.weightings.til import TripletImportance
from dvr_ray.weightings.til_mi import MultiInterestImportance
from dvr_ray.weightings.til_ui import UserItemImportance

FORMS: dict[str, tuple[type[TripletImportance], dict[str, Any]]] = {
    "ui": (UserItemImportance, {}),
    "mi": (MultiInterestImportance, {"warmup": 0, "clusters": 4}),
}
ALPHA, RATE, DECAY = 0.3, 1e-2, 0.1


class Case:
    """One weighing of a batch with repeated users and items, and the same for the oracle."""

    def __init__(self, form: str, count: int, outer: str) -> None:
        cls, fields = FORMS[form]
        self.weighting = make_weighting(
            cls, alpha=ALPHA, lr=RATE, weight_decay=DECAY, outer=outer, **fields
        )
        assert isinstance(self.weighting, TripletImportance)
        self.backbone = make_backbone()
        self.weighting.begin(horizon(self.backbone))
        rows = torch.tensor([0, 1, 2, 3, 40, 41, 90, 200, 201, 300])
        self.triplets = make_batch(self.backbone, rows, count=count)
        self.triplets.negatives[4] = self.triplets.negatives[5]  # an item twice
        self.triplets.negatives[0, 0] = self.triplets.positives[7]  # on both sides
        # Once for the net to exist; then it is as drawn again.
        self.weighting.weigh(0, self.triplets)
        self.net = self.weighting._make(16)
        self.phi = {
            "hidden": self.net.hidden.weight.detach().numpy().copy(),
            "bias": self.net.hidden.bias.detach().numpy().copy(),
            "out": self.net.out.weight.detach().numpy()[0].copy(),
        }

    @property
    def targets(self) -> list[int | None]:
        if self.weighting._held_out is None:
            return self.triplets.positives.tolist()
        items, counted = self.weighting._held_out(self.triplets)
        return [
            i if counts else None
            for i, counts in zip(items.tolist(), counted.tolist(), strict=True)
        ]

    @property
    def theta(self) -> list[np.ndarray]:
        return [t.detach().numpy() for t in (self.backbone.users, self.backbone.items)]

    @property
    def batch(self) -> list[tuple[int, int, list[int]]]:
        t = self.triplets
        return list(zip(t.users.tolist(), t.positives.tolist(), t.negatives.tolist(), strict=True))


def context(case: Case) -> np.ndarray:
    """Uni of users by a loop over their items; centres by a loop over the clusters' items."""
    items, train = case.theta[1], small_data().train
    if isinstance(case.weighting, UserItemImportance):
        means = np.zeros((train.num_users, 8))
        for user in range(train.num_users):
            own = train.items[train.users == user]
            means[user] = sum(items[i] for i in own) / len(own)
        return means
    assert isinstance(case.weighting, MultiInterestImportance)
    found = case.weighting._clusters
    assert found is not None and len(found.unique()) == 4
    members = [[i for i in range(50) if found[i] == found[item]] for item in range(50)]
    return np.array([sum(items[i] for i in own) / len(own) for own in members])


@pytest.fixture(params=[("ui", 1, "batch"), ("mi", 1, "batch"), ("ui", 3, "reward"),
                        ("mi", 3, "batch")], ids=str)  # fmt: skip
def case(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Case:
    monkeypatch.setattr(module, "HIDDEN", 6)
    return Case(*request.param)


def test_weights_and_their_gradient_are_those_of_the_slow_version(case: Case) -> None:
    """Weights by Phi as it was, and d/dtheta of sum w l through w too, by rows."""
    weights = case.weighting.weigh(0, case.triplets)
    assert weights is not None
    out = case.backbone(case.triplets.users, case.triplets.positives, case.triplets.negatives)
    losses = case.triplets.loss(out.positive[:, None] - out.negative)
    (weights * losses).sum().backward()
    form = "ui" if isinstance(case.weighting, UserItemImportance) else "mi"
    expected, gradients = oracle.inner(form, case.theta, case.phi, case.batch, context(case))
    np.testing.assert_allclose(weights.detach().numpy(), expected, rtol=1e-12)
    for table, gradient in zip(case.backbone.represent(), gradients, strict=True):
        assert table.grad is not None and table.grad.is_sparse
        np.testing.assert_allclose(table.grad.to_dense().numpy(), gradient, rtol=0, atol=1e-12)


def test_outer_gradient_is_that_of_finite_differences(case: Case) -> None:
    """Through the unrolled step; then Phi takes Adam's first step along it."""
    form = "ui" if isinstance(case.weighting, UserItemImportance) else "mi"
    arguments = (form, case.theta, case.batch, context(case), ALPHA, case.targets)
    differences = oracle.outer_gradient(case.phi, 1e-5, *arguments)
    outer = case.weighting._outer_loss(case.net, case.triplets)
    found = torch.autograd.grad(outer, list(case.net.parameters()))
    expected = [differences["hidden"], differences["bias"], differences["out"][None]]
    scale = max(float(np.abs(g).max()) for g in expected)
    assert scale > 1e-4
    for gradient, wanted in zip(found, expected, strict=True):
        np.testing.assert_allclose(gradient.numpy(), wanted, rtol=1e-5, atol=1e-5 * scale)
    before = [p.detach().clone() for p in case.net.parameters()]
    case.weighting.weigh(0, case.triplets)
    for old, new, gradient in zip(before, case.net.parameters(), found, strict=True):
        slope = gradient + DECAY * old
        step = RATE * slope / (slope.abs() + 1e-8)
        torch.testing.assert_close(new.detach(), old - step, rtol=1e-9, atol=1e-12)


@pytest.mark.parametrize(
    "name", [name for name in BACKBONES.names() if BACKBONES.get(name).trainable]
)
def test_every_backbone_can_be_looked_ahead_with(name: str) -> None:
    """The gradient along a random direction of Phi is the difference quotient of the outer loss."""
    cls, numbers = BACKBONES.get(name), torch.Generator().manual_seed(1)
    backbone = cls.build(cls.Params(), small_data().train, numbers).double().eval()
    weighting = make_weighting(UserItemImportance, alpha=0.1)
    assert isinstance(weighting, TripletImportance)
    weighting.begin(horizon(backbone))
    triplets = make_batch(backbone, torch.arange(0, 300, 11), count=2)
    weighting.weigh(0, triplets)
    net = weighting._net
    assert net is not None
    gradients = torch.autograd.grad(weighting._outer_loss(net, triplets), list(net.parameters()))
    directions = [torch.randn(p.shape, generator=numbers).double() for p in net.parameters()]
    slope = sum(float((g * d).sum()) for g, d in zip(gradients, directions, strict=True))
    sides = []
    for sign in (1e-5, -2e-5):
        with torch.no_grad():
            for parameter, direction in zip(net.parameters(), directions, strict=True):
                parameter += sign * direction
        sides.append(float(weighting._outer_loss(net, triplets).detach()))
    assert abs(slope) > 1e-6
    assert (sides[0] - sides[1]) / 2e-5 == pytest.approx(slope, rel=1e-4)


def test_the_backbone_is_as_it_was(case: Case) -> None:
    before = [table.detach().clone() for table in case.backbone.represent()]
    case.weighting.weigh(0, case.triplets)
    for table, old in zip(case.backbone.represent(), before, strict=True):
        assert torch.equal(table, old) and table.grad is None and table.requires_grad


@pytest.mark.parametrize("shared", [False, True])
@pytest.mark.parametrize("form", FORMS)
def test_unusable_negatives_leave_no_trace(form: str, shared: bool) -> None:
    """Weights are those of the usable negatives alone, listed per row or once for all."""
    cls, fields = FORMS[form]
    backbone = make_backbone()
    rows, mask = torch.tensor([3, 77, 150]), torch.tensor([[True, False, True]]).expand(3, 3)
    listed = torch.tensor([[4, 9, 30]])
    found = []
    for negatives, usable in (
        (listed if shared else listed.expand(3, 3), mask),
        (torch.tensor([[4, 30]]).expand(3, 2), None),
        (torch.tensor([[4, 30]]), None),
    ):
        batch = make_batch(backbone, rows)
        triplets = TripletBatch(
            0, 3, rows, batch.users, batch.positives, negatives, usable, batch.losses,
            lambda gaps, usable=usable: (gaps if usable is None else gaps[:, [0, 2]]).mean(1),
            backbone,
        )  # fmt: skip
        weighting = make_weighting(cls, lr=0.1, **fields)
        weighting.begin(horizon(backbone))
        weighting.weigh(0, triplets)
        weights = weighting.weigh(0, triplets)
        assert weights is not None
        found.append(weights.detach())
    torch.testing.assert_close(found[0], found[1], rtol=0, atol=1e-12)
    torch.testing.assert_close(found[2], found[1], rtol=0, atol=1e-12)


def test_norm_makes_the_mean_one_and_clip_cuts() -> None:
    backbone = make_backbone()
    triplets = make_batch(backbone, torch.arange(0, 200))
    weights = {}
    for trick, fields in {"raw": {}, "norm": {}, "clip": {"clip": 0.7}}.items():
        weighting = make_weighting(UserItemImportance, trick=trick, **fields)
        weighting.begin(horizon(backbone))
        found = weighting.weigh(0, triplets)
        assert found is not None
        weights[trick] = found.detach()
    raw = weights["raw"]
    assert float(raw.min()) < 0.7 < float(raw.max())
    torch.testing.assert_close(weights["norm"], raw / raw.mean(), rtol=1e-12, atol=0)
    assert torch.equal(weights["clip"], raw.clamp_max(0.7))


def test_warm_up_is_plain_bpr_and_items_are_clustered_anew() -> None:
    weighting = make_weighting(MultiInterestImportance, warmup=2, clusters=3, every=2)
    assert isinstance(weighting, MultiInterestImportance)
    clusters = []
    for epoch in range(6):
        backbone = make_backbone(seed=epoch)
        weighting.begin(horizon(backbone, epoch))
        weights = weighting.weigh(0, make_batch(backbone, torch.arange(30)))
        assert (weights is None) == (epoch < 2)
        clusters.append(weighting._clusters)
    assert clusters[:2] == [None, None]
    changed = [a is not b for a, b in itertools.pairwise(clusters[2:])]
    assert changed == [False, True, False]


def test_more_clusters_than_items_are_refused() -> None:
    with pytest.raises(ConfigError, match=r"method\.clusters: must be <= 50, .* got 51; lower it"):
        make_weighting(MultiInterestImportance, clusters=51)


def test_a_warm_up_must_end_before_the_run_does() -> None:
    """Without a number it is a tenth of the run's epochs."""
    with pytest.raises(ConfigError, match=r"warmup: must be < training.epochs 8, got 8; lower it"):
        make_weighting(MultiInterestImportance, warmup=8)
    assert [module._warmup(None, epochs) for epochs in (8, 40, 1000)] == [0, 4, 100]
