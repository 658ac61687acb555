"""Reads certificates of anybody and what they may be used for; damage is found at once.

``cryptography`` parses names, dates and extensions of a certificate when they are asked for, so a
damaged one loads, and raises in the middle of something else.
"""

import warnings
from collections.abc import Callable
from typing import TypeVar

from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.utils import CryptographyDeprecationWarning

_Extension = TypeVar("_Extension", bound=x509.ExtensionType)
_FAULTS = (
    ValueError,
    TypeError,
    UnsupportedAlgorithm,
    x509.DuplicateExtension,
    x509.InvalidVersion,
    x509.UnsupportedGeneralNameType,
    CryptographyDeprecationWarning,  # of what the standard forbids: a serial number below one
)


def parse_der(data: bytes) -> x509.Certificate:
    """Return one certificate in binary form; its key may still be of an unknown kind.

    Raises:
        ValueError: Something in it is damaged, or not as RFC 5280 wants it.
    """
    (certificate,) = _checked(lambda: [x509.load_der_x509_certificate(data)])
    return certificate


def parse_all(pem: bytes) -> list[x509.Certificate]:
    """Return the certificates of a PEM text, whatever else it holds.

    Raises:
        ValueError: There is none, or as :func:`parse_der`.
    """
    return _checked(lambda: x509.load_pem_x509_certificates(pem))


def extension_of(certificate: x509.Certificate, kind: type[_Extension]) -> _Extension | None:
    """Return an extension of a certificate that was read here; None where it has none such."""
    try:
        return certificate.extensions.get_extension_for_class(kind).value
    except x509.ExtensionNotFound:
        return None


def is_authority(certificate: x509.Certificate) -> bool:
    """Whether a certificate that was read here says that it may sign others."""
    constraints = extension_of(certificate, x509.BasicConstraints)
    return constraints is not None and constraints.ca


def extended_usages(certificate: x509.Certificate) -> tuple[str, ...] | None:
    """Return the extended key usages as dotted numbers; None where there is no limit."""
    usages = extension_of(certificate, x509.ExtendedKeyUsage)
    return None if usages is None else tuple(usage.dotted_string for usage in usages)


def _checked(load: Callable[[], list[x509.Certificate]]) -> list[x509.Certificate]:
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error", CryptographyDeprecationWarning)
            found = load()
            for certificate in found:
                _touch(certificate)
    except _FAULTS as error:
        raise ValueError(str(error) or type(error).__name__) from error
    return found


def _touch(certificate: x509.Certificate) -> None:
    """Have everything parsed that is read later."""
    for name in (certificate.subject, certificate.issuer):
        name.rfc4514_string()
    for value in (
        certificate.serial_number,
        certificate.version,
        certificate.not_valid_before_utc,
        certificate.not_valid_after_utc,
        certificate.extensions,
    ):
        if value is None:
            raise ValueError("a part is missing")
