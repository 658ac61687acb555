"""Frechet and kernel distance, manifolds: against other libraries, closed forms and naive loops."""

import numpy as np
import pytest
import torch

from provenance import UserError
from provenance.quality import (
    estimate_frechet,
    estimate_kernel,
    estimate_manifold,
    frechet_distance,
    kernel_distance,
    manifold,
)


@pytest.fixture(scope="module")
def sets():
    rng = np.random.default_rng(0)
    mix = rng.normal(size=(12, 12))
    a = (rng.normal(size=(240, 12)) @ mix).astype(np.float32)
    b = (rng.normal(size=(200, 12)) @ mix * 0.8 + 0.7).astype(np.float32)
    return a, b


# --- Frechet distance -----------------------------------------------------------------------------


def test_frechet_distance_is_that_of_torchmetrics(sets):
    from torchmetrics.image.fid import _compute_fid

    stats = [(torch.tensor(x).double().mean(0), torch.tensor(np.cov(x.T))) for x in sets]
    (mean_a, cov_a), (mean_b, cov_b) = stats
    expected = _compute_fid(mean_a, cov_a, mean_b, cov_b).item()
    assert frechet_distance(*sets) == pytest.approx(expected, rel=1e-6)


def test_frechet_distance_is_that_of_torch_fidelity(sets):
    fidelity = pytest.importorskip("torch_fidelity.metric_fid")
    stats = [fidelity.fid_features_to_statistics(torch.tensor(x).double()) for x in sets]
    expected = fidelity.fid_statistics_to_metric(*stats, verbose=False)
    assert frechet_distance(*sets) == pytest.approx(expected["frechet_inception_distance"])


def test_fewer_items_than_features_are_no_trouble():
    from scipy.linalg import sqrtm

    rng = np.random.default_rng(1)
    a, b = rng.normal(size=(9, 20)), rng.normal(size=(12, 20)) + 1
    cov_a, cov_b = np.cov(a.T), np.cov(b.T)
    root = sqrtm(cov_a @ cov_b + 1e-10 * np.eye(20)).real
    expected = np.square(a.mean(0) - b.mean(0)).sum() + np.trace(cov_a + cov_b - 2 * root)
    assert frechet_distance(a, b) == pytest.approx(expected, rel=1e-3)


def test_the_jackknife_takes_the_bias_off():
    rng = np.random.default_rng(2)
    a, b = rng.normal(size=(400, 30)), rng.normal(size=(400, 30)) + 0.5
    found = estimate_frechet(a, b)
    truth = 30 * 0.25
    assert found.value == pytest.approx(frechet_distance(a, b))
    assert found.value - truth > 0.5  # 30 features of 400 items
    assert abs(found.unbiased - truth) < 0.4 * (found.value - truth)
    assert found.low < found.value < found.high


# --- kernel distance ------------------------------------------------------------------------------


def test_kernel_distance_is_that_of_torchmetrics(sets):
    from torchmetrics.image.kid import poly_mmd

    a, b = (torch.tensor(x[:200]).double() for x in sets)
    assert kernel_distance(a.numpy(), b.numpy()) == pytest.approx(poly_mmd(a, b).item())


def test_subsets_are_those_of_torch_fidelity_on_average(sets):
    fidelity = pytest.importorskip("torch_fidelity.metric_kid")
    found = kernel_distance(*sets, subsets=60, subset_size=100)
    theirs = fidelity.kid_features_to_metric(
        *map(torch.tensor, sets), kid_subsets=60, kid_subset_size=100, verbose=False
    )
    mean, spread = (theirs[f"kernel_inception_distance_{x}"] for x in ("mean", "std"))
    assert found == pytest.approx(mean, abs=3 * spread * (2 / 60) ** 0.5)


def test_the_kernel_interval_is_a_plain_jackknife(sets):
    from provenance.quality.intervals import deal, jackknife_of

    a, b = sets
    found = estimate_kernel(a, b, blocks=7)
    blocks = deal(len(a), 7), deal(len(b), 7)
    without = [kernel_distance(a[blocks[0] != g], b[blocks[1] != g]) for g in range(7)]
    half = 2.446912 * np.sqrt(6 / 7 * np.square(without - np.mean(without)).sum())  # t, 6 d.f.
    assert found.value == pytest.approx(kernel_distance(a, b))
    assert (found.low, found.high) == pytest.approx((found.value - half, found.value + half))
    same = jackknife_of(lambda x, y: float(x.mean() - y.mean()), a, b, blocks=7)
    assert same.low < same.value < same.high


