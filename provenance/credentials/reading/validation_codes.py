"""Every validation code has a place: the axis that it counts on when it is reported as a failure.

The codes are those of C2PA specification 2.4, section 15.2.2, of the library (c2pa-rs 0.91), and of
CAWG identity assertion 1.1. A code that stands nowhere here counts against integrity: what we do
not understand, we do not wave through.
"""

import enum
from collections.abc import Mapping


class Concern(enum.Enum):
    """The axis on which a failure counts."""

    INTEGRITY = "integrity"
    UNTRUSTED = "untrusted"
    EXPIRED = "expired"
    REVOKED = "revoked"
    TIME = "time"
    FORM = "form"
    IDENTITY = "identity"
    NOTHING = "nothing"


_CODES: Mapping[Concern, str] = {
    # a certificate that may not sign media: somebody we cannot trust, not a changed file
    Concern.UNTRUSTED: "signingCredential.untrusted signingCredential.invalid",
    Concern.EXPIRED: "signingCredential.expired claimSignature.outsideValidity",
    Concern.REVOKED: "signingCredential.revoked signingCredential.ocsp.revoked",
    Concern.TIME: """
        timeStamp.mismatch timeStamp.malformed timeStamp.outsideValidity timeStamp.untrusted
        timeStamp.credentialInvalid timeOfSigning.insideValidity timeOfSigning.outsideValidity
    """,
    # signed as it stands, but not as the specification wants it: files of several generators, as
    # they left the house; a changed assertion would be a hashedURI.mismatch
    Concern.FORM: """
        assertion.action.malformed assertion.action.missing assertion.action.softBindingMissing
        assertion.external-reference.actions assertion.external-reference.created
        assertion.external-reference.malformed assertion.metadata.disallowed
    """,
    # what was validated, and what we chose not to ask
    Concern.NOTHING: """
        assertion.accessible assertion.alternativeContentRepresentation.match
        assertion.bmffHash.match assertion.bmffHash.additionalExclusionsPresent
        assertion.boxesHash.match assertion.boxesHash.additionalExclusionsPresent
        assertion.collectionHash.match
        assertion.dataHash.match assertion.dataHash.additionalExclusionsPresent
        assertion.hashedURI.match assertion.multiAssetHash.match
        claimSignature.insideValidity claimSignature.validated
        ingredient.claimSignature.validated ingredient.manifest.validated
        ingredient.unknownProvenance manifest.unknownProvenance
        signingCredential.trusted signingCredential.ocsp.notRevoked
        signingCredential.ocsp.inaccessible signingCredential.ocsp.skipped
        signingCredential.ocsp.unknown
        timeStamp.trusted timeStamp.validated
    """,
    # the content, an assertion, a claim, a signature or a whole manifest is not what was signed,
    # or it cannot be told; a weak algorithm and an unsigned part are no better
    Concern.INTEGRITY: """
        algorithm.deprecated algorithm.unsupported
        assertion.action.ingredientMismatch assertion.action.redacted
        assertion.action.redactionMismatch
        assertion.alternativeContentRepresentation.hashMismatch
        assertion.alternativeContentRepresentation.malformed
        assertion.alternativeContentRepresentation.missing
        assertion.bmffHash.malformed assertion.bmffHash.mismatch
        assertion.boxesHash.malformed assertion.boxesHash.mismatch assertion.boxesHash.unknownBox
        assertion.cbor.invalid assertion.cloud-data.actions assertion.cloud-data.hardBinding
        assertion.cloud-data.labelMismatch assertion.cloud-data.malformed
        assertion.collectionHash.incorrectFileCount assertion.collectionHash.invalidURI
        assertion.collectionHash.malformed assertion.collectionHash.mismatch
        assertion.dataHash.malformed assertion.dataHash.mismatch assertion.dataHash.redacted
        assertion.external-reference.hardBinding assertion.hardBinding.redacted
        assertion.hashedURI.mismatch assertion.inaccessible assertion.ingredient.malformed
        assertion.json.invalid assertion.missing assertion.multiAssetHash.malformed
        assertion.multiAssetHash.mismatch assertion.multiAssetHash.missingPart
        assertion.multipleHardBindings assertion.notRedacted assertion.outsideManifest
        assertion.required.missing assertion.selfRedacted assertion.timestamp.malformed
        assertion.undeclared
        claim.cbor.invalid claim.hardBindings.missing claim.malformed claim.missing
        claim.multiple claim.required.missing claimSignature.mismatch claimSignature.missing
        general.error hashedURI.mismatch hashedURI.missing
        ingredient.claimSignature.mismatch ingredient.claimSignature.missing
        ingredient.hashedURI.mismatch ingredient.manifest.mismatch ingredient.manifest.missing
        manifest.compressed.invalid manifest.inaccessible manifest.missing
        manifest.multipleParents manifest.timestamp.invalid manifest.timestamp.wrongParents
        manifest.unreferenced manifest.update.invalid manifest.update.wrongParents
    """,
}
CONCERNS: Mapping[str, Concern] = {
    code: concern for concern, codes in _CODES.items() for code in codes.split()
}
"""Code to axis, for every code that is known."""

# whole families, those of later versions too
_FAMILIES = (
    ("timeStamp.", Concern.TIME),
    ("signingCredential.ocsp.", Concern.NOTHING),
    ("cawg.", Concern.IDENTITY),  # who published it, on top of who signed it
)
_IDENTITY_UNVOUCHED = (".untrusted", ".untrusted_issuer", ".did_unavailable")


def concern(code: str) -> Concern:
    """Return the axis that a failure code counts on."""
    if code in CONCERNS:
        return CONCERNS[code]
    return next((axis for start, axis in _FAMILIES if code.startswith(start)), Concern.INTEGRITY)


def refutes_identity(code: str) -> bool:
    """Whether a failure code says that an identity assertion is false, not merely unvouched for."""
    return concern(code) is Concern.IDENTITY and not code.endswith(_IDENTITY_UNVOUCHED)
