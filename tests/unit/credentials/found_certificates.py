"""Takes certificates out of signed files, so that tests can trust who signed somebody's file."""

import re

from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding


def certificates_in(data):
    """Yield the certificates that lie in a file in DER, each once."""
    seen = set()
    for match in re.finditer(b"\x30\x82", data):
        length = int.from_bytes(data[match.end() : match.end() + 2], "big") + 4
        try:
            found = x509.load_der_x509_certificate(data[match.start() : match.start() + length])
        except ValueError:
            continue
        if found.serial_number not in seen:
            seen.add(found.serial_number)
            yield found


def pem_of(data, *names):
    """Return the certificates whose common names contain one of ``names``, as PEM."""
    chosen = [
        one.public_bytes(Encoding.PEM)
        for one in certificates_in(data)
        if any(name in one.subject.rfc4514_string() for name in names)
    ]
    assert chosen, names
    return b"".join(chosen)
