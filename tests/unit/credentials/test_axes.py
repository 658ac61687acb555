"""The mapping of codes to axes, for outcomes that no file at hand shows."""

import pytest

from provenance.credentials.reading import axes
from provenance.credentials.reading.validation_codes import CONCERNS, Concern, concern

TRUSTED = {
    "code": "signingCredential.trusted",
    "explanation": "trusted, found in [urn:provenance:manifest:x] trust anchors",
}
VALIDATED = {"code": "claimSignature.validated"}


def results(*failures, success=(VALIDATED,), informational=(), deltas=()):
    return {
        "activeManifest": {
            "success": list(success),
            "informational": [{"code": code} for code in informational],
            "failure": [{"code": code} for code in failures],
        },
        "ingredientDeltas": list(deltas),
    }


def store(recorded_old=(), recorded_new=(), deltas=()):
    ingredient = {
        "active_manifest": "urn:c2pa:parent",
        "validation_status": [{"code": code} for code in recorded_old],
        "validation_results": results(*recorded_new),
    }
    return {
        "manifests": {"urn:c2pa:own": {"ingredients": [{}, ingredient]}},
        "validation_results": results(deltas=deltas),
    }


def delta(*failures, success=()):
    return {
        "ingredientAssertionURI": "self#jumbf=/c2pa/x/c2pa.assertions/c2pa.ingredient.v3",
        "validationDeltas": {"success": list(success), "failure": [{"code": c} for c in failures]},
    }


@pytest.mark.parametrize(
    ("code", "expected"),
    [
        ("assertion.dataHash.mismatch", Concern.INTEGRITY),
        ("claimSignature.mismatch", Concern.INTEGRITY),
        ("algorithm.unsupported", Concern.INTEGRITY),
        ("a.code.of.next.year", Concern.INTEGRITY),
        ("signingCredential.invalid", Concern.UNTRUSTED),
        ("claimSignature.outsideValidity", Concern.EXPIRED),
        ("signingCredential.ocsp.revoked", Concern.REVOKED),
        ("signingCredential.ocsp.unknown", Concern.NOTHING),
        ("timeStamp.mismatch", Concern.TIME),
        ("cawg.x509.credential.untrusted", Concern.IDENTITY),
        ("assertion.action.malformed", Concern.FORM),
    ],
)
def test_concerns(code, expected):
    assert concern(code) is expected


# specification 2.4, 15.2.2: what is a success, an information, a failure
SUCCESSES = """
assertion.accessible assertion.alternativeContentRepresentation.match assertion.bmffHash.match
assertion.boxesHash.match assertion.collectionHash.match assertion.dataHash.match
assertion.hashedURI.match assertion.multiAssetHash.match claimSignature.insideValidity
claimSignature.validated ingredient.claimSignature.validated ingredient.manifest.validated
signingCredential.ocsp.notRevoked signingCredential.trusted timeStamp.trusted timeStamp.validated
"""
INFORMATION = """
assertion.bmffHash.additionalExclusionsPresent assertion.boxesHash.additionalExclusionsPresent
assertion.dataHash.additionalExclusionsPresent ingredient.unknownProvenance
signingCredential.ocsp.inaccessible signingCredential.ocsp.skipped signingCredential.ocsp.unknown
"""
ON_TIME = """
timeOfSigning.insideValidity timeOfSigning.outsideValidity timeStamp.credentialInvalid
timeStamp.malformed timeStamp.mismatch timeStamp.outsideValidity timeStamp.untrusted
"""
FAILURES = """
algorithm.unsupported assertion.action.ingredientMismatch assertion.action.malformed
assertion.action.missing assertion.action.redacted assertion.action.redactionMismatch
assertion.action.softBindingMissing assertion.alternativeContentRepresentation.hashMismatch
assertion.alternativeContentRepresentation.malformed
assertion.alternativeContentRepresentation.missing assertion.bmffHash.malformed
assertion.bmffHash.mismatch assertion.boxesHash.malformed assertion.boxesHash.mismatch
assertion.boxesHash.unknownBox assertion.cbor.invalid assertion.cloud-data.actions
assertion.cloud-data.hardBinding assertion.cloud-data.labelMismatch assertion.cloud-data.malformed
assertion.collectionHash.incorrectFileCount assertion.collectionHash.invalidURI
assertion.collectionHash.malformed assertion.collectionHash.mismatch assertion.dataHash.malformed
assertion.dataHash.mismatch assertion.external-reference.actions
assertion.external-reference.created assertion.external-reference.hardBinding
assertion.external-reference.malformed assertion.hardBinding.redacted assertion.hashedURI.mismatch
assertion.inaccessible assertion.ingredient.malformed assertion.json.invalid
assertion.metadata.disallowed assertion.missing assertion.multiAssetHash.malformed
assertion.multiAssetHash.mismatch assertion.multiAssetHash.missingPart
assertion.multipleHardBindings assertion.notRedacted assertion.outsideManifest
assertion.selfRedacted assertion.timestamp.malformed assertion.undeclared claim.cbor.invalid
claim.hardBindings.missing claim.malformed claim.missing claim.multiple claimSignature.mismatch
claimSignature.missing claimSignature.outsideValidity general.error hashedURI.mismatch
hashedURI.missing ingredient.claimSignature.mismatch ingredient.claimSignature.missing
ingredient.hashedURI.mismatch ingredient.manifest.mismatch ingredient.manifest.missing
manifest.compressed.invalid manifest.inaccessible manifest.missing manifest.multipleParents
manifest.timestamp.invalid manifest.timestamp.wrongParents manifest.update.invalid
manifest.update.wrongParents signingCredential.expired signingCredential.invalid
signingCredential.ocsp.revoked signingCredential.revoked signingCredential.untrusted
"""
# and those that the library (c2pa-rs 0.91) has beside them
OF_THE_LIBRARY = """
algorithm.deprecated assertion.dataHash.redacted assertion.required.missing claim.required.missing
manifest.unknownProvenance manifest.unreferenced
"""


