"""One changed bit: outside the manifest it is always found; inside, it never changes what we say.

Hypothesis draws distinct bits of small files of seven formats, the same ones on every run. The
counts are asserted, so that the claim of the README cannot rot.
"""

import json

import pytest
import ranges
from carriers import FORMATS
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from provenance.credentials import read_credential, sign_bytes

SEVEN = ("png", "jpeg", "wav", "tiff", "pdf", "flac", "mp4")
N_FLIPS = 320  # of each of seven formats, outside and inside: 2,240 and 2,240
STEADY = settings(
    max_examples=N_FLIPS,
    derandomize=True,
    database=None,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)


def bits(stretches):
    """Draw the number of a bit that lies in one of the stretches."""
    return st.sampled_from(
        [8 * at + bit for a, b in stretches for at in range(a, b) for bit in range(8)]
    )


@pytest.fixture
def signed(request, manifest, signer):
    made = FORMATS[request.param]
    return sign_bytes(made.make(), made.media_type, manifest, signer), made.media_type


@pytest.fixture
def report(tmp_path, anchors):
    path = tmp_path / "file"

    def report_(data):
        path.write_bytes(data)
        return read_credential(path, None, anchors).to_json()

    return report_


@pytest.mark.parametrize("signed", SEVEN, indirect=True)
def test_no_bit_outside_the_manifest_changes_unseen(signed, report):
    data, media_type = signed
    tried = set()

    @STEADY
    @given(bits(ranges.covered(data, media_type)))
    def check(bit):
        tried.add(bit)
        assert report(ranges.flipped(data, bit))["integrity"] != "ok"

    assert report(data)["integrity"] == "ok"
    check()
    assert len(tried) == N_FLIPS


@pytest.mark.parametrize("signed", SEVEN, indirect=True)
def test_no_bit_inside_the_manifest_changes_what_is_said_of_an_intact_file(signed, report):
    data, media_type = signed
    expected = report(data)
    outcomes = {}

    @STEADY
    @given(bits([ranges.manifest(data, media_type)]))
    def check(bit):
        found = report(ranges.flipped(data, bit))
        outcomes[bit] = found["integrity"]
        if found["integrity"] == "ok":
            assert json.dumps(found) == json.dumps(expected)

    check()
    assert len(outcomes) == N_FLIPS
    assert "failed" in outcomes.values()
