"""The smallest signer that passes the conformance kit: a key in a file without a passphrase."""

from pathlib import Path

from provenance import SignerSpec, UserError, hookimpl

SPEC = SignerSpec(
    name="example",
    version="1.0",
    summary="A key in a file, for tests",
    licence="Apache-2.0",
    settings={"key": "PEM file of the key", "certificates": "PEM file of its certificates"},
    files=("key", "certificates"),
)


class Key:
    algorithm = "es256"

    def __init__(self, key: bytes, certificates: bytes) -> None:
        from cryptography.hazmat.primitives import serialization

        self._key = serialization.load_pem_private_key(key, password=None)
        self.certificates_pem = certificates

    def sign(self, data: bytes) -> bytes:
        from cryptography.hazmat.primitives import hashes
        from cryptography.hazmat.primitives.asymmetric import ec

        return self._key.sign(data, ec.ECDSA(hashes.SHA256()))


def build(settings):
    try:
        key, certificates = (Path(settings[name]).read_bytes() for name in SPEC.files)
        return Key(key, certificates)
    except (KeyError, OSError, ValueError) as error:
        raise UserError(
            f"The settings key and certificates must name PEM files: {error}"
        ) from error


@hookimpl
def register_signers(register):
    register(SPEC, build)
