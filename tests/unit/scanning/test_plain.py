"""What plugins hand over becomes plain values, or fails where the plugin is."""

import enum
import json

import numpy as np
import pytest

from provenance import Channel, Evidence, Verdict
from provenance.scanning import conclude
from provenance.scanning.plain import plain, plain_evidence


class Odd(enum.IntEnum):
    ONE = 1


def test_texts_and_enumerations_are_coerced():
    reason = ["a", "list"]  # unhashable, where conclude() looks for doubles
    said = plain_evidence(Evidence("metadata", 7, "edited", np.float32(0.5), reason))
    assert said == Evidence(Channel.METADATA, "7", Verdict.EDITED, 0.5, "['a', 'list']")
    assert isinstance(said.channel, Channel)
    assert isinstance(said.says, Verdict)
    assert conclude([said]).reasons == ("['a', 'list']",)


def test_long_texts_are_cut():
    said = plain_evidence(
        Evidence(Channel.METADATA, "s" * 10**6, Verdict.EDITED, None, "r" * 10**6)
    )
    assert (len(said.source), len(said.reason)) == (20_000, 20_000)


@pytest.mark.parametrize(("channel", "says"), [("exif", "edited"), ("metadata", "real")])
def test_no_channel_or_verdict_is_made_up(channel, says):
    with pytest.raises(ValueError, match="is not a valid"):
        plain_evidence(Evidence(channel, "s@1", says))


@pytest.mark.parametrize("value", [10**5_000, -(10**5_000)], ids=["large", "small"])
def test_integers_that_nothing_can_write_become_text(value):
    assert json.loads(json.dumps(plain([value]))) == [hex(value)[:20_000]]


def test_integers_become_plain_ones():
    assert [type(item) for item in plain([Odd.ONE, np.int64(3), 2**64, True])] == [int] * 3 + [bool]
