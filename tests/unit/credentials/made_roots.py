"""Self-signed roots for tests of trust lists, good ones and ones with any flaw; and an import."""

import datetime

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec

from provenance.credentials.keys import certificates
from provenance.credentials.trust import lists

DAY = datetime.timedelta(days=1)


def root(key=None, *, begins=-1.0, ends=100.0, is_authority=True, usages=(), **options):
    """Make a self-signed certificate, an authority unless told otherwise; times in days."""
    key = key or ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, options.get("name", "Root"))])
    now = datetime.datetime.now(datetime.UTC)
    builder = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now + begins * DAY)
        .not_valid_after(now + ends * DAY)
        .add_extension(x509.BasicConstraints(ca=is_authority, path_length=None), critical=True)
    )
    if "signs_certificates" in options:
        usage = certificates.key_usage(signs_certificates=options["signs_certificates"])
        builder = builder.add_extension(usage, critical=True)
    if usages:
        builder = builder.add_extension(x509.ExtendedKeyUsage(usages), critical=False)
    return builder.sign(options.get("signer", key), hashes.SHA256())


def pem(*found):
    return certificates.certificates_pem(*found)


def importer(folder):
    """Return a function that imports a file of the given content into a config folder."""

    def add(data, name="studio", purpose="manifest", **options):
        path = folder / "given"
        path.write_bytes(data)
        return lists.add_list(folder, name, path, purpose, **options)

    return add
