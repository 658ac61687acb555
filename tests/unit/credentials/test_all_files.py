"""Every public test file and fixture has its line in ``tests/resources/credentials/verdicts.csv``.

The table was written by the program once and then read line by line against what upstream says of
the files (public-testfiles, README and recorded reports; c2pa-rs, names of the fixtures). With the
C2PA project's test roots, and the columns ``..._of_nobody`` with none.
"""

import csv
import json
from pathlib import Path

import pytest
from found_certificates import pem_of

from provenance.credentials import load_trust_anchors, read_credential

TABLE = Path(__file__).parents[2] / "resources" / "credentials" / "verdicts.csv"
with TABLE.open(newline="", encoding="utf-8") as stream:
    ROWS = list(csv.DictReader(stream))
AXES = ("integrity", "signer", "time", "ancestors")
# a rule of specification 2.4 (15.12) that is younger than the files; two engines agree
EXCLUSION_RULE = "truepic-"
UNSUPPORTED = ".ttf"
HASH_FAULTS = ("dataHash.mismatch", "hashedURI.mismatch", "claimSignature.mismatch")


@pytest.mark.parametrize("row", ROWS, ids=[row["file"].rpartition("/")[2] for row in ROWS])
def test_verdict(c2pa_data, test_roots, nobody, row):
    path = c2pa_data / row["file"]
    credential = read_credential(path, None, test_roots)
    assert {axis: getattr(credential, axis) for axis in AXES} == {axis: row[axis] for axis in AXES}
    assert credential.conclusion == row["conclusion"]
    unvouched = read_credential(path, None, nobody)
    assert unvouched.integrity == row["integrity"]  # whom one trusts changes nothing in the file
    assert unvouched.signer == row["signer_of_nobody"]
    assert unvouched.ancestors == row["ancestors_of_nobody"]
    json.dumps([credential.to_json(), unvouched.to_json()], allow_nan=False)


def test_the_table_is_complete(c2pa_data):
    listed = {row["file"] for row in ROWS}
    assert len(listed) == len(ROWS)
    fixtures = {f"fixtures/{path.name}" for path in (c2pa_data / "fixtures").iterdir()}
    public = {f"public-testfiles/{entry['file']}" for entry in golden(c2pa_data)}
    assert listed == fixtures | public
    assert len(public) == 28


def test_upstream_agrees():
    """Good, bad and without a credential are the same to upstream and to us, save where named."""
    for row in ROWS:
        if not row["file"].startswith("public-testfiles/"):
            continue
        if EXCLUSION_RULE in row["file"] or row["file"].endswith(UNSUPPORTED):
            assert row["integrity"] != "ok"
            continue
        is_good = row["integrity"] == "ok" and row["ancestors"] != "failed"
        is_without = row["integrity"] == "none"
        upstream = row["upstream"]
        assert is_without == (upstream == "no credentials"), row["file"]
        if "nikon" in row["file"]:  # expired; upstream's "mismatch" followed from that
            assert row["signer"] == "expired"
            continue
        assert is_good == upstream.startswith("good"), row["file"]


@pytest.mark.parametrize("name", ["CACAE-uri-CA.jpg", "CIE-sig-CA.jpg"])
def test_a_bad_ancestor_is_reported_where_the_library_says_trusted(c2pa_data, test_roots, name):
    credential = read_credential(c2pa_data / "fixtures" / name, None, test_roots)
    assert credential.library.state == "Trusted"
    assert credential.ancestors == "failed"
    assert "something that it was made from does not match" in credential.conclusion


# --- agreement with what the library was recorded to say -----------------------------------------


def golden(c2pa_data):
    text = (c2pa_data / "golden-public-testfiles.json").read_text(encoding="utf-8")
    return json.loads(text)["files"]


@pytest.mark.parametrize("lists", ["no_anchors", "adobe_test_roots"])
def test_public_test_files_agree_with_the_golden_file(c2pa_data, test_roots, nobody, lists):
    trust = nobody if lists == "no_anchors" else test_roots
    for entry in golden(c2pa_data):
        credential = read_credential(c2pa_data / "public-testfiles" / entry["file"], None, trust)
        library, expected = credential.library.to_json(), entry[lists]
        assert library["state"] == expected["state"], entry["file"]
        assert library["error"] == expected.get("error")
        assert library["active_failures"] == expected.get("active_failures", [])
        ingredients = expected.get("ingredient_delta_failures", [])
        assert library["ingredient_failures"] == ingredients
        assert library["n_manifests"] == expected.get("n_manifests", 0)
        _axes_follow(credential, expected)


