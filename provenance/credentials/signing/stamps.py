"""A manifest store that the library made once, filled in anew for files that differ in little.

The library takes 0.4 to 0.8 ms for a manifest, most of it for what is the same in all files that a
generator makes together. A :class:`Stamp` keeps the library's own bytes and fills in what differs:
identifiers, salts, chosen texts, hashes, the signature. It is made by taking apart a file that the
library has signed, and refuses (:class:`StampError`) wherever it does not recognise every part: put
together again with the same values, it must give the library's bytes.

Sources: C2PA specification 2.4: 8.4.2.3 (hash of an assertion), 10 (claim), 13.2 (signature), 15.12
(hash of the content), A.3.1.2 (PNG); RFC 9052, 4.4 (what a signature covers).
"""

import hashlib
import os
import re
import struct
import zlib
from collections.abc import Mapping
from dataclasses import dataclass

from provenance.credentials.signing import jumbf
from provenance.credentials.signing.pem_key import PemKey
from provenance.credentials.signing.signatures import Checker, sign_for_cose
from provenance.errors import CredentialError

_PNG, _CHUNK = b"\x89PNG\r\n\x1a\n", b"caBX"
_AT = 33  # where the chunk goes: behind PNG's signature and IHDR
_CHUNK_OVERHEAD = 12
_UUID = rb"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}"
_SHORTEST, _LONGEST = 1 << 8, (1 << 16) - 1  # chunks whose length CBOR tells in three bytes
_SIGN1 = b"\xd2\x84"  # tag 18, COSE_Sign1, and an array of four
_NULL = b"\xf6"
_CONTEXT = b"\x84" + jumbf.cbor_text("Signature1")  # Sig_structure, an array of four


class StampError(ValueError):
    """A manifest store is not of the form that is known here; the library can still sign."""


class Holes:
    """Bytes of which some parts are filled in anew.

    Args:
        data: With the present content of all holes.
        holes: Key of each hole to what stands there now, perhaps several times.

    Raises:
        StampError: Something does not stand in ``data``.
    """

    def __init__(self, data: bytes, holes: Mapping[str, bytes]) -> None:
        keys = {content: key for key, content in holes.items()}
        pattern = (
            b"(" + b"|".join(map(re.escape, keys)) + b")"
        )  # what splits is kept, at odd places
        self._parts: list[bytes] = re.split(pattern, data) if keys else [data]
        self.keys = [keys[part] for part in self._parts[1::2]]
        if missing := holes.keys() - set(self.keys):
            raise StampError(f"not found: {sorted(missing)}")

    def fill(self, values: Mapping[str, bytes]) -> bytes:
        """Return the bytes with other content in the holes."""
        parts = self._parts.copy()
        parts[1::2] = [values[key] for key in self.keys]
        return b"".join(parts)


@dataclass(frozen=True, slots=True)
class Fresh:
    """What is new in each manifest, whatever it says.

    Attributes:
        manifest: UUID of the manifest, in ASCII.
        instance: UUID of the file, in ASCII.
        salts: One for each assertion.
    """

    manifest: bytes
    instance: bytes
    salts: tuple[bytes, ...]

    @classmethod
    def draw(cls, assertions: int) -> "Fresh":
        """Draw from the system's source of randomness."""
        size = jumbf.SALT_BYTES
        noise = os.urandom(size * (assertions + 2))
        drawn = [noise[i : i + size] for i in range(0, len(noise), size)]
        return cls(_uuid(drawn[0]), _uuid(drawn[1]), tuple(drawn[2:]))


def _uuid(noise: bytes) -> bytes:
    """Return 16 random bytes as a UUID of version 4 (RFC 9562, 5.4), in ASCII."""
    text = noise.hex()
    variant = "89ab"[noise[8] & 3]
    return f"{text[:8]}-{text[8:12]}-4{text[13:16]}-{variant}{text[17:20]}-{text[20:]}".encode()


