"""Damaged at random: an image decodes or is refused, within its limits; nothing else happens."""

import resource

import hypothesis
import numpy as np
from hypothesis import strategies as st

from provenance.errors import UnreadableError
from provenance.media import ImageLimits, decode_image, recognise

LIMITS = ImageLimits(max_bytes=1 << 20, max_pixels=1_000_000)
EXTREMES = st.sampled_from([b"\xff\xff\xff\xff", bytes(4), b"\x7f\xff\xff\xff", b"\x80\0\0\0"])
CHANGES = st.lists(
    st.tuples(st.floats(0, 1), st.one_of(st.binary(max_size=6), EXTREMES), st.integers(0, 8)),
    min_size=1,
    max_size=6,
)


def damaged(data, changes):
    result = bytearray(data)
    for place, new, removed in changes:
        at = int(place**3 * len(result))  # headers are hit more often than pixels
        result[at : at + removed] = new
    return bytes(result)


@hypothesis.given(st.data(), CHANGES)
@hypothesis.settings(max_examples=400, deadline=None, derandomize=True, database=None)
def test_decode_or_refuse(forms, data, changes):
    name = data.draw(st.sampled_from(sorted(forms)))
    try:
        pixels = decode_image(damaged(forms[name], changes), LIMITS)
    except UnreadableError:
        return
    assert pixels.dtype == np.uint8
    assert pixels.size <= 3 * LIMITS.max_pixels


@hypothesis.given(st.binary(max_size=300))
@hypothesis.settings(max_examples=300, deadline=None, derandomize=True, database=None)
def test_anything_can_be_recognised(head):
    recognise(head)


def test_memory_stayed_bounded(forms):
    """Runs after the two above: a limit of 1 Mpx must not have cost hundreds of MiB."""
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    for name in forms:
        for at in range(0, 40, 3):
            try:
                decode_image(damaged(forms[name], [(at / 100, b"\x7f\xff\xff\xff", 4)]), LIMITS)
            except UnreadableError:
                continue
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 200 * 1024