@pytest.mark.parametrize("code", [*SUCCESSES.split(), *INFORMATION.split()])
def test_what_is_no_failure_counts_nowhere(code):
    assert CONCERNS[code] is Concern.NOTHING


def test_failures_of_a_clock_count_on_time_only():
    assert {CONCERNS[code] for code in ON_TIME.split()} == {Concern.TIME}


def test_every_failure_has_a_deliberate_place():
    failures = FAILURES.split()
    assert len(failures) == len(set(failures))
    assert {CONCERNS[code] for code in failures} == {
        Concern.INTEGRITY,
        Concern.UNTRUSTED,
        Concern.EXPIRED,
        Concern.REVOKED,
        Concern.FORM,
    }
    listed = (SUCCESSES, INFORMATION, ON_TIME, FAILURES, OF_THE_LIBRARY)
    assert set(CONCERNS) == {code for group in listed for code in group.split()}


def test_whatever_says_mismatch_or_missing_is_a_change():
    for code in FAILURES.split():
        if code.endswith((".mismatch", "Mismatch", ".missing")) and "action." not in code:
            assert concern(code) is Concern.INTEGRITY, code


def test_codes_of_tomorrow():
    assert concern("timeStamp.of.tomorrow") is Concern.TIME
    assert concern("cawg.identity.of.tomorrow") is Concern.IDENTITY
    assert concern("signingCredential.of.tomorrow") is Concern.INTEGRITY
    assert concern("") is Concern.INTEGRITY


@pytest.mark.parametrize(
    ("code", "holds"),
    [
        ("cawg.x509.credential.untrusted", True),
        ("cawg.ica.untrusted_issuer", True),
        ("cawg.ica.did_unavailable", True),
        ("cawg.x509.signature.mismatch", False),
        ("cawg.identity.assertion.mismatch", False),
        ("assertion.dataHash.mismatch", True),
    ],
)
def test_identities_are_false_or_merely_unvouched(code, holds):
    assert axes.does_identity_hold(results(code)) == holds


def test_a_signature_that_does_not_hold_is_nobodys():
    unsigned = results("claimSignature.mismatch", success=[TRUSTED])
    assert axes.signer_axis(unsigned) == "untrusted"
    assert axes.integrity_axis(unsigned) == "failed"
    revoked = results("signingCredential.ocsp.revoked", success=[TRUSTED])
    assert axes.signer_axis(revoked) == "untrusted"


