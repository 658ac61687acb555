"""From the library's validation codes to four axes.

The place of each code stands in :mod:`provenance.credentials.reading.validation_codes`.
"""

import re
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from provenance.credentials.reading.credential import (
    Ancestors,
    Integrity,
    Revocation,
    SignerTrust,
    TimeTrust,
)
from provenance.credentials.reading.validation_codes import Concern, concern, refutes_identity
from provenance.credentials.trust.anchors import URI_PREFIX

_KINDS = ("success", "informational", "failure")
_REVOCATION: Mapping[str, Revocation] = {
    "signingCredential.ocsp.revoked": "revoked",
    "signingCredential.revoked": "revoked",
    "signingCredential.ocsp.unknown": "unknown",
    "signingCredential.ocsp.notRevoked": "not revoked",
}
TRUSTED = "signingCredential.trusted"
TIME_TRUSTED = "timeStamp.trusted"
UNREFERENCED = "manifest.unreferenced"
_MANIFEST_LIST = re.compile(rf"\[{URI_PREFIX}manifest:([a-z0-9-]+)\]")
_TIME_LIST = re.compile(rf", trust list: {URI_PREFIX}time:[a-z0-9-]+\Z")


def integrity_axis(results: Mapping[str, Any]) -> Integrity:
    """Whether everything stored in the file is what was signed.

    An ancestor's failure that its signer recorded is not a change of this file, and the library
    lists only the others as deltas.
    """
    if integrity_faults(results):
        return "failed"
    # no failure is no proof: something must have been validated
    return "ok" if is_signed(results) else "failed"


def integrity_faults(results: Mapping[str, Any]) -> list[str]:
    """Return the codes that :func:`integrity_axis` fails for."""
    found = [*codes(active(results), "failure"), *delta_failure_codes(results)]
    return [code for code in found if concern(code) is Concern.INTEGRITY]


def unreferenced(store: Mapping[str, Any]) -> frozenset[str]:
    """Return the labels of manifests that the own one does not lead to, ingredient by ingredient.

    Neither hash nor signature covers them: anybody can put one into a credential, in the place of
    padding, and have it say that the file was made from something bad. The library lets them pass.
    """
    manifests: Mapping[str, Any] = store.get("manifests") or {}
    left, waiting = set(manifests), [store.get("active_manifest")]
    while waiting:
        label = waiting.pop()
        if label in left:
            left.remove(label)
            found = manifests[label].get("ingredients") or ()
            waiting += [ingredient.get("active_manifest") for ingredient in found]
    return frozenset(left)


def breaks_form(results: Mapping[str, Any]) -> bool:
    """Whether the manifest is as it was signed, but not as the specification wants it."""
    return Concern.FORM in map(concern, codes(active(results), "failure"))


def does_identity_hold(results: Mapping[str, Any]) -> bool:
    """Whether no identity assertion beside the signature was found to be false."""
    return not any(map(refutes_identity, codes(active(results), "failure")))


def signer_axis(results: Mapping[str, Any]) -> SignerTrust:
    """Whether a given anchor vouches for the signer of the file's own manifest.

    Without a signature that holds there is no signer: anybody can put a certificate into a file.
    """
    if not is_signed(results):
        return "untrusted"
    concerns = set(map(concern, codes(active(results), "failure")))
    if Concern.REVOKED in concerns:
        return "revoked"
    if Concern.EXPIRED in concerns:
        return "expired"
    is_trusted = is_chain_trusted(results) and Concern.UNTRUSTED not in concerns
    return "trusted" if is_trusted else "untrusted"


def is_signed(results: Mapping[str, Any]) -> bool:
    """Whether the signature of the file's own manifest holds, whoever made it."""
    return _has(results, "claimSignature.validated")


def _has(results: Mapping[str, Any], code: str) -> bool:
    """Whether the file's own manifest succeeded in something; looks no further than needed."""
    return any(entry.get("code") == code for entry in active(results).get("success") or ())


def revocation(results: Mapping[str, Any]) -> Revocation | None:
    """Return what an answer of the issuer, stapled into the file, says of the certificate.

    None where there is none, or where no anchor vouches for the chain: the library does not look
    at the answer then. Nobody is asked.
    """
    found = {str(entry.get("code")) for entry in _all_entries(results)}
    for code, word in _REVOCATION.items():
        if code in found:
            return word
    return None


def is_chain_trusted(results: Mapping[str, Any]) -> bool:
    """Whether the signer's chain ends in an anchor that was given for manifests."""
    return vouching_list(results) is not None


def vouching_list(results: Mapping[str, Any]) -> str | None:
    """Return the name of the trust list that vouches for the signer.

    The library also accepts roots of time-stamps and identities here, so its explanation, which
    names the list, is read too.
    """
    for entry in entries(active(results), "success"):
        if entry.get("code") == TRUSTED:
            found = _MANIFEST_LIST.search(str(entry.get("explanation")))
            if found:
                return found[1]
    return None