def test_equal_distributions_have_kernel_distance_zero_within_their_interval():
    rng = np.random.default_rng(3)
    found = estimate_kernel(rng.normal(size=(600, 8)), rng.normal(size=(500, 8)))
    assert found.low < 0 < found.high


# --- manifolds ------------------------------------------------------------------------------------


def naive(real, fake, k):
    """The four definitions as loops."""

    def radius(points, i):
        return sorted(np.linalg.norm(points - points[i], axis=1))[k]

    def inside(x, points, radii):
        return [np.linalg.norm(x - p) <= r for p, r in zip(points, radii, strict=True)]

    reals = [radius(real, i) for i in range(len(real))]
    fakes = [radius(fake, i) for i in range(len(fake))]
    balls = [sum(inside(x, real, reals)) for x in fake]
    return {
        "precision": np.mean([count > 0 for count in balls]),
        "recall": np.mean([any(inside(x, fake, fakes)) for x in real]),
        "density": np.mean(balls) / k,
        "coverage": np.mean(
            [min(np.linalg.norm(fake - x, axis=1)) <= r for x, r in zip(real, reals, strict=True)]
        ),
    }


@pytest.mark.parametrize("k", [1, 5])
def test_manifolds_are_those_of_a_naive_loop(sets, k):
    a, b = sets[0][:90].astype(np.float64), sets[1][:70].astype(np.float64)
    found = manifold(a, b, k=k)
    for name, expected in naive(a, b, k).items():
        assert getattr(found, name) == pytest.approx(expected), name


def test_precision_and_recall_are_those_of_torch_fidelity(sets):
    fidelity = pytest.importorskip("torch_fidelity.metric_prc")
    real, fake = sets
    theirs = fidelity.prc_features_to_metric(
        torch.tensor(fake).double(), torch.tensor(real).double(), prc_neighborhood=3, verbose=False
    )
    found = manifold(real, fake, k=3)
    assert (found.precision, found.recall) == (
        pytest.approx(theirs["precision"]),
        pytest.approx(theirs["recall"]),
    )


def test_chunks_change_nothing(sets, monkeypatch):
    whole, kernel = manifold(*sets), kernel_distance(*sets)
    monkeypatch.setattr("provenance.quality.distances._CELLS_AT_ONCE", 1000)
    monkeypatch.setattr("provenance.quality.kernels._CELLS_AT_ONCE", 1000)
    assert manifold(*sets) == whole
    assert kernel_distance(*sets) == pytest.approx(kernel)


def test_each_block_of_a_manifold_is_left_out_whole(sets):
    from provenance.quality.intervals import deal
    from provenance.quality.neighbourhoods import _Blocks

    real, fake = sets
    of_real, of_fake = deal(len(real), 6), deal(len(fake), 6)
    found = _Blocks(real, fake, 5, 6, 0).count()
    for g in range(6):
        expected = manifold(real[of_real != g], fake[of_fake != g])
        for name, values in found.items():
            assert values[g] == pytest.approx(getattr(expected, name)), name


def test_manifold_intervals_hold_what_other_draws_give():
    """Intervals of one draw against the figures of twelve others: most lie inside."""
    rng = np.random.default_rng(4)

    def draw():
        return rng.normal(size=(300, 6)), rng.normal(size=(300, 6)) * 0.8

    found = estimate_manifold(*draw())
    others = [manifold(*draw()) for _ in range(12)]
    for name, estimate in found.items():
        inside = [estimate.low <= getattr(other, name) <= estimate.high for other in others]
        assert sum(inside) >= 7, name


@pytest.mark.parametrize(
    ("a", "b", "message"),
    [
        (np.zeros((1, 3)), np.zeros((5, 3)), "2 items"),
        (np.zeros((5, 3)), np.zeros((5, 4)), "cannot be compared"),
        (np.full((5, 3), np.nan), np.zeros((5, 3)), "no numbers"),
    ],
)
def test_bad_features_are_said(a, b, message):
    for figure in (frechet_distance, kernel_distance, manifold):
        with pytest.raises(UserError, match=message):
            figure(a, b)


def test_too_few_items_for_neighbours_are_said():
    with pytest.raises(UserError, match="no neighbour 5"):
        manifold(np.zeros((5, 2)), np.zeros((9, 2)))
