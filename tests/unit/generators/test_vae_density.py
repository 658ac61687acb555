"""The VAE's density: how it is fitted, what it draws, and what it says of the unknown."""

import pytest
import torch

from provenance_generators.vae.density import Completion, LatentDensity, complete, pick
from provenance_generators.vae.directions import find_axes
from provenance_generators.vae.fitting import clusters, fit_density, principal_axes


def zeros(n):
    return torch.zeros(n, dtype=torch.long)


def draws(density, n, number=None, seed=0, **how):
    rng = torch.Generator().manual_seed(seed)
    uniform = torch.rand(n, generator=rng)
    noise = torch.randn(n, density.rank + density.units, generator=rng)
    return density(zeros(n) if number is None else number, uniform, noise, **how)


def fit(latents, numbers=None, *, components=1, rank=256):
    numbers = zeros(len(latents)) if numbers is None else numbers
    return fit_density(latents, numbers, components=components, rank=rank, seed=0)


def correlated(n, units, seed=1):
    rng = torch.Generator().manual_seed(seed)
    shape = torch.randn(units, units, generator=rng)
    return torch.randn(n, units, generator=rng) @ shape + 2.0


# --- fitting --------------------------------------------------------------------------------------


def test_density_reproduces_mean_and_covariance():
    latents = correlated(4000, 6)
    made = draws(fit(latents), 20000)
    torch.testing.assert_close(made.mean(0), latents.mean(0), atol=0.15, rtol=0)
    torch.testing.assert_close(made.T.cov(), latents.T.cov(), atol=0.5, rtol=0.1)


def test_fewer_axes_keep_the_strongest_and_every_unit_s_variance():
    latents = correlated(4000, 24)
    density = fit(latents, rank=6)
    assert density.axes.shape == (24, 6)
    made = draws(density, 20000)
    torch.testing.assert_close(made.var(0), latents.var(0), rtol=0.1, atol=0.1)
    whole = torch.linalg.eigh(latents.T.cov())[1][:, -3:]
    assert (density.axes.T @ whole).norm(dim=0).min() > 0.95


def test_principal_axes_are_orthonormal():
    axes = principal_axes(correlated(100, 30), 5, seed=0)
    torch.testing.assert_close(axes.T @ axes, torch.eye(5), atol=1e-4, rtol=0)


def test_mixture_finds_two_clusters_and_weighs_them():
    rng = torch.Generator().manual_seed(2)
    centres = torch.tensor([[-8.0, 0.0], [8.0, 0.0]])
    which = (torch.rand(2000, generator=rng) < 0.25).long()
    latents = centres[which] + 0.3 * torch.randn(2000, 2, generator=rng)
    made = draws(fit(latents, components=2), 4000)
    assert float((made[:, 0] > 0).float().mean()) == pytest.approx(0.25, abs=0.03)
    assert float(made[:, 0].abs().min()) > 5  # nothing between the clusters


def test_mixture_is_at_least_as_likely_as_sklearn_s():
    from sklearn.mixture import GaussianMixture

    rng = torch.Generator().manual_seed(3)
    centres = 4 * torch.randn(3, 4, generator=rng)
    latents = centres[torch.arange(3000) % 3] + torch.randn(3000, 4, generator=rng)
    density = fit(latents, components=3)
    parts = torch.distributions.MultivariateNormal(density.mean, scale_tril=density.factor)
    mixture = torch.distributions.MixtureSameFamily(
        torch.distributions.Categorical(density.weight), parts
    )
    ours = mixture.log_prob(latents - density.centre).mean()
    theirs = GaussianMixture(3, random_state=0).fit(latents.double().numpy())
    assert float(ours) == pytest.approx(theirs.score(latents.double().numpy()), abs=0.02)


def test_few_data_make_one_component_and_few_axes():
    density = fit(torch.randn(10, 8), components=4)
    assert density.factor.shape == (1, 5, 5)
    assert torch.isfinite(draws(density, 5)).all()


def test_constant_latents_and_what_is_no_number_do_no_harm():
    for latents in (torch.ones(20, 4), torch.full((20, 4), torch.nan)):
        assert torch.isfinite(draws(fit(latents), 5)).all()


def test_small_classes_borrow_their_spread_from_the_others():
    latents = correlated(2000, 8)
    numbers = zeros(2000)
    numbers[:5] = 1
    density = fit(latents, numbers)
    large, small = (factor @ factor.T for factor in density.factor)
    assert (small - large).norm() < (latents[:5].T.cov() - large).norm()
    assert torch.linalg.eigvalsh(small).min() > 0.1 * torch.linalg.eigvalsh(large).min()


def test_each_class_has_its_own_components_and_its_share():
    rng = torch.Generator().manual_seed(4)
    numbers = (torch.rand(3000, generator=rng) < 0.2).long()
    latents = torch.randn(3000, 3, generator=rng) + 10 * numbers[:, None]
    density = fit(latents, numbers, components=4)
    assert density.owner.tolist() == [0, 0, 1, 1]
    assert float(density.shares()[1]) == pytest.approx(float(numbers.float().mean()), abs=1e-5)
    made = draws(density, 400, torch.arange(400) % 2)
    assert made[::2].max() < 6
    assert made[1::2].min() > 4


def test_clusters_are_stable_for_a_seed():
    y = correlated(300, 4).double()
    assert torch.equal(clusters(y, 4, seed=1), clusters(y, 4, seed=1))
    assert len(set(clusters(y, 4, seed=1).tolist())) == 4


# --- drawing --------------------------------------------------------------------------------------


def test_without_axes_it_is_the_prior():
    made = draws(LatentDensity(units=5, rank=0, components=1), 20000)
    torch.testing.assert_close(made.T.cov(), torch.eye(5), atol=0.05, rtol=0)


