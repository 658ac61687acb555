"""The mapping of codes to axes, for outcomes that no file at hand shows."""

import pytest

from provenance.credentials.reading import axes
from provenance.credentials.reading.axes import Concern

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
    assert axes.concern(code) is expected


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