class _Assertion:
    """One assertion: a description that ends in a salt, and CBOR with holes."""

    def __init__(self, content: bytes, holes: Mapping[str, bytes]) -> None:
        (_, description), (kind, data) = jumbf.boxes(content)
        self.salt = jumbf.salt_of(description)
        if kind != jumbf.CBOR or not self.salt:
            raise StampError(f"{jumbf.label_of(description)!r} is no salted CBOR")
        self._description = jumbf.box(jumbf.DESCRIPTION, description)[: -jumbf.SALT_BYTES]
        self.data = Holes(data, {key: held for key, held in holes.items() if held in data})
        self.sha256 = hashlib.sha256(content).digest()

    def fill(self, salt: bytes, values: Mapping[str, bytes]) -> bytes:
        """Return the content of the assertion's box."""
        data = self.data.fill(values)
        return b"".join((self._description, salt, jumbf.box(jumbf.CBOR, data)))


class Stamp:
    """Signs PNG files with one manifest, in which some texts differ from file to file.

    Args:
        signed: A PNG that the library signed, with a word of its own in the place of each text.
        words: Key of each text to the word that stands for it there.
        key: That it was signed with.

    Raises:
        StampError: The store is not of the form that is known here.
    """

    def __init__(self, signed: bytes, words: Mapping[str, str], key: PemKey) -> None:
        self._key = key
        self._store = store = _store_of(signed)
        self._texts = {name: jumbf.cbor_text(word) for name, word in words.items()}
        length = len(store) + _CHUNK_OVERHEAD
        content = hashlib.sha256(signed[:_AT] + signed[_AT + length :]).digest()
        own = {**self._texts, "content": content, "length": _length(length)}
        try:
            self._take_apart(own)
        except (ValueError, struct.error, CredentialError) as error:
            # of the last kind: a key that was exchanged since; the library signs with the new one
            raise StampError(str(error)) from error
        _check_words(signed, words, self._texts, self._all_keys())
        again = self._fill(self._fresh, own)
        if again[: -len(self._signature)] != store[: -len(self._signature)]:
            raise StampError("put together again it is another")

    def sign(self, png: bytes, texts: Mapping[str, str]) -> bytes:
        """Return ``png`` with a manifest of its own.

        Args:
            png: Without a manifest.
            texts: Key to text, for all keys.

        Raises:
            StampError: It is no PNG, carries a manifest, or a text is too long.
        """
        if not png.startswith(_PNG) or png[12:16] != b"IHDR" or _CHUNK in png:
            raise StampError("no PNG, or one with a manifest")
        values = {name: jumbf.cbor_text(text) for name, text in texts.items()}
        length = len(self._store) + _CHUNK_OVERHEAD
        for key in self._all_keys():
            if key in values:
                length += len(values[key]) - len(self._texts[key])
        values |= {"content": hashlib.sha256(png).digest(), "length": _length(length)}
        store = self._fill(Fresh.draw(len(self._assertions)), values)
        checksum = zlib.crc32(store, zlib.crc32(_CHUNK))
        return b"".join(
            (png[:_AT], struct.pack(">I", len(store)), _CHUNK, store, struct.pack(">I", checksum),
             png[_AT:])
        )  # fmt: skip

    def _all_keys(self) -> list[str]:
        """Return the key of each hole, several times where it stands several times."""
        return [*(key for one in self._assertions for key in one.data.keys), *self._claim.keys]

    # -- taking apart ------------------------------------------------------------------------------

    def _take_apart(self, own: Mapping[str, bytes]) -> None:
        ((_, outer),) = jumbf.boxes(self._store)
        self._outer, (manifest,) = _described(outer)
        named, (assertions, claim, signature) = _described(manifest)
        identifier = _found(rb"urn:c2pa:(" + _UUID + rb")\0", named)
        self._named = Holes(named, {"manifest": identifier})
        self._assertions_head, contents = _described(assertions)
        self._assertions = [_Assertion(one, own) for one in contents]
        self._claim_head, data = _cbor(claim)
        instance = _found(rb"xmp[.:]iid:(" + _UUID + rb")", data)
        for drawn in (identifier, instance):  # elsewhere it would stay, in files of another one
            if self._store.count(drawn) != named.count(drawn) + data.count(drawn):
                raise StampError("an identifier stands where it cannot be exchanged")
        self._fresh = Fresh(identifier, instance, tuple(one.salt for one in self._assertions))
        holes = {f"hash {i}": one.sha256 for i, one in enumerate(self._assertions)}
        holes |= {name: text for name, text in self._texts.items() if text in data}
        self._claim = Holes(data, {**holes, "manifest": identifier, "instance": instance})
        if not {"content", "length"} <= set(self._all_keys()):
            raise StampError("the hash of the content is another")
        self._take_signature(signature, data)

    def _take_signature(self, box: bytes, claim: bytes) -> None:
        self._cose_head, cose = _cbor(box)
        if not cose.startswith(_SIGN1):
            raise StampError("no COSE_Sign1")
        self._protected = jumbf.first_bytes(cose[len(_SIGN1) :])
        size = len(self._sign(b""))
        self._cose, self._signature = cose[:-size], cose[-size:]
        # the payload is null: what is signed, the claim, lies beside it
        if not self._cose.endswith(_NULL + jumbf.cbor_head(jumbf.BYTES, size)):
            raise StampError("the signature is not where it should be")
        Checker(self._key.key.public_key(), self._key.algorithm).checked(
            self._signature, self._covered(claim)
        )

    # -- putting together --------------------------------------------------------------------------

    def _fill(self, fresh: Fresh, values: Mapping[str, bytes]) -> bytes:
        """Return a store."""
        pairs = zip(self._assertions, fresh.salts, strict=True)
        filled = [one.fill(salt, values) for one, salt in pairs]
        known = {f"hash {i}": hashlib.sha256(one).digest() for i, one in enumerate(filled)}
        known |= {**values, "manifest": fresh.manifest, "instance": fresh.instance}
        claim = self._claim.fill(known)
        cose = self._cose + self._sign(claim)
        return _super(
            self._outer,
            _super(
                self._named.fill(known),
                _super(self._assertions_head, *(jumbf.box(jumbf.SUPERBOX, one) for one in filled)),
                _super(self._claim_head, jumbf.box(jumbf.CBOR, claim)),
                _super(self._cose_head, jumbf.box(jumbf.CBOR, cose)),
            ),
        )

    def _covered(self, claim: bytes) -> bytes:
        """Return what a signature of a claim covers: COSE's Sig_structure."""
        nothing = jumbf.cbor_bytes(b"")
        return b"".join((_CONTEXT, self._protected, nothing, jumbf.cbor_bytes(claim)))

    def _sign(self, claim: bytes) -> bytes:
        return sign_for_cose(self._key.key, self._key.algorithm, self._covered(claim))


