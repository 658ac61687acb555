"""Large images painted tile by tile: what is painted, what stays, how seams are blended."""

import numpy as np
import pytest

from provenance.corpora.tiling import Painter, _feather, redraw_masked, redraw_whole


def picture(height, width):
    return np.random.default_rng(0).integers(0, 255, (height, width, 3), np.uint8)


def painter(paint, side=16):
    return Painter(side, 3, paint, lambda fraction, message: None)


def black(tiles, masks, seed):
    return np.zeros_like(tiles)


@pytest.mark.parametrize("size", [(1, 1), (1, 90), (16, 16), (17, 15), (40, 70), (129, 33)])
def test_what_is_painted_as_it_is_stays_as_it_is(size):
    image = picture(*size)
    same = painter(lambda tiles, masks, seed: tiles)
    np.testing.assert_array_equal(redraw_whole(same, image), image)
    np.testing.assert_array_equal(redraw_masked(same, image, np.ones(size, bool)), image)


@pytest.mark.parametrize("size", [(1, 1), (40, 70), (129, 33)])
def test_everything_is_painted(size):
    image = picture(*size) | 1
    assert not redraw_whole(painter(black), image).any()
    assert not redraw_masked(painter(black), image, np.ones(size, bool))[1:-1, 1:-1].any()


def test_a_region_changes_and_nothing_else():
    image = picture(70, 90) | 1
    region = np.zeros((70, 90), bool)
    region[20:50, 10:70] = True
    region[60, 80] = True  # a single pixel
    made = redraw_masked(painter(black), image, region)
    assert (made == image)[~region].all()
    assert not made[26:44, 16:64].any()  # behind the blended edge
    assert not made[60, 80].any()
    edge = made[20, 40].astype(float) / image[20, 40]
    assert ((edge > 0) & (edge < 1)).all()


def test_only_tiles_that_the_region_touches_are_painted():
    seen = []

    def paint(tiles, masks, seed):
        seen.extend(masks)
        return tiles

    region = np.zeros((160, 160), bool)
    region[35:40, 35:40] = True
    redraw_masked(painter(paint), picture(160, 160), region)
    assert len(seen) == 1  # in the middle of a tile, far from its seams
    assert seen[0].sum() == 25


def test_later_passes_see_what_earlier_ones_have_painted():
    seen = []

    def paint(tiles, masks, seed):
        seen.append((tiles.copy(), masks))
        return np.full_like(tiles, 7)

    made = redraw_masked(painter(paint), picture(64, 64), np.ones((64, 64), bool))
    assert (made == 7).all(axis=2)[1:-1, 1:-1].all()
    later = np.concatenate([tiles for tiles, _ in seen[1:]])
    assert (later == 7).mean() > 0.7  # all but what is reflected beyond the edge
    assert all((masks.mean((1, 2)) <= 0.25).all() for _, masks in seen[1:])


def test_seeds_of_tiles_differ_and_repeat():
    def seeds():
        found = []

        def paint(tiles, masks, seed):
            found.extend(range(seed, seed + len(tiles)))
            return tiles

        redraw_masked(painter(paint), picture(80, 300), np.ones((80, 300), bool))
        return found

    first = seeds()
    assert len(set(first)) == len(first) > 64
    assert first == seeds()


def test_the_share_of_new_content_rises_inwards_and_reaches_one_everywhere():
    region = np.zeros((30, 30), bool)
    region[5:25, 5:25] = True
    region[0, 0] = True
    share = _feather(region, 4)
    assert (share[~region] == 0).all()
    assert (share[region] > 0).all()
    assert share[15, 15] == share[0, 0] == 1
    assert 0 < share[5, 15] < share[6, 15] < share[8, 15] == 1
