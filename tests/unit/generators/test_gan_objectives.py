"""Objectives, penalties, and what the critic sees: against numbers worked out by hand."""

import math

import pytest
import torch

from provenance_generators.gan.augment import (
    AUGMENTATIONS,
    AdaptiveAugmentation,
    DiffAugment,
    cut_out,
    translate,
)
from provenance_generators.gan.critics import CRITICS, CriticShape
from provenance_generators.gan.objectives import OBJECTIVES, BoundaryEquilibrium
from provenance_generators.gan.penalties import judge

REAL, FAKE = torch.tensor([[2.0], [-1.0]]), torch.tensor([[0.5], [3.0]])
SPLIT = torch.tensor([[1.0], [-1.0]])


def softplus(x):
    return math.log1p(math.exp(x))


BY_HAND = {  # loss of the critic, of the generator
    "relativistic": (
        (softplus(-1.5) + softplus(4.0)) / 2,
        (softplus(1.5) + softplus(-4.0)) / 2,
    ),
    "non-saturating": (
        (softplus(-2) + softplus(1)) / 2 + (softplus(0.5) + softplus(3)) / 2,
        (softplus(-0.5) + softplus(-3)) / 2,
    ),
    "wgan-gp": (1.75 - 0.5, -1.75),
    "began": (-0.5, -1.75),  # its control begins at 0
    "hinge": ((0 + 2) / 2 + (1.5 + 4) / 2, -1.75),
}


@pytest.mark.parametrize("name", OBJECTIVES)
def test_losses_are_those_of_the_papers(name):
    objective = OBJECTIVES[name]()
    critic, generator = BY_HAND[name]
    assert objective.critic_loss(REAL, FAKE).item() == pytest.approx(critic)
    assert objective.generator_loss(REAL, FAKE).item() == pytest.approx(generator)


def test_costs_of_slopes():
    squares = torch.tensor([4.0, 9.0])
    cost = {name: OBJECTIVES[name]().slope_cost(squares).item() for name in OBJECTIVES}
    assert cost["relativistic"] == pytest.approx(6.5)  # 4 at real / 2 + 9 at fake / 2, two images
    assert cost["non-saturating"] == pytest.approx(3.25)
    assert cost["wgan-gp"] == pytest.approx((1 + 4) / 2)


def test_a_relativistic_loss_ignores_the_level_of_scores():
    objective = OBJECTIVES["relativistic"]()
    for loss in (objective.critic_loss, objective.generator_loss):
        torch.testing.assert_close(loss(REAL, FAKE), loss(REAL + 7, FAKE + 7))


def test_the_control_of_began_follows_the_balance():
    objective = BoundaryEquilibrium()
    real, fake = torch.full((2, 1), -0.8), torch.full((2, 1), -0.2)  # errors .8 and .2
    logged = objective.follow(real, fake)
    imbalance = 0.7 * 0.8 - 0.2
    assert logged["control"].item() == pytest.approx(5e-3 * imbalance)
    assert logged["convergence"].item() == pytest.approx(0.8 + imbalance)
    assert objective.critic_loss(real, fake).item() == pytest.approx(0.8 - 5e-3 * imbalance * 0.2)
    other = BoundaryEquilibrium()
    other.load_state_dict(objective.state_dict())
    assert other.control == objective.control
    other.agree(lambda value: 2 * value)
    assert other.control.item() == pytest.approx(2 * objective.control.item())
    for _ in range(1000):
        objective.follow(fake, real)  # fakes are reconstructed worse: the control ends at 0
    assert objective.control == 0


class Linear(torch.nn.Module):
    """A critic whose gradient is known."""

    def __init__(self):
        super().__init__()
        self.weight = torch.nn.Parameter(torch.randn(48))

    def forward(self, images, classes):
        return images.flatten(1) @ self.weight[:, None], images.new_ones(len(images))