@pytest.mark.parametrize(
    ("code", "says"),
    [
        ("signingCredential.ocsp.revoked", "revoked"),
        ("signingCredential.ocsp.notRevoked", "not revoked"),
        ("signingCredential.ocsp.unknown", "unknown"),
        ("signingCredential.ocsp.skipped", None),
    ],
)
def test_what_a_stapled_answer_says(code, says):
    assert axes.revocation(results(code)) == says
    assert axes.revocation(results(informational=[code])) == says


@pytest.mark.parametrize(
    ("failures", "expected"),
    [
        ((), "trusted"),
        (("signingCredential.untrusted",), "untrusted"),
        (("signingCredential.untrusted", "signingCredential.expired"), "expired"),
        (("signingCredential.expired", "signingCredential.ocsp.revoked"), "revoked"),
        (("assertion.dataHash.mismatch",), "trusted"),
    ],
)
def test_signer(failures, expected):
    assert axes.signer_axis(results(*failures, success=[VALIDATED, TRUSTED])) == expected


def test_no_failure_is_no_trust_and_no_integrity():
    assert axes.signer_axis(results()) == "untrusted"
    assert axes.integrity_axis(results()) == "ok"
    assert axes.integrity_axis(results(success=[])) == "failed"
    assert axes.integrity_axis({}) == "failed"


def test_trust_found_in_another_list_is_none():
    other = {
        **TRUSTED,
        "explanation": "signing certificate trusted, found in [urn:tsa] trust anchors",
    }
    assert axes.signer_axis(results(success=[VALIDATED, other])) == "untrusted"


@pytest.mark.parametrize(
    ("explanation", "expected"),
    [
        ("timestamp cert trusted: X, trust list: urn:provenance:time:x", "trusted"),
        ("timestamp cert trusted: X, trust list: urn:provenance:manifest:x", "untrusted"),
        ("legacy timestamp cert trusted: X, trust list: urn:provenance:time:x", "untrusted"),
        (
            "timestamp cert trusted: , trust list: urn:provenance:time:x, trust list: urn:x",
            "untrusted",
        ),
    ],
)
def test_time_is_trusted_only_by_a_time_anchor(explanation, expected):
    entry = {"code": "timeStamp.trusted", "explanation": explanation}
    assert axes.time_axis(results(success=[entry])) == expected


def test_time_without_and_with_a_bad_time_stamp():
    assert axes.time_axis(results()) == "none"
    assert axes.time_axis(results(informational=["timeStamp.mismatch"])) == "untrusted"


def test_ancestors_take_the_worst_of_both_forms_and_of_today():
    assert axes.ancestors_axis({"manifests": {"x": {"ingredients": [{}]}}}) == "none"
    assert axes.ancestors_axis(store()) == "ok"
    assert axes.ancestors_axis(store(recorded_old=["claimSignature.mismatch"])) == "failed"
    assert axes.ancestors_axis(store(recorded_new=["assertion.dataHash.mismatch"])) == "failed"
    assert axes.ancestors_axis(store(deltas=[delta("assertion.hashedURI.mismatch")])) == "failed"
    assert axes.ancestors_axis(store(deltas=[delta("signingCredential.untrusted")])) == "untrusted"
    assert axes.ancestors_axis(store(recorded_old=["timeStamp.mismatch"])) == "ok"


def test_a_recorded_distrust_is_dropped_where_our_anchors_vouch():
    recorded = {"recorded_new": ["signingCredential.untrusted"]}
    assert axes.ancestors_axis(store(**recorded)) == "untrusted"
    url = "self#jumbf=/c2pa/urn:c2pa:parent/c2pa.signature"
    now = delta(success=[{**TRUSTED, "url": url}])
    assert axes.ancestors_axis(store(**recorded, deltas=[now])) == "ok"
    other = delta(success=[{**TRUSTED, "url": url.replace("parent", "other")}])
    assert axes.ancestors_axis(store(**recorded, deltas=[other])) == "untrusted"


def test_a_recorded_failure_is_not_a_change_of_this_file():
    parent = store(recorded_new=["assertion.dataHash.mismatch"])
    assert axes.integrity_axis(parent["validation_results"]) == "ok"
    changed = results(deltas=[delta("assertion.dataHash.mismatch")])
    assert axes.integrity_axis(changed) == "failed"
