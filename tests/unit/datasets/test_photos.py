"""The photographs in installed wheels: all are found, and none is fetched."""

import itertools
import socket
import sys
from collections import Counter

import numpy as np
import pytest

from provenance import InputSpec, MediaKind, UserError
from provenance.plugins import registry
from provenance_datasets.photos import source

WINDOW = InputSpec(geometry="crop", size_px=32)


def items(**options):
    return (
        registry()
        .dataset("photos")
        .factory("")
        .items(WINDOW, **{"count": 220, "seed": 0} | options)
    )


def test_all_photographs_are_there_and_equally_often():
    found = Counter(media.group for media in items())
    assert set(found.values()) == {20}
    assert set(found) == {p.group or p.name for p in source.PHOTOGRAPHS}
    assert len(found) == 11


def test_items_are_what_the_contract_says():
    for media in items(count=50):
        assert media.kind is MediaKind.IMAGE
        assert (media.data.shape, media.data.dtype) == ((32, 32, 3), np.uint8)
        assert media.licence
        assert media.data.mean(axis=2).std() >= 5
        assert media.id.startswith(media.group)


def test_both_views_of_the_motorcycle_are_one_group():
    names = {m.id.partition("/")[0] for m in items() if m.group == "motorcycle"}
    assert names == {"motorcycle_left", "motorcycle_right"}


def test_equal_seeds_give_equal_items():
    once, again, other = (items(seed=seed, count=60) for seed in (3, 3, 4))
    assert [m.id for m in once] == [m.id for m in again] != [m.id for m in other]
    assert all(np.array_equal(a.data, b.data) for a, b in zip(once, again, strict=True))


def test_fewer_are_a_beginning_of_more():
    more = items(count=None)
    assert [m.id for m in items(count=90)] == [m.id for m in more[:90]]
    assert len(more) > 3000
    assert max(Counter(m.group for m in more).values()) <= source.MOST_PER_PHOTOGRAPH


def test_sixty_four_pixels_fit_every_photograph():
    cut = source.Photos().items(InputSpec(geometry="crop", size_px=64), count=110, seed=0)
    assert len({media.group for media in cut}) == 11
    assert cut[0].data.shape == (64, 64, 3)


def test_a_missing_photograph_is_left_out(monkeypatch, caplog):
    caplog.set_level("INFO", "provenance_datasets")
    absent = source.Photograph("absent", "skimage", "data/absent.png", "none")
    nobody = source.Photograph("nobody", "no_such_package", "a.png", "none")
    monkeypatch.setattr(source, "PHOTOGRAPHS", (absent, nobody, *source.PHOTOGRAPHS[:2]))
    assert {media.group for media in items()} == {"astronaut", "chelsea"}
    assert "Left out absent" in caplog.text


def test_no_photograph_at_all_is_a_user_error(monkeypatch):
    monkeypatch.setattr(source, "PHOTOGRAPHS", ())
    with pytest.raises(UserError, match="Reinstall"):
        items()


def test_nothing_is_fetched(monkeypatch):
    def refuse(*arguments, **options):
        raise AssertionError("a socket was opened")

    monkeypatch.setattr(socket, "socket", refuse)
    before = set(sys.modules)
    assert len(items(count=11)) == 11
    assert "skimage.data._fetchers" not in set(sys.modules) - before


def test_an_argument_is_refused():
    with pytest.raises(UserError, match="folder:pictures"):
        source.Photos("pictures")


def test_neighbours_in_the_list_are_of_different_photographs():
    assert all(a.group != b.group for a, b in itertools.pairwise(items()))
