"""Pictures that are read only as far as they are needed."""

import numpy as np
import pytest

from provenance import InputSpec, UnreadableError
from provenance_datasets.records import Record, cut_records

WINDOW = InputSpec(geometry="crop", size_px=16)


def picture(seed):
    return np.random.default_rng(seed).integers(0, 256, (20, 20, 3), np.uint8)


def test_no_more_is_read_than_is_needed():
    read = []

    def reader(number):
        def one():
            read.append(number)
            return picture(number), "noise"

        return one

    records = [Record(str(n), reader(n)) for n in range(100)]
    items = cut_records(records, WINDOW, source="test", where="here", count=5, seed=1)
    assert len(items) == len(read) == 5
    assert {item.category for item in items} == {"noise"}
    again = cut_records(records, WINDOW, source="test", where="here", count=5, seed=1)
    assert [item.id for item in again] == [item.id for item in items]


def test_what_cannot_be_read_is_skipped_and_named(caplog):
    def broken():
        raise UnreadableError("is damaged")

    records = [Record("bad", broken), Record("good", lambda: (picture(1), None))]
    items = cut_records(records, WINDOW, source="test", where="here", count=None, seed=0)
    assert {item.group for item in items} == {"good"}
    assert "Skipped bad: is damaged" in caplog.text


@pytest.mark.parametrize("size_px", [24, 64])
def test_small_pictures_are_skipped(size_px, caplog):
    window = InputSpec(geometry="crop", size_px=size_px)
    records = [Record("small", lambda: (picture(1), None))]
    assert cut_records(records, window, source="test", where="here", count=1, seed=0) == []
    assert f"below {size_px} px" in caplog.text
