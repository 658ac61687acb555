"""What the figures see together: the checks that generators are judged by, on real photographs."""

import json

import cv2
import numpy as np
import pytest

from provenance import InputSpec, UserError
from provenance.quality import RandomFeatures, evaluate
from provenance_datasets.photos.source import Photos

SIDE_PX, COUNT = 32, 120


@pytest.fixture(scope="module")
def photos():
    items = Photos().items(InputSpec(geometry="crop", size_px=SIDE_PX), count=4 * COUNT, seed=0)
    images = np.stack([item.data for item in items])
    return images[np.random.default_rng(0).permutation(len(images))]


@pytest.fixture(scope="module")
def measured(photos):
    """Sets of samples to the figures that they get."""
    reals, more = photos[: 2 * COUNT], photos[2 * COUNT : 3 * COUNT]
    rows, columns = np.indices((SIDE_PX, SIDE_PX))
    grid = np.where((rows + columns) % 2, 7, -7)[None, :, :, None]
    sets = {
        "real": more,
        "repeated": np.repeat(more[:12], COUNT // 12, axis=0),
        "blurred": np.stack([cv2.GaussianBlur(image, (0, 0), 1.5) for image in more]),
        "checkerboard": (more.astype(int) + grid).clip(0, 255).astype(np.uint8),
        "copied": photos[3 * COUNT :],
    }
    training = dict.fromkeys(("real", "copied"), photos[3 * COUNT :])
    return {
        name: evaluate(
            images, reals, [RandomFeatures()], resamples=200, training=training.get(name)
        )
        for name, images in sets.items()
    }


def test_other_real_images_are_as_good_as_the_floor(measured):
    quality = measured["real"]
    samples, floor = quality.row("samples"), quality.row("real")
    for key in ("random.recall", "random.coverage", "random.precision"):
        assert samples[key] == pytest.approx(floor[key], abs=0.12), key
    assert quality.row("training")["random.recall"] > 0.8
    assert any("near that of real images" in line for line in quality.to_json()["findings"])


def test_repeated_images_have_no_recall_though_their_distance_is_fair(measured):
    quality = measured["repeated"]
    samples, blurred = quality.row("samples"), measured["blurred"].row("samples")
    assert samples["random.frechet"] < 0.6 * blurred["random.frechet"]
    assert samples["random.recall"] < 0.05
    assert samples["random.coverage"] < 0.5 * quality.row("real")["random.coverage"]
    assert samples["duplicates"] == 1
    assert any(
        "mode collapse" in s or "missing" in s for s in measured["repeated"].to_json()["findings"]
    )


def test_blur_is_seen_by_all(measured):
    quality = measured["blurred"]
    samples, floor = quality.row("samples"), quality.row("real")
    for key in ("random.frechet", "spectral_db", "swd.32"):
        assert samples.figures[key].low > 1.5 * floor[key], key
    assert any("spectrum" in line for line in quality.to_json()["findings"])


def test_a_faint_checkerboard_is_seen_by_random_features_and_the_finest_band(measured):
    quality = measured["checkerboard"]
    samples, floor = quality.row("samples"), quality.row("real")
    assert samples.figures["random.frechet"].low > floor.figures["random.frechet"].high
    assert samples["swd.32"] > 1.5 * floor["swd.32"]
    assert samples["swd.16"] < 1.5 * floor["swd.16"]


def test_copies_of_training_images_are_noticed(measured):
    quality = measured["copied"]
    assert quality.row("samples")["copied"] > 0.9
    assert any("suspiciously near" in line for line in quality.to_json()["findings"])
    assert measured["real"].row("samples")["copied"] < 0.1


def test_the_report_is_json_and_repeats(photos, measured):
    quality = measured["real"]
    report = json.loads(json.dumps(quality.to_json(), allow_nan=False))
    assert report["items"] == COUNT
    assert set(report["rows"]) == {"samples", "real", "training"}
    for figures in report["rows"].values():
        for key, found in figures.items():
            assert found["low"] <= found["high"], key
    again = evaluate(
        photos[2 * COUNT : 3 * COUNT],
        photos[: 2 * COUNT],
        [RandomFeatures()],
        resamples=200,
        training=photos[3 * COUNT :],
    )
    assert again.to_json() == quality.to_json()


def test_too_few_images_are_said(photos):
    with pytest.raises(UserError, match="too few"):
        evaluate(photos[:100], photos[:60], [RandomFeatures()])