def test_truncation_pulls_to_the_mean_and_temperature_to_the_components():
    density = LatentDensity(units=3, rank=3, components=2)
    density.mean.copy_(torch.tensor([[-4.0] * 3, [4.0] * 3]))
    cold = draws(density, 50, temperature=0.0)
    assert set(cold.flatten().tolist()) == {-4.0, 4.0}
    assert draws(density, 50, truncation=0.0).abs().max() < 1e-6
    density.owner.copy_(torch.tensor([0, 1]))
    assert draws(density, 50, zeros(50) + 1, truncation=0.0).min() == 4.0


def test_nothing_that_has_no_weight_is_picked():
    weights = torch.tensor([[0.0, 0.3, 0.0, 0.7, 0.0]]).repeat(4, 1)
    uniform = torch.tensor([0.0, 0.29, 0.31, 1 - 2**-24])
    assert pick(weights, uniform).tolist() == [1, 1, 3, 3]


# --- completing -----------------------------------------------------------------------------------


def test_completion_agrees_with_the_textbook_conditional():
    """One Gaussian of full rank: mean and covariance of x_u given x_k from its blocks."""
    density = fit(correlated(4000, 5))
    kept = torch.tensor([True, False, True, True, False])
    covariance = density.factor[0] @ density.factor[0].T + density.spread.square().diag()
    known, unknown = kept.nonzero()[:, 0], (~kept).nonzero()[:, 0]
    gain = covariance[unknown][:, known] @ torch.linalg.inv(covariance[known][:, known])
    x = correlated(1, 5, seed=9)
    mean = density.centre[unknown] + gain @ (x[0] - density.centre)[known]
    rest = covariance[unknown][:, unknown] - gain @ covariance[known][:, unknown]
    n = 20000
    rng = torch.Generator().manual_seed(0)
    made = Completion(density, kept).draw(
        x.repeat(n, 1), torch.rand(n, generator=rng), torch.randn(n, 10, generator=rng)
    )
    assert torch.equal(made[:, known], x[:, known].repeat(n, 1))
    torch.testing.assert_close(made[:, unknown].mean(0), mean, atol=0.05, rtol=0.02)
    torch.testing.assert_close(made[:, unknown].T.cov(), rest, atol=0.05, rtol=0.05)


def test_components_answer_by_what_is_known():
    density = LatentDensity(units=2, rank=2, components=2)
    density.mean.copy_(torch.tensor([[-5.0, 20.0], [5.0, -20.0]]))
    density.spread.fill_(0.1)
    latents = torch.tensor([[-5.0, 0.0], [5.0, 0.0]]).repeat(50, 1)
    rng = torch.Generator().manual_seed(0)
    kept = torch.tensor([True, False]).repeat(100, 1)
    made = complete(
        density, latents, kept, torch.rand(100, generator=rng), torch.randn(100, 4, generator=rng)
    )
    assert made[::2, 1].min() > 15
    assert made[1::2, 1].max() < -15


def test_nothing_known_gives_the_density_itself():
    latents = correlated(4000, 4)
    density = fit(latents, components=2)
    rng = torch.Generator().manual_seed(0)
    made = complete(
        density,
        torch.zeros(5000, 4),
        torch.zeros(5000, 4, dtype=torch.bool),
        torch.rand(5000, generator=rng),
        torch.randn(5000, density.rank + 4, generator=rng),
    )
    torch.testing.assert_close(made.mean(0), latents.mean(0), atol=0.2, rtol=0)
    torch.testing.assert_close(made.T.cov(), latents.T.cov(), atol=0.6, rtol=0.1)


@pytest.mark.parametrize("rank", [0, 3, 12])
def test_completion_is_finite_whatever_is_kept_and_however_odd_it_is(rank):
    density = (
        fit(correlated(300, 12) * 1e-3, components=2, rank=rank)
        if rank
        else LatentDensity(units=12, rank=0, components=1)
    )
    rng = torch.Generator().manual_seed(0)
    latents = 100 * torch.randn(8, 12, generator=rng)  # far from everything learned
    kept = torch.rand(8, 12, generator=rng) < torch.linspace(0, 1, 8)[:, None]
    noise = torch.randn(8, density.rank + 12, generator=rng)
    made = complete(density, latents, kept, torch.rand(8, generator=rng), noise)
    assert torch.isfinite(made).all()
    assert torch.equal(made[kept], latents[kept])


# --- directions -----------------------------------------------------------------------------------


def test_directions_are_the_strongest_variations_and_the_classes():
    rng = torch.Generator().manual_seed(4)
    numbers = torch.arange(3000) % 3
    latents = torch.randn(3000, 4, generator=rng) * torch.tensor([5.0, 2.0, 1.0, 0.5])
    latents[:, 3] += 4.0 * (numbers == 2)
    axes = find_axes(fit(latents, numbers), ("cat", "dog", "ship"))
    assert [a.direction.name for a in axes[:2]] == ["pca-1", "pca-2"]
    assert axes[0].step.abs().argmax() == 0
    assert float(axes[0].step.norm()) == pytest.approx(5.0, rel=0.1)  # one standard deviation
    named = [axis for axis in axes if axis.direction.how == "label"]
    assert named[0].direction.name == "class-ship"
    assert named[0].step[3] > 1.5
    strengths = [axis.direction.strength for axis in named]
    assert strengths == sorted(strengths, reverse=True)
    assert strengths[0] == pytest.approx(1.0)


def test_a_prior_has_no_directions():
    assert find_axes(LatentDensity(units=4, rank=0, components=1), ()) == []