@pytest.mark.parametrize(("points", "count"), [("real", 2), ("both", 4), ("between", 2)])
def test_slopes_are_squared_gradients_at_the_points(points, count):
    critic, classes = Linear(), torch.zeros(2, dtype=torch.long)
    real, fake = torch.randn(2, 3, 4, 4), torch.randn(2, 3, 4, 4)
    judged = judge(critic, real, fake, classes, points, torch.rand(2))
    assert judged.real.shape == judged.fake.shape == (2, 1)
    assert judged.slopes.shape == (count,)
    torch.testing.assert_close(judged.slopes, critic.weight.square().sum().expand(count))
    torch.testing.assert_close(judged.fake, critic(fake, classes)[0])
    assert judged.error == 1
    judged.slopes.mean().backward()
    torch.testing.assert_close(critic.weight.grad, 2 * critic.weight.detach())


def test_points_between_lie_between():
    seen = []

    class Spy(Linear):
        def forward(self, images, classes):
            seen.append(images.detach())
            return super().forward(images, classes)

    real, fake = torch.zeros(2, 3, 4, 4), torch.ones(2, 3, 4, 4)
    judge(Spy(), real, fake, torch.zeros(2).long(), "between", torch.tensor([0.25, 0.5]))
    assert seen[0][4:].mean((1, 2, 3)).tolist() == [0.25, 0.5]


def test_slopes_are_computed_in_float32_under_autocast():
    critic = CRITICS["plain"](CriticShape(32, width=8, full_resolution=True))
    images, classes = torch.randn(2, 3, 32, 32), torch.zeros(2).long()
    with torch.autocast("cpu", dtype=torch.bfloat16):
        assert critic(images, classes)[0].dtype == torch.bfloat16
        judged = judge(critic, images, images, classes, "both", torch.rand(2))
    assert judged.real.dtype == judged.slopes.dtype == torch.float32


# --- augmentations --------------------------------------------------------------------------------


def rng(seed=0):
    return torch.Generator().manual_seed(seed)


def always():
    augment = AdaptiveAugmentation()
    augment.probability = torch.tensor(1.0)
    return augment


@pytest.mark.parametrize("augment", [DiffAugment(), always()], ids=["diffaugment", "ada"])
def test_augmentations_repeat_differ_and_let_gradients_through(augment):
    images = (torch.rand(6, 3, 16, 16, generator=rng()) * 2 - 1).requires_grad_()
    made = augment(images, rng(1))
    assert made.shape == images.shape
    assert torch.equal(made, augment(images, rng(1)))
    assert not torch.allclose(made, augment(images, rng(2)))
    made.square().sum().backward()
    assert (images.grad.abs().sum(dim=(1, 2, 3)) > 0).all()


def test_nothing_is_changed_where_nothing_should_be():
    images = torch.rand(4, 3, 16, 16, generator=rng()) * 2 - 1
    assert torch.equal(AUGMENTATIONS["none"]()(images, rng()), images)
    made = AdaptiveAugmentation()(images, rng())  # its probability begins at 0
    torch.testing.assert_close(made, images, atol=1e-5, rtol=0)


def test_translation_moves_by_whole_pixels():
    images = torch.arange(16.0).view(1, 1, 4, 4).expand(1, 3, 4, 4)
    moved = translate(images, torch.tensor([[0.25, -0.25]]))  # one down, one to the left
    torch.testing.assert_close(moved[0, 0, 1:, :3], images[0, 0, :3, 1:])
    assert (moved[0, :, 0] == -1).all()
    assert (moved[0, :, :, 3] == -1).all()


def test_the_hole_has_half_the_side():
    made = cut_out(torch.ones(1, 3, 8, 8), torch.tensor([[0.5, 0.5]]))
    assert made.sum() == 3 * (64 - 16)
    assert (made[0, :, 2:6, 2:6] == 0).all()


def test_the_probability_follows_over_fitting():
    augment = AdaptiveAugmentation()
    for _ in range(10):
        logged = augment.follow(torch.ones(100, 1), -torch.ones(100, 1))  # told apart: sign 1
    assert logged["overfitting"] == 1
    assert augment.probability.item() == pytest.approx(10 * 100 / 100_000)
    other = AdaptiveAugmentation()
    other.load_state_dict(augment.state_dict())
    for _ in range(501):  # of two images each
        other.follow(SPLIT, SPLIT)  # not told apart: sign 0
    assert other.probability == 0
