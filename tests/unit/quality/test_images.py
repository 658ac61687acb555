"""Figures of images: spectra, sliced Wasserstein distance, variety, copies."""

import cv2
import numpy as np
import pytest
import torch

from provenance import UserError
from provenance.quality import (
    RandomFeatures,
    copied_share,
    diversity,
    duplicates,
    estimate_sliced,
    estimate_spectral,
    ms_ssim,
    nearest,
    sliced_wasserstein,
    spectral_distance,
)


def noise(count, size=32, seed=0, blur=1.5):
    """Smooth random pictures."""
    rng = np.random.default_rng(seed)
    pixels = rng.normal(size=(count, size, size, 3)).astype(np.float32)
    smooth = np.stack([cv2.GaussianBlur(image, (0, 0), blur) for image in pixels])
    return (128 + smooth / smooth.std() * 45).clip(0, 255).astype(np.uint8)


def with_checkerboard(images, levels):
    rows, columns = np.indices(images.shape[1:3])
    grid = np.where((rows + columns) % 2, levels, -levels)[None, :, :, None]
    return (images.astype(int) + grid).clip(0, 255).astype(np.uint8)


# --- spectra --------------------------------------------------------------------------------------


def test_spectral_distance_knows_powers():
    images = noise(64, blur=0.6)  # power at all frequencies, more than rounding adds
    half = ((images.astype(int) - 128) // 2 + 128).astype(np.uint8)
    assert spectral_distance(images, images) == 0
    assert spectral_distance(images, half) == pytest.approx(6.02, abs=0.3)  # a quarter the power


def test_a_checkerboard_stands_out_in_the_spectrum():
    a, b = noise(200), noise(200, seed=1)
    floor = estimate_spectral(a, b)
    found = estimate_spectral(a, with_checkerboard(b, 6))
    assert found.low > floor.high
    assert found.value == pytest.approx(spectral_distance(a, with_checkerboard(b, 6)))
    assert floor.unbiased < floor.value


# --- sliced Wasserstein distance ------------------------------------------------------------------


def test_the_pyramid_is_opencvs():
    from provenance.quality.wasserstein import laplacian_pyramid

    image = noise(1, size=64)[0].astype(np.float32)
    tensor = torch.from_numpy(image).permute(2, 0, 1)[None]
    bands = laplacian_pyramid(tensor)
    small = cv2.pyrDown(image)
    smaller = cv2.pyrDown(small)
    expected = [image - cv2.pyrUp(small), small - cv2.pyrUp(smaller), smaller]
    for band, reference in zip(bands, expected, strict=True):
        inner = (slice(4, -4), slice(4, -4))  # borders are mirrored otherwise in cv2.pyrUp
        np.testing.assert_allclose(
            band[0].permute(1, 2, 0).numpy()[inner], reference[inner], atol=1e-3
        )


def test_distances_along_a_direction_are_scipys():
    from scipy.stats import wasserstein_distance

    from provenance.quality.wasserstein import _along

    rng = np.random.default_rng(0)
    x, y = rng.normal(size=300).astype(np.float32), rng.normal(0.3, 1.4, 300).astype(np.float32)
    distance, at_x, at_y = _along(x, y)
    assert distance == pytest.approx(wasserstein_distance(x, y), rel=1e-6)
    assert abs(at_x.mean() - at_y.mean()) == pytest.approx(distance, rel=1e-6)  # duality


def test_sliced_distance_repeats_and_tells_bands_apart():
    a, b = noise(150), noise(150, seed=1)
    floor = sliced_wasserstein(a, b)
    assert floor == sliced_wasserstein(a, b)
    finest, coarsest = sliced_wasserstein(a, with_checkerboard(b, 8))
    assert finest > 2 * floor[0]
    assert coarsest < 1.5 * floor[1]


def test_sliced_intervals_hold_what_other_draws_give():
    real = noise(150, blur=2.0)
    found = estimate_sliced(real, noise(150, seed=1))
    for side, estimate in found.items():
        others = [estimate_sliced(real, noise(150, seed=s))[side].value for s in range(2, 5)]
        assert estimate.low < np.mean(others) < estimate.high
        assert estimate.high - estimate.low < estimate.value


# --- variety --------------------------------------------------------------------------------------


def test_ms_ssim_is_that_of_torchmetrics():
    from torchmetrics.functional.image import structural_similarity_index_measure as ssim
    from torchmetrics.functional.image.ssim import _multiscale_ssim_update

    rng = np.random.default_rng(0)
    a = noise(6, size=64)
    b = (a.astype(int) + rng.normal(0, 30, a.shape)).clip(0, 255).astype(np.uint8)
    x, y = (torch.from_numpy(i).permute(0, 3, 1, 2).double() for i in (a, b))
    weights = np.array([0.0448, 0.2856, 0.3001])
    expected = _multiscale_ssim_update(
        x, y, kernel_size=1, data_range=255, betas=tuple(weights / weights.sum())
    )
    # theirs counts borders of the last scale, under a mirror; ours looks at whole windows only
    np.testing.assert_allclose(ms_ssim(a, b), expected.numpy(), atol=0.03)
    small_a, small_b = a[:, :16, :16], b[:, :16, :16]
    x, y = (torch.from_numpy(i.copy()).permute(0, 3, 1, 2).double() for i in (small_a, small_b))
    _, full = ssim(x, y, data_range=255.0, reduction="none", return_full_image=True)
    whole = full[:, :, 5:-5, 5:-5].mean((1, 2, 3))
    np.testing.assert_allclose(ms_ssim(small_a, small_b), whole.numpy(), atol=1e-4)


def test_diversity_of_copies_is_none():
    varied, equal = diversity(noise(60)), diversity(np.repeat(noise(1), 60, axis=0))
    assert equal.ms_ssim == pytest.approx(1)
    assert equal.thumbnail == 0
    assert varied.ms_ssim < 0.5
    assert varied.thumbnail > 5


def test_pairs_are_of_two_items_each_equally_often():
    from provenance.quality.variety import choose_pairs

    one, other = choose_pairs(7, 42, 0)
    assert (one != other).all()
    assert len({frozenset(pair) for pair in zip(one.tolist(), other.tolist(), strict=True)}) == 21
    assert set(np.bincount(one)) == {6}


def test_thumbnails_are_area_means():
    from provenance.quality.variety import thumbnails

    images = noise(3)
    expected = [
        cv2.resize(i.astype(np.float32), (8, 8), interpolation=cv2.INTER_AREA) for i in images
    ]
    np.testing.assert_allclose(thumbnails(images), np.stack(expected).reshape(3, -1), atol=1e-3)


# --- copies ---------------------------------------------------------------------------------------


def test_duplicates_are_found_exact_and_near():
    images = noise(40)
    images[1] = images[0]
    images[3] = (images[2].astype(int) + 2).clip(0, 255).astype(np.uint8)
    found = duplicates(images)
    assert found.is_duplicate.nonzero()[0].tolist() == [0, 1, 2, 3]
    assert (found.share, found.exact) == (4 / 40, 2 / 40)


def test_nearest_finds_the_original():
    reals = noise(80)
    chosen = np.array([5, 70, 33])
    samples = (reals[chosen].astype(int) + 3).clip(0, 255).astype(np.uint8)
    for features in (None, RandomFeatures()):
        found = nearest(samples, reals, features, k=3)
        assert found.index[:, 0].tolist() == chosen.tolist()
        assert (np.diff(found.distance, axis=1) >= 0).all()
    assert nearest(samples, reals).distance[:, 0] == pytest.approx(3, abs=0.1)  # grey levels


def test_copies_of_training_items_are_told_from_new_ones():
    rng = np.random.default_rng(0)
    training, held_out, honest = (rng.normal(size=(400, 5)) for _ in range(3))
    assert copied_share(honest, training, held_out).mean() < 0.05
    assert copied_share(training[:50] + 1e-3, training, held_out).mean() > 0.9


# --- what random features see ---------------------------------------------------------------------


def test_random_features_repeat_and_depend_on_their_seed():
    images = noise(5)
    found = RandomFeatures(0)(images)
    assert found.shape == (5, 147)
    assert found.dtype == np.float32
    np.testing.assert_array_equal(found, RandomFeatures(0)(images))
    assert not np.allclose(found, RandomFeatures(1)(images))
    np.testing.assert_allclose(found[:2], RandomFeatures(0)(images[:2]), rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize(
    "images",
    [
        np.zeros((0, 32, 32, 3), np.uint8),
        np.zeros((2, 32, 32, 3)),
        np.zeros((2, 4, 4, 3), np.uint8),
    ],
)
def test_no_features_of_what_are_no_images(images):
    with pytest.raises(UserError, match="Features"):
        RandomFeatures()(images)


def test_images_that_cannot_be_compared_are_said():
    for figure in (spectral_distance, sliced_wasserstein):
        with pytest.raises(UserError, match="cannot be compared"):
            figure(noise(4), noise(4, size=16))
        with pytest.raises(UserError, match="both sets"):
            figure(noise(4), noise(4)[:0])
