"""Reading and mixing of rewards."""

from __future__ import annotations

import pytest
import torch

from dvr_ray.errors import ConfigError
from dvr_ray.rewards.mixture import Mixture, parse_reward


def test_parts_know_weight_and_direction() -> None:
    parts = parse_reward("0.7*NDCG@20 + .3*gini@20+1e+1*loss + sp:gender@20")
    found = [(part.name, part.weight, part.sign) for part in parts]
    assert found == [
        ("ndcg@20", 0.7, 1), ("gini@20", 0.3, -1), ("loss", 10.0, -1), ("sp:gender@20", 1.0, -1),
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("text", "part"),
    [
        ("-1*ndcg@20", "weight must be a number above 0, got '-1*ndcg@20'"),
        ("0*ndcg@20", "weight must be a number above 0"),
        ("nan*ndcg@20", "weight must be a number above 0"),
        ("half*ndcg@20", "weight must be a number above 0, got 'half*ndcg@20'"),
        ("ndcg@20 + ndcg@20", "ndcg@20 must come once"),
        ("ndcg@20 +", "a part of the reward is empty"),
        ("lossy", "did you mean 'loss'?"),
        ("ndcg@20 + gnii@20", "unknown metric 'gnii@20'; did you mean 'gini'?"),
    ],
)
def test_wrong_rewards_are_errors_with_place_and_value(text: str, part: str) -> None:
    with pytest.raises(ConfigError) as caught:
        parse_reward(text, "run.yaml: adapter.reward")
    message = str(caught.value)
    assert message.startswith("run.yaml: adapter.reward: ")
    assert part in message


def test_one_part_keeps_its_unit() -> None:
    rewards = torch.rand(4, 1, 6, dtype=torch.float64)
    assert torch.equal(Mixture(parse_reward("5*ndcg@20"))(rewards), rewards[:, 0])


def test_weights_mean_the_same_whatever_the_unit() -> None:
    """Advantages have root mean squares of .7 and .3, though one unit is 1000 times larger."""
    draws = torch.Generator().manual_seed(0)
    rewards = torch.randn(8, 2, 50, generator=draws, dtype=torch.float64)
    rewards[:, 1] *= 1000
    parts = parse_reward("0.7*ndcg@20 + 0.3*gini@20")
    for place, weight in enumerate((0.7, 0.3)):
        alone = rewards.clone()
        alone[:, 1 - place] = alone[:1, 1 - place]
        mixed = Mixture(parts)(alone)
        size = (mixed - mixed.mean(0)).square().mean().sqrt()
        assert float(size) == pytest.approx(weight)


def test_scales_are_remembered_with_decay() -> None:
    draws = torch.Generator().manual_seed(1)
    rewards = torch.randn(4, 2, 5, generator=draws, dtype=torch.float64)
    mixture, other = (Mixture(parse_reward("ndcg@20 + loss")) for _ in range(2))
    mixture(rewards)
    first = mixture.tensors()["squares"].clone()
    mixture(rewards * 2)
    torch.testing.assert_close(mixture.tensors()["squares"], first * (0.9 + 0.1 * 4))
    other.load_tensors(mixture.tensors())
    torch.testing.assert_close(other(rewards), mixture(rewards))


def test_a_part_that_a_user_lacks_adds_nothing() -> None:
    rewards = torch.tensor([[[1.0, 2.0, torch.nan], [5.0, torch.nan, torch.nan]],
                            [[3.0, 4.0, torch.nan], [7.0, 1.0, torch.nan]]]).double()  # fmt: skip
    mixed = Mixture(parse_reward("ndcg@20 + ild-category@20"))(rewards)
    assert mixed[:, 2].isnan().all()
    assert float(mixed[1, 1] - mixed[0, 1]) == pytest.approx(2.0)  # both move by 1 about their mean
