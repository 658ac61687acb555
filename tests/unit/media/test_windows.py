"""Windows: where they lie, when there are none."""

import numpy as np
import pytest

from provenance import InputSpec, MediaKind
from provenance.errors import UnreadableError
from provenance.media import cut_windows

PICTURE = np.arange(60 * 80 * 3, dtype=np.int64).reshape(60, 80, 3).astype(np.uint8)


def cut(**spec):
    return cut_windows(PICTURE, MediaKind.IMAGE, InputSpec(**spec))


def test_a_crop_is_centred():
    (window,) = cut(geometry="crop", size_px=20)
    assert np.array_equal(window, PICTURE[20:40, 30:50])


def test_tiles_cover_and_are_spread_when_too_many():
    assert len(cut(geometry="tiles", size_px=20)) == 12
    few = cut(geometry="tiles", size_px=20, max_tiles=4)
    assert len(few) == 4
    assert np.array_equal(few[0], PICTURE[:20, :20])
    assert np.array_equal(few[-1], PICTURE[40:, 60:])


def test_overlapping_tiles():
    assert len(cut(geometry="tiles", size_px=40, stride_px=20, max_tiles=99)) == 6


@pytest.mark.parametrize(("side", "tiles"), [(256, 1), (257, 4), (511, 4), (512, 4), (513, 9)])
def test_tiles_reach_the_right_and_bottom_edges(side, tiles):
    rows, columns = np.mgrid[0:side, 0:side]
    places = np.stack([rows % 256, columns % 256, rows // 256 * 8 + columns // 256], -1)
    spec = InputSpec("tiles", 256, max_tiles=99)
    windows = cut_windows(places.astype(np.uint8), MediaKind.IMAGE, spec)
    assert len(windows) == tiles
    seen = np.concatenate([window.reshape(-1, 3) for window in windows])
    assert len(np.unique(seen, axis=0)) == side * side


@pytest.mark.parametrize("shape", [(200, 200), (20, 400), (400, 30)])
def test_few_tiles_reach_all_rows_columns_and_edges(shape):
    """Each pixel holds its place, so that a tile's corner can be read off."""
    y, x = np.mgrid[0 : shape[0], 0 : shape[1]]
    places = np.stack([y // 2, x // 2, 0 * x], axis=2).astype(np.uint8)
    spec = InputSpec("tiles", 20, max_tiles=16)
    corners = {
        tuple(2 * w[0, 0, :2].astype(int)) for w in cut_windows(places, MediaKind.IMAGE, spec)
    }
    tops, lefts = {top for top, _ in corners}, {left for _, left in corners}
    assert 12 <= len(corners) <= 16
    assert len(corners) == len(tops) * len(lefts)
    assert (min(tops), max(tops)) == (0, shape[0] - 20)
    assert (min(lefts), max(lefts)) == (0, shape[1] - 20)


def test_native_is_the_picture_and_resize_has_the_size():
    assert cut()[0] is PICTURE
    assert cut(geometry="resize", size_px=33)[0].shape == (33, 33, 3)


@pytest.mark.parametrize("spec", [{"geometry": "crop", "size_px": 64}, {"min_side_px": 61}])
def test_too_small_reads_as_a_reason(spec):
    with pytest.raises(UnreadableError, match="80 x 60 px is below the 6"):
        cut(**spec)


def test_text_has_no_tiles():
    assert cut_windows("abc", MediaKind.TEXT, InputSpec()) == ["abc"]
    with pytest.raises(UnreadableError, match="text has no tiles windows"):
        cut_windows("abc", MediaKind.TEXT, InputSpec(geometry="tiles", size_px=8))
