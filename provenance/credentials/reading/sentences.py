"""The one sentence that the axes amount to, for people."""

from collections.abc import Iterable
from dataclasses import replace

from provenance.credentials.reading.credential import Ancestors, Credential, Integrity, SignerTrust

NO_NETWORK = "Its credential lies on a server that the file names; it was not fetched."
PRERELEASE = "Its credential is of a form from before C2PA 1.0 that nothing checks any more."
NO_CARRIER = "Files of this type cannot carry a credential."
DAMAGED = "It carries a credential that is damaged beyond reading."
IDENTITY = "it also names a publisher (CAWG identity), for whom nothing vouches"
FALSE_IDENTITY = "it also names a publisher (CAWG identity), in a statement that does not hold"
OPEN_PARTS = "its signer left parts of it open, which may have changed since without a trace"
_CODES_SHOWN = 5


def conclude(
    integrity: Integrity,
    signer: SignerTrust,
    ancestors: Ancestors,
    issuer: str | None,
    *,
    faults: Iterable[str] = (),
    breaks_form: bool = False,
) -> str:
    """Return the one sentence that the axes amount to.

    Args:
        integrity: ``ok`` or ``failed``.
        signer: Axis.
        ancestors: Axis.
        issuer: Named only where the signer is trusted.
        faults: Codes of what does not match.
        breaks_form: The manifest was signed in a form that the specification does not allow.
    """
    if integrity == "failed":
        codes = list(dict.fromkeys(faults))
        shown = ", ".join(codes[:_CODES_SHOWN]) or "nothing in it was validated"
        more = f" and {len(codes) - _CODES_SHOWN} more" if len(codes) > _CODES_SHOWN else ""
        return f"Its content or its credential is not what was signed ({shown}{more})."
    parts = [_signed(signer, issuer)]
    if breaks_form:
        parts.append("its manifest does not follow the specification")
    if ancestors == "failed":
        parts.append("something that it was made from does not match its own credential")
    return "; ".join(parts) + "."


def noted(credential: Credential, *notes: str) -> Credential:
    """Return the credential with circumstances added, which stand in its sentence too.

    Args:
        credential: Its conclusion ends with a full stop.
        notes: Clauses, lower case, without a full stop.
    """
    if not notes:
        return credential
    sentence = "; ".join((credential.conclusion.removesuffix("."), *notes)) + "."
    return replace(credential, notes=(*credential.notes, *notes), conclusion=sentence)


def _signed(signer: SignerTrust, issuer: str | None) -> str:
    if signer == "trusted":
        return f"Unchanged since {issuer or 'a trusted signer'} signed it"
    if signer == "expired":
        return (
            "Unchanged since it was signed, but the certificate has expired"
            " and no trusted time-stamp shows that it was valid then"
        )
    if signer == "revoked":
        return "Unchanged since it was signed, but the signer's certificate has been revoked"
    return "Unchanged since it was signed, by somebody for whom no given trust anchor vouches"
