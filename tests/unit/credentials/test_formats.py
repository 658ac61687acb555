"""Every format, signed by us: accepted by our reader and by an independent engine, until changed.

Small files made here stand for all 18; real ones of the shared data for the 17 that lie there.
"""

import pytest
import ranges
from carriers import FORMATS

from provenance.credentials import read_credential, sign_bytes
from provenance.credentials.signing.sources import source_of_bytes, source_of_path
from provenance.media import recognise_file

REAL = [one for one in FORMATS.values() if one.real]


@pytest.fixture
def check(tmp_path, manifest, signer, anchors, independent):
    """Sign, verify twice, change one bit, verify twice."""

    def check_(data, media_type):
        signed = sign_bytes(data, media_type, manifest, signer)
        path = tmp_path / "signed"
        path.write_bytes(signed)
        ours, theirs = read_credential(path, None, anchors), independent(signed, media_type)
        assert (ours.integrity, ours.signer, ours.ancestors) == ("ok", "trusted", "none")
        assert ours.source_type == "trainedAlgorithmicMedia"
        assert (theirs["integrity"], theirs["signature"]) == ("valid", "valid")
        assert theirs["hard_binding"] == "match"
        assert theirs["trust"]["status"] == "valid_for_supplied_material"
        assert theirs["validation_results"]["failure"] == []

        changed = ranges.changed_content(signed, media_type)
        path.write_bytes(changed)
        ours, theirs = read_credential(path, None, anchors), independent(changed, media_type)
        assert ours.integrity == "failed"
        assert (theirs["integrity"], theirs["hard_binding"]) == ("invalid", "mismatch")

    return check_


def test_the_table_holds_every_format_of_the_promise():
    promised = "png jpeg webp gif tiff avif heic heif jxl svg wav mp3 m4a flac mp4 mov avi pdf"
    assert list(FORMATS) == promised.split()


@pytest.mark.parametrize("made", FORMATS.values(), ids=FORMATS)
def test_a_small_file_of_every_format(check, made):
    check(made.make(), made.media_type)


@pytest.mark.parametrize("made", REAL, ids=lambda made: made.name)
def test_a_real_file_of_every_format(c2pa_data, check, made):
    path = c2pa_data / "fixtures" / made.real
    before = path.read_bytes()
    assert recognise_file(path).media_type == made.media_type
    check(before, made.media_type)


@pytest.mark.parametrize("made", FORMATS.values(), ids=FORMATS)
def test_files_are_recognised_by_content_before_and_after_signing(tmp_path, made, manifest, signer):
    path = tmp_path / "without-a-suffix"
    for data in (made.make(), sign_bytes(made.make(), made.media_type, manifest, signer)):
        path.write_bytes(data)
        assert recognise_file(path).media_type == made.media_type
        assert source_of_path(path).media_type == made.media_type
        assert source_of_bytes(data).media_type == made.media_type
