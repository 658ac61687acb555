"""Contact sheets of a run, and the number that tells collapse."""

import numpy as np
import pytest
from scenes import scenes

from provenance.media import decode_image
from provenance.training import pick_pictures, spread, write_sheet


def stacked(count):
    return np.stack([item.data for item in scenes(count)])


def test_a_sheet_lies_where_it_is_looked_for_and_sorts_by_step(tmp_path):
    rows = [stacked(5), stacked(5)[::-1]]
    for step in (9, 100):
        write_sheet(tmp_path, step, rows, ["photograph", "sample"])
    sheets = sorted((tmp_path / "samples").iterdir())
    assert [sheet.name for sheet in sheets] == ["step_000009.png", "step_000100.png"]
    height, width, _ = decode_image(sheets[0].read_bytes()).shape
    assert height > 2 * 64
    assert width > 5 * 64


def test_held_out_pictures_are_preferred_where_there_are_enough():
    images, held_out = stacked(20), stacked(12) // 2
    np.testing.assert_array_equal(pick_pictures(images, held_out, 12), held_out)
    np.testing.assert_array_equal(
        pick_pictures(images, held_out[:11], 5), held_out[[0, 2, 5, 7, 10]]
    )
    picked = pick_pictures(images, held_out[:3], 12)
    np.testing.assert_array_equal(picked[[0, -1]], images[[0, -1]])
    assert len(pick_pictures(images[:3], held_out[:0], 12)) == 12


def test_spread_sees_collapse():
    varied = stacked(12)
    assert spread(varied, varied) == pytest.approx(1.0)
    assert spread(varied[:1].repeat(12, 0), varied) == 0
    assert 0 < spread(varied // 2, varied) < 0.6
    assert spread(varied, varied[:1]) > 1e6  # nothing to compare with, and no division by zero