def _axes_follow(credential, expected):
    state = expected["state"]
    assert (state == "Trusted") == ((credential.integrity, credential.signer) == ("ok", "trusted"))
    assert (state in ("NoManifest", "error")) == (credential.integrity == "none")
    found = [code for code, _ in expected.get("active_failures", [])]
    found += [c for _, codes in expected.get("ingredient_delta_failures", []) for c in codes]
    changed = any(code.endswith(HASH_FAULTS) for code in found)
    assert changed == (credential.integrity == "failed")
    if "signingCredential.expired" in found and not changed:
        assert (credential.integrity, credential.signer) == ("ok", "expired")


# --- places, errors, revocation ------------------------------------------------------------------

NAMED_ELSEWHERE = {"cloud.jpg", "libpng-test_with_url.png"}
NOT_EXAMINED = {"tiff_poc.tiff", "nested_moov_1000.mp4", "sample3.invalid.wav", "dash1.m4s"}
UNCHECKABLE = {*NAMED_ELSEWHERE, "prerelease.jpg", "cloud_manifest.c2pa", "dashinit.mp4"}


def test_what_is_there_and_what_could_not_be_examined(c2pa_data, test_roots):
    for path in sorted((c2pa_data / "fixtures").iterdir()):
        credential = read_credential(path, None, test_roots)
        assert bool(credential.remote_url) == (path.name in NAMED_ELSEWHERE), path.name
        assert bool(credential.error) == (path.name in NOT_EXAMINED), path.name
        is_present = credential.integrity != "none" or path.name in UNCHECKABLE
        assert credential.is_present == is_present, path.name
        assert (credential.place == "embedded") >= (credential.integrity != "none")


@pytest.mark.parametrize("name", ["ocsp.jpg", "ocsp_with_assertion.jpg"])
def test_a_stapled_answer_on_revocation_is_read_without_the_network(c2pa_data, tmp_path, name):
    path = c2pa_data / "fixtures" / name
    # the library looks at the answer only where the time-stamp beside it is vouched for
    data = path.read_bytes()
    authorities = ("CN=Adobe Product Services", "CN=Root CA", "CN=Intermediate CA")
    (tmp_path / "roots.pem").write_bytes(pem_of(data, *authorities))
    (tmp_path / "time.pem").write_bytes(pem_of(data, "TimeStamping"))
    trust = load_trust_anchors([tmp_path / "roots.pem"], [tmp_path / "time.pem"])
    credential = read_credential(path, None, trust)
    assert credential.integrity == "ok"
    assert credential.signer == "expired"  # and not revoked
    assert credential.revocation == "not revoked"


def test_a_vouched_time_stamp_is_trusted(c2pa_data, test_roots, tmp_path):
    certifi = pytest.importorskip("certifi", reason="the browsers' roots are not here")
    text = Path(certifi.where()).read_text(encoding="utf-8")
    _, label, rest = text.partition('# Label: "DigiCert Trusted Root G4"')
    assert label
    begin, end = "-----BEGIN CERTIFICATE-----", "-----END CERTIFICATE-----"
    (tmp_path / "time.pem").write_text(rest[rest.index(begin) : rest.index(end) + len(end)])
    roots = [Path(one.source) for one in test_roots.lists]
    path = c2pa_data / "fixtures" / "C_with_CAWG_data.jpg"
    trust = load_trust_anchors(roots, [tmp_path / "time.pem"])
    credential = read_credential(path, None, trust)
    assert [getattr(credential, axis) for axis in AXES] == ["ok", "trusted", "trusted", "none"]
    # the same root given for manifests is no clock
    trust = load_trust_anchors([*roots, tmp_path / "time.pem"])
    assert read_credential(path, None, trust).time == "untrusted"


def test_an_identity_beside_the_signature_is_a_claim(c2pa_data, test_roots):
    credential = read_credential(c2pa_data / "fixtures/C_with_CAWG_data.jpg", None, test_roots)
    assert credential.signer == "trusted"
    assert credential.statements.claimed_identities == ("C2PA Signer",)
    assert "for whom nothing vouches" in credential.conclusion
