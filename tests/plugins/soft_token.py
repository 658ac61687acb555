"""A token of SoftHSM in a folder, with keys that cannot leave it. Debian's package: softhsm2."""

import contextlib
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import signing_keys

PIN = "4711-geheim"
LABEL = "media"
_OFFICER_PIN = "12345678"
_LIBRARIES = (
    "/usr/lib/softhsm/libsofthsm2.so",
    "/usr/lib64/softhsm/libsofthsm2.so",
    "/usr/lib64/pkcs11/libsofthsm2.so",
    "/usr/local/lib/softhsm/libsofthsm2.so",
)


class SoftToken:
    """Settings and tools of a token; its keys are known by the names of their algorithms."""

    def __init__(self, folder: Path, module: str) -> None:
        self.folder = folder
        self.module = module
        self.root = signing_keys.Authority.make()

    def settings(self, algorithm: str) -> dict[str, str]:
        """Return settings of the key of an algorithm."""
        return {
            "module": self.module,
            "token": LABEL,
            "key": algorithm,
            "certificates": str(self.folder / f"{algorithm}.pem"),
        }

    def add_key(self, algorithm: str, key_id: bytes) -> None:
        """Make a key that cannot be extracted, and a certificate of it."""
        with self._session() as session:
            public, _ = _generate(session, algorithm, key_id)
            key = _public_key(public, algorithm)
        leaf = signing_keys.certify(key, self.root)
        (self.folder / f"{algorithm}.pem").write_bytes(leaf.public_bytes(signing_keys.PEM))

    def private_key(self, algorithm: str) -> Any:
        """Return the attributes of a key that tell whether it can leave the token."""
        import pkcs11

        with self._session() as session:
            key = session.get_key(object_class=pkcs11.ObjectClass.PRIVATE_KEY, label=algorithm)
            return key[pkcs11.Attribute.EXTRACTABLE], key[pkcs11.Attribute.SENSITIVE]

    def _session(self) -> Any:
        import pkcs11

        token = pkcs11.lib(self.module).get_token(token_label=LABEL)
        with contextlib.suppress(pkcs11.UserAlreadyLoggedIn):
            return token.open(user_pin=PIN, rw=True)
        return token.open(rw=True)


@contextlib.contextmanager
def soft_token(folder: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[SoftToken]:
    """Make an empty token; skips where SoftHSM or its Python library is missing.

    A process sees one configuration: SoftHSM reads it when the library is loaded.
    """
    pytest.importorskip("pkcs11", reason="python-pkcs11 is not installed (the extra pkcs11)")
    module = next((path for path in _LIBRARIES if Path(path).exists()), None)
    if module is None or not shutil.which("softhsm2-util"):
        pytest.skip("SoftHSM is not installed (Debian: apt-get install softhsm2)")
    (folder / "tokens").mkdir(parents=True)
    configuration = folder / "softhsm2.conf"
    configuration.write_text(f"directories.tokendir = {folder}/tokens\nlog.level = ERROR\n")
    monkeypatch.setenv("SOFTHSM2_CONF", str(configuration))
    monkeypatch.setenv("PROVENANCE_PIN", PIN)
    subprocess.run(
        [
            "softhsm2-util", "--init-token", "--free",
            "--label", LABEL, "--pin", PIN, "--so-pin", _OFFICER_PIN,
        ],
        check=True, capture_output=True,
    )  # fmt: skip
    _reload(module)
    yield SoftToken(folder, module)


def _reload(module: str) -> None:
    """Let the library read the configuration anew, whatever this process had opened before."""
    import pkcs11

    pkcs11.lib(module).reinitialize()


def _generate(session: Any, algorithm: str, key_id: bytes) -> tuple[Any, Any]:
    import pkcs11
    from pkcs11.util.ec import encode_named_curve_parameters

    if algorithm.startswith("ps"):
        return session.generate_keypair(
            pkcs11.KeyType.RSA, 2048, label=algorithm, id=key_id, store=True
        )
    curve = {"es256": "secp256r1", "es384": "secp384r1", "ed25519": "1.3.101.112"}[algorithm]
    is_edwards = algorithm == "ed25519"
    domain = session.create_domain_parameters(
        pkcs11.KeyType.EC_EDWARDS if is_edwards else pkcs11.KeyType.EC,
        {pkcs11.Attribute.EC_PARAMS: encode_named_curve_parameters(curve)},
        local=True,
    )
    mechanism = pkcs11.Mechanism.EC_EDWARDS_KEY_PAIR_GEN if is_edwards else None
    return domain.generate_keypair(label=algorithm, id=key_id, store=True, mechanism=mechanism)


def _public_key(public: Any, algorithm: str) -> Any:
    import pkcs11
    from cryptography.hazmat.primitives.asymmetric import ed25519
    from cryptography.hazmat.primitives.serialization import load_der_public_key
    from pkcs11.util.ec import encode_ec_public_key
    from pkcs11.util.rsa import encode_rsa_public_key

    if algorithm == "ed25519":
        point = public[pkcs11.Attribute.EC_POINT]  # an OCTET STRING: two bytes, then the key
        return ed25519.Ed25519PublicKey.from_public_bytes(point[-32:])
    if algorithm.startswith("ps"):
        return _rsa_public_key(encode_rsa_public_key(public))
    return load_der_public_key(encode_ec_public_key(public))


def _rsa_public_key(der: bytes) -> Any:
    from asn1crypto.keys import RSAPublicKey
    from cryptography.hazmat.primitives.asymmetric import rsa

    numbers = RSAPublicKey.load(der).native
    return rsa.RSAPublicNumbers(numbers["public_exponent"], numbers["modulus"]).public_key()
