"""Reads PEM files of certificates strictly: all of a file is understood, or it is refused.

The readers of libraries skip what they do not know, so that a file that lost a line is a shorter
list without a word. Explanatory text between certificates is allowed (RFC 7468, section 2).
"""

import base64
import binascii
import re
from collections.abc import Iterator
from dataclasses import dataclass

from cryptography import x509

from provenance.credentials.keys.parsing import parse_der
from provenance.errors import UserError

REMEDY = "Give a PEM file of root certificates (-----BEGIN CERTIFICATE-----)."
_BOUNDARY = re.compile(r"-----(BEGIN|END) ([A-Z0-9 ]+)-----")
_LOOSE = re.compile(r"[A-Za-z0-9+/]{40,}={0,2}")  # a line of a body whose BEGIN was lost
_CERTIFICATE = "CERTIFICATE"
_DER = b"\x30"  # a SEQUENCE, as certificates begin in their binary form
_OTHER_BLOCKS = {
    "TRUSTED CERTIFICATE": "a certificate in OpenSSL's own form; convert it with: openssl x509",
    "CERTIFICATE REQUEST": "a request for a certificate, which vouches for nobody",
    "X509 CRL": "a list of revoked certificates",
    "PKCS7": "a PKCS #7 bundle; unpack it with: openssl pkcs7 -print_certs",
}


@dataclass(frozen=True, slots=True)
class _Block:
    """What stands between a BEGIN and its END.

    Attributes:
        label: What it is, in capitals.
        line: Of its BEGIN, from 1.
        body: Base64 of it.
    """

    label: str
    line: int
    body: str


def parse_pem(data: bytes, source: str) -> list[x509.Certificate]:
    """Return all certificates of a PEM text, in order.

    Args:
        data: The whole file.
        source: Names the file in errors.

    Raises:
        UserError: It holds no certificate, one that is damaged or cut short, or something else
            than certificates, such as a private key.
    """
    if data[:1] == _DER:
        raise UserError(
            f"{source} is in binary form. Convert it with: openssl x509 -inform der -in FILE -out"
            f" FILE.pem. {REMEDY}"
        )
    blocks = list(_blocks(data.decode("utf-8-sig", "replace"), source))
    certificates = [_certificate(block, source) for block in blocks]
    if not certificates:
        raise UserError(f"{source} holds no certificates that can be read. {REMEDY}")
    return certificates


def _blocks(text: str, source: str) -> Iterator[_Block]:
    begun: _Block | None = None
    lines: list[str] = []
    for number, line in enumerate((one.strip() for one in text.split("\n")), 1):
        boundary = _BOUNDARY.fullmatch(line)
        if boundary is None:
            _check_line(line, number, source, inside=begun is not None)
            lines.append(line)
        elif boundary[1] == "BEGIN" and begun is None:
            begun, lines = _Block(boundary[2], number, ""), []
        elif boundary[1] == "END" and begun is not None and boundary[2] == begun.label:
            yield _Block(begun.label, begun.line, "".join(lines))
            begun = None
        else:
            raise _broken(source, number, f"{boundary[1]} {boundary[2]} is out of place")
    if begun is not None:
        raise _broken(source, begun.line, f"the {begun.label} that begins here does not end")


def _check_line(line: str, number: int, source: str, *, inside: bool) -> None:
    if "-----" in line and (inside or "BEGIN" in line or "END" in line):
        raise _broken(source, number, "is no proper BEGIN or END")
    if not inside and _LOOSE.fullmatch(line):
        raise _broken(source, number, "belongs to a certificate whose BEGIN is missing")


def _broken(source: str, line: int, words: str) -> UserError:
    return UserError(
        f"{source} is damaged: line {line}: {words}. Get it again, or mend it. {REMEDY}"
    )


def _certificate(block: _Block, source: str) -> x509.Certificate:
    if "PRIVATE KEY" in block.label:
        raise UserError(
            f"{source} holds a private key (line {block.line}), which no list of roots needs."
            f" Remove it, and think of who has seen the file. {REMEDY}"
        )
    if block.label != _CERTIFICATE:
        what = _OTHER_BLOCKS.get(block.label, f"a {block.label}")
        raise UserError(f"{source} holds {what} (line {block.line}). {REMEDY}")
    try:
        return parse_der(base64.b64decode(block.body, validate=True))
    except (ValueError, binascii.Error) as error:
        message = f"the certificate that begins here cannot be read ({error})"
        raise _broken(source, block.line, message) from error
