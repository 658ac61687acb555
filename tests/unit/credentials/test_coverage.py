"""Files of which the signer signed a part only: what may have changed is not called unchanged."""

import pytest
from carriers import FORMATS

import provenance
from provenance.credentials import read_credential, read_credential_bytes
from provenance.credentials.reading.coverage import has_open_parts, is_open

LEFT_OPEN = "its signer left parts of it open"


def test_a_film_whose_signer_left_the_places_of_its_samples_open(c2pa_data, test_roots, tmp_path):
    data = bytearray((c2pa_data / "fixtures" / "video1.mp4").read_bytes())
    table = data.rindex(b"stco") + 12  # where each chunk of samples lies (ISO 14496-12, 8.7.5)
    data[table : table + 8] = data[table + 4 : table + 8] + data[table : table + 4]
    path = tmp_path / "a.mp4"
    path.write_bytes(data)
    found = read_credential(path, None, test_roots)
    assert (found.integrity, found.signer) == ("ok", "trusted")  # the hash holds, alas
    assert LEFT_OPEN in found.conclusion
    assert [LEFT_OPEN in note for note in found.notes] == [True]


@pytest.mark.parametrize("name", ["mp4", "mov", "m4a", "avif", "heic", "jxl", "png"])
def test_what_we_sign_leaves_nothing_open(name, anchors):
    found = read_credential_bytes(provenance.sign(FORMATS[name].make()), None, anchors)
    assert (found.integrity, found.notes) == ("ok", ())


@pytest.mark.parametrize(
    ("label", "assertion", "expected"),
    [
        ("c2pa.hash.data", {"exclusions": [{"start": 33, "length": 9}]}, False),
        ("c2pa.hash.data", {"exclusions": [{"start": 33, "length": 9}, {"start": 99}]}, True),
        ("c2pa.hash.data__1", {"exclusions": [{}, {}]}, True),
        ("c2pa.hash.data", {}, False),
        ("c2pa.hash.bmff.v3", {"exclusions": [{"xpath": "/uuid"}, {"xpath": "/mfra/tfra"}]}, False),
        ("c2pa.hash.bmff.v2", {"exclusions": [{"xpath": "/moov/trak/mdia/minf/stbl/stco"}]}, True),
        ("c2pa.hash.bmff.v2", {"exclusions": [{"xpath": "/meta/iloc"}]}, True),
        ("c2pa.hash.bmff.v2", {"exclusions": [{}]}, True),
        ("c2pa.hash.boxes", {"boxes": [{"names": ["SOI"]}, {"names": ["C2PA"]}]}, False),
        ("c2pa.hash.boxes", {"boxes": [{"names": ["APP1"], "excluded": True}]}, True),
        ("c2pa.actions.v2", {"exclusions": [{}, {}]}, False),
        ("c2pa.hash.data", "text", False),
    ],
)
def test_which_exclusions_count(label, assertion, expected):
    assert is_open(label, assertion) is expected


@pytest.mark.parametrize("report", ["{}", '{"manifests": {}}', '{"manifests": {"other": {}}}'])
def test_where_the_detailed_report_is_empty_parts_may_be_open(report):
    """As the library's is of some damaged stores."""

    class Reader:
        def detailed_json(self):
            return report

    entry = {"code": "assertion.dataHash.additionalExclusionsPresent"}
    results = {"activeManifest": {"informational": [entry]}}
    assert has_open_parts(Reader(), {"active_manifest": "own", "validation_results": results})
    assert not has_open_parts(Reader(), {"active_manifest": "own", "validation_results": {}})