def time_axis(results: Mapping[str, Any]) -> TimeTrust:
    """Whether a given time anchor vouches for the time of signing.

    The library trusts the time-stamps of old claims whoever made them ("legacy"), and those of
    authorities under manifest anchors; we do neither.
    """
    found = [
        entry for entry in _all_entries(results) if str(entry.get("code")).startswith("timeStamp.")
    ]
    if any(map(_is_time_trusted, found)):
        return "trusted"
    return "untrusted" if found else "none"


def _is_time_trusted(entry: Mapping[str, Any]) -> bool:
    # the explanation quotes the authority's name, which anybody can choose: look at both ends
    text = str(entry.get("explanation"))
    return (
        entry.get("code") == TIME_TRUSTED
        and text.startswith("timestamp cert trusted:")
        and _TIME_LIST.search(text) is not None
    )


def is_excused_by_any_time(results: Mapping[str, Any]) -> bool:
    """Whether the library took a time-stamp on trust for which no anchor vouches."""
    return _has(results, TIME_TRUSTED) and time_axis(results) != "trusted"


def ancestors_axis(store: Mapping[str, Any]) -> Ancestors:
    """The worst of everything that the file was made from.

    Every manifest in the store is looked at, reachable or not, and three places in each: what its
    signer recorded of an ingredient in the old form and in the new, and what validates otherwise
    today. The library's own state hides the recorded ones.
    """
    results = store.get("validation_results") or {}
    ingredients = list(_ingredients_with_credentials(store))
    found = {concern(code) for code in delta_failure_codes(results)}
    for ingredient in ingredients:
        found |= set(map(concern, _recorded(ingredient, vouched=newly_vouched(results))))
    if Concern.INTEGRITY in found:
        return "failed"
    if found & {Concern.UNTRUSTED, Concern.EXPIRED, Concern.REVOKED}:
        return "untrusted"
    return "ok" if ingredients else "none"


def newly_vouched(results: Mapping[str, Any]) -> frozenset[str]:
    """Return the labels of ancestors for which our anchors vouch, but their recorders did not."""
    urls = (
        str(entry.get("url"))
        for delta in results.get("ingredientDeltas") or ()
        for entry in entries(delta.get("validationDeltas") or {}, "success")
        if entry.get("code") == TRUSTED
    )
    return frozenset(url.rpartition("/")[0].rpartition("/")[2] for url in urls)


def delta_failures(results: Mapping[str, Any]) -> Iterator[tuple[str, tuple[str, ...]]]:
    """Yield (ingredient label, failure codes) of what validates otherwise than was recorded."""
    for delta in results.get("ingredientDeltas") or ():
        found = codes(delta.get("validationDeltas") or {}, "failure")
        if found:
            yield str(delta.get("ingredientAssertionURI", "")).rpartition("/")[2], tuple(found)


def delta_failure_codes(results: Mapping[str, Any]) -> list[str]:
    """Return the codes of :func:`delta_failures`."""
    return [code for _, found in delta_failures(results) for code in found]


def active(results: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return the results of the file's own manifest."""
    found: Mapping[str, Any] = results.get("activeManifest") or {}
    return found


def entries(results: Mapping[str, Any], kind: str) -> list[Mapping[str, Any]]:
    """Return the entries of ``success``, ``informational`` or ``failure``."""
    return list(results.get(kind) or ())


def _all_entries(results: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    """Return the entries of the file's own manifest, of all kinds."""
    own = active(results)
    return [entry for kind in _KINDS for entry in own.get(kind) or ()]


def codes(results: Mapping[str, Any], kind: str) -> list[str]:
    """Return the codes of :func:`entries`."""
    return [str(entry.get("code")) for entry in results.get(kind) or ()]


def _ingredients_with_credentials(store: Mapping[str, Any]) -> Iterator[Mapping[str, Any]]:
    for manifest in (store.get("manifests") or {}).values():
        for ingredient in manifest.get("ingredients") or ():
            if any(
                ingredient.get(key)
                for key in ("active_manifest", "validation_results", "validation_status")
            ):
                yield ingredient


def _recorded(ingredient: Mapping[str, Any], *, vouched: frozenset[str]) -> Iterable[str]:
    """Return the failures that the signer recorded when it took this ingredient in.

    Whom that signer trusted is not whom we trust: a recorded "untrusted" is dropped where our
    anchors vouch for the ingredient now.
    """
    old = [str(entry.get("code")) for entry in ingredient.get("validation_status") or ()]
    new = ingredient.get("validation_results") or {}
    found = [*old, *codes(active(new), "failure"), *delta_failure_codes(new)]
    if ingredient.get("active_manifest") in vouched:
        return [code for code in found if concern(code) is not Concern.UNTRUSTED]
    return found
