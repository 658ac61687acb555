"""Patches: exact downscale, no blank ones, an order that depends on the seed alone."""

import cv2
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from provenance import InputSpec, UserError
from provenance_datasets.patches import (
    block_mean,
    corners,
    patches,
    round_robin,
    scaled,
    window_side_px,
)

SIDE = st.integers(2, 40)


@given(
    st.tuples(SIDE, SIDE).flatmap(
        lambda sides: arrays.arrays(np.uint8, (*sides, 3), elements=st.integers(0, 255))
    ),
    st.integers(1, 2),
)
def test_the_downscale_is_the_mean_of_each_block(pixels, factor):
    small = block_mean(pixels, factor)
    height, width = pixels.shape[0] // factor, pixels.shape[1] // factor
    assert small.shape == (height, width, 3)
    block = pixels[:factor, :factor].reshape(-1, 3).astype(float).mean(axis=0)
    assert np.abs(small[0, 0] - block).max() <= 0.5


def test_no_jpeg_grid_is_left():
    """Differences across the borders of 8x8 blocks are no larger than elsewhere."""
    random = np.random.default_rng(0)
    smooth = cv2.GaussianBlur(random.integers(0, 255, (512, 512, 3), np.uint8), (0, 0), 6)
    coded = cv2.imdecode(
        np.frombuffer(
            cv2.imencode(".jpg", smooth * 3, [cv2.IMWRITE_JPEG_QUALITY, 20])[1], np.uint8
        ),
        cv2.IMREAD_COLOR,
    )

    def excess(pixels, period):
        steps = np.abs(np.diff(pixels.astype(float), axis=1)).mean(axis=(0, 2))
        border = steps[period - 1 :: period].mean()
        return border / np.delete(steps, np.s_[period - 1 :: period]).mean()

    assert excess(coded, 8) > 1.5
    assert excess(block_mean(coded, 2), 4) < excess(coded, 8)


def test_small_pictures_are_used_at_their_own_scale():
    pixels = np.zeros((40, 60, 3), np.uint8)
    assert [factor for factor, _ in scaled(pixels, 32)] == [1]
    assert [factor for factor, _ in scaled(pixels, 20)] == [2]
    assert [factor for factor, _ in scaled(pixels, 10)] == [2, 3, 4]
    assert [factor for factor, _ in scaled(pixels, 41)] == []


def test_blank_patches_are_left_out():
    pixels = np.zeros((64, 128, 3), np.uint8)
    pixels[:, 64:] = np.random.default_rng(0).integers(0, 255, (64, 64, 3))
    found = corners(pixels, 32)
    assert found
    assert all(column + 32 > 64 for _, column in found)


def test_ids_name_where_a_patch_was_cut():
    pixels = np.random.default_rng(0).integers(0, 255, (160, 200, 3), np.uint8)
    cut = patches(pixels, name="p", group="g", side_px=16, most=500, seed=0)
    assert len({media.id for media in cut}) == len(cut)
    small = block_mean(pixels, 3)
    media = next(media for media in cut if media.id == "p/x3/r0008c0016")
    assert np.array_equal(media.data, small[8:24, 16:32])
    assert {media.data.flags.owndata for media in cut} == {True}


def test_the_seed_orders_and_does_not_choose():
    pixels = np.random.default_rng(0).integers(0, 255, (80, 80, 3), np.uint8)
    ids = [
        [m.id for m in patches(pixels, name="p", group="g", side_px=16, most=500, seed=seed)]
        for seed in (0, 0, 1)
    ]
    assert ids[0] == ids[1] != ids[2]
    assert set(ids[0]) == set(ids[2])


def test_round_robin_is_fair_and_stops():
    assert round_robin([[1, 2, 3], [4], [5, 6]], None) == [1, 4, 5, 2, 6, 3]
    assert round_robin([[1, 2, 3], [4], [5, 6]], 4) == [1, 4, 5, 2]


@pytest.mark.parametrize(
    "window", [InputSpec(), InputSpec(geometry="crop"), InputSpec(geometry="tiles", size_px=32)]
)
def test_only_square_crops_are_given(window):
    with pytest.raises(UserError, match="square crops"):
        window_side_px(window, "photos")