def _super(description: bytes, *parts: bytes) -> bytes:
    return jumbf.box(jumbf.SUPERBOX, description, *parts)


def _described(content: bytes) -> tuple[bytes, list[bytes]]:
    """Return a superbox's description, as a box, and the contents of the superboxes in it."""
    (kind, description), *rest = jumbf.boxes(content)
    if kind != jumbf.DESCRIPTION or any(one != jumbf.SUPERBOX for one, _ in rest):
        raise StampError("boxes are nested in another way")
    return jumbf.box(kind, description), [inner for _, inner in rest]


def _cbor(content: bytes) -> tuple[bytes, bytes]:
    """Return a superbox's description, as a box, and the CBOR in it."""
    (_, description), (kind, data) = jumbf.boxes(content)
    if kind != jumbf.CBOR:
        raise StampError("no CBOR where it should be")
    return jumbf.box(jumbf.DESCRIPTION, description), data


def _store_of(signed: bytes) -> bytes:
    """Return the manifest store in a PNG that the library signed."""
    (length,) = struct.unpack_from(">I", signed, _AT)
    if signed[_AT + 4 : _AT + 8] != _CHUNK:
        raise StampError("the manifest is not where it should be")
    return signed[_AT + 8 : _AT + 8 + length]


def _found(pattern: bytes, data: bytes) -> bytes:
    found = re.search(pattern, data)
    if found is None:
        raise StampError(f"{pattern!r} is not there")
    return found[1]


def _length(length: int) -> bytes:
    """Return how the length of a chunk stands in the hash of the content."""
    if not _SHORTEST <= length <= _LONGEST:
        raise StampError("a manifest of unusual length")
    return jumbf.cbor_text("length") + jumbf.cbor_head(jumbf.UNSIGNED, length)


def _check_words(
    signed: bytes, words: Mapping[str, str], texts: Mapping[str, bytes], keys: list[str]
) -> None:
    """Refuse where a word stands elsewhere than in a hole, as a part of a longer text."""
    for name, word in words.items():
        if not keys.count(name) == signed.count(word.encode()) == signed.count(texts[name]) > 0:
            raise StampError(f"{name} stands where it cannot be exchanged")
